"""Each node's errors in ``skfedmtl report``: without an attack, alone, and as a target."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from skfedmtl._report.experiment import ATTACKS, KINDS, Nodes, Result
from skfedmtl._typing import Array

Row = dict[str, Any]
NO_NODE: Row = {"node": "", "n_train": "", "n_test": ""}  #: of rows that are about several
MODELS = [("local", "baseline"), ("none", "clean"), *((a, k) for a in ATTACKS for k in KINDS)]
FEW_ROWS = 30  #: test rows below which a node's error says little


def node_rows(results: list[Result], units: dict[str, str | None]) -> Iterator[Row]:
    """A row a model, metric of test rows, and node.

    Parameters
    ----------
    results : list of Result
        All models of all repetitions.
    units : dict of str to str or None
        Units by metric.

    Yields
    ------
    row : dict
        Entries as in the other rows of the CSV file. Means are over the repetitions, those in
        which the node was a target where there is an attack.
    """
    clean = {result.repeat: result for result in results if result.kind == "clean"}
    nodes = next(iter(clean.values())).nodes
    if nodes is None:
        return
    for attack, kind in MODELS:
        group = [result for result in results if (result.attack, result.kind) == (attack, kind)]
        group.sort(key=lambda result: result.repeat)
        for metric in group[0].scores if group else ():
            values = _values(group, metric)
            base = _values([clean[result.repeat] for result in group], metric)
            head = {
                "nodes": "all" if group[0].targets is None else "targets",
                "metric": metric,
                "unit": units[metric],
                "attack": attack,
                "kind": kind,
            }
            yield from _rows(head, nodes, values, np.where(np.isnan(values), np.nan, base))


def _values(group: list[Result], metric: str) -> Array:
    """Each repetition's scores by node; NaN for those that were not attacked."""
    return np.array(
        [
            result.scores[metric]
            if result.targets is None
            else np.where(result.targets, result.scores[metric], np.nan)
            for result in group
        ]
    )


def _rows(head: Row, nodes: Nodes, values: Array, base: Array) -> Iterator[Row]:
    for code, label in enumerate(nodes.labels.tolist()):
        known = values[:, code][~np.isnan(values[:, code])]
        if not len(known):
            continue
        reference = float(np.nanmean(base[:, code]))
        mean = float(np.mean(known))
        yield {
            **head,
            "level": "node",
            "repeat": "",
            "mean": mean,
            "se": np.std(known, ddof=1) / np.sqrt(len(known)) if len(known) > 1 else np.nan,
            "ratio": ratio_of(head["metric"], mean, reference),
            "seconds": np.nan,
            "constant": np.nan,
            "node": label,
            "n_train": int(nodes.n_train[code]),
            "n_test": int(nodes.n_test[code]),
        }


def ratio_of(metric: str, value: float, reference: float) -> float:
    """A value over another; NaN for areas under curves, and over 0."""
    return value / reference if metric != "auc" and reference > 0.0 else np.nan
