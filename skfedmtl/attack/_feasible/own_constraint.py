"""Where rows may lie that a constraint of users limits further.

The nearest row of two convex sets is found by Dykstra's projections [1]_, onto one and the other in
turns, each of what is left when its own last move is taken back. They end with the package's set:
balls and bounds hold to the last bit, and the users' set as nearly as `_Level` says. Rows for which
the turns do not suffice go on towards a row that is known to be allowed.

References
----------
.. [1] J. P. Boyle, R. L. Dykstra, "A Method for Finding Projections onto the Intersection of Convex
   Sets in Hilbert Spaces", Advances in Order Restricted Statistical Inference, 1986.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array
from skfedmtl.attack._feasible.boxes import Bounds
from skfedmtl.attack._feasible.feasible_set import FeasibleSet
from skfedmtl.attack._feasible.limits import Limits
from skfedmtl.attack._feasible.storage import Storage
from skfedmtl.protocols import Constraint

_TURNS, _TURNS_AT_FIRST = 200, 2000  #: of projections, and for the row that is known to be allowed
_HALVINGS = 50  #: of the way to that row
_DRAWS = 30  #: of rows from the package's set, before the nearest are taken


class _Level(NamedTuple):
    """Distances from the users' set, one a row."""

    sought: Array  #: at which turns end
    allowed: Array  #: that is left to rounding and to the ends of iterations
    stored: Array  #: the same after rows were stored


class NarrowedSet(FeasibleSet):
    """The rows of a `FeasibleSet` that a constraint of users allows as well.

    Parameters
    ----------
    radius, storage, bounds
        Those of the `FeasibleSet`.
    constraint : Constraint
        Projects all rows at a time.
    near : ndarray of shape (n, d)
        Rows that allowed ones are looked for from.

    Raises
    ------
    ValueError
        If a row's set is empty, or what `constraint` returns is no such rows.
    """

    def __init__(
        self,
        radius: Array,
        storage: Storage,
        bounds: Bounds | None,
        constraint: Constraint,
        near: Array,
    ) -> None:
        super().__init__(radius, storage, bounds)
        self._constraint = constraint
        length = np.maximum(radius, np.finfo(np.float64).tiny)
        unit = storage.unit
        self._level = _Level(
            max(1e-12, 2.0 * unit) * length,
            max(1e-9, 16.0 * unit) * length,
            max(2e-9, 32.0 * unit) * length,
        )
        self._known = self._turns(near, _TURNS_AT_FIRST)
        self._check_room(self._known)

    def project(self, X: Array) -> Array:
        """The nearest rows of both sets; rows inside them are returned as they are."""
        Z = self._turns(X, _TURNS)
        outside = self._distance(Z) > self._level.allowed
        return self._towards_known(Z, outside) if outside.any() else Z

    def store(self, X: Array) -> NDArray[Any]:
        """The rows in their final dtype, inside both sets."""
        stored = super().store(X)
        distance = self._distance(stored.astype(np.float64))
        if (distance > self._level.stored).any():
            raise ValueError(
                "`constraint` must have a `project` that moves rows to the nearest of one convex "
                f"set: rows that it allowed are {distance.max():g} outside after they were stored "
                "in the dtype of the clean rows."
            )
        return stored

    def with_groups_of(self, X: Array) -> FeasibleSet:
        """The same: there are no groups beside a constraint of users."""
        return self

    def sample(self, rng: np.random.Generator, n_features: int) -> Array:
        """Rows drawn uniformly from both sets; the nearest to draws where few draws are allowed."""
        X = super().sample(rng, n_features)
        for _ in range(_DRAWS):
            outside = self._distance(X) > self._level.allowed
            if not outside.any():
                return X
            X[outside] = super().sample(rng, n_features)[outside]
        return self.project(X)

    def _turns(self, X: Array, n_turns: int) -> Array:
        """Rows of the package's set, after so many turns at most."""
        Z = super().project(X)
        own = self._asked(Z)
        waiting = np.linalg.norm(own - Z, axis=1) > self._level.sought
        if not waiting.any():
            return Z
        result, back, own_back = Z.copy(), X - Z, np.zeros_like(Z)
        for _ in range(n_turns):
            own = self._asked(Z + own_back)
            own_back = Z + own_back - own
            after = super().project(own + back)
            back = own + back - after
            # what was taken back last is the same as the time before, in both sets
            moved = np.linalg.norm(own - Z, axis=1), np.linalg.norm(own - after, axis=1)
            result[waiting], Z = after[waiting], after
            waiting &= np.maximum(*moved) > self._level.sought
            if not waiting.any():
                break
        return result

    def _towards_known(self, Z: Array, outside: NDArray[np.bool_]) -> Array:
        """Rows outside moved as far towards allowed ones as it takes."""
        low, high = np.zeros(len(Z)), outside.astype(np.float64)
        for _ in range(_HALVINGS):
            share = 0.5 * (low + high)
            far = self._distance(self._between(Z, share)) > self._level.allowed
            low, high = np.where(far, share, low), np.where(far, high, share)
        return np.where(outside[:, None], self._between(Z, high), Z)

    def _between(self, Z: Array, share: Array) -> Array:
        way = self._known - Z
        return super().project(
            np.where(share[:, None] < 1.0, Z + share[:, None] * way, self._known)
        )

    def _distance(self, X: Array) -> Array:
        """From the users' set."""
        distance: Array = np.linalg.norm(self._asked(X) - X, axis=1)
        return distance

    def _asked(self, X: Array) -> Array:
        """What the constraint makes of these rows, which it may write to."""
        if len(X) == 0:
            return X
        given = self._constraint.project(X.copy())
        try:
            rows = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"`constraint.project` must return an array of numbers, got a "
                f"{type(given).__name__}."
            ) from error
        if rows.shape != X.shape:
            raise ValueError(
                f"`constraint.project` must return as many rows as it is given, of shape "
                f"{X.shape}, got shape {rows.shape}."
            )
        if not np.isfinite(rows).all():
            raise ValueError("`constraint.project` must return finite rows, got NaN or infinity.")
        return rows

    def _check_room(self, X: Array) -> None:
        """Refuse rows for which both sets have none in common."""
        distance = self._distance(X)
        lacking = distance > self._level.allowed
        if lacking.any():
            raise ValueError(
                f"`constraint` leaves no room for {int(lacking.sum())} of {len(X)} rows: of those "
                "that `radius` and the limits of features allow, none was found that it allows; "
                f"the nearest is {distance.max():g} away."
            )


def refuse_beside_constraint(limits: Limits | None, *, encodes: bool) -> None:
    """Refuse what would round rows after a constraint of users has moved them."""
    asked = {
        "integer_features": limits is not None and bool(limits.whole.any()),
        "one_hot_groups": limits is not None and len(limits.groups) > 0,
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise ValueError(
                f"`constraint` cannot go with `{name}`: rounding would move rows out of it. "
                "Allowed beside it are `radius`, `feature_range` and `frozen_features`."
            )
    if encodes:
        raise ValueError(
            "`constraint` cannot go with an `estimator` that holds a OneHotEncoder, whose columns "
            "have no nearest values; encode them before, and leave them out of the constraint."
        )
