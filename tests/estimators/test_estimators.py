"""The estimators as a user meets them: scikit-learn's contract, nodes, and awkward data."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from packaging.version import Version
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from estimators import ESTIMATORS, RELATIONSHIPS, make_rows
from profiles import IS_LONG
from skfedmtl import FMTLClassifier, FMTLRegressor, from_nodes
from skfedmtl.model_selection import NodeKFold

estimators = pytest.mark.parametrize("estimator", ESTIMATORS)
relationships = pytest.mark.parametrize("relationship", RELATIONSHIPS)
OLD = Version(sklearn.__version__) < Version("1.8")


# -- scikit-learn's own checks ------------------------------------------------------------


def checks(estimators, compare_weights, **params):
    """The checks that compare fits to weighted and to repeated rows, or the others; or both."""
    found = []
    for kind in estimators:
        for estimator, check in estimator_checks_generator(kind(**params)):
            name = check.func.__name__
            of_weights = "weight_equivalence" in name
            if of_weights == compare_weights or (IS_LONG and compare_weights):
                found.append(
                    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{name}")
                )
    return found


# equal weights give equal fits only as far as tol reaches; before 1.8 the check compares different
# targets if a classifier knows two classes only
@pytest.mark.parametrize(
    ("estimator", "check"),
    checks([FMTLRegressor] if OLD else ESTIMATORS, True, tol=1e-10, max_iter=100_000),
)
def test_scikit_learn_checks_of_weights(estimator, check):
    check(estimator)


#: what mocha is asked for: many rounds for the last digits of a hinge teach no check anything
MOCHA = {"solver": "mocha"} if IS_LONG else {"solver": "mocha", "tol": 1e-2}


@pytest.mark.parametrize(
    ("estimator", "check"), checks(ESTIMATORS, False) + checks(ESTIMATORS, False, **MOCHA)
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# -- rows and their nodes -----------------------------------------------------------------


def same_fit(one, two, **tolerance):
    """Both models have the same attributes, to the bit unless told otherwise."""
    for name in ("coef_", "intercept_", "dual_coef_", "objective_", "node_covariance_factor_"):
        assert_allclose(getattr(one, name), getattr(two, name), **{"rtol": 0, **tolerance})


@estimators
@relationships
@pytest.mark.parametrize("strings", [False, True])
def test_the_node_column_is_the_other_spelling(estimator, relationship, strings):
    X, y, nodes = make_rows(estimator, strings=strings)
    params = {"relationship": RELATIONSHIPS[relationship](3), "random_state": 0}
    routed = estimator(**params).fit(X, y, nodes=nodes)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame.insert(1, "site", nodes)
    for column in ("site", 1, -3):
        model = estimator(node_column=column, **params).fit(frame, y)
        same_fit(routed, model)
        assert_array_equal(model.nodes_, routed.nodes_)
        assert_array_equal(model.predict(frame), routed.predict(X, nodes=nodes))
        assert model.score(frame, y) == routed.score(X, y, nodes=nodes) > 0.5
        assert (model.n_features_in_, model.coef_.shape) == (4, (3, 3))
        assert_array_equal(model.feature_names_in_, ["a", "site", "b", "c"])
    if not strings:
        model = estimator(node_column=1, **params).fit(frame.to_numpy(), y)
        same_fit(routed, model)


@estimators
def test_each_row_is_predicted_by_its_node(estimator):
    X, y, nodes = make_rows(estimator, strings=True)
    order = ["n2", "elsewhere", "n0", "n1"]
    model = estimator(node_labels=order).fit(X, y, nodes=nodes)
    assert_array_equal(model.nodes_, order)
    codes = [order.index(node) for node in nodes]
    expected = np.sum(X * model.coef_[codes], axis=1) + model.intercept_[codes]
    if estimator is FMTLClassifier:
        assert_allclose(model.decision_function(X, nodes=nodes), expected)
        expected = expected > 0
    assert_allclose(model.predict(X, nodes=nodes), expected)
    assert_allclose(model.predict(X[:2], nodes=nodes[:2]), expected[:2])
    assert np.isfinite(model.predict(X[:1], nodes=["elsewhere"])).all()


@estimators
@relationships
def test_a_listed_node_without_rows_follows_the_others(estimator, relationship):
    X, y, nodes = make_rows(estimator)
    Omega = RELATIONSHIPS[relationship](4)
    model = estimator(node_labels=[3, 0, 1, 2], relationship=Omega, tol=1e-9)
    model.fit(X, y, nodes=nodes)
    assert_array_equal(model.nodes_, [3, 0, 1, 2])
    tied = relationship not in ("learned", "none")
    assert (np.abs(model.coef_[0]).max() > 1e-9) == tied
    if tied:
        return
    alone = estimator(relationship=Omega, tol=1e-9).fit(X, y, nodes=nodes)
    assert_allclose(alone.coef_, model.coef_[1:], atol=1e-3)
    assert_allclose(alone.objective_, model.objective_, rtol=1e-8)
    assert_allclose(model.node_correlation()[0], [1, 0, 0, 0], atol=1e-9)
    if estimator is FMTLRegressor:
        assert_allclose(model.intercept_[0], np.mean([y[nodes == l].mean() for l in range(3)]))


@estimators
def test_unknown_nodes_by_the_mean_model(estimator):
    X, y, nodes = make_rows(estimator)
    model = estimator(handle_unknown="mean").fit(X, y, nodes=nodes)
    expected = X @ model.coef_.mean(axis=0) + model.intercept_.mean()
    if estimator is FMTLClassifier:
        expected = expected > 0
    assert_allclose(model.predict(X, nodes=np.full(len(X), 77)), expected)
    assert_allclose(model.predict(X[:2], nodes=[77, nodes[1]])[0], expected[0])
    with pytest.raises(ValueError, match="`nodes` is missing"):
        model.predict(X)


@estimators
def test_one_node_needs_no_nodes(estimator):
    X, y, _ = make_rows(estimator)
    model = estimator(random_state=0).fit(X, y)
    assert_array_equal(model.nodes_, [0])
    named = estimator(random_state=0).fit(X, y, nodes=["only"] * len(y))
    same_fit(model, named)
    assert_array_equal(model.predict(X), named.predict(X, nodes=["only"] * len(y)))
    assert_array_equal(model.predict(X), model.predict(X, nodes=np.zeros(len(X), dtype=int)))


@estimators
def test_a_labelled_relationship_finds_its_nodes(estimator):
    X, y, nodes = make_rows(estimator, strings=True)
    Omega = np.array([[2.0, -1.0, 0.0], [-1.0, 3.0, -0.5], [0.0, -0.5, 1.0]])
    frame = pd.DataFrame(Omega, index=["n0", "n1", "n2"], columns=["n0", "n1", "n2"])
    plain = estimator(relationship=Omega, random_state=0).fit(X, y, nodes=nodes)
    mixed = frame.loc[["n2", "n0", "n1"], ["n1", "n2", "n0"]]
    same_fit(plain, estimator(relationship=mixed, random_state=0).fit(X, y, nodes=nodes))
    assert_allclose(plain.node_precision(), Omega, atol=1e-12)
    assert_allclose(plain.node_covariance(), np.linalg.inv(Omega), atol=1e-12)
    order = ["n1", "n2", "n0"]
    other = estimator(relationship=mixed, node_labels=order, tol=1e-9).fit(X, y, nodes=nodes)
    plain = estimator(relationship=Omega, tol=1e-9).fit(X, y, nodes=nodes)
    assert_allclose(other.coef_, plain.coef_[[1, 2, 0]], atol=1e-3)
    assert_allclose(other.node_precision(), frame.loc[order, order], atol=1e-12)


@estimators
def test_from_nodes_feeds_fit(estimator):
    X, y, nodes = make_rows(estimator, strings=True)
    names = ["n0", "n1", "n2"]
    stacked = from_nodes({name: (X[nodes == name], y[nodes == name]) for name in names})
    model = estimator(tol=1e-8).fit(stacked[0], stacked[1], nodes=stacked[2])
    direct = estimator(tol=1e-8).fit(X, y, nodes=nodes)
    assert_allclose(model.objective_, direct.objective_, rtol=2e-8)
    assert_array_equal(model.nodes_, names)


@pytest.mark.parametrize("classes", [["no", "yes"], [-3, 8], [False, True], [1, 2]])
def test_classes_of_any_kind(classes):
    X, y, nodes = make_rows(FMTLClassifier)
    model = FMTLClassifier().fit(X, np.array(classes)[y], nodes=nodes)
    assert_array_equal(model.classes_, classes)
    decision = model.decision_function(X, nodes=nodes)
    assert_array_equal(model.predict(X, nodes=nodes), np.array(classes)[(decision > 0).astype(int)])
    assert model.score(X, np.array(classes)[y], nodes=nodes) > 0.8


# -- seeds and state -----------------------------------------------------------------------


@estimators
def test_a_warm_start_continues(estimator):
    X, y, nodes = make_rows(estimator)
    model = estimator(tol=1e-6, warm_start=True).fit(X, y, nodes=nodes)
    before = model.dual_objective_
    model.fit(X, y, nodes=nodes)
    assert model.n_iter_ <= 1
    assert model.dual_objective_ >= before - 1e-12
    model.fit(X + 1e-3, y, nodes=nodes)  # near by: still a certificate of the new problem
    fresh = estimator(tol=1e-6).fit(X + 1e-3, y, nodes=nodes)
    assert model.dual_objective_ <= fresh.objective_
    assert fresh.dual_objective_ <= model.objective_
    model.fit(X[:-1], y[:-1], nodes=nodes[:-1])  # other rows: from scratch
    assert model.dual_gap_ <= 1e-6 * model.objective_


@estimators
@relationships
def test_the_same_seed_gives_the_same_bits(estimator, relationship):
    X, y, nodes = make_rows(estimator)
    model = estimator(relationship=RELATIONSHIPS[relationship](3), random_state=3)
    once = clone(model).fit(X, y, nodes=nodes)
    for state in (3, np.random.RandomState(3)):
        again = clone(model).set_params(random_state=state).fit(X, y, nodes=nodes)
        same_fit(once, again, atol=0)
        for name in once.history_.keys() - {"time"}:
            assert_array_equal(once.history_[name], again.history_[name])
    other = model.set_params(random_state=4).fit(X, y, nodes=nodes)
    assert_allclose(other.objective_, once.objective_, rtol=2e-4)


@estimators
def test_state_survives_pickling_and_cloning(estimator):
    X, y, nodes = make_rows(estimator, strings=True)
    model = estimator(lambda1=0.02, random_state=0).fit(X, y, nodes=nodes)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X, nodes=nodes), model.predict(X, nodes=nodes))
    same_fit(again, model)
    same_fit(clone(model).fit(X, y, nodes=nodes), model)
    for value in vars(model).values():  # plain state: arrays, numbers, text
        assert isinstance(value, np.ndarray | str | float | int | dict | None)


@estimators
@pytest.mark.parametrize("convert", [np.asfortranarray, np.float32, lambda X: X[::-1][::-1], list])
def test_every_layout_gives_the_same_fit(estimator, convert):
    X, y, nodes = make_rows(estimator)
    X = X.astype(np.float32).astype(float)
    kept = X.copy(), y.copy(), nodes.copy()
    for array in (X, y, nodes):
        array.flags.writeable = False
    plain = estimator(random_state=0).fit(X, y, nodes=nodes)
    model = estimator(random_state=0).fit(convert(X), y, nodes=nodes)
    same_fit(plain, model, atol=1e-12)
    assert model.coef_.dtype == np.float64
    assert_allclose(model.predict(convert(X), nodes=nodes), plain.predict(X, nodes=nodes))
    for array, before in zip((X, y, nodes), kept, strict=True):
        assert_array_equal(array, before)


# -- inside scikit-learn's tools ----------------------------------------------------------


@pytest.mark.skipif(OLD, reason="a search's default scorer passes nothing to a pipeline")
@estimators
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_over_a_pipeline_routes_the_nodes(estimator, n_jobs):
    X, y, nodes = make_rows(estimator, strings=True)
    name = estimator.__name__.lower()
    model = estimator(random_state=0)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), model)
        grid = {f"{name}__lambda1": [1e-3, 1e2]}
        search = GridSearchCV(pipeline, grid, cv=NodeKFold(3), n_jobs=n_jobs, error_score="raise")
        search.fit(X, y, nodes=nodes)
        scores = search.cv_results_["mean_test_score"]
        assert scores[0] > scores[1]
        assert search.best_params_[f"{name}__lambda1"] == 1e-3
        scaled = StandardScaler().fit_transform(X)
        by_hand = clone(model).fit(scaled, y, nodes=nodes)
        same_fit(search.best_estimator_[-1], by_hand, atol=1e-12)
        expected = by_hand.predict(scaled, nodes=nodes)
        assert_array_equal(search.best_estimator_.predict(X, nodes=nodes), expected)


@estimators
def test_the_node_column_needs_no_routing(estimator):
    X, y, nodes = make_rows(estimator, seed=1)
    table = np.column_stack([X, nodes])
    folds = list(NodeKFold(3).split(X, y, nodes=nodes))
    model = estimator(node_column=-1, random_state=0)
    predicted = cross_val_predict(model, table, y, cv=folds)
    for train, test in folds:
        routed = estimator(random_state=0).fit(X[train], y[train], nodes=nodes[train])
        assert_array_equal(predicted[test], routed.predict(X[test], nodes=nodes[test]))
    metric = r2_score if estimator is FMTLRegressor else accuracy_score
    scoring = metric.__name__.removesuffix("_score")
    search = GridSearchCV(model, {"lambda2": [1e-3, 10.0]}, cv=folds, scoring=scoring).fit(table, y)
    expected = np.mean([metric(y[test], predicted[test]) for _, test in folds])
    assert_allclose(search.cv_results_["mean_test_score"][0], expected)


def test_what_nothing_ties_has_the_identity_for_a_covariance():
    X, y, nodes = make_rows(FMTLRegressor)
    m = len(np.unique(nodes))
    for params in ({"relationship": "none"}, {"lambda1": 1e9, "lambda2": 1e9}):
        model = FMTLRegressor(**params).fit(X, y, nodes=nodes)
        if params.get("relationship"):
            assert model.node_covariance_factor_.shape == (m, 0)
            assert_allclose(model.node_covariance(), np.eye(m) / m)
            assert_allclose(model.node_precision(), np.eye(m) * m)
        assert_allclose(model.node_covariance().trace(), 1.0)


def test_matrices_of_nodes_as_frames():
    X, y, nodes = make_rows(FMTLRegressor, strings=True)
    model = FMTLRegressor(lambda1=0.1).fit(X, y, nodes=nodes)
    for method in (model.node_covariance, model.node_precision, model.node_correlation):
        frame = method(as_frame=True)
        assert list(frame.index) == list(frame.columns) == list(model.nodes_)
        assert_array_equal(frame.to_numpy(), method())
    order = model.nodes_[::-1]
    precision = model.node_precision(as_frame=True).loc[order, order]
    again = FMTLRegressor(relationship=precision).fit(X, y, nodes=nodes)
    assert_allclose(again.node_precision(), model.node_precision(), rtol=1e-6)
