"""What fitted steps make of rows, as one formula, one behind the other or side by side.

A column that the estimator sees is one of users' columns, moved and scaled, or tells a category: it
is 1 in the rows that hold it and 0 in others. Rows are crafted where categories have been opened
(`skfedmtl.attack._setting.opened`), so that only numbers are left to be moved and scaled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._input import is_missing
from skfedmtl._typing import Array


class AffineMap(NamedTuple):
    """What a fitted step makes of rows: ``(seen - shift) * scale``.

    ``seen`` is ``x[columns]``, or ``x[columns] == category`` where there is one.
    """

    n_features: int  #: d, of the rows that come in
    columns: NDArray[np.intp] | None  #: (D,) of these; None: all, as they come
    shift: Array | float  #: (D,)
    scale: Array | float  #: (D,)
    category: Array | None = None  #: (D,) NaN where numbers are passed on; None: everywhere
    encoded: NDArray[np.bool_] | None = None  #: (d,) what is read as categories; None: nothing
    fill: Array | None = None  #: (d,) what is put into gaps, NaN if nothing is; None: nothing
    words: tuple[Any, ...] | None = None  #: (d,) what numbers are positions in; None: numbers

    def apply(self, X: Array) -> Array:
        """Rows (n, d) as (n, D), of numbers alone."""
        if self.columns is not None:
            X = X[:, self.columns]
        moved: Array = (X - self.shift) * self.scale
        return moved

    def pull_back(self, gradient: Array) -> Array:
        """From a gradient with respect to what comes out to one with respect to what came in."""
        scaled = gradient * self.scale
        if self.columns is None:
            return scaled
        whole = np.zeros((*gradient.shape[:-1], self.n_features))
        whole[..., self.columns] = scaled  # none is there twice
        return whole

    def spelled_out(self) -> Spelled:
        """The same with an entry for everything."""
        columns = np.arange(self.n_features) if self.columns is None else self.columns
        width = len(columns)
        return Spelled(
            self.n_features,
            columns,
            _each(self.shift, width),
            _each(self.scale, width),
            _each(np.nan if self.category is None else self.category, width),
            _each(False if self.encoded is None else self.encoded, self.n_features),
            _each(np.nan if self.fill is None else self.fill, self.n_features),
            (None,) * self.n_features if self.words is None else self.words,
        )


class Spelled(NamedTuple):
    """An `AffineMap` that leaves nothing out."""

    n_features: int
    columns: NDArray[np.intp]
    shift: Array
    scale: Array
    category: Array
    encoded: NDArray[np.bool_]
    fill: Array
    words: tuple[Any, ...]

    @property
    def tells(self) -> NDArray[np.bool_]:
        """Which of the columns that come out tell categories."""
        return ~np.isnan(self.category)

    @property
    def as_map(self) -> AffineMap:
        """To be applied; where no column tells a category, none is asked for one."""
        return AffineMap(*self[:4], self.category if self.tells.any() else None, *self[5:])


def unchanged(n_features: int) -> AffineMap:
    """So many columns, as they come."""
    return AffineMap(n_features, None, 0.0, 1.0)


def chained(name: str, first: AffineMap, second: AffineMap) -> AffineMap:
    """One step behind the other, which is called `name`.

    Raises ValueError where categories are not those of the rows that come in.
    """
    before, after = first.spelled_out(), second.spelled_out()
    at, encoded = after.columns, before.encoded.copy()
    read = np.flatnonzero(after.encoded)
    changed = (before.shift != 0.0) | (before.scale != 1.0) | before.tells
    if changed[read].any():
        raise ValueError(
            f"`estimator`: step {name!r} of the Pipeline encodes columns that a step before it has "
            "scaled or encoded; allowed is an encoder of the table's own values, and imputers "
            "before it."
        )
    encoded[before.columns[read]] = True
    fill, passed = before.fill.copy(), ~before.tells
    own = before.columns[passed]
    later = after.fill / before.scale + before.shift
    fill[own] = np.where(np.isnan(fill[own]), later[passed], fill[own])
    words = list(before.words)
    for k in np.flatnonzero(passed):
        j, told = before.columns[k], after.words[k]
        if words[j] is not None and after.encoded[k]:
            fill[j] = position(words[j][int(before.fill[j])], told)
        if words[j] is None or after.encoded[k]:
            words[j] = told
    return Spelled(
        first.n_features,
        before.columns[at],
        before.shift[at] + after.shift / before.scale[at],
        before.scale[at] * after.scale,
        np.where(after.tells, after.category, before.category[at]),
        encoded,
        fill,
        tuple(words),
    ).as_map


def side_by_side(n_features: int, parts: list[tuple[NDArray[np.intp], AffineMap]]) -> AffineMap:
    """Parts that each take columns of their own."""
    encoded, fill = np.zeros(n_features, dtype=bool), np.full(n_features, np.nan)
    spelled, words = [], [None] * n_features
    for own, part in parts:
        one = part.spelled_out()
        encoded[own] = one.encoded
        fill[own] = one.fill
        for j, told in zip(own, one.words, strict=True):
            words[j] = told
        spelled.append((own[one.columns], one.shift, one.scale, one.category))
    empty = np.zeros(0, dtype=np.intp), np.zeros(0), np.zeros(0), np.zeros(0)
    columns, shift, scale, category = map(np.concatenate, zip(empty, *spelled, strict=True))
    every = n_features, columns, shift, scale, category, encoded, fill, tuple(words)
    return Spelled(*every).as_map


def position(word: Any, words: NDArray[Any]) -> float:
    """Where a word stands among these, NaN if nowhere; all that is missing is one word."""
    for place, known in enumerate(words.tolist()):
        if known == word or (is_missing(known) and is_missing(word)):
            return float(place)
    return np.nan


def _each(values: object, width: int) -> NDArray:
    return np.broadcast_to(np.asarray(values), (width,))
