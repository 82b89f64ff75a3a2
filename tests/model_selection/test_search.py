"""Searches for penalties: the scores and the model of a grid search, at the cost of a path."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import estimator_checks_generator

from estimators import make_rows
from skfedmtl import (
    FMTLClassifier,
    FMTLClassifierCV,
    FMTLRegressor,
    FMTLRegressorCV,
)
from skfedmtl.metrics import make_node_scorer, node_errors
from skfedmtl.model_selection import NodeKFold
from skfedmtl.model_selection._path import walk

PAIRS = ((FMTLRegressorCV, FMTLRegressor), (FMTLClassifierCV, FMTLClassifier))
GRID = {"lambda0": [None, 0.1], "lambda1": [1e-3, 0.1], "lambda2": [1e-2]}
LISTS = {f"{name}s": values for name, values in GRID.items()}
pairs = pytest.mark.parametrize(("Search", "Plain"), PAIRS)

#: a row of weight two and two rows lie in other folds
NO_FOLDS_ALIKE = {
    f"check_sample_weight_equivalence_on_{kind}_data": "folds differ"
    for kind in ("dense", "sparse")
}


def checks():
    for Search, _ in PAIRS:
        search = Search(lambda1s=[1e-2], lambda2s=[1e-3, 1e-2], cv=2, tol=1e-2)
        for estimator, check in estimator_checks_generator(search):
            name = check.func.__name__
            if name not in NO_FOLDS_ALIKE:
                yield pytest.param(estimator, check, id=f"{Search.__name__}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pairs
def test_it_finds_what_a_grid_search_finds(Search, Plain):
    X, y, nodes = make_rows(Plain, sizes=(20, 14, 16))
    given = {"tol": 1e-9, "random_state": 0}
    folds = list(NodeKFold(3).split(X, y, nodes=nodes))
    search = Search(cv=3, **LISTS, **given).fit(X, y, nodes=nodes)
    grid = GridSearchCV(Plain(node_column=-1, **given), GRID, cv=folds)
    grid.fit(np.column_stack([X, nodes]), y)
    assert search.cv_results_["params"] == grid.cv_results_["params"]
    for name in ("split0_test_score", "split2_test_score", "mean_test_score", "std_test_score"):
        assert_allclose(search.cv_results_[name], grid.cv_results_[name], atol=1e-6)
    best = search.cv_results_["params"][search.best_index_]
    assert (search.lambda0_, search.lambda1_, search.lambda2_) == tuple(best.values())
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    plain = Plain(**best, **given).fit(X, y, nodes=nodes)
    for name, value in vars(plain).items():
        if name.endswith("_") and name != "history_":
            assert_array_equal(getattr(search, name), value)
    assert_array_equal(search.predict(X, nodes=nodes), plain.predict(X, nodes=nodes))
    assert search.score(X, y, nodes=nodes) == plain.score(X, y, nodes=nodes)
    assert_array_equal(search.node_covariance(), plain.node_covariance())
    assert_array_equal(search.feature_importances_, plain.feature_importances_)


@pairs
def test_the_same_bits_for_any_n_jobs(Search, Plain):
    X, y, nodes = make_rows(Plain, strings=True)
    search = Search(cv=2, random_state=np.random.RandomState(3), **LISTS)
    one, two = (clone(search).set_params(n_jobs=n).fit(X, y, nodes=nodes) for n in (1, 2))
    assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    assert_array_equal(one.coef_, two.coef_)


@pairs
def test_the_node_column_is_the_other_spelling(Search, Plain):
    X, y, nodes = make_rows(Plain)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    routed = Search(cv=2, random_state=0, **LISTS).fit(X, y, nodes=nodes, sample_weight=weight)
    table = np.column_stack([X, nodes])
    model = Search(cv=2, random_state=0, node_column=-1, **LISTS)
    model.fit(table, y, sample_weight=weight)
    assert_array_equal(routed.cv_results_["mean_test_score"], model.cv_results_["mean_test_score"])
    assert_array_equal(routed.predict(X, nodes=nodes), model.predict(table))
    assert model.n_features_in_ == 4


@pytest.mark.parametrize(
    "scoring",
    ["neg_mean_absolute_error", make_scorer(mean_absolute_error, greater_is_better=False)],
)
def test_scorers_need_not_know_the_nodes(scoring):
    X, y, nodes = make_rows(FMTLRegressor)
    folds = list(NodeKFold(2).split(X, y, nodes=nodes))
    given = {"lambda1s": [1e-3], "lambda2s": [1e-3], "random_state": 0}
    search = FMTLRegressorCV(scoring=scoring, cv=folds, refit=False, **given)
    search.fit(X, y, nodes=nodes)
    expected = []
    for train, test in folds:
        model = FMTLRegressor(random_state=0).fit(X[train], y[train], nodes=nodes[train])
        expected.append(-mean_absolute_error(y[test], model.predict(X[test], nodes=nodes[test])))
    assert_allclose(search.best_score_, np.mean(expected))
    with pytest.raises(NotFittedError):
        search.predict(X, nodes=nodes)


@pytest.mark.parametrize("spelling", ["argument", "column"])
@pairs
def test_scorers_that_ask_for_the_nodes_are_given_them(Search, Plain, spelling):
    """A mean over nodes of different sizes, each of which counts once."""
    X, y, nodes = make_rows(Plain, sizes=(30, 10, 16))
    metric = "rmse" if Plain is FMTLRegressor else "error"
    lists = {"lambda1s": [1e-3], "lambda2s": [1e-3], "random_state": 0, "cv": 2}
    search = Search(scoring=make_node_scorer(metric, over="nodes"), **lists)
    if spelling == "argument":
        search.fit(X, y, nodes=nodes)
    else:
        search.set_params(node_column=-1).fit(np.column_stack([X, nodes]), y)
    expected = []
    for train, test in NodeKFold(2).split(X, y, nodes=nodes):
        model = Plain(random_state=0).fit(X[train], y[train], nodes=nodes[train])
        told = model.predict(X[test], nodes=nodes[test])
        errors = node_errors(y[test], told, nodes[test], metric)
        expected.append(-sum(errors.values()) / len(errors))
    assert_allclose(search.best_score_, np.mean(expected), rtol=1e-9)
    over_rows = Search(scoring=make_node_scorer(metric), **lists).fit(X, y, nodes=nodes)
    assert abs(over_rows.best_score_ - search.best_score_) > 1e-4


def test_a_metric_that_takes_the_nodes_is_given_them():
    """By scikit-learn's own request, which needs its routing."""
    X, y, nodes = make_rows(FMTLRegressor, sizes=(30, 10, 16), strings=True)

    def worst(y, told, nodes):
        return max(node_errors(y, told, nodes, "rmse").values())

    lists = {"lambda1s": [1e-3], "lambda2s": [1e-3], "random_state": 0}
    ((train, test),) = folds = list(NodeKFold(3).split(X, y, nodes=nodes))[:1]
    with config_context(enable_metadata_routing=True):
        scorer = make_scorer(worst, greater_is_better=False).set_score_request(nodes=True)
        search = FMTLRegressorCV(scoring=scorer, cv=folds, **lists).fit(X, y, nodes=nodes)
    model = FMTLRegressor(random_state=0).fit(X[train], y[train], nodes=nodes[train])
    expected = -worst(y[test], model.predict(X[test], nodes=nodes[test]), nodes[test])
    assert_allclose(search.best_score_, expected, rtol=1e-9)


