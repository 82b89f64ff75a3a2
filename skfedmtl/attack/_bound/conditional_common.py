"""The conditional inequality beside a common part, for squared error and a learned relationship.

The nodes N that inject nothing, and u, are the best for the objective with the weights w of the
sources S held. Move u to ``u - b D``, ``D = u - p``, and the others' weights to any U, so that
``Z_N`` becomes ``U - 1 p' - (1 - b) 1 D'`` and ``Z_S`` becomes ``Z_S + b 1 D'``: both by a matrix
of rank one, together of the norm ``g ||D||``, ``g^2 = |N| (1 - b)^2 + |S| b^2``. The slope along
that way is zero. A convex term lies above its tangent there, f by q exactly; the nuclear norm is
subadditive, its square superadditive over groups of nodes. With ``a = ||U - 1 p'||_*`` and Z' the
new Z::

    sum over N of f(w) - f(u) + q(w - u) + 2 b lambda0 <u, D> + 2 lambda2 <Z, Z - Z'>
        + lambda1 ||Z_N||_*^2
        <=  lambda1 ((a + g ||D||)^2 + 2 ||Z_S||_* (a + g ||D||))

for all U, p and b. t1 times the joint inequality (of any parts ``(v, Y)`` of its reference) and t2
times this one, ``k = 1 + t2 / (t1 c)``, 0 < c < 1, and every s > 0::

    t2 2 ||Z_S||_* x <= t1 c ||Z_S||_*^2 + t2 (k - 1) x^2,   x = a + g ||D||,
    x^2 <= (1 + s) a^2 + (1 + 1/s) g^2 ||D||^2

    H <= t1 K + t2 (sum over N of f(u) + lambda1 k (1 + s) a^2) - min over u and Z of
         [t1 (sum of theta (f + q) + lambda0 (||u||^2 + ||u - v||^2)
              + lambda2 (||Z||^2 + ||Z - Y||^2)
              + lambda1 (1 - c) ||Z_S||_*^2 + lambda1 ||Z_N||_*^2) - sum over T of f
          + t2 (its left side) - t2 lambda1 k (1 + 1/s) g^2 ||D||^2]

The last term bends down: where the rest does not outweigh it, there is no minimum, and no bound is
said. What a norm is worth in that, some share of ``||Z||_*^2 >= ||Z||_F^2`` each of S and N, is
chosen like the multipliers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import CommonLearned, Learned
from skfedmtl._typing import Array
from skfedmtl.attack._bound.descent import Limits, search
from skfedmtl.attack._bound.fits import Start, fit_quadratic
from skfedmtl.attack._bound.joint import ROUNDS, Joint
from skfedmtl.attack._bound.moments import Reference, turn, turn_back
from skfedmtl.attack._bound.multipliers import multipliers
from skfedmtl.attack._bound.norms import nuclear
from skfedmtl.attack._bound.parts import Apart, Parts, PartsFit, fit_parts
from skfedmtl.attack._bound.setting import Bound

_ROUGH, _FINE = 1e-6, 1e-10  #: tolerances of the fits on the way, and of the last one
_FAR = 12.0  #: where a step in x changes nothing any more
_STEP = 3.0  #: in x
_WALL = 10.0  #: times the first bound, where there is none
_AWAY = 0.1  #: times the first bound and the rounding of kinks: what the edge weighs
_DIFFERENCE = 1e-5
_KINK = 1e-4  #: of the largest weight: singular values below it are rounded off in slopes

#: Where descents may begin: t1, t2, c, s, b and the shares of norms of S and N. The last is next to
#: the joint inequality alone, and is always convex.
_STARTS = (
    (0.5, 0.3, 0.9, 30.0, 0.5, 0.9, 0.99),
    (0.5, 0.1, 0.5, 30.0, 0.5, 0.99, 0.99),
    (0.5, 0.3, 0.9, 1e-2, 0.5, 0.1, 0.01),
    (0.6, 1e-6, 0.5, 30.0, 0.5, 0.1, 0.1),
)


class Numbers(NamedTuple):
    """What the inequalities are summed with, and what a step in x changes in them."""

    t1: float
    t2: float
    c: float
    s: float
    b: float
    on_S: float  #: shares of norms
    on_N: float
    by_x: Array  #: (7, 7)


class Pair(NamedTuple):
    """Numbers, by their x, and references of both inequalities."""

    x: Array  #: (7,)
    v: Array  #: (d,) the common part of the reference of the joint one,
    Y: Array  #: (m, d) and the rest
    residual: Array  #: (m,)
    U: Array  #: (n, d) of the nodes that inject nothing
    p: Array  #: (d,)


class Judged(NamedTuple):
    """The bound at a pair, its slopes there, and what is lost by an unfinished fit."""

    value: float
    slope: Pair
    lost: float
    rounding: float  #: what kinks that are rounded off add


class ConditionalCommon:
    """Both inequalities of a setting.

    Parameters
    ----------
    joint : Joint
        Of the same setting.
    relationship : CommonLearned
    """

    def __init__(self, joint: Joint, relationship: CommonLearned) -> None:
        self.joint, self.moments = joint, joint.moments
        self.lambda0 = relationship.lambda0
        tied = relationship.learned
        self.lambda1, self.lambda2 = tied.lambda1, tied.lambda2
        m = relationship.n_nodes
        self.sources = joint.setting.injection.codes
        self.others = np.setdiff1d(np.arange(m), self.sources)
        self.is_other = np.isin(np.arange(m), self.others).astype(np.float64)
        struck = joint.left[self.sources][joint.on[self.sources] > 0.0]
        self.low = 0.5 / float(struck.min()) if len(struck) else 0.0
        self._start: Start | None = None

    # -- numbers ----------------------------------------------------------------------------------

    def numbers(self, x: Array) -> Numbers:
        """Of any x."""
        t = multipliers(x[:3], self.low, 0.5)
        by_x = np.zeros((7, 7))
        by_x[:3, :3] = t.by_x
        s = float(np.exp(np.clip(x[3], -30.0, 30.0)))
        shares = 1.0 / (1.0 + np.exp(-np.clip(x[4:], -30.0, 30.0)))
        by_x[3, 3] = s
        by_x[[4, 5, 6], [4, 5, 6]] = shares * (1.0 - shares)
        b, on_S, on_N = map(float, shares)
        return Numbers(t.t1, t.t2, t.c, s, b, on_S, on_N, by_x)

    def x_of(self, start: tuple[float, ...]) -> Array:
        """About."""
        t1, t2, c, s, *shares = start
        low = np.log(max(t1 - self.low, 0.1)), np.log(t2)
        return np.array([*low, _logit(c), np.log(s), *map(_logit, shares)])

    def spread(self, at: Numbers) -> float:
        """``g^2``."""
        return len(self.others) * (1.0 - at.b) ** 2 + len(self.sources) * at.b**2

    def charge(self, at: Numbers) -> float:
        """Of ``x^2``, in the two inequalities."""
        return self.lambda1 * at.t2 * (1.0 + at.t2 / (at.t1 * at.c))

    def down(self, at: Numbers) -> float:
        """By how much ``||D||^2`` is counted down."""
        return self.charge(at) * (1.0 + 1.0 / at.s) * self.spread(at)

    def up(self, at: Numbers) -> float:
        """What ``a^2`` costs."""
        return self.charge(at) * (1.0 + at.s)

    def held_back(self, at: Numbers) -> float:
        """What lambda0 charges of ``<u, D>``, halved."""
        return at.t2 * at.b * self.lambda0

    def norms(self, at: Numbers) -> tuple[float, float]:
        """What is charged of the norms of S and N."""
        return self.lambda1 * at.t1 * (1.0 - at.c), self.lambda1 * (at.t1 + at.t2)

    # -- the minimum ------------------------------------------------------------------------------

    def bends(self, at: Numbers) -> tuple[Array, Array, Array, float]:
        """All that is of second order: of w, of Z, of both Z and u, and of u."""
        t1, t2, other = at.t1, at.t2, self.is_other
        weight = 2.0 * (t1 * self.joint.left + t2 * other) - self.joint.on
        on_S, on_N = self.norms(at)
        norm = np.where(other > 0.0, at.on_N * on_N, at.on_S * on_S)
        ridge = (t1 + 2.0 * t2 * other) * self.lambda2 + norm
        bend_u = 2.0 * (t1 * self.lambda0 + self.held_back(at)) - self.down(at)
        return weight[:, None] * self.moments.e, ridge, t2 * self.lambda2 * (other - at.b), bend_u

    def parts(self, at: Numbers, pair: Pair) -> tuple[Parts, Apart]:
        """What is minimised."""
        t1, t2, b, m = at.t1, at.t2, at.b, len(pair.Y)
        S, N, moments = self.sources, self.others, self.moments
        lambda0, lambda2, U = self.lambda0, self.lambda2, _placed(pair, N)
        first, second = t1 * self.joint.left, t2 * self.is_other
        V = turn(moments.basis, pair.v + pair.Y)
        references = [
            Reference(V, pair.residual, first, first),
            Reference(turn(moments.basis, U), np.zeros(m), second, second),
        ]
        own = moments.combine(np.arange(m), first + second - self.joint.on, 0.0, references)
        bend, ridge, pull, bend_u = self.bends(at)
        down, (on_S, on_N) = self.down(at), self.norms(at)
        sizes = lambda2 * float(np.sum(np.square(pair.Y))) + lambda0 * float(pair.v @ pair.v)
        parts = Parts(
            own.basis,
            bend,
            own.b,
            ridge,
            pull,
            t1 * lambda2 * pair.Y + t2 * lambda2 * (U - b * pair.p),
            bend_u,
            t1 * lambda0 * pair.v + (self.held_back(at) - down) * pair.p,
            own.const + t1 * sizes - down * float(pair.p @ pair.p),
        )
        groups = [
            (S, Learned(len(S), (1.0 - at.on_S) * on_S, t1 * lambda2)),
            (N, Learned(len(N), (1.0 - at.on_N) * on_N, t1 * lambda2)),
        ]
        return parts, Apart(groups)

    # -- the bound --------------------------------------------------------------------------------

    def judge(self, pair: Pair, tol: float = _FINE) -> Judged | None:
        """The bound at a pair; None where there is no minimum."""
        at = self.numbers(pair.x)
        parts, tied = self.parts(at, pair)
        if not parts.is_convex:
            return None
        fit = fit_parts(parts, tied, tol, self._start)
        self._start = fit.start
        moments, N, V = self.moments, self.others, pair.v + pair.Y
        norms = Learned(len(pair.Y), self.lambda1, self.lambda2)
        price = self.lambda0 * float(pair.v @ pair.v) + norms.penalty(pair.Y)
        K, by_V, by_r = self.joint.known(V, pair.residual, (price, np.zeros_like(V)))
        apart = pair.U - pair.p
        far = nuclear(apart) ** 2
        f_U = float(moments.loss(turn(moments.basis[N], pair.U), N).sum())
        value = at.t1 * K + at.t2 * f_U + self.up(at) * far - fit.bound
        by_x = self._by_numbers(at, pair, fit, (K, f_U, far)) @ at.by_x
        slope = self._by_references(at, pair, fit, (by_V, by_r))
        rounding = at.t1 * self.joint.rounding(V, pair.residual)
        return Judged(value, slope._replace(x=by_x), fit.value - fit.bound, rounding)

    def _by_references(
        self, at: Numbers, pair: Pair, fit: PartsFit, known: tuple[Array, Array]
    ) -> Pair:
        """Slopes in the references, the minimum held."""
        t1, t2, b, N, basis = at.t1, at.t2, at.b, self.others, self.moments.basis
        left, e, lambda2 = self.joint.left, self.moments.e, self.lambda2
        by_V, by_r = known
        W = turn(basis, fit.u + fit.Z)
        V, U = turn(basis, pair.v + pair.Y), turn(basis[N], pair.U)
        by_V = t1 * (by_V - turn_back(basis, 2.0 * left[:, None] * e * (V - W)))
        root = _KINK * float(np.abs(pair.Y).max()) + 1e-12
        own = Learned(len(V), self.lambda1, lambda2).curved(pair.Y, root).slope
        by_Y = by_V + t1 * (own + 2.0 * lambda2 * (fit.Z - pair.Y))
        by_v = by_V.sum(axis=0) + 2.0 * t1 * self.lambda0 * fit.u
        total = 2.0 * (t1 * left + t2 * self.is_other) - self.joint.on
        first = t1 * left
        by_r = t1 * by_r - 2.0 * (first - np.square(first) / np.maximum(total, 1e-300)) * (
            pair.residual
        )
        root = _KINK * float(np.abs(pair.U).max()) + 1e-12
        away = self.up(at) * Learned(len(U), 1.0, 0.0).curved(pair.U - pair.p, root).slope
        bent = turn_back(basis[N], self.moments.slope(U, N) - 2.0 * e[N] * (U - W[N]))
        by_U = t2 * (bent + 2.0 * lambda2 * fit.Z[N]) + away
        by_p = 2.0 * t2 * b * (self.lambda0 * fit.u - lambda2 * fit.Z.sum(axis=0))
        by_p = by_p - 2.0 * self.down(at) * (fit.u - pair.p) - away.sum(axis=0)
        return Pair(pair.x, by_v, by_Y, by_r, by_U, by_p)

    def _by_numbers(
        self, at: Numbers, pair: Pair, fit: PartsFit, known: tuple[float, float, float]
    ) -> Array:
        """Slopes in the numbers, the minimum held."""
        t1, t2, c, s, b, on_S, on_N, _ = at
        K, f_U, far = known
        u, Z, S, N, basis = fit.u, fit.Z, self.sources, self.others, self.moments.basis
        lambda0, lambda1, lambda2 = self.lambda0, self.lambda1, self.lambda2
        left, e, r = self.joint.left, self.moments.e, pair.residual
        total = 2.0 * (t1 * left + t2 * self.is_other) - self.joint.on
        x = t1 * left * r / np.maximum(total, 1e-300)
        W, V, U = (turn(basis, one) for one in (u + Z, pair.v + pair.Y, _placed(pair, N)))
        f, D = self.moments.loss(W) + np.square(x), u - pair.p
        q_V = np.sum(e * np.square(W - V), axis=1) + np.square(x - r)
        q_U = np.sum(e * np.square(W - U), axis=1) + np.square(x)
        near = np.square(u).sum() + np.square(u - pair.v).sum()
        apart = np.square(Z).sum() + np.square(Z - pair.Y).sum()
        joint = K - left @ (f + q_V) - lambda0 * near - lambda2 * apart
        moved = (Z[N] - (pair.U - pair.p) + (1.0 - b) * D, -b * D + np.zeros_like(Z[S]))
        turned = np.vdot(Z[N], moved[0]) + np.vdot(Z[S], moved[1])
        other = f_U - (f + q_U)[N].sum() - 2.0 * b * lambda0 * u @ D - 2.0 * lambda2 * turned
        norms = [nuclear(Z[nodes]) ** 2 for nodes in (S, N)]
        squares = [float(np.square(Z[nodes]).sum()) for nodes in (S, N)]
        n_S, n_N = (
            share * two + (1.0 - share) * one
            for share, one, two in zip((on_S, on_N), norms, squares, strict=True)
        )
        size, g = float(D @ D), self.spread(at)
        x2 = (1.0 + s) * far + (1.0 + 1.0 / s) * g * size
        charge, ratio = self.charge(at), t2 / (t1 * c)
        by_b = 2.0 * t2 * (lambda2 * Z.sum(axis=0) - lambda0 * u) @ D
        by_g = charge * (1.0 + 1.0 / s) * size
        return np.array(
            [
                joint - lambda1 * (ratio * t2 / t1 * x2 + (1.0 - c) * n_S + n_N),
                other + lambda1 * ((1.0 + 2.0 * ratio) * x2 - n_N),
                lambda1 * (t1 * n_S - ratio * t2 / c * x2),
                charge * (far - g * size / s**2),
                by_b + 2.0 * by_g * (len(S) * b - len(N) * (1.0 - b)),
                lambda1 * t1 * (1.0 - c) * (norms[0] - squares[0]),
                lambda1 * (t1 + t2) * (norms[1] - squares[1]),
            ]
        )

    # -- the descent ------------------------------------------------------------------------------

    def first(self, joint: Bound) -> Pair | None:
        """The lowest of some, beside where the joint inequality alone was; None if of none."""
        V, N, d = joint.V, self.others, joint.V.shape[1]
        v = self.joint.relationship.common_part(V)
        v = np.zeros(d) if v is None else v
        residual = joint.intercepts - self.moments.intercepts(V, np.zeros(len(V)))
        residual = np.where(self.is_other > 0.0, 0.0, residual)
        own = self.moments.combine(N, np.ones(len(N)), 0.0, [])
        U = fit_quadratic(own, Learned(len(N), self.lambda1, self.lambda2), 1e-4).W
        p = U.mean(axis=0)
        best, least = None, np.inf
        for start in _STARTS:
            far = start[3] < 1.0
            pair = Pair(
                self.x_of(start), v, V - v, residual, U if far else np.tile(p, (len(N), 1)), p
            )
            self._start = None
            judged = self.judge(pair, _ROUGH)
            if judged is not None and judged.value < least:
                best, least = pair, judged.value
        return best

    def descend(self, max_iter: int, joint: Bound) -> Bound | None:
        """The best bound of so many steps; None where there is none to begin with.

        Parameters
        ----------
        max_iter : int
        joint : Bound
            Of the joint inequality.
        """
        first = self.first(joint)
        if first is None:
            return None
        unit = self.units(first)
        ends = np.cumsum([part.size for part in first])[:-1]
        bases = self.moments.basis, self.moments.basis[self.others]
        judged = self.judge(first, _ROUGH)
        assert judged is not None
        first_value = judged.value
        wall = _WALL * first_value

        def place(z: Array) -> Pair:
            parts = zip(np.split(z, ends), unit, strict=True)
            way = Pair(*(one * part.reshape(one.shape) for part, one in parts))
            way = way._replace(Y=turn_back(bases[0], way.Y), U=turn_back(bases[1], way.U))
            return Pair(*(start + step for start, step in zip(first, way, strict=True)))

        def judge(z: Array, rounded: float) -> tuple[float, Array, float]:
            self.joint.rounded = rounded
            judged = self.judge(place(z), _ROUGH)
            if judged is None:
                return wall, np.zeros_like(z), np.inf
            slope = judged.slope
            slope = slope._replace(Y=turn(bases[0], slope.Y), U=turn(bases[1], slope.U))
            edge, by_x = self.edge(place(z))
            weight = _AWAY * rounded * first_value
            slope = slope._replace(x=slope.x + weight * by_x)
            up = [(one * part).ravel() for one, part in zip(unit, slope, strict=True)]
            exact = judged.value - judged.rounding
            return judged.value + weight * edge, np.concatenate(up), exact

        start = np.zeros(ends[-1] + first.p.size)
        within: Limits = [(-_FAR - x, _FAR - x) for x in first.x]
        limits: Limits = [*within, *[(None, None)] * (len(start) - len(first.x))]
        clock = self.joint.setting.clock
        return self.bound(place(search(judge, start, ROUNDS, max_iter, clock, limits)))

    def edge(self, pair: Pair) -> tuple[float, Array]:
        """What keeps a descent where there is a minimum, and its slope in x."""
        parts, _ = self.parts(self.numbers(pair.x), pair)
        bend, d = parts.held(0.0)[2], len(pair.p)
        inverse = np.linalg.inv(bend)
        weight = np.sum((inverse @ parts.basis) * parts.basis, axis=1)

        def at(x: Array) -> float:
            bend, ridge, pull, bend_u = self.bends(self.numbers(x))
            left = bend - np.square(bend + pull[:, None]) / (bend + ridge[:, None])
            return float(np.sum(weight * left)) + bend_u * float(np.trace(inverse))

        steps = _DIFFERENCE * np.eye(len(pair.x))
        slope = [(at(pair.x + step) - at(pair.x - step)) / (2.0 * _DIFFERENCE) for step in steps]
        return -float(np.linalg.slogdet(bend)[1]) / d, -np.array(slope) / d

    def units(self, first: Pair) -> Pair:
        """Steps, of weights in the nodes' bases, by which the bound bends about alike."""
        at = self.numbers(first.x)
        judged = self.judge(first, _ROUGH)
        assert judged is not None
        size = np.sqrt(abs(judged.value))
        by_Y, by_r = (size / np.sqrt(at.t1) * one for one in self.joint.units())
        by_r = np.where(self.is_other > 0.0, 0.0, by_r)
        d = first.Y.shape[1]
        e = self.moments.e
        bend = 2.0 * float((self.joint.left[:, None] * e).sum()) / d
        by_v = size / np.sqrt(at.t1 * (bend + 2.0 * self.lambda0)) * np.ones(d)
        by_U = size / np.sqrt(2.0 * at.t2 * (e[self.others] + self.joint.stiffness(d)))
        return Pair(np.full(7, _STEP), by_v, by_Y, by_r, by_U, by_v)

    def bound(self, pair: Pair) -> Bound:
        """Of a pair, with a finished fit."""
        self._start, self.joint.rounded = None, 0.0
        judged = self.judge(pair)
        assert judged is not None
        V = pair.v + pair.Y
        b = self.moments.intercepts(V, pair.residual)
        at = self.numbers(pair.x)
        return Bound(judged.value, "T2", V, b, np.array([at.t1, at.t2, at.c]), judged.lost)


def _logit(share: float) -> float:
    return float(np.log(share / (1.0 - share)))


def _placed(pair: Pair, N: NDArray[np.int64]) -> Array:
    """U among all nodes."""
    U = np.zeros_like(pair.Y)
    U[N] = pair.U
    return U
