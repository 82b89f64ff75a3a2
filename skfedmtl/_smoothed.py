"""The learned regulariser with its kinks at low rank rounded off, and its inverse Hessian.

Every singular value ``s`` of ``W`` counts as ``r = sqrt(s^2 + root^2)``::

    R(W) = lambda1 T^2 + lambda2 ||W||_F^2,      T = sum of r, over all m of W W'

which is what the best ``Sigma = (W W' + root^2 I)^(1/2) / T`` of trace one makes of the
model. In the singular basis ``W = U diag(s) Z'`` the Hessian is diagonal on the symmetric
and the skew part of ``U' dW Z`` and on what lies outside, but for one rank from ``T^2``:
its inverse is as cheap as itself, O(m d min(m, d)).
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from skfedmtl._woodbury import Spectral

Array = NDArray[np.float64]


class SmoothedResponse:
    """``V = grad R(W)``, and the derivative of ``W`` with respect to ``V``.

    Parameters
    ----------
    W : ndarray of shape (m, d)
    lambda1, lambda2 : float
    root : float
        Positive; singular values far above it count as they are.
    """

    def __init__(self, W: Array, lambda1: float, lambda2: float, root: float) -> None:
        self.W, self.rank = W, int(min(W.shape))
        self._U, s, self._Zt = linalg.svd(W, full_matrices=False, check_finite=False)
        r = np.hypot(s, root)
        T = float(r.sum()) + (len(W) - len(s)) * root
        self._direction = (self._U * (s / r)) @ self._Zt  # of the slope of T
        self._strength = 2.0 * lambda1
        self.V = self._strength * T * self._direction + 2.0 * lambda2 * W
        self.penalty = lambda1 * T * T + lambda2 * float(np.vdot(W, W))
        self.value = float(np.vdot(self.V, W)) - self.penalty
        self._scales = s, r, self._strength * T, 2.0 * lambda2, root
        self._ready = False
        self._single: Any = None

    def damped(self, damping: float) -> SmoothedResponse:
        """The same point with ``(damping / 2) ||dW||_F^2`` added to the derivative's inverse."""
        other = copy(self)
        s, r, strength, ridge, root = self._scales
        other._scales, other._ready = (s, r, strength, ridge + damping, root), False
        return other

    def _prepare(self) -> None:
        """The inverse of the Hessian, for the first product that needs it."""
        if self._ready:
            return
        s, r, strength, ridge, root = self._scales
        ratio, share, total = s / r, root / r, np.add.outer(s, s)
        skew = np.full_like(total, 1.0 / root)  # the limit of two zeros
        np.divide(np.add.outer(ratio, ratio), total, out=skew, where=total > 0.0)
        symmetric = np.square(np.multiply.outer(share, share)) / (root * skew) / root
        self._symmetric = 0.5 / (strength * symmetric + ridge)
        self._skew = 0.5 / (strength * skew + ridge)
        self._outside = 1.0 / (strength / r + ridge)
        self._beyond = 1.0 / (strength / root + ridge)
        self._turned, self._single = self._direction, None
        self._turned = self._diagonal(self._direction)
        self._turned_inside = self._mix(np.diag(ratio))
        bend = float(np.vdot(self._direction, self._turned))
        self._rank_one = self._strength / (1.0 + self._strength * bend)
        self._ready = True

    def _diagonal(self, dV: Array) -> Array:
        U, Zt, outside, _ = self._parts(dV.dtype)
        left = U.T @ dV
        M = left @ Zt.T
        weights = outside[:, None]
        inside = (self._mix(M) - weights * M).astype(dV.dtype, copy=False)
        within: Array = U @ (inside @ Zt + weights * left)
        if U.shape[0] == U.shape[1]:  # nothing lies beyond U
            return within
        return within + ((dV @ Zt.T - U @ M) * outside) @ Zt

    def _parts(self, dtype: np.dtype[Any]) -> tuple[Array, Array, Array, Array]:
        """What products are made of, in their precision."""
        if dtype == np.float64:
            return self._U, self._Zt, self._outside, self._turned
        if self._single is None:
            parts = self._U, self._Zt, self._outside, self._turned
            self._single = tuple(part.astype(dtype) for part in parts)
        return self._single

    def _mix(self, M: Array) -> Array:
        turned = np.swapaxes(M, -1, -2)
        return self._symmetric * (M + turned) + self._skew * (M - turned)

    def _inside(self, M: Array) -> Array:
        """What the derivative makes of U M Z', in the same bases."""
        share = np.einsum("ij,...ij->...", self._turned_inside, M)[..., None, None]
        return self._mix(M) - self._rank_one * share * self._turned_inside

    def spectral(self) -> Spectral | None:
        if self._U.shape[0] < self._Zt.shape[1]:
            return None
        self._prepare()
        return Spectral(self._U, self._Zt, self._outside, self._inside)

    def product(self, dV: Array) -> Array:
        """The change of W that changes the slope of R by `dV`, which may be a stack."""
        self._prepare()
        turned = self._parts(dV.dtype)[-1]
        share = np.einsum("ij,...ij->...", turned, dV)[..., None, None]
        return self._diagonal(dV) - (self._rank_one * share).astype(dV.dtype, copy=False) * turned

    def frozen_product(self, dV: Array) -> Array:
        """The same with Sigma held fixed."""
        self._prepare()
        inside = self._U.T @ dV
        outside = dV - self._U @ inside
        return self._U @ (self._outside[:, None] * inside) + self._beyond * outside

    def curvature(self) -> Array:
        """Diagonal of the frozen derivative, one number a node."""
        self._prepare()
        squares = np.square(self._U)
        return squares @ self._outside + self._beyond * (1.0 - squares.sum(axis=1))
