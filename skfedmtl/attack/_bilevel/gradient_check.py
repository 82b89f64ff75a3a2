"""The attack's gradient against finite differences of the refitted victim."""

from __future__ import annotations

import numpy as np
from sklearn.utils import Bunch

from skfedmtl._protocol import Moved
from skfedmtl._solvers import Follower, Solved
from skfedmtl._typing import Array
from skfedmtl.attack._bilevel.lower_level import Bilevel

CHECK_TOL = 1e-13  #: of every victim: as near as rounding allows
_MOST = 500  #: iterations that follow
_SHARPENING = 4  #: Newton steps, each of which doubles the digits
_STEPS = (1e-3, 1e-4, 1e-5)  #: in units of the rows' radius, until no kink lies within
#: places and weights of central differences of the fourth order
_STENCIL = ((-2.0, 1.0 / 12.0), (-1.0, -8.0 / 12.0), (1.0, 8.0 / 12.0), (2.0, -1.0 / 12.0))
_SPREAD = 0.05  #: how far from the start, in the same units, the points lie


class ExactBilevel(Bilevel):
    """H through victims whose weights are exact.

    Beside a small lambda2 weights may be off by far more than the root of a gap that rounding
    allows. The residual of the splitting knows better: it goes on from what the gap has led to.
    """

    def _begin(self, W: Array) -> None:
        super()._begin(W)
        nodes, relationship = self._problem.nodes, self._problem.server.relationship
        # the problem of one node leaves nothing to be split
        self._follower = None
        if relationship.own_rho is None:
            self._follower = Follower(relationship, nodes, nodes.loss, W)

    def _solve(self, moved: Moved) -> Solved:
        solved, follower = super()._solve(moved), self._follower
        if follower is None:
            return self._sharpened(solved)
        follower.place(solved.T, solved.alpha, solved.rho, moved)
        exact = follower.solve(CHECK_TOL, _MOST, self._rng)
        return exact if follower.is_near else solved

    def _sharpened(self, solved: Solved) -> Solved:
        """After Newton steps of every node on its own, for a loss that has a curvature."""
        nodes, rho = self._problem.nodes, solved.rho
        loss = nodes.loss
        if loss.linear:  # rows at rest are exact
            return solved
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
    game: Bilevel, start: Array, radius: Array, kind: str, n_points: int, rng: np.random.Generator
) -> Bunch:
    """Slopes along random directions at random points near the start, both ways."""
    slopes, differences, kinks = [], [], []
    unit = np.where(radius > 0.0, radius, 1.0)[:, None] / np.sqrt(start.shape[1])
    for _ in range(n_points):
        point = start + _SPREAD * unit * rng.normal(size=start.shape)
        direction = unit * rng.normal(size=start.shape)
        direction /= np.sqrt(len(start))
        game.value(point)
        slopes.append(float(np.vdot(game.gradient(kind), direction)))
        here = game.signature()
        for step in _STEPS:
            smooth, change = True, 0.0
            for place, weight in _STENCIL:
                change += weight / step * game.value(point + place * step * direction)
                smooth &= game.signature() == here
            if smooth:
                break
        differences.append(change)
        kinks.append(not smooth)
    slope, difference, kink = np.array(slopes), np.array(differences), np.array(kinks)
    return Bunch(
        **_agreement(slope[~kink], difference[~kink]),
        gradient=slope,
        finite_differences=difference,
        kink=kink,
    )


def _agreement(slope: Array, difference: Array) -> dict[str, float]:
    """Relative error and cosine; NaN where nothing can be compared."""
    size = float(np.linalg.norm(difference))
    if size == 0.0:
        same = 0.0 if len(slope) and not slope.any() else np.nan
        return {"relative_error": same, "cosine": np.nan}
    own = float(np.linalg.norm(slope))
    cosine = float(slope @ difference) / (own * size) if own > 0.0 else np.nan
    return {
        "relative_error": float(np.linalg.norm(slope - difference)) / size,
        "cosine": cosine,
    }
