"""Losses, their conjugates, and what the solvers need to know of them.

Conventions
-----------
With ``f`` the decision values, ``y`` the targets and ``a`` the dual variables, all of
shape (n,), every loss ``L(y, f)``, convex in ``f``, gives

===========================  =======================================================
``name``                     what the estimators' parameter ``loss`` calls it
``is_regression``            whether targets are numbers; else they are -1 and +1
``has_probabilities``        whether the mean of L is least where f is the log odds of y = +1
``kernel``                   the compiled object whose coordinate step the solver runs
``value(y, f)``              L
``derivative(y, f)``         dL/df, one subgradient where there is a kink
``curvature(y, f)``          d2L/df2, zero at a kink
``conjugate(y, a)``          L*(-a) = sup over f of ( -a f - L(y, f) ), a in the domain
``start(y)``                 dual variables to begin with
``clip(y, a)``               the nearest point of the domain
``limit(y, old, new)``       the farthest point towards ``new`` that a long step may reach
``modulus``                  of strong convexity of the conjugate, 0 if it has none
``steepness``                the size of d2L/df2, of a kink 1
``constant_curvature``       c where L is ``(c/2) (f - y)^2``, so that a node's step is the
                             solution of a linear system; else 0
``best_share(A, c, r)``      the share t of dual variables a whose bound is best: the least of
                             L*(-t a) + t^2 r in the sum of all rows, for A = sum s y a and
                             c = sum s L*(-a)
``conjugate_of_share(A,c,t)`` sum s L*(-t a) for such a share t
``most_passes``              over the rows that pay in a proximal step; 0: as many as it takes
``bounds``                   the domain of ``y a`` (of ``a`` for a regression loss)
``is_scale_free``            whether targets are classes, or L in other units a multiple of L
``linear``                   whether the conjugate is linear, so that rows rest at bounds
``sign(y)``                  what turns ``a`` into the variable of ``bounds``
``slope_at(y, f, a)``        dL/df at an optimum, where ``a`` says which side of a kink
``stiffness(y, f, a, s)``    how rows of weight ``s`` resist a change of ``f``: see below
``kappa(reach, low, high)``   how hard an injected row may pull: the most of -dL/df (f - u), for any
                             f, a target between low and high (of classes: any), |u| <= reach
``smoothed(width)``          a `SmoothLoss`, at most ``width / 8`` above
``excess``                   of a `SmoothLoss`: what it may lie above the loss smoothed
===========================  =======================================================

``stiffness`` returns ``(scale, softness)``. A row of scale ``r > 0`` answers the change
``df`` of its decision value with a change ``db`` of its weighted dual variable such that
``softness db = r df``: 1 for a smooth loss, with ``r = sqrt(s L'')``; 0 for a row on the
margin of the hinge, whose decision value cannot change. Rows of scale 0 do not respond.

``y``, ``f``, ``a`` and ``s`` are arrays of shape (n,), as is what comes back, but for
``best_share`` and the softness, which are numbers. A solver reads these members only; it never
asks which loss it has. The loss of a node is a `Loss`: it has both halves, and its dual variables
are of its domain. A smoothed one has the primal half alone and is handed beside the nodes, to what
takes a `PrimalLoss`.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, wrightomega, xlog1py, xlogy

from skfedmtl._kernels import _sdca
from skfedmtl._typing import Array

_AT_BOUND = 1e-9  #: dual variables closer than this to a bound count as resting on it


class PrimalLoss(Protocol):
    """What a proximal step, and whoever has a solution, may use; see the conventions."""

    kernel: _sdca.LossKernel
    constant_curvature: ClassVar[float]
    most_passes: ClassVar[int]

    def value(self, y: Array, f: Array) -> Array: ...
    def derivative(self, y: Array, f: Array) -> Array: ...
    def curvature(self, y: Array, f: Array) -> Array: ...
    def slope_at(self, y: Array, f: Array, a: Array) -> Array: ...
    def stiffness(self, y: Array, f: Array, a: Array, s: Array) -> tuple[Array, float]: ...


class Loss(PrimalLoss, Protocol):
    """The loss of a node: with its dual, which prices what has been found."""

    name: ClassVar[str]
    is_regression: ClassVar[bool]
    is_scale_free: ClassVar[bool]
    has_probabilities: ClassVar[bool]
    linear: ClassVar[bool]
    modulus: ClassVar[float]
    steepness: ClassVar[float]

    @property
    def bounds(self) -> tuple[float, float]: ...
    def conjugate(self, y: Array, a: Array) -> Array: ...
    def start(self, y: Array) -> Array: ...
    def clip(self, y: Array, a: Array) -> Array: ...
    def limit(self, y: Array, old: Array, new: Array) -> Array: ...
    def sign(self, y: Array) -> Array: ...
    def best_share(self, linear: float, conjugate: float, penalty: float) -> float: ...
    def conjugate_of_share(self, linear: float, conjugate: float, share: float) -> float: ...
    def kappa(self, reach: Array, low: Array, high: Array) -> Array: ...
    def smoothed(self, width: float) -> SmoothLoss: ...


class SmoothLoss(PrimalLoss, Protocol):
    """A loss with a second derivative, as a victim may have in the place of its own."""

    excess: float


class _Plain:
    """What all losses but the logistic share: they start at zero and step into the domain."""

    kernel: _sdca.LossKernel
    constant_curvature: ClassVar = 0.0
    most_passes: ClassVar = 0
    has_probabilities: ClassVar = False
    is_scale_free: ClassVar = True

    def start(self, y: Array) -> Array:
        return np.zeros_like(y)

    def limit(self: Loss, y: Array, old: Array, new: Array) -> Array:
        return self.clip(y, new)

    def best_share(self, linear: float, conjugate: float, penalty: float) -> float:
        """All, where no formula says better."""
        return 1.0

    def conjugate_of_share(self, linear: float, conjugate: float, share: float) -> float:
        return conjugate


class _Smooth(_Plain):
    """What follows from two derivatives alone."""

    linear: ClassVar = False
    excess = 0.0

    def slope_at(self: SmoothLoss, y: Array, f: Array, a: Array) -> Array:
        return self.derivative(y, f)

    def stiffness(self: SmoothLoss, y: Array, f: Array, a: Array, s: Array) -> tuple[Array, float]:
        return np.sqrt(s * self.curvature(y, f)), 1.0

    def smoothed(self: SmoothLoss, width: float) -> SmoothLoss:
        return self


class _Squared(_Smooth):
    """Losses whose conjugate is a quadratic on its domain."""

    modulus: ClassVar = 0.5
    steepness: ClassVar = 2.0

    def conjugate(self, y: Array, a: Array) -> Array:
        return a * (0.25 * a - y)

    def best_share(self, linear: float, conjugate: float, penalty: float) -> float:
        bend = conjugate + linear + penalty
        return max(0.0, 0.5 * linear / bend) if bend > 0.0 else 1.0

    def conjugate_of_share(self, linear: float, conjugate: float, share: float) -> float:
        return share * (share * (conjugate + linear) - linear)


class SquaredError(_Squared):
    """(f - y)^2, for regression."""

    name: ClassVar = "squared_error"
    is_regression: ClassVar = True
    bounds: ClassVar = (-np.inf, np.inf)
    constant_curvature: ClassVar = 2.0

    def __init__(self) -> None:
        self.kernel = _sdca.SquaredError()

    def value(self, y: Array, f: Array) -> Array:
        return np.square(f - y)

    def derivative(self, y: Array, f: Array) -> Array:
        return 2.0 * (f - y)

    def curvature(self, y: Array, f: Array) -> Array:
        return np.full_like(f, 2.0)

    def clip(self, y: Array, a: Array) -> Array:
        return a

    def sign(self, y: Array) -> Array:
        """1: the domain is the same for every target."""
        return np.ones_like(y)

    def kappa(self, reach: Array, low: Array, high: Array) -> Array:
        return 0.5 * np.square(reach + np.maximum(np.abs(low), np.abs(high)))


class Huber(_Squared):
    """r^2 of residuals r = f - y up to delta, 2 delta |r| - delta^2 of larger ones, for regression.

    Parameters
    ----------
    delta : float, default=1.0
        In units of y.
    """

    name: ClassVar = "huber"
    is_regression: ClassVar = True
    is_scale_free: ClassVar = False

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta
        self.bounds = -2.0 * delta, 2.0 * delta
        self.kernel = _sdca.Huber(delta)

    def value(self, y: Array, f: Array) -> Array:
        inside = self._inside(y, f)
        return inside * (2.0 * np.abs(f - y) - inside)

    def derivative(self, y: Array, f: Array) -> Array:
        return np.clip(2.0 * (f - y), *self.bounds)

    def curvature(self, y: Array, f: Array) -> Array:
        return np.where(np.abs(f - y) < self.delta, 2.0, 0.0)

    def clip(self, y: Array, a: Array) -> Array:
        return np.clip(a, *self.bounds)

    def sign(self, y: Array) -> Array:
        """1: the domain is the same for every target."""
        return np.ones_like(y)

    def best_share(self, linear: float, conjugate: float, penalty: float) -> float:
        """At most all: more may leave the domain."""
        return min(1.0, super().best_share(linear, conjugate, penalty))

    def kappa(self, reach: Array, low: Array, high: Array) -> Array:
        """The most of 2 r (g - r) for 0 <= r <= delta, g what a target lies off u at most."""
        gap = reach + np.maximum(np.abs(low), np.abs(high))
        r = np.minimum(0.5 * gap, self.delta)
        return 2.0 * r * (gap - r)

    def _inside(self, y: Array, f: Array) -> Array:
        return np.minimum(np.abs(f - y), self.delta)


class _Margin:
    """Losses of ``y f`` for y = -1 or +1: the domain is one of ``y a``."""

    is_regression: ClassVar = False

    def sign(self, y: Array) -> Array:
        return y


class Hinge(_Margin, _Plain):
    """max(0, 1 - y f), for y = -1 or +1."""

    name: ClassVar = "hinge"
    bounds: ClassVar = (0.0, 1.0)
    linear: ClassVar = True
    modulus: ClassVar = 0.0
    steepness: ClassVar = 1.0

    def __init__(self) -> None:
        self.kernel = _sdca.Hinge()

    def value(self, y: Array, f: Array) -> Array:
        return np.maximum(0.0, 1.0 - y * f)

    def derivative(self, y: Array, f: Array) -> Array:
        return np.where(y * f < 1.0, -y, 0.0)

    def curvature(self, y: Array, f: Array) -> Array:
        return np.zeros_like(f)

    def conjugate(self, y: Array, a: Array) -> Array:
        return -y * a

    def clip(self, y: Array, a: Array) -> Array:
        return y * np.clip(y * a, 0.0, 1.0)

    def kappa(self, reach: Array, low: Array, high: Array) -> Array:
        return 1.0 + reach

    def best_share(self, linear: float, conjugate: float, penalty: float) -> float:
        return min(1.0, 0.5 * linear / penalty) if penalty > 0.0 else 1.0

    def conjugate_of_share(self, linear: float, conjugate: float, share: float) -> float:
        return share * conjugate

    def slope_at(self, y: Array, f: Array, a: Array) -> Array:
        """-a off the margin; a row on it stays there and counts nothing."""
        return np.where(self._on_margin(y, a), 0.0, -a)

    def stiffness(self, y: Array, f: Array, a: Array, s: Array) -> tuple[Array, float]:
        return (self._on_margin(y, a) & (s > 0)).astype(float), 0.0

    def smoothed(self, width: float) -> SmoothHinge:
        return SmoothHinge(width)

    def _on_margin(self, y: Array, a: Array) -> NDArray[np.bool_]:
        b = y * a
        return (b > _AT_BOUND) & (b < 1.0 - _AT_BOUND)


class SmoothHinge(_Smooth):
    """The hinge with a parabola in the place of its kink.

    max over b in [0, 1] of b (1 - y f) - width ((b - 1/2)^2 - 1/4) / 2; the parabola lies where
    |1 - y f| < width / 2.

    Parameters
    ----------
    width : float
    """

    def __init__(self, width: float) -> None:
        self.width, self.excess = width, width / 8.0
        self.kernel = _sdca.SmoothHinge(width)

    def _dual(self, y: Array, f: Array) -> Array:
        return np.clip(0.5 + (1.0 - y * f) / self.width, 0.0, 1.0)

    def value(self, y: Array, f: Array) -> Array:
        b = self._dual(y, f)
        paid = 0.5 * self.width * np.square(b - 0.5)
        return b * (1.0 - y * f) + 0.125 * self.width - paid

    def derivative(self, y: Array, f: Array) -> Array:
        return -y * self._dual(y, f)

    def curvature(self, y: Array, f: Array) -> Array:
        b = self._dual(y, f)
        return np.where((b > 0.0) & (b < 1.0), 1.0 / self.width, 0.0)


class SquaredHinge(_Margin, _Squared):
    """max(0, 1 - y f)^2, for y = -1 or +1."""

    name: ClassVar = "squared_hinge"
    bounds: ClassVar = (0.0, np.inf)

    def __init__(self) -> None:
        self.kernel = _sdca.SquaredHinge()

    def value(self, y: Array, f: Array) -> Array:
        return np.square(np.maximum(0.0, 1.0 - y * f))

    def derivative(self, y: Array, f: Array) -> Array:
        return -2.0 * y * np.maximum(0.0, 1.0 - y * f)

    def curvature(self, y: Array, f: Array) -> Array:
        return np.where(y * f < 1.0, 2.0, 0.0)

    def kappa(self, reach: Array, low: Array, high: Array) -> Array:
        return 0.5 * np.square(1.0 + reach)

    def clip(self, y: Array, a: Array) -> Array:
        return y * np.maximum(y * a, 0.0)


class Logistic(_Margin, _Smooth):
    """log(1 + exp(-y f)), for y = -1 or +1."""

    name: ClassVar = "logistic"
    bounds: ClassVar = (0.0, 1.0)
    modulus: ClassVar = 4.0
    steepness: ClassVar = 0.25
    most_passes: ClassVar = 5
    has_probabilities: ClassVar = True
    _INSIDE = (float(np.finfo(float).tiny), 1.0 - 2.0**-53)
    _KEPT = 0.1  #: share of its distance to a bound that a row keeps in a long step

    def __init__(self) -> None:
        self.kernel = _sdca.Logistic()

    def value(self, y: Array, f: Array) -> Array:
        margin = y * f  # faster than `logaddexp`
        value: Array = np.maximum(0.0, -margin) + np.log1p(np.exp(-np.abs(margin)))
        return value

    def derivative(self, y: Array, f: Array) -> Array:
        return -y * expit(-y * f)

    def curvature(self, y: Array, f: Array) -> Array:
        tail = np.exp(-np.abs(f))
        curvature: Array = tail / np.square(1.0 + tail)
        return curvature

    def conjugate(self, y: Array, a: Array) -> Array:
        b = y * a
        return np.asarray(xlogy(b, b) + xlog1py(1.0 - b, -b), dtype=np.float64)

    def start(self, y: Array) -> Array:
        return 0.5 * y

    def clip(self, y: Array, a: Array) -> Array:
        return y * np.clip(y * a, *self._INSIDE)

    def kappa(self, reach: Array, low: Array, high: Array) -> Array:
        """W0(exp(reach - 1)), Lambert's function."""
        return np.asarray(wrightomega(reach - 1.0), dtype=np.float64)

    def limit(self, y: Array, old: Array, new: Array) -> Array:
        b = y * old
        return y * np.clip(y * new, self._KEPT * b, 1.0 - self._KEPT * (1.0 - b))


LOSSES: dict[str, type[Loss]] = {
    loss.name: loss for loss in (SquaredError, Huber, Hinge, SquaredHinge, Logistic)
}
