"""The server's choice among answers: the best combination of each node's dual variables.

A node that has answered the server several times holds as many feasible sets of dual
variables ``a^0 .. a^k``, and every convex combination of them is feasible. The server
knows their moments ``v^j``, conjugate sums ``c^j`` and inner products, and chooses weights
``theta``, one point of the simplex a node, that minimise ::

    sum_l [ sum_j theta_lj c_lj - (rho/2) sum_j theta_lj ||a^j - abar||^2 ]  +  R*(V)

with ``abar`` and ``v_l`` the combined dual variables and moment. The conjugate of the loss
is rho-strongly convex, so this bounds the negative dual objective from above (it equals it
if the conjugate is a quadratic) and meets it at ``a^0``, the present state: the dual never
falls. Nodes that are absent take part with the answers they once gave.

With weights ``t_j >= 0`` of ``a^j - a^0`` and slack ``s = 1 - sum_j t_j >= 0`` an
interior-point method follows [1]_ ::

    g_j - z_j + z_0 = 0,       z_j t_j = mu,       z_0 s = mu

A loss whose dual variables have no bounds needs no limits on the weights either, and
damped Newton steps suffice.

====================  ==============================================  ===========
symbol                variable                                        shape
====================  ==============================================  ===========
v^j - v^0             ``Answers.moments``                             (m, k, d)
c^j - c^0             ``Answers.conjugates``                          (m, k)
<a^i - a^0, a^j-a^0>  ``Answers.gram``, weighted by s / c_l           (m, k, k)
====================  ==============================================  ===========

References
----------
.. [1] J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd edition, 2006, chapter 19.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import linalg

from skfedmtl._model import ExactResponse, Relationship
from skfedmtl._solvers.line_search import SUFFICIENT, SufficientFall, backtrack
from skfedmtl._typing import Array

_STEPS = 40
_TRIALS = 20  #: lengths of a step
_ENOUGH = 0.1  #: ends when no more than this share of what was gained is left to gain
_NOTHING = 1e-15  #: or when rounding hides what is left
_HIDDEN = 1e-14  #: of values, a difference that may be rounding's
_NOISE = 1e-12  #: what rounding may move a value by, as a share of it
_RIDGE_GROWTH = 100.0  #: of the ridge where the bound is no longer convex
_DAMPING_DECAY = 0.25  #: what a step that fell as promised leaves of the damping
_TO_BOUNDARY = 0.99
_SHRINK = 0.1  #: of the central path's mu in one step
_TINY = float(np.finfo(float).tiny)
_MAX_DENSE = 64  #: weights whose system is built and factored
_CG_TOL, _CG_STEPS = 1e-4, 200
_RIDGES = (1e-14, 1e-12, 1e-10, 1e-8, 1e-4)  #: tried until a scaled system is positive definite


_Product = Callable[[Array], Array]


class Answers(NamedTuple):
    """What the server knows of the answers, each relative to the node's present state."""

    moments: Array
    conjugates: Array
    gram: Array

    def change(self, t: Array, modulus: float) -> Array:
        """The bound on what the weights `t` add to every node's conjugate."""
        bend = modulus * self.gram
        linear = self.conjugates - 0.5 * np.einsum("mkk->mk", bend)
        return np.einsum("mk,mk->m", linear, t) + 0.5 * np.einsum("mj,mjk,mk->m", t, bend, t)


def combine(
    relationship: Relationship, V: Array, answers: Answers, *, modulus: float, free: bool
) -> Array:
    """Weights of the answers, one row a node.

    Parameters
    ----------
    relationship : Relationship
    V : ndarray of shape (m, d)
        Present moments.
    answers : Answers
    modulus : float
        rho, of strong convexity of the loss's conjugate.
    free : bool
        Whether the dual variables have no bounds, so that the weights need none.

    Returns
    -------
    t : ndarray of shape (m, k)
        Unless `free`, non-negative, and rows of sum at most one; zeros if nothing is gained.
    """
    mixture = _Mixture(relationship, V, answers, modulus)
    return _newton(mixture) if free else _interior_point(mixture)


def is_as_good(
    relationship: Relationship, V: Array, answers: Answers, one: Array, other: Array
) -> bool:
    """Whether rounding hides how much weights are worse than others; of losses that are linear."""
    mixture = _Mixture(relationship, V, answers, 0.0)
    values = [mixture.evaluate(t) for t in (one, other)]
    size = sum(abs(response.value) for _, response in values)
    return values[0][0] <= values[1][0] + _HIDDEN * size


