"""The sources' clean rows, and what they leave to the injected ones at given weights.

Weights of a search are ``theta = [w, b]``, one row a node, with rows ``[x, 1]``, whatever the
intercept is; a fitted model's `coef_` and `intercept_`, that is. What is penalised of them:

    ==========  =====================  ===========================
    intercept   penalised              ``V`` of the last column
    ==========  =====================  ===========================
    "feature"   ``[w, b / kappa]``     that of ``b / kappa``, / kappa
    "centred"   ``w``                  0
    "none"      ``w``, b stays 0       0
    ==========  =====================  ===========================
"""

from __future__ import annotations

import numpy as np

from skfedmtl._model import PrimalLoss
from skfedmtl._typing import Array
from skfedmtl.attack._sought.budget import Budget
from skfedmtl.attack._sought.clean_rows import CleanRows, Model
from skfedmtl.attack._sought.penalty import Penalty, SmoothedPenalty


class Demand:
    """Clean rows of the k sources of a budget, in its order."""

    def __init__(self, rows: CleanRows, model: Model, budget: Budget) -> None:
        self._budget, self._penalty = budget, SmoothedPenalty(model.relationship)
        self.columns = _penalised(model, rows.X.shape[1] + 1)
        places = [np.flatnonzero(rows.codes == code) for code in budget.codes]
        taken = np.concatenate(places)
        self.taken = taken  #: the sources' rows among all
        sizes = [len(place) for place in places]
        self.ends = np.cumsum([0, *sizes])
        #: rows ``[x, 1]`` of every source
        self.X = [np.column_stack([rows.X[place], np.ones(len(place))]) for place in places]
        self.y = rows.y[taken]
        self.weight = rows.weight[taken] / np.repeat(budget.row_weight, sizes)

    def split(self, values: Array) -> list[Array]:
        """Values of all rows, by source."""
        return [values[a:b] for a, b in zip(self.ends[:-1], self.ends[1:], strict=True)]

    def gather(self, values: Array) -> Array:
        """The rows of every source, multiplied by values and added up: (k, D)."""
        parts = zip(self.X, self.split(values), strict=True)
        return np.array([part @ own for own, part in parts])

    def decisions(self, theta: Array) -> Array:
        """Of every row, for weights (k, D)."""
        parts = zip(self.X, theta, strict=True)
        return np.concatenate([own @ weights for own, weights in parts])

    def at(self, W: Array, loss: PrimalLoss, root: float) -> Demanded:
        """At the weights (m, D) of all nodes, for a loss and penalty that may be smoothed."""
        width = len(self.columns)
        penalty = self._penalty.at(W[:, :width] * self.columns, root)
        return Demanded(self, self._budget, W[self._budget.codes], loss, penalty)


class Demanded:
    """q at one point, and what follows from its slopes.

    Attributes
    ----------
    theta : ndarray of shape (k, D)
    f : ndarray of shape (n_own,)
        Decision values of the sources' clean rows.
    q : ndarray of shape (k, D)
    """

    def __init__(
        self,
        rows: Demand,
        budget: Budget,
        theta: Array,
        loss: PrimalLoss,
        penalty: Penalty,
    ) -> None:
        self._rows, self._loss, self._budget = rows, loss, budget
        self._penalty, self.theta = penalty, theta
        #: c_l, in units of an injected row's weight
        self._total = (budget.clean + budget.counts)[:, None]
        self.f = rows.decisions(self.theta)
        duals = -rows.weight * loss.derivative(rows.y, self.f)
        self.q = self._total * self._spread(self._penalty.slope)[budget.codes] - rows.gather(duals)

    def slope(self, by_demand: Array, by_weights: Array, by_decisions: Array) -> Array:
        """In theta, of what has these slopes in q, in theta and in f."""
        rows, budget, columns = self._rows, self._budget, self._rows.columns
        moved = np.zeros((len(self._penalty.slope), by_demand.shape[1]))
        moved[budget.codes] = self._total * by_demand
        pulled = self._spread(self._penalty.product(moved[:, : len(columns)] * columns))
        change = rows.decisions(by_demand)
        bend = rows.weight * self._loss.curvature(rows.y, self.f)
        return by_weights + pulled[budget.codes] + rows.gather(by_decisions + bend * change)

    def _spread(self, V: Array) -> Array:
        """Slopes of what is penalised as slopes of theta."""
        out = np.zeros((len(V), self.theta.shape[1]))
        out[:, : V.shape[1]] = V * self._rows.columns
        return out


def _penalised(model: Model, n_columns: int) -> Array:
    """The factors of the columns that are penalised."""
    if model.intercept == "feature":
        factors = np.ones(n_columns)
        factors[-1] = 1.0 / model.intercept_scaling
        return factors
    return np.ones(n_columns - 1)
