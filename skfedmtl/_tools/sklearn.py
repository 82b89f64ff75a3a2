"""What is not public in scikit-learn, and what it does once a process, in this one place."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_sample_weight, validate_data

__all__ = [
    "HasMethods",
    "Instance",
    "Interval",
    "Search",
    "StrOptions",
    "_check_sample_weight",
    "_fit_context",
    "chosen",
    "columns_of_parts",
    "last_step",
    "validate_parameter_constraints",
]

# The first rows that are checked make it look through all installed packages for plugins of
# dataframe libraries, which takes milliseconds: better while importing than in the first fit.
validate_data(BaseEstimator(), np.zeros((1, 1)), skip_check_array=True)


@runtime_checkable
class Search(Protocol):
    """What looks for the parameters of an estimator, and fits it to all rows in the end."""

    cv: Any
    refit: Any

    def fit(self, X: Any, y: Any) -> Any: ...


class Instance(HasMethods):
    """Instances of types, called what users know them by."""

    def __init__(self, types: tuple[type, ...], name: str) -> None:
        super().__init__([])
        self._types, self._name = types, name

    def is_satisfied_by(self, val: Any) -> bool:
        return isinstance(val, self._types)

    def __str__(self) -> str:
        return self._name


def chosen(estimator: Any) -> Any:
    """What a fitted search, alone or at the end of a Pipeline, has chosen; others as they are."""
    if isinstance(estimator, Pipeline) and estimator.steps:
        *before, (name, last) = estimator.steps
        best = chosen(last)
        return estimator if best is last else Pipeline([*before, (name, best)])
    if isinstance(estimator, Search) and hasattr(estimator, "best_estimator_"):
        return chosen(estimator.best_estimator_)
    return estimator


def last_step(estimator: Any) -> Any:
    """The estimator itself, or the last step of a Pipeline; of a search what it has chosen."""
    estimator = chosen(estimator)
    if isinstance(estimator, Pipeline) and estimator.steps:
        return estimator.steps[-1][1]
    return estimator


def columns_of_parts(transformer: Any) -> dict[str, list[int]]:
    """Which columns each part of a fitted ColumnTransformer takes, by the part's name."""
    taken: dict[str, list[int]] = transformer._transformer_to_input_indices
    return taken
