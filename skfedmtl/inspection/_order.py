"""In which order a figure shows the nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from skfedmtl._input import as_unique_labels, listing
from skfedmtl._tools.spelling import meant
from skfedmtl._typing import Array

__all__ = ["check_order", "places_in_order"]

_MOST_TURNED = 500  #: nodes up to which branches are turned for alike ones to meet: that is cubic


def check_order(order: Any) -> None:
    """Refuse what is no order of any nodes."""
    if order is None or (isinstance(order, str) and order == "cluster"):
        return
    if isinstance(order, str) or not hasattr(order, "__len__"):
        raise ValueError(
            f"`order` must be None, 'cluster' or a list of all nodes' labels, got {order!r}."
        )
    as_unique_labels(order, "order")


def places_in_order(order: Any, labels: NDArray[Any], matrix: Array, kind: str) -> NDArray[np.intp]:
    """The places of the nodes, in the order in which they are drawn."""
    check_order(order)
    if order is None:
        return np.arange(len(labels))
    if isinstance(order, str):
        return _by_cluster(matrix, kind)
    wanted = as_unique_labels(order, "order")
    known = {label: place for place, label in enumerate(labels.tolist())}
    strange = np.array([label not in known for label in wanted.tolist()])
    if strange.any():
        raise ValueError(
            f"`order` holds labels of no node: {listing(wanted[strange])}"
            f"{meant(wanted[strange].tolist(), known)}; the nodes are {listing(labels)}."
        )
    if len(wanted) < len(known):
        missing = np.array([label for label in known if label not in set(wanted.tolist())])
        raise ValueError(f"`order` must list all nodes; it lacks {listing(missing)}.")
    return np.array([known[label] for label in wanted.tolist()])


def _by_cluster(matrix: Array, kind: str) -> NDArray[np.intp]:
    """Nodes that are alike beside each other: the leaves of a tree of average distances.

    Alike are nodes of a large correlation; of a precision, of a large partial correlation.
    """
    if len(matrix) < 3:
        return np.arange(len(matrix))
    alike = matrix
    if kind == "precision":
        scale = np.sqrt(np.abs(np.diag(matrix)))
        scale[scale == 0.0] = 1.0
        alike = -matrix / np.outer(scale, scale)
    distance = np.clip(1.0 - (alike + alike.T) / 2.0, 0.0, 2.0)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(
        squareform(distance, checks=False),
        method="average",
        optimal_ordering=len(matrix) <= _MOST_TURNED,
    )
    return np.asarray(leaves_list(tree), dtype=np.intp)
