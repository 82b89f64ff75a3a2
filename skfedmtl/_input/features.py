"""What may be a feature: real numbers, in whatever table holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skfedmtl._input.labels import is_missing, with_article
from skfedmtl._input.polars import from_polars, is_polars
from skfedmtl._input.targets import is_time, refuse_masked

__all__ = ["has_sparse_columns", "holds_words", "oddly_scaled", "read_features", "repeated_text"]

_DECADES = 1e3  #: times or shares of the middle column's size
_REPEATS = 3  #: rows a word, if a column may name nodes


def read_features(X: Any, name: str = "X", *, words: bool = False) -> Any:
    """Rows as they are, but for columns of odd types, which become floats.

    Text, categories and times are refused; so are objects that are no numbers. What has the wrong
    shape or is complex is left for scikit-learn to refuse. With `words`, columns of text and of
    categories stay what they are, but for gaps, which become NaN, and frames of polars that have
    such columns, which become frames of pandas.
    """
    refuse_masked(**{name: X})
    if issparse(X):
        return X
    if words and is_polars(X) and any(map(_is_text, X.schema.values())):
        X = from_polars(X)
    if hasattr(X, "columns"):
        if is_polars(X):
            return _from_polars_columns(X, name)
        return _from_pandas_columns(X, name, words)
    return _from_array(X, name, words)


def repeated_text(X: Any) -> Any:
    """The first column of a frame that holds few words, each many times; None without one."""
    for name in getattr(X, "columns", ()):
        column = np.asarray(X[name])
        is_text = column.dtype.kind in "OU" and column.ndim == 1
        if is_text and all(isinstance(value, str) for value in column):
            if len(set(column)) <= len(column) // _REPEATS:
                return name
    return None


def holds_words(column: Any) -> bool:
    """Whether a column, of an array or of pandas, has text in it or is one of categories."""
    if hasattr(column.dtype, "categories"):
        return True
    kind = getattr(column.dtype, "kind", "O")
    return kind not in "biufcmM" and any(isinstance(value, str) for value in column)


def has_sparse_columns(X: Any) -> bool:
    """Whether a frame of pandas stores a column of it without its zeros."""
    return hasattr(X, "iloc") and hasattr(X, "dtypes") and any(map(_is_sparse, _kinds(X)))


def _from_array(X: Any, name: str, words: bool) -> Any:
    """What is no frame."""
    try:
        array = np.asarray(X)
    except ValueError:  # rows of different lengths
        return X
    if array.dtype.kind in "biufc":
        return X
    if words and array.ndim == 2 and array.dtype.kind in "OU":
        # a list of numbers and words became words throughout
        return _with_words(array if array is X else np.asarray(X, dtype=object), name)
    if array.dtype.kind == "O":
        return _numbers(array, f"`{name}`")
    raise ValueError(_refusal(f"`{name}`", f"entries of dtype {array.dtype}"))


def _from_pandas_columns(X: Any, name: str, words: bool) -> Any:
    kinds = _kinds(X)
    if kinds and all(_is_sparse(kind) and kind.fill_value == 0 for kind in kinds):
        return X  # becomes a sparse matrix
    odd = [j for j, kind in enumerate(kinds) if not _is_plain(kind)]
    if not odd:
        return X
    columns = [X.iloc[:, j] for j in range(len(kinds))]
    for j in odd:
        if words and holds_words(columns[j]):
            columns[j] = _without_odd_gaps(columns[j])
        else:
            columns[j] = _from_column(columns[j], f"`{name}`, column {X.columns[j]!r},")
    frame = type(X)({j: getattr(column, "array", column) for j, column in enumerate(columns)})
    frame.index = X.index
    frame.columns = X.columns
    return frame


def _kinds(X: Any) -> list[Any]:
    return list(getattr(X.dtypes, "array", [X.dtypes]))


def _is_sparse(kind: Any) -> bool:
    return hasattr(kind, "fill_value") and hasattr(kind, "subtype")


def _is_plain(kind: Any) -> bool:
    return isinstance(kind, np.dtype) and kind.kind in "biufc"


def _from_column(column: Any, where: str) -> NDArray[Any]:
    """A column of pandas that has another dtype than numpy's for numbers."""
    kind = column.dtype
    if getattr(kind, "kind", "O") in "biuf" and not hasattr(kind, "categories"):
        return np.asarray(column.astype(np.float64))
    if isinstance(kind, np.dtype) and kind.kind == "O":
        return _numbers(np.asarray(column), where)
    raise ValueError(_refusal(where, f"entries of dtype {kind}"))


def _without_odd_gaps(column: Any) -> Any:
    """A column of words in which all that is missing is NaN; categories know no other gaps."""
    missing = np.asarray(column.isna())
    if hasattr(column.dtype, "categories") or not missing.any():
        return column
    values = np.array(column, dtype=object)
    values[missing] = np.nan
    return values


def _with_words(array: NDArray[Any], name: str) -> NDArray[Any]:
    """An array as objects, the columns that hold no words in floats; floats if none does."""
    columns = list(array.T)
    wordy = [holds_words(column) for column in columns]
    if not any(wordy):
        return _numbers(array, f"`{name}`")
    table = np.empty(array.shape, dtype=object)
    for j, column in enumerate(columns):
        if wordy[j]:
            table[:, j] = [np.nan if is_missing(value) else value for value in column]
        else:
            table[:, j] = _numbers(column, f"`{name}`, column {j},")
    return table


def _is_text(kind: Any) -> bool:
    import polars as pl  # whoever has given polars has it

    return kind in (pl.String, pl.Categorical, pl.Enum)


def _from_polars_columns(X: Any, name: str) -> Any:
    import polars as pl  # whoever has given polars has it

    odd = [column for column, kind in X.schema.items() if not kind.is_numeric()]
    for column in odd:
        if X.schema[column] not in (pl.Boolean, pl.Null):
            where = f"`{name}`, column {column!r},"
            raise ValueError(_refusal(where, f"entries of dtype {X.schema[column]}"))
    plain = all(kind.is_integer() or kind.is_float() for kind in X.schema.values())
    return X if plain else X.cast(pl.Float64)


def _numbers(array: NDArray[Any], where: str) -> NDArray[np.float64]:
    """Objects as floats, NaN where one is missing."""
    numbers = np.empty(array.shape)
    for place, value in np.ndenumerate(array):
        if is_missing(value):
            numbers[place] = np.nan
            continue
        what = f"{with_article(type(value).__name__)}, {value!r}"
        if isinstance(value, (str, bytes, complex)) or is_time(value):
            raise ValueError(_refusal(where, what))
        try:
            numbers[place] = value
        except (TypeError, ValueError, OverflowError) as error:
            raise TypeError(_refusal(where, what)) from error
    return numbers


def _refusal(where: str, what: str) -> str:
    return (
        f"{where} holds {what}, could not convert that to numbers: an entry of this argument must "
        "be no string and no other object, but a real number or a boolean."
    )


def oddly_scaled(X: Any) -> NDArray[np.intp]:
    """Columns whose root mean square differs from the middle one's by more than three decades."""
    is_sparse: bool = issparse(X)
    squares = X.multiply(X).mean(axis=0) if is_sparse else np.einsum("ij,ij->j", X, X) / len(X)
    size: NDArray[np.float64] = np.sqrt(np.asarray(squares, dtype=np.float64).ravel())
    middle = float(np.median(size[size > 0.0])) if size.any() else 1.0
    odd = (size > _DECADES * middle) | ((size > 0.0) & (size * _DECADES < middle))
    return np.flatnonzero(odd)
