"""One fit as an object: the rows of every node, where the intercept goes, and the solution.

The problem translates between the caller's rows, in their order and with an intercept,
and the coordinates of the solver, sorted by node and without one::

    intercept   rows of the solver          targets       weights of the solver
    ---------   ------------------          -------       ---------------------
    "none"      x                           y             w
    "feature"   [x, scale]                  y             [w, b / scale], penalised
    "centred"   x - mean of its node        y - mean      w;  b = mean y - mean x . w

It is the one object that the attacks share with the estimators: they replace rows, solve
again from the dual variables at hand, and read `nodes`, `server` and `solution`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skfedmtl._model import Loss, Relationship, row_algebra
from skfedmtl._protocol.messages import Solution
from skfedmtl._protocol.node import Node
from skfedmtl._protocol.node_table import NodeTable
from skfedmtl._protocol.server import Server
from skfedmtl._tools.task import NO_TASK, Task
from skfedmtl._typing import Array

LARGEST = 1e100  #: values whose squares and sums do not overflow

Intercept = Literal["none", "feature", "centred"]


#: the rows that have changed, by their places in their node, of every node that has some
Moved = dict[int, NDArray[np.intp]]


class Watch(NamedTuple):
    """The task whose parts are rounds, and what makes a fitted estimator of one, if one can."""

    task: Task
    attributes: Callable[[Solution], dict[str, Any]] | None


NOBODY = Watch(NO_TASK, None)


class Iterate(NamedTuple):
    """Where an iteration stands: what the next one needs, beside the problem."""

    T: Array
    alpha: Array
    rho: float
    age: int  #: iterations so far
    W: Array | None  #: weights that may be better than any of its own


class Solver(Protocol):
    """Improves weights and dual variables from where they are."""

    def solve(
        self, server: Server, nodes: Any, rng: np.random.Generator, watch: Watch = ...
    ) -> Solution: ...


def solver_weights(coef: Array, intercept: Array, kind: Intercept, scaling: float) -> Array:
    """Weights in the solver's coordinates; a free intercept follows from the means."""
    if kind != "feature":
        return coef.copy()
    return np.column_stack([coef, intercept / scaling])


def shares(weight: Array, codes: NDArray[np.int64], m: int) -> Array:
    """s_i / c_l of weights of the rows of m nodes; a node of no weight keeps zeros."""
    some = weight[weight > 0]
    if some.max(initial=1.0) > LARGEST or some.min(initial=1.0) < 1.0 / LARGEST:
        largest = np.zeros(m)
        np.maximum.at(largest, codes, weight)
        weight = weight / np.where(largest > 0, largest, 1.0)[codes]
    total = np.bincount(codes, weights=weight, minlength=m)
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return weight * scale[codes]


