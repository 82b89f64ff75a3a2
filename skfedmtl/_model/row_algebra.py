"""Rows of a node, dense or sparse: what the solver does with them beside plain products.

A dense node has an array of shape (n, d), a sparse one `SparseRows`. Both take ``rows @ w``,
``c @ rows``, ``rows[index]``, ``rows * column`` and ``len``; the rest stands here. `StoredRows` lie
in a file and take part in products with vectors and in passes, not in second-order steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from skfedmtl._kernels import _sdca
from skfedmtl._model.sparse_rows import NOISE, SparseRows
from skfedmtl._model.stored_rows import StoredRows
from skfedmtl._typing import Array

_CHUNK = 2**16  #: numbers that are copied at a time, which a cache holds
_FEW_ROWS = 100  #: of a node, among which it does not pay to look for coefficients of zero
_SINGLE = 1e12  #: squared lengths of rows that single precision is trusted with, or one over it


def slices(lengths: list[int]) -> list[slice]:
    """Where parts of these lengths lie, one after another."""
    ends = np.cumsum(lengths).tolist()
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


# -- from the caller's table ------------------------------------------------------------------


def chunks(n: int, d: int) -> Iterator[slice]:
    """Consecutive rows of n by d numbers, so few that a cache holds a copy."""
    step = max(1, _CHUNK // max(1, d))
    return (slice(start, start + step) for start in range(0, n, step))


def sorted_rows(X: Any, order: NDArray[np.intp], more: NDArray[np.float64]) -> Any:
    """These rows, with the same numbers `more` at the end of each: a copy if dense."""
    if issparse(X):
        return _sorted_sparse(X, order, more)
    d = X.shape[1]
    rows = np.empty((len(order), d + len(more)))
    for part in chunks(len(order), d):  # no second copy of all rows
        rows[part, :d] = X[_as_slice(order[part])]
    rows[:, d:] = more
    return rows


def _as_slice(index: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """The rows that most tables hold in order, but for those that came later, without a copy."""
    run = slice(index[0], index[0] + len(index))
    return run if np.array_equal(index, np.arange(run.start, run.stop)) else index


def _sorted_sparse(X: Any, order: NDArray[np.intp], more: NDArray[np.float64]) -> Any:
    matrix = csr_array(X)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if not np.array_equal(order, np.arange(matrix.shape[0])):
        matrix = matrix[order]
    if matrix.indptr.dtype != matrix.indices.dtype:  # set from outside
        matrix.indptr = matrix.indptr.astype(matrix.indices.dtype)
    if not len(more):
        return matrix
    (n, d), k = matrix.shape, len(more)
    ends = matrix.indptr.astype(np.int64) + k * np.arange(n + 1)
    old = np.ones(ends[-1], dtype=bool)
    old[(ends[1:, None] - k + np.arange(k)).ravel()] = False
    kind = np.int32 if max(ends[-1], d + k) < np.iinfo(np.int32).max else np.int64
    data, indices = np.empty(len(old)), np.empty(len(old), dtype=kind)
    data[old], indices[old] = matrix.data, matrix.indices
    data[~old], indices[~old] = np.tile(more, n), np.tile(np.arange(d, d + k), n)
    return csr_array((data, indices, ends.astype(kind)), shape=(n, d + k))


def parts_of(rows: Any, parts: list[slice]) -> list[Any]:
    """The rows of every node: views of all rows, which lie sorted by node."""
    if isinstance(rows, np.ndarray):
        return [rows[part] for part in parts]
    return [_sparse_part(rows, part) for part in parts]


def _sparse_part(rows: Any, part: slice) -> SparseRows:
    first, last = rows.indptr[part.start], rows.indptr[part.stop]
    where = rows.indptr[part.start : part.stop + 1] - first
    return SparseRows(rows.data[first:last], rows.indices[first:last], where, rows.shape[1])


def centre_by_node(
    rows: Array, starts: NDArray[np.intp], which: NDArray[np.intp], weight: Array, mean: Array
) -> None:
    """Take the weighted mean off dense rows of these nodes, in place, and put it into `mean`.

    Rows are those of all nodes, which begin at `starts`; they may be numbers.
    """
    if rows.ndim == 1:
        rows, mean = rows[:, None], mean[:, None]
    _sdca.centre_by_node(rows, starts, which, weight, NOISE, mean)


# -- for coordinate ascent --------------------------------------------------------------------


def visit(rows: Any, kernel: Any, *node: Any) -> None:
    """Coordinate steps on the rows: `_sdca.visit`."""
    if isinstance(rows, SparseRows | StoredRows):
        rows.visit(kernel, *node)
    else:
        _sdca.visit(kernel, rows, *node)


def margins(rows: Any, w: Array) -> Array:
    """``rows @ w``, in an order that no number of BLAS threads can change."""
    if isinstance(rows, SparseRows | StoredRows):
        return rows @ w
    out = np.zeros(len(rows))
    _sdca.margins(rows, w, out)
    return out


def accumulate(rows: Any, coefficient: Array) -> Array:
    """``coefficient @ rows``, in such an order."""
    if isinstance(rows, SparseRows | StoredRows):
        return coefficient @ rows
    out = np.zeros(rows.shape[1])
    _sdca.accumulate(rows, coefficient, out)
    return out


def total(values: Array) -> float:
    """The sum, with the bits that `totals` has for a node among others."""
    return float(np.add.reduceat(values, [0])[0]) if len(values) else 0.0


def totals(values: Array, starts: NDArray[np.intp]) -> Array:
    """The sum of every node's values, which begin at ``starts[node]``."""
    sums = np.zeros(len(starts) - 1)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        sums[filled] = np.add.reduceat(values, starts[filled])
    return sums


