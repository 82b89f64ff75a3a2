"""Each node's errors in ``skfedmtl report``: without an attack, alone, and as a target."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from skfedmtl._report.choices import ATTACKS
from skfedmtl._report.experiment import KINDS, Nodes, Result
from skfedmtl._typing import Array
from skfedmtl.metrics import resampled_errors

Row = dict[str, Any]
#: of rows that are about several
NO_NODE: Row = {"node": "", "n_train": "", "n_test": "", "low": np.nan, "high": np.nan}
MODELS = [("local", "baseline"), ("none", "clean"), *((a, k) for a in ATTACKS for k in KINDS)]
N_RESAMPLES = 1000  #: behind an interval
TAILS = (0.025, 0.975)
FEW_ROWS = 30  #: test rows below which a node's error says little


def node_rows(results: list[Result], units: dict[str, str | None], seed: int) -> Iterator[Row]:
    """A row a model, metric of test rows, and node.

    Parameters
    ----------
    results : list of Result
        All models of all repetitions.
    units : dict of str to str or None
        Units by metric.
    seed : int
        Of the draws behind intervals.

    Yields
    ------
    row : dict
        Entries as in the other rows of the CSV file. Means are over the repetitions in which the
        node was a target, so that they can be compared; of one that never was, over all. ``low``
        and ``high`` are the ends of their 95 % interval over resampled test rows, which tells
        nothing of other splits. Areas under curves have none.
    """
    clean = {result.repeat: result for result in results if result.kind == "clean"}
    nodes = next(iter(clean.values())).nodes
    if nodes is None:
        return
    judged = _judged(results, len(nodes.labels))
    for attack, kind in MODELS:
        group = [result for result in results if (result.attack, result.kind) == (attack, kind)]
        group.sort(key=lambda result: result.repeat)
        for metric in group[0].scores if group else ():
            values = _values(group, metric, judged)
            base = _values([clean[result.repeat] for result in group], metric, judged)
            head = {
                "nodes": "all" if group[0].targets is None else "targets",
                "metric": metric,
                "unit": units[metric],
                "attack": attack,
                "kind": kind,
            }
            intervals = np.full((len(nodes.labels), 2), np.nan)
            if metric == next(iter(group[0].scores)):
                intervals = _intervals(group, clean, metric, judged, seed)
            base = np.where(np.isnan(values), np.nan, base)
            yield from _rows(head, nodes, values, base, intervals)


def times_target(results: Sequence[Result]) -> dict[Any, int]:
    """In how many repetitions each node was a target."""
    labels = next(result.nodes.labels for result in results if result.nodes is not None)
    targets = {result.repeat: result.targets for result in results if result.targets is not None}
    times = np.sum(list(targets.values()), axis=0)
    return dict(zip(labels.tolist(), times.tolist(), strict=True))


def _judged(results: list[Result], m: int) -> dict[int, Any]:
    """Of every repetition the nodes that were targets, and those that never are."""
    targets = {result.repeat: result.targets for result in results if result.targets is not None}
    ever = np.any(list(targets.values()), axis=0) if targets else np.zeros(m, dtype=bool)
    return {result.repeat: targets.get(result.repeat, ever) | ~ever for result in results}


def _counting(result: Result, judged: dict[int, Any]) -> Any:
    """The nodes that a result counts of."""
    return judged[result.repeat] if result.targets is None else result.targets


def _values(group: list[Result], metric: str, judged: dict[int, Any]) -> Array:
    """Each repetition's scores by node; NaN for those that do not count."""
    return np.array([np.where(_counting(one, judged), one.scores[metric], np.nan) for one in group])


def _intervals(
    group: list[Result],
    clean: dict[int, Result],
    metric: str,
    judged: dict[int, Any],
    seed: int,
) -> Array:
    """Ends of every node's interval, (m, 2); a row is drawn for all repetitions that judge it."""
    parts = []
    for result in group:
        nodes, losses = clean[result.repeat].nodes, result.row_losses
        if nodes is not None and losses is not None:
            counts = _counting(result, judged)
            parts.append((nodes, np.where(counts[nodes.codes], losses, np.nan)))
    n_rows = 1 + max(int(nodes.test.max(initial=-1)) for nodes, _ in parts)
    n_nodes = len(parts[0][0].labels)
    table, codes = np.full((n_rows, len(parts)), np.nan), np.full(n_rows, -1)
    for column, (nodes, losses) in enumerate(parts):
        table[nodes.test, column], codes[nodes.test] = losses, nodes.codes
    return np.array([_interval(table[codes == code], metric, seed) for code in range(n_nodes)])


def _interval(losses: Array, metric: str, seed: int) -> Array:
    """Of one node; the same draws whatever the model."""
    judged = ~np.isnan(losses)
    if not judged.any():
        return np.full(2, np.nan)
    some, rng = losses[:, judged.any(axis=0)], np.random.default_rng(seed)
    drawn = resampled_errors(some, N_RESAMPLES, metric == "error", rng)
    ends: Array = np.nanquantile(drawn, TAILS)
    return 100.0 * ends if metric == "error" else ends


def _rows(head: Row, nodes: Nodes, values: Array, base: Array, intervals: Array) -> Iterator[Row]:
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
            "low": intervals[code, 0],
            "high": intervals[code, 1],
        }


def ratio_of(metric: str, value: float, reference: float) -> float:
    """A value over another; NaN for areas under curves, and over 0."""
    return value / reference if metric != "auc" and reference > 0.0 else np.nan
