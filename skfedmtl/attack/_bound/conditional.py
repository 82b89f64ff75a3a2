"""The conditional inequality, of the nodes that inject nothing, for squared error; learned only.

The others N solve their own problem, given the weights w of the sources S. With any U in the place
of theirs, ``||[U; w]||_* <= ||U||_* + ||w||_*``, and ``||[A; B]||_*^2 >= ||A||_*^2 + ||B||_*^2``
(the nuclear norm is the root of a quantity of ``A'A`` that is superadditive, Minkowski's inequality
for the exponent 1/2)::

    sum over N of f(w) + q(w - u) + R(W_N) + lambda2 ||W_N - U||^2
        <=  sum over N of f(u) + R(U) + 2 lambda1 ||U||_* ||W_S||_*

t1 times the joint inequality and t2 times this one, with
``2 t2 ||U||_* ||W_S||_* <= t1 c ||W_S||_*^2 + t2^2 ||U||_*^2 / (t1 c)``, 0 < c < 1, t = t1 + t2::

    H <= t1 (K - min over S of [sum (theta - [s in T]/t1) f + theta q(. - v) + R(W_S) + ...])
         + t2 (sum f(u) + R(U)) - min over N of [sum (t - [l in T]) f + t1 q(. - v) + t2 q(. - u)
                                                  + t R(W_N) + ...]

with ``lambda1 (1 - c)`` in R over S and ``lambda1 (1 + t2 / (t1 c))`` in R(U); the dots are
``lambda2 ||. - V||^2`` and its like, times their multipliers. `cap` is what remains of it at U = 0,
t1 = 0: it holds whatever the sources inject.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._model import Learned
from skfedmtl._typing import Array
from skfedmtl.attack._bound.descent import Limits, along, search
from skfedmtl.attack._bound.fits import Fit, Start, fit_quadratic
from skfedmtl.attack._bound.joint import ROUNDS, Joint
from skfedmtl.attack._bound.moments import Quadratic, Reference, turn, turn_back
from skfedmtl.attack._bound.multipliers import Multipliers, first_multipliers, multipliers
from skfedmtl.attack._bound.norms import nuclear
from skfedmtl.attack._bound.setting import Bound

_ROUGH, _FINE = 1e-6, 1e-10  #: tolerances of the fits on the way, and of the last ones
_STEP = 8.0  #: in the x of multipliers, which hardly bend the bound
_FAR = 12.0  #: where a step in x changes nothing any more


class Pair(NamedTuple):
    """Multipliers, by their x, and references of both inequalities."""

    x: Array  #: (3,)
    V: Array  #: (m, d) in the solver's coordinates
    residual: Array  #: (m,)
    U: Array  #: (n, d) of the nodes that inject nothing


class Judged(NamedTuple):
    """The bound at a pair, its slopes there, and what is lost by unfinished fits."""

    value: float
    slope: Pair
    lost: float
    rounding: float  #: what kinks that are rounded off add


class Conditional:
    """Both inequalities of a setting.

    Parameters
    ----------
    joint : Joint
        Of the same setting.
    """

    def __init__(self, joint: Joint, relationship: Learned) -> None:
        self.joint, self.moments = joint, joint.moments
        self.lambda1, self.lambda2 = relationship.lambda1, relationship.lambda2
        m = relationship.n_nodes
        self.sources = joint.setting.injection.codes
        self.others = np.setdiff1d(np.arange(m), self.sources)
        self.on_sources = joint.on[self.sources]
        self.on_others = joint.on[self.others]
        struck = joint.left[self.sources][self.on_sources > 0.0]
        self.low = 0.5 / float(struck.min()) if len(struck) else 0.0
        self._starts: list[Start | None] = [None, None]

    @property
    def basis(self) -> Array:
        """Of the nodes that inject nothing."""
        return self.moments.basis[self.others]

    def tied(self, n_nodes: int, factor: float = 1.0) -> Learned:
        """R of some nodes, with that much of lambda1."""
        return Learned(n_nodes, factor * self.lambda1, self.lambda2)

    # -- the two minima ---------------------------------------------------------------------------

    def of_sources(self, t: Multipliers, V: Array, residual: Array, tol: float) -> Fit:
        """The fit of the sources; V in the nodes' bases."""
        S, left = self.sources, self.joint.left[self.sources]
        reference = Reference(V[S], residual[S], left, np.ones(len(S)))
        quadratic = self.moments.combine(
            S, left - self.on_sources / t.t1, self.lambda2, [reference]
        )
        fit = fit_quadratic(quadratic, self.tied(len(S), 1.0 - t.c), tol, self._starts[0])
        self._starts[0] = fit.start
        return fit

    def of_others(self, t1: float, t2: float, pair: tuple[Array, Array, Array], tol: float) -> Fit:
        """The fit of the others, over t1 + t2; V, residual and U of theirs in their bases."""
        V, residual, U = pair
        n, total = len(self.others), t1 + t2
        first, second = np.full(n, t1), np.full(n, t2)
        references = [
            Reference(V, residual, first, first),
            Reference(U, np.zeros(n), second, second),
        ]
        a = total - self.on_others
        basis, bend, tilt, const = self.moments.combine(self.others, a, self.lambda2, references)
        quadratic = Quadratic(basis, bend / total, tilt / total, const / total)
        fit = fit_quadratic(quadratic, self.tied(n), tol, self._starts[1])
        self._starts[1] = fit.start
        return fit

    # -- the bound --------------------------------------------------------------------------------

    def judge(self, pair: Pair, tol: float = _FINE) -> Judged:
        """The bound at a pair."""
        t = multipliers(pair.x, self.low, 0.5)
        t1, t2, c, by_x = t
        moments, S, N, left = self.moments, self.sources, self.others, self.joint.left
        V, r, U = turn(moments.basis, pair.V), pair.residual, turn(self.basis, pair.U)
        K, by_V, by_r = self.joint.known(pair.V, r)
        R_U = self.tied(len(N), 1.0 + t2 / (t1 * c))
        K_U = float(moments.loss(U, N).sum()) + R_U.penalty(pair.U)
        fit_S = self.of_sources(t, V, r, tol)
        fit_N = self.of_others(t1, t2, (V[N], r[N], U), tol)
        value = t1 * (K - fit_S.bound) + t2 * K_U - (t1 + t2) * fit_N.bound
        W_S, W_N = turn(moments.basis[S], fit_S.W), turn(self.basis, fit_N.W)
        bend = np.zeros_like(V)  # the slopes of both minima in V
        bend[S] = 2.0 * (left[S, None] * moments.e[S] + self.lambda2) * (V[S] - W_S)
        bend[N] = 2.0 * (moments.e[N] + self.lambda2) * (V[N] - W_N)
        by_V = t1 * (by_V - turn_back(moments.basis, bend))
        leaning = np.empty_like(r)
        totals = np.maximum(2.0 * left[S] - self.on_sources / t1, 1e-300)
        leaning[S] = left[S] - np.square(left[S]) / totals
        leaning[N] = 1.0 - t1 / (2.0 * (t1 + t2) - self.on_others)
        by_r = t1 * (by_r - 2.0 * leaning * r)
        by_U = turn_back(
            self.basis,
            moments.slope(U, N) - 2.0 * (moments.e[N] + self.lambda2) * (U - W_N),
        )
        root = 1e-4 * float(np.abs(pair.U).max()) + 1e-12
        by_U = t2 * (by_U + R_U.curved(pair.U, root).slope)
        by_t = self._by_multipliers(t, (K - fit_S.bound, K_U), fit_S.W, W_S, pair, (V, U), W_N)
        lost = t1 * (fit_S.value - fit_S.bound) + (t1 + t2) * (fit_N.value - fit_N.bound)
        rounding = t1 * self.joint.rounding(pair.V, r)
        return Judged(value, Pair(by_t @ by_x, by_V, by_r, by_U), lost, rounding)

    def _by_multipliers(
        self,
        t: Multipliers,
        gaps: tuple[float, float],
        fitted: Array,
        W_S: Array,
        pair: Pair,
        turned: tuple[Array, Array],
        W_N: Array,
    ) -> Array:
        """Slopes in t1, t2 and c, both minima held."""
        t1, t2, c, _ = t
        moments, S, N, r = self.moments, self.sources, self.others, pair.residual
        V, U = turned
        left = self.joint.left[S]
        x_S = left * r[S] / np.maximum(2.0 * left - self.on_sources / t1, 1e-300)
        x_N = t1 * r[N] / (2.0 * (t1 + t2) - self.on_others)
        struck = float(self.on_sources @ (moments.loss(W_S, S) + np.square(x_S)))
        common = float(np.sum(moments.loss(W_N, N) + np.square(x_N)))
        common += self.tied(len(N)).penalty(turn_back(self.basis, W_N))
        weight = moments.e[N] + self.lambda2
        to_V = float(np.sum(weight * np.square(W_N - V[N]))) + float(np.sum(np.square(x_N - r[N])))
        to_U = float(np.sum(weight * np.square(W_N - U))) + float(np.sum(np.square(x_N)))
        cross = self.lambda1 * nuclear(pair.U) ** 2 * t2 / (t1 * c)
        by_t1 = gaps[0] - struck / t1 - cross * t2 / t1 - common - to_V
        by_t2 = gaps[1] + cross - common - to_U
        by_c = t1 * self.lambda1 * nuclear(fitted) ** 2 - cross * t2 / c
        return np.array([by_t1, by_t2, by_c])

    def first(self) -> Pair:
        """Where the descent begins."""
        point = self.joint.first()
        N = self.others
        own = self.moments.combine(N, np.ones(len(N)), 0.0, [])
        U = fit_quadratic(own, self.tied(len(N)), 1e-4).W
        return Pair(first_multipliers(self.low, 0.5), point.V, point.residual, U)

    def descend(self, max_iter: int) -> Bound:
        """The best bound of so many steps."""
        first = self.first()
        unit = self.units(first)
        ends = np.cumsum([part.size for part in first])[:-1]
        whole, others = self.moments.basis, self.basis

        def place(z: Array) -> Pair:
            parts = zip(np.split(z, ends), unit, strict=True)
            x, V, residual, U = (one * part.reshape(one.shape) for part, one in parts)
            way = Pair(x, turn_back(whole, V), residual, turn_back(others, U))
            return Pair(*(start + step for start, step in zip(first, way, strict=True)))

        def judge(z: Array, rounded: float) -> tuple[float, Array, float]:
            self.joint.rounded = rounded
            judged = self.judge(place(z), _ROUGH)
            x, V, residual, U = judged.slope
            slope = Pair(x, turn(whole, V), residual, turn(others, U))
            up = [(one * part).ravel() for one, part in zip(unit, slope, strict=True)]
            return judged.value, np.concatenate(up), judged.value - judged.rounding

        free: Limits = [(None, None)] * (ends[-1] + first.U.size - len(first.x))
        within = [((-_FAR - x) / _STEP, (_FAR - x) / _STEP) for x in first.x]
        start = np.zeros(len(within) + len(free))
        limits, clock = [*within, *free], self.joint.setting.clock
        return self.bound(place(search(judge, start, ROUNDS, max_iter, clock, limits)))

    def units(self, first: Pair) -> Pair:
        """Steps, of weights in the nodes' bases, by which the bound bends about alike."""
        t1, t2, c, _ = multipliers(first.x, self.low, 0.5)
        size = np.sqrt(abs(self.judge(first, _ROUGH).value))
        by_V, by_r = (size / np.sqrt(t1) * one for one in self.joint.units())
        R_U = (1.0 + t2 / (t1 * c)) * self.joint.stiffness(first.V.shape[1])
        by_U = size / np.sqrt(t2 * (2.0 * self.moments.e[self.others] + R_U))
        return Pair(np.full(len(first.x), _STEP), by_V, by_r, by_U)

    def bound(self, pair: Pair) -> Bound:
        """Of a pair, with finished fits."""
        self._starts, self.joint.rounded = [None, None], 0.0
        judged = self.judge(pair)
        t = multipliers(pair.x, self.low, 0.5)
        b = self.moments.intercepts(pair.V, pair.residual)
        return Bound(judged.value, "T2", pair.V, b, np.array(t[:3]), judged.lost)

    def cap(self) -> Bound:
        """What no injection whatever exceeds, where no source is a target."""
        n, d = len(self.others), self.moments.e.shape[1]
        zeros = np.zeros((n, d)), np.zeros(n), np.zeros((n, d))
        known = float(self.moments.loss(zeros[0], self.others).sum())

        def judge(log_t: float, tol: float = _ROUGH) -> tuple[float, float]:
            t2 = 0.5 * float(np.exp(log_t))
            fit = self.of_others(0.0, t2, zeros, tol)
            return t2 * (known - fit.bound), t2 * (fit.value - fit.bound)

        best = along(lambda log_t: judge(log_t)[0], 1e-5, 4.0, self.joint.setting.clock)
        value, lost = judge(best, _FINE)
        m = len(self.joint.left)
        tau = np.array([0.0, 0.5 * np.exp(best)])
        V = np.zeros((m, d))
        return Bound(value, "cap", V, self.moments.intercepts(V, np.zeros(m)), tau, lost)
