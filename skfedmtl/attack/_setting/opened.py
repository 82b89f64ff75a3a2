"""Columns that an encoder of the victim reads, opened: a column of zeros and ones a category.

Rows are crafted in these columns, where all that the victim's steps do is affine, and closed again:
a category becomes the value that stands for it in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from skfedmtl._typing import Array
from skfedmtl.attack._feasible import Limits
from skfedmtl.attack._setting.affine import FittedMap
from skfedmtl.attack._setting.maps import AffineMap, Spelled
from skfedmtl.attack._setting.words import NO_WORDS, Words


@dataclass(frozen=True, eq=False)
class Opened:
    """How d columns of a table become D: numbers as they are, categories side by side.

    What follows a table's column stands where that was.
    """

    n_features: int  #: d
    feature: NDArray[np.intp]  #: (D,) of which column each is
    category: Array  #: (D,) the value that it tells; NaN: a number
    occurs: NDArray[np.bool_]  #: (D,) whether a clean row holds the category; True of numbers
    words: Words = NO_WORDS  #: of categories that are words the values are positions

    @classmethod
    def of(cls, seen: Spelled, X: Array, words: Words = NO_WORDS) -> Opened:
        """For what a victim sees of columns like those of the clean rows `X`, coded by `words`."""
        feature, category, occurs = [], [], []
        for j in range(seen.n_features):
            told, held = np.array([np.nan]), np.array([np.nan])
            if seen.encoded[j]:
                held = np.unique(X[:, j])
                known = seen.category[(seen.columns == j) & seen.tells]
                told = np.union1d(held, known)
            feature.append(np.full(len(told), j, dtype=np.intp))
            category.append(told)
            occurs.append(np.isin(told, held) | np.isnan(told))
        columns, told, held = map(np.concatenate, (feature, category, occurs))
        return cls(seen.n_features, columns, told, held, words)

    @property
    def numbers(self) -> NDArray[np.bool_]:
        """(D,) which columns are numbers of the table."""
        return np.isnan(self.category)

    @property
    def groups(self) -> tuple[NDArray[np.intp], ...]:
        """The columns of every table's column of categories."""
        read = np.unique(self.feature[~self.numbers])
        return tuple(np.flatnonzero(self.feature == j) for j in read)

    def open(self, X: Array) -> Array:
        """Rows (n, d) as (n, D); an unknown category is none of the known ones."""
        wide = X[:, self.feature]
        return np.where(self.numbers, wide, wide == self.category)

    def close(self, X: NDArray[Any]) -> Array:
        """Rows (n, D) as (n, d), of each group the category with the largest share."""
        table = np.empty((len(X), self.n_features))
        table[:, self.feature[self.numbers]] = X[:, self.numbers]
        for group in self.groups:
            table[:, self.feature[group[0]]] = self.category[group[X[:, group].argmax(axis=1)]]
        return table

    def nearest(self, X: Array) -> Array:
        """Rows (n, d) that hold categories which occur, the nearest values."""
        table = X.copy()
        for group in self.groups:
            known, j = self.category[group[self.occurs[group]]], self.feature[group[0]]
            table[:, j] = known[np.abs(X[:, j, None] - known).argmin(axis=1)]
        return table

    def limits(self, limits: Limits) -> Limits:
        """Those of opened rows: a category that a row may have occurs, within its range.

        A range of numbers says nothing of words.
        """
        read = np.zeros(self.n_features, dtype=bool)
        read[self.feature[~self.numbers]] = True
        for group in limits.groups:
            if read[group].any():
                j = int(group[np.argmax(read[group])])
                raise ValueError(
                    f"`one_hot_groups`: feature {limits.names[j]} is read by an encoder of the "
                    "victim, which has a group of its own for it; leave it out."
                )
        low, high, at = limits.low[self.feature], limits.high[self.feature], self.numbers
        within = (low <= self.category) & (self.category <= high)
        allowed = self.occurs & (within | np.isin(self.feature, list(self.words.of)))
        place = np.zeros(self.n_features, dtype=np.intp)
        place[self.feature] = np.arange(len(self.feature))
        return Limits(
            [self._name(limits, j) for j in range(len(self.feature))],
            np.where(at, low, 0.0),
            np.where(at, high, allowed),
            limits.frozen[self.feature],
            limits.whole[self.feature] & at,
            (*(place[group] for group in limits.groups), *self.groups),
            limits.clean,
        )

    def _name(self, limits: Limits, column: int) -> str:
        j, value = self.feature[column], self.category[column]
        if self.numbers[column]:
            return limits.names[j]
        told = f"{value:g}" if j not in self.words.of else repr(self.words.of[j][int(value)])
        return f"{limits.names[j]} == {told}"

    def kinds(self, kinds: list[np.dtype[Any]]) -> list[np.dtype[Any]]:
        """Dtypes of opened columns, for those of the table."""
        each = zip(self.feature, self.numbers, strict=True)
        return [kinds[j] if number else np.dtype(bool) for j, number in each]

    def map_of(self, seen: Spelled) -> AffineMap:
        """What a victim sees of opened rows, by what it sees of a table's."""
        places = {
            (j, None if np.isnan(told) else told): column
            for column, (j, told) in enumerate(zip(self.feature, self.category, strict=True))
        }
        columns = [
            places[j, None if np.isnan(told) else told]
            for j, told in zip(seen.columns, seen.category, strict=True)
        ]
        at = np.array(columns, dtype=np.intp)
        return AffineMap(len(self.feature), at, seen.shift, seen.scale)

    def behind(self, seen: Spelled, model: Any) -> Pipeline:
        """A fitted model behind what takes opened rows."""
        return Pipeline([("opened", FittedMap(self.map_of(seen))), ("model", model)])
