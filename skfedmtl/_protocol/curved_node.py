"""A node of rows in a file that steps by curvature: one reading is one Newton step.

Coordinate passes want an order that is drawn anew among all rows. Rows of a chunk that are visited
together, pass after pass, settle with each other first, and what all chunks have in common comes
slowly: the more so, the more rows than features a chunk has. Then the Hessian of the loss has few
numbers, though, and a reading finds it beside the gradient::

    a_i = -L'(y_i, x_i . u),    v = sum of weight_i a_i x_i,    H = sum of weight_i L'' x_i x_i'
    next u = u - damping (H + rho I)^-1 (rho (u - b) - v)

Dual variables that are slopes at a point are what its loss promises: no gap but the point's own.
A kink is smoothed, by less from step to step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skfedmtl._model import Loss, StoredRows, row_algebra
from skfedmtl._protocol.stored_node import Seen, StoredNode
from skfedmtl._typing import Array

_MOST = 1000  #: features of a Hessian that is made
_IN_KINK = 5.0  #: rows a feature that a smoothed kink holds at least, if they lie a unit wide
_WIDEST, _NARROWER = 1.0, 0.25  #: width of a kink in the beginning, and the share from step to step
_LARGEST = 0.01  #: width of a kink that is good enough to end with
_BACK = 0.25  #: share of a damping after a step that has led upwards


class _Point(NamedTuple):
    """What a reading has found at weights."""

    u: Array
    v: Array  #: the moment of `alpha`, and less the gradient
    hessian: Array
    value: float
    alpha: Array

    def height(self, base: Array, rho: float) -> float:
        """The proximal objective."""
        return self.value + 0.5 * rho * float(np.sum(np.square(self.u - base)))


def least_width(n: int, d: int) -> float:
    """Of a kink, so that it holds some rows a feature."""
    return _IN_KINK * d / max(1, n)


def has_curvature(loss: Loss, n: int, d: int) -> bool:
    """Whether steps by curvature suit so many rows and features."""
    if d > _MOST:
        return False
    return not loss.linear or least_width(n, d) <= _LARGEST


class CurvedNode(StoredNode):
    """A node that finds in as many readings as an order asks passes for what a step is."""

    __slots__ = ("_best", "_damping", "_least_width", "_width")

    def __init__(self, X: StoredRows, y: Array, weight: Array, loss: Loss, **given: Any) -> None:
        super().__init__(X, y, weight, loss, **given)
        self._best: _Point | None = None  #: where the last reading was that led on
        self._damping = 1.0
        self._width = _WIDEST
        self._least_width = least_width(*X.shape)

    def _pass_over(self, curvature: float, epochs: float, alpha: Array, w: Array) -> None:
        """So many readings, at least one; `alpha` and `w` change in place."""
        v = self._moment(self._alpha) if self._points is None else self._v
        base, rho = w - curvature * v, 1.0 / curvature
        for _ in range(max(1, int(epochs))):
            point = self._read_at(self._next(base, rho))
            before = self._best
            if before is not None and not point.height(base, rho) <= before.height(base, rho):
                self._damping *= _BACK
                continue
            self._best, v = point, point.v
            alpha[:] = point.alpha
            w[:] = base + curvature * v
            if self._damping == 1.0:
                self._width = max(_NARROWER * self._width, self._least_width)
            self._damping = min(1.0, self._damping / _BACK)
        self.know_moment(alpha, v)

    def _next(self, base: Array, rho: float) -> Array:
        """The weights to be read at."""
        at = self._best
        if at is None:
            return base
        system = at.hessian + rho * np.eye(len(base))
        step = np.linalg.solve(system, rho * (at.u - base) - at.v)
        return np.asarray(at.u - self._damping * step, dtype=np.float64)

    def _read_at(self, u: Array) -> _Point:
        """What there is to be found at weights, and the losses that are asked about."""
        d = self._X.shape[1]
        curve = self._loss.smoothed(self._width)
        alpha, values = np.zeros(len(self._y)), np.zeros(len(self._y))
        hessian = np.zeros((d, d))
        seen = Seen(self, d, alpha, self._points or [])
        for part, X in self._X.chunks():
            y, weight = self._y[part], self._weight[part]
            f = row_algebra.margins(X, u)
            slope = self._loss.clip(y, -curve.derivative(y, f))
            alpha[part] = np.where(weight > 0.0, slope, 0.0)
            values[part] = weight * curve.value(y, f)
            bend = weight * curve.curvature(y, f)
            bent = X if bend.all() else X[bend > 0.0]
            hessian += row_algebra.cross(bent, bent * bend[bend > 0.0, None])
            seen.see(part, X)
        seen.remember()
        return _Point(u, seen.v, hessian, row_algebra.total(values), alpha)
