"""What the loss of a node counts, beside those of the others."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._estimators.huge import refuse_huge
from skfedmtl._input import refuse_masked
from skfedmtl._typing import Array


def node_weights(
    given: Any, labels: NDArray[Any], codes: NDArray[np.int64], sample_weight: Array
) -> Array | None:
    """One factor a node, above 0 where it has rows of some weight; None: 1.

    Parameters
    ----------
    given : None, "rows", dict or array-like of shape (m,)
        As of the estimators.
    labels : ndarray of shape (m,)
    codes, sample_weight : ndarray of shape (n,)
        Node and weight of every row.
    """
    if given is None:
        return None
    m = len(labels)
    if isinstance(given, str):
        total = np.bincount(codes, weights=sample_weight, minlength=m)
        share: Array = total / total.sum()
        return m * share
    if isinstance(given, dict):
        weight = _listed(given, labels.tolist())
        refuse_huge("node_weight", weight)
        return weight
    refuse_masked(node_weight=given)
    try:
        weight = np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"node_weight must be numbers: {error}") from error
    if weight.shape != (m,):
        raise ValueError(
            f"node_weight must hold one number for each of the {m} nodes, in the order of "
            f"nodes_, got shape {weight.shape}."
        )
    if not (np.isfinite(weight) & (weight > 0.0)).all():
        raise ValueError("node_weight must hold finite numbers above 0.")
    refuse_huge("node_weight", weight)
    return weight


def _listed(given: dict[Any, Any], known: list[Any]) -> Array:
    """By label, 1 if not listed."""
    if unknown := [label for label in given if label not in known]:
        raise ValueError(f"node_weight lists {unknown}, which are no nodes of the fit.")
    for label, weight in given.items():
        if not isinstance(weight, Real) or not 0.0 < float(weight) < np.inf:
            raise ValueError(
                f"node_weight must hold finite numbers above 0, got {weight!r} for the node "
                f"{label!r}."
            )
    return np.array([float(given.get(label, 1.0)) for label in known])
