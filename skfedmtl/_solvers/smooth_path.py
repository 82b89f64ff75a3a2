"""Newton's method on a smoothed primal that becomes the model itself: the last resort, small.

Where columns differ by many decades, or nearly repeat each other, every step that treats features
alike is lost, and so is one that inverts the regulariser. The primal Hessian is not
(`skfedmtl._solvers.dense_system`). So the singular values count as ``sqrt(s^2 + (t root)^2)``,
and the objective is minimised by damped Newton steps for ever smaller ``t``, each from the last.
The slopes of the losses are the dual variables.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._model import Curved, Relationship
from skfedmtl._protocol import NodeTable
from skfedmtl._solvers.dense_system import DenseSystem
from skfedmtl._solvers.line_search import SufficientFall, backtrack
from skfedmtl._typing import Array

_TRIALS = 40  #: lengths of a step
_SHRINK = 0.2  #: of the smoothing, once
_CLOSE = 0.1  #: of what smoothing costs, to which a level is solved
_MOST = 50  #: steps on a level
_LEAST = 1e-13  #: smoothing
_NOISE = 1e-14  #: of the objective, which it cannot tell


class _Point(NamedTuple):
    """Weights, their decision values and the smoothed objective."""

    u: Array
    f: Array
    value: float
    curved: Curved


class SmoothPath:
    """Weights and dual variables of a loss with a second derivative, on the way to the optimum.

    Parameters
    ----------
    relationship : Relationship
    nodes : NodeTable
    W : ndarray of shape (m, d)
        Where to begin.
    gap : float
        The relative gap there: what need not be smoothed any more.
    """

    def __init__(self, relationship: Relationship, nodes: NodeTable, W: Array, gap: float) -> None:
        self._relationship, self._nodes = relationship, nodes
        self._loss = nodes.loss
        self._scale = min(1.0, gap)
        self._steps = 0
        self._root = size(W)
        self._predicted = np.zeros_like(nodes.y)
        self._now = self._point(W)

    @property
    def W(self) -> Array:
        """The weights."""
        return self._now.u

    def duals(self) -> tuple[Array, Array]:
        """Dual variables that the weights tell of, and those that the last step foresaw.

        Only at a minimum do the former fit the regulariser; the latter do so but for their box.
        """
        slope = self._loss.derivative(self._nodes.y, self._now.f)
        return self._feasible(-slope), self._predicted

    def advance(self) -> bool:
        """One Newton step, or less smoothing; False where rounding leaves neither."""
        now, nodes = self._now, self._nodes
        alpha = self._feasible(-self._loss.derivative(nodes.y, now.f))
        curvature = self._loss.curvature(nodes.y, now.f)
        g = now.curved.slope - nodes.moments_of(alpha)
        step = DenseSystem(nodes, now.curved.hessian(), nodes.weight * curvature).solve(-g)
        self._predicted = self._feasible(alpha - curvature * nodes.margins(step))
        promise = -float(np.vdot(g, step))
        self._steps += 1
        moved = promise > _NOISE * abs(now.value) and self._search(step, promise)
        is_close = not promise > _CLOSE * self._scale * abs(now.value)
        if not moved or is_close or self._steps >= _MOST:
            if self._scale < _LEAST:
                return False
            self._smooth_less()
        return True

    def _smooth_less(self) -> None:
        self._scale *= _SHRINK
        self._steps = 0
        if self._root == 0.0:  # weights that tell how large they become
            self._root = size(self._now.u)
        self._now = self._point(self._now.u)

    def _point(self, u: Array) -> _Point:
        nodes = self._nodes
        f = nodes.margins(u)
        curved = self._relationship.curved(u, self._root * self._scale)
        loss = float(np.sum(nodes.weight * self._loss.value(nodes.y, f)))
        return _Point(u, f, loss + curved.value, curved)

    def _feasible(self, alpha: Array) -> Array:
        return np.where(self._nodes.weight > 0.0, self._loss.clip(self._nodes.y, alpha), 0.0)

    def _search(self, step: Array, promise: float) -> bool:
        """Shorten the step until the objective falls as promised; whether it ever does."""
        now = self._now
        trial = backtrack(
            lambda length: self._point(now.u + length * step),
            SufficientFall(now.value, promise).is_met,
            n_trials=_TRIALS,
        )
        if trial.is_enough:
            self._now = trial.point
        return trial.is_enough


def size(W: Array) -> float:
    """Root of the mean square of the singular values."""
    return float(np.sqrt(np.vdot(W, W) / min(W.shape)))
