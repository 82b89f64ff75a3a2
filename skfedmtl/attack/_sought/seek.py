"""Weights first: candidates for the injected rows, found without solving victims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array
from skfedmtl.attack._sought.damage import Damage
from skfedmtl.attack._sought.demand import CleanRows, Demand, Demanded, Model
from skfedmtl.attack._sought.law import law_of
from skfedmtl.attack._sought.price import Budget
from skfedmtl.attack._sought.rows import Kind, kinds_of_row, one_sided, place
from skfedmtl.attack._sought.search import STAGES, Search

_TINY = 1e-300
_AGAIN, _WITH_SLACK = 100, 40  #: L-BFGS iterations for a start put together, and for every slack


class Sources(NamedTuple):
    """Who injects, and what."""

    codes: NDArray[np.int64]  #: (k,) nodes
    counts: NDArray[np.int64]  #: (k,) rows
    radii: Array  #: (k,) of their balls, around zero, as the solver sees rows
    row_weight: Array  #: (k,) of each injected row


class Candidate(NamedTuple):
    """Rows for the sources sought, as the solver sees them, and what they are to bring about."""

    X: Array  #: (n_rows, d)
    y: Array  #: (n_rows,) -1 and +1, or numbers
    codes: NDArray[np.int64]  #: (n_rows,)
    slack: float  #: share of the rows that the search reckoned with
    sought: NDArray[np.int64]  #: (k,) the sources in question
    start: NDArray[np.intp]  #: (k,) which start the weights came from
    coef: Array  #: (k, d) the weights promised to the sources
    intercept: Array  #: (k,)
    excess: Array  #: (k, 3) of the demand, for all rows; none above 0: the promise can be kept


def seek(
    rows: CleanRows,
    model: Model,
    coef: Array,
    intercept: Array,
    targets: NDArray[np.int64],
    sources: Sources,
    rng: np.random.Generator,
    *,
    upper: str = "ramp",
    n_starts: int = 3,
    slacks: Sequence[float] = (1.0, 0.95, 0.9),
) -> list[Candidate]:
    """One candidate a slack.

    Sources that are no targets are sought for classes alone: what the squared error of other nodes'
    rows would have them learn is no gain. Nor are sources without rows of any weight, or without
    rows to inject. They get no rows here; no source left, no candidates.

    Parameters
    ----------
    rows : CleanRows
    model : Model
    coef, intercept : ndarrays of shape (m, d) and (m,)
        Of the clean victim.
    targets : ndarray of node codes
    sources : Sources
    rng : Generator
    upper : {"ramp", "balanced", "victim"}
        What counts as damage; see `Damage`. Numbers are judged by the victim's loss.
    n_starts : int
        The clean weights turned round, then directions drawn by chance.
    slacks : sequence of float
        Shares of the rows that the search reckons with: at 1 the victim may just escape.
    """
    budget = _budget(rows, model, targets, sources)
    if not len(budget.codes):
        return []
    demand = Demand(rows, model, budget)
    damage = Damage(rows, demand, model.loss, budget.codes, targets, upper, rng)
    law = law_of(model.loss)
    search = Search(model, law, budget, demand, damage, np.column_stack([coef, intercept]))
    starts = [search.reversed_start()]
    starts += [search.random_start(rng) for _ in range(n_starts - 1)]
    theta, origin = search.best_of(starts)
    candidates = []
    for turn, slack in enumerate(slacks):
        if turn or n_starts > 1:
            max_iter = _WITH_SLACK if turn else _AGAIN
            theta = search.raise_merit(theta, STAGES[-1], slack, max_iter)
        point = search.at(theta, STAGES[-1])
        X, y, codes = realise(model, budget, point)
        excess = search.price.excess(point.q, theta, 1.0)
        promise = theta[:, :-1].copy(), theta[:, -1].copy()
        candidates.append(Candidate(X, y, codes, slack, budget.codes, origin, *promise, excess))
    return candidates


def realise(
    model: Model, budget: Budget, point: Demanded
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Rows, targets and nodes that supply the demand at a point."""
    law = law_of(model.loss)
    theta = point.theta.copy()
    theta[:, -1] -= budget.middle
    X, y, codes = [], [], []
    for l, (q, own) in enumerate(zip(point.q, theta, strict=True)):
        half, count = float(budget.half[l]), int(budget.counts[l])
        product = float(q @ own) / half**2
        kinds: list[Kind]
        if model.balanced:
            kinds = kinds_of_row(law, float(q[-1]) / half, product, count)
        else:
            product = float(q[:-1] @ own[:-1]) / half**2
            kinds = one_sided(law, product, count, int(budget.side[l]))
        placed = place(kinds, q[:-1], own, half, float(budget.radii[l]))
        for kind, row in zip(kinds, placed, strict=True):
            X.append(np.tile(row, (kind.n_rows, 1)))
            y.append(np.full(kind.n_rows, budget.middle[l] + kind.sign * half))
            codes.append(np.full(kind.n_rows, budget.codes[l]))
    return np.vstack(X), np.concatenate(y), np.concatenate(codes)


def _budget(rows: CleanRows, model: Model, targets: NDArray[np.int64], sources: Sources) -> Budget:
    """Of the sources that can be sought."""
    is_regression = model.loss.is_regression
    kept = sources.counts > 0
    kept &= (sources.row_weight > 0.0) & (sources.radii > 0.0)
    kept &= np.isin(sources.codes, rows.codes[rows.weight > 0.0])
    if is_regression:
        kept &= np.isin(sources.codes, targets)
    codes = sources.codes[kept]
    middle, half = np.zeros(len(codes)), np.ones(len(codes))
    side = np.ones(len(codes), dtype=np.int64)
    if is_regression:
        for l, code in enumerate(codes):
            middle[l], half[l], side[l] = _range(rows.y[rows.codes == code], model.balanced)
    clean = np.bincount(rows.codes, weights=rows.weight)[codes] / sources.row_weight[kept]
    return Budget(
        codes,
        sources.counts[kept].astype(float),
        sources.radii[kept],
        sources.row_weight[kept],
        clean,
        middle,
        half,
        side,
    )


def _range(y: Array, balanced: bool) -> tuple[float, float, int]:
    """Middle and half of the range; without an intercept, the target farthest from zero."""
    low, high = float(y.min()), float(y.max())
    if balanced:
        return 0.5 * (low + high), max(0.5 * (high - low), _TINY), 1
    return 0.0, max(-low, high, _TINY), 1 if high >= -low else -1
