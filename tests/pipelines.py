"""Scalers before an FMTL estimator, and rows that need them: what the tests of Pipelines share."""

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from estimators import make_rows
from skfedmtl import FMTLRegressor, PoisoningAttacker

#: The steps before the estimator, by what they are.
SCALERS = {
    "standard": [StandardScaler()],
    "standard, mean only": [StandardScaler(with_std=False)],
    "standard, scale only": [StandardScaler(with_mean=False)],
    "minmax": [MinMaxScaler((-1.0, 3.0))],
    "maxabs": [MaxAbsScaler()],
    "robust": [RobustScaler()],
    "robust, center only": [RobustScaler(with_scaling=False)],
    "robust, scale only": [RobustScaler(with_centering=False, unit_variance=True)],
    "two": [None, RobustScaler(quantile_range=(10, 80)), "passthrough", MinMaxScaler()],
    "none": ["passthrough"],
}


def model(estimator=FMTLRegressor, **params):
    return estimator(**{"lambda1": 0.05, "lambda2": 0.1, "random_state": 0, **params})


def pipeline(scalers, estimator=FMTLRegressor, **params):
    steps = [(f"step{i}", clone(s, safe=False)) for i, s in enumerate(scalers)]
    return Pipeline([*steps, ("model", model(estimator, **params))])


def poisoner(make, victim, **params):
    """A short attack."""
    if make is PoisoningAttacker:
        params = {"max_iter": 3, "init": "clean", "criterion": "loss", **params}
    return make(victim, **{"target_nodes": 0.7, "budget": 0.4, "random_state": 0, **params})


def uneven(estimator=FMTLRegressor, **params):
    """Rows with features of all sizes, the last one constant."""
    X, y, nodes = make_rows(estimator, **params)
    return np.column_stack([X * [1.0, 20.0, 0.1] + [0.0, 5.0, 9.0], np.full(len(X), 0.3)]), y, nodes


def frame(X):
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])


def fitted_scalers(victim):
    """Those of a fitted Pipeline, in their order."""
    return [step for _, step in victim.steps[:-1] if step not in (None, "passthrough")]


def scaled(victim, X):
    """Rows as scikit-learn's scalers hand them to the last step of a fitted Pipeline."""
    for scaler in fitted_scalers(victim):
        X = scaler.transform(X)
    return X
