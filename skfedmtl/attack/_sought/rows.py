"""Rows that supply a demand, in closed form: whole rows of two or three kinds a source.

Signs e_i, pulls ``rho beta_i`` and margins z_i with ``sum e_i beta_i = q_b / rho`` and
``sum beta_i z_i = T / rho^2`` are found first (`kinds_of_row`); then rows at ::

    x_i = (rho e_i z_i - (b - mid)) / |w|^2 w + e_i q_w(perp) / (rho sum of beta)

have ``x_i . w + b = mid + rho e_i z_i`` and add up to q, whatever the kinds. Counts are whole:
pulls make up for what rounding leaves. Rows beyond the ball are scaled into it, which the victim
will notice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from skfedmtl._typing import Array
from skfedmtl.attack._sought.budget import Budget
from skfedmtl.attack._sought.clean_rows import Space
from skfedmtl.attack._sought.law import Law, SmoothLaw

_INSIDE = 1.0 - 1e-12  #: of the radius: the norm of a scaled row may round up
_EQUAL = 1e-9  #: misses of T below this, a row, are rounding
_TINY = 1e-300


class Kind(NamedTuple):
    """Some equal rows of a source; pull and margin in units of rho."""

    sign: int
    n_rows: int
    pull: float
    margin: float


def realise(
    law: Law, budget: Budget, space: Space, q: Array, theta: Array, *, balanced: bool
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Rows of users, targets and nodes that supply the demands q at weights theta, both (k, D)."""
    theta = budget.less_middle(theta)
    here = space.weights(theta)
    X, y, codes = [], [], []
    for l, (asked, weights) in enumerate(zip(q, theta, strict=True)):
        half, count = float(budget.half[l]), int(budget.counts[l])
        product = float(asked @ weights) / half**2
        if balanced:
            kinds = kinds_of_row(law, float(asked[-1]) / half, product, count)
        else:
            kinds = one_sided(law, product, count, int(budget.side[l]))
        balance = half * sum(kind.sign * kind.n_rows * kind.pull for kind in kinds)
        total = space.exerted(asked[None, :-1], np.array([balance]))[0]
        placed = place(kinds, total, here[l], half, float(budget.radii[l]))
        for kind, row in zip(kinds, placed, strict=True):
            X.append(np.tile(row, (kind.n_rows, 1)))
            y.append(np.full(kind.n_rows, budget.middle[l] + kind.sign * half))
            codes.append(np.full(kind.n_rows, budget.codes[l]))
    return np.vstack(X), np.concatenate(y), np.concatenate(codes)


def kinds_of_row(law: Law, balance: float, product: float, count: int) -> list[Kind]:
    """`count` rows with sum of e beta = `balance` and sum of beta z = `product`, or nearly so."""
    if isinstance(law, SmoothLaw):
        kinds = _smooth_kinds(law, balance, product, count)
    else:
        kinds = _flat_kinds(balance, product, count)
    return [kind for kind in kinds if kind.n_rows]


def one_sided(law: Law, product: float, count: int, sign: int) -> list[Kind]:
    """`count` rows of one sign with sum of beta z = `product`: where the balance is free."""
    if isinstance(law, SmoothLaw):
        pull = law.pull_for(product / count, law.peak)
        return [Kind(sign, count, pull, law.margin_of(pull))]
    return [Kind(sign, count, 1.0, min(product / count, 1.0))]


def place(kinds: list[Kind], q_w: Array, theta: Array, half: float, radius: float) -> list[Array]:
    """A row of every kind; `theta` are the weights of ``f - mid``."""
    w, b = theta[:-1], float(theta[-1])
    square = max(float(w @ w), _TINY)
    across, total = np.zeros_like(w), half * sum(kind.n_rows * kind.pull for kind in kinds)
    if total > _TINY:  # what does not pull has no direction to go to
        across = (q_w - (float(w @ q_w) / square) * w) / total
    rows = []
    for kind in kinds:
        along = (half * kind.sign * kind.margin - b) / square
        row = along * w + kind.sign * across
        length = float(np.linalg.norm(row))
        rows.append(row if length <= radius else row * (radius / length * _INSIDE))
    return rows


def _flat_kinds(balance: float, product: float, count: int) -> list[Kind]:
    """Full pulls at one margin, and one row on margin 1 that pulls with the fraction left over."""
    rest = count - 1
    plus = int(np.clip(np.round(0.5 * (rest + balance)), 0, rest))
    left = float(np.clip(balance - (2 * plus - rest), -1.0, 1.0))
    sign = 1 if left >= 0.0 else -1
    if abs(left) == 1.0:  # no fraction: the row is as the others
        margin = min(product / count, 1.0)
        odd = Kind(sign, 1, 1.0, margin)
    else:
        margin = min((product - abs(left)) / max(rest, 1), 1.0)
        odd = Kind(sign, 1, abs(left), 1.0)
    return [Kind(1, plus, 1.0, margin), Kind(-1, rest - plus, 1.0, margin), odd]


def _smooth_kinds(law: SmoothLaw, balance: float, product: float, count: int) -> list[Kind]:
    """One pull a sign, for the whole number of rows of each that misses T least."""
    pull = law.pull_for(product / count, abs(balance) / count)
    ideal = 0.5 * (count + balance / pull)
    near = {int(np.clip(np.floor(ideal) + step, 0, count)) for step in (-1, 0, 1, 2)}
    choices = []
    for plus in sorted(near):
        minus = count - plus
        up, down = _balanced_pulls(law, balance, product, plus, minus)
        made = plus * law.product(up) + minus * law.product(down)
        uneven = abs(plus * up - minus * down - balance)
        miss = max(abs(made - product), uneven)
        choices.append((max(miss, _EQUAL * count), abs(plus - ideal), plus, up, down))
    _, _, plus, up, down = min(choices)
    sides = (1, plus, up), (-1, count - plus, down)
    return [Kind(sign, many, pull, law.margin_of(pull)) for sign, many, pull in sides]


def _balanced_pulls(
    law: SmoothLaw, balance: float, product: float, plus: int, minus: int
) -> tuple[float, float]:
    """Pulls of either sign with that balance, beyond the peak of T if they can make it."""
    if not plus or not minus:
        pull = float(np.clip((balance if plus else -balance) / (plus + minus), 0.0, law.most))
        return (pull, 0.0) if plus else (0.0, pull)

    def up(down: float) -> float:
        return (balance + minus * down) / plus

    def made(down: float) -> float:
        return plus * law.product(up(down)) + minus * law.product(down)

    low = max(0.0, -balance / minus)
    high = min(law.most, (law.most * plus - balance) / minus)
    if high <= low:
        return float(np.clip(up(low), 0.0, law.most)), low
    found = minimize_scalar(lambda t: -made(t), bounds=(low, high), method="bounded")
    peak = float(found.x)
    if made(peak) <= product:
        down = peak
    elif made(high) >= product:
        down = high
    else:
        down = float(brentq(lambda t: made(t) - product, peak, high, xtol=1e-14))
    return up(down), down
