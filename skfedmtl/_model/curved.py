"""Regularisers with a second derivative, and their Hessians as dense matrices.

The learned one counts every singular value ``s`` of ``W = U diag(s) Z'`` as
``r = sqrt(s^2 + root^2)``::

    R(W) = lambda1 T^2 + lambda2 ||W||_F^2,     T = sum of r, over all m of W W'

In the basis ``M = U' dW Z`` its second derivative mixes ``M_ij`` with ``M_ji`` only, but for the
one direction in which ``T`` changes.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._typing import Array


class QuadraticCurved:
    """``(1/2) tr(W' bend W)`` with `bend` of shape (m, m)."""

    def __init__(self, bend: Array, W: Array) -> None:
        self._bend, self._n_features = bend, W.shape[1]
        self.slope: Array = bend @ W
        self.value = 0.5 * float(np.vdot(W, self.slope))

    def hessian(self) -> Array:
        """Of shape (m d, m d)."""
        return np.asarray(np.kron(self._bend, np.eye(self._n_features)), dtype=np.float64)

    def hessian_alike(self) -> Array:
        """Of shape (d, d): where all rows move alike."""
        return float(self._bend.sum()) * np.eye(self._n_features)


class LearnedCurved:
    """The smoothed learned regulariser at ``W``."""

    def __init__(self, W: Array, lambda1: float, lambda2: float, root: float) -> None:
        self._lambda1, self._lambda2, self._root = lambda1, lambda2, root
        self._U, s, self._Zt = np.linalg.svd(W, full_matrices=True)
        p = len(s)
        self._s, self._r = s, np.hypot(s, root)
        self._T = float(self._r.sum()) + (len(W) - p) * root
        self._direction = (self._U[:, :p] * (s / self._r)) @ self._Zt[:p]
        self.slope: Array = 2.0 * lambda1 * self._T * self._direction + 2.0 * lambda2 * W
        self.value = lambda1 * self._T**2 + lambda2 * float(np.vdot(W, W))

    def hessian(self) -> Array:
        """Of shape (m d, m d)."""
        U, Zt = self._U, self._Zt
        (m, d), p = (len(U), len(Zt)), len(self._s)
        own, other = self._mixing()
        # rows of the basis: M_ij as a function of dW
        basis = np.einsum("li,jk->ijlk", U, Zt)
        image = own[:, :, None, None] * basis
        image[:p, :p] += other[:, :, None, None] * np.swapaxes(basis[:p, :p], 0, 1)
        flat = basis.reshape(m * d, m * d)
        H: Array = 2.0 * self._lambda1 * self._T * (flat.T @ image.reshape(m * d, m * d))
        g = self._direction.ravel()
        H += 2.0 * self._lambda1 * np.outer(g, g)
        H[np.diag_indices_from(H)] += 2.0 * self._lambda2
        return H

    def hessian_alike(self) -> Array:
        """Of shape (d, d): where all rows move alike, ``M = U'1 (Z' c)'``."""
        a, Zt, p = self._U.sum(axis=0), self._Zt, len(self._s)
        own, other = self._mixing()
        inside = np.diag(np.square(a) @ own)
        inside[:p, :p] += np.outer(a[:p], a[:p]) * other
        g = self._direction.sum(axis=0)
        H: Array = 2.0 * self._lambda1 * (self._T * (Zt.T @ inside @ Zt) + np.outer(g, g))
        H[np.diag_indices_from(H)] += 2.0 * self._lambda2 * len(a)
        return H

    def _mixing(self) -> tuple[Array, Array]:
        """What the second derivative, but for that of T, makes of M_ij: shares of it and M_ji."""
        (m, d), p = (len(self._U), len(self._Zt)), len(self._s)
        own, other = np.zeros((m, d)), np.zeros((p, p))
        s, r, root = self._s, self._r, self._root
        total = s[:, None] + s
        crossed = np.outer(s, r)
        skew = np.full((p, p), 1.0 / root)  # the limit of two zeros
        np.divide(crossed + crossed.T, total * np.outer(r, r), out=skew, where=total > 0.0)
        symmetric = np.square(root / np.outer(r, r)) / skew
        own[:p, :p] = 0.5 * (symmetric + skew)
        other[:] = 0.5 * (symmetric - skew)
        np.fill_diagonal(own[:p, :p], np.diag(symmetric))
        np.fill_diagonal(other, 0.0)
        own[p:, :p] = 1.0 / r
        own[:p, p:] = (1.0 / r)[:, None]
        return own, other
