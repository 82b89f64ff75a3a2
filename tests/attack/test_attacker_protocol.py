"""Poisoners among scikit-learn's tools: clone, pickle, tags, pipelines, searches; awkward data."""

import pickle
from functools import partial

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from packaging.version import Version
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from estimators import ESTIMATORS, make_rows, quick_attacker
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.model_selection import NodeKFold

POISONERS = (PoisoningAttacker, RandomPoisoner, LabelFlipPoisoner)
every_poisoner = pytest.mark.parametrize("make", POISONERS)
every_victim = pytest.mark.parametrize("estimator", ESTIMATORS)


def poisoner(make, estimator, victim_params=None, **params):
    """A short attack on a victim that is quick to fit."""
    victim = estimator(lambda1=0.05, lambda2=0.1, random_state=0).set_params(**victim_params or {})
    if make is PoisoningAttacker:
        make = partial(quick_attacker, max_iter=3)
    return make(victim, **{"random_state": 0, **params})


@every_poisoner
@every_victim
def test_clone_and_parameters(make, estimator):
    X, y, nodes = make_rows(estimator)
    model = poisoner(make, estimator, budget=0.4)
    before = clone(model.estimator).get_params()
    copied = clone(model.fit(X, y, nodes=nodes))
    assert not hasattr(copied, "estimator_")
    assert copied.get_params()["budget"] == 0.4
    assert model.estimator.get_params() == before
    assert not hasattr(model.estimator, "coef_")
    copied.set_params(estimator__lambda2=0.7, attack="hybrid")
    assert copied.estimator.lambda2 == 0.7
    assert model.estimator.lambda2 == 0.1
    assert_array_equal(clone(model).fit(X, y, nodes=nodes).poison_X_, model.poison_X_)


@every_poisoner
@every_victim
def test_pickling(make, estimator):
    X, y, nodes = make_rows(estimator, strings=True)
    model = poisoner(make, estimator).fit(X, y, nodes=nodes)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X, nodes=nodes), model.predict(X, nodes=nodes))
    assert again.score(X, y, nodes=nodes) == model.score(X, y, nodes=nodes)
    assert repr(again) == repr(model)


@every_poisoner
@every_victim
def test_tags_are_the_victims_with_a_poor_score(make, estimator):
    model = poisoner(make, estimator)
    tags, victim = get_tags(model), get_tags(model.estimator)
    assert tags.estimator_type == victim.estimator_type
    assert tags.target_tags == victim.target_tags
    assert is_classifier(model) == (estimator is FMTLClassifier)
    assert is_regressor(model) == (estimator is FMTLRegressor)
    part = tags.classifier_tags or tags.regressor_tags
    assert part.poor_score
    if estimator is FMTLClassifier:
        assert part.multi_class == victim.classifier_tags.multi_class
    assert not (victim.classifier_tags or victim.regressor_tags).poor_score


@pytest.mark.parametrize(
    "in_pipeline",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(
                Version(sklearn.__version__) < Version("1.8"),
                reason="before 1.8 a search's default scorer passes nothing to a pipeline",
            ),
        ),
    ],
)
@every_victim
def test_a_search_for_the_strongest_step(estimator, in_pipeline):
    X, y, nodes = make_rows(estimator, (20, 15, 18))
    with config_context(enable_metadata_routing=True):
        params = {"target_nodes": 0.7, "max_iter": 15, "budget": 0.5, "init": "clean"}
        model = poisoner(PoisoningAttacker, estimator, **params)
        name = "poisoningattacker__eta" if in_pipeline else "eta"
        search = GridSearchCV(
            make_pipeline(StandardScaler(), model) if in_pipeline else model,
            {name: [1e-3, 100.0]},
            cv=NodeKFold(3),
            error_score="raise",
        ).fit(X, y, nodes=nodes)
        weak, strong = search.cv_results_["mean_test_score"]
        best = search.best_estimator_
        assert_allclose(search.score(X, y, nodes=nodes), best.score(X, y, nodes=nodes))
    assert weak != strong
    if estimator is FMTLRegressor:
        assert strong > 1.1 * weak
        assert search.best_params_ == {name: 100.0}


