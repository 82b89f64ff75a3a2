"""Columns of words: to an attack a word is its position among those that an encoder knows.

Rows are coded where they become numbers and spelled where they leave; in between there are no
words, and the victim, which users are given, knows of no codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._input import holds_words, is_missing
from skfedmtl._typing import Array
from skfedmtl.attack._setting.maps import Spelled

ALLOWED = (
    "Allowed are words that a OneHotEncoder reads, as they are or filled by a SimpleImputer; leave "
    "other columns of words out of `X`, and name one that holds the nodes as `node_column`."
)


class Words(NamedTuple):
    """What the numbers of columns stand for."""

    of: dict[int, NDArray[Any]]  #: by the column's position; others hold numbers

    @classmethod
    def known(cls, seen: Spelled, X: Any) -> Words:
        """Those of a fitted victim's encoders, behind them others that clean rows hold."""
        of = {}
        for j, told in enumerate(seen.words):
            if told is None:
                continue
            held = {value for value in _columns(X)[j] if isinstance(value, str)}
            of[j] = np.array([*told, *sorted(held.difference(told))], dtype=object)
        return cls(of)

    @classmethod
    def held(cls, X: Any) -> Words:
        """Those of all columns of words or categories, in their order."""
        columns = _columns(X)
        present = {
            j: {value for value in columns[j] if not is_missing(value)} for j in wordy_columns(X)
        }
        return cls(
            {j: np.array(sorted(told, key=str), dtype=object) for j, told in present.items()}
        )

    def code(self, X: Any) -> Array:
        """Rows of users in numbers: NaN for gaps that are no category, -1 for unknown words."""
        if not self.of:
            return np.asarray(X, dtype=np.float64)
        columns = _columns(X)
        rows = np.empty((len(X), len(columns)))
        for j, column in enumerate(columns):
            words = self.of.get(j)
            rows[:, j] = column if words is None else _codes(column, words)
        return rows

    def spell(self, column: int, codes: Array) -> NDArray[Any]:
        """The values of a column that are so many words, or numbers as they are."""
        words = self.of.get(column)
        return codes if words is None else words[codes.astype(np.intp)]

    def refuse_gaps(self, X: Any, rows: Array) -> None:
        """Refuse words that are missing, which no step fills and no encoder knows."""
        lacking = [j for j in self.of if np.isnan(rows[:, j]).any()]
        if lacking:
            raise ValueError(
                f"`X` lacks words in column {_listed(X, lacking)}, and no step of the victim fills "
                "them by a word that its OneHotEncoder knows; allowed are words without gaps, gaps "
                "that SimpleImputer(strategy='most_frequent') fills, or NaN among the categories."
            )


NO_WORDS = Words({})


def wordy_columns(X: Any) -> list[int]:
    """The columns of words or categories."""
    if getattr(X, "ndim", 0) != 2:
        return []
    return [j for j, column in enumerate(_columns(X)) if holds_words(column)]


@contextmanager
def telling_of_words(X: Any, wordy: list[int]) -> Iterator[None]:
    """Let what steps say of words that they cannot read name the columns."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if not wordy:
            raise
        told = f"{error} `X` holds words in column {_listed(X, wordy)}. {ALLOWED}"
        raise type(error)(told) from error


def refuse_unread(X: Any, wordy: list[int], seen: Spelled) -> None:
    """Refuse columns of words that no encoder reads."""
    unread = [j for j in wordy if not seen.encoded[j]]
    if unread:
        raise ValueError(
            f"`X` holds words in column {_listed(X, unread)}, which no OneHotEncoder of the victim "
            f"reads. {ALLOWED}"
        )


def _listed(X: Any, columns: list[int]) -> str:
    names = list(X.columns) if hasattr(X, "columns") else list(range(X.shape[1]))
    return ", ".join(repr(names[j]) for j in columns)


def _columns(X: Any) -> list[Any]:
    if hasattr(X, "iloc"):
        return [X.iloc[:, j] for j in range(X.shape[1])]
    return list(np.asarray(X).T)


def _codes(column: Any, words: NDArray[Any]) -> list[float]:
    places = {word: float(place) for place, word in enumerate(words.tolist())}
    gap = next((place for word, place in places.items() if is_missing(word)), np.nan)
    return [gap if is_missing(value) else places.get(value, -1.0) for value in column]
