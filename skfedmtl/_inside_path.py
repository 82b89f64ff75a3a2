"""A primal-dual interior-point method for the hinge, in the weights: the last resort, small.

With ``b = y a`` in (0, 1), a row's slacks ``below`` and ``above`` its margin, and a regulariser
whose singular values are smoothed by as much as ``mu`` is large, the optimum is the end of ::

    grad R(W) = V(b),     1 - y f + below - above = 0,     below b = mu,     above (1 - b) = mu

Eliminating all but the weights leaves one system for a step, ``H_R + X' diag(s / theta) X`` with
``theta = below / b + above / (1 - b)``, which knows no units of features
(`skfedmtl._dense_system`). A predictor shows which ``mu`` to aim at, a corrector makes up for its
products [1]_. ``mu`` ends where the gap is met: below that, rounding of ``f``, enlarged by
``1 / theta``, would spoil ``V``.

References
----------
.. [1] S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM
   J. Optimization 2(4), 1992.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._dense_system import DenseSystem
from skfedmtl._losses import Array
from skfedmtl._node_list import NodeList
from skfedmtl._regulariser import Curved, Relationship
from skfedmtl._smooth_path import SmoothPath, size

_FIRST_STEPS = 8  #: of a smoothed hinge, which tell how large weights become
_TO_BOUNDARY = 0.995
_HALVINGS = 8
_LEAST_STEP = 1e-8
_MOST = 100  #: steps
_MATCH = 0.01  #: of what the margins are off by, the least mu
_FLOOR = 0.02  #: share of the gap asked for that mu may leave
_SMOOTHED = 10.0  #: times mu, relative, what is smoothed of singular values
_FAR = 0.5  #: a relative gap beyond which nothing is known
_AWAY = 1e-3, 1e-6  #: of the bounds at the start, from afar and from nearby
_TINY = float(np.finfo(float).tiny)


class _Point(NamedTuple):
    """Weights, decision values, and what belongs to every row."""

    u: Array
    f: Array
    b: Array
    below: Array
    above: Array

    def moved(self, change: _Point, length: float) -> _Point:
        parts = zip(self, change, strict=True)
        return _Point(*(value + length * step for value, step in parts))


class InsidePath:
    """Weights and dual variables on the way to the optimum.

    Parameters
    ----------
    relationship, nodes, W, gap
        As of `SmoothPath`.
    tol : float
        The relative gap asked for.
    """

    def __init__(
        self, relationship: Relationship, nodes: NodeList, W: Array, gap: float, tol: float
    ) -> None:
        self._relationship, self._nodes, self._tol = relationship, nodes, tol
        self._live = nodes.weight > 0.0
        self._weight = nodes.weight
        self._total = 2.0 * float(nodes.weight.sum())
        u = W
        if not W.any():
            u = _sized(relationship, nodes, W)
        self._root, self._scale, self._steps = size(u), min(1.0, gap), 0
        far = gap > _FAR
        mu = 0.3 if far else 0.1 * max(gap, 1e-10)
        f = nodes.margins(u)
        margin = 1.0 - nodes.y * f
        total = np.hypot(margin, 2.0 * mu) + 2.0 * mu
        least = _AWAY[0] if far else _AWAY[1]
        b = np.clip(0.5 + 0.5 * margin / total, least, 1.0 - least)
        below = np.maximum(-margin, 0.0) + mu
        self._now = _Point(u, f, b, below, np.maximum(margin, 0.0) + mu)

    @property
    def W(self) -> Array:
        """The weights."""
        return self._now.u

    def duals(self) -> tuple[Array]:
        """The dual variables."""
        return (np.where(self._live, self._nodes.y * self._now.b, 0.0),)

    def advance(self) -> bool:
        """One step; False where there is none worth taking."""
        now, nodes = self._now, self._nodes
        _, _, b, below, above = now
        rest = 1.0 - b
        curved = self._curved(now.u)
        theta = below / b + above / rest
        bend = np.where(self._live, self._weight / theta, 0.0)
        system = DenseSystem(nodes, curved.hessian(), bend)
        if not system.is_sound:
            return False
        mu = self._mean_product(now)
        floor = _FLOOR * self._tol * self._objective(now, curved) / self._total
        ahead = self._direction(system, curved, theta, 0.0, 0.0)
        reached = self._mean_product(now.moved(ahead, min(1.0, self._longest(ahead))))
        target = mu * min(1.0, (reached / mu) ** 3) if mu > 0.0 else 0.0
        target = max(target, 1e-3 * mu, min(mu, _MATCH * self._mismatch(now)), floor)
        change = self._direction(system, curved, theta, target, target)
        if mu > 2.0 * floor:
            low = target - ahead.b * ahead.below
            high = target + ahead.b * ahead.above
            change = self._direction(system, curved, theta, low, high)
        if not all(np.isfinite(part).all() for part in change):
            return False
        self._steps += 1
        return self._move(change, system, curved, mu) and self._steps < _MOST

    def _move(self, change: _Point, system: DenseSystem, curved: Curved, mu: float) -> bool:
        """Shorten the step until the equations are better met, or as well as mu asks."""
        now = self._now
        length = min(1.0, _TO_BOUNDARY * self._longest(change))
        before = self._residual(now, curved, system.diagonal)
        for _ in range(_HALVINGS):
            ahead = now.moved(change, length)
            after = self._residual(ahead, self._curved(ahead.u), system.diagonal)
            if after <= max((1.0 - 0.01 * length) * before, mu):
                break
            length *= 0.5
        u, _, b, below, above = ahead
        b = np.clip(b, _TINY, 1.0 - 2.0**-53)
        f = self._nodes.margins(u)
        self._now = _Point(u, f, b, np.maximum(below, _TINY), np.maximum(above, _TINY))
        self._scale = min(self._scale, _SMOOTHED * self._mean_product(self._now))
        return length > _LEAST_STEP

    def _curved(self, u: Array) -> Curved:
        return self._relationship.curved(u, self._root * max(self._scale, 1e-14))

    def _direction(
        self,
        system: DenseSystem,
        curved: Curved,
        theta: Array,
        low: Array | float,
        high: Array | float,
    ) -> _Point:
        """The step to these products of the slacks with what they keep from their bounds."""
        now, nodes, live = self._now, self._nodes, self._live
        rest = 1.0 - now.b
        push = 1.0 - nodes.y * now.f + low / now.b - high / rest
        free = np.where(live, nodes.y * (now.b + push / theta), 0.0)
        du = system.solve(nodes.moments_of(free) - curved.slope)
        df = nodes.margins(du)
        db = np.where(live, (push - nodes.y * df) / theta, 0.0)
        below = (low - now.below * db) / now.b - now.below
        above = (high + now.above * db) / rest - now.above
        return _Point(du, df, db, below, above)

    def _mean_product(self, point: _Point) -> float:
        """mu, of the mean row."""
        products = point.b * point.below + (1.0 - point.b) * point.above
        return float(self._weight @ products) / self._total

    def _mismatch(self, point: _Point) -> float:
        """What the margins are off by."""
        off = 1.0 - self._nodes.y * point.f + point.below - point.above
        return float(self._weight @ np.abs(off)) / self._total

    def _residual(self, point: _Point, curved: Curved, diagonal: Array) -> float:
        """What is left of the linear equations, in units of the weights' own curvatures."""
        free = np.where(self._live, self._nodes.y * point.b, 0.0)
        g = curved.slope - self._nodes.moments_of(free)
        return float(np.sqrt(np.sum(np.square(g) / diagonal))) + self._mismatch(point)

    def _objective(self, point: _Point, curved: Curved) -> float:
        nodes = self._nodes
        loss = float(self._weight @ nodes[0].loss.value(nodes.y, point.f))
        return loss + curved.value

    def _longest(self, change: _Point) -> float:
        """The longest step that keeps all rows inside."""
        now, live = self._now, self._live
        pairs = (
            (now.b, change.b),
            (1.0 - now.b, -change.b),
            (now.below, change.below),
            (now.above, change.above),
        )
        fastest = max(float(np.max(-step[live] / value[live])) for value, step in pairs)
        return 1.0 / fastest if fastest > 0.0 else np.inf


def _sized(relationship: Relationship, nodes: NodeList, W: Array) -> Array:
    """Weights about as large as those of the optimum."""
    path = SmoothPath(relationship, nodes, W, 1.0, nodes[0].loss.smoothed(1.0))
    for _ in range(_FIRST_STEPS):
        if not path.advance():
            break
    return path.W
