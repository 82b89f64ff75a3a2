"""What a fitted model makes of the rows of a block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array

__all__ = ["decisions", "node_scores", "predictions"]


def decisions(X: Any, codes: NDArray[np.intp], coef: Array, intercept: Array) -> Array:
    """Of every row, by the model of its node."""
    found = intercept[codes]
    for j, column in enumerate(np.asarray(X).T):
        found += column * coef[codes, j]
    return found


def predictions(decision: Array, is_regression: bool) -> Array:
    """Targets, or classes -1 and +1."""
    return decision if is_regression else np.where(decision > 0.0, 1.0, -1.0)


def node_scores(
    y: Any,
    predicted: Array,
    codes: NDArray[np.intp],
    weight: Any,
    n_nodes: int,
    is_regression: bool,
) -> Array:
    """Accuracy or R^2 of each node's rows; NaN where rows of no weight, or one row's R^2, say none.

    As in scikit-learn, R^2 of targets that are all the same is 1 if they are met, else 0.
    """
    y = np.asarray(y, dtype=np.float64)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)

    def sums(values: Array) -> Array:
        summed: Array = np.bincount(codes, weights=values, minlength=n_nodes).astype(np.float64)
        return summed

    total = sums(weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        if not is_regression:
            return sums(weight * (predicted == y)) / total
        left = sums(weight * (y - predicted) ** 2)
        whole = sums(weight * (y - (sums(weight * y) / total)[codes]) ** 2)
        score = np.where(whole > 0.0, 1.0 - left / whole, np.where(left > 0.0, 0.0, 1.0))
    score[np.bincount(codes[weight > 0.0], minlength=n_nodes) < 2] = np.nan
    return score
