"""Weights of the sources that do most damage among those that injected rows can bring about.

L-BFGS raises the mean over the sources of damage less what `Price` charges, with the weights of all
other nodes held. Victims are never solved. The problem is not concave: stages go from a smooth
one to one close to the victim's, and several starts compete, source by source.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from skfedmtl._typing import Array
from skfedmtl.attack._sought.budget import Budget
from skfedmtl.attack._sought.clean_rows import Model
from skfedmtl.attack._sought.damage import Damage
from skfedmtl.attack._sought.demand import Demand, Demanded
from skfedmtl.attack._sought.price import Price

_MAX_ITER = 100  #: L-BFGS iterations a stage
_MEMORY = 20  #: pairs that L-BFGS keeps
_SPREAD = 2.0  #: standard deviation of a random start's decision values, for classes
_NEGATIVES = 0.2, 0.8  #: between which lies the share that a random start calls negative
_LEAST_SPREAD = 0.2  #: of a feature, as a share of the rms one, for a random direction


class Stage(NamedTuple):
    """How smooth the problem is, and what excesses cost."""

    width: float  #: of the hinge's parabola
    steepness: float  #: of the ramp
    rate: float  #: of the charge
    root: float  #: of singular values, as a share of the rms norm of the clean weights' rows
    tol: float  #: rise of the mean merit, relative, that is worth no further iteration


#: measured on landmine, heart disease and human activity; the last is near the victim's own
STAGES = (
    Stage(1.0, 2.0, 3.0, 0.1, 1e-5),
    Stage(0.5, 4.0, 5.0, 0.05, 1e-5),
    Stage(0.2, 8.0, 20.0, 0.02, 1e-6),
)


class Search:
    """The search of one attack.

    Parameters
    ----------
    model : Model
    price : Price
    budget : Budget
    demand : Demand
    damage : Damage
    W : ndarray of shape (m, D)
        The clean victim's weights ``[w, b]``.
    """

    def __init__(
        self, model: Model, price: Price, budget: Budget, demand: Demand, damage: Damage, W: Array
    ) -> None:
        self._model, self.price, self._budget = model, price, budget
        self._demand, self._damage, self._W = demand, damage, W
        self._worth: Array | float = 1.0
        if model.loss.is_regression:  # in the unit of the damage
            self._worth = price.top * np.power(budget.half, 1 if damage.direction else 2)
        penalised = W if model.intercept == "feature" else W[:, :-1]
        # clean weights of zero give no scale
        self._size = float(np.linalg.norm(penalised)) / np.sqrt(len(W)) or 1.0

    # -- one point ------------------------------------------------------------------------

    def at(self, theta: Array, stage: Stage) -> Demanded:
        """The demand at the sources' weights (k, D)."""
        W = self._W.copy()
        W[self._budget.codes] = theta
        loss = self._model.loss.smoothed(stage.width)
        return self._demand.at(W, loss, stage.root * self._size)

    def merit(self, theta: Array, stage: Stage, slack: float) -> tuple[Array, Array]:
        """Damage less charge of every source, and the slope of their mean."""
        worth = np.broadcast_to(self._worth, len(theta))[:, None]
        point = self.at(theta, stage)
        gain = self._damage.at(point, stage.steepness)
        charge = self.price.charge(point.q, point.theta, slack, stage.rate)
        slope = point.slope(
            -worth * charge.by_demand,
            gain.by_weights - worth * charge.by_weights,
            gain.by_decisions,
        )
        if not self._model.balanced:
            slope[:, -1] = 0.0
        return gain.value - worth[:, 0] * charge.value, slope / len(theta)

    # -- the search -----------------------------------------------------------------------

    def raise_merit(self, theta: Array, stage: Stage, slack: float, max_iter: int) -> Array:
        """Better weights of the sources, by L-BFGS."""

        def loss(flat: Array) -> tuple[float, Array]:
            value, slope = self.merit(flat.reshape(theta.shape), stage, slack)
            return -float(value.mean()), -slope.ravel()

        result = minimize(
            loss,
            theta.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_iter, "maxcor": _MEMORY, "ftol": stage.tol},
        )
        return np.asarray(result.x).reshape(theta.shape)

    def best_of(self, starts: list[Array]) -> tuple[Array, NDArray[np.intp]]:
        """Of every source the weights of the start that led farthest, and which that was."""
        ends, merits = [], []
        for theta in starts:
            for stage in STAGES:
                theta = self.raise_merit(theta, stage, 1.0, _MAX_ITER)
            ends.append(theta)
            merits.append(self.merit(theta, STAGES[-1], 1.0)[0])
        best = np.argmax(merits, axis=0)
        return np.array([ends[start][l] for l, start in enumerate(best)]), best

    # -- where it starts ------------------------------------------------------------------

    def first_start(self) -> Array:
        """The clean weights, turned round, or moved the way that forecasts shall go."""
        theta, budget = self._W[self._budget.codes], self._budget
        if self._damage.direction:
            theta[:, -1] += self._damage.direction * budget.half * self._model.balanced
            return theta
        theta = -theta
        theta[:, -1] += 2.0 * budget.middle
        return theta

    def random_start(self, rng: np.random.Generator) -> Array:
        """Directions by chance, in which the rows spread as the targets do."""
        parts = zip(self._demand.X, self._demand.split(self._demand.y), strict=True)
        middles = self._budget.middle
        return np.array(
            [
                self._direction(X, y - mid, mid, rng)
                for (X, y), mid in zip(parts, middles, strict=True)
            ]
        )

    def _direction(self, X: Array, y: Array, middle: float, rng: np.random.Generator) -> Array:
        x = X[:, :-1]
        spread = x.std(axis=0)
        floor = _LEAST_SPREAD * np.sqrt(np.mean(np.square(spread)))
        w = rng.normal(size=x.shape[1])
        w /= np.maximum(spread, floor) if floor > 0.0 else 1.0
        f = x @ w
        size = _SPREAD
        if self._model.loss.is_regression:
            size = float(np.sqrt(np.mean(np.square(y))))
        w *= size / max(float(f.std()), 1e-300) if f.std() > 0.0 else 1.0
        f = x @ w
        b = middle - float(f.mean())
        if not self._model.loss.is_regression:
            b = -float(np.quantile(f, np.clip(np.mean(y < 0.0), *_NEGATIVES)))
        return np.append(w, b if self._model.balanced else 0.0)
