"""How users say what injected rows may hold: features by index, name or mask, and their ranges."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._input import check_dense, column_position
from skfedmtl._tools.spelling import meant
from skfedmtl._typing import Array

#: feature ranges by name: those of the clean rows of the same node, and of all clean rows
CLEAN, CLEAN_ALL = "clean", "clean-all"


class Limits(NamedTuple):
    """What every injected row may hold; features are counted without the node column."""

    names: list[str]  #: (d,) what messages call them
    low: Array  #: (d,), or (n, d) for n rows
    high: Array  #: the same
    frozen: NDArray[np.bool_]  #: (d,)
    whole: NDArray[np.bool_]  #: (d,)
    groups: tuple[NDArray[np.intp], ...]
    clean: str | None = None  #: the name of the range, if it has one

    @property
    def all_whole(self) -> NDArray[np.bool_]:
        """The features that hold whole numbers if the clean rows do."""
        mask = self.whole | self.frozen
        for group in self.groups:
            mask[group] = True
        return mask

    @property
    def leave_choice(self) -> bool:
        """Whether rows may choose which member of a group is 1."""
        return any(len(group) > 1 and not self.frozen[group].all() for group in self.groups)

    def of_rows(self, X: Array, codes: NDArray[np.int64], drawn: NDArray[np.intp]) -> Limits:
        """Those of rows drawn from clean ones, which are `X`, of the nodes `codes`."""
        if self.clean is None:
            return self
        if self.clean == CLEAN_ALL:
            return self._replace(low=X.min(axis=0), high=X.max(axis=0))
        low, high = X[drawn], X[drawn]
        for code in np.unique(codes[drawn]):
            mine, own = codes[drawn] == code, X[codes == code]
            low[mine], high[mine] = own.min(axis=0), own.max(axis=0)
        return self._replace(low=low, high=high)


def read_limits(
    X: Any,
    node_column: Any,
    feature_range: Any,
    frozen_features: Any,
    integer_features: Any,
    one_hot_groups: Any,
) -> Limits | None:
    """The limits of the columns of `X`; None if there are none."""
    given = (feature_range, frozen_features, integer_features, one_hot_groups)
    if all(value is None for value in given):
        return None
    return _read(X, node_column, given)


def no_limits(X: Any, node_column: Any) -> Limits:
    """Those of rows that may hold anything."""
    return _read(X, node_column, (None, None, None, None))


def _read(X: Any, node_column: Any, given: tuple[Any, Any, Any, Any]) -> Limits:
    feature_range, frozen_features, integer_features, one_hot_groups = given
    columns = _Columns(X, node_column)
    clean = feature_range if isinstance(feature_range, str) else None
    low, high = columns.range(None if clean is not None else feature_range)
    return Limits(
        columns.names,
        low,
        high,
        columns.mask(frozen_features, "frozen_features"),
        columns.mask(integer_features, "integer_features"),
        columns.groups(one_hot_groups),
        clean,
    )


class _Columns:
    """The columns of `X`, and the positions of its features among them."""

    def __init__(self, X: Any, node_column: Any) -> None:
        check_dense(X)
        shape = X.shape if hasattr(X, "shape") else np.shape(X)
        if len(shape) != 2:
            raise ValueError(f"`X` must be 2-d, got {len(shape)} dimension(s).")
        frame = hasattr(X, "iloc")
        self._count = int(shape[1])
        self._labels = list(X.columns) if frame else None
        self._node = None
        if node_column is not None:
            self._node = column_position(X, node_column, frame)
        self._kept = [j for j in range(self._count) if j != self._node]
        self.names = [str(j) if self._labels is None else repr(self._labels[j]) for j in self._kept]

    def mask(self, features: Any, name: str) -> NDArray[np.bool_]:
        """True for the given features."""
        mask = np.zeros(len(self._kept), dtype=bool)
        if features is not None:
            mask[self._positions(features, name)] = True
        return mask

    def groups(self, given: Any) -> tuple[NDArray[np.intp], ...]:
        """The features of every group; no feature is in two."""
        groups, name = [], "one_hot_groups"
        taken = np.zeros(len(self._kept), dtype=bool)
        for group in [] if given is None else given:
            members = self._positions(group, name)
            if not members:
                raise ValueError(f"`{name}`: a group is empty; it needs at least one feature.")
            if taken[members].any():
                twice = self.names[members[int(np.argmax(taken[members]))]]
                raise ValueError(f"`{name}`: feature {twice} is in two groups.")
            taken[members] = True
            groups.append(np.array(members, dtype=np.intp))
        return tuple(groups)

    def range(self, given: Any) -> tuple[Array, Array]:
        """The lower and the upper bounds of the features."""
        ends = [-np.inf, np.inf] if given is None else _entries(given)
        if len(ends) != 2:
            raise ValueError(
                f"`feature_range` must be a pair (low, high), got {len(ends)} entries."
            )
        low, high = self._bound(ends[0], "low"), self._bound(ends[1], "high")
        wrong = (low > high) | (low == np.inf) | (high == -np.inf)
        if wrong.any():
            j = int(np.argmax(wrong))
            raise ValueError(
                f"`feature_range` must leave numbers between low and high, got low={low[j]:g}, "
                f"high={high[j]:g} for feature {self.names[j]}."
            )
        return low, high

    def _bound(self, given: Any, which: str) -> Array:
        name = f"`feature_range`: {which}"
        if getattr(given, "ndim", 0) == 1 and hasattr(given, "iloc") and self._labels is not None:
            labels = [self._labels[j] for j in self._kept]
            lacking = [label for label in labels if label not in given.index]
            if lacking or not given.index.is_unique:
                raise ValueError(f"{name} must have one entry for every feature, lacks {lacking}.")
            values = np.asarray(given.loc[labels])
        else:
            values = np.asarray(given)
            if values.ndim == 0:
                values = np.full(len(self._kept), values)
            elif values.shape == (self._count,):
                values = values[self._kept]
            else:
                raise ValueError(
                    f"{name} must be a number or have shape ({self._count},), one entry a column "
                    f"of X, got shape {values.shape}."
                )
        try:
            bound = values.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} must hold numbers, got {given!r}.") from error
        if np.isnan(bound).any():
            raise ValueError(f"{name} must not hold NaN; -inf and inf stand for no bound.")
        return bound

    def _positions(self, features: Any, name: str) -> list[int]:
        if isinstance(features, str) or not isinstance(features, Iterable):
            raise ValueError(f"`{name}` needs a list of features, got {features!r}.")
        entries = self._in_place(features)
        if entries and all(isinstance(entry, bool | np.bool_) for entry in entries):
            if len(entries) != self._count:
                raise ValueError(
                    f"`{name}`: a mask needs one entry a column of X, {self._count}, got "
                    f"{len(entries)}."
                )
            entries = np.flatnonzero(entries).tolist()
        found = [self._position(entry, name) for entry in entries]
        if len(set(found)) < len(found):
            raise ValueError(f"`{name}` must not repeat features, got {entries}.")
        return [self._kept.index(column) for column in found]

    def _in_place(self, features: Any) -> list[Any]:
        """The entries; of a Series that is indexed by the columns of `X` in their order."""
        is_series = hasattr(features, "iloc") and features.ndim == 1
        if self._labels is not None and is_series and features.index.is_unique:
            if set(features.index) == set(self._labels):
                features = features.loc[self._labels]
        return list(features)

    def _position(self, entry: Any, name: str) -> int:
        """The column that an index or a name stands for."""
        if isinstance(entry, Integral) and not isinstance(entry, bool | np.bool_):
            if not -self._count <= int(entry) < self._count:
                raise ValueError(f"`{name}`: {entry} is no column of X, which has {self._count}.")
            column = int(entry) % self._count
        elif not isinstance(entry, str):
            raise ValueError(
                f"`{name}` must hold column indices or names, or be a boolean mask, got {entry!r}."
            )
        elif self._labels is None:
            raise ValueError(f"`{name}`: {entry!r} is a name, but X is not a DataFrame.")
        elif self._labels.count(entry) != 1:
            raise ValueError(
                f"`{name}`: {entry!r} must name one column of X, which has {self._labels}"
                f"{'' if entry in self._labels else meant(entry, self._labels)}."
            )
        else:
            column = self._labels.index(entry)
        if column == self._node:
            raise ValueError(f"`{name}`: {entry!r} is the node column, which is no feature.")
        return column


def _entries(given: Any) -> list[Any]:
    """The entries of a pair; of a frame its rows, each a Series with an entry a feature name."""
    if not hasattr(given, "columns"):
        return list(given)
    if not hasattr(given, "iloc"):
        raise TypeError(
            "`feature_range` must be a pair (low, high), or a DataFrame of pandas with these two "
            f"as its rows, got a {type(given).__name__} of {type(given).__module__}."
        )
    return [given.iloc[row] for row in range(len(given))]
