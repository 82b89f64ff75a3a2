"""Attacks on smoothed victims, which harden into the real one on the way.

What a hinge victim does is full of kinks: rows enter and leave the margin, and an ascent on H ends
at one of them. The victim with a loss that has a second derivative has none of these; its H leads
over them. The width of the smoothed kink falls geometrically from `smoothing` to a small share of
it while the rows are moved, a continuation in the sense of [1]_; what is handed over is judged by
hard victims again. Each victim is found from where the last one was
(`skfedmtl._solvers.follower`), to the accuracy that H needs and no more.

References
----------
.. [1] E. L. Allgower, K. Georg, "Numerical Continuation Methods", Springer, 1990.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skfedmtl._model import PrimalLoss
from skfedmtl._protocol import Iterate, Moved
from skfedmtl._solvers import Adjoint, Follower, Solved
from skfedmtl._tools.layout import Field, Layout, like
from skfedmtl._typing import Array
from skfedmtl.attack._bilevel.generator import as_text, set_state, state_field
from skfedmtl.attack._bilevel.lower_level import Bilevel

_LAST_WIDTH = 0.03  #: of the kink, as a share of the first
_MOST = 300  #: iterations for a victim


class Accuracy(NamedTuple):
    """Residuals, relative, at which victims and adjoint solutions are near enough."""

    victim: float
    adjoint: float


#: as H after all steps says: few features, and targets that are no sources, need more
_ROUGH, _FINE = Accuracy(victim=3e-3, adjoint=3e-2), Accuracy(victim=1e-3, adjoint=1e-2)


class FollowedBilevel(Bilevel):
    """H as a function of the injected rows, through a victim that follows them.

    Parameters
    ----------
    smoothing : float
        First width of the smoothed kink; 0: none is smoothed.
    inner_iter : int or None
        Iterations for every change; None: as many as H needs.
    **kwargs
        Those of `Bilevel`.
    """

    def __init__(
        self, *args: Any, smoothing: float, inner_iter: int | None = None, **kwargs: Any
    ) -> None:
        self._smoothing, self._inner_iter = smoothing, inner_iter
        self._is_hard, self._is_near = False, True
        super().__init__(*args, **kwargs)
        start, judged = args[2:4]
        is_direct = np.isin(judged.codes[judged.share > 0.0], start.codes).all()
        self.accuracy = _ROUGH if self._problem.nodes.is_wide and is_direct else _FINE
        self._all_shares = float(judged.share.sum())
        self._share = 0.0
        self.advance(0.0)

    def _begin(self, W: Array) -> None:
        relationship, nodes = self._problem.server.relationship, self._problem.nodes
        self._loss = nodes.loss
        self._follower = Follower(relationship, nodes, self._loss, W)
        self._adjoint = Adjoint(relationship, nodes, self._follower.gram)

    def advance(self, share: float) -> None:
        """Narrow the kink as far as that share of all changes asks."""
        self._share = share
        loss: PrimalLoss = self._loss
        if self._smoothing > 0.0:
            loss = smooth = self._loss.smoothed(self._smoothing * _LAST_WIDTH**share)
            self.doubt = self._all_shares * smooth.excess
        self._follower.loss = loss
        self._upper = self._objective(loss, self.accuracy.adjoint)

    def harden(self, tol: float) -> None:
        """Solve victims as they are, and to this gap, from now on; none is followed any more."""
        super().harden(tol)
        if not self._is_hard:
            self._begin_from(self._solved)
            self._upper = self._objective(self._loss)
            self._is_hard, self.doubt = True, 0.0

    def _solve(self, moved: Moved) -> Solved:
        if self._is_hard:
            return super()._solve(moved)
        follower = self._follower
        follower.refresh(moved)
        if self._inner_iter is not None:
            return follower.solve(0.0, self._inner_iter, self._rng)
        solved = follower.solve(self.accuracy.victim, _MOST, self._rng)
        if follower.is_near or self.doubt > 0.0:
            self._is_near &= follower.is_near
            return solved
        # features of many scales, which second-order steps do not mind
        self._begin_from(solved)
        solved = super()._solve(moved)
        self._is_near &= bool(self._problem.solution.converged)
        follower.place(solved.T, solved.alpha, solved.rho, moved)
        return solved

    def _begin_from(self, solved: Solved) -> None:
        """Let the next victim that is solved to a gap begin here."""
        nodes = self._problem.nodes
        nodes.alpha = self._loss.clip(nodes.y, solved.alpha)
        self._iterate = Iterate(solved.T, nodes.alpha, solved.rho, 0, None)

    @property
    def is_near(self) -> bool:
        """Whether every H so far can be trusted: results are held against the first."""
        return self._is_near

    # -- to stop and go on ----------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        """What the next solution and gradient depend on, beside the rows."""
        return {
            "T": self._follower.T,
            "alpha": self._follower.alpha.copy(),
            "rho": np.array(self._follower.rho),
            "W": self._solved.W,
            "share": np.array(self._share),
            "near": np.array(self._is_near),
            "adjoint": self._adjoint.last,
            "rng": np.array(as_text(self._rng)),
            **self._common(),
        }

    def restore(self, state: dict[str, Array], rows: Array, y: Array | None = None) -> None:
        """Be where a `state` was taken, with the rows of that moment."""
        moved = self._problem.replace_rows(self._injected, self._victim.forward(rows), y)
        self.advance(float(state["share"]))
        self._is_near = bool(state["near"])
        T, alpha, rho = state["T"], state["alpha"], float(state["rho"])
        self._solved = self._follower.place(T, alpha, rho, moved)._replace(W=state["W"])
        self._adjoint.last = state["adjoint"]
        set_state(self._rng, str(state["rng"]))
        self._problem.server.relationship.last = state.get("common")

    def layout(self) -> Layout:
        """What a `state` is."""
        return {
            "T": like(self._follower.T),
            "alpha": like(self._follower.alpha),
            "rho": Field((), "float64", 0.0),
            "W": like(self._follower.T),
            "share": Field((), "float64", 0, 1),
            "near": Field((), "bool"),
            "adjoint": like(self._adjoint.last),
            "rng": state_field(self._rng),
            **{name: like(self._follower.T[0]) for name in self._common()},
        }
