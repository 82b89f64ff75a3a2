"""Tables of the caller, whatever they are: how many rows, and some of them."""

from __future__ import annotations

from scipy.sparse import issparse


def n_rows(values, name):
    """The number of rows of an array-like, called ``name`` in the message."""
    try:
        return values.shape[0] if hasattr(values, "shape") else len(values)
    except (TypeError, IndexError) as error:
        raise TypeError(f"`{name}` must be array-like, got {values!r}.") from error


def take(values, rows):
    """Index the rows of an array, a sparse matrix, a DataFrame or a list."""
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if issparse(values):  # some formats know no rows
        return values.tocsr()[rows].asformat(values.format)
    return values[rows] if hasattr(values, "shape") else [values[i] for i in rows]
