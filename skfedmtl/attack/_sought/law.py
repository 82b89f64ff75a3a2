"""How hard one injected row pulls: its dual variable as a function of where it lies.

A row of target ``sign * rho`` (classes: rho = 1; numbers: half the range, counted from its
middle) at decision value ``sign * rho * z`` has the margin z and pulls with ``rho * beta``::

    beta(z) = -dL/df at y = 1, f = z          h = beta z        (numbers: in units of rho^2)

The hinge is the exception: a row below margin 1 pulls with 1, a row on it with anything up to 1.
All others give ``h`` as a concave function of the pull, with its top at `peak`; `hull` is the
largest h of rows that pull with at least ``beta`` on the mean:

    ==============  ===============  =====  ======  ==================================
    loss            h(beta)          peak   top     hull beyond the peak
    ==============  ===============  =====  ======  ==================================
    hinge           beta, or less    1      1
    squared hinge,
    squared error   b - b^2 / 2      1      1/2     h
    logistic        b log(1/b - 1)   .218   .278    h
    ==============  ===============  =====  ======  ==================================
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from skfedmtl._model import Loss
from skfedmtl._typing import Array

#: the margins that a row may have; at the lower end the logistic pull is .9975
_MARGINS = np.linspace(12.0, -6.0, 721)
_POLISH = 2  #: Newton steps from an entry of the table: to the last digits
_LARGEST_PULL = 8.0  #: of a row, where the loss sets no bound: it lies at margin -3
_LARGEST_SHARE = 0.995  #: of the bound of the pull that a row gets to, where there is one
_LARGEST_MEAN = 6.0  #: that the intercept may ask of all rows, where the loss sets no bound


class Law(Protocol):
    """What rows can exert, a row; all in units of rho."""

    peak: float  #: pull of the largest h
    top: float  #: that h
    reach: float  #: the largest mean pull

    def hull(self, pull: Array) -> tuple[Array, Array]: ...


def law_of(loss: Loss) -> Law:
    """The law of a loss's rows."""
    return FlatLaw() if loss.linear else SmoothLaw(loss)


class FlatLaw:
    """The hinge's."""

    peak = top = reach = 1.0

    def hull(self, pull: Array) -> tuple[Array, Array]:
        """The largest h at a mean pull of at least this, and its slope."""
        return np.ones_like(pull), np.zeros_like(pull)


class SmoothLaw:
    """That of a loss with a second derivative."""

    def __init__(self, loss: Loss) -> None:
        self._loss = loss
        bound = loss.bounds[1]
        self.reach, self.most = _LARGEST_MEAN, _LARGEST_PULL
        if np.isfinite(bound):
            self.reach, self.most = bound, _LARGEST_SHARE * bound
        self._table = self._pull(_MARGINS)
        found = minimize_scalar(
            lambda z: -z * self._pull(np.array([z]))[0],
            bounds=(0.0, 2.0),
            method="bounded",
            options={"xatol": 1e-12},
        )
        self.top = -float(found.fun)
        self.peak = float(self._pull(np.array([found.x]))[0])

    def _pull(self, z: Array) -> Array:
        return -self._loss.derivative(np.ones_like(z), z)

    def margin(self, pull: Array) -> tuple[Array, Array]:
        """Where rows of this pull lie, and how their pull falls there with the margin."""
        z = np.interp(pull, self._table, _MARGINS)
        one = np.ones_like(z)
        for _ in range(_POLISH):
            bend = self._loss.curvature(one, z)
            z += np.divide(self._pull(z) - pull, bend, out=np.zeros_like(z), where=bend > 0.0)
        return z, self._loss.curvature(one, z)

    def hull(self, pull: Array) -> tuple[Array, Array]:
        """The largest h at a mean pull of at least this, and its slope."""
        value, slope = np.full_like(pull, self.top), np.zeros_like(pull)
        beyond = pull > self.peak
        if beyond.any():
            b = np.minimum(pull[beyond], self.most)
            z, bend = self.margin(b)
            slope[beyond] = z - b / bend
            # on along the tangent where no row gets to
            value[beyond] = b * z + slope[beyond] * (pull[beyond] - b)
        return value, slope

    def margin_of(self, pull: float) -> float:
        """Where a row of this pull lies."""
        return float(self.margin(np.array([pull]))[0][0])

    def product(self, pull: float) -> float:
        """h of a row that pulls so."""
        return pull * self.margin_of(pull)

    def pull_for(self, product: float, least: float) -> float:
        """The pull of rows with this h, of at least `least` and beyond the peak; or the nearest."""
        low = max(self.peak, min(least, self.most))
        if self.product(low) <= product:
            return low
        if self.product(self.most) >= product:
            return self.most
        return float(brentq(lambda b: self.product(b) - product, low, self.most, xtol=1e-14))
