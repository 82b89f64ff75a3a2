"""Attacks on smoothed victims, which harden into the real one on the way.

What a hinge victim does is full of kinks: rows enter and leave the margin, the rank of W
changes, and an ascent on H ends at one of them. The victim with a loss and a regulariser
that have second derivatives has none; its H leads over them. The width of the smoothed
kink falls geometrically from `smoothing` to a small share of it while the rows are moved,
a continuation in the sense of [1]_; what is handed over is judged by hard victims again.
Each victim starts from the weights of the last one; while the kink narrows, a few Newton steps
are enough to follow, the fewer the shorter the way from one victim to the next. Where the rows
have moved far it starts from the clean victim, and takes more.

References
----------
.. [1] E. L. Allgower, K. Georg, "Numerical Continuation Methods", Springer, 1990.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._layout import Field, Layout, like
from skfedmtl._losses import LOSSES, Array
from skfedmtl._primal import PrimalSolver
from skfedmtl.attack._bilevel import Bilevel

_LAST_WIDTH = 0.03  #: of the kink, as a share of the first
_ROOT = 0.3  #: first smoothing of singular values, as a share of the mean square length of W's rows
_VICTIM_TOL = 1e-6
#: of Newton's method for a victim: where the way has sixty steps or more, thirty or fewer, where a
#: victim is far from the last, and where no kink narrows
_FEWEST_STEPS, _STEPS, _FAR_STEPS, _SMOOTH_STEPS = 3, 8, 12, 20
_PATIENCE = 10  #: times as many at most, while they promise much
_NEWTON_ACCURACY = 0.15
_LARGE = 0.5  #: change, as a share of all rows' length
_ADJOINT_ACCURACY = 0.1


class SmoothBilevel(Bilevel):
    """H as a function of the injected rows, through a victim without kinks.

    The parameters are those of `Bilevel`, and `smoothing`, the first width.
    """

    def __init__(self, victim, clean, start, targets, *, smoothing: float, **kwargs) -> None:
        super().__init__(victim, clean, start, targets, **kwargs)
        self._n_targets = len(targets)
        model = self._victim.model
        self._loss, self._smoothing = LOSSES[model.loss](), smoothing
        self._primal = PrimalSolver(
            tol=_VICTIM_TOL,
            max_iter=_FAR_STEPS,
            accuracy=_NEWTON_ACCURACY,
            rough=True,
            patience=_PATIENCE,
        )
        self._last: Array | None = None  #: rows that the weights are near the best for
        self._W = self._clean_W = self._problem.weights(model.coef_, model.intercept_)
        self._scale = float(np.sqrt(np.vdot(self._W, self._W) / len(self._W))) or 1.0
        self._share, self._steps = 0.0, _STEPS
        self.advance(0.0)

    def advance(self, share: float) -> None:
        """Narrow the kink as far as that share of all changes asks."""
        if share > self._share:
            length = 60.0 * (share - self._share) - 1.0
            self._steps = round(np.interp(length, [0.0, 1.0], [_FEWEST_STEPS, _STEPS]))
        self._share = share
        narrow = _LAST_WIDTH**share
        loss = self._loss.smoothed(self._smoothing * narrow)
        self.doubt = self._n_targets * loss.excess
        # a larger root shrinks W: where nothing else changes, H is to be comparable on the way
        self._root = _ROOT * self._scale * (narrow if loss.excess > 0.0 else _LAST_WIDTH)
        for node in self._problem.nodes:
            node.loss = loss
        self._upper = self._objective(loss, _ADJOINT_ACCURACY)

    def value(self, rows: Array, y: Array | None = None) -> float:
        """H after the smoothed victim has been fitted to these rows, and targets if given.

        Where Newton's method does not get near it, a victim without a kink is asked itself.
        """
        self._take(rows, y)
        parties = self._problem.server, self._problem.nodes
        self._W = self._primal.solve(*parties, self._W, self._root)
        if not self._primal.is_near and self.doubt == 0.0:
            solution = self._problem.solve(self._solver, self._rng)
            self._W = solution.W if solution.converged else self._W
            self._primal.is_near = solution.converged
            self._primal.settle(*parties, self._W, self._root)
        return self._upper.value(self._W)

    @property
    def is_near(self) -> bool:
        """Whether H is all but that of the last victim asked for."""
        return self._primal.is_near

    def _take(self, rows: Array, y: Array | None) -> None:
        seen = self._victim.forward(rows)
        far = self._last is None or _length(seen - self._last) > _LARGE * _length(self._last)
        if far:
            self._W = self._clean_W
        if self.doubt == 0.0:
            self._primal.max_iter = _SMOOTH_STEPS
        else:
            self._primal.max_iter = _FAR_STEPS if far else self._steps
        self._problem.replace_rows(self._injected, seen, y)
        self._last = seen

    # -- to stop and go on ----------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        """What the next solution depends on, beside the rows."""
        damping = np.array(self._primal.damping)
        steps = np.array(self._steps, dtype=np.int64)
        return {"W": self._W, "share": np.array(self._share), "steps": steps, "damping": damping}

    def restore(self, state: dict[str, Array], rows: Array, y: Array | None = None) -> None:
        """Be where a `state` was taken, with the rows of that moment."""
        self.advance(float(state["share"]))
        self._take(rows, y)
        self._steps = int(state["steps"])
        self._W, self._primal.damping = state["W"], float(state["damping"])
        self._primal.settle(self._problem.server, self._problem.nodes, self._W, self._root)

    def layout(self) -> Layout:
        """What a `state` is."""
        return {
            "W": like(self._W),
            "share": Field((), "float64", 0, 1),
            "steps": Field((), "int64", _FEWEST_STEPS, _STEPS),
            "damping": Field((), "float64", 0),
        }


def _length(rows: Array) -> float:
    return float(np.linalg.norm(rows))
