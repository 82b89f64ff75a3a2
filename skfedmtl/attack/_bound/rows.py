"""What it takes to turn a row: the least that a node's problem costs weights that do.

By `skfedmtl.attack._bound.regions` the weights w of a node obey, with l = lambda1 + lambda2::

    F(w) = theta f(w) + l ||w||^2  <=  C

A row x of the sign s is turned by weights of ``s x . w <= 0`` only. Dual variables a of the node's
rows give, with ``g = theta sum of share a x_i`` and a multiplier of that limit chosen best, no more
than the least of F among such weights::

    - theta sum of share L*(-a) - (||g||^2 - max(0, s x . g)^2 / ||x||^2) / (4 l)

whatever a is. If it exceeds C, no attack turns the row. The a asked for are those of a fit to rows
that have no part along x: weights at the limit know of no other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Independent
from skfedmtl._typing import Array
from skfedmtl.attack._bound.fits import solve_losses
from skfedmtl.attack._sought import CleanRows, Model

_TOL = 1e-4  #: of the fits
_MOST = 100  #: iterations
_AT_ONCE = 2_000_000  #: numbers in the rows of the fits that run together


class Costs(NamedTuple):
    """The problem of every node by itself, and what poisoned weights cost there at most."""

    rows: CleanRows  #: with the intercept's feature
    model: Model  #: its relationship does not count
    left: Array  #: (m,) theta
    ridge: float
    most: Array  #: (m,) C

    def stands(self, X: Array, codes: NDArray[np.int64], sign: Array) -> NDArray[np.bool_]:
        """Whether no weights turn these rows, with the intercept's feature, of known nodes."""
        stands = np.zeros(len(X), dtype=bool)
        for l in np.unique(codes):
            own = self.rows.codes == l
            size = max(1, _AT_ONCE // max(1, X.shape[1] * int(own.sum())))
            mine = np.flatnonzero(codes == l)
            for start in range(0, len(mine), size):
                part = mine[start : start + size]
                stands[part] = self._least(l, own, X[part], sign[part]) > self.most[l]
        return stands

    def _least(self, l: np.int64, own: NDArray[np.bool_], X: Array, sign: Array) -> Array:
        """What weights of a node that turn the rows cost at least."""
        k, rows, loss = len(X), self.rows, self.model.loss
        Z, y, weight = rows.X[own], rows.y[own], rows.weight[own]
        if not weight.any():
            return np.zeros(k)
        share = self.left[l] * weight / weight.sum()
        length = np.maximum(np.sum(np.square(X), axis=1), np.finfo(float).tiny)
        along = (Z @ X.T) / length
        flat = Z[None] - along.T[:, :, None] * X[:, None]
        copies = CleanRows(
            flat.reshape(-1, X.shape[1]),
            np.tile(y, k),
            np.repeat(np.arange(k), len(y)),
            np.tile(weight, k),
        )
        model = self.model._replace(relationship=Independent(k, self.ridge), intercept="none")
        problem, _ = solve_losses(copies, model, np.full(k, self.left[l]), _TOL, _MOST)
        a = problem.dual_coef().reshape(k, len(y))
        paid = loss.conjugate(np.tile(y, k), a.ravel()).reshape(a.shape) @ share
        g = (share * a) @ Z
        towards = np.maximum(0.0, sign * np.einsum("ij,ij->i", X, g))
        least: Array = np.sum(np.square(g), axis=1) - np.square(towards) / length
        return -paid - least / (4.0 * self.ridge)
