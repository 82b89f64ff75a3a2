"""Squared error as what it is, a quadratic a node, and sums of such quadratics.

With rows and targets centred where an intercept is free, and ``X'X = Q diag(e) Q'``, ``h = Q'X'y``
and ``c = y'y`` (of weighted means), a node's loss at weights w and a mean residual x is, in its own
basis ``w = Q w'``::

    f(w, x) = e . w'^2 - 2 h . w' + c + x^2

and the distance from a reference ``(v, r)`` in decision values is
``q = e . (w' - v')^2 + (x - r)^2``. Without a free intercept all x are 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array
from skfedmtl.attack._sought import CleanRows, Model


class Reference(NamedTuple):
    """Weights that others are compared with, and how much that counts."""

    V: Array  #: (m, d) in the nodes' bases
    residual: Array  #: (m,)
    near: Array  #: (m,) what q counts,
    ridge: Array  #: (m,) and ``||w - v||^2``


class Quadratic(NamedTuple):
    """``sum of a w'^2 - 2 b w' + const`` in the nodes' bases, of the best intercepts."""

    basis: Array  #: (m, d, d)
    a: Array  #: (m, d)
    b: Array  #: (m, d)
    const: float


def turn(basis: Array, W: Array) -> Array:
    """Into the nodes' bases."""
    return np.matmul(W[:, None, :], basis)[:, 0]


def turn_back(basis: Array, W: Array) -> Array:
    """Out of them."""
    return np.matmul(basis, W[:, :, None])[:, :, 0]


class Moments:
    """Of all nodes.

    Parameters
    ----------
    rows : CleanRows
    model : Model
    """

    def __init__(self, rows: CleanRows, model: Model) -> None:
        m = model.relationship.n_nodes
        X = rows.X
        self.constant = model.intercept_scaling if model.intercept == "feature" else 0.0
        self.is_free = model.intercept == "centred"
        if model.intercept == "feature":
            X = np.column_stack([X, np.full(len(X), self.constant)])
        d = X.shape[1]
        self.basis = np.zeros((m, d, d))
        self.e, self.h, self.x_mean = np.zeros((3, m, d))
        self.c, self.y_mean = np.zeros((2, m))
        for l in range(m):
            self._read(l, X[rows.codes == l], rows.y[rows.codes == l], rows.weight[rows.codes == l])

    def _read(self, l: int, X: Array, y: Array, weight: Array) -> None:
        total = weight.sum()
        share = weight / total if total > 0.0 else weight
        if self.is_free:
            self.x_mean[l], self.y_mean[l] = share @ X, share @ y
            X, y = X - self.x_mean[l], y - self.y_mean[l]
        e, self.basis[l] = np.linalg.eigh(X.T @ (share[:, None] * X))
        self.e[l] = np.maximum(e, 0.0)
        self.h[l] = (share * y) @ X @ self.basis[l]
        self.c[l] = share @ np.square(y)

    def loss(self, V: Array, which: NDArray[np.int64] | slice = slice(None)) -> Array:
        """f of some nodes at weights in their bases, without residuals."""
        fit: Array = np.sum(self.e[which] * np.square(V) - 2.0 * self.h[which] * V, axis=1)
        return fit + self.c[which]

    def slope(self, V: Array, which: NDArray[np.int64] | slice = slice(None)) -> Array:
        """Its gradient."""
        return 2.0 * (self.e[which] * V - self.h[which])

    def intercepts(self, V: Array, residual: Array) -> Array:
        """b of weights in the solver's coordinates, (m, d)."""
        if self.is_free:
            return self.y_mean - np.sum(self.x_mean * V, axis=1) + residual
        return self.constant * V[:, -1] if self.constant else np.zeros(len(V))

    def combine(
        self, which: NDArray[np.int64], a: Array, lambda2: float, references: list[Reference]
    ) -> Quadratic:
        """``sum of a f + near q + lambda2 ridge ||w - v||^2`` over these nodes and references."""
        e, h, c = self.e[which], self.h[which], self.c[which]
        bend, tilt, const = a[:, None] * e, a[:, None] * h, a * c
        total, leant = a.copy(), np.zeros(len(a))
        for V, residual, near, ridge in references:
            weight = near[:, None] * e + lambda2 * ridge[:, None]
            bend, tilt = bend + weight, tilt + weight * V
            const = const + np.sum(weight * np.square(V), axis=1) + near * np.square(residual)
            total, leant = total + near, leant + near * residual
        const = const - np.divide(
            np.square(leant), total, out=np.zeros_like(total), where=leant != 0.0
        )
        return Quadratic(self.basis[which], bend, tilt, float(const.sum()))
