"""Selectors of features: by the importances that an estimator gives, with a node column or not."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import (
    RFE,
    RFECV,
    SelectFromModel,
    SequentialFeatureSelector,
)
from sklearn.pipeline import make_pipeline

from skfedmtl import FMTLClassifier, FMTLRegressor, RandomPoisoner
from skfedmtl.model_selection import NodeKFold

GETTER = {"importance_getter": "feature_importances_"}
TASKS = ("regression", "two classes", "three classes")
tasks = pytest.mark.parametrize("task", TASKS)
#: where the node column stands: routed, the first, in the middle, the last
places = pytest.mark.parametrize("place", [None, 0, 2, 4, -1])
ends = pytest.mark.parametrize("place", [0, -1])


def make(task, place=None, **params):
    kind = FMTLRegressor if task == "regression" else FMTLClassifier
    return kind(node_column=place, random_state=0, **params)


def rows(task):
    """Four features of weights 2, 1, 0 and 0.1."""
    rng = np.random.default_rng(0)
    X, nodes = rng.normal(size=(90, 4)), np.repeat([3, 1, 7], 30)
    y = X @ [2.0, 1.0, 0.0, 0.1] + 0.1 * rng.normal(size=90)
    cuts = {"regression": None, "two classes": [0.0], "three classes": [-1.0, 1.0]}[task]
    return X, y if cuts is None else np.digitize(y, cuts), nodes


def table(X, nodes, place):
    """The rows with their nodes at this place, and what routes the nodes otherwise."""
    if place is None:
        return X, {"nodes": nodes}
    return np.insert(X, X.shape[1] if place == -1 else place, nodes, axis=1), {}


def features_of(support, place):
    """What is selected of the features; the node column always is."""
    if place is None:
        return support
    assert support[place]
    return np.delete(support, place)


@tasks
@places
def test_importances(task, place):
    X, y, nodes = rows(task)
    X, params = table(X, nodes, place)
    model = make(task, place).fit(X, y, **params)
    found = model.feature_importances_
    assert found.shape == (model.n_features_in_,)
    axes = (0, 1) if task == "three classes" else 0
    expected = np.abs(model.coef_).mean(axis=axes)
    if place is not None:
        assert (np.delete(found, place) < found[place]).all()
        found = np.delete(found, place)
    assert_allclose(found, expected, rtol=1e-14)
    assert found.argmax() == 0


def test_importances_of_a_frame_and_of_no_weights():
    X, y, nodes = rows("regression")
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame.insert(2, "node", nodes)
    model = FMTLRegressor(node_column="node").fit(frame, y)
    assert model.feature_importances_.argmax() == 2
    nothing = FMTLRegressor(node_column="node").fit(frame, np.ones(len(y)))
    importances = nothing.feature_importances_
    assert_array_equal(np.delete(importances, 2), 0.0)
    assert np.square(importances[2]) > 0.0


@pytest.mark.parametrize("kind", [FMTLRegressor, FMTLClassifier])
def test_no_importances_before_a_fit(kind):
    assert not hasattr(kind(), "feature_importances_")
    with pytest.raises(NotFittedError):
        kind().feature_importances_  # noqa: B018


@tasks
@places
@pytest.mark.parametrize("threshold", ["mean", "median"])
def test_select_from_model(task, place, threshold):
    X, y, nodes = rows(task)
    X, params = table(X, nodes, place)
    with config_context(enable_metadata_routing=place is None):
        selector = SelectFromModel(make(task, place), threshold=threshold, **GETTER)
        selector.fit(X, y, **params)
    chosen = features_of(selector.get_support(), place)
    assert chosen[0] and not chosen[2]
    assert selector.transform(X).shape == (len(y), selector.get_support().sum())


def test_the_getter_chooses_what_scikit_learn_would_choose():
    X, y, nodes = rows("regression")
    with config_context(enable_metadata_routing=True):
        for options in ({"threshold": "mean"}, {"threshold": "median"}, {"max_features": 3}):
            ours = SelectFromModel(make("regression"), **GETTER, **options)
            theirs = SelectFromModel(make("regression"), **options)
            one, two = (s.fit(X, y, nodes=nodes).get_support() for s in (ours, theirs))
            assert_array_equal(one, two)


@tasks
@ends
def test_a_selector_before_a_model(task, place):
    X, y, nodes = rows(task)
    X, _ = table(X, nodes, place)
    pipe = make_pipeline(SelectFromModel(make(task, place), **GETTER), make(task, place))
    pipe.fit(X, y)
    assert 1 < pipe[-1].n_features_in_ < X.shape[1]
    assert_array_equal(pipe[-1].nodes_, [1, 3, 7])


def test_a_selector_of_a_frame():
    X, y, nodes = rows("regression")
    frame = pd.DataFrame(X, columns=list("abcd")).assign(node=nodes.astype(str))
    frame = frame[["a", "node", "b", "c", "d"]]
    selector = SelectFromModel(FMTLRegressor(node_column="node"), **GETTER)
    pipe = make_pipeline(selector, FMTLRegressor(node_column="node"))
    selector.set_output(transform="pandas")
    pipe.fit(frame, y)
    assert list(pipe[-1].feature_names_in_)[:2] == ["a", "node"]


@tasks
@pytest.mark.parametrize("place", [None, 0, -1])
def test_recursive_elimination(task, place):
    X, y, nodes = rows(task)
    X, params = table(X, nodes, place)
    with config_context(enable_metadata_routing=place is None):
        n_selected = 2 + (place is not None)
        selector = RFE(make(task, place), n_features_to_select=n_selected, **GETTER)
        selector.fit(X, y, **params)
        assert np.isfinite(selector.predict(X, **params)).all()
    chosen = features_of(selector.get_support(), place)
    assert_array_equal(chosen[:2], True)
    assert chosen.sum() == 2


@ends
def test_elimination_by_cross_validation(place):
    X, y, nodes = rows("regression")
    folds = list(NodeKFold(3).split(X, y, nodes=nodes))
    X, _ = table(X, nodes, place)
    selector = RFECV(make("regression", place), cv=folds, min_features_to_select=2, **GETTER)
    selector.fit(X, y)
    assert features_of(selector.get_support(), place)[:2].all()
    with config_context(enable_metadata_routing=True), pytest.raises(ValueError, match="`nodes`"):
        RFECV(make("regression"), cv=folds).fit(*rows("regression")[:2], nodes=nodes)


def test_sequential_selection_routes_the_nodes():
    X, y, nodes = rows("regression")
    folds = list(NodeKFold(2).split(X, y, nodes=nodes))
    options = {"cv": folds, "n_features_to_select": 2}
    with config_context(enable_metadata_routing=True):
        selector = SequentialFeatureSelector(make("regression"), **options)
        selector.fit(X, y, nodes=nodes)
    assert_array_equal(selector.get_support(), [True, True, False, False])
    together, _ = table(X, nodes, 0)
    with pytest.raises(ValueError, match="`X` holds only the node column"):
        SequentialFeatureSelector(make("regression", 0), **options).fit(together, y)


def test_importances_of_the_victim_of_an_attack():
    X, y, nodes = rows("regression")
    poisoner = RandomPoisoner(FMTLRegressor(), target_nodes=[1], random_state=0)
    with config_context(enable_metadata_routing=True):
        with pytest.raises(ValueError, match="feature_importances_"):
            SelectFromModel(poisoner).fit(X, y, nodes=nodes).get_support()
        getter = "estimator_.feature_importances_"
        selector = SelectFromModel(poisoner, importance_getter=getter).fit(X, y, nodes=nodes)
    assert selector.get_support()[0]


@tasks
def test_whole_numbers_are_never_taken_for_nodes(task):
    """Any column could be read as nodes: the model that is left still reads the right one."""
    X, y, nodes = rows(task)
    X = np.round(3 * X)
    for place in (0, -1):
        both, _ = table(X, nodes, place)
        selector = RFE(make(task, place), n_features_to_select=2, **GETTER).fit(both, y)
        assert_array_equal(selector.estimator_.nodes_, [1, 3, 7])
