"""What the attacker counts as damage of a row: the loss of the upper level.

``"victim"`` is the victim's own loss. ``"ramp"``, for classes, is the smooth step
``1 / (1 + exp(k y f))``, nearly 1 for a wrong row and nearly 0 for a right one: unlike a
hinge it does not pay to push a few rows ever further to the wrong side. ``"raise"`` and
``"lower"``, for numbers, are what forecasts exceed the truth by, ``f - y``, and its negative.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.special import expit

from skfedmtl._model import PrimalLoss
from skfedmtl._typing import Array

STEEPNESS = 2.0  #: k of a ramp that is climbed step by step


class UpperLoss(Protocol):
    """Values and slopes of rows; `alpha` are dual variables, None for rows not fitted."""

    def value(self, y: Array, f: Array) -> Array: ...
    def slope(self, y: Array, f: Array, alpha: Array | None) -> Array: ...


class _Victim:
    def __init__(self, loss: PrimalLoss) -> None:
        self._loss = loss

    def value(self, y: Array, f: Array) -> Array:
        return self._loss.value(y, f)

    def slope(self, y: Array, f: Array, alpha: Array | None) -> Array:
        if alpha is None:
            return self._loss.derivative(y, f)
        return self._loss.slope_at(y, f, alpha)


class _Ramp:
    def __init__(self, steepness: float) -> None:
        self._steepness = steepness

    def value(self, y: Array, f: Array) -> Array:
        return np.asarray(expit(-self._steepness * y * f), dtype=np.float64)

    def slope(self, y: Array, f: Array, alpha: Array | None) -> Array:
        low = expit(-self._steepness * np.abs(f))  # y is a sign
        return -self._steepness * y * low * (1.0 - low)


class _Excess:
    def __init__(self, sign: float) -> None:
        self._sign = sign

    def value(self, y: Array, f: Array) -> Array:
        return self._sign * (f - y)

    def slope(self, y: Array, f: Array, alpha: Array | None) -> Array:
        return np.full(len(f), self._sign)


def upper_loss(name: str, loss: PrimalLoss, steepness: float = STEEPNESS) -> UpperLoss:
    """The upper loss of that name for a victim's loss."""
    if name == "victim":
        return _Victim(loss)
    if name == "ramp":
        return _Ramp(steepness)
    return _Excess(1.0 if name == "raise" else -1.0)
