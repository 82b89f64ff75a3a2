"""The conditional inequality for losses that are no squares of residuals.

That of `skfedmtl.attack._bound.conditional` with no more than convexity: q and the distances from
the references fall away, so that V and U enter the known side alone, and U is a fit of its own.
It is that of any group G of nodes: the problem of G, the weights of the rest given, is convex, and
injected rows of G pull at U as hard as at V in the joint inequality. So, with S the rest::

    sum over G of theta f(w) + R(W_G)
        <=  K_G(U) + 2 lambda1 ||U||_* ||W_S||_*,    K_G(U) = sum theta f(u) + R(U) + rho kappa(u)

and for t1, t2 > 0 with ``t theta >= 1`` on the targets of G, t = t1 + t2, and 0 < c < 1::

    H <= t1 (K - min over S of [sum (theta - [s in T]/t1) f + R(W_S), lambda1 (1 - c)])
         + t2 min over U of [K_G(U), lambda1 (1 + t2 / (t1 c))]
         - t min over G of [sum (theta - [l in T]/t) f + R(W_G)]

Of the second minimum any value that weights attain will do, of the others dual values. G are the
nodes that inject nothing, or the targets: then what sources beside them pull with counts only
by the norm of their weights.
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
from skfedmtl.attack._bound.norms import nuclear
from skfedmtl.attack._bound.setting import Bound

_ROUGH, _FINE = 1e-5, 1e-8  #: tolerances of the fits on the way, and of the last ones
_STEPS = 15  #: among multipliers, at most
_STEPS_OF_U = 60  #: of every U where injected rows pull at it, at most


class Judged(NamedTuple):
    """The bound at multipliers, its slope there, and what is lost by unfinished fits."""

    value: float
    slope: Array  #: (3,)
    lost: float
    pulled: float  #: what injected rows bring to the conditional inequality


class ConditionalMargins:
    """Both inequalities of a setting.

    Parameters
    ----------
    joint : JointMargins
        Of the same setting.
    relationship : Learned
    group : ndarray, default=None
        Nodes; those that inject nothing by default.
    """

    def __init__(
        self, joint: JointMargins, relationship: Learned, group: NDArray[np.int64] | None = None
    ) -> None:
        m, left, on = relationship.n_nodes, joint.left, joint.on
        self.joint = joint
        self.lambda1, self.lambda2 = relationship.lambda1, relationship.lambda2
        if group is None:
            group = np.setdiff1d(np.arange(m), joint.setting.injection.codes)
        self.group, self.rest = group, np.setdiff1d(np.arange(m), group)
        self.left_group, self.left_rest = left[self.group], left[self.rest]
        self.on_group, self.on_rest = on[self.group], on[self.rest]
        self.low, self.whole = (
            1.0 / float(theta[struck > 0.0].min()) if struck.any() else 0.0
            for theta, struck in (
                (self.left_rest, self.on_rest),
                (self.left_group, self.on_group),
            )
        )
        self._own: JointMargins | None = None
        if np.isin(group, joint.setting.injection.codes).any():
            self._own = JointMargins(joint.setting.among(group, self._tied(len(group))))
        self._U: Array | None = None

    def _tied(self, n_nodes: int, factor: float = 1.0) -> Learned:
        """R of some nodes, with that much of lambda1."""
        return Learned(n_nodes, factor * self.lambda1, self.lambda2)

    def _fit(
        self, nodes: NDArray[np.int64], node_weight: Array, factor: float, tol: float
    ) -> tuple[Fit, float, Array]:
        """Of some nodes, with that much of lambda1; what W says of R's own, and of every loss."""
        setting = self.joint.setting.among(nodes, self._tied(len(nodes), factor))
        fit = fit_losses(setting.rows, setting.model, node_weight, tol)
        return fit, nuclear(fit.W), self._losses(nodes, fit.W)

    def _known(self, factor: float, tol: float, max_iter: int) -> tuple[float, float, float]:
        """K_G, with that much of lambda1, at a good U; its norm; and what injected rows bring."""
        if self._own is None:
            fit, size, _ = self._fit(self.group, self.left_group, factor, tol)
            return fit.value, size, 0.0
        own = self._own.tied(self._tied(len(self.group), factor))
        value, self._U = own.reference(max_iter, self._U)
        return value, nuclear(self._U), float(own.pulled(self._U).sum())

    def _losses(self, nodes: NDArray[np.int64], W: Array) -> Array:
        whole = np.zeros(self.joint.shape)
        whole[nodes] = W
        return self.joint.losses(whole)[nodes]

    def judge(self, x: Array, K: float, tol: float, max_iter: int = _STEPS_OF_U) -> Judged:
        """The bound at multipliers."""
        t1, t2, c, by_x = multipliers(x, self.low, self.whole)
        total, S, G = t1 + t2, self.rest, self.group
        of_S, size_S, losses_S = self._fit(S, self.left_rest - self.on_rest / t1, 1.0 - c, tol)
        K_G, size_U, pulled = self._known(1.0 + t2 / (t1 * c), tol, max_iter)
        of_G, size_G, losses_G = self._fit(G, self.left_group - self.on_group / total, 1.0, tol)
        value = t1 * (K - of_S.bound) + t2 * K_G - total * of_G.bound
        lost = t1 * (of_S.value - of_S.bound) + total * (of_G.value - of_G.bound)
        cross = self.lambda1 * size_U**2 * t2 / (t1 * c)
        common = float(self.left_group @ losses_G) + self.lambda1 * size_G**2
        common += self.lambda2 * float(np.vdot(of_G.W, of_G.W))
        by_t1 = K - of_S.value - float(self.on_rest @ losses_S) / t1 - cross * t2 / t1 - common
        by_t2 = K_G + cross - common
        by_c = t1 * self.lambda1 * size_S**2 - cross * t2 / c
        return Judged(value, np.array([by_t1, by_t2, by_c]) @ by_x, lost, pulled)

    def descend(self, K: float, V: Array, max_iter: int) -> Bound:
        """The best bound of so many steps among multipliers, or of a few.

        K is that of V, and what victims lack.
        """
        best, least = first_multipliers(self.low, self.whole), np.inf
        steps_of_U = min(_STEPS_OF_U, max_iter)

        def judge(x: Array) -> tuple[float, Array]:
            nonlocal best, least
            judged = self.judge(x, K, _ROUGH, steps_of_U)
            if judged.value < least:
                best, least = x.copy(), judged.value
            return judged.value, judged.slope

        descend(judge, best, min(_STEPS, max_iter), self.joint.setting.clock)
        judged = self.judge(best, self.joint.known(V), _FINE, steps_of_U)
        tau = np.array(multipliers(best, self.low, self.whole)[:3])
        intercepts = self.joint.intercepts(V)
        return Bound(judged.value, "T2", V, intercepts, tau, judged.lost, judged.pulled)

    def cap(self) -> Bound:
        """What no injection whatever exceeds, where no source is a target."""
        zeros = np.zeros(self.joint.shape)
        known = float(self.joint.losses(zeros)[self.group].sum())

        def judge(log_t: float, tol: float = _ROUGH) -> tuple[float, float]:
            t = float(np.exp(log_t))
            fit, _, _ = self._fit(self.group, 1.0 - self.on_group / t, 1.0, tol)
            return t * (known - fit.bound), t * (fit.value - fit.bound)

        best = along(lambda log_t: judge(log_t)[0], 0.0, 3.0, self.joint.setting.clock)
        value, lost = judge(best, _FINE)
        tau = np.array([0.0, np.exp(best)])
        return Bound(value, "cap", zeros, self.joint.intercepts(zeros), tau, lost)
