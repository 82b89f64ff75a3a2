"""What is not public in scikit-learn, and what it does once a process, in this one place."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_sample_weight, validate_data

__all__ = [
    "Interval",
    "StrOptions",
    "_check_sample_weight",
    "_fit_context",
    "columns_of_parts",
    "validate_parameter_constraints",
]

# The first rows that are checked make it look through all installed packages for plugins of
# dataframe libraries, which takes milliseconds: better while importing than in the first fit.
validate_data(BaseEstimator(), np.zeros((1, 1)), skip_check_array=True)


def last_step(estimator: Any) -> Any:
    """The estimator itself, or the last step of a Pipeline."""
    if isinstance(estimator, Pipeline) and estimator.steps:
        return estimator.steps[-1][1]
    return estimator


def columns_of_parts(transformer: Any) -> dict[str, list[int]]:
    """Which columns each part of a fitted ColumnTransformer takes, by the part's name."""
    taken: dict[str, list[int]] = transformer._transformer_to_input_indices
    return taken
