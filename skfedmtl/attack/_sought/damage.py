"""What the attacker gains from weights of the sources: the mean over sources of a row's damage.

A source with rows that count is judged on those, any other on all rows that count: what it is
taught it may hand on. Classes are judged by a ramp ``1 / (1 + exp(k y f))`` that steepens stage by
stage towards the 0-1 loss, or by the victim's loss; numbers by the victim's loss, or by how far
they have gone one way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Loss
from skfedmtl._typing import Array
from skfedmtl.attack._setting import UpperLoss, upper_loss
from skfedmtl.attack._sought.clean_rows import Wanted
from skfedmtl.attack._sought.demand import Demand, Demanded

_MOST_ROWS = 2000  #: that a source is judged on, if they are not its own


class Gain(NamedTuple):
    """Damage of every source's weights, and its slopes."""

    value: Array  #: (k,)
    by_decisions: Array  #: (n_own,) in the decision values of the sources' own rows
    by_weights: Array  #: (k, D) in the weights, for sources judged on other rows


class _Others(NamedTuple):
    """Rows ``[x, 1]`` that a source is judged on, and their shares, of sum one."""

    X: Array
    y: Array
    share: Array


class Damage:
    """Damage as a function of the sources' weights.

    Parameters
    ----------
    wanted : Wanted
    demand : Demand
    loss : Loss
    codes : ndarray of nodes
        The sources.
    rng : Generator
        Draws rows where there are more than enough.
    """

    def __init__(
        self,
        wanted: Wanted,
        demand: Demand,
        loss: Loss,
        codes: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        self._name, self._loss, self._y = wanted.loss, loss, demand.y
        self.direction = wanted.direction
        self._starts = demand.ends[:-1]
        sizes = np.diff(demand.ends)
        share = wanted.share[demand.taken] if wanted.own else np.zeros(len(demand.y))
        total = np.repeat(np.add.reduceat(share, self._starts), sizes)
        self._share = np.divide(share, total, out=np.zeros_like(share), where=total > 0.0)
        counts = wanted.share > 0.0
        self._others: dict[int, _Others] = {}
        elsewhere = np.flatnonzero(np.add.reduceat(share, self._starts) == 0.0)
        if len(elsewhere):  # else no draw is spent on rows of no use
            everyone = _others(wanted, np.flatnonzero(counts), rng)
        for l in elsewhere.tolist():
            mine = np.flatnonzero(counts & (wanted.codes == codes[l]))
            self._others[l] = _others(wanted, mine, rng) if len(mine) else everyone

    def at(self, point: Demanded, steepness: float) -> Gain:
        """At weights, with a ramp of that steepness."""
        judged = self._at_steepness(steepness)
        value = np.add.reduceat(self._share * judged.value(self._y, point.f), self._starts)
        by_weights = np.zeros_like(point.theta)
        for l, (X, y, share) in self._others.items():
            f = X @ point.theta[l]
            value[l] = share @ judged.value(y, f)
            by_weights[l] = (share * judged.slope(y, f, None)) @ X
        return Gain(value, self._share * judged.slope(self._y, point.f, None), by_weights)

    def _at_steepness(self, steepness: float) -> UpperLoss:
        return upper_loss(self._name, self._loss, steepness)


def _others(wanted: Wanted, places: NDArray[np.intp], rng: np.random.Generator) -> _Others:
    if len(places) > _MOST_ROWS:
        places = rng.choice(places, _MOST_ROWS, replace=False)
    share = wanted.share[places]
    X = np.column_stack([wanted.X[places], np.ones(len(places))])
    return _Others(X, wanted.y[places], share / share.sum())
