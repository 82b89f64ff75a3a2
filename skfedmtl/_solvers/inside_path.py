"""A primal-dual interior-point method for the hinge, in the weights: the last resort, small.

A row's margin leaves ``above - below = 1 - y f``, with two slacks that barriers keep positive, and
the singular values of the regulariser are smoothed by as much as ``mu`` is large. For each ``mu``
there is a minimum of ::

    R(W) + sum of weight (above - mu log above - mu log below)

over weights and slacks, where with a dual variable ``b = y a`` in (0, 1) of every row ::

    grad R(W) = V(b),     below b = mu,     above (1 - b) = mu

and the optimum is the end of these. A step of Newton's method for all of this, of which but one
system is left when all but the weights are eliminated, ``H_R + X' diag(s / theta) X`` with
``theta = below / b + above / (1 - b)``, knows no units of features
(`skfedmtl._solvers.dense_system`). A predictor shows which ``mu`` to aim at, a corrector makes up
for its products [1]_.

The slacks are always the best ones of their weights, in closed form. So no row shortens a step of
the weights; every one goes down the function above, which says how far; and ``mu`` falls only near
its minimum, so that it never runs ahead of the regulariser. The dual variables may be what they
like in between: they make the system, and follow row by row [2]_. ``mu`` ends where the gap is
met: below that, rounding of ``f``, enlarged by ``1 / theta``, would spoil ``V``.

References
----------
.. [1] S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM
   J. Optimization 2(4), 1992.
.. [2] T. F. Chan, G. H. Golub, P. Mulet, "A nonlinear primal-dual method for total
   variation-based image restoration", SIAM J. Scientific Computing 20(6), 1999.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._model import Curved, Relationship
from skfedmtl._protocol import NodeTable
from skfedmtl._solvers.dense_system import DenseSystem
from skfedmtl._solvers.line_search import SufficientFall, backtrack
from skfedmtl._solvers.smooth_path import size
from skfedmtl._typing import Array

_TO_BOUNDARY = 0.995
_NOISE = 1e-13  #: of the function, which it cannot tell
_TRIALS = 30  #: lengths of a step
_MOST = 250  #: steps
_FIRST_MU = 0.3  #: from afar
_CLOSE = 1.0  #: of what mu leaves of the gap, to which its minimum is found
# a fall to a thousandth at once leaves the dual variables too far behind: of 348 problems of
# tests/test_wild.py that need this path 9 then missed 1e-4, and 7 with a tenth
_LEAST_FALL, _MOST_FALL = 0.5, 0.1  #: of mu, once
_FLOOR = 0.02  #: share of the gap asked for that mu may leave
_SMOOTHED = 10.0  #: times mu, relative, what is smoothed of singular values
_LEAST_SMOOTHED = 1e-14
_FAR = 0.5  #: a relative gap beyond which nothing is known
_APART = 1e6  #: times mu, or as a part of it, what a slack times its dual variable is at most
_TINY = float(np.finfo(float).tiny)
_BELOW_ONE = 1.0 - 2.0**-53


class _Point(NamedTuple):
    """Weights with their decision values, slacks and regulariser, and the function there."""

    u: Array
    f: Array
    below: Array
    above: Array
    curved: Curved
    value: float


class _Step(NamedTuple):
    """Changes of weights, dual variables and slacks."""

    u: Array
    b: Array
    below: Array
    above: Array
    promise: float  #: how fast the function falls


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
        self, relationship: Relationship, nodes: NodeTable, W: Array, gap: float, tol: float
    ) -> None:
        self._relationship, self._nodes, self._tol = relationship, nodes, tol
        self._live, self._weight = nodes.weight > 0.0, nodes.weight
        self._total = 2.0 * float(nodes.weight.sum())
        self._root = size(W)
        self._scale = min(1.0, gap)
        self._steps = 0
        self._mu = _FIRST_MU if gap > _FAR else 0.1 * max(gap, 1e-10)
        self._now = self._point(W)
        self._b = self._near(self._mu / self._now.below)

    @property
    def W(self) -> Array:
        """The weights."""
        return self._now.u

    def duals(self) -> tuple[Array]:
        """The dual variables."""
        return (np.where(self._live, self._nodes.y * self._b, 0.0),)

    def advance(self) -> bool:
        """One step; False where there is none worth taking."""
        now, b = self._now, self._b
        theta = now.below / b + now.above / (1.0 - b)
        bend = np.where(self._live, self._weight / theta, 0.0)
        system = DenseSystem(self._nodes, now.curved.hessian(), bend)
        if not system.is_sound:
            return False
        step = self._direction(system, theta, self._mu, self._mu)
        if step.promise <= _CLOSE * self._total * self._mu:
            step = self._next_direction(system, theta)
        self._steps += 1
        return bool(np.isfinite(step.promise)) and self._move(step) and self._steps < _MOST

    def _next_direction(self, system: DenseSystem, theta: Array) -> _Step:
        """Let mu fall, and find the step to there."""
        predictor = self._direction(system, theta, 0.0, 0.0)
        before = self._mu
        self._mu = self._next_mu(predictor)
        low = self._mu - predictor.b * predictor.below
        high = self._mu + predictor.b * predictor.above
        if self._root == 0.0 and self._mu < before:  # weights that tell how large they become
            self._root = size(self._now.u)
        self._now = self._point(self._now.u)
        step = self._direction(system, theta, low, high)
        # without the products there always is a way down
        return step if step.promise > 0.0 else self._direction(system, theta, self._mu, self._mu)

    def _next_mu(self, predictor: _Step) -> float:
        """As far as the predictor gets."""
        now, b = self._now, self._b
        slacks = min(1.0, self._longest((now.below, predictor.below), (now.above, predictor.above)))
        duals = min(1.0, self._longest((b, predictor.b), (1.0 - b, -predictor.b)))
        products = (b + duals * predictor.b) * (now.below + slacks * predictor.below)
        products += (1.0 - b - duals * predictor.b) * (now.above + slacks * predictor.above)
        ratio = float(self._weight @ products)
        ratio /= float(self._weight @ (b * now.below + (1.0 - b) * now.above))
        fall = min(_LEAST_FALL, max(_MOST_FALL, ratio**3))
        floor = _FLOOR * self._tol * self._objective() / self._total
        return min(self._mu, max(fall * self._mu, floor))

    def _direction(
        self, system: DenseSystem, theta: Array, low: Array | float, high: Array | float
    ) -> _Step:
        """The step to these products of the slacks with what they keep from their bounds."""
        now, nodes, b = self._now, self._nodes, self._b
        rest = 1.0 - b
        push = 1.0 - nodes.y * now.f + low / b - high / rest
        free = np.where(self._live, nodes.y * (b + push / theta), 0.0)
        du = system.solve(nodes.moments_of(free) - now.curved.slope)
        db = np.where(self._live, (push - nodes.y * nodes.margins(du)) / theta, 0.0)
        below = (low - now.below * db) / b - now.below
        above = (high + now.above * db) / rest - now.above
        inner = np.where(self._live, nodes.y * self._mu / now.below, 0.0)
        promise = float(np.vdot(nodes.moments_of(inner) - now.curved.slope, du))
        return _Step(du, db, below, above, promise)

    def _move(self, step: _Step) -> bool:
        """Shorten the step until the function falls as promised; False if it never does."""
        now = self._now
        trial = backtrack(
            lambda length: self._point(now.u + length * step.u),
            SufficientFall(now.value, step.promise, _NOISE * abs(now.value)).is_met,
            n_trials=_TRIALS,
        )
        if not trial.is_enough:
            return False
        self._now = trial.point
        scale = min(self._scale, _SMOOTHED * self._mu)
        if scale < self._scale:
            self._scale = scale
            self._now = self._point(self._now.u)
        room = np.where(step.b > 0.0, 1.0 - self._b, self._b)
        lengths = np.minimum(1.0, _TO_BOUNDARY * room / np.maximum(np.abs(step.b), _TINY))
        self._b = self._near(self._b + lengths * step.b)
        return True

    def _point(self, u: Array) -> _Point:
        """The best slacks of the weights."""
        mu = self._mu
        f = self._nodes.margins(u)
        margin = 1.0 - self._nodes.y * f
        larger = 0.5 * (np.hypot(margin, 2.0 * mu) + 2.0 * mu + np.abs(margin))
        smaller = mu * larger / (larger - mu)  # mu / above + mu / below = 1
        below = np.where(margin > 0.0, smaller, larger)
        above = np.where(margin > 0.0, larger, smaller)
        curved = self._relationship.curved(u, self._root * max(self._scale, _LEAST_SMOOTHED))
        losses = above - mu * (np.log(above) + np.log(below))
        return _Point(u, f, below, above, curved, float(self._weight @ losses) + curved.value)

    def _near(self, b: Array) -> Array:
        """Dual variables whose products with their slacks are not too far from mu."""
        below, above, mu = self._now.below, self._now.above, self._mu
        least = np.maximum(mu / (_APART * below), 1.0 - _APART * mu / above)
        most = np.minimum(_APART * mu / below, 1.0 - mu / (_APART * above))
        inside: Array = np.clip(np.clip(b, least, most), _TINY, _BELOW_ONE)
        return inside

    def _objective(self) -> float:
        nodes, now = self._nodes, self._now
        loss = float(self._weight @ nodes.loss.value(nodes.y, now.f))
        return loss + now.curved.value

    def _longest(self, *pairs: tuple[Array, Array]) -> float:
        """The longest step that keeps all rows inside."""
        live = self._live
        fastest = max(float(np.max(-step[live] / value[live])) for value, step in pairs)
        return 1.0 / fastest if fastest > 0.0 else np.inf
