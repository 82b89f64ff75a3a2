"""What each injected row may hold, apart from the ball: bounds, whole numbers, one-hot groups.

Frozen features and decided groups are bounds that meet. ``n`` rows, ``d`` features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array
from skfedmtl.attack._feasible.limits import Limits
from skfedmtl.attack._feasible.projection import onto_simplex
from skfedmtl.attack._feasible.storage import Storage

Mask = NDArray[np.bool_]


class Bounds(NamedTuple):
    """The rows' convex sets: whole numbers are relaxed to reals, groups to simplices."""

    low: Array  #: (n, d), whole numbers for integer features
    high: Array  #: (n, d)
    frozen: Mask  #: (d,)
    whole: Mask  #: (d,) integer features
    groups: tuple[NDArray[np.intp], ...]  #: features; bounds are 0 or 1, high is 1 where allowed

    def take(self, rows: Mask | NDArray[np.intp]) -> Bounds:
        """The bounds of some rows."""
        return self._replace(low=self.low[rows], high=self.high[rows])

    def nearest(self, X: Array) -> Array:
        """The nearest points of the sets."""
        Z = np.minimum(np.maximum(X, self.low), self.high)
        for group in self.groups:
            Z[:, group] = onto_simplex(X[:, group], self.high[:, group] > 0.0)
        return Z

    def slope(self, X: Array, Z: Array) -> Array:
        """Derivative with respect to s of ``Z = nearest(s X)``."""
        V = np.where((Z > self.low) & (Z < self.high), X, 0.0)
        for group in self.groups:
            part, support = X[:, group], Z[:, group] > 0.0
            mean = np.sum(part, axis=1, where=support) / support.sum(axis=1)
            V[:, group] = np.where(support, part - mean[:, None], 0.0)
        return V

    @property
    def grouped(self) -> Mask:
        """The members of groups."""
        return _members(self.groups, len(self.whole))

    @property
    def decided(self) -> Mask:
        """The features that rounding decides."""
        return self.whole | self.grouped

    def one_hot(self, preference: Array) -> Array:
        """Copy of `preference` with the preferred allowed member of every group at 1."""
        Z = preference.copy()
        for group in self.groups:
            allowed = self.high[:, group] > 0.0
            best = np.argmax(np.where(allowed, preference[:, group], -np.inf), axis=1)
            Z[:, group] = np.arange(len(group)) == best[:, None]
        return Z

    def hold(self, Z: Array, features: Mask) -> Bounds:
        """The bounds with some features held at Z, all groups among them."""
        features = features & ~self.frozen
        low, high = np.where(features, Z, self.low), np.where(features, Z, self.high)
        return self._replace(low=low, high=high, groups=())

    def shortest(self) -> Array:
        """Rows of least norm among those with whole numbers and one 1 a group."""
        return self.one_hot(np.minimum(np.maximum(0.0, self.low), self.high))


def row_bounds(limits: Limits, storage: Storage, clean: Array | None = None) -> Bounds:
    """The bounds of the rows drawn from `clean`; without it one row whose features are not frozen.

    Raises ValueError where the limits contradict each other.
    """
    shape = 1 if clean is None else len(clean), len(limits.names)
    asked = np.broadcast_to(limits.low, shape), np.broadcast_to(limits.high, shape)
    low = np.where(limits.whole, np.ceil(asked[0]), asked[0])
    high = np.where(limits.whole, np.floor(asked[1]), asked[1])
    low, high = storage.inward(low, high)
    for i, j in np.argwhere(low > high).tolist():
        name, kind = "feature_range", "number"
        if limits.whole[j]:
            name, kind = "integer_features", "whole number"
        raise ValueError(
            f"`{name}`: feature {limits.names[j]} must be a {kind} that {storage.name(j)} holds, "
            f"but there is none in its `feature_range` {_range(asked, i, j)}."
        )
    frozen, held = np.zeros_like(limits.frozen), low
    if clean is not None:
        _check_frozen(limits, asked, clean)
        frozen, held = limits.frozen, clean
    low[:, frozen] = high[:, frozen] = held[:, frozen]
    for group in limits.groups:
        low[:, group], high[:, group] = _group_bounds(limits, group, low[:, group], high[:, group])
    # once more: a group knows 0 and 1 only, not -0
    low[:, frozen] = high[:, frozen] = held[:, frozen]
    whole = limits.whole & ~_members(limits.groups, len(frozen))
    return Bounds(low, high, frozen, whole, limits.groups)


def _members(groups: tuple[NDArray[np.intp], ...], n_features: int) -> Mask:
    mask = np.zeros(n_features, dtype=bool)
    for group in groups:
        mask[group] = True
    return mask


def _range(ends: tuple[Array, Array], row: int, feature: int) -> str:
    """The range of a feature, for a message."""
    return "[{:g}, {:g}]".format(*(end[row, feature] for end in ends))


def _check_frozen(limits: Limits, asked: tuple[Array, Array], clean: Array) -> None:
    for j in np.flatnonzero(limits.frozen).tolist():
        held = clean[:, j]
        outside = np.flatnonzero((held < asked[0][:, j]) | (held > asked[1][:, j]))
        if len(outside):
            raise ValueError(
                f"`frozen_features` keeps feature {limits.names[j]} at {held[outside[0]]:g}, the "
                "value of a drawn clean row, but its `feature_range` is "
                f"{_range(asked, int(outside[0]), j)}."
            )
        if limits.whole[j] and (held != np.rint(held)).any():
            broken = held[held != np.rint(held)][0]
            raise ValueError(
                f"`frozen_features` keeps feature {limits.names[j]} at {broken:g}, the value of a "
                "drawn clean row, but `integer_features` asks for a whole number."
            )


def _group_bounds(
    limits: Limits, group: NDArray[np.intp], low: Array, high: Array
) -> tuple[Array, Array]:
    """Bounds of 0 or 1 for the members of a group; 1 and 1 for a decided member."""
    may_be_0, may_be_1 = (low <= 0.0) & (high >= 0.0), (low <= 1.0) & (high >= 1.0)
    must_be_1 = may_be_1 & ~may_be_0
    names = ", ".join(limits.names[j] for j in group)
    cause = "`feature_range`"
    if limits.frozen[group].any():
        cause = "`frozen_features`, which keeps values of clean rows, or `feature_range`"
    neither = ~(may_be_0 | may_be_1).all(axis=0)
    if neither.any():
        member = limits.names[group[np.argmax(neither)]]
        raise ValueError(
            f"`one_hot_groups`: feature {member} of the group [{names}] can be neither 0 nor 1, by "
            f"{cause}."
        )
    if (must_be_1.sum(axis=1) > 1).any():
        raise ValueError(
            f"`one_hot_groups`: two features of the group [{names}] would have to be 1, by {cause}."
        )
    allowed = np.where(must_be_1.any(axis=1, keepdims=True), must_be_1, may_be_1)
    if not allowed.any(axis=1).all():
        raise ValueError(
            f"`one_hot_groups`: no feature of the group [{names}] is left that may be 1, by "
            f"{cause}."
        )
    alone = allowed & (allowed.sum(axis=1, keepdims=True) == 1)
    return alone.astype(np.float64), allowed.astype(np.float64)
