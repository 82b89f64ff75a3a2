"""Weights first: candidates for the injected rows, found without solving victims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array
from skfedmtl.attack._sought.budget import Sources, read_budget
from skfedmtl.attack._sought.clean_rows import CleanRows, Model, Space, Wanted
from skfedmtl.attack._sought.damage import Damage
from skfedmtl.attack._sought.demand import Demand
from skfedmtl.attack._sought.law import law_of
from skfedmtl.attack._sought.price import Price
from skfedmtl.attack._sought.rows import realise
from skfedmtl.attack._sought.search import STAGES, Search

_AGAIN, _WITH_SLACK = 100, 40  #: L-BFGS iterations for a start put together, and for every slack


class Candidate(NamedTuple):
    """Rows for the sources sought, as users store them, and what they are to bring about."""

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
    space: Space,
    coef: Array,
    intercept: Array,
    wanted: Wanted,
    sources: Sources,
    rng: np.random.Generator,
    *,
    n_starts: int = 3,
    slacks: Sequence[float] = (1.0, 0.95, 0.9),
) -> list[Candidate]:
    """One candidate a slack.

    Sources that are no targets are sought for classes alone: what the squared error of other nodes'
    rows would have them learn is no gain. Nor are sources without rows of any weight, or without
    rows to inject; nor is anything sought of a loss with a scale of its own, for which there is no
    `Law`. They get no rows here; no source left, no candidates.

    Parameters
    ----------
    rows : CleanRows
    model : Model
    space : Space
    coef, intercept : ndarrays of shape (m, d) and (m,)
        Of the clean victim.
    wanted : Wanted
        What counts as damage.
    sources : Sources
    rng : Generator
    n_starts : int
        The clean weights turned round, then directions drawn by chance.
    slacks : sequence of float
        Shares of the rows that the search reckons with: at 1 the victim may just escape.
    """
    budget = read_budget(rows, model, wanted.targets, sources)
    if not (model.loss.is_scale_free and len(budget.codes)):
        return []
    demand = Demand(rows, model, budget)
    damage = Damage(wanted, demand, model.loss, budget.codes, rng)
    law = law_of(model.loss)
    price = Price(law, budget, space, balanced=model.balanced)
    search = Search(model, price, budget, demand, damage, np.column_stack([coef, intercept]))
    starts = [search.first_start()]
    starts += [search.random_start(rng) for _ in range(n_starts - 1)]
    theta, origin = search.best_of(starts)
    candidates = []
    for turn, slack in enumerate(slacks):
        if turn or n_starts > 1:
            max_iter = _WITH_SLACK if turn else _AGAIN
            theta = search.raise_merit(theta, STAGES[-1], slack, max_iter)
        point = search.at(theta, STAGES[-1])
        X, y, codes = realise(law, budget, space, point.q, theta, balanced=model.balanced)
        excess = price.excess(point.q, theta, 1.0)
        promise = theta[:, :-1].copy(), theta[:, -1].copy()
        candidates.append(Candidate(X, y, codes, slack, budget.codes, origin, *promise, excess))
    return candidates
