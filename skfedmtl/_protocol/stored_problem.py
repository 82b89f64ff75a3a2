"""One node whose rows lie in a file, in the coordinates of the solver: `FederatedProblem` of it."""

from __future__ import annotations

import hashlib

import numpy as np

from skfedmtl._model import Loss, StoredRows
from skfedmtl._protocol.curved_node import CurvedNode, has_curvature
from skfedmtl._protocol.node import Node
from skfedmtl._protocol.node_table import NodeGroup
from skfedmtl._protocol.problem import Intercept, shares
from skfedmtl._protocol.stored_node import FactorNode, StoredNode
from skfedmtl._tools.stored_tables import StoredTable
from skfedmtl._typing import Array


class StoredProblem:
    """Rows that are read once here, and by the node's steps unless the loss is a square.

    Parameters
    ----------
    table : StoredTable
    y, sample_weight : ndarray of shape (n,)
    loss : Loss
    intercept : {"none", "feature", "centred"}
        The last one with a loss of constant curvature only.
    intercept_scaling : float
    hashed : bool
        Whether a digest of the rows is made.
    """

    def __init__(
        self,
        table: StoredTable,
        y: Array,
        sample_weight: Array,
        *,
        loss: Loss,
        intercept: Intercept,
        intercept_scaling: float = 1.0,
        hashed: bool = False,
    ) -> None:
        self.n_features = table.shape[1]
        self.intercept, self.intercept_scaling = intercept, intercept_scaling
        more = [intercept_scaling] if intercept == "feature" else []
        rows = StoredRows(table, np.array(more))
        self.n_coordinates = rows.shape[1]
        weight = shares(sample_weight, np.zeros(len(y), dtype=np.int64), 1)
        is_square = loss.constant_curvature > 0.0
        factor = _Factor(self.n_coordinates, centred=intercept == "centred") if is_square else None
        norms = self._read(rows, y, weight, factor, hashed)
        self._rows, self._longest = rows, float(np.sqrt(norms.max()))
        self._mean = np.zeros(self.n_coordinates + 1) if factor is None else factor.mean
        node: Node
        if factor is None:
            curved = len(table.chunks) > 1 and has_curvature(loss, *rows.shape)
            made = CurvedNode if curved else StoredNode
            node = made(rows, y, weight, loss, squared_norm=norms)
        else:
            node = FactorNode(factor.centred, loss)
        self.nodes = NodeGroup([node], loss)

    def _read(
        self, rows: StoredRows, y: Array, weight: Array, factor: _Factor | None, hashed: bool
    ) -> Array:
        """The squared lengths of the rows; refuses what is no number, and fills the factor."""
        norms = np.zeros(len(y))
        made = hashlib.sha256(repr(rows.shape).encode())
        for part, X in rows.chunks():
            if not np.isfinite(X).all():
                raise ValueError(
                    f"path holds NaN, infinity or missing values in rows {part.start} to "
                    f"{part.stop - 1}; finite numbers are allowed."
                )
            norms[part] = np.einsum("ij,ij->i", X, X)
            if factor is not None:
                factor.take(X, y[part], weight[part])
            if hashed:
                made.update(X.tobytes())
        self.digest = made.digest()
        return norms

    @property
    def longest_row(self) -> float:
        """The greatest length of a row; the rows are read again if their means are taken off."""
        mean = self._mean[:-1]
        if not mean.any():
            return self._longest
        squares = [np.square(X - mean).sum(axis=1).max() for _, X in self._rows.chunks()]
        return float(np.sqrt(max(squares)))

    def coefficients(self, W: Array) -> tuple[Array, Array]:
        """Slopes (1, d) and intercepts (1,) of weights in the solver's coordinates."""
        if self.intercept == "feature":
            return W[:, :-1].copy(), W[:, -1] * self.intercept_scaling
        return W.copy(), self._mean[-1] - W @ self._mean[:-1]


class _Factor:
    """The triangle of weighted rows and targets, a chunk at a time.

    A column of ones before them takes their means: what is below its row is the triangle of what
    the means were taken off from.
    """

    def __init__(self, d: int, *, centred: bool) -> None:
        self._first = int(centred)
        self._triangle: Array = np.zeros((0, self._first + d + 1))

    def take(self, X: Array, y: Array, weight: Array) -> None:
        """Take the next rows."""
        whole = np.empty((len(X), self._triangle.shape[1]))
        whole[:, : self._first] = 1.0
        whole[:, self._first : -1], whole[:, -1] = X, y
        whole *= np.sqrt(weight)[:, None]
        stacked = np.concatenate([self._triangle, whole])
        self._triangle = np.asarray(np.linalg.qr(stacked, mode="r"), dtype=np.float64)

    @property
    def mean(self) -> Array:
        """Of rows and targets, or zeros if these have kept theirs."""
        if not self._first:
            return np.zeros(self._triangle.shape[1])
        mean: Array = self._triangle[0, 1:] / self._triangle[0, 0]
        return mean

    @property
    def centred(self) -> Array:
        """What rows and targets are without their means."""
        return self._triangle[self._first :, self._first :].copy()