@every_poisoner
@every_victim
def test_routing_and_a_node_column_agree(make, estimator):
    X, y, nodes = make_rows(estimator, (20, 15, 18))
    folds = list(NodeKFold(3).split(X, y, nodes=nodes))
    with config_context(enable_metadata_routing=True):
        routed = cross_validate(
            poisoner(make, estimator), X, y, params={"nodes": nodes}, cv=NodeKFold(3)
        )
    column = poisoner(make, estimator, node_column=1)
    by_column = cross_validate(column, np.insert(X, 1, nodes, axis=1), y, cv=folds)
    assert_allclose(by_column["test_score"], routed["test_score"])
    in_victim = poisoner(make, estimator, {"node_column": 1})
    again = cross_validate(in_victim, np.insert(X, 1, nodes, axis=1), y, cv=folds)
    assert_allclose(again["test_score"], routed["test_score"])


@every_poisoner
@every_victim
def test_a_victim_that_starts_warm_is_still_fitted_from_scratch(make, estimator):
    X, y, nodes = make_rows(estimator)
    warm = poisoner(make, estimator, {"warm_start": True}).fit(X, y, nodes=nodes)
    warm.fit(X, y, nodes=nodes)
    cold = poisoner(make, estimator).fit(X, y, nodes=nodes)
    assert_array_equal(warm.poison_X_, cold.poison_X_)
    assert_array_equal(warm.estimator_.coef_, cold.estimator_.coef_)


@pytest.mark.parametrize("attack", ["direct", "indirect", "hybrid"])
@every_poisoner
@every_victim
def test_a_listed_node_without_rows(make, estimator, attack):
    """It is neither target nor source, and its position does not shift the others'."""
    X, y, nodes = make_rows(estimator)
    listed = {"node_labels": [2, 7, 0, 1]}
    for seed in range(4):
        model = poisoner(
            make, estimator, listed, attack=attack, target_nodes=0.7, random_state=seed
        ).fit(X, y, nodes=nodes)
        assert 7 not in model.target_nodes_
        assert 7 not in model.source_nodes_
        assert len(model.target_nodes_) == 2  # a share of the nodes that have rows
        assert set(model.poison_nodes_) == set(model.source_nodes_)
        assert model.score(X, y, nodes=nodes) >= 0
        assert_array_equal(model.estimator_.nodes_, [2, 7, 0, 1])


@pytest.mark.parametrize("attack", ["direct", "hybrid"])
@every_poisoner
@every_victim
def test_one_node(make, estimator, attack):
    X, y, _ = make_rows(estimator, (15,))
    model = poisoner(make, estimator, attack=attack)
    data = model.poison(X, y)
    assert data.nodes is None
    assert data.is_poison.sum() == 3
    named = poisoner(make, estimator, attack=attack).fit(X, y, nodes=np.zeros(15, dtype=int))
    assert_array_equal(model.poison_X_, named.poison_X_)
    assert model.score(X, y) == named.score(X, y, nodes=np.zeros(15, dtype=int))


@pytest.mark.parametrize("attack", ["direct", "indirect", "hybrid"])
@every_poisoner
@every_victim
def test_one_row_a_node(make, estimator, attack):
    X, y, nodes = make_rows(estimator, (1, 1, 1, 1))
    y[np.argmax(nodes)] = 1 - y[np.argmin(nodes)]  # two classes
    model = poisoner(make, estimator, attack=attack, target_nodes=0.5).fit(X, y, nodes=nodes)
    assert len(model.poison_X_) == len(model.source_nodes_) == 2
    assert np.isfinite(model.poison_X_).all()
    assert np.isfinite(model.objective_)


@pytest.mark.parametrize("case", ["constant X", "zero X", "constant y", "one class a node"])
@every_poisoner
@every_victim
def test_data_without_variation(make, estimator, case):
    """Legal, quiet, and finite."""
    X, y, nodes = make_rows(estimator)
    if case.endswith("X"):
        X[:] = 0.0 if case == "zero X" else 1.5
    elif case == "constant y" and estimator is FMTLRegressor:
        y[:] = 1.1
    else:
        y = np.where(nodes == 0, y.min(), y.max())
    model = poisoner(make, estimator, attack="hybrid", budget=0.5).fit(X, y, nodes=nodes)
    assert np.isfinite(model.poison_X_).all()
    assert np.isfinite(model.objective_)
