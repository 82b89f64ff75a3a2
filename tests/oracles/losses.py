"""One record a loss: all that tests know of it, and the only place that tells them apart by name.

With f the decision values, y the targets (-1 or +1 for a loss of classes) and a the dual variables,

    loss            L(y, f)             L*(-a) on its domain             domain
    squared_error   (f - y)^2           -y a + a^2/4                     every a
    huber           (f - y)^2           -y a + a^2/4                     -2 <= a <= 2
                    2 |f - y| - 1 where |f - y| > 1
    hinge           max(0, 1 - y f)     -y a                             0 <= y a <= 1
    squared_hinge   max(0, 1 - y f)^2   -y a + a^2/4                     0 <= y a
    logistic        log(1 + e^(-y f))   u log u + (1-u) log(1-u), u=ya   0 <= y a <= 1

The step along one coordinate maximises the gain h of `oracles.kernels`, from h'(a') = 0 by hand:

    squared_error   a' = a + (y - f - a/2) / (1/2 + q)
    huber           the same, with a' cut at -2 and 2
    squared_hinge   the same, with y a' cut at 0
    hinge           y a' = clip(y a + (1 - y f)/q, 0, 1)
    logistic        logit(u') + y f + q (u' - u) = 0, a root in t = logit(u'), monotone, found by
                    bisection
"""

from collections.abc import Callable
from typing import NamedTuple

import cvxpy as cp
import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, xlogy


class Loss(NamedTuple):
    """What tests ask of a loss in the place of its name."""

    name: str
    is_regression: bool
    is_scale_free: bool  #: whether y are classes, or L(c y, c f) = c^2 L(y, f)
    is_square: bool  #: whether it is (f - y)^2, whose steps solve normal equations
    is_smooth: bool  #: whether L' has no jump; else rows may rest on the margin y f = 1
    side: Callable | None  #: of (y, f): changes its sign where L' or L'' jumps; None: nowhere
    has_free_intercept: bool  #: or one that is the weight of a constant feature
    has_quadratic_conjugate: bool  #: or a linear one, on its domain
    has_probabilities: bool  #: whether its decision values are log-odds
    bounds: tuple[float, float]  #: of y a, of a for a regression loss
    start: float  #: y a, or a, to begin with
    value: Callable  #: L(y, f)
    slopes: Callable  #: L' and L'' at (y, f), off a kink
    conjugate: Callable  #: L*(-a) at (y, a), a in the domain
    step: Callable  #: the best new a at (y, f, a, q)
    risk: Callable  #: cvxpy's sum of share L(y, f), and the constraints that it needs

    def sign(self, y):
        """What turns `a` into the variable of `bounds`."""
        return np.ones_like(y) if self.is_regression else y

    def clip(self, y, a):
        """The nearest point of the domain."""
        sign = self.sign(y)
        return sign * np.clip(sign * a, *self.bounds)

    def targets(self, signal):
        """Legal targets: the numbers themselves, or their signs."""
        return signal if self.is_regression else np.where(signal > 0, 1.0, -1.0)

    def draw_targets(self, rng, n):
        """Random targets."""
        return rng.normal(size=n) if self.is_regression else rng.choice([-1.0, 1.0], n)

    def draw_dual(self, rng, y):
        """Random dual variables in the domain."""
        if self.is_regression:
            return self.clip(y, rng.normal(size=len(y)))
        return y * rng.random(len(y))


def _side_of_margin(y, f):
    return 1 - y * f


# -- squares ------------------------------------------------------------------------------


def _squared_error_slopes(y, f):
    return 2 * (f - y), np.full(len(y), 2.0)


def _squared_conjugate(y, a):
    return -y * a + a * a / 4


def _squared_error_step(y, f, a, q):
    return a + (y - f - a / 2) / (0.5 + q)


def _squared_error_risk(y, f, share):
    return cp.sum_squares(cp.multiply(np.sqrt(share), f - y)), []


SQUARED_ERROR = Loss(
    name="squared_error",
    is_regression=True,
    is_scale_free=True,
    is_square=True,
    is_smooth=True,
    side=None,
    has_free_intercept=True,
    has_quadratic_conjugate=True,
    has_probabilities=False,
    bounds=(-np.inf, np.inf),
    start=0.0,
    value=lambda y, f: (f - y) ** 2,
    slopes=_squared_error_slopes,
    conjugate=_squared_conjugate,
    step=_squared_error_step,
    risk=_squared_error_risk,
)


def _huber(y, f):
    """With delta = 1."""
    r = np.abs(f - y)
    return np.where(r <= 1, r**2, 2 * r - 1)


def _huber_slopes(y, f):
    r = f - y
    return 2 * np.sign(r) * np.minimum(np.abs(r), 1.0), 2.0 * (np.abs(r) < 1)


def _huber_step(y, f, a, q):
    return min(2.0, max(-2.0, _squared_error_step(y, f, a, q)))


def _huber_risk(y, f, share):
    return share @ cp.huber(f - y, 1), []


