"""Tables of the caller, whatever they are: how many rows, and some of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse


def n_rows(values: Any, name: str) -> int:
    """The number of rows of an array-like, called ``name`` in the message."""
    try:
        n: int = values.shape[0] if hasattr(values, "shape") else len(values)
    except (TypeError, IndexError) as error:
        raise TypeError(f"`{name}` must be array-like, got {values!r}.") from error
    return n


def take(values: Any, rows: NDArray[np.intp]) -> Any:
    """Index the rows of an array, a sparse matrix, a DataFrame or a list."""
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    is_sparse: bool = issparse(values)
    if is_sparse:  # some formats know no rows
        return values.tocsr()[rows].asformat(values.format)
    return values[rows] if hasattr(values, "shape") else [values[i] for i in rows]
