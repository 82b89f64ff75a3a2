"""The joint inequality, of all nodes, for squared error.

At the poisoned optimum W, of residuals x, the slope of the poisoned objective is zero; so is its
product with the way from any fixed (V, r) to (W, x). Of the clean rows, whose loss is a quadratic,
that product is exactly ``f(w, x) - f(v, r) + q``; an injected row adds at least ``-kappa``
(`skfedmtl.attack._bound.injection`); and R lies above its tangent by ``lambda2 ||W - V||^2`` at
least, a quadratic R by ``R(W - V)`` exactly. With theta = 1 - rho the share of the clean rows::

    sum of theta (f(w) + q(w - v)) + R(W) + R(W, V)  <=  K = sum of theta f(v) + R(V) + rho kappa(v)

Add tau times the difference of its sides, which is not negative, to the targets' losses, and take
the worst W::

    H <= tau (K - min over W of [sum of (theta - [l in T]/tau) f + theta q + R(W) + R(W, V)])

for every V and every tau > 1 / (2 theta) of the targets, below which there is no minimum. The
minimum is a weighted fit, of which a dual value will do. The right side is jointly convex in tau
and tau V: `descend` looks for the best.

Beside a common part R0 takes the place of R::

    R0(W) = min over u of lambda0 ||u||^2 + R(W - 1 u')

The proof asks no more of it than that it is convex, which the least over some variables of a convex
function is, and that it lies above its tangents by some ``mu ||W - V||^2``. Let (u, Z) be the best
parts of W and (p, Y) those of V. A slope S of R0 at W is one of R at Z, and ``1'S = 2 lambda0 u``,
so that tangents of both parts give::

    <S, W - V>  >=  R0(W) - R0(V) + lambda0 ||u - p||^2 + lambda2 ||Z - Y||^2

Both parts add up to ``W - V``, and the least that any such parts cost is
``||W - V||^2 / (1/lambda2 + m/lambda0)``, where all nodes agree. A quadratic R0 lies above its
tangents by ``R0(W - V)``, as any quadratic does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._model import CommonLearned, Learned, least_ridge
from skfedmtl._typing import Array
from skfedmtl.attack._bound.descent import Limits, search
from skfedmtl.attack._bound.fits import Fit, Start, fit_quadratic
from skfedmtl.attack._bound.injection import Pull, Pulls
from skfedmtl.attack._bound.moments import Moments, Quadratic, Reference, turn, turn_back
from skfedmtl.attack._bound.setting import Bound, Setting
from skfedmtl.attack._bound.slopes import Slopes

_ROUGH, _FINE = 1e-6, 1e-10  #: tolerances of the fits on the way, and of the last one
_LEAST_TAU, _MOST_TAU = 1e-5, 6.0  #: logarithms of tau over its limit
ROUNDS = 1e-1, 1e-2, 1e-3  #: of the descent, and how much kinks are rounded off in each
_LEANING = 0.5  #: of the stiffness of R where all singular values are alike: few of them are large
_KINK = 1e-4  #: of the largest weight: singular values below it are rounded off in slopes


class Point(NamedTuple):
    """Multiplier and reference."""

    log_tau: float  #: over the limit
    V: Array  #: (m, d) in the solver's coordinates
    residual: Array  #: (m,)


class Judged(NamedTuple):
    """The bound at a point, its slopes there, and what is lost by an unfinished fit."""

    value: float
    slope: Point
    lost: float
    rounding: float  #: what kinks that are rounded off add


class Joint:
    """The joint inequality of a setting."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.left, self.on = setting, setting.left, setting.on_targets
        self.relationship = setting.model.relationship
        self._slopes = Slopes(self.relationship)
        self.moments = Moments(setting.rows, setting.model)
        self.pull = Pull(setting.model.loss, setting.injection)
        self.limit = 0.5 / float(self.left[setting.targets].min())
        self._n_slopes = setting.rows.X.shape[1]
        self._start: Start | None = None
        self.rounded = 0.0  #: by what share of weights and targets kinks of kappa are rounded off
        self._size = 0.0

    # -- both sides -------------------------------------------------------------------------------

    def pulls(self, V: Array, residual: Array) -> tuple[Pulls, Array]:
        """kappa of the sources at V, and the intercepts of all nodes."""
        codes = self.setting.injection.codes
        b = self.moments.intercepts(V, residual)
        rounded = self.rounded * self.pull.half
        slopes = V[codes, : self._n_slopes]
        return self.pull.at(slopes, b[codes], self.rounded * self._size, rounded), b

    def known(
        self, V: Array, residual: Array, priced: tuple[float, Array] | None = None
    ) -> tuple[float, Array, Array]:
        """K, and its slopes in V and the residuals; R and its slope, unless they are `priced`."""
        moments, injection, left = self.moments, self.setting.injection, self.left
        turned = turn(self.moments.basis, V)
        pulls, _ = self.pulls(V, residual)
        value = float(left @ (moments.loss(turned) + np.square(residual)))
        penalty, by_R = priced or (self.relationship.penalty(V), self.penalty_slope(V))
        value += penalty + float(injection.share @ pulls.value)
        by_v = turn_back(self.moments.basis, left[:, None] * moments.slope(turned)) + by_R
        by_r = 2.0 * left * residual
        by_b = injection.share * pulls.by_b
        codes = injection.codes
        by_v[codes, : self._n_slopes] += injection.share[:, None] * pulls.by_v
        if moments.is_free:
            by_v[codes] -= by_b[:, None] * moments.x_mean[codes]
            by_r[codes] += by_b
        else:
            by_v[codes, self._n_slopes :] += by_b[:, None] * moments.constant
        return value, by_v, by_r

    def penalty_slope(self, V: Array) -> Array:
        """That of R, its kinks rounded off; it leads the descent and enters no bound."""
        root = _KINK * float(np.abs(V).max()) + 1e-12
        return self._slopes.at(V, root)

    def ridge(self) -> float:
        """mu of an R that is no quadratic."""
        relationship = self.relationship
        if isinstance(relationship, CommonLearned):
            lambda2, lambda0 = relationship.learned.lambda2, relationship.lambda0
            return least_ridge(lambda2, lambda0, relationship.n_nodes)
        return relationship.lambda2 if isinstance(relationship, Learned) else 0.0

    def least(self, tau: float, V: Array, residual: Array, tol: float) -> tuple[Fit, Array, float]:
        """The fit, its slopes in V and the targets' losses there."""
        moments, left, relationship = self.moments, self.left, self.relationship
        turned, a = turn(self.moments.basis, V), left - self.on / tau
        ridge = self.ridge()
        everyone = np.arange(len(V))
        reference = Reference(turned, residual, left, np.ones(len(V)))
        quadratic = moments.combine(everyone, a, ridge, [reference])
        if not relationship.is_quadratic:
            fit = fit_quadratic(quadratic, relationship, tol, self._start)
            self._start, W = fit.start, fit.W
            by_v = 2.0 * ridge * (V - W)
        else:
            half = fit_quadratic(_halved(quadratic, turned), relationship, tol, self._start)
            more = 0.5 * relationship.penalty(V)
            fit = Fit(2.0 * half.bound + more, 2.0 * half.value + more, half.W + 0.5 * V, None)
            self._start, W = half.start, fit.W
            by_v = relationship.curved(V - W, 0.0).slope
        found = turn(self.moments.basis, W)
        by_v = by_v + turn_back(
            self.moments.basis, 2.0 * left[:, None] * moments.e * (turned - found)
        )
        x = left * residual / np.maximum(a + left, 1e-300)
        damage = float(self.on @ (moments.loss(found) + np.square(x)))
        return fit, by_v, damage

    # -- the bound --------------------------------------------------------------------------------

    def judge(self, point: Point, tol: float = _FINE) -> Judged:
        """The bound at a point."""
        tau = self.limit * float(np.exp(point.log_tau))
        K, by_v, by_r = self.known(point.V, point.residual)
        fit, least_by_v, damage = self.least(tau, point.V, point.residual, tol)
        value = tau * (K - fit.bound)
        left = self.left
        total = np.maximum(2.0 * left - self.on / tau, 1e-300)
        least_by_r = 2.0 * (left - np.square(left) / total) * point.residual
        slope = Point(value - damage, tau * (by_v - least_by_v), tau * (by_r - least_by_r))
        rounding = tau * self.rounding(point.V, point.residual)
        return Judged(value, slope, tau * (fit.value - fit.bound), rounding)

    def rounding(self, V: Array, residual: Array) -> float:
        """What K would lose if no kinks were rounded off."""
        rounded, off = self.pulls(V, residual)[0].value, self.rounded
        self.rounded = 0.0
        exact = self.pulls(V, residual)[0].value
        self.rounded = off
        return float(self.setting.injection.share @ (rounded - exact))

    def stiffness(self, n_weights: int) -> float:
        """By which R bends along most ways."""
        return _LEANING * self.relationship.stiffness(n_weights)

    def units(self) -> tuple[Array, Array]:
        """Steps in weights, in the nodes' bases, and in residuals by which K bends alike."""
        injection, (m, d) = self.setting.injection, self.moments.e.shape
        pull, reach = np.zeros((2, m))
        pull[injection.codes] = injection.share
        step = injection.radii * float(np.sqrt(np.mean(np.square(injection.scale))))
        reach[injection.codes] = injection.share * np.square(step)
        bend = 2.0 * self.left[:, None] * self.moments.e + reach[:, None] + self.stiffness(d)
        return 1.0 / np.sqrt(bend), 1.0 / np.sqrt(2.0 * self.left + pull)

    def first(self) -> Point:
        """The clean rows' own fit, halved, with intercepts in the middle of the sources' range."""
        moments, setting = self.moments, self.setting
        m = len(self.left)
        everyone = np.arange(m)
        fit = fit_quadratic(moments.combine(everyone, self.left, 0.0, []), self.relationship, 1e-4)
        V, residual = 0.5 * fit.W, np.zeros(m)
        self._size = float(np.abs(V).mean())
        if moments.is_free:
            codes, injection = setting.injection.codes, setting.injection
            b = moments.intercepts(V, residual)
            residual[codes] = 0.5 * (injection.low + injection.high) - b[codes]
        return Point(0.3, V, residual)

    def descend(self, max_iter: int) -> Bound:
        """The best bound of so many steps."""
        first = self.first()
        m, d = first.V.shape
        by_V, by_r = self.units()
        size = np.sqrt(abs(self.judge(first, _ROUGH).value) / self.limit)

        def place(z: Array) -> Point:
            V = turn_back(self.moments.basis, by_V * z[1 : 1 + m * d].reshape(m, d))
            residual = first.residual + size * by_r * z[1 + m * d :]
            return Point(float(z[0]), first.V + size * V, residual)

        def judge(z: Array, rounded: float) -> tuple[float, Array, float]:
            self.rounded = rounded
            judged = self.judge(place(z), _ROUGH)
            slope = judged.slope
            up = size * by_V * turn(self.moments.basis, slope.V)
            ups = np.concatenate([[slope.log_tau], up.ravel(), size * by_r * slope.residual])
            return judged.value, ups, judged.value - judged.rounding

        limits: Limits = [(_LEAST_TAU, _MOST_TAU), *[(None, None)] * (m * d + m)]
        start = np.concatenate([[first.log_tau], np.zeros(m * d + m)])
        clock = self.setting.clock
        return self.bound(place(search(judge, start, ROUNDS, max_iter, clock, limits)))

    def untouched(self) -> Bound:
        """Where nothing is injected: the optimum's own damage, which fits know to a gap."""
        everyone = np.arange(len(self.left))
        quadratic = self.moments.combine(everyone, self.left, 0.0, [])
        fit = fit_quadratic(quadratic, self.relationship, _FINE)
        known = float(self.on @ self.moments.loss(turn(self.moments.basis, fit.W)))
        value = np.square(np.sqrt(known) + np.sqrt(max(fit.value - fit.bound, 0.0)))
        b = self.moments.intercepts(fit.W, np.zeros(len(fit.W)))
        return Bound(float(value), "T1", fit.W, b, np.array([np.inf]), float(value - known))

    def bound(self, point: Point) -> Bound:
        """Of a point, with a finished fit."""
        self._start, self.rounded = None, 0.0
        judged = self.judge(point)
        tau = self.limit * np.exp([point.log_tau])
        b = self.moments.intercepts(point.V, point.residual)
        return Bound(judged.value, "T1", point.V, b, tau, judged.lost)


def _halved(quadratic: Quadratic, turned: Array) -> Quadratic:
    """Half of it at ``D + V/2``: a quadratic ``R(W) + R(W - V)`` is ``2 R(D) + R(V)/2``."""
    a, b = quadratic.a, quadratic.b
    const = quadratic.const + float(np.sum(turned * (0.25 * a * turned - b)))
    return Quadratic(quadratic.basis, 0.5 * a, 0.5 * (b - 0.5 * a * turned), 0.5 * const)
