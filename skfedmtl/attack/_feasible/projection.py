"""Nearest points of a simplex, and of convex sets cut by a ball.

With a closed convex set C, the point of C with ``||z|| <= r`` nearest to x solves

    min over z in C of  (1/2) ||z - x||^2 + (mu/2) ||z||^2,     mu >= 0,

which is the point z(s) of C nearest to ``s x``, ``s = 1 / (1 + mu)`` in (0, 1]. The norm of z(s)
never falls in s, so one number is sought a row. Where C is cut out by bounds and simplices, z(s) is
linear in s between changes of the active bounds: Newton's steps solve the quadratic equation of
such a piece and end as soon as the right piece is met; bisection keeps them in the bracket.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array

_NEWTON_STEPS = 12  #: before every other step is a bisection
_MAX_STEPS = 400
_PULLS, _ON_BALL = 50, 1e-12  #: steps of Newton's method at most, and its accuracy


class Convex(Protocol):
    """A closed convex set a row."""

    def nearest(self, X: Array) -> Array:
        """The nearest points of the sets."""

    def slope(self, X: Array, Z: Array) -> Array:
        """Derivative with respect to s of ``Z = nearest(s X)``."""


def onto_simplex(X: Array, allowed: NDArray[np.bool_]) -> Array:
    """Nearest rows with entries >= 0 that sum to 1 and are 0 where not `allowed`."""
    top = np.max(np.where(allowed, X, -np.inf), axis=1, keepdims=True)
    # entries more than 1 below the largest are 0 in the end, as those not allowed
    shifted = np.where(allowed, np.maximum(X - top, -2.0), -2.0)
    ordered = -np.sort(-shifted, axis=1)
    count = np.arange(1, X.shape[1] + 1)
    level = (np.cumsum(ordered, axis=1) - 1.0) / count
    last = np.sum(ordered > level, axis=1, keepdims=True) - 1
    return np.maximum(shifted - np.take_along_axis(level, last, axis=1), 0.0)


def onto_cut(sets: Convex, X: Array, radius: Array) -> Array:
    """Nearest points of ``sets`` within `radius`, which the points nearest to X exceed.

    The sets must meet their balls. The result exceeds a ball by rounding at most.
    """
    low, high = np.zeros(len(X)), np.ones(len(X))
    s, eps = np.ones(len(X)), np.finfo(np.float64).eps
    for step in range(_MAX_STEPS):
        Z = sets.nearest(s[:, None] * X)
        size = np.linalg.norm(Z, axis=1)
        over = size > radius
        high, low = np.where(over, s, high), np.where(over, low, s)
        done = (np.abs(size - radius) <= 2.0 * eps * radius) | (high - low <= eps * high)
        if done.all():
            break
        trial = _piece_root(s, Z, sets.slope(X, Z), radius)
        bisect = ~((trial > low) & (trial < high))
        if step >= _NEWTON_STEPS and step % 2:
            bisect[:] = True
        s = np.where(done, s, np.where(bisect, 0.5 * (low + high), trial))
    return Z


def _piece_root(s: Array, Z: Array, V: Array, radius: Array) -> Array:
    """Where ``||Z + (t - s) V||`` rises through the radius, NaN where it does not."""
    base = Z - s[:, None] * V
    a, b = np.sum(V * V, axis=1), np.sum(V * base, axis=1)
    c = np.sum(base * base, axis=1) - radius**2
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(b * b - a * c)
        # of the two formulas the one without cancellation
        return np.where(b > 0.0, -c / (b + root), (root - b) / a)


class SeenThroughScalers:
    """Where rows may lie, first moved there by the shortest way as the model measures it.

    Parameters
    ----------
    feasible : FeasibleSet
    spread : ndarray of shape (d,)
        Units of the features behind the scalers.
    """

    def __init__(self, feasible: Any, spread: Array) -> None:
        self._feasible, self._spread = feasible, spread

    def project(self, X: Array) -> Array:
        """The nearest feasible rows."""
        rows: Array = self._feasible.project(pull_in(X, self._feasible.radius, self._spread))
        return rows


def pull_in(rows: Array, radius: Array, spread: Array) -> Array:
    """The nearest rows of their balls, distances measured in units of `spread`.

    ``x_j / (1 + c spread_j^2)``: a coordinate of a small unit is left alone while one of a large
    unit gives way. Newton's method finds ``c`` of every row, from below.
    """
    squares, c = np.square(spread), np.zeros(len(rows))
    pulled = rows
    for _ in range(_PULLS):
        length = np.linalg.norm(pulled, axis=1)
        outside = length > radius * (1.0 + _ON_BALL)
        if not outside.any() or not (radius[outside] > 0.0).all():
            break
        bend = np.einsum("ij,ij->i", np.square(pulled), squares / (1.0 + c[:, None] * squares))
        step = np.divide(
            np.square(length) * (length - radius),
            radius * bend,
            out=np.zeros(len(rows)),
            where=outside & (bend > 0.0),
        )
        c += step
        pulled = rows / (1.0 + c[:, None] * squares)
    return pulled
