"""Poisoned data feeds any scikit-learn estimator, global or one a node."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.svm import LinearSVC

from estimators import ESTIMATORS, any_range, make_rows
from pipelines import frame, model
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)

every_poisoner = pytest.mark.parametrize(
    "make", [PoisoningAttacker, RandomPoisoner, LabelFlipPoisoner]
)


def rows_of(estimator):
    return make_rows(estimator, (40, 30, 35), n_features=4)


def attack(make, estimator):
    return make(model(estimator), target_nodes=[0], budget=0.4, random_state=0)


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize(
    "estimator, other",
    [
        (FMTLRegressor, Ridge()),
        (FMTLRegressor, LinearRegression()),
        (FMTLClassifier, LinearSVC(random_state=0)),
        (FMTLClassifier, RandomForestClassifier(10, random_state=0)),
    ],
)
@every_poisoner
def test_other_models_learn_from_it(make, estimator, other, local):
    X, y, nodes = rows_of(estimator)
    data = attack(make, estimator).poison(X, y, nodes=nodes)
    for node in np.unique(nodes) if local else [None]:
        mine = np.full(len(data.y), True) if node is None else data.nodes == node
        fitted = other.fit(data.X[mine], data.y[mine])
        assert fitted.predict(X).shape == y.shape
        # what the mask says is clean is the clean data
        mine &= ~data.is_poison
        assert np.array_equal(data.X[mine], X if node is None else X[nodes == node])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_rows_crafted_against_one_model_hurt_another(estimator):
    """The target's own Ridge or LinearSVC, which the attack has never seen."""
    X, y, nodes = rows_of(estimator)
    other = Ridge() if estimator is FMTLRegressor else LinearSVC(random_state=0)
    data = attack(PoisoningAttacker, estimator).poison(X, y, nodes=nodes)
    mine, clean = data.nodes == 0, nodes == 0
    before = other.fit(X[clean], y[clean]).score(X[clean], y[clean])
    after = other.fit(data.X[mine], data.y[mine]).score(X[clean], y[clean])
    assert after < before - 0.05


@any_range
@every_poisoner
def test_frames_too(make):
    X, y, nodes = rows_of(FMTLRegressor)
    data = attack(make, FMTLRegressor).poison(frame(X), y, nodes=nodes)
    fitted = Ridge().fit(data.X, data.y)
    assert list(fitted.feature_names_in_) == list(frame(X).columns)
