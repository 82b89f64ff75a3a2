"""The lower level of the attack: a victim that answers every change of the injected rows."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import PrimalLoss
from skfedmtl._protocol import FederatedProblem, Iterate, Moved
from skfedmtl._solvers import Adjoint, Solved, SplittingSolver, first_rho
from skfedmtl._tools.layout import Field, Layout, like
from skfedmtl._typing import Array
from skfedmtl.attack._bilevel.generator import as_text, set_state, state_field
from skfedmtl.attack._bilevel.objective import EXACT, Damage, UpperObjective
from skfedmtl.attack._feasible import FeasibleSet
from skfedmtl.attack._setting import CleanData, Judged, Start, Victim, upper_loss


@dataclass(frozen=True)
class _OwnRows:
    """The damage done to rows that nodes are fitted to."""

    problem: FederatedProblem
    shares: list[Array]

    def __call__(self, l: int) -> Damage | None:
        nodes, share = self.problem.nodes, self.shares[l]
        if not share.any():
            return None
        return Damage(nodes.rows(l), nodes.y[nodes.parts[l]], share, True)


@dataclass(frozen=True)
class _OtherRows:
    """The same of rows that no node holds."""

    problem: FederatedProblem
    rows: dict[int, tuple[Array, Array, Array]]

    def __call__(self, l: int) -> Damage | None:
        if l not in self.rows:
            return None
        X, y, share = self.rows[l]
        moved, targets = self.problem.node_rows(l, X, y)
        return Damage(moved, targets, share, False)


class Bilevel:
    """H as a function of the injected rows, and its gradient at the last rows tried.

    Parameters
    ----------
    victim : fitted FMTL estimator, or Pipeline of scalers and one
        On the clean rows: gives the scalers, the parameters, the labels and a first guess.
    clean : CleanData
    start : Start
    judged : Judged
        The rows whose loss is raised.
    tol : float
        Relative duality gap to which the victim is solved for every change.
    rng : Generator
        Draws the order of rows.
    weight : ndarray of shape (n_clean + n_injected,)
        Of the rows the victim is fitted to.
    """

    def __init__(
        self,
        victim: Any,
        clean: CleanData,
        start: Start,
        judged: Judged,
        *,
        tol: float,
        rng: np.random.Generator,
        weight: Array,
    ) -> None:
        self.doubt = 0.0  #: what smoothing may add to H of given weights
        n, k = len(clean.codes), len(start.codes)
        self._victim = Victim(victim)
        victim = self._victim.model
        codes = np.concatenate([clean.codes, start.codes])
        y = victim._solver_targets(np.concatenate([clean.y, start.y]))
        self._selected_from = y, codes, weight
        self._problem = victim._problem(
            self._victim.forward(np.vstack([clean.X, start.X])),
            y,
            codes,
            victim.nodes_,
            weight,
        )
        first = self._problem.dual_coef()
        first[:n] = victim.dual_coef_
        self._problem.set_dual_coef(first)
        self._injected = np.arange(n, n + k)
        if judged.fitted:
            shares = np.concatenate([judged.share, np.zeros(k)])
            damage: _OwnRows | _OtherRows = _OwnRows(self._problem, self._problem.split(shares))
        else:
            damage = _OtherRows(self._problem, _by_node(self._victim, judged))
        self._damage, self._upper_loss = damage, judged.loss
        self._rng, self._tol = rng, tol
        self._begin(self._problem.weights(victim.coef_, victim.intercept_))

    def _begin(self, W: Array) -> None:
        """Prepare for the first solution, which is near these weights."""
        nodes, relationship = self._problem.nodes, self._problem.server.relationship
        rho = first_rho(relationship, W, nodes.moments_of(nodes.alpha))
        self._solved = Solved.at(nodes, W, rho)
        self._iterate = Iterate(self._solved.T, self._solved.alpha, rho, 0, None)
        self._adjoint = Adjoint(relationship, nodes)
        self._upper = self._objective(nodes.loss)

    def _objective(self, loss: PrimalLoss, accuracy: float = EXACT) -> UpperObjective:
        """H for a victim's loss."""
        return UpperObjective(
            self._problem,
            upper_loss(self._upper_loss, loss),
            self._damage,
            self._injected,
            self._adjoint,
            accuracy,
        )

    def value(self, rows: Array, y: Array | None = None) -> float:
        """H after the victim has been fitted to these rows, and targets if given."""
        self.fit(rows, y)
        return self._upper.value(self._solved)

    def fit(self, rows: Array, y: Array | None = None) -> None:
        """Fit the victim to these rows, and targets if given."""
        moved = self._problem.replace_rows(self._injected, self._victim.forward(rows), y)
        self._upper.forget()
        if hasattr(self, "_solved"):  # weights of many nodes are large, and nobody asks for these
            del self._solved
        self._solved = self._solve(moved)

    def refit(self, rows: Array) -> list[Array]:
        """Fit the victim to those of clean and injected rows that it goes by, from all of them.

        The share that counts of each row, in a list of one.
        """
        self.fit(rows)
        model = self._victim.model
        if model._goes_by_all:
            return [np.ones(len(self._selected_from[-1]))]
        return [model._select(self._fit_weighted, *self._selected_from)]

    def _fit_weighted(self, weight: Array) -> Array:
        """Losses of all rows after a fit with other weights."""
        self._problem.reweigh(weight)
        self._iterate = self._iterate._replace(alpha=self._problem.nodes.alpha)
        self._solved = self._solve({})
        return self._problem.losses(self._solved.W)

    def _solve(self, moved: Moved) -> Solved:
        """The victim of the rows at hand, of which these have moved."""
        problem = self._problem
        nodes = problem.nodes
        problem.server.gather(nodes)
        solver = SplittingSolver(
            tol=self._tol, max_iter=self._victim.model.max_iter, iterate=self._iterate
        )
        solution = problem.solve(solver, self._rng)
        self._iterate = solver.iterate._replace(W=None)
        return Solved.at(nodes, solution.W, self._iterate.rho)

    def decide(self, X: Array, codes: NDArray[np.int64]) -> Array:
        """Decision values of the last victim, of users' rows in these nodes."""
        fitted = copy(self._victim.model)
        fitted.coef_, fitted.intercept_ = self._problem.coefficients(self._solved.W)
        return np.asarray(fitted._decision(self._victim.forward(X), codes))

    def harden(self, tol: float) -> None:
        """Solve victims as they are, and to this gap, from now on."""
        self._tol = tol

    @property
    def is_near(self) -> bool:
        """Whether H can be trusted."""
        return True

    def advance(self, share: float) -> None:
        """Told before every change what share of the changes has been made."""

    def gradient(self, kind: str) -> Array:
        """Gradient of H with respect to the rows last given to `value`."""
        return self.full_gradient(kind)[:, :-1]

    def full_gradient(self, kind: str) -> Array:
        """The same, with respect to the targets in the last column."""
        slope = self._upper.full_gradient(kind, self._solved)
        return np.column_stack([self._victim.pull_back(slope[:, :-1]), slope[:, -1]])

    def signature(self) -> tuple[int, bytes]:
        """What must stay for H to be smooth: the rank of W, and the rows that respond."""
        solved, nodes = self._solved, self._problem.nodes
        scale, _ = solved.stiffness(nodes)
        rank = solved.proximal_response(self._problem.server.relationship).rank
        return rank, (scale > 0.0).tobytes()

    # -- to stop and go on ----------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        """What the next solution and gradient depend on, beside the rows."""
        iterate = self._iterate
        return {
            "T": iterate.T,
            "alpha": iterate.alpha,
            "rho": np.array(iterate.rho),
            "age": np.array(iterate.age, dtype=np.int64),
            "W": self._solved.W,
            "dual_coef": self._problem.dual_coef(),
            "adjoint": self._adjoint.last,
            "rng": np.array(as_text(self._rng)),
            **self._common(),
        }

    def _common(self) -> dict[str, Array]:
        """The common part that the next victim's is looked for from, if it is looked for."""
        last = self._problem.server.relationship.last
        return {} if last is None else {"common": last}

    def restore(self, state: dict[str, Array], rows: Array, y: Array | None = None) -> None:
        """Be where a `state` was taken, with the rows of that moment."""
        problem, nodes = self._problem, self._problem.nodes
        problem.replace_rows(self._injected, self._victim.forward(rows), y)
        problem.set_dual_coef(state["dual_coef"])
        rho = float(state["rho"])
        self._iterate = Iterate(state["T"], state["alpha"], rho, int(state["age"]), None)
        self._solved = Solved.at(nodes, state["W"], rho)
        self._adjoint.last = state["adjoint"]
        set_state(self._rng, str(state["rng"]))
        problem.server.relationship.last = state.get("common")

    def layout(self) -> Layout:
        """What a `state` is."""
        return {
            "T": like(self._iterate.T),
            "alpha": like(self._iterate.alpha),
            "rho": Field((), "float64", 0.0),
            "age": Field((), "int64", 0),
            "W": like(self._solved.W),
            "dual_coef": like(self._problem.dual_coef()),
            "adjoint": like(self._adjoint.last),
            "rng": state_field(self._rng),
            **{name: like(self._iterate.T[0]) for name in self._common()},
        }


