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


class Pulls(NamedTuple):
    """kappa of every source, and its slopes."""

    value: Array  #: (k,)
    by_v: Array  #: (k, d)
    by_b: Array  #: (k,)


class Pull:
    """kappa as a function of slopes v, (k, d), and intercepts b, (k,), of the sources."""

    def __init__(self, loss: Loss, injection: Injection) -> None:
        self._loss, self._injection = loss, injection
        self._middle = -injection.shift * injection.scale

    def at(self, v: Array, b: Array, width: float = 0.0) -> Pulls:
        """Kinks of the lengths rounded off by about `width`, upwards: still a limit."""
        injection = self._injection
        scaled = v * injection.scale
        length = np.hypot(np.linalg.norm(scaled, axis=1), width)
        reach, centre = injection.radii * length, v @ self._middle + b
        value = self._kappa(reach, centre, width)
        h = _STEP * (1.0 + reach + np.abs(centre))
        by_reach = self._kappa(reach + h, centre, width) - self._kappa(reach - h, centre, width)
        by_centre = self._kappa(reach, centre + h, width) - self._kappa(reach, centre - h, width)
        by_reach, by_centre = by_reach / (2.0 * h), by_centre / (2.0 * h)
        by_length = by_reach * injection.radii / np.maximum(length, _TINY)
        by_v = by_length[:, None] * scaled * injection.scale + by_centre[:, None] * self._middle
        return Pulls(value, by_v, by_centre)

    def _kappa(self, reach: Array, centre: Array, width: float) -> Array:
        low, high = self._injection.low, self._injection.high
        if self._loss.is_regression:
            return self._loss.kappa(reach, low - centre, high - centre)
        return self._loss.kappa(reach + np.hypot(centre, width), low, high)
