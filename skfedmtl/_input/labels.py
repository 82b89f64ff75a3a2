"""Node labels: what may be one, and how a list of them is read.

Labels become 1-d arrays of one of three dtypes, never mixed: int64, bool, str.
"""

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from skfedmtl._input.polars import as_array, refuse_lazy

__all__ = [
    "as_labels",
    "as_unique_labels",
    "check_nodes",
    "check_text",
    "is_missing",
    "kind_name",
    "listing",
    "shared_type",
    "type_names",
    "with_article",
]

#: Dense m-by-m matrices are refused above this many nodes.
MAX_DENSE_NODES = 5000
_KIND_NAMES = {"i": "integers", "b": "booleans", "U": "strings"}
# Floats carry whole numbers faithfully up to here.
LARGEST_WHOLE = 2.0**53


def check_nodes(nodes: ArrayLike, n_samples: int, name: str = "nodes") -> NDArray[Any]:
    """Return the node label of each row as a 1-d array of int64, bool or str."""
    labels = as_labels(nodes, name)
    if labels.shape[0] != n_samples:
        raise ValueError(
            f"`{name}` and `X` must be equally long: `{name}` has {labels.shape[0]} entries, "
            f"`X` has {n_samples} rows."
        )
    return labels


def as_labels(values: Any, name: str, hint: str = "") -> NDArray[Any]:
    expected = f"`{name}` must hold integers, strings or booleans"
    refuse_lazy(values, name)
    if np.ma.is_masked(values):
        raise ValueError(f"{expected}; it holds missing values.")
    if issparse(values):
        raise ValueError(f"{expected} in a dense 1-d array; it is sparse.")
    # A list is read as objects first: numpy would turn [1, "a"] into two strings.
    is_array = hasattr(values, "dtype")
    array = as_array(values) if is_array else np.asarray(values, dtype=object)
    if array.ndim != 1:
        raise ValueError(f"{expected} in a 1-d array; it has {array.ndim} dimension(s).")
    if array.dtype.kind not in "biufU":
        array = _from_objects(array.astype(object), expected, name)
    if array.dtype.kind == "f":
        return _from_floats(array, expected, hint)
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{expected} that fit into 64 bits, signed; it holds {array.max()}.")
    return array.astype(np.int64, copy=False) if array.dtype.kind in "iu" else array


def check_text(array: NDArray[Any], name: str) -> None:
    """Refuse strings that numpy's arrays of strings would shorten, and so merge with others."""
    shortened = [value for value in array.flat if value.endswith("\0")]
    if shortened:
        raise ValueError(
            f"`{name}` holds {shortened[0]!r}: arrays of strings lose a NUL at the end, and two "
            "labels would become one; strings that end otherwise are allowed."
        )


def _from_objects(array: NDArray[Any], expected: str, name: str) -> NDArray[Any]:
    """Give an array of Python objects the dtype they share."""
    if any(is_missing(value) for value in array):
        raise ValueError(f"{expected}; it holds missing values.")
    shared = shared_type(array)
    if shared is None:
        raise ValueError(f"{expected}, all of one type; it holds {type_names(array)}.")
    if shared is str:
        check_text(array, name)
    if shared is not numbers.Real:
        return array.astype(shared)
    whole = all(isinstance(value, numbers.Integral) for value in array)
    try:
        return array.astype(np.int64 if whole else np.float64)
    except OverflowError as error:
        raise ValueError(f"{expected} that fit into 64 bits, signed.") from error


def shared_type(array: NDArray[Any]) -> Any:
    """What all entries of an array of objects are: Real, str or bool; None if they differ."""
    types = set(map(type, array.flat))
    if all(issubclass(t, numbers.Real) and not issubclass(t, bool) for t in types):
        return numbers.Real
    if all(issubclass(t, str) for t in types):
        return str
    return bool if all(issubclass(t, bool | np.bool_) for t in types) else None


def type_names(array: NDArray[Any]) -> str:
    """The types of the entries of an array of objects, for a message."""
    return ", ".join(sorted({type(value).__name__ for value in array.flat}))


def is_missing(value: Any) -> bool:
    """Whether an entry of an array of objects stands for none: None, NaN, NaT or pandas' NA."""
    # NA compares to nothing, not even to itself
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, numbers.Real) and bool(value != value))
    )


def _from_floats(array: NDArray[Any], expected: str, hint: str) -> NDArray[np.int64]:
    if np.isnan(array).any():
        raise ValueError(f"{expected}; it holds missing values.")
    # half precision has no number that large
    array = array.astype(np.result_type(array, np.float64), copy=False)
    wrong = (np.abs(array) > LARGEST_WHOLE) | (array != np.trunc(array))
    if wrong.any():
        raise ValueError(f"{expected}, floats only if whole; it holds {array[wrong][0]}.{hint}")
    return array.astype(np.int64)


def as_unique_labels(values: Any, name: str) -> NDArray[Any]:
    labels = as_labels(values, name)
    if not labels.size:
        raise ValueError(f"`{name}` is empty: at least one label is needed.")
    found, counts = np.unique(labels, return_counts=True)
    if len(found) < len(labels):
        raise ValueError(f"`{name}` must not repeat labels: {listing(found[counts > 1])}.")
    return labels


def kind_name(labels: NDArray[Any]) -> str:
    return _KIND_NAMES[labels.dtype.kind]


def listing(labels: NDArray[Any], limit: int = 5) -> str:
    """The first few distinct labels, for the middle of a message."""
    found = np.unique(labels).tolist()
    text = ", ".join(map(repr, found[:limit]))
    return text if len(found) <= limit else f"{text} and {len(found) - limit} more"


def with_article(name: str) -> str:
    """The name of a class after "a" or "an", as it is read aloud."""
    return f"{'an' if name.startswith((*'AEIOU', 'FMTL')) else 'a'} {name}"
