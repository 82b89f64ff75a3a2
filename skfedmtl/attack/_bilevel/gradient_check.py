"""The attack's gradient against finite differences of the refitted victim."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch

from skfedmtl._protocol import Moved
from skfedmtl._solvers import Follower, Solved
from skfedmtl._typing import Array
from skfedmtl.attack._bilevel.lower_level import Bilevel

CHECK_TOL = 1e-13  #: of every victim: as near as rounding allows
_MOST = 500  #: iterations that follow
_SHARPENING = 4  #: Newton steps, each of which doubles the digits
_SIZES = (1e-3, 1e-4, 1e-5)  #: of differences, in units of the rows' radius
_AGREED = 1e-6  #: of a difference: no smaller size is tried where half of one moves it by less
#: what a smaller size must leave of that: of a bend, it leaves a ten-thousandth
_BETTER = 0.1
_NOTHING = 1e-8  #: of H, by which a radius must move it to be told from the rounding of victims
#: weights of central differences of the fourth order, by distances in halves of the size: at the
#: size itself, and at half of it
_WHOLE, _HALF = {2: 8 / 12, 4: -1 / 12}, {1: 16 / 12, 2: -2 / 12}
_SPREAD = 0.05  #: how far from the start, in the same units, the points lie


class ExactBilevel(Bilevel):
    """H through victims whose weights are exact.

    Beside a small lambda2 weights may be off by far more than the root of a gap that rounding
    allows. The residual of the splitting knows better: it goes on from what the gap has led to.
    Nodes that nothing ties have no such residual, and Newton's method each.
    """

    def _begin(self, W: Array) -> None:
        super()._begin(W)
        nodes, relationship = self._problem.nodes, self._problem.server.relationship
        self._follower = Follower(relationship, nodes, nodes.loss, W)

    def _solve(self, moved: Moved) -> Solved:
        solved, follower = super()._solve(moved), self._follower
        untied = self._problem.server.relationship.own_rho is not None
        if untied and not self._problem.nodes.loss.linear:
            return self._sharpened(solved)
        follower.place(solved.T, solved.alpha, solved.rho, moved)
        exact = follower.solve(CHECK_TOL, _MOST, self._rng)
        return exact if follower.is_near else solved

    def _sharpened(self, solved: Solved) -> Solved:
        """After Newton steps of every node on its own."""
        nodes, rho = self._problem.nodes, solved.rho
        loss = nodes.loss
        W = solved.W
        ridge = rho * np.eye(W.shape[1])
        for _ in range(_SHARPENING):
            f = nodes.margins(W)
            slope = rho * W + nodes.moments_of(loss.derivative(nodes.y, f))
            hessian = ridge + nodes.hessians(nodes.weight * loss.curvature(nodes.y, f))
            W = W - np.linalg.solve(hessian, slope[:, :, None])[:, :, 0]
        alpha = loss.clip(nodes.y, -loss.derivative(nodes.y, nodes.margins(W)))
        nodes.alpha = np.where(nodes.weight > 0.0, alpha, 0.0)
        return Solved.at(nodes, W, rho)


def compare(
    game: Bilevel,
    start: Array,
    radius: Array,
    kind: str,
    n_points: int,
    rng: np.random.Generator,
) -> Bunch:
    """Slopes along random directions at random points near the start, both ways."""
    slopes, found, least = [], [], np.inf
    unit = np.where(radius > 0.0, radius, 1.0)[:, None] / np.sqrt(start.shape[1])
    for _ in range(n_points):
        point = start + _SPREAD * unit * rng.normal(size=start.shape)
        direction = unit * rng.normal(size=start.shape)
        direction /= np.sqrt(len(start))
        least = min(least, abs(game.value(point)))
        slopes.append(float(np.vdot(game.gradient(kind), direction)))
        found.append(_difference(game, point, direction))
    slope, difference = np.array(slopes), np.array([one.slope for one in found])
    kink = np.array([not one.is_smooth for one in found])
    return Bunch(
        **_agreement(slope[~kink], difference[~kink], _NOTHING * least),
        gradient=slope,
        finite_differences=difference,
        kink=kink,
    )


class _Difference(NamedTuple):
    """A slope by differences."""

    slope: float
    doubt: float  #: how far differences at half the size are from it
    is_smooth: bool  #: whether there is no kink on the way


def _difference(game: Bilevel, point: Array, direction: Array) -> _Difference:
    """At the longest size without a kink that agrees with half of it.

    What bends makes long differences wrong, the rounding of victims short ones: smaller sizes are
    tried as long as they agree far better. With a kink at all of them, the shortest.
    """
    here, best = game.signature(), None
    for size in _SIZES:
        found = _at_size(game, point, direction, size, here)
        if best is not None and not (found.is_smooth and found.doubt < _BETTER * best.doubt):
            break
        if found.is_smooth:
            best = found
            if found.doubt <= _AGREED * abs(found.slope):
                break
    return best or found


def _at_size(
    game: Bilevel, point: Array, direction: Array, size: float, here: tuple[Any, ...]
) -> _Difference:
    across, is_smooth = {}, True
    for distance in sorted({*_WHOLE, *_HALF}):
        move = 0.5 * size * distance * direction
        ends = []
        for place in (point + move, point - move):
            ends.append(game.value(place))
            is_smooth &= game.signature() == here
        across[distance] = ends[0] - ends[1]
    whole, half = (
        sum(weight * across[distance] for distance, weight in weights.items()) / size
        for weights in (_WHOLE, _HALF)
    )
    return _Difference(whole, abs(half - whole), is_smooth)


def _agreement(slope: Array, difference: Array, nothing: float) -> dict[str, float]:
    """Relative error and cosine; NaN where nothing can be compared."""
    size, own = float(np.linalg.norm(difference)), float(np.linalg.norm(slope))
    if max(size, own) <= nothing:
        return {"relative_error": 0.0 if len(slope) else np.nan, "cosine": np.nan}
    error, product = float(np.linalg.norm(slope - difference)), own * size
    return {
        "relative_error": error / size if size > 0.0 else np.inf,
        "cosine": float(slope @ difference) / product if product > 0.0 else np.nan,
    }