class WithTargets:
    """A game on rows and targets together: a last column, scaled as the rows are.

    Parameters
    ----------
    game : Bilevel
    feasible : FeasibleSet
        Of the rows.
    unit : ndarray of shape (n_injected,)
        Of the rows' steps.
    low, high : ndarray of shape (n_injected,)
        Between which each target must lie.
    """

    def __init__(
        self, game: Bilevel, feasible: FeasibleSet, unit: Array, low: Array, high: Array
    ) -> None:
        self._game, self._feasible = game, feasible
        self._low, self._high = low, high
        span = np.where(high > low, high - low, 1.0)
        self._unit = span / (2.0 * np.where(unit > 0.0, unit, 1.0))

    def join(self, rows: Array, y: Array) -> Array:
        """The game's variable."""
        return np.column_stack([rows, y / self._unit])

    def split(self, both: Array) -> tuple[Array, Array]:
        """Rows and targets of it."""
        return both[:, :-1], np.clip(both[:, -1] * self._unit, self._low, self._high)

    def project(self, both: Array) -> Array:
        """The nearest feasible rows and targets."""
        y = np.clip(both[:, -1], self._low / self._unit, self._high / self._unit)
        return np.column_stack([self._feasible.project(both[:, :-1]), y])

    def advance(self, share: float) -> None:
        """Tell the game."""
        self._game.advance(share)

    def value(self, both: Array) -> float:
        """H of rows and targets."""
        return self._game.value(*self.split(both))

    def gradient(self, kind: str) -> Array:
        """Gradient of H with respect to both."""
        slope = self._game.full_gradient(kind)
        slope[:, -1] *= self._unit
        return slope


def _by_node(victim: Victim, judged: Judged) -> dict[int, tuple[Array, Array, Array]]:
    """Rows that count, as the model sees them, their targets and shares."""
    X, y = victim.forward(judged.X), victim.model._solver_targets(judged.y)
    counts = judged.share > 0.0
    parts = {}
    for code in np.unique(judged.codes[counts]):
        mine = counts & (judged.codes == code)
        parts[int(code)] = X[mine], y[mine], judged.share[mine]
    return parts
