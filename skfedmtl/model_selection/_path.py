"""A grid of penalties, walked so that neighbours follow one another."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

__all__ = ["read_penalties", "walk"]

#: from the slowest to the fastest: the best starts have the same tie and ridge
_ORDER = ("lambda1", "lambda2", "lambda0")
_ALLOWED = {
    "lambda0s": "None, or a list of None and numbers above 0",
    "lambda1s": "a list of numbers of at least 0",
    "lambda2s": "a list of numbers above 0",
}


def read_penalties(values: Any, name: str) -> list[float | None]:
    """The values of one penalty: those of ``lambda0s`` may be None, of ``lambda1s`` zero."""
    if values is None and name == "lambda0s":
        return [None]
    message = f"`{name}` must be {_ALLOWED[name]}, of one entry or more and no two alike, got "
    if isinstance(values, str) or not hasattr(values, "__len__") or not len(values):
        raise ValueError(f"{message}{values!r}.")
    found = [_read(value, name, message) for value in values]
    if len(set(found)) < len(found):
        raise ValueError(f"{message}{values!r}.")
    return found


def _read(value: Any, name: str, message: str) -> float | None:
    if value is None and name == "lambda0s":
        return None
    is_number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    if not is_number or not 0 <= value < np.inf or (value == 0 and name != "lambda1s"):
        raise ValueError(f"{message}{value!r} among them.")
    return float(value)


def walk(grid: dict[str, list[float | None]]) -> list[dict[str, float | None]]:
    """All points, from strong penalties to weak ones, there and back."""
    points: list[dict[str, float | None]] = [{}]
    for name in reversed(_ORDER):
        strong_first = sorted(grid[name], key=_size, reverse=True)
        points = [
            {name: value, **point}
            for number, value in enumerate(strong_first)
            for point in (points if number % 2 == 0 else reversed(points))
        ]
    return points


def _size(value: float | None) -> float:
    """None leaves nothing common, as an infinite penalty does."""
    return np.inf if value is None else value
