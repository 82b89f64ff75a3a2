"""In which dtypes injected rows are kept, and what that does to their values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skfedmtl._input import LARGEST_WHOLE
from skfedmtl._typing import Array


class Storage:
    """One dtype for all columns, or one a column.

    Parameters
    ----------
    kinds : dtype or list of dtypes
        Floats; whole numbers or booleans only for columns that never hold anything else.
    """

    def __init__(self, kinds: DTypeLike | list[np.dtype[Any]]) -> None:
        listed = kinds if isinstance(kinds, list) else [np.dtype(kinds)]
        self._kinds = listed
        self._final: np.dtype[Any] = np.result_type(*set(listed)) if listed else np.dtype(float)
        #: in which norms are taken: that of an array which holds whole rows; squares of numbers in
        #: half precision are beyond its range
        fine = self._final.kind == "f" and self._final.itemsize > 2
        self._row = self._final if fine else np.dtype(np.float64)
        floats = [kind if kind.kind == "f" else np.dtype(np.float64) for kind in listed]
        #: resolution of every column, shape (d,) or (1,)
        self.eps = np.array([np.finfo(kind).eps for kind in floats], dtype=np.float64)
        #: of the coarsest column
        self.unit = float(self.eps.max(initial=np.finfo(np.float64).eps))
        finest = self._row.itemsize
        coarse = {kind for kind in floats if kind.itemsize < finest}
        self._coarse = [(kind, np.array([k == kind for k in floats])) for kind in coarse]

    def cast(self, X: Array) -> NDArray[np.floating]:
        """The rows as they are stored, whole numbers among them as floats."""
        if self._coarse:
            X = X.copy()
            for kind, columns in self._coarse:
                most = np.finfo(kind).max
                X[:, columns] = np.clip(X[:, columns], -most, most).astype(kind)
        return X.astype(self._row)

    def final(self, X: Array) -> NDArray[Any]:
        """The rows in the dtype that holds every column."""
        return self.cast(X).astype(self._final)

    def norms(self, X: Array) -> Array:
        """Norms of the stored rows, row by row as a user would take them.

        The sums of a whole array round otherwise.
        """
        return np.array([np.linalg.norm(row) for row in self.cast(X)], dtype=np.float64)

    def inward(self, low: Array, high: Array) -> tuple[Array, Array]:
        """The least and the largest stored numbers between `low` and `high`, both (n, d)."""
        low, high = low.copy(), high.copy()
        kinds = self._kinds * (low.shape[1] if len(self._kinds) == 1 else 1)
        for j, kind in enumerate(kinds):
            if kind.kind == "f":
                low[:, j], high[:, j] = _not_below(low[:, j], kind), -_not_below(-high[:, j], kind)
            else:
                ends = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
                low[:, j] = np.maximum(low[:, j], max(ends[0], -LARGEST_WHOLE))
                high[:, j] = np.minimum(high[:, j], min(ends[1], LARGEST_WHOLE))
        return low, high

    def name(self, column: int) -> str:
        """What a message calls the dtype of a column."""
        return self._kinds[column % len(self._kinds)].name


def _not_below(values: Array, kind: np.dtype[Any]) -> Array:
    """The least numbers of a float dtype that are not below `values`."""
    with np.errstate(over="ignore"):
        stored = values.astype(kind)
        next_one = np.nextafter(stored, np.asarray(np.inf, dtype=kind))
    return np.where(stored < values, next_one, stored).astype(np.float64)
