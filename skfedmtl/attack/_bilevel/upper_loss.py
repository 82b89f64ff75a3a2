"""What the attacker counts as damage: the loss of the upper level.

``"victim"`` is the victim's own loss. ``"ramp"``, for classes, is the smooth step
``1 / (1 + exp(2 y f))``, nearly 1 for a wrong row and nearly 0 for a right one: unlike a
hinge it does not pay to push a few rows ever further to the wrong side.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.special import expit

from skfedmtl._model import PrimalLoss
from skfedmtl._typing import Array

UPPER_LOSSES = ("victim", "ramp")
_STEEPNESS = 2.0


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
    def value(self, y: Array, f: Array) -> Array:
        return np.asarray(expit(-_STEEPNESS * y * f), dtype=np.float64)

    def slope(self, y: Array, f: Array, alpha: Array | None) -> Array:
        z = _STEEPNESS * y * f
        return -_STEEPNESS * y * expit(z) * expit(-z)


def upper_loss(name: str, loss: PrimalLoss) -> UpperLoss:
    """The upper loss of that name for a victim's loss."""
    return _Victim(loss) if name == "victim" else _Ramp()
