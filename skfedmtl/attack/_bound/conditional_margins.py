"""The conditional inequality for losses that are no squares of residuals.

That of `skfedmtl.attack._bound.conditional` with no more than convexity: q and the distances from
the references fall away, so that V and U enter the known side alone, and U is a fit of its own::

    H <= t1 (K - min over S of [sum (theta - [s in T]/t1) f + R(W_S), lambda1 (1 - c)])
         + t2 min over N of [sum f(u) + R(U), lambda1 (1 + t2 / (t1 c))]
         - t min over N of [sum (1 - [l in T]/t) f + R(W_N)]

Of the second minimum any value that weights attain will do, of the others dual values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Learned
from skfedmtl._typing import Array
from skfedmtl.attack._bound.descent import along, descend
from skfedmtl.attack._bound.fits import Fit, fit_losses
from skfedmtl.attack._bound.margins import JointMargins
from skfedmtl.attack._bound.multipliers import first_multipliers, multipliers
from skfedmtl.attack._bound.setting import Bound
from skfedmtl.attack._sought import CleanRows

_ROUGH, _FINE = 1e-5, 1e-8  #: tolerances of the fits on the way, and of the last ones
_STEPS = 15  #: among multipliers, at most


class Judged(NamedTuple):
    """The bound at multipliers, its slope there, and what is lost by unfinished fits."""

    value: float
    slope: Array  #: (3,)
    lost: float


class ConditionalMargins:
    """Both inequalities of a setting.

    Parameters
    ----------
    joint : JointMargins
        Of the same setting.
    """

    def __init__(self, joint: JointMargins, relationship: Learned) -> None:
        self.joint = joint
        self.lambda1, self.lambda2 = relationship.lambda1, relationship.lambda2
        self.sources = joint.setting.injection.codes
        self.others = np.setdiff1d(np.arange(relationship.n_nodes), self.sources)
        self.left = joint.left[self.sources]
        self.on_sources, self.on_others = joint.on[self.sources], joint.on[self.others]
        struck = self.left[self.on_sources > 0.0]
        self.low = 1.0 / float(struck.min()) if len(struck) else 0.0

    def _fit(
        self, nodes: NDArray[np.int64], node_weight: Array, factor: float, tol: float
    ) -> tuple[Fit, float, Array]:
        """Of some nodes, with that much of lambda1; what W says of R's own, and of every loss."""
        rows, model = self.joint.setting.rows, self.joint.model
        place = np.full(len(self.joint.left), -1)
        place[nodes] = np.arange(len(nodes))
        on = place[rows.codes] >= 0
        own = CleanRows(rows.X[on], rows.y[on], place[rows.codes[on]], rows.weight[on])
        tied = Learned(len(nodes), factor * self.lambda1, self.lambda2)
        fit = fit_losses(own, model._replace(relationship=tied), node_weight, tol)
        return fit, float(np.linalg.svd(fit.W, compute_uv=False).sum()), self._losses(nodes, fit.W)

    def _losses(self, nodes: NDArray[np.int64], W: Array) -> Array:
        whole = np.zeros(self.joint.shape)
        whole[nodes] = W
        return self.joint.losses(whole)[nodes]

    def judge(self, x: Array, K: float, tol: float) -> Judged:
        """The bound at multipliers."""
        t1, t2, c, by_x = multipliers(x, self.low, 1.0)
        total, S, N = t1 + t2, self.sources, self.others
        ones = np.ones(len(N))
        of_S, size_S, losses_S = self._fit(S, self.left - self.on_sources / t1, 1.0 - c, tol)
        of_U, size_U, _ = self._fit(N, ones, 1.0 + t2 / (t1 * c), tol)
        of_N, size_N, losses_N = self._fit(N, 1.0 - self.on_others / total, 1.0, tol)
        value = t1 * (K - of_S.bound) + t2 * of_U.value - total * of_N.bound
        lost = t1 * (of_S.value - of_S.bound) + total * (of_N.value - of_N.bound)
        cross = self.lambda1 * size_U**2 * t2 / (t1 * c)
        common = float(losses_N.sum()) + self.lambda1 * size_N**2
        common += self.lambda2 * float(np.vdot(of_N.W, of_N.W))
        by_t1 = K - of_S.value - float(self.on_sources @ losses_S) / t1 - cross * t2 / t1 - common
        by_t2 = of_U.value + cross - common
        by_c = t1 * self.lambda1 * size_S**2 - cross * t2 / c
        return Judged(value, np.array([by_t1, by_t2, by_c]) @ by_x, lost)

    def descend(self, K: float, V: Array, max_iter: int) -> Bound:
        """The best bound of so many steps among multipliers, or of a few.

        K is that of V, and what victims lack.
        """
        best, least = first_multipliers(self.low, 1.0), np.inf

        def judge(x: Array) -> tuple[float, Array]:
            nonlocal best, least
            judged = self.judge(x, K, _ROUGH)
            if judged.value < least:
                best, least = x.copy(), judged.value
            return judged.value, judged.slope

        descend(judge, best, min(_STEPS, max_iter), self.joint.setting.clock)
        judged = self.judge(best, self.joint.known(V), _FINE)
        tau = np.array(multipliers(best, self.low, 1.0)[:3])
        return Bound(judged.value, "T2", V, self.joint.intercepts(V), tau, judged.lost)

    def cap(self) -> Bound:
        """What no injection whatever exceeds, where no source is a target."""
        zeros = np.zeros(self.joint.shape)
        known = float(self.joint.losses(zeros)[self.others].sum())

        def judge(log_t: float, tol: float = _ROUGH) -> tuple[float, float]:
            t = float(np.exp(log_t))
            fit, _, _ = self._fit(self.others, 1.0 - self.on_others / t, 1.0, tol)
            return t * (known - fit.bound), t * (fit.value - fit.bound)

        best = along(lambda log_t: judge(log_t)[0], 0.0, 3.0, self.joint.setting.clock)
        value, lost = judge(best, _FINE)
        tau = np.array([0.0, np.exp(best)])
        return Bound(value, "cap", zeros, self.joint.intercepts(zeros), tau, lost)
