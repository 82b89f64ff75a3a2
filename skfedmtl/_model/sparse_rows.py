"""Rows of a node that are mostly zeros, less a mean that is never subtracted from them.

Row i stands for ``x_i - lift_i mean`` with a sparse ``x_i``. Products with it cost the numbers
that are stored: the mean takes part as one number a row, so centred rows stay sparse. A column
that every row stores is centred where it is stored, in a copy: there the mean may be large beside
the spread, and would leave nothing of it. Any other column has zeros, and a spread of its mean's
size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from skfedmtl._kernels import _sdca
from skfedmtl._typing import Array

NOISE = 8.0 * float(np.finfo(float).eps)  #: of a number from which its like was taken off


class SparseRows:
    """Rows of one node; in products with dense vectors they stand where an array may stand.

    Parameters
    ----------
    data, indices, indptr : ndarrays
        The stored numbers, their columns, and where each row begins and the last one ends, as
        in a CSR matrix; each column at most once a row.
    n_features : int
    mean : ndarray of shape (n_features,) or None
        What is taken off the rows.
    lift : ndarray of shape (n,) or None
        How often it is taken off each row; None: once.
    """

    __slots__ = ("_along", "data", "indices", "indptr", "lift", "mean", "shape")

    __array_ufunc__ = None  # an array leaves ``array @ rows`` to the rows

    def __init__(
        self,
        data: Array,
        indices: NDArray[Any],
        indptr: NDArray[Any],
        n_features: int,
        mean: Array | None = None,
        lift: Array | None = None,
    ) -> None:
        self.data, self.indices, self.indptr = data, indices, indptr
        self.shape = (len(indptr) - 1, n_features)
        self._take_off(np.zeros(0) if mean is None else mean)
        if lift is not None:
            self.lift = lift

    def _take_off(self, mean: Array) -> None:
        self.mean, self.lift = mean, np.ones(len(self))
        self._along = np.zeros(len(self))
        if len(mean):
            _sdca.sparse_margins(*self._stored(), mean, self._along)

    def centre(self, weight: Array) -> Array:
        """Take the weighted mean of the rows off, for the first time; returns it."""
        total = self._centre_full_columns(weight)
        rest = weight @ self
        rest[total != 0.0] = 0.0
        self._take_off(rest)
        return total + rest

    def _centre_full_columns(self, weight: Array) -> Array:
        """The means of the columns that no row of positive weight lacks, taken off in a copy."""
        d, counts = self.shape[1], np.diff(self.indptr)
        heavy = np.repeat(weight > 0.0, counts)
        present = np.bincount(self.indices[heavy], minlength=d)
        full = (present == np.count_nonzero(weight)) & (present > 0)
        total = np.zeros(d)
        if not full.any():
            return total
        share, mine = np.repeat(weight, counts), full[self.indices]
        columns, values = self.indices[mine], self.data[mine]
        for _ in range(2):  # once more for what rounding left
            mean = np.bincount(columns, weights=share[mine] * values, minlength=d)
            values = values - mean[columns]
            values[np.abs(values) <= NOISE * np.abs(mean[columns])] = 0.0
            total += mean
        self.data = self.data.copy()
        self.data[mine] = values
        return total

    def _stored(self) -> tuple[Array, NDArray[Any], NDArray[Any]]:
        return self.data, self.indices, self.indptr

    def _matrix(self) -> Any:
        return csr_array(self._stored(), shape=self.shape)

    def _like(self, matrix: Any, lift: Array) -> SparseRows:
        """These stored numbers, the mean taken off so often."""
        mean = self.mean if len(self.mean) else None
        parts = matrix.data, matrix.indices, matrix.indptr
        return SparseRows(*parts, self.shape[1], mean, lift)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: NDArray[np.intp]) -> SparseRows:
        return self._like(self._matrix()[index], self.lift[index])

    def __mul__(self, column: Array) -> SparseRows:
        factor = column.ravel()
        data = self.data * np.repeat(factor, np.diff(self.indptr))
        matrix = csr_array((data, self.indices, self.indptr), shape=self.shape)
        return self._like(matrix, self.lift * factor)

    __rmul__ = __mul__

    def __truediv__(self, column: Array) -> SparseRows:
        return self * (1.0 / column)

    def __matmul__(self, w: Array) -> Array:
        out = np.zeros(len(self))
        _sdca.sparse_margins(*self._stored(), np.ascontiguousarray(w), out)
        if len(self.mean):
            out -= self.lift * np.sum(self.mean * w)
        return out

    def __rmatmul__(self, coefficient: Array) -> Array:
        out = np.zeros(self.shape[1])
        _sdca.sparse_accumulate(*self._stored(), np.ascontiguousarray(coefficient), out)
        if len(self.mean):
            out -= np.sum(self.lift * coefficient) * self.mean
        return out

    def squared_norms(self) -> Array:
        """Squared length of every row."""
        row = np.repeat(np.arange(len(self)), np.diff(self.indptr))
        stored = np.bincount(row, weights=np.square(self.data), minlength=len(self))
        off = self.lift * (self.lift * np.sum(np.square(self.mean)) - 2.0 * self._along)
        return np.maximum(stored + off, 0.0)

    def cross(self, other: SparseRows) -> Array:
        """``rows' other`` as a dense matrix of shape (d, d); both have the same mean."""
        product: Array = (self._matrix().T @ other._matrix()).toarray()
        if len(self.mean):
            mine, others = self._matrix().T @ other.lift, other._matrix().T @ self.lift
            product -= np.outer(mine, self.mean) + np.outer(self.mean, others)
            product += float(self.lift @ other.lift) * np.outer(self.mean, self.mean)
        return product

    def outer(self) -> Array:
        """``rows rows'`` as a dense matrix of shape (n, n)."""
        matrix = self._matrix()
        product: Array = (matrix @ matrix.T).toarray()
        if len(self.mean):
            pair = np.outer(self._along, self.lift)
            product -= pair + pair.T
            product += np.sum(np.square(self.mean)) * np.outer(self.lift, self.lift)
        return product

    def visit(self, kernel: Any, *node: Any) -> int:
        """Coordinate steps, as `_sdca.visit` takes them on a dense array; no row is scaled.

        How many rows have moved in the last pass is returned.
        """
        return _sdca.sparse_visit(kernel, *self._stored(), self.mean, self._along, *node)
