"""Rows grouped by class within node, dealt to folds or drawn for testing."""

import math
import numbers
import warnings
from collections import defaultdict
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import type_of_target

from skfedmtl._input import n_rows, read_targets, take

__all__ = [
    "check_test_size",
    "deal",
    "draw",
    "n_rows",
    "refuse_single_rows",
    "single_rows",
    "strata",
    "take",
]

Rows = NDArray[np.intp]
Stratum = tuple[Any, Any, Rows]  #: a node, a class, and its rows there


def strata(nodes: NDArray[Any], y: Any) -> list[Stratum]:
    """The rows of each class of each node: triples (node, class, rows), node after node."""
    if not len(nodes):
        raise ValueError("`X` has no rows; at least two are needed in the nodes that are tested.")
    _, node = np.unique(nodes, return_inverse=True)
    klass = _classes(y, len(nodes))
    order = np.lexsort((klass, node))
    node, klass = node[order], klass[order]
    starts = np.flatnonzero((np.diff(node) != 0) | (np.diff(klass) != 0)) + 1
    groups = np.split(order, starts)
    return [(node[i], klass[i], rows) for i, rows in zip([0, *starts], groups, strict=True)]


def deal(
    groups: list[Stratum], n_samples: int, n_folds: int, rng: np.random.RandomState | None = None
) -> Rows:
    """Give each row a fold: equal shares of each stratum, the surplus to the emptiest folds.

    Emptiest means: fewest surplus rows of the node, then of the class, then of all. As the surplus
    of one stratum goes to distinct folds, two folds never differ by more than one row of a node.
    Consecutive rows of a stratum stay together unless ``rng`` shuffles them. The row of a node
    that has no other is in no fold, -1: the node could not be trained on where it is tested.
    """
    folds = np.arange(n_folds)
    of_node: dict[Any, Rows] = defaultdict(lambda: np.zeros_like(folds))
    of_class: dict[Any, Rows] = defaultdict(lambda: np.zeros_like(folds))
    total = np.zeros_like(folds)
    fold_of = np.full(n_samples, -1, dtype=np.intp)
    for node, klass, rows in _several_rows(groups):
        share, surplus = divmod(len(rows), n_folds)
        tie = folds if rng is None else rng.permutation(folds)
        chosen = np.lexsort((tie, total, of_class[klass], of_node[node]))[:surplus]
        for count in (of_node[node], of_class[klass], total):
            count[chosen] += 1
        counts = np.full(n_folds, share)
        counts[chosen] += 1
        fold_of[rows if rng is None else rng.permutation(rows)] = np.repeat(folds, counts)
    return fold_of


def draw(
    groups: list[Stratum], n_samples: int, share: float, rng: np.random.RandomState
) -> NDArray[np.bool_]:
    """Mark a share of each node's rows, at least one of a node with several, never all."""
    drawn = np.zeros(n_samples, dtype=bool)
    for _, group in groupby(groups, key=itemgetter(0)):
        members = [rng.permutation(rows) for _, _, rows in group]
        rng.shuffle(members)  # the first class wins ties
        counts = _draw_counts(np.array([len(rows) for rows in members]), share)
        for rows, count in zip(members, counts, strict=True):
            drawn[rows[:count]] = True
    return drawn


def single_rows(nodes: NDArray[Any]) -> NDArray[Any]:
    """The labels of nodes that have a single row."""
    labels, counts = np.unique(nodes, return_counts=True)
    return labels[counts == 1]


def refuse_single_rows(nodes: NDArray[Any]) -> None:
    """Refuse rows of which none can be tested."""
    if len(nodes) and len(single_rows(nodes)) == len(nodes):
        raise ValueError(
            "Every node has a single row, so that there is none to test on; at least two rows are "
            "needed in the nodes that are tested."
        )


def check_test_size(test_size: Any) -> None:
    """Refuse what is no share of the rows."""
    is_number = isinstance(test_size, numbers.Real)
    if not is_number or not 0 < test_size < 1:
        raise ValueError(f"`test_size` must be a share between 0 and 1, got {test_size!r}.")


def _several_rows(groups: list[Stratum]) -> list[Stratum]:
    """The strata of nodes that have two rows or more."""
    sizes: dict[Any, int] = defaultdict(int)
    for node, _, rows in groups:
        sizes[node] += len(rows)
    return [group for group in groups if sizes[group[0]] > 1]


def _draw_counts(sizes: Rows, share: float) -> Rows:
    """How many rows of each class of one node are drawn, given how many there are."""
    size = sizes.sum()
    n_drawn = min(size - 1, max(1, math.floor(share * size + 0.5)))
    several = sizes > 1
    # A class of several rows is on both sides, unless that leaves too many rows or too few.
    most = np.where(several, sizes - 1, 1)
    if most.sum() < n_drawn:
        most = sizes
    counts = several.astype(int) if several.sum() <= n_drawn else np.zeros_like(sizes)
    quota = sizes * (n_drawn / size)
    while counts.sum() < n_drawn:
        counts[np.argmax(np.where(counts < most, quota - counts, -np.inf))] += 1
    return counts


def _classes(y: Any, n_samples: int) -> Rows:
    """Number each row's class; a target without classes counts as one class."""
    if y is None:
        return np.zeros(n_samples, dtype=np.intp)
    y = read_targets(y, "y", numeric=False)
    n_targets = n_rows(y, "y")
    if n_targets != n_samples:
        raise ValueError(
            f"`y` and `X` must be equally long: `y` has {n_targets} entries, "
            f"`X` has {n_samples} rows."
        )
    # numbers beyond all integers are no classes; "many classes": counts are legal targets
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        kind = type_of_target(y, input_name="y")
    if kind not in ("binary", "multiclass"):
        return np.zeros(n_samples, dtype=np.intp)
    return np.unique(np.ravel(y), return_inverse=True)[1]
