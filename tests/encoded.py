"""Victims behind encoders, and tables for them: what the tests of encoded columns share."""

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from estimators import make_rows
from pipelines import model
from skfedmtl import FMTLRegressor

WARDS = (2.0, 5.0, 7.0)
NUMBERS = ["x0", "x1"]


def parts(encoder, columns=("ward",), **params):
    steps = [("numbers", StandardScaler(), NUMBERS), ("codes", encoder, list(columns))]
    return ColumnTransformer(steps, **params)


def table(estimator=FMTLRegressor, **params):
    """Numbers x0 and x1, codes of two columns, and a column of no use; y knows the wards."""
    X, y, nodes = make_rows(estimator, **params)
    rng = np.random.default_rng(1)
    ward = rng.choice(WARDS, len(y))
    y = y + 0.5 * (ward == 5) if estimator is FMTLRegressor else y
    columns = {
        "x0": 20.0 * X[:, 0] + 5.0,
        "x1": 0.1 * X[:, 1],
        "ward": ward,
        "sex": rng.integers(0, 2, len(y)),
        "unused": X[:, 2],
    }
    return pd.DataFrame(columns), y, nodes


def behind(*steps, estimator=FMTLRegressor, **params):
    named = [(f"step{i}", clone(step, safe=False)) for i, step in enumerate(steps)]
    return Pipeline([*named, ("model", model(estimator, **params))])


def dense(X):
    return X.toarray() if hasattr(X, "toarray") else np.asarray(X)
