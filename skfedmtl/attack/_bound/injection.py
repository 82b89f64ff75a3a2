"""What the sources may inject, and how hard it may pull.

The stationary point of a poisoned fit, paired with the way from weights V to it, meets an injected
row at ``-L'(y, t) (t - u)`` only, t its decision value in the end and ``u = x . v + b``. Nothing is
known of t. The rows lie in a ball of the users' input, which a scaler maps to an ellipsoid,
``x = (z - shift) scale`` with ``||z|| <= r``, so that u is at most ``r ||scale v||`` from
``b - (shift scale) . v``: the rest is the loss's own `kappa`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Loss
from skfedmtl._typing import Array

_STEP = 1e-6  #: of the differences that slopes are taken by; they only lead a search
_TINY = 1e-300


class Injection(NamedTuple):
    """The sources, and what is known of their rows."""

    codes: NDArray[np.int64]  #: (k,) nodes, none twice
    share: Array  #: (k,) weight of the injected rows over that of all rows of the node
    radii: Array  #: (k,) of the balls, around zero, in the users' input
    low: Array  #: (k,) of targets; of classes any is allowed
    high: Array  #: (k,)
    shift: Array  #: (d,) the users' input that the solver sees as zero,
    scale: Array  #: (d,) and what it sees of a step of one

    def longest(self) -> Array:
        """What no row of a source exceeds in norm, as the solver sees it, (k,).

        The most of ``||scale z - c||`` with ``||z|| <= r`` is, for every mu above all squares of
        the scale, at most the root of ``mu r^2 + ||c||^2 + sum of (scale c)^2 / (mu - scale^2)``,
        and for the best mu just that.
        """
        square, c = np.square(self.scale), self.shift * self.scale
        most, away = float(square.max(initial=0.0)), float(c @ c)
        simple: Array = np.sqrt(away) + self.radii * np.sqrt(most)
        if most == 0.0 or away == 0.0:
            return simple
        mu = most * (1.0 + np.exp(np.linspace(-20.0, 20.0, 121)))
        beside = np.sum(square * np.square(c) / (mu[:, None] - square), axis=1)
        known = np.square(self.radii)[:, None] * mu + (beside + away)
        return np.minimum(simple, np.sqrt(known.min(axis=1)))


class Pulls(NamedTuple):
    """kappa of every source, and its slopes."""

    value: Array  #: (k,)
    by_v: Array  #: (k, d)
    by_b: Array  #: (k,)


class Pull:
    """kappa as a function of slopes v, (k, d), and intercepts b, (k,), of the sources."""

    def __init__(self, loss: Loss, injection: Injection) -> None:
        self._loss, self._injection = loss, injection
        self._centre = -injection.shift * injection.scale
        self.half = np.zeros(len(injection.codes))  #: ranges of the targets, of numbers
        self._middle = self.half
        if loss.is_regression:
            self.half = 0.5 * (injection.high - injection.low)
            self._middle = 0.5 * (injection.high + injection.low)

    def at(self, v: Array, b: Array, width: float = 0.0, corner: float | Array = 0.0) -> Pulls:
        """Kinks of lengths and of intercepts rounded off by about so much, upwards: still limits.

        Of numbers only the distance from a target counts, so that one that lies off the middle of
        the targets by so much is one that reaches so much farther.
        """
        scaled = v * self._injection.scale
        radii = self._injection.radii
        length = np.hypot(np.linalg.norm(scaled, axis=1), width)
        off = v @ self._centre + b - self._middle
        away = np.hypot(off, corner)
        reach = radii * length + away
        h = _STEP * (1.0 + reach)
        by_reach = (self._kappa(reach + h) - self._kappa(reach - h)) / (2.0 * h)
        by_off = by_reach * off / np.maximum(away, _TINY)
        by_length = by_reach * radii / np.maximum(length, _TINY)
        by_v = by_length[:, None] * scaled * self._injection.scale + by_off[:, None] * self._centre
        return Pulls(self._kappa(reach), by_v, by_off)

    def near(self, v: Array, b: Array, more: Array) -> Array:
        """No less than kappa where decision values are at most so much farther off."""
        length = np.linalg.norm(v * self._injection.scale, axis=1)
        off = np.abs(v @ self._centre + b - self._middle)
        return self._kappa(self._injection.radii * length + off + more)

    def _kappa(self, reach: Array) -> Array:
        return self._loss.kappa(reach, -self.half, self.half)