class FederatedProblem:
    """Rows of all nodes, in the coordinates of the solver.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d)
        Sparse rows are shared with the caller where they can be; only dense ones are replaced.
    y : ndarray of shape (n,)
        Targets; -1 or +1 for a classification loss.
    codes : ndarray of shape (n,)
        Position of each row's node.
    sample_weight : ndarray of shape (n,)
        Weights ``s_i >= 0``; a node's rows share them as ``s_i / c_l``.
    node_weight : ndarray of shape (m,) or None
        What every node's loss counts, at least 0; None: 1.
    """

    def __init__(
        self,
        X: Any,
        y: Array,
        codes: NDArray[np.int64],
        sample_weight: Array,
        *,
        loss: Loss,
        relationship: Relationship,
        intercept: Intercept,
        intercept_scaling: float = 1.0,
        node_weight: Array | None = None,
    ) -> None:
        m = relationship.n_nodes
        self.n_features = X.shape[1]
        self.intercept, self.intercept_scaling = intercept, intercept_scaling
        self._order = np.argsort(codes, kind="stable")
        self._codes = codes[self._order]
        self._starts = np.searchsorted(self._codes, np.arange(m + 1))
        self._place = np.empty(len(codes), dtype=np.intp)
        self._place[self._order] = np.arange(len(codes))
        self._node_weight = node_weight
        self._weigh(sample_weight)
        self._rows, self._targets = self._solver_rows(X, self._order), y[self._order]
        centred = intercept == "centred"
        self._x_mean = np.zeros((m, self._rows.shape[1]))
        self._y_mean = np.zeros(m)
        parts = row_algebra.slices(np.diff(self._starts).tolist())
        rows = row_algebra.parts_of(self._rows, parts)
        if centred:
            # what these are made of, shared with the caller until it is to change
            self._given, self._owned = (X, y), False
            self._centre(np.arange(m))
            for l, own in enumerate(rows if issparse(X) else ()):
                self._x_mean[l] = own.centre(self._share[parts[l]])
        self.nodes = self._make_nodes(rows, parts, loss)
        self.server = Server(relationship, self._rows.shape[1])
        self.solution: Solution | None = None

    def _make_nodes(self, rows: list[Any], parts: list[slice], loss: Loss) -> NodeTable:
        """With one look at all rows in the place of one a node."""
        y, weight, centred = self._targets, self._weight, self.intercept == "centred"
        alpha = np.where(weight > 0, loss.start(y), 0.0)
        norms = row_algebra.squared_norms_by_node(self._rows, parts, rows)
        given = self._node_weight
        totals = np.ones(len(rows)) if given is None else np.where(given > 0.0, given, 1.0)
        nodes = [
            Node(
                own,
                y[part],
                weight[part],
                loss,
                centred=centred,
                alpha=alpha[part],
                squared_norm=squares,
                total=float(total),
            )
            for own, part, squares, total in zip(rows, parts, norms, totals, strict=True)
        ]
        options: dict[str, Any] = {"loss": loss, "centred": centred, "totals": totals}
        return NodeTable(nodes, self._rows, y, weight, self._starts, parts, **options)

    def _weigh(self, sample_weight: Array) -> None:
        """Set what every row counts, and its share of its node's mean, in the nodes' order."""
        share = weight = shares(sample_weight[self._order], self._codes, len(self._starts) - 1)
        if self._node_weight is not None:
            weight = share * self._node_weight[self._codes]
        self._weight, self._share = weight, share

    def _solver_rows(self, X: Any, order: NDArray[np.intp]) -> Any:
        """These rows in the coordinates of the solver, not yet centred."""
        more = [self.intercept_scaling] if self.intercept == "feature" else []
        return row_algebra.sorted_rows(X, order, np.array(more))

    def _centre(self, which: NDArray[np.int64]) -> None:
        """Subtract the weighted means of the rows of these nodes, of sparse ones the targets'."""
        share = self._share
        if isinstance(self._rows, np.ndarray):
            row_algebra.centre_by_node(self._rows, self._starts, which, share, self._x_mean)
        row_algebra.centre_by_node(self._targets, self._starts, which, share, self._y_mean)

    @property
    def n_coordinates(self) -> int:
        """Of a node's weights: features, and a constant if there is one."""
        return int(self._rows.shape[1])

    def features(self, X: Any) -> Any:
        """The caller's rows ``X`` without their constant, where they lie here, else as they came.

        They lie node after node; who looks at these need not keep the others.
        """
        if self.intercept == "centred" or issparse(X):
            return X
        return self._rows[:, : self.n_features]

    @property
    def longest_row(self) -> float:
        """The greatest length of a row, in the coordinates of the solver."""
        return float(np.sqrt(self.nodes.squared_norm.max()))

    # -- the caller's coordinates ---------------------------------------------------------

    def solve(
        self,
        solver: Solver,
        rng: np.random.Generator,
        watch: Watch = NOBODY,
    ) -> Solution:
        """Solve from the dual variables at hand."""
        self.solution = solver.solve(self.server, self.nodes, rng, watch)
        return self.solution

    def coefficients(self, W: Array) -> tuple[Array, Array]:
        """Slopes (m, d) and intercepts (m,) of weights in the solver's coordinates."""
        if self.intercept == "none":
            return W.copy(), np.zeros(len(W))
        if self.intercept == "feature":
            return W[:, :-1].copy(), W[:, -1] * self.intercept_scaling
        return W.copy(), self._node_intercepts(W)

    def common_coefficients(self, W: Array) -> tuple[Array | None, float | None]:
        """Slopes (d,) and intercept of what these weights have in common; None without such a part.

        A free intercept is the mean over the nodes.
        """
        u = self.server.relationship.common_part(W)
        if u is None:
            return None, None
        coef, intercept = self.coefficients(np.broadcast_to(u, W.shape))
        return coef[0], float(intercept.mean())

    def weights(self, coef: Array, intercept: Array) -> Array:
        """Weights in the solver's coordinates; a free intercept follows from the means."""
        return solver_weights(coef, intercept, self.intercept, self.intercept_scaling)

    def _node_intercepts(self, W: Array) -> Array:
        """b_l = mean y - mean x . w_l; a node without weight takes the mean of the others."""
        x_mean, y_mean = self._x_mean.copy(), self._y_mean.copy()
        empty = np.bincount(self._codes, self._weight, minlength=len(W)) == 0.0
        if empty.any() and not empty.all():
            x_mean[empty] = x_mean[~empty].mean(axis=0)
            y_mean[empty] = y_mean[~empty].mean()
        return y_mean - np.einsum("ij,ij->i", x_mean, W)

    def dual_coef(self) -> Array:
        """The dual variables in the caller's order of rows."""
        return self.nodes.alpha[self._place]

    def set_dual_coef(self, alpha: Array) -> None:
        """Start from these dual variables, moved into the domain of the loss."""
        self.nodes.alpha = self._feasible(alpha)

    def _feasible(self, alpha: Array) -> Array:
        """The nearest ones in the domain of the loss, in the nodes' order."""
        ordered = np.where(self._weight > 0, alpha[self._order], 0.0)
        clipped = self.nodes.loss.clip(self._targets, ordered)
        return np.where(self._weight > 0, clipped, 0.0)

    @property
    def y_shape(self) -> tuple[int]:
        """That of one value a row."""
        return self._targets.shape

    def iterate_to_keep(self, iterate: Iterate) -> dict[str, Array]:
        """Where a solver stands, in arrays and in the caller's order of rows."""
        state = np.array([iterate.rho, float(iterate.age)])
        return {"T": iterate.T, "alpha": iterate.alpha[self._place], "state": state}

    def iterate_from(self, kept: dict[str, Array], coef: Array, intercept: Array) -> Iterate | None:
        """The way back, with the best weights of that fit; None if the features are others."""
        T, (rho, age) = np.asarray(kept["T"]), kept["state"].tolist()
        W = self.weights(coef, intercept)
        if T.shape != self.server.V.shape or W.shape != T.shape:
            return None
        alpha = self.nodes.alpha
        if kept["alpha"].shape == alpha.shape:
            alpha = self._feasible(kept["alpha"])
        return Iterate(T.copy(), alpha, rho, int(age), W)

    # -- what an attack may do ------------------------------------------------------------

    def split(self, values: Array) -> list[Array]:
        """One value a row, in the caller's order, cut into the nodes' own arrays."""
        ordered = values[self._order]
        return [ordered[part] for part in self.nodes.parts]

    def join(self, parts: list[Array]) -> Array:
        """The nodes' arrays, one value a row, in the caller's order."""
        return np.concatenate(parts)[self._place]

    def codes_of(self, index: NDArray[np.intp]) -> NDArray[np.int64]:
        """The nodes of the caller's rows ``index``."""
        return self._codes[self._place[index]]

    def node_rows(self, l: int, X: Array, y: Array) -> tuple[Array, Array]:
        """Other rows and targets of node ``l``, in the coordinates of its own."""
        return self._solver_rows(X, np.arange(len(X))) - self._x_mean[l], y - self._y_mean[l]

    def replace_rows(self, index: NDArray[np.intp], X: Array, y: Array | None = None) -> Moved:
        """Put rows, and targets if given, in the place of the caller's rows ``index``.

        Returns the rows that have changed with that, in the coordinates of the solver.
        """
        places = self._place[index]
        touched = np.unique(self._codes[places])
        if self.intercept == "centred":
            self._replace_given(index, X, y)
            self._refill(touched)
            self._centre(touched)
            moved = {int(l): np.arange(self._starts[l + 1] - self._starts[l]) for l in touched}
        else:
            self._rows[places, : self.n_features] = X
            if y is not None:
                self._targets[places] = y
            moved = {int(l): places[self._codes[places] == l] - self._starts[l] for l in touched}
        for l in touched:
            self.nodes.refresh(int(l))
        return moved

    def reweigh(self, sample_weight: Array) -> None:
        """Give the caller's rows other weights; dual variables of rows without any become 0."""
        every = np.arange(len(self._starts) - 1)
        weight = self._weight  # which the nodes look at
        self._weigh(sample_weight)
        weight[:] = self._weight
        self._weight = weight
        if self.intercept == "centred":
            self._refill(every)
            self._centre(every)
        for l in every:
            self.nodes.refresh(int(l))
        self.set_dual_coef(self.dual_coef())

    def losses(self, W: Array) -> Array:
        """Of the caller's rows at these weights; a free intercept follows from the means."""
        nodes = self.nodes
        return nodes.loss.value(nodes.y, nodes.margins(W))[self._place]

    def _refill(self, which: NDArray[np.int64]) -> None:
        """Put the caller's rows and targets back in the place of centred ones."""
        X, y = self._given
        for l in which:
            part = self.nodes.parts[l]
            self._rows[part], self._targets[part] = X[self._order[part]], y[self._order[part]]

    def _replace_given(self, index: NDArray[np.intp], X: Array, y: Array | None) -> None:
        if not self._owned:
            self._given, self._owned = (self._given[0].copy(), self._given[1].copy()), True
        self._given[0][index] = X
        if y is not None:
            self._given[1][index] = y
