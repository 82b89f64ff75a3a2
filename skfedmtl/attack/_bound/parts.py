"""Weighted fits with a common part that are known from below, whatever ties u and Z.

With ``w_l = u + z_l``, and w' and the like in the nodes' bases, the least over u and Z of ::

    sum of bend w'^2 - 2 tilt w' + ridge ||z||^2 + 2 pull <z, u> - 2 <lean, z>
        + bend_u ||u||^2 - 2 <lean_u, u> + const  +  R(Z)

where the quadratic is convex as a whole, though not in each of its terms. u is found by itself, so
that the splitting sees a quadratic of Z. It lies above its tangent: of any Z and its slope -V, with
R* the conjugate, the least is no less than ``const - (the squares above) - R*(V)``.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from skfedmtl._model import Learned, Proximal
from skfedmtl._solvers import Iteration
from skfedmtl._typing import Array
from skfedmtl.attack._bound.fits import Start
from skfedmtl.attack._bound.moments import turn, turn_back

_MEMORY = 5  #: of the extrapolation
_MOST = 1000  #: iterations
_EVERY = 3  #: iterations that are priced
_MARGIN = 1e-9  #: of the bend of u, by which the quadratic has to be convex


class Parts(NamedTuple):
    """The quadratic."""

    basis: Array  #: (m, d, d)
    bend: Array  #: (m, d) in the nodes' bases
    tilt: Array  #: (m, d) in the nodes' bases
    ridge: Array  #: (m,) above 0
    pull: Array  #: (m,)
    lean: Array  #: (m, d) in the solver's coordinates
    bend_u: float
    lean_u: Array  #: (d,)
    const: float

    def held(self, rho: float) -> tuple[Array, Array, Array]:
        """What Z resists ``rho/2 ||z||^2`` more with, what ties it to u, and what u is left."""
        own = self.bend + self.ridge[:, None] + 0.5 * rho
        tie = self.bend + self.pull[:, None]
        return own, tie, self.of_u(self.bend - np.square(tie) / own)

    def of_u(self, bend: Array) -> Array:
        """What bends in u, (d, d), where every node adds that much in its basis."""
        flat = np.concatenate(list(self.basis), axis=1)
        whole: Array = (flat * bend.ravel()) @ flat.T
        return whole + self.bend_u * np.eye(len(whole))

    @property
    def is_convex(self) -> bool:
        """By a margin that rounding does not reach."""
        _, _, left = self.held(0.0)
        most = float(np.abs(self.bend).sum(axis=0).max()) + abs(self.bend_u)
        return bool(np.linalg.eigvalsh(left)[0] > _MARGIN * most)

    def best_u(self, factor: tuple[Array, bool], Z: Array) -> Array:
        """u where Z is held."""
        own = turn_back(self.basis, self.tilt - self.bend * turn(self.basis, Z))
        towards = self.lean_u + (own - self.pull[:, None] * Z).sum(axis=0)
        return np.asarray(linalg.cho_solve(factor, towards))

    def slope(self, u: Array, Z: Array) -> Array:
        """Half of that in Z, (m, d)."""
        bent = turn_back(self.basis, self.bend * turn(self.basis, Z + u) - self.tilt)
        return bent + self.ridge[:, None] * Z + self.pull[:, None] * u - self.lean

    def squares(self, u: Array, Z: Array) -> float:
        """All that is of second order."""
        total = float(np.sum(self.bend * np.square(turn(self.basis, Z + u))))
        total += float(self.ridge @ np.square(Z).sum(axis=1)) + 2.0 * float(self.pull @ (Z @ u))
        return total + self.bend_u * float(u @ u)

    def value(self, u: Array, Z: Array) -> float:
        """All of it."""
        first = float(np.sum(self.tilt * turn(self.basis, Z + u))) + float(np.vdot(self.lean, Z))
        return self.squares(u, Z) - 2.0 * (first + float(self.lean_u @ u)) + self.const


class Apart:
    """R of two groups of nodes, each by itself."""

    own_rho: float | None = None

    def __init__(self, groups: list[tuple[NDArray[np.int64], Learned]]) -> None:
        self._groups = groups

    def proximal(self, T: Array, rho: float, close: float = 0.0) -> Proximal:
        """Of each."""
        W, penalty = np.empty_like(T), 0.0
        for nodes, tied in self._groups:
            W[nodes], more = tied.proximal(T[nodes], rho)
            penalty += more
        return Proximal(W, penalty)

    def conjugate(self, V: Array) -> float:
        """R*(V)."""
        return sum(tied.conjugate(V[nodes]) for nodes, tied in self._groups)


class PartsFit(NamedTuple):
    """A fit, and what is certain of it."""

    bound: float  #: the minimum is not below this,
    value: float  #: and not above that
    u: Array
    Z: Array
    start: Start | None


def fit_parts(parts: Parts, tied: Apart, tol: float, start: Start | None = None) -> PartsFit:
    """Of a convex quadratic; stops at a gap of `tol` times the size of what is summed."""
    basis, both = parts.basis, parts.tilt + turn(parts.basis, parts.lean)
    if start is None:
        rho = 2.0 * float(parts.bend.mean() + parts.ridge.mean())
        start = Start(np.zeros_like(both), rho)
    at = Iteration(cast(Any, tied), *start, 0, _MEMORY)
    held_u = linalg.cho_factor(parts.of_u(parts.bend))
    rho, held = -1.0, None
    bound, value, best = -np.inf, np.inf, (parts.lean_u, np.zeros_like(both))
    for count in range(_MOST):
        known = at.proximal()
        if held is None or at.rho != rho:
            rho = at.rho
            own, tie, left = parts.held(rho)
            held = own, tie, linalg.cho_factor(left)
        own, tie, factor = held
        towards = both + 0.5 * rho * turn(basis, 2.0 * known.W - at.T)
        rest = turn_back(basis, parts.tilt - tie * towards / own).sum(axis=0)
        u = linalg.cho_solve(factor, parts.lean_u + rest)
        Z = turn_back(basis, (towards - tie * (u @ basis)) / own)
        if count % _EVERY == 0:
            u = parts.best_u(held_u, Z)
            V = -2.0 * parts.slope(u, Z)
            squares = parts.squares(u, Z)
            bound = max(bound, parts.const - squares - tied.conjugate(V))
            u = parts.best_u(held_u, known.W)
            price = parts.value(u, known.W) + known.penalty
            if price < value:
                value, best = price, (u, known.W)
            if value - bound <= tol * (abs(squares) + abs(value - parts.const)):
                break
        else:
            V = -2.0 * parts.slope(u, Z)
        at.advance(known.W, V, Z - known.W)
        if at.is_lost:
            break
    last = None if at.is_lost else Start(at.T, at.rho)
    return PartsFit(bound, value, *best, last)
