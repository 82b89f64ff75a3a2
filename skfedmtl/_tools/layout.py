"""What files of named arrays must hold: a layout for each kind of file, all checked here.

A layout is declared by who knows the sizes: a data set by its module, a checkpoint by the attack
that would go on from it. The messages name the field; whoever reads the file names that.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_KINDS = {"numbers": "biuf", "labels": "biU", "strings": "U"}
_LONGEST = 2**16  #: bytes of a short text, or of what a file says of an array, at most


class Field(NamedTuple):
    """What one array must be."""

    shape: tuple[int | range | str, ...]  #: a range has the lengths allowed, equal names are equal
    dtype: str  #: the name of one, or "numbers", "labels" or "strings" of any size
    low: float = -math.inf
    high: float = math.inf
    finite: bool = True
    optional: bool = False
    is_valid: Callable[[Any], bool] | None = None  #: told the array, once all else is right


Layout = Mapping[str, Field]


def like(array: NDArray[Any], low: float = -math.inf, high: float = math.inf) -> Field:
    """A field of finite entries, of the shape and dtype of an array."""
    return Field(array.shape, array.dtype.name, low, high)


def check_fields(
    arrays: Mapping[str, NDArray[Any]], layout: Layout, *, more_allowed: bool = False
) -> None:
    """Raise ValueError for the first array that is not as the layout says, missing or unknown."""
    for name, field in layout.items():
        if name not in arrays and not field.optional:
            raise ValueError(f"it lacks the array {name!r}; it holds {sorted(arrays)}")
    unknown = sorted(arrays.keys() - layout.keys())
    if unknown and not more_allowed:
        raise ValueError(f"it holds {unknown[0]!r}, which is not one of {sorted(layout)}")
    lengths: dict[str, tuple[str, int]] = {}
    for name, field in layout.items():
        if name in arrays:
            _check_form(name, arrays[name], field, lengths)
            _check_entries(name, arrays[name], field)


def _check_form(
    name: str, array: NDArray[Any], field: Field, lengths: dict[str, tuple[str, int]]
) -> None:
    """The dtype and the shape; lengths that have a name are noted with who had them first."""
    if field.dtype == "strings" and len(field.shape) == 1:
        _check_strings(name, array, field.shape[0], lengths)
        return
    if not _has_dtype(array, field.dtype):
        raise ValueError(f"{name!r} must hold {field.dtype}, it holds {array.dtype}")
    if array.ndim != len(field.shape):
        raise ValueError(f"{name!r} must have {len(field.shape)} axes, its shape is {array.shape}")
    for length, allowed in zip(array.shape, field.shape, strict=True):
        if isinstance(allowed, str):
            first, expected = lengths.setdefault(allowed, (name, length))
            if length != expected:
                raise ValueError(
                    f"{first!r} has {expected} {allowed}, {name!r} has {length} entries"
                )
        elif not _allows(allowed, length):
            expected_shape = ", ".join(map(_length, field.shape))
            raise ValueError(
                f"{name!r} must have the shape ({expected_shape}), its shape is {array.shape}"
            )


def _check_strings(
    name: str,
    array: NDArray[Any],
    allowed: int | range | str,
    lengths: dict[str, tuple[str, int]],
) -> None:
    """A list of strings is told as a whole."""
    if isinstance(allowed, str):
        allowed = lengths.setdefault(allowed, (name, array.size))[1]
    if array.dtype.kind != "U" or array.ndim != 1 or not _allows(allowed, len(array)):
        raise ValueError(
            f"{name!r} must hold {_length(allowed)} strings; it holds {array.dtype} of shape "
            f"{array.shape}"
        )


def _has_dtype(array: NDArray[Any], dtype: str) -> bool:
    if dtype in _KINDS:
        return array.dtype.kind in _KINDS[dtype]
    return bool(array.dtype == np.dtype(dtype))


def _allows(allowed: int | range, length: int) -> bool:
    return length in allowed if isinstance(allowed, range) else length == allowed


def _length(allowed: int | range | str) -> str:
    if isinstance(allowed, range):
        return f"{allowed.start} to {allowed.stop - 1}"
    return str(allowed)


def _check_entries(name: str, array: NDArray[Any], field: Field) -> None:
    if array.dtype.kind in "biuf":
        inside = (array >= field.low) & (array <= field.high)
        wrong = ~np.isfinite(array) if field.finite else np.zeros_like(inside)
        for is_wrong, expected in (
            (wrong, "be finite"),
            (~inside & ~np.isnan(array), f"lie between {field.low:g} and {field.high:g}"),
        ):
            if is_wrong.any():
                place = tuple(np.argwhere(is_wrong)[0].tolist())
                raise ValueError(f"{name!r} must {expected}, its entry {place} is {array[place]}")
    if field.is_valid is not None and not field.is_valid(array):
        raise ValueError(f"{name!r} holds what nobody would have written there: {array!r:.60}")


def size_limit(layout: Layout) -> int:
    """Bytes that an archive of these arrays has at most, unpacked, if no length has a name."""
    total = 0
    for field in layout.values():
        lengths = [int(axis.stop if isinstance(axis, range) else axis) for axis in field.shape]
        size = 0 if field.dtype in _KINDS else np.dtype(field.dtype).itemsize
        total += _LONGEST + math.prod(lengths) * size
    return total


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Sha256 of the names, types, shapes and values of arrays, however they are stored."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        if array.dtype.kind == "U":
            kind = "text"
            content = "\n".join(array.ravel().tolist()).encode()
        else:
            little = array.dtype.newbyteorder("<")
            kind = little.str
            content = np.ascontiguousarray(array, dtype=little).tobytes()
        sha.update(f"{name} {kind} {array.shape} {len(content)}\n".encode())
        sha.update(content)
    return sha.hexdigest()
