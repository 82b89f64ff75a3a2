"""Fits that go on where the last one has ended: nothing is lost, whatever has changed."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from estimators import ESTIMATOR_OF, LOSSES, make_rows
from oracles.losses import CLASSIFICATION_LOSSES
from skfedmtl.relationships import mean_regularized

losses = pytest.mark.parametrize("loss", LOSSES)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SIZES = (20, 12, 16, 14)
SETTINGS = {
    "learned": {"relationship": "learned"},
    "omega": {"relationship": mean_regularized(4)},
    "none": {"relationship": "none"},
    "protocol": {"local_epochs": (1.0, 5.0)},
    "absent": {"participation": 0.5},
}


def rows_of(loss, seed=0, **how):
    return make_rows(ESTIMATOR_OF[loss], **{"sizes": SIZES, "n_features": 6, **how}, seed=seed)


def make(loss, **params):
    given = {"lambda1": 1e-2, "lambda2": 1e-3, "tol": 1e-10, "random_state": 0}
    return ESTIMATOR_OF[loss](loss=loss, **{**given, "warm_start": True, **params})


def in_steps(model, count, X, y, nodes, **how):
    """So many fits of `max_iter` rounds; their objectives and bounds."""
    found = []
    for _ in range(count):
        model.fit(X, y, nodes=nodes, **how)
        found.append((model.objective_, model.dual_objective_))
    return np.array(found).T


def check_no_ground_is_lost(objectives, bounds):
    size = 1.0 + abs(objectives).max()
    assert np.all(np.diff(objectives) <= 1e-12 * size)
    assert np.all(np.diff(bounds) >= -1e-12 * size)


@pytest.mark.parametrize("setting", SETTINGS)
@losses
def test_fits_of_one_round_lose_nothing(loss, setting):
    """And come as far as one fit of as many rounds."""
    X, y, nodes = rows_of(loss)
    params = SETTINGS[setting]
    model = make(loss, max_iter=1, **params)
    objectives, bounds = in_steps(model, 60, X, y, nodes)
    check_no_ground_is_lost(objectives, bounds)
    whole = make(loss, max_iter=60, **params).fit(X, y, nodes=nodes)
    gap = objectives[-1] - bounds[-1]
    # each fit begins the extrapolation anew
    assert gap <= max(30.0 * whole.dual_gap_, 2e-2 * whole.objective_)
    assert gap <= max(0.1 * (objectives[0] - bounds[0]), 1e-8)


@losses
def test_a_killed_fit_goes_on(loss):
    """Pickled in the middle: the optimum of one long fit, within both certificates."""
    X, y, nodes = rows_of(loss, 1)
    model = make(loss, max_iter=7, local_epochs=10.0).fit(X, y, nodes=nodes)
    twin = pickle.loads(pickle.dumps(model))
    for one in (model, twin):
        one.set_params(max_iter=4000, tol=1e-6).fit(X, y, nodes=nodes)
    for name in ("coef_", "intercept_", "dual_coef_"):
        assert_array_equal(getattr(model, name), getattr(twin, name))
    whole = make(loss, max_iter=4000, tol=1e-6, local_epochs=10.0).fit(X, y, nodes=nodes)
    assert model.dual_gap_ <= 1e-6 * model.objective_
    assert model.dual_objective_ <= whole.objective_
    assert whole.dual_objective_ <= model.objective_
    assert model.n_iter_ < whole.n_iter_


CHANGES = {
    "penalties": lambda X, y, nodes, rng: ({"lambda1": 1e-3, "lambda2": 1e-2}, X, y, nodes, None),
    "relationship": lambda X, y, nodes, rng: ({"relationship": "none"}, X, y, nodes, None),
    "intercept": lambda X, y, nodes, rng: ({"fit_intercept": False}, X, y, nodes, None),
    "rows": lambda X, y, nodes, rng: ({}, X + 0.1 * rng.normal(size=X.shape), y, nodes, None),
    "targets": lambda X, y, nodes, rng: ({}, X, y[::-1], nodes, None),
    "weights": lambda X, y, nodes, rng: ({}, X, y, nodes, rng.integers(3, size=len(y)) * 1.0),
    "fewer rows": lambda X, y, nodes, rng: ({}, X[8:], y[8:], nodes[8:], None),
    "more rows": lambda X, y, nodes, rng: (
        {},
        np.tile(X, (2, 1)),
        np.tile(y, 2),
        np.tile(nodes, 2),
        None,
    ),
    "fewer nodes": lambda X, y, nodes, rng: (
        {},
        X[nodes > 0],
        y[nodes > 0],
        nodes[nodes > 0],
        None,
    ),
    "other nodes": lambda X, y, nodes, rng: ({}, X, y, nodes + 7, None),
    "fewer features": lambda X, y, nodes, rng: ({}, X[:, :3], y, nodes, None),
    "solver": lambda X, y, nodes, rng: ({"solver": "mocha", "local_epochs": 5}, X, y, nodes, None),
}


@pytest.mark.parametrize("change", CHANGES)
@losses
def test_what_may_change_between_two_fits(loss, change):
    """The problem is that of the second call: its optimum is found, whatever the first one was."""
    X, y, nodes = rows_of(loss, 2)
    model = make(loss, max_iter=5).fit(X, y, nodes=nodes)
    params, *rows, weight = CHANGES[change](X, y, nodes, np.random.default_rng(0))
    model.set_params(tol=1e-6, max_iter=2000, **params)
    cold = clone(model).set_params(warm_start=False)
    for one in (model, cold):
        one.fit(rows[0], rows[1], nodes=rows[2], sample_weight=weight)
        assert one.dual_gap_ <= 1e-6 * one.objective_ + 1e-10
    assert model.dual_objective_ <= cold.objective_ + 1e-10
    assert cold.dual_objective_ <= model.objective_ + 1e-10


@losses
def test_penalties_change_while_fits_are_short(loss):
    """Back at the first penalties the way goes on from there."""
    X, y, nodes = rows_of(loss, 3)
    model = make(loss, max_iter=3)
    in_steps(model, 3, X, y, nodes)
    for lambda1 in (1.0, 1e-4, 1e-2):
        check_no_ground_is_lost(*in_steps(model.set_params(lambda1=lambda1), 15, X, y, nodes))
    assert model.dual_gap_ <= 0.02 * model.objective_


@pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
def test_many_classes_go_on_too(loss):
    rng = np.random.default_rng(0)
    X, _, nodes = rows_of(loss)
    y = np.array(["a", "b", "c"])[np.argmax(X[:, :3] + rng.normal(size=(len(X), 3)), axis=1)]
    model = make(loss, max_iter=1)
    check_no_ground_is_lost(*in_steps(model, 20, X, y, nodes))
    model = pickle.loads(pickle.dumps(model))
    objectives, bounds = in_steps(model, 20, X, y, nodes)
    check_no_ground_is_lost(objectives, bounds)
    whole = make(loss, max_iter=40).fit(X, y, nodes=nodes)
    assert objectives[-1] - bounds[-1] <= max(30.0 * whole.dual_gap_, 2e-2 * whole.objective_)
    # a class more: begun anew
    y = np.where(X[:, 3] > 1.0, "d", y)
    model.set_params(tol=1e-4, max_iter=1000).fit(X, y, nodes=nodes)
    assert model.dual_gap_ <= 1e-4 * model.objective_


def test_a_fit_without_warm_start_knows_nothing_of_the_last():
    X, y, nodes = rows_of("logistic")
    first = make("logistic", max_iter=4).fit(X, y, nodes=nodes)
    first.set_params(warm_start=False).fit(X, y, nodes=nodes)
    expected = make("logistic", max_iter=4, warm_start=False).fit(X, y, nodes=nodes)
    assert_array_equal(first.coef_, expected.coef_)
    # and leaves nothing of it to the next
    first.set_params(warm_start=True).fit(X, y, nodes=nodes)
    assert first.objective_ <= expected.objective_ * (1.0 + 1e-12)


@losses
def test_a_fit_in_vain_leaves_the_iterate(loss):
    X, y, nodes = rows_of(loss)
    model, twin = (make(loss, max_iter=3).fit(X, y, nodes=nodes) for _ in range(2))
    with pytest.raises(ValueError, match="lambda2"):
        model.set_params(lambda2=-1.0).fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="inconsistent"):
        model.set_params(lambda2=1e-3).fit(X[1:], y, nodes=nodes)
    for one in (model, twin):
        one.fit(X, y, nodes=nodes)
    assert_array_equal(model.coef_, twin.coef_)


@losses
def test_a_converged_fit_needs_no_round(loss):
    X, y, nodes = rows_of(loss)
    model = make(loss, tol=1e-6, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        first = model.fit(X, y, nodes=nodes).objective_
        assert model.fit(X, y, nodes=nodes).n_iter_ == 0
    assert_allclose(model.objective_, first, rtol=1e-12)
