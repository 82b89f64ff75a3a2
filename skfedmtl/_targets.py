"""What may be a target, and what no table may hide: masked entries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite

from skfedmtl._labels import is_missing

__all__ = ["read_targets", "refuse_masked"]


def refuse_masked(**arrays: Any) -> None:
    """Refuse masked arrays, called by their names, unless nothing is masked in them."""
    for name, array in arrays.items():
        if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
            raise ValueError(
                f"`{name}` has masked entries, which would be taken for values; only arrays "
                "without any are allowed: fill them, or leave their rows out."
            )


def read_targets(y: Any, name: str, *, numeric: bool) -> Any:
    """Targets without gaps, as given; numbers that are objects or strings become floats.

    What has the wrong shape or is complex is left for scikit-learn to refuse.
    """
    refuse_masked(**{name: y})
    if issparse(y):
        return y
    try:
        array = np.asarray(y)
    except ValueError:  # rows of different lengths
        return y
    kind = array.dtype.kind
    if kind == "T":
        raise TypeError(
            f"{name} has numpy's dtype {array.dtype}; allowed are "
            f"{'numbers' if numeric else 'integers, strings and booleans'}. "
            f"{name}.astype({'float' if numeric else 'str'}) makes them."
        )
    if kind == "f":
        assert_all_finite(array, input_name=name)
    if array.ndim == 0:
        return y
    if kind == "O" and any(map(is_missing, array.flat)):
        raise ValueError(f"Input {name} contains NaN.")
    if not numeric:
        return y
    if kind in "mM" or (kind == "O" and any(map(_is_time, array.flat))):
        raise ValueError(
            f"{name} holds dates or times ({array.dtype}); numbers are allowed. Subtract a date, "
            "divide by a unit of time."
        )
    return _as_floats(array, name) if kind in "OUS" else y


def _is_time(value: Any) -> bool:
    return isinstance(value, np.datetime64 | np.timedelta64)


def _as_floats(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must hold real numbers: {error}.") from error
    assert_all_finite(numbers, input_name=name)
    return numbers
