"""What may be a target, and what no table may hide: masked entries."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite

from skfedmtl._input.labels import check_text, is_missing, shared_type, type_names
from skfedmtl._input.polars import as_array, is_polars, refuse_lazy

__all__ = ["is_time", "one_column", "read_targets", "read_truth", "refuse_masked"]


def refuse_masked(**arrays: Any) -> None:
    """Refuse what holds no values, called by its name: frames to come, masked arrays.

    Arrays in which nothing is masked are allowed.
    """
    for name, array in arrays.items():
        refuse_lazy(array, name)
        if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
            raise ValueError(
                f"`{name}` has masked entries, which would be taken for values; only arrays "
                "without any are allowed: fill them, or leave their rows out."
            )


def read_targets(y: Any, name: str, *, numeric: bool, mixed: bool = False) -> Any:
    """Targets without gaps as an array of numbers, booleans or, as classes, strings.

    Numbers keep their dtype; those that are objects or strings become floats where `numeric`, and
    objects that are classes get the dtype they share, unless they are strings; with `mixed` they
    stay as they are where they share none. A frame of one column is that column. What has the
    wrong shape or is complex is left for scikit-learn to refuse.
    """
    refuse_masked(**{name: y})
    if issparse(y):
        return y
    y = one_column(y)
    try:
        array = _as_array(y)
    except ValueError:  # rows of different lengths
        return y
    _refuse_kind(array, name, numeric)
    if array.ndim == 0:
        return y
    if array.dtype.kind == "O" and any(map(is_missing, array.flat)):
        raise ValueError(f"Input {name} contains NaN.")
    if numeric:
        return _as_numbers(array, name)
    return _as_classes(array, y, name, mixed) if array.dtype.kind == "O" else array


def read_truth(y: Any, name: str, *, numeric: bool) -> Any:
    """Targets to be compared with predictions: sums over them neither overflow nor wrap."""
    y = read_targets(y, name, numeric=numeric)
    kinds = "biuf" if numeric else "f"
    return y.astype(np.float64) if isinstance(y, np.ndarray) and y.dtype.kind in kinds else y


def one_column(y: Any) -> Any:
    """Targets in one dimension: the column of a frame that has just one."""
    if not hasattr(y, "columns") or len(y.shape) != 2 or y.shape[1] != 1:
        return y
    return y.to_series() if is_polars(y) else y.iloc[:, 0]


def is_time(value: Any) -> bool:
    """Whether this is a date or a time of numpy, which a float would take for a number."""
    return isinstance(value, np.datetime64 | np.timedelta64)


def _as_array(y: Any) -> NDArray[Any]:
    """An array; numpy would make strings of numbers that share a list with some."""
    array = as_array(y)
    is_list = array.dtype.kind == "U" and not hasattr(y, "dtype")
    return np.asarray(y, dtype=object) if is_list else array


def _refuse_kind(array: NDArray[Any], name: str, numeric: bool) -> None:
    """Refuse numpy's newer strings, records, and floats with gaps."""
    if array.dtype.kind in "TV":
        raise TypeError(
            f"{name} has numpy's dtype {array.dtype}; allowed are "
            f"{'numbers' if numeric else 'integers, strings and booleans'}. "
            f"{name}.astype({'float' if numeric else 'str'}) makes them."
        )
    if array.dtype.kind == "f":
        assert_all_finite(array, input_name=name)


def _as_classes(array: NDArray[Any], given: Any, name: str, mixed: bool) -> NDArray[Any]:
    """Objects that are classes in the dtype they share; strings stay objects, as given."""
    shared = shared_type(array)
    if shared is str:
        check_text(array, name)
        keeps = hasattr(given, "dtype") and not is_polars(given)
        return array if keeps else array.astype(str)
    if shared is bool:
        return array.astype(bool)
    if shared is Real:
        return np.array(array.tolist())
    if not mixed and any(isinstance(value, str | bool) for value in array.flat):
        raise TypeError(
            f"{name} holds objects of several types, {type_names(array)}; classes must be all "
            "strings, all numbers or all booleans."
        )
    return array


def _as_numbers(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Numbers in their dtype; objects and strings as floats."""
    kind = array.dtype.kind
    if kind in "mM" or (kind == "O" and any(map(is_time, array.flat))):
        raise ValueError(
            f"{name} holds dates or times ({array.dtype}); numbers are allowed. Subtract a date, "
            "divide by a unit of time."
        )
    return _as_floats(array, name) if kind in "OUS" else array


def _as_floats(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must hold real numbers: {error}.") from error
    assert_all_finite(numbers, input_name=name)
    return numbers
