"""Two tables of rows that are read as one, without a copy of either."""

from __future__ import annotations

from typing import Any

import numpy as np

from skfedmtl._typing import Array


class JoinedRows:
    """Rows of one array, then of another: what a fit asks of those that it has checked.

    Parameters
    ----------
    first, second : ndarray of shape (n_1, d), (n_2, d)
    """

    def __init__(self, first: Array, second: Array) -> None:
        self._first, self._second = first, second
        self.shape = len(first) + len(second), first.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Array:
        """Some rows, by a slice, positions or a mask: a copy."""
        rows, n = np.arange(self.shape[0])[key], len(self._first)
        is_first = rows < n
        out: Array = np.empty((len(rows), self.shape[1]))
        out[is_first] = self._first[rows[is_first]]
        out[~is_first] = self._second[rows[~is_first] - n]
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.concatenate([self._first, self._second])

    def mean(self, axis: int) -> Array:
        """That of every column, with the bits that one table has."""
        total = np.add.reduce(self._first, axis=axis)
        for row in self._second:
            total += row
        mean: Array = total / self.shape[0]
        return mean