def moment(rows: Any, weight: Array, alpha: Array) -> Array:
    """Sum of weight_i alpha_i x_i, at the price of the rows whose alpha is not zero."""
    if isinstance(rows, SparseRows):
        return (weight * alpha) @ rows
    some = alpha.nonzero()[0]
    if 2 * len(some) > len(alpha) or len(alpha) < _FEW_ROWS:
        return (weight * alpha) @ rows
    return (weight[some] * alpha[some]) @ rows[some]


# -- for second-order steps -------------------------------------------------------------------


def in_single(rows: Array, squared_norm: Array) -> Array:
    """A copy in single precision, if it can be trusted with rows of these lengths, or the rows."""
    if len(squared_norm) > 0 and 1.0 / _SINGLE < float(squared_norm.max()) < _SINGLE:
        return rows.astype(np.float32)
    return rows


def squared_norms(rows: Any) -> Array:
    """Squared length of every row."""
    if isinstance(rows, SparseRows | StoredRows):
        return rows.squared_norms()
    return np.einsum("ij,ij->i", rows, rows)


def squared_norms_by_node(table: Any, parts: list[slice], rows: list[Any]) -> list[Array]:
    """The same of every node, whose rows of the table are given as well."""
    if isinstance(table, np.ndarray):
        norms = squared_norms(table)
        return [norms[part] for part in parts]
    return [own.squared_norms() for own in rows]


def cross(E: Any, F: Any) -> Array:
    """``E' F`` of rows that differ in their scales, of shape (d, d)."""
    if isinstance(E, SparseRows):
        return E.cross(F)
    product: Array = E.T @ F
    return product


def gram(E: Any) -> Array:
    """``E E'``, of shape (n, n)."""
    if isinstance(E, SparseRows):
        return E.outer()
    product: Array = E @ E.T
    return product


def inverses(systems: Array) -> Array:
    """Of positive definite matrices; pseudo-inverses where rounding has made one singular."""
    try:
        found = np.linalg.inv(systems)
    except np.linalg.LinAlgError:
        found = np.linalg.pinv(systems, hermitian=True)
    return np.asarray(found, dtype=np.float64)
