"""Where injected rows may lie: in the ball of their source node, and in what users add to it.

While rows move they lie in a convex set: whole numbers are relaxed to reals, one-hot groups to
probability simplices. Only `FeasibleSet.store` rounds them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skfedmtl._typing import Array
from skfedmtl.attack._feasible.boxes import Bounds
from skfedmtl.attack._feasible.projection import onto_cut
from skfedmtl.attack._feasible.sampling import sample_ball, sample_bounded
from skfedmtl.attack._feasible.storage import Storage


class FeasibleSet:
    """Rows with ``np.linalg.norm(row) <= radius`` as they are stored, and within their bounds.

    Parameters
    ----------
    radius : ndarray of shape (n,)
        One a row.
    storage : Storage, dtype or list of dtypes
        In which the rows are stored in the end.
    bounds : Bounds or None
        Of n rows, in numbers that are stored exactly. None: the ball alone.

    Raises
    ------
    ValueError
        If a row's set is empty.
    """

    def __init__(
        self,
        radius: Array,
        storage: Storage | DTypeLike | list[np.dtype[Any]] = np.float64,
        bounds: Bounds | None = None,
    ) -> None:
        self.radius = radius
        self._storage = storage if isinstance(storage, Storage) else Storage(storage)
        self._bounds = bounds
        if bounds is not None:
            self._shortest = bounds.shortest()
            self._check_not_empty(bounds)

    def project(self, X: Array) -> Array:
        """The nearest rows of the relaxed set; rows inside it are returned as they are."""
        Z = X if self._bounds is None else self._bounds.nearest(X)
        norms = np.linalg.norm(Z, axis=1)
        outside = norms > self.radius
        if not outside.any():
            return Z
        if self._bounds is None:
            Z = X.copy()
            Z[outside] *= (self.radius[outside] / norms[outside])[:, None]
        else:
            Z[outside] = onto_cut(self._bounds.take(outside), X[outside], self.radius[outside])
        return self._pull_in(Z, self._bounds)

    def store(self, X: Array) -> NDArray[Any]:
        """The rows in their final dtype, rounded, inside the set."""
        Z, bounds = self.project(X), self._bounds
        if bounds is None:
            return self._storage.final(self._pull_in(Z, None))
        if bounds.decided.any():
            Z = self._round(Z, bounds)
            bounds = bounds.hold(Z, bounds.decided)
        Z = self._pull_in(bounds.nearest(Z), bounds)
        # the bits of the clean rows, the sign of a zero too
        Z[:, bounds.frozen] = bounds.low[:, bounds.frozen]
        return self._storage.final(Z)

    def with_groups_of(self, X: Array) -> FeasibleSet:
        """Where rows lie that have, of every group, the member that X is rounded to."""
        bounds = self._bounds
        if bounds is None:
            return self
        held = bounds.hold(bounds.one_hot(self.project(X)), bounds.grouped)
        return FeasibleSet(self.radius, self._storage, held)

    def sample(self, rng: np.random.Generator, n_features: int) -> Array:
        """Rows drawn uniformly from their sets, not from the relaxed ones.

        Rows of a ball are drawn exactly, and so are those that a proposal from the ball or from the
        bounds meets within some tries; the others by coordinate hit-and-run.
        """
        if self._bounds is None:
            return FeasibleSet.project(self, sample_ball(rng, self.radius, n_features))
        return sample_bounded(rng, self.radius, self._bounds)

    def _pull_in(self, Z: Array, bounds: Bounds | None) -> Array:
        """Shrink the rows that rounding left outside, a few units in the last place a time.

        The last try are the shortest rows of the relaxed set.
        """
        unit, power = self._storage.unit, 0
        while True:
            stored = self._storage.cast(Z)
            outside = self._storage.norms(Z) > self.radius
            if not outside.any():
                return stored.astype(np.float64)
            if unit * 2.0**power > 1.0:
                raise RuntimeError("a row could not be moved into its feasible set")
            Z = Z.copy()
            Z[outside] *= 1.0 - unit * 2.0**power
            if bounds is not None:
                Z[outside] = bounds.take(outside).nearest(Z[outside])
            power += 1

    def _round(self, X: Array, bounds: Bounds) -> Array:
        """Nearest whole numbers, the largest member of every group; then back into the ball.

        While a row is outside, the cheaper of two moves is made: its continuous features shrink
        into the ball, or one whole number steps towards zero. Costs are squared distances to X.
        """
        Z = bounds.one_hot(X)
        Z[:, bounds.whole] = np.rint(X[:, bounds.whole]) + 0.0
        waiting = np.ones(len(Z), dtype=bool)
        while True:
            waiting &= self._storage.norms(Z) > self.radius
            rows = np.flatnonzero(waiting)
            if len(rows) == 0:
                return Z
            shrunk, loss = self._shrink(Z, rows, bounds)
            column, step, cost = self._cheapest_step(Z, X, rows, bounds)
            stepping = cost < loss
            Z[rows[stepping], column[stepping]] += step[stepping]
            Z[rows[~stepping]] = shrunk[~stepping]
            waiting[rows[~stepping]] = False

    def _shrink(self, Z: Array, rows: NDArray[np.intp], bounds: Bounds) -> tuple[Array, Array]:
        """The rows with their decided features held, in the ball; what that costs, inf if it fails.

        Where it fails the shortest rows are returned.
        """
        held = bounds.take(rows).hold(Z[rows], bounds.decided)
        norms = self._storage.norms(held.nearest(np.zeros_like(held.low)))
        possible = np.flatnonzero(norms <= self.radius[rows])
        shrunk, cost = self._shortest[rows], np.full(len(rows), np.inf)
        within = held.take(possible)
        shrunk[possible] = onto_cut(within, Z[rows[possible]], self.radius[rows[possible]])
        cost[possible] = np.sum((shrunk[possible] - Z[rows[possible]]) ** 2, axis=1)
        return shrunk, cost

    def _cheapest_step(
        self, Z: Array, X: Array, rows: NDArray[np.intp], bounds: Bounds
    ) -> tuple[NDArray[np.intp], Array, Array]:
        """Column, step towards zero, and its cost, inf where no whole number can shrink."""
        away = Z[rows] - self._shortest[rows]
        # large numbers of a coarse dtype lie more than 1 apart
        length = np.maximum(1.0, np.rint(self._storage.eps * np.abs(Z[rows])))
        step = -np.sign(away) * np.minimum(length, np.abs(away))
        gap = Z[rows] - X[rows]
        cost = np.where(bounds.whole & (away != 0.0), (gap + step) ** 2 - gap**2, np.inf)
        column = np.argmin(cost, axis=1)
        first = np.arange(len(rows))
        return column, step[first, column], cost[first, column]

    def _check_not_empty(self, bounds: Bounds) -> None:
        """Refuse a ball that the shortest row with these bounds exceeds."""
        norms = self._storage.norms(self._shortest)
        empty = norms > self.radius
        if not empty.any():
            return
        row = int(np.argmax(np.where(empty, norms - self.radius, -np.inf)))
        shortest = self._shortest[row]
        grouped = bounds.grouped
        parts = {
            "frozen_features": bounds.frozen,
            "one_hot_groups": grouped & ~bounds.frozen,
            "feature_range": ~bounds.frozen & ~grouped,
        }
        asked = [
            f"`{name}` {np.linalg.norm(shortest[mask]):g}"
            for name, mask in parts.items()
            if shortest[mask].any()
        ]
        raise ValueError(
            f"`radius` leaves no room for {int(empty.sum())} of {len(norms)} rows: it is "
            f"{self.radius[row]:g} ('max' is that of the source node), but a row must have a norm "
            f"of at least {norms[row]:g}, by the norms that these ask for: {', '.join(asked)}."
        )