def test_classes_of_any_number_and_kind():
    X, y, nodes = make_rows(FMTLRegressor, sizes=(20, 14, 16))
    labels = np.array(["high", "low", "middle"])[np.digitize(y, np.quantile(y, [0.3, 0.6]))]
    search = FMTLClassifierCV(loss="logistic", scoring="neg_log_loss", cv=2, **LISTS)
    search.fit(X, labels, nodes=nodes)
    assert_array_equal(search.classes_, ["high", "low", "middle"])
    assert search.predict_proba(X, nodes=nodes).shape == (50, 3)
    assert -np.log(3.0) < search.best_score_ < 0.0
    assert not hasattr(FMTLClassifierCV(), "predict_proba")


def test_the_path_goes_everywhere_by_single_steps():
    grid = {"lambda0": [0.1, None, 1.0], "lambda1": [0.0, 2.0], "lambda2": [1.0, 3.0, 2.0]}
    path = walk(grid)
    assert path[0] == {"lambda1": 2.0, "lambda2": 3.0, "lambda0": None}
    assert len({tuple(point.values()) for point in path}) == len(path) == 18
    for one, two in pairwise(path):
        (moved,) = (name for name in grid if one[name] != two[name])
        values = sorted(grid[moved], key=lambda value: np.inf if value is None else value)
        assert abs(values.index(one[moved]) - values.index(two[moved])) == 1


@pairs
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lambda0s": [None, 0.0]}, "`lambda0s` must be None, or a list .* got 0.0 among them"),
        ({"lambda0s": []}, r"`lambda0s` must be .* got \[\]"),
        ({"lambda1s": [None]}, "`lambda1s` must be .* of at least 0, .* got None among them"),
        ({"lambda2s": [1.0, 1.0]}, r"`lambda2s` .* no two alike, got \[1.0, 1.0\]"),
        ({"lambda2s": [0.0]}, "`lambda2s` must be a list of numbers above 0"),
        ({"lambda2s": [True]}, "`lambda2s` .* got True among them"),
        ({"cv": 99}, "`cv`=99 folds need as many rows"),
        ({"scoring": "beauty"}, "'scoring' parameter of"),
    ],
)
def test_bad_input(Search, Plain, params, message):
    X, y, nodes = make_rows(Plain)
    with pytest.raises(ValueError, match=message):
        Search(**params).fit(X, y, nodes=nodes)


@pytest.mark.parametrize(
    ("solver", "told"),
    [
        ("mocha", r"Raise lambda2=0\.0001, .* use solver='splitting'"),
        ("splitting", "Raise max_iter, tol or the lambdas, or scale the features"),
    ],
)
@pairs
def test_fits_that_end_early_are_counted_and_told_what_helps(Search, Plain, solver, told):
    X, y, nodes = make_rows(Plain, sizes=(20, 14, 16))
    lists = {"lambda1s": [0.1], "lambda2s": [1e-2, 1e-4], "cv": 2, "refit": False}
    search = Search(solver=solver, max_iter=1, tol=1e-9, local_epochs=1, **lists)
    with pytest.warns(ConvergenceWarning, match=rf"^4 of the 4 fits of the search .* tol\. {told}"):
        search.fit(X, y, nodes=nodes)
