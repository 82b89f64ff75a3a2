"""What every node does to the others, and how far the relationship sets it apart."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from skfedmtl._tools.parallel import call_each
from skfedmtl._typing import Array
from skfedmtl.defense._row_scores import Table, losses


def node_scores(model: Any, table: Table, n_jobs: Any) -> dict[str, Array]:
    """Effects and partings of a model that goes on from its fit when it is fitted again."""
    before = _mean_losses(model, table)
    each = ((code,) for code in range(table.n_nodes))
    after = call_each(_without, (model, table), each, n_jobs=n_jobs)
    floor = np.finfo(float).tiny
    taken = [(before - own) / np.maximum(before, floor) for own in after]
    effects = [_median_of_others(own, code) for code, own in enumerate(taken)]
    return {"effect": np.array(effects), "parting": _partings(model)}


def _without(model: Any, table: Table, code: int) -> Array:
    """Mean losses of the nodes after a fit to all rows but those of one of them."""
    weight = (table.codes != code).astype(float)
    left = deepcopy(model)
    if weight.any():
        left.fit(table.X, table.y, sample_weight=weight, nodes=left.nodes_[table.codes])
    return _mean_losses(left, table)


def _mean_losses(model: Any, table: Table) -> Array:
    """Of every node; NaN where it has no rows."""
    counts = np.bincount(table.codes, minlength=table.n_nodes)
    sums = np.bincount(table.codes, losses(model, table), minlength=table.n_nodes)
    return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)


def _median_of_others(values: Array, code: int) -> float:
    """Over the other nodes that have rows; 0 without any.

    Sources fit each other's rows: the median is that of a clean node as long as most are.
    """
    others = np.delete(values, code)
    others = others[~np.isnan(others)]
    return float(np.median(others)) if len(others) else 0.0


def _partings(model: Any) -> Array:
    """1 less the largest correlation with another node in size, of several classes the mean."""
    sizes = np.abs(model.node_correlation())
    sizes = sizes.reshape(-1, *sizes.shape[-2:]).mean(axis=0)
    np.fill_diagonal(sizes, 0.0)
    return np.asarray(1.0 - sizes.max(axis=1))