HUBER = Loss(
    name="huber",
    is_regression=True,
    is_scale_free=False,
    is_square=False,
    is_smooth=True,
    side=lambda y, f: 1 - np.abs(f - y),
    has_free_intercept=False,
    has_quadratic_conjugate=True,
    has_probabilities=False,
    bounds=(-2.0, 2.0),
    start=0.0,
    value=_huber,
    slopes=_huber_slopes,
    conjugate=_squared_conjugate,
    step=_huber_step,
    risk=_huber_risk,
)


def _squared_hinge_slopes(y, f):
    return -2 * y * np.maximum(0.0, 1 - y * f), 2.0 * (y * f < 1)


def _squared_hinge_step(y, f, a, q):
    u = y * a
    return y * max(0.0, u + (1 - y * f - u / 2) / (0.5 + q))


def _squared_hinge_risk(y, f, share):
    return cp.sum_squares(cp.multiply(np.sqrt(share), cp.pos(1 - cp.multiply(y, f)))), []


SQUARED_HINGE = Loss(
    name="squared_hinge",
    is_regression=False,
    is_scale_free=True,
    is_square=False,
    is_smooth=True,
    side=_side_of_margin,
    has_free_intercept=False,
    has_quadratic_conjugate=True,
    has_probabilities=False,
    bounds=(0.0, np.inf),
    start=0.0,
    value=lambda y, f: np.maximum(0.0, 1.0 - y * f) ** 2,
    slopes=_squared_hinge_slopes,
    conjugate=_squared_conjugate,
    step=_squared_hinge_step,
    risk=_squared_hinge_risk,
)


# -- the hinge ----------------------------------------------------------------------------


def _hinge_slopes(y, f):
    return -y * (y * f < 1), np.zeros(len(y))


def _hinge_step(y, f, a, q):
    u, margin = y * a, y * f
    if q == 0:  # h is linear: its slope is 1 - margin
        return y * (1.0 if margin < 1 else 0.0)
    return y * min(1.0, max(0.0, u + (1 - margin) / q))


def _hinge_risk(y, f, share):
    """The multipliers of the constraint are the dual variables."""
    slack = cp.Variable(len(y), nonneg=True)
    return share @ slack, [1 - cp.multiply(y, f) <= slack]


HINGE = Loss(
    name="hinge",
    is_regression=False,
    is_scale_free=True,
    is_square=False,
    is_smooth=False,
    side=_side_of_margin,
    has_free_intercept=False,
    has_quadratic_conjugate=True,
    has_probabilities=False,
    bounds=(0.0, 1.0),
    start=0.0,
    value=lambda y, f: np.maximum(0.0, 1.0 - y * f),
    slopes=_hinge_slopes,
    conjugate=lambda y, a: -y * a,
    step=_hinge_step,
    risk=_hinge_risk,
)


# -- the logistic loss --------------------------------------------------------------------


def _logistic_slopes(y, f):
    p = expit(-y * f)
    return -y * p, p * (1 - p)


def _logistic_conjugate(y, a):
    u = y * a
    return xlogy(u, u) + xlogy(1 - u, 1 - u)


def _logistic_step(y, f, a, q):
    u, margin = y * a, y * f

    def slope(t):
        return t + margin + q * (expit(t) - u)

    low, high = -margin - q * (1 - u), -margin + q * u  # slope(low) <= 0 <= slope(high)
    if low == high or slope(low) >= 0:
        root = low
    elif slope(high) <= 0:
        root = high
    else:
        root = brentq(slope, low, high, xtol=1e-15, rtol=4 * np.finfo(float).eps, maxiter=500)
    return y * min(max(expit(root), np.finfo(float).tiny), 1 - 2.0**-53)


def _logistic_risk(y, f, share):
    return share @ cp.logistic(-cp.multiply(y, f)), []


LOGISTIC = Loss(
    name="logistic",
    is_regression=False,
    is_scale_free=True,
    is_square=False,
    is_smooth=True,
    side=None,
    has_free_intercept=False,
    has_quadratic_conjugate=False,
    has_probabilities=True,
    bounds=(0.0, 1.0),
    start=0.5,
    value=lambda y, f: np.logaddexp(0.0, -y * f),
    slopes=_logistic_slopes,
    conjugate=_logistic_conjugate,
    step=_logistic_step,
    risk=_logistic_risk,
)


#: The record of each loss, by its name.
RECORD_OF = {loss.name: loss for loss in (SQUARED_ERROR, HUBER, HINGE, SQUARED_HINGE, LOGISTIC)}
LOSSES = tuple(RECORD_OF)
CLASSIFICATION_LOSSES = tuple(name for name in LOSSES if not RECORD_OF[name].is_regression)
REGRESSION_LOSSES = tuple(name for name in LOSSES if RECORD_OF[name].is_regression)
SMOOTH_LOSSES = tuple(name for name in LOSSES if RECORD_OF[name].is_smooth)
SQUARES = tuple(name for name in LOSSES if RECORD_OF[name].is_square)
