"""Sparse matrices of the caller: sound ones, and where none may stand."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from scipy.sparse import issparse

from skfedmtl._input.features import has_sparse_columns


def check_stored(X: Any) -> None:
    """Refuse a sparse matrix of the caller whose indices lead out of its arrays.

    Neither scipy nor the kernels look before they follow one.
    """
    is_sparse: bool = issparse(X)
    if not is_sparse or X.ndim != 2:
        return
    if X.format == "lil":
        X = X.tocsr()
    sound = True  # nothing in other formats leads anywhere
    if X.format == "coo":
        places = zip((X.row, X.col), X.shape, strict=True)
        sound = all(len(where) == len(X.data) and _within(where, n) for where, n in places)
    elif X.format in ("csr", "csc", "bsr"):
        sound = _is_sound(X)
    if not sound:
        raise ValueError(
            f"X is a damaged sparse matrix ({X.format}): its indices do not fit its shape "
            f"{X.shape} and its {len(X.data)} stored entries."
        )


def _is_sound(X: Any) -> bool:
    """Whether pointers ascend within the indices, and those lie within the matrix."""
    block = X.blocksize if X.format == "bsr" else (1, 1)
    n, d = (whole // part for whole, part in zip(X.shape, block, strict=True))
    n, d = (d, n) if X.format == "csc" else (n, d)
    ends, size = X.indptr, min(len(X.indices), len(X.data))
    ascending = len(ends) == n + 1 and ends[0] == 0 and bool((ends[1:] >= ends[:-1]).all())
    return ascending and bool(ends[-1] <= size) and _within(X.indices[: ends[-1]], d)


def _within(index: NDArray[Any], n: int) -> bool:
    return len(index) == 0 or bool(index.min() >= 0 and index.max() < n)


def check_dense(X: Any, name: str = "X", user: str = "attacks") -> Any:
    """Rows that are not sparse, as they are."""
    if issparse(X):
        raise TypeError(f"`{name}` is sparse: {user} need dense rows, pass {name}.toarray().")
    if has_sparse_columns(X):
        raise TypeError(
            f"`{name}` is sparse in some columns: {user} need dense rows, make those columns "
            "dense by astype(float)."
        )
    return X
