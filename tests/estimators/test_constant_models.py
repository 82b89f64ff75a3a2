"""Models that are constant to within their certificate are said to be, and no others."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl._estimators import constant
from skfedmtl._model import row_algebra
from skfedmtl._report.data import DATASETS
from skfedmtl._report.experiment import Settings, Split, make_victim, score_nodes, split_rows
from skfedmtl.datasets import load_flights


@pytest.fixture(scope="module")
def landmine(shared_data):
    X, y, nodes = DATASETS["landmine"].load(str(shared_data))
    return split_rows(X, y, nodes, 1)


def rare(d=3, n=200, scale=1.0):
    """Three nodes: the first two of few positives that nothing tells apart, the third a signal."""
    rng = np.random.default_rng(0)
    X, nodes = rng.normal(size=(3 * n, d)), np.repeat([0, 1, 2], n)
    y = rng.random(3 * n) < 0.04
    y[nodes == 2] = X[nodes == 2, 0] > 0
    return scale * X, y, nodes


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("lambda1", [1e-2, 1e-1])
def test_the_hinge_on_landmine_is_constant_whatever_the_tolerance(landmine, lambda1, tol):
    model = FMTLClassifier(lambda1=lambda1, tol=tol, random_state=0)
    model.fit(landmine.X, landmine.y, nodes=landmine.nodes)
    assert model.is_constant_.all()
    assert set(score_nodes(model, landmine)["auc"]) == {0.5}
    assert np.ptp(landmine.X_test @ model.coef_.T) > 0.0  # what an AUC would be made of


def test_the_settings_of_the_report_are_informative(landmine):
    data = DATASETS["landmine"]
    settings = Settings("landmine", 1, 0.2, 0, 1, data.lambda1, data.lambda2, data.loss)
    model = make_victim(landmine, settings).fit(landmine.X, landmine.y, nodes=landmine.nodes)
    assert not model.is_constant_.any()
    assert np.nanmean(score_nodes(model, landmine)["auc"]) > 0.7


@pytest.mark.parametrize("convert", [np.asarray, csr_array])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_only_nodes_without_a_signal(scale, convert):
    X, y, nodes = rare(scale=scale)
    options = {"relationship": "none", "lambda2": 1e-2 * scale**2, "random_state": 0}
    options["intercept_scaling"] = scale
    for tol in (1e-5, 1e-9):
        model = FMTLClassifier(tol=tol, **options).fit(convert(X), y, nodes=nodes)
        assert_array_equal(model.is_constant_, [True, True, False])


@pytest.mark.parametrize("loss", ["squared_hinge", "logistic"])
def test_small_slopes_that_a_fit_has_certified_are_none(loss):
    """Far below the intercept, but certain."""
    X, y, nodes = rare()
    model = FMTLClassifier(loss=loss, lambda2=1.0, tol=1e-12, random_state=0)
    model.fit(X, y, nodes=nodes)
    assert np.linalg.norm(model.coef_, axis=1).min() < 0.1
    assert not model.is_constant_.any()


@pytest.mark.parametrize("target", ["delay", "late"])
def test_informative_models_are_not_constant(target):
    """However wide the gap is, unless the ridge makes their worth as small as that."""
    X, y, nodes = load_flights(target, return_X_y_nodes=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    make = FMTLRegressor if target == "delay" else FMTLClassifier
    # with lambda2 = 100, slopes of .14 explain less than 1e-4 of a node's delays
    for lambda2, tol in ((1e-8, 1e-2), (1e-3, 1e-2), (1e2, 1e-5)):
        model = make(lambda2=lambda2, tol=tol, random_state=0).fit(X, y, nodes=nodes)
        assert not model.is_constant_.any()


def test_far_targets_hide_no_slopes():
    """A regressor's intercept is free: that it is large says nothing."""
    X, _, nodes = rare()
    y = 1e4 + X[:, 0]
    model = FMTLRegressor(lambda1=0.0, lambda2=1e-8, random_state=0).fit(X, y, nodes=nodes)
    assert not model.is_constant_.any()


def test_residuals_are_asked_of_those_alone_that_may_be_constant(monkeypatch):
    X, _, nodes = rare()
    asked, residuals = [], constant._root_losses

    def record(problem, W, which):
        asked.append(which)
        return residuals(problem, W, which)

    monkeypatch.setattr(constant, "_root_losses", record)
    # within the certificate of a lambda2 so small is any slope
    FMTLRegressor(lambda2=1e-12, tol=1e-2).fit(X, X[:, 0] + 5.0 * X[:, 1], nodes=nodes)
    assert not asked[0].any()


def test_a_regressor_of_a_constant():
    X, _, nodes = rare()
    y = np.where(nodes == 1, X[:, 0], 7.0)
    model = FMTLRegressor(relationship="none", random_state=0).fit(X, y, nodes=nodes)
    assert_array_equal(model.is_constant_, [True, False, True])


@pytest.mark.filterwarnings("ignore:.*stopped after max_iter")
def test_a_fit_that_was_stopped_early_calls_no_signal_constant():
    X, y, nodes = rare(d=40)
    model = FMTLClassifier(max_iter=1, solver="mocha", local_epochs=0.1, random_state=0)
    model.fit(X, y, nodes=nodes)
    assert model.dual_gap_ > 0.1 * model.objective_
    assert not model.is_constant_.any()


def test_one_flag_a_node_and_class():
    X, y, nodes = rare()
    classes = np.where(y, "b", np.where(np.arange(len(y)) % 40 == 0, "c", "a"))
    model = FMTLClassifier(relationship="none", lambda2=1e-2, tol=1e-8, random_state=0)
    model.fit(X, classes, nodes=nodes)
    assert model.is_constant_.shape == (3, 3)
    assert model.is_constant_[:2, 2].all() and not model.is_constant_[2, :2].any()


def test_a_listed_node_without_rows():
    X, y, nodes = rare()
    model = FMTLClassifier(node_labels=[0, 1, 2, 9], tol=1e-8, random_state=0)
    model.fit(X, y, nodes=nodes)
    assert model.is_constant_[3] and not model.is_constant_[2]


def test_the_report_takes_the_auc_of_a_constant_for_what_it_is():
    X, y, nodes = rare()
    y = y.astype(int)
    places = np.arange(len(X))
    split = Split(X, X, y, y, nodes, nodes, np.unique(nodes), X, places, places)
    model = FMTLClassifier(relationship="none", lambda2=1e-2, tol=1e-8, random_state=0)
    auc = score_nodes(model.fit(X, y, nodes=nodes), split)["auc"]
    assert_array_equal(auc[:2], [0.5, 0.5])
    assert auc[2] > 0.9


@pytest.mark.parametrize("chunk", [1, 9, 10**6])
def test_moments_of_rows_are_taken_a_few_at_a_time(chunk, monkeypatch):
    monkeypatch.setattr(row_algebra, "_CHUNK", chunk)
    X = 5.0 + np.random.default_rng(0).normal(size=(20, 3))
    mean, deviation = constant._moments(X)
    assert_allclose(mean, X.mean(axis=0))
    assert_allclose(deviation, X.std(axis=0))
