"""Errors by node, and scorers that hand nodes on, by routing and by a node column."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate, learning_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    RandomPoisoner,
)
from skfedmtl.datasets import make_federated_classification, make_federated_regression
from skfedmtl.metrics import make_node_scorer, node_errors, robustness_scorer
from skfedmtl.model_selection import NodeKFold

# -- errors by node -----------------------------------------------------------------------


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), min_size=1),
    shift=st.floats(-5, 5),
)
def test_errors_are_those_of_each_nodes_rows(rows, shift):
    nodes, y_true, y_pred = np.array(rows).T
    errors = node_errors(y_true, y_pred, nodes, metric="error")
    squares = node_errors(y_true, y_pred + shift, nodes, metric="rmse")
    assert list(errors) == list(squares) == sorted(set(nodes.tolist()))
    for node in errors:
        mine = nodes == node
        assert errors[node] == pytest.approx(np.mean(y_true[mine] != y_pred[mine]))
        difference = y_true[mine] - y_pred[mine] - shift
        assert squares[node] == pytest.approx(np.sqrt(np.mean(difference**2)))
        assert type(errors[node]) is type(squares[node]) is float


@pytest.mark.parametrize(
    ("y_true", "y_pred", "expected"),
    [
        ([0, 1], [1, 1], 0.5),
        (["no", "yes"], ["no", "no"], 0.5),
        ([True, False], [True, False], 0.0),
        ([0.0, 1.0], [1.0, 1.0], 0.5),
        ([0.0, 2.0], [0.0, 1.5], np.sqrt(0.125)),
        ([0.5, 2.0], [0.5, 1.0], np.sqrt(0.5)),
        ([0, 4], [0.5, 4.0], np.sqrt(0.125)),
    ],
)
def test_auto_tells_classes_from_numbers(y_true, y_pred, expected):
    assert node_errors(y_true, y_pred, ["a", "a"])["a"] == pytest.approx(expected)


def test_rows_are_counted():
    errors, counts = node_errors([0, 1, 1], [0, 0, 1], ["b", "b", "a"], return_counts=True)
    assert errors == node_errors([0, 1, 1], [0, 0, 1], ["b", "b", "a"])
    assert counts == {"a": 1, "b": 2} and list(counts) == list(errors)


def test_any_metric_by_any_nodes():
    errors = node_errors([1, 2, 4], [1, 3, 8], [True, False, True], mean_absolute_error)
    assert errors == {False: 1.0, True: 2.0}
    assert node_errors([0, 1], [[1, 0], [0, 1]], [5, 5], lambda t, p: p.shape) == {5: (2, 2)}


def test_containers_and_names():
    frame = pd.DataFrame({"y": [1.5, 2.0], "p": [1.0, 2.0], "n": ["b", "a"]}, index=[7, 3])
    assert node_errors(frame.y, frame.p, frame.n) == {"a": 0.0, "b": 0.5}


def test_the_attackers_score_is_the_mean_over_the_targets():
    for make, model in (
        (make_federated_regression, FMTLRegressor),
        (make_federated_classification, FMTLClassifier),
    ):
        X, y, nodes = make(5, random_state=0, return_X_y_nodes=True)
        poisoner = RandomPoisoner(model(), target_nodes=[1, 3], random_state=0)
        poisoner.fit(X, y, nodes=nodes)
        errors = node_errors(y, poisoner.predict(X, nodes=nodes), nodes)
        assert poisoner.score(X, y, nodes=nodes) == pytest.approx((errors[1] + errors[3]) / 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0, 1], [0], [0, 0]), ValueError, r"`y_pred` and `nodes` .* shape \(1,\), .* 2 entries"),
        (([0], [0, 1], [0, 0]), ValueError, "`y_true` and `nodes` must be equally long"),
        (([0, 1], [0, 1], [0]), ValueError, "`y_true` and `nodes` must be equally long"),
        ((0, [0], [0]), ValueError, "`y_true`"),
        (([], [], np.array([], dtype=int)), ValueError, "`nodes` is empty"),
        (([0, 1], [0, 1], [0, None]), ValueError, "`nodes` must hold"),
        (([0, 1], [0, 1], [0, 0.5]), ValueError, "`nodes` must hold"),
        (([0], [0], [0], "accuracy"), ValueError, "`metric` must be 'auto', .* got 'accuracy'"),
        (([0], [0], [0], None), TypeError, "`metric` must be 'auto', .* got None"),
        (([0.5], [np.nan], [0]), ValueError, "NaN"),
    ],
)
def test_wrong_arguments_of_node_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        node_errors(*arguments)


# -- scorers ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def regression():
    return make_federated_regression(
        4, sizes=(20, 40), n_features=6, strength=0.3, random_state=0, return_X_y_nodes=True
    )


def test_scorers_by_the_names_of_node_errors(regression):
    X, y, nodes = regression
    model = FMTLRegressor().fit(X, y, nodes=nodes)
    wanted = -root_mean_squared_error(y, model.predict(X, nodes=nodes))
    for name in ("rmse", "auto"):  # a small error is a good one
        assert make_node_scorer(name)(model, X, y, nodes=nodes) == wanted
    assert make_node_scorer("rmse", greater_is_better=True)(model, X, y, nodes=nodes) == -wanted
    signs = y > 0
    classes = FMTLClassifier().fit(X, signs, nodes=nodes)
    right = accuracy_score(signs, classes.predict(X, nodes=nodes))
    for name in ("error", "auto"):
        score = make_node_scorer(name)(classes, X, signs, nodes=nodes)
        assert score == pytest.approx(right - 1.0)
    assert repr(make_node_scorer("rmse")) == "make_node_scorer('rmse', greater_is_better=False)"


@pytest.fixture(scope="module")
def classification():
    return make_federated_classification(
        4, sizes=(20, 40), n_features=6, strength=0.3, random_state=0, return_X_y_nodes=True
    )


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.mark.parametrize(
    ("scorer", "expected"),
    [
        (make_node_scorer(accuracy_score), lambda y, m, X, n: accuracy_score(y, m.predict(X, **n))),
        (
            make_node_scorer(mean_squared_error, greater_is_better=False),
            lambda y, m, X, n: -mean_squared_error(y, m.predict(X, **n)),
        ),
        (
            make_node_scorer(f1_score, pos_label=0),
            lambda y, m, X, n: f1_score(y, m.predict(X, **n), pos_label=0),
        ),
        (
            make_node_scorer(roc_auc_score, response_method="decision_function"),
            lambda y, m, X, n: roc_auc_score(y, m.decision_function(X, **n)),
        ),
        (
            make_node_scorer(roc_auc_score, response_method=["decision_function", "predict"]),
            lambda y, m, X, n: roc_auc_score(y, m.decision_function(X, **n)),
        ),
    ],
)
def test_a_score_is_the_metric_of_the_predictions(scorer, expected, classification):
    X, y, nodes = classification
    model = FMTLClassifier(random_state=0).fit(X, y, nodes=nodes)
    assert scorer(model, X, y, nodes=nodes) == expected(y, model, X, {"nodes": nodes})
    by_column = FMTLClassifier(node_column=0, random_state=0).fit(np.c_[nodes, X], y)
    assert scorer(by_column, np.c_[nodes, X], y) == expected(y, by_column, np.c_[nodes, X], {})


def test_probabilities_of_two_classes_are_those_of_the_second(classification):
    X, y, _ = classification
    model = LogisticRegression().fit(X, y)
    scorer = make_node_scorer(log_loss, response_method="predict_proba", greater_is_better=False)
    assert scorer(model, X, y) == pytest.approx(-log_loss(y, model.predict_proba(X)))


def test_the_first_method_that_the_model_has(regression):
    X, y, _ = regression
    scorer = make_node_scorer(
        mean_squared_error, response_method=("decision_function", "predict_proba", "predict")
    )
    model = DummyRegressor().fit(X, y)
    assert scorer(model, X, y) == pytest.approx(np.var(y))
    with pytest.raises(AttributeError, match=r"none of the methods .*: predict_proba"):
        make_node_scorer(log_loss, response_method="predict_proba")(model, X, y)


def test_a_model_of_several_nodes_asks_for_them(regression):
    X, y, nodes = regression
    model = FMTLRegressor().fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="`nodes` is missing"):
        make_node_scorer(mean_squared_error)(model, X, y)


SCORER = make_node_scorer(mean_absolute_error, greater_is_better=False)


def by_hand(model, X, y, nodes, cv):
    return [
        -mean_absolute_error(
            y[test], model.fit(X[train], y[train], nodes=nodes[train]).predict(X[test], nodes=n)
        )
        for train, test in cv.split(X, y, nodes=nodes)
        for n in [nodes[test]]
    ]


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_cross_validation_routes_the_nodes(regression, n_jobs):
    X, y, nodes = regression
    model, cv = FMTLRegressor(random_state=0), NodeKFold(3)
    scores = cross_validate(
        model, X, y, cv=cv, scoring=SCORER, params={"nodes": nodes}, n_jobs=n_jobs
    )["test_score"]
    assert_allclose(scores, by_hand(model, X, y, nodes, cv), rtol=1e-12)


@pytest.mark.usefixtures("routing")
def test_several_scorers_and_curves_route_the_nodes(regression):
    X, y, nodes = regression
    model, cv = FMTLRegressor(random_state=0), NodeKFold(3, shuffle=True, random_state=0)
    both = {"mae": SCORER, "mse": make_node_scorer(mean_squared_error, greater_is_better=False)}
    scores = cross_validate(model, X, y, cv=cv, scoring=both, params={"nodes": nodes})
    assert_allclose(scores["test_mae"], by_hand(model, X, y, nodes, cv), rtol=1e-12)
    *_, curve = learning_curve(
        model,
        X,
        y,
        cv=cv,
        scoring=SCORER,
        params={"nodes": nodes},
        train_sizes=[1.0],
        shuffle=True,
        random_state=0,
    )
    assert curve[0].mean() == pytest.approx(scores["test_mae"].mean(), abs=0.02)


@pytest.mark.usefixtures("routing")
def test_searches_route_the_nodes_even_through_a_pipeline(regression):
    X, y, nodes = regression
    pipeline = make_pipeline(StandardScaler(), FMTLRegressor(random_state=0))
    search = GridSearchCV(
        pipeline,
        {"fmtlregressor__lambda2": [1e-3, 10.0]},
        cv=NodeKFold(3),
        scoring=SCORER,
        error_score="raise",
    ).fit(X, y, nodes=nodes)
    assert search.best_params_ == {"fmtlregressor__lambda2": 1e-3}
    assert search.best_score_ > -0.5


def test_without_routing_the_nodes_are_a_column(regression):
    X, y, nodes = regression
    cv = list(NodeKFold(3).split(X, y, nodes=nodes))
    column = FMTLRegressor(node_column=0, random_state=0)
    scores = cross_val_score(column, np.c_[nodes, X], y, cv=cv, scoring=SCORER)
    model = FMTLRegressor(random_state=0)
    assert_allclose(scores, by_hand(model, X, y, nodes, NodeKFold(3)), rtol=1e-12)


def test_scorers_are_copied_pickled_and_shown(regression):
    X, y, nodes = regression
    model = FMTLRegressor().fit(X, y, nodes=nodes)
    for other in (copy.deepcopy(SCORER), pickle.loads(pickle.dumps(SCORER))):
        assert other(model, X, y, nodes=nodes) == SCORER(model, X, y, nodes=nodes)
    assert repr(SCORER) == "make_node_scorer(mean_absolute_error, greater_is_better=False)"
    assert repr(make_node_scorer(f1_score, response_method=["predict"], pos_label=0)) == (
        "make_node_scorer(f1_score, pos_label=0)"
    )
    assert "['decision_function']" in repr(
        make_node_scorer(roc_auc_score, response_method="decision_function")
    )
    assert repr(robustness_scorer) == "robustness_scorer"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"metric": "accuracy"}, ValueError, "`metric` must be 'auto', .* got 'accuracy'"),
        ({"metric": None}, TypeError, "`metric` must be 'auto', .* got None"),
        ({"greater_is_better": 1}, TypeError, "`greater_is_better` must be True, .* got 1"),
        ({"response_method": "score"}, ValueError, "`response_method` must be .* got 'score'"),
        ({"response_method": []}, ValueError, "`response_method`"),
        ({"response_method": None}, ValueError, "`response_method`"),
        ({"response_method": ["predict", "x"]}, ValueError, "`response_method`"),
        ({"response_method": [["predict"]]}, ValueError, "`response_method`"),
        ({"over": "node"}, ValueError, "`over` must be 'rows' or 'nodes', got 'node'"),
        ({"over": None}, ValueError, "`over` must be 'rows' or 'nodes', got None"),
    ],
)
def test_wrong_arguments_of_make_node_scorer(arguments, error, message):
    with pytest.raises(error, match=message):
        make_node_scorer(**{"metric": accuracy_score, **arguments})


# -- scores over nodes --------------------------------------------------------------------


class Told(BaseEstimator):
    """A model that predicts what it was told."""

    def __init__(self, told):
        self.told = told

    def predict(self, X, nodes=None):
        return self.told


@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(-9, 9), st.floats(-9, 9)), min_size=1
    ),
    power=st.sampled_from([1, 2]),
    is_good=st.booleans(),
)
def test_a_score_over_nodes_is_the_mean_of_the_nodes_scores(rows, power, is_good):
    """Each node counts once, however many rows it has."""

    def measure(y, f, power):
        return np.mean(np.abs(y - f) ** power)

    by_node = {}
    for node, y, f in rows:
        by_node.setdefault(node, []).append(abs(y - f) ** power)
    expected = sum(sum(own) / len(own) for own in by_node.values()) / len(by_node)
    nodes, y, told = map(np.array, zip(*rows, strict=True))
    scorer = make_node_scorer(measure, greater_is_better=is_good, over="nodes", power=power)
    score = scorer(Told(told), np.zeros((len(y), 1)), y, nodes=nodes)
    assert score == pytest.approx(expected if is_good else -expected, rel=1e-12, abs=1e-12)
    assert type(score) is float


def test_scores_over_rows_and_over_nodes_differ_by_the_sizes_of_nodes():
    nodes, y = np.array([1, 1, 1, 2]), np.array([0, 0, 0, 1])
    over_rows, over_nodes = (make_node_scorer("error", over=over) for over in ("rows", "nodes"))
    model, X = Told(np.zeros(4, dtype=int)), np.zeros((4, 1))
    assert make_node_scorer("error")(model, X, y, nodes=nodes) == -0.25
    assert over_rows(model, X, y, nodes=nodes) == -0.25
    assert over_nodes(model, X, y, nodes=nodes) == -0.5
    assert repr(over_nodes) == "make_node_scorer('error', greater_is_better=False, over='nodes')"
    assert "over" not in repr(over_rows)


def test_auto_is_decided_by_all_rows():
    """Not anew for a node whose targets happen to be whole."""
    nodes, y = np.array([1, 1, 2]), np.array([0.0, 4.0, 0.5])
    score = make_node_scorer("auto", over="nodes")(
        Told(np.array([1.0, 1.0, 0.5])), np.zeros((3, 1)), y, nodes=nodes
    )
    assert score == pytest.approx(-np.sqrt((1 + 9) / 2) / 2)


OVER_NODES = make_node_scorer("rmse", over="nodes")


def over_nodes_by_hand(model, X, y, nodes):
    found = [
        root_mean_squared_error(y[own], model.predict(X[own], nodes=nodes[own]))
        for own in (nodes == node for node in np.unique(nodes))
    ]
    return -np.mean(found)


@pytest.mark.usefixtures("routing")
def test_a_grid_search_over_nodes(regression):
    X, y, nodes = regression
    search = GridSearchCV(
        make_pipeline(StandardScaler(), FMTLRegressor(random_state=0)),
        {"fmtlregressor__lambda2": [1e-3, 10.0]},
        cv=NodeKFold(3),
        scoring=OVER_NODES,
        error_score="raise",
    ).fit(X, y, nodes=nodes)
    for place, lambda2 in enumerate([1e-3, 10.0]):
        expected = []
        for train, test in NodeKFold(3).split(X, y, nodes=nodes):
            scaler = StandardScaler().fit(X[train])
            model = FMTLRegressor(lambda2=lambda2, random_state=0)
            model.fit(scaler.transform(X[train]), y[train], nodes=nodes[train])
            own = scaler.transform(X[test]), y[test], nodes[test]
            expected.append(over_nodes_by_hand(model, *own))
        assert_allclose(search.cv_results_["mean_test_score"][place], np.mean(expected), rtol=1e-9)


def test_nodes_are_found_in_the_column_of_a_model(regression):
    """Of the model itself, and of the last step of a pipeline that leaves the column alone."""
    X, y, nodes = regression
    table = pd.DataFrame(X).assign(site=nodes).rename(columns=str)
    keep = ColumnTransformer(
        [("scale", StandardScaler(), list("012345"))],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    column = FMTLRegressor(node_column="site", random_state=0)
    pipeline = make_pipeline(keep, column)
    scaled = StandardScaler().fit_transform(X)
    for model, rows in ((column, X), (pipeline, scaled), (make_pipeline(column), X)):
        plain = FMTLRegressor(random_state=0).fit(rows, y, nodes=nodes)
        score = OVER_NODES(model.fit(table, y), table, y)
        assert score == pytest.approx(over_nodes_by_hand(plain, rows, y, nodes), rel=1e-9)


def test_a_score_over_nodes_without_nodes_is_an_error(regression):
    X, y, _ = regression
    for model in (FMTLRegressor().fit(X, y), DummyRegressor().fit(X, y)):
        with pytest.raises(ValueError, match=r"`nodes` is missing: .* over='nodes' .*`node_column"):
            OVER_NODES(model, X, y)


# -- robustness ---------------------------------------------------------------------------


def test_robustness_is_the_negative_of_the_attackers_score(classification):
    X, y, nodes = classification
    poisoner = LabelFlipPoisoner(FMTLClassifier(), random_state=0).fit(X, y, nodes=nodes)
    assert robustness_scorer(poisoner, X, y, nodes=nodes) == -poisoner.score(X, y, nodes=nodes)


@pytest.mark.usefixtures("routing")
def test_a_defender_searches_for_what_hurts_least(regression):
    X, y, nodes = regression
    poisoner = RandomPoisoner(FMTLRegressor(random_state=0), budget=0.5, random_state=0)
    grid = {"estimator__lambda2": [0.01, 0.1, 100.0]}
    search = GridSearchCV(poisoner, grid, cv=NodeKFold(3), scoring=robustness_scorer)
    search.fit(X, y, nodes=nodes)
    scores = search.cv_results_["mean_test_score"]
    assert (scores < 0).all() and np.argmax(scores) == search.best_index_
    default = GridSearchCV(poisoner, grid, cv=NodeKFold(3)).fit(X, y, nodes=nodes)
    assert_allclose(default.cv_results_["mean_test_score"], -scores)


def test_robustness_by_a_node_column(regression):
    X, y, nodes = regression
    victim = FMTLRegressor(node_column=0, random_state=0)
    cv = list(NodeKFold(3).split(X, y, nodes=nodes))
    scores = cross_val_score(
        RandomPoisoner(victim, random_state=0), np.c_[nodes, X], y, cv=cv, scoring=robustness_scorer
    )
    assert (scores < 0).all()


def test_robustness_of_what_is_no_poisoner(regression):
    X, y, nodes = regression
    model = FMTLRegressor().fit(X, y, nodes=nodes)
    with pytest.raises(TypeError, match=r"fitted poisoners, .* got FMTLRegressor"):
        robustness_scorer(model, X, y, nodes=nodes)
