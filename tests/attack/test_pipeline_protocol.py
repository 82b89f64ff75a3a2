"""Pipelines as victims among scikit-learn's tools: frames, node columns, routing, refusals."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from estimators import ESTIMATORS, any_range
from pipelines import frame, model, pipeline, poisoner, scaled, uneven
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.model_selection import NodeKFold

POISONERS = (PoisoningAttacker, RandomPoisoner)
both = pytest.mark.parametrize("make", POISONERS)
every_poisoner = pytest.mark.parametrize("make", (*POISONERS, LabelFlipPoisoner))
every_victim = pytest.mark.parametrize("estimator", ESTIMATORS)


@any_range
@pytest.mark.parametrize("output", ["default", "pandas"])
@every_poisoner
@every_victim
def test_frames(make, estimator, output, exact_ascents):
    X, y, nodes = uneven(estimator, strings=True)
    victim = pipeline([StandardScaler()], estimator)
    plain = poisoner(make, victim, victim_tol=1e-10).fit(X, y, nodes=nodes)
    attack = poisoner(make, clone(victim).set_output(transform=output), victim_tol=1e-10)
    data = attack.poison(frame(X), pd.Series(y), nodes=pd.Series(nodes))
    assert_frame_equal(data.X[: len(X)], frame(X))
    # here and below: sums over the columns of a frame round otherwise
    assert_allclose(attack.poison_X_, plain.poison_X_, rtol=1e-5)
    assert list(attack.feature_names_in_) == ["x0", "x1", "x2", "x3"]
    assert list(attack.clean_estimator_[0].feature_names_in_) == ["x0", "x1", "x2", "x3"]
    predicted = attack.predict(frame(X), nodes=nodes)
    assert_allclose(predicted, plain.predict(X, nodes=nodes), rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match="feature names"):
        attack.predict(frame(X)[["x1", "x0", "x2", "x3"]], nodes=nodes)


@any_range
@pytest.mark.parametrize("strings", [False, True])
@every_poisoner
@every_victim
def test_a_node_column_never_meets_a_scaler(make, estimator, strings, exact_ascents):
    X, y, nodes = uneven(estimator, strings=strings)
    victim = pipeline([StandardScaler(), MinMaxScaler()], estimator)
    # tables are summed in another order, which only victims solved to the end do not show
    plain = poisoner(make, victim, victim_tol=1e-10)
    data = plain.poison(X, y, nodes=nodes)
    table = frame(X)
    table.insert(1, "node", nodes)
    attack = poisoner(make, victim, node_column="node", victim_tol=1e-10)
    rows, target = attack.fit_resample(table, y)
    assert_allclose(rows.drop(columns="node"), data.X, rtol=1e-5)
    assert_array_equal(rows["node"], data.nodes)
    assert_array_equal(target, data.y)
    predicted = plain.predict(X, nodes=nodes)
    assert_allclose(attack.predict(table), predicted, rtol=1e-5, atol=1e-7)
    assert_allclose(attack.score(table, y), plain.score(X, y, nodes=nodes), rtol=1e-5)
    assert attack.n_features_in_ == 5
    assert list(attack.feature_names_in_) == ["x0", "node", "x1", "x2", "x3"]
    assert_allclose(attack.clean_estimator_[0].mean_, X.mean(axis=0))
    if estimator is FMTLClassifier:
        decision = plain.decision_function(X, nodes=nodes)
        assert_allclose(attack.decision_function(table), decision, rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match="feature names"):
        attack.predict(table[["node", "x0", "x1", "x2", "x3"]])
    with pytest.raises(ValueError, match="`node_column`"):
        attack.predict(table, nodes=nodes)


@pytest.mark.parametrize("column", [0, 2, -1])
@every_poisoner
def test_a_node_column_of_an_array(make, column):
    X, y, nodes = uneven()
    victim = pipeline([RobustScaler()])
    plain = poisoner(make, victim).fit(X, y, nodes=nodes)
    table = np.insert(X, column % 5, nodes, axis=1)
    attack = poisoner(make, victim, node_column=column)
    for given in (table, table.tolist()):
        rows, _ = attack.fit_resample(given, y)
        assert_array_equal(rows[: len(y)], table)
        assert_array_equal(np.delete(attack.poison_X_, column, axis=1), plain.poison_X_)
        assert_array_equal(attack.poison_X_[:, column], plain.poison_nodes_)
        assert_array_equal(attack.predict(given), plain.predict(X, nodes=nodes))
    assert attack.n_features_in_ == 5
    assert attack.clean_estimator_[-1].node_column is None


# -- among scikit-learn's tools -----------------------------------------------------------


@pytest.mark.parametrize("routing", [False, True])
@every_poisoner
@every_victim
def test_routing_makes_no_difference(make, estimator, routing):
    X, y, nodes = uneven(estimator)
    attack = poisoner(make, pipeline([StandardScaler()], estimator))
    expected = clone(attack).fit(X, y, nodes=nodes)
    with config_context(enable_metadata_routing=routing):
        attack.fit(X, y, nodes=nodes)
        assert_array_equal(attack.poison_X_, expected.poison_X_)
        assert_array_equal(attack.predict(X, nodes=nodes), expected.predict(X, nodes=nodes))
        assert attack.score(X, y, nodes=nodes) == expected.score(X, y, nodes=nodes)
        if estimator is FMTLClassifier:
            decision = attack.decision_function(X, nodes=nodes)
            assert_array_equal(decision, expected.decision_function(X, nodes=nodes))
        for fitted in (attack.clean_estimator_, attack.estimator_):
            check_is_fitted(fitted)
            rows = scaled(fitted, X)
            by_hand = fitted[-1].predict(rows, nodes=nodes)
            assert_array_equal(fitted.predict(X, nodes=nodes), by_hand)
            if routing:
                by_hand = fitted[-1].score(rows, y, nodes=nodes)
                assert fitted.score(X, y, nodes=nodes) == by_hand
        assert_array_equal(
            attack.predict(X, nodes=nodes), attack.estimator_.predict(X, nodes=nodes)
        )


@every_poisoner
def test_searches_and_cross_validation(make):
    X, y, nodes = uneven(sizes=(20, 15, 18))
    attack = poisoner(make, make_pipeline(StandardScaler(), model()), target_nodes=[0])
    with config_context(enable_metadata_routing=True):
        routed = cross_validate(attack, X, y, params={"nodes": nodes}, cv=NodeKFold(3))
        search = GridSearchCV(
            attack,
            {"estimator__fmtlregressor__lambda2": [0.01, 100.0]},
            cv=NodeKFold(3),
            error_score="raise",
        ).fit(X, y, nodes=nodes)
    weak, strong = search.cv_results_["mean_test_score"]
    assert weak != strong
    folds = list(NodeKFold(3).split(X, y, nodes=nodes))
    column = clone(attack).set_params(node_column=0)
    by_column = cross_validate(column, np.insert(X, 0, nodes, axis=1), y, cv=folds)
    assert_allclose(by_column["test_score"], routed["test_score"])


@every_poisoner
@every_victim
def test_clone_pickle_and_tags(make, estimator):
    X, y, nodes = uneven(estimator, strings=True)
    victim = pipeline([RobustScaler()], estimator)
    attack = poisoner(make, victim)
    assert is_classifier(attack) == (estimator is FMTLClassifier)
    assert is_regressor(attack) == (estimator is FMTLRegressor)
    assert hasattr(attack, "decision_function") == (estimator is FMTLClassifier)
    bare, behind = get_tags(model(estimator)), get_tags(attack)
    assert behind.target_tags == bare.target_tags
    assert (behind.classifier_tags or behind.regressor_tags).poor_score
    attack.fit(X, y, nodes=nodes)
    assert_array_equal(getattr(attack, "classes_", [0, 1]), [0, 1])
    assert not hasattr(victim[0], "scale_")
    assert not hasattr(victim[-1], "coef_")
    assert victim[-1].tol == 1e-4
    again = pickle.loads(pickle.dumps(attack))
    assert_array_equal(again.predict(X, nodes=nodes), attack.predict(X, nodes=nodes))
    assert again.score(X, y, nodes=nodes) == attack.score(X, y, nodes=nodes)
    copied = clone(attack)
    assert not hasattr(copied, "estimator_")
    assert_array_equal(copied.fit(X, y, nodes=nodes).poison_X_, attack.poison_X_)
    victim.fit(3.0 * X, y, model__nodes=nodes)  # a fitted victim is cloned too
    assert_array_equal(copied.fit(X, y, nodes=nodes).poison_X_, attack.poison_X_)


def test_one_node_and_no_injected_rows():
    X, y, _ = uneven(sizes=(15,))
    attack = poisoner(PoisoningAttacker, pipeline([StandardScaler()])).fit(X, y)
    assert len(attack.poison_X_) == 6
    assert attack.predict(X).shape == y.shape
    none = clone(attack).set_params(budget=0).fit(X, y)
    assert none.poison_X_.shape == (0, 4)
    assert_allclose(none.estimator_[-1].coef_, none.clean_estimator_[-1].coef_)


# -- refusals -----------------------------------------------------------------------------


class CenteredScaler(StandardScaler):
    """May do anything."""


def before(step):
    return Pipeline([("odd", step), ("model", FMTLRegressor())])


REFUSED = [
    ("'odd'.*PCA.*StandardScaler", before(PCA())),
    ("'odd'.*FunctionTransformer.*StandardScaler", before(FunctionTransformer())),
    ("'odd'.*CenteredScaler.*StandardScaler", before(CenteredScaler())),
    ("'odd__pca'.*PCA.*StandardScaler", before(make_pipeline(StandardScaler(), PCA()))),
    ("'odd'.*FMTLRegressor.*StandardScaler", before(FMTLRegressor())),
    ("'odd'.*'drop'.*StandardScaler", before("drop")),
    ("'odd'.*StandardScaler.*StandardScaler", before(StandardScaler)),
    (
        r"'odd'.*MinMaxScaler.*clip=True.*MinMaxScaler\(clip=False\)",
        before(MinMaxScaler(clip=True)),
    ),
    (r"last step 'ridge'.*Ridge.*FMTLRegressor", make_pipeline(StandardScaler(), Ridge())),
    ("last step 'minmaxscaler'.*FMTLRegressor", make_pipeline(StandardScaler(), MinMaxScaler())),
    ("last step.*'passthrough'.*FMTL", Pipeline([("end", "passthrough")])),
    ("last step.*None.*FMTL", Pipeline([("a", StandardScaler()), ("end", None)])),
    ("last step.*'pipeline'.*Pipeline", make_pipeline(MaxAbsScaler(), make_pipeline(model()))),
    ("last step.*GridSearchCV.*FMTL", make_pipeline(None, GridSearchCV(model(), {}))),
    ("last step.*RandomPoisoner.*FMTL", make_pipeline(None, RandomPoisoner(model()))),
    ("without steps", Pipeline([])),
]
if "clip" in MaxAbsScaler().get_params():
    REFUSED.append(("'odd'.*MaxAbsScaler.*clip=True", before(MaxAbsScaler(clip=True))))


@pytest.mark.parametrize("words, victim", REFUSED)
@every_poisoner
def test_a_refusal_names_the_step(make, words, victim):
    X, y, nodes = uneven()
    attack = make(victim)
    with pytest.raises((ValueError, TypeError), match=f"`estimator`.*{words}"):
        attack.fit(X, y, nodes=nodes)
    assert not hasattr(attack, "clean_estimator_")


@pytest.mark.parametrize("own", [None, 0])
@every_poisoner
def test_a_node_column_belongs_to_the_poisoner(make, own):
    X, y, nodes = uneven()
    attack = make(pipeline([StandardScaler()], node_column=0), node_column=own)
    with pytest.raises(ValueError, match=f"'model'.*node_column=0.*{make.__name__}"):
        attack.fit(np.insert(X, 0, nodes, axis=1), y)


@every_poisoner
def test_nodes_twice(make):
    X, y, nodes = uneven()
    attack = poisoner(make, pipeline([StandardScaler()]), node_column=0)
    with pytest.raises(ValueError, match="`nodes` was given although `node_column`"):
        attack.fit(np.insert(X, 0, nodes, axis=1), y, nodes=nodes)


@pytest.mark.parametrize("scaler", [StandardScaler(), MaxAbsScaler()])
@every_poisoner
def test_wrong_rows(make, scaler):
    X, y, nodes = uneven()
    hole = X.copy()
    hole[3, 1] = np.nan
    cases = {
        "X contains NaN": (hole, y, nodes),
        "X contains infinity": (np.where(np.isnan(hole), np.inf, hole), y, nodes),
        "inconsistent numbers of samples": (X, y[:-1], nodes),
        "`nodes`": (X, y, nodes[:-1]),
        "`X` is sparse": (csr_array(X), y, nodes),
    }
    attack = poisoner(make, pipeline([scaler]))
    for words, (rows, target, where) in cases.items():
        with pytest.raises((ValueError, TypeError), match=words):
            attack.fit(rows, target, nodes=where)
        assert not hasattr(attack, "clean_estimator_")
    attack.fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="`nodes` is missing"):
        attack.predict(X)
    with pytest.raises(ValueError, match="X has 3 features"):
        attack.predict(X[:, :3], nodes=nodes)
    with pytest.raises(TypeError, match="`X` is sparse"):
        attack.predict(csr_array(X), nodes=nodes)
    with pytest.raises(ValueError, match="`nodes` has no row of the target node"):
        other = nodes != attack.target_nodes_[0]
        attack.score(X[other], y[other], nodes=nodes[other])


@both
def test_labels_of_the_other_kind_name_the_last_step(make):
    X, y, nodes = uneven()
    with pytest.raises(ValueError, match=r"labels='flip'.*FMTLRegressor"):
        poisoner(make, pipeline([StandardScaler()]), labels="flip").fit(X, y, nodes=nodes)
