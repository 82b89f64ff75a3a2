"""What the attacker gains from weights of the sources: the mean over sources of a row's damage.

A source that is a target is judged on its own rows, any other on those of all targets: what it is
taught it may hand on. Classes are judged by a ramp ``1 / (1 + exp(k y f))`` that steepens stage by
stage towards the 0-1 loss, or by the victim's loss, numbers by the victim's loss alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from skfedmtl._model import Loss
from skfedmtl._typing import Array
from skfedmtl.attack._sought.clean_rows import CleanRows
from skfedmtl.attack._sought.demand import Demand, Demanded

_MOST_ROWS = 4000  #: of the targets, that sources which are none are judged on

UPPER = ("ramp", "balanced", "victim")


class Gain(NamedTuple):
    """Damage of every source's weights, and its slopes."""

    value: Array  #: (k,)
    by_decisions: Array  #: (n_own,) in the decision values of the sources' own rows
    by_weights: Array  #: (k, D) in the weights, for sources judged on others' rows


class Damage:
    """Damage as a function of the sources' weights.

    Parameters
    ----------
    rows : CleanRows
    demand : Demand
    loss : Loss
    codes, targets : ndarrays of nodes
        The sources, and whom the attack is about.
    upper : {"ramp", "balanced", "victim"}
        Balanced: the ramp with the same weight for either class of a node.
    rng : Generator
        Draws rows where the targets have more than enough.
    """

    def __init__(
        self,
        rows: CleanRows,
        demand: Demand,
        loss: Loss,
        codes: NDArray[np.int64],
        targets: NDArray[np.int64],
        upper: str,
        rng: np.random.Generator,
    ) -> None:
        self._loss, self._y = loss, demand.y
        self._is_ramp = upper != "victim" and not loss.is_regression
        balanced = upper == "balanced" and not loss.is_regression
        self._is_target = np.isin(codes, targets)
        parts = zip(demand.split(demand.y), demand.split(demand.weight), strict=True)
        shares = [_shares(y, weight, balanced) for y, weight in parts]
        own = [share * on for share, on in zip(shares, self._is_target, strict=True)]
        self._share = np.concatenate(own)
        self._starts = demand.ends[:-1]
        places = np.flatnonzero(np.isin(rows.codes, targets))
        if len(places) > _MOST_ROWS:
            places = rng.choice(places, _MOST_ROWS, replace=False)
        self._others_y = rows.y[places]
        self._others_share = _shares(self._others_y, rows.weight[places], balanced)
        self._others = np.zeros((0, rows.X.shape[1] + 1))
        if not self._is_target.all():
            self._others = np.column_stack([rows.X[places], np.ones(len(places))])

    def at(self, point: Demanded, steepness: float) -> Gain:
        """At weights, with a ramp of that steepness."""
        values, slopes = self._loss_of(self._y, point.f, steepness)
        value = np.add.reduceat(self._share * values, self._starts)
        by_weights = np.zeros_like(point.theta)
        rest = ~self._is_target
        if rest.any():
            f = point.theta[rest] @ self._others.T
            y = np.broadcast_to(self._others_y, f.shape)
            there, pushes = self._loss_of(y, f, steepness)
            value[rest] = there @ self._others_share
            by_weights[rest] = (pushes * self._others_share) @ self._others
        return Gain(value, self._share * slopes, by_weights)

    def _loss_of(self, y: Array, f: Array, steepness: float) -> tuple[Array, Array]:
        if not self._is_ramp:
            return self._loss.value(y, f), self._loss.derivative(y, f)
        wrong = expit(-steepness * y * f)
        return wrong, -steepness * y * wrong * (1.0 - wrong)


def _shares(y: Array, weight: Array, balanced: bool) -> Array:
    """What every row counts; of sum one."""
    if not balanced:
        return weight / weight.sum()
    shares = np.zeros_like(weight)
    for side in (y > 0.0, y <= 0.0):
        total = weight[side].sum()
        if total > 0.0:
            shares[side] = weight[side] / total
    return shares / shares.sum()
