"""Weights of rows: those of the clean ones, as users give them, and what injected ones get.

An injected row weighs as much as the clean rows of its node do on average. So `budget` is a share
of the rows and of their weight alike, and attacks, like fits, do not depend on the unit of weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._input import listing
from skfedmtl._typing import Array
from skfedmtl.attack._setting.threat import Threat


def refuse_weightless(
    weight: Array, codes: NDArray[np.int64], threat: Threat, labels: NDArray[Any], *, judged: bool
) -> None:
    """Refuse nodes without weight: injected rows would have none, and if `judged` H no mean."""
    heavy = np.unique(codes[weight > 0.0])
    sources = threat.sources[threat.counts > 0]
    needed = {"target": threat.targets if judged else threat.targets[:0], "source": sources}
    for role, nodes in needed.items():
        if len(light := np.setdiff1d(nodes, heavy)):
            raise ValueError(
                f"`sample_weight` holds zeros only for the {role} node {listing(labels[light])}; "
                f"a {role} node needs a row of positive weight. `{role}_nodes` names others."
            )


def node_shares(
    codes: NDArray[np.int64], targets: NDArray[np.int64], weight: Array
) -> NDArray[np.float64]:
    """s_j / h_t for the rows of every target node, 0 for the others."""
    rows = np.flatnonzero(np.isin(codes, targets))
    sizes, largest = _in_units_of_the_largest(weight[rows], codes[rows])
    total = np.bincount(codes[rows], weights=sizes, minlength=len(largest))
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0.0)
    shares = np.zeros(len(codes))
    shares[rows] = sizes * scale[codes[rows]]
    return shares


def injected_weights(
    weight: Array, codes: NDArray[np.int64], places: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Of rows in the nodes `places`: the mean of the clean rows there, whose nodes are `codes`."""
    sizes, largest = _in_units_of_the_largest(weight, codes)
    counts = np.maximum(np.bincount(codes, minlength=len(largest)), 1)
    means = largest * (np.bincount(codes, weights=sizes, minlength=len(largest)) / counts)
    return np.asarray(means[places])


def _in_units_of_the_largest(weight: Array, codes: NDArray[np.int64]) -> tuple[Array, Array]:
    """Weights divided by the largest of their node, whose sums are finite; and the largest ones."""
    largest = np.zeros(int(codes.max(initial=-1)) + 1)
    np.maximum.at(largest, codes, weight)
    return weight / np.where(largest > 0.0, largest, 1.0)[codes], largest