class _Mixture:
    """The bound as a function of the weights."""

    def __init__(
        self, relationship: Relationship, V: Array, answers: Answers, modulus: float
    ) -> None:
        self.relationship, self.V, self.E = relationship, V, answers.moments
        self.bend = modulus * answers.gram
        self.linear = answers.conjugates - 0.5 * np.einsum("mkk->mk", self.bend)
        self.shape = self.linear.shape

    def evaluate(self, t: Array) -> tuple[float, ExactResponse]:
        """The bound at ``t`` and the response of the weights of the model."""
        response = self.relationship.respond(self.V + np.einsum("mk,mkd->md", t, self.E))
        quadratic = float(np.vdot(t, self._bent(t)))
        return float(np.vdot(self.linear, t)) + 0.5 * quadratic + response.value, response

    def gradient(self, t: Array, response: ExactResponse) -> Array:
        return self.linear + self._bent(t) + np.einsum("mkd,md->mk", self.E, response.W)

    def _bent(self, t: Array) -> Array:
        return np.einsum("mjk,mk->mj", self.bend, t)

    def own_curvature(self, response: ExactResponse) -> Array:
        """Each node's own block of the Hessian, the relationship held."""
        return self.bend + response.curvature()[:, None, None] * self.squares()

    def squares(self) -> Array:
        """Inner products of each node's moments: its block of the Hessian, were J the identity."""
        return np.einsum("mjd,mkd->mjk", self.E, self.E)

    def step(self, response: ExactResponse, more: Array, rhs: Array) -> Array:
        """Solve (bend + more + E J E') dt = rhs; `more`, (m, k, k), is positive definite."""
        blocks = self.bend + more
        if rhs.size <= _MAX_DENSE:
            return self._dense_step(response, blocks, rhs)
        inverse = _inverses(self.own_curvature(response) + more)

        def product(t: Array) -> Array:
            t = t.reshape(rhs.shape)
            dW = response.product(np.einsum("mk,mkd->md", t, self.E))
            out = np.einsum("mjk,mk->mj", blocks, t) + np.einsum("mkd,md->mk", self.E, dW)
            return out.ravel()

        def precondition(t: Array) -> Array:
            return np.einsum("mjk,mk->mj", inverse, t.reshape(rhs.shape)).ravel()

        return _conjugate_gradient(product, rhs.ravel(), precondition).reshape(rhs.shape)

    def _dense_step(self, response: ExactResponse, blocks: Array, rhs: Array) -> Array:
        m, k, d = self.E.shape
        each = np.arange(m * k)
        units = np.zeros((m * k, m, d))
        units[each, each // k] = self.E.reshape(m * k, d)
        tie = np.einsum("nmd,mkd->nmk", response.product(units), self.E).reshape(m * k, m * k)
        return _solve(0.5 * (tie + tie.T) + linalg.block_diag(*blocks), rhs.ravel()).reshape(m, k)


def _inverses(blocks: Array) -> Array:
    """About the inverses of semidefinite blocks whose rows differ in scale by many decades.

    Answers that coincide make a block singular; here it is as if they differed a little.
    """
    diagonal = np.einsum("mkk->mk", blocks)
    most = diagonal.max(axis=1, initial=0.0, keepdims=True)
    scale = 1.0 / np.sqrt(np.maximum(diagonal, 1e-100 + 1e-30 * most))
    between = scale[:, :, None] * scale[:, None, :]
    return between * np.linalg.inv(between * blocks + _RIDGES[1] * np.eye(blocks.shape[1]))


def _solve(system: Array, rhs: Array) -> Array:
    """Solve a positive definite system whose rows differ in scale by many decades."""
    diagonal = np.diag(system)
    # rounding may have left answers that all but coincide a negative square
    scale = 1.0 / np.sqrt(np.maximum(diagonal, _TINY + 1e-30 * diagonal.max()))
    system = scale[:, None] * system * scale
    for ridge in _RIDGES:
        try:
            factors = linalg.cho_factor(system + ridge * np.eye(len(rhs)), check_finite=False)
        except linalg.LinAlgError:
            continue
        return scale * linalg.cho_solve(factors, scale * rhs, check_finite=False)
    return scale * scale * rhs


def _newton(mixture: _Mixture) -> Array:
    """The least bound without limits on the weights.

    R* gains curvature where the rank of W grows, which its derivative J does not see: at V = 0
    J is zero. What a step finds missing becomes damping, a multiple of the identity added to J
    (Levenberg's method). R* has a curvature of at most 1/(2 lambda2), so that no more is ever
    missing: with such damping the system bends no less than the bound, and a step cannot fail.
    """
    t = np.zeros(mixture.shape)
    value, response = mixture.evaluate(t)
    start = value
    damping = 0.0
    ridge_share = _RIDGES[1]
    squares = mixture.squares()
    for _ in range(_STEPS):
        g = mixture.gradient(t, response)
        diagonal = np.einsum("mkk->mk", mixture.own_curvature(response))
        ridge = ridge_share * (np.abs(diagonal) + diagonal.max()) + _TINY
        more = ridge[:, :, None] * np.eye(t.shape[1]) + damping * squares
        dt = mixture.step(response, more, -g)
        promise = -float(np.vdot(g, dt))
        if not promise > _NOTHING * abs(value):
            break
        candidate = t + dt
        trial, following = mixture.evaluate(candidate)
        # convex: below its tangent only where rounding has spoilt the inner products
        if not trial >= value - promise - _NOISE * abs(value):
            ridge_share *= _RIDGE_GROWTH
            continue
        length = float(np.einsum("mj,mjk,mk->", dt, squares, dt))
        missing = damping + (2.0 * (trial - value) + promise) / max(length, _TINY)
        if trial > value - SUFFICIENT * promise:
            damping = max(missing, 2.0 * damping)
            continue
        t = candidate
        value, response = trial, following
        if promise <= _ENOUGH * (start - value):
            break
        damping = max(missing, _DAMPING_DECAY * damping)
    return t


class _Inside(NamedTuple):
    """Weights inside their simplices, and the bound there with its barriers."""

    t: Array  #: (m, k)
    s: Array  #: (m,), what the weights of a node leave of one
    bound: float
    response: ExactResponse
    mu: float  #: of the barriers

    @property
    def value(self) -> float:
        """The bound and the barriers."""
        return self.bound - self.mu * _barrier(self.t, self.s)


class _Multipliers(NamedTuple):
    """Of ``t >= 0`` and of ``s >= 0``."""

    z: Array  #: (m, k)
    z0: Array  #: (m,)


def _inside(mixture: _Mixture, t: Array, s: Array, mu: float = 0.0) -> _Inside:
    return _Inside(t, s, *mixture.evaluate(t), mu)


def _interior_point(mixture: _Mixture) -> Array:
    """The least bound over one simplex a node."""
    m, k = mixture.shape
    present = np.zeros((m, k))
    start, response = mixture.evaluate(present)
    g = mixture.gradient(present, response)
    least = _NOTHING * (abs(start) + float(np.abs(g).max()))
    now = _inside(mixture, np.full((m, k), 0.1 / k), np.full(m, 0.9))
    g = mixture.gradient(now.t, now.response)
    walls = _first_multipliers(g, least)
    for _ in range(_STEPS):
        # convex: no weights fall below the tangent plane's least value
        short = float(np.vdot(g, now.t) - np.minimum(0.0, g.min(axis=1)).sum())
        if short <= max(_ENOUGH * (start - now.bound), least):
            break
        now, walls = _central_step(mixture, now, walls, g)
        g = mixture.gradient(now.t, now.response)
    return now.t if now.bound < start else present


def _first_multipliers(g: Array, least: float) -> _Multipliers:
    z0 = np.maximum(0.0, -g.min(axis=1)) + np.abs(g).mean(axis=1) + least
    return _Multipliers(np.maximum(g + 2.0 * z0[:, None], z0[:, None]), z0)


def _central_step(
    mixture: _Mixture, now: _Inside, walls: _Multipliers, g: Array
) -> tuple[_Inside, _Multipliers]:
    """One step towards the central path's point of a smaller mu."""
    t, s = now.t, now.s
    z, z0 = walls
    mu = _SHRINK * (float(np.vdot(z, t)) + float(z0 @ s)) / (t.size + s.size)
    curvature = (z0 / s)[:, None, None] + (z / t)[:, :, None] * np.eye(t.shape[1])
    dt = mixture.step(now.response, curvature, mu / t - (mu / s)[:, None] - g)
    ds = -dt.sum(axis=1)
    height = now._replace(mu=mu).value
    trial = backtrack(
        lambda length: _inside(mixture, t + length * dt, s + length * ds, mu),
        SufficientFall(height, slope=0.0, noise=_NOISE * abs(height)).is_met,
        n_trials=_TRIALS,
        longest=min(_longest(t, dt), _longest(s, ds)),
    )
    dz = mu / t - z - z / t * dt
    dz0 = mu / s - z0 - z0 / s * ds
    length = min(_longest(z, dz), _longest(z0, dz0))
    return trial.point, _Multipliers(z + length * dz, z0 + length * dz0)


def _longest(value: Array, change: Array) -> float:
    """The longest step, at most 1, that keeps every value positive."""
    falling = change < 0.0
    if not falling.any():
        return 1.0
    return min(1.0, _TO_BOUNDARY * float((-value[falling] / change[falling]).min()))


def _barrier(t: Array, s: Array) -> float:
    return float(np.log(t).sum() + np.log(s).sum())


def _conjugate_gradient(product: _Product, rhs: Array, precondition: _Product) -> Array:
    """Solve a positive semidefinite system to ``||residual|| <= _CG_TOL ||rhs||``.

    On a singular, consistent system it finds one solution.
    """
    x = np.zeros_like(rhs)
    residual = rhs.copy()
    target = _CG_TOL * float(np.linalg.norm(rhs))
    direction = precondition(residual)
    rho = float(residual @ direction)
    for _ in range(_CG_STEPS):
        if float(np.linalg.norm(residual)) <= target:
            break
        image = product(direction)
        bend = float(direction @ image)
        if bend <= 0.0:
            break
        step = rho / bend
        x += step * direction
        residual -= step * image
        z = precondition(residual)
        following = float(residual @ z)
        direction = z + (following / rho) * direction
        rho = following
    return x
