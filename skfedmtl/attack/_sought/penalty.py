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

One thin SVD a point, O(m d p) a product.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from skfedmtl._model import Relationship
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
        self._lambdas = (0.0, 0.0) if relationship.is_quadratic else _lambdas(relationship)

    def at(self, W: Array, root: float) -> Penalty:
        """With singular values of at least about `root`, which may be 0 if no product is asked."""
        if self._relationship.is_quadratic:
            return _Quadratic(self._relationship, W)
        return _Learned(W, *self._lambdas, root)


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
        s, r, root = self._s, self._r, self._root
        crossed = np.outer(s, r)
        both = np.outer(r, r)
        total = s[:, None] + s
        skew = np.full_like(both, 1.0 / root)  # the limit of two zeros
        np.divide(crossed + crossed.T, total * both, out=skew, where=total > 0.0)
        symmetric = np.square(root / both) / skew
        Y: Array = 0.5 * (symmetric * (M + M.T) + skew * (M - M.T))
        return Y
