"""What ties the nodes, as a search among weights sees it: smooth, with products of its Hessian.

A quadratic regulariser is taken as it is. The learned one counts every singular value ``s`` of
``W = U diag(s) Z'`` as ``r = sqrt(s^2 + root^2)``, those beyond min(m, d) as zero::

    R(W) = lambda1 T^2 + lambda2 ||W||_F^2,        T = r_1 + .. + r_p,      p = min(m, d)
    V = grad R(W) = 2 lambda1 T G + 2 lambda2 W,   G = U diag(s / r) Z'

With ``M = U' dW Z`` the derivative of G mixes ``M_ij`` with ``M_ji`` only::

    be_ij = (s_i / r_i + s_j / r_j) / (s_i + s_j),      al_ij = root^2 / (be_ij r_i^2 r_j^2)
    dG = U (al o (M + M') / 2 + be o (M - M') / 2) Z'
         + (dW Z - U M) diag(1 / r) Z' + U diag(1 / r) (U' dW - M Z')
    dV = 2 lambda1 (<G, dW> G + T dG) + 2 lambda2 dW

One thin SVD a point, O(m d p) a product. Beside a common part the least over u counts, of
``lambda0 ||u||^2 + R(W - 1 u')``, whose second derivative is that of R where u follows::

    dV = R''[dW - 1 du'],        (2 lambda0 I + 1'R''[1 .]) du = 1'R''[dW]
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from skfedmtl._model import CommonLearned, Relationship, SmoothedSum
from skfedmtl._typing import Array


class Penalty(Protocol):
    """A twice differentiable regulariser at one point."""

    value: float
    slope: Array  #: (m, d)

    def product(self, dW: Array) -> Array: ...


class SmoothedPenalty:
    """R of a relationship, at any point."""

    def __init__(self, relationship: Relationship) -> None:
        self._relationship = relationship
        self._last = np.zeros(0)  #: u of the last point, from which the next one begins
        tied = relationship.learned if isinstance(relationship, CommonLearned) else relationship
        self._lambdas = (0.0, 0.0) if relationship.is_quadratic else _lambdas(tied)

    def at(self, W: Array, root: float) -> Penalty:
        """With singular values of at least about `root`.

        It may be 0 if no product is asked, and nothing learned is beside a common part.
        """
        if self._relationship.is_quadratic:
            return _Quadratic(self._relationship, W)
        if isinstance(self._relationship, CommonLearned):
            return self._with_common(self._relationship, W, root)
        return _Learned(W, *self._lambdas, root)

    def _with_common(self, relationship: CommonLearned, W: Array, root: float) -> Penalty:
        if self._last.shape != W.shape[1:]:
            self._last = W.mean(axis=0)
        point = _WithCommon(relationship.lambda0, W, self._lambdas, root, self._last)
        self._last = point.u
        return point


def _lambdas(relationship: Relationship) -> tuple[float, float]:
    """lambda1 and lambda2 of a learned relationship, from R at one and at two unit entries."""
    m = relationship.n_nodes
    first = relationship.penalty(np.eye(m, 1))
    if m == 1:  # where only their sum counts
        return 0.0, first
    second = relationship.penalty(np.eye(m, 2))
    lambda1 = 0.5 * second - first
    return lambda1, first - lambda1


class _Quadratic:
    def __init__(self, relationship: Relationship, W: Array) -> None:
        self._relationship = relationship
        here = relationship.curved(W, 0.0)
        self.value, self.slope = here.value, here.slope

    def product(self, dW: Array) -> Array:
        """The slope at `dW`, which is linear."""
        return self._relationship.curved(dW, 0.0).slope


class _Learned:
    def __init__(self, W: Array, lambda1: float, lambda2: float, root: float) -> None:
        self._lambda1, self._lambda2, self._root = lambda1, lambda2, root
        self._U, self._s, self._Zt = np.linalg.svd(W, full_matrices=False)
        self._r = np.hypot(self._s, root)
        self._T = float(self._r.sum())
        # a direction of no size has no slope
        cosine = np.divide(self._s, self._r, out=np.zeros_like(self._s), where=self._r > 0.0)
        self._cosine = cosine
        self._G = (self._U * cosine) @ self._Zt
        self.value = lambda1 * self._T**2 + lambda2 * float(np.vdot(W, W))
        self.slope = 2.0 * (lambda1 * self._T * self._G + lambda2 * W)

    def product(self, dW: Array) -> Array:
        U, Zt, r = self._U, self._Zt, self._r
        right = dW @ Zt.T
        left = U.T @ dW
        M = U.T @ right
        turned = self._mix(M) @ Zt + (left - M @ Zt) / r[:, None]
        dG = U @ turned + ((right - U @ M) / r) @ Zt
        along = float(np.vdot(self._G, dW))
        return 2.0 * (self._lambda1 * (along * self._G + self._T * dG) + self._lambda2 * dW)

    def _mix(self, M: Array) -> Array:
        """What the derivative of G makes of U M Z', in the same bases."""
        symmetric, skew = self._mixing()
        Y: Array = 0.5 * (symmetric * (M + M.T) + skew * (M - M.T))
        return Y

    def _mixing(self) -> tuple[Array, Array]:
        """al and be."""
        s, r, root = self._s, self._r, self._root
        crossed = np.outer(s, r)
        both = np.outer(r, r)
        total = s[:, None] + s
        skew = np.full_like(both, 1.0 / root)  # the limit of two zeros
        np.divide(crossed + crossed.T, total * both, out=skew, where=total > 0.0)
        return np.square(root / both) / skew, skew

    def divide_alike(self, g: Array, more: float) -> Array:
        """By what nodes that move alike make of R'', summed over them, and that much more."""
        U, Zt, r, T = self._U, self._Zt, self._r, self._T
        m, a = len(U), U.sum(axis=0)
        symmetric, skew = self._mixing()
        dG: Array = 0.5 * (symmetric - skew) * np.outer(a, a)
        diagonal = 0.5 * np.square(a) @ (symmetric + skew)
        dG[np.diag_indices_from(dG)] += diagonal + max(m - float(a @ a), 0.0) / r
        along = self._cosine * a
        own = more + 2.0 * self._lambda2 * m
        H = 2.0 * self._lambda1 * (np.outer(along, along) + T * dG)
        H[np.diag_indices_from(H)] += own
        within = Zt @ g
        beyond = own + 2.0 * self._lambda1 * T * float(np.sum(np.square(a) / r))
        divided: Array = np.linalg.solve(H, within) @ Zt + (g - within @ Zt) / beyond
        return divided


class _WithCommon(SmoothedSum):
    def __init__(
        self, lambda0: float, W: Array, lambdas: tuple[float, float], root: float, u: Array
    ) -> None:
        self._lambdas, self._root = lambdas, root
        super().__init__(lambda0, W, u)
        # values cannot tell the last digits of u, which slopes need
        self._place(self.u - self._divide(self._slope_of_u()))

    def _tied_at(self, Z: Array) -> tuple[float, Array]:
        self._here = _Learned(Z, *self._lambdas, self._root)
        return self._here.value, self._here.slope

    def _divide(self, g: Array) -> Array:
        return self._here.divide_alike(g, 2.0 * self._lambda0)

    def product(self, dW: Array) -> Array:
        du = self._divide(self._here.product(dW).sum(axis=0))
        return self._here.product(dW - du)
