"""The Huber loss of the regressor: its scale, and what lies at either end of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import HuberRegressor

from estimators import KINDS, OMEGA, climber, make_rows
from skfedmtl import FMTLRegressor
from skfedmtl._estimators.residual_scale import weighted_median

TOL = 1e-10


def huber(kind="learned", **params):
    given = {"lambda1": 0.05, "lambda2": 0.02, "random_state": 0, "tol": TOL, **params}
    return FMTLRegressor(loss="huber", relationship=OMEGA if kind == "omega" else kind, **given)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("intercept", [{"fit_intercept": False}, {"intercept_scaling": 2.0}])
def test_a_large_delta_is_the_squared_error(kind, intercept):
    X, y, nodes = make_rows(FMTLRegressor)
    model = huber(kind, huber_delta=1e3, **intercept).fit(X, y, nodes=nodes)
    squares = huber(kind, **intercept).set_params(loss="squared_error").fit(X, y, nodes=nodes)
    assert_allclose(model.objective_, squares.objective_, rtol=2 * TOL)
    assert_allclose(model.coef_, squares.coef_, atol=1e-4)
    assert squares.huber_delta_ == np.inf
    smaller = huber(kind, huber_delta=0.1, **intercept).fit(X, y, nodes=nodes)
    assert smaller.objective_ < 0.9 * squares.objective_


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
@pytest.mark.parametrize("c", [1e-3, 20.0])
def test_units_of_targets_do_not_matter(solver, c):
    X, y, nodes = make_rows(FMTLRegressor)
    y[::7] += 20.0
    for delta in (None, 0.5):
        options = {"solver": solver, "tol": 1e-8, "max_iter": 5000}
        one = huber(huber_delta=delta, **options).fit(X, y, nodes=nodes)
        scaled = None if delta is None else c * delta
        other = huber(huber_delta=scaled, **options).fit(X, c * y, nodes=nodes)
        assert_allclose(other.huber_delta_, c * one.huber_delta_, rtol=1e-3)
        assert_allclose(other.coef_, c * one.coef_, atol=1e-3 * c)
        assert_allclose(other.objective_, c**2 * one.objective_, rtol=1e-3)


def test_it_is_that_of_scikit_learn_where_that_finds_the_same_scale():
    """HuberRegressor adds the scale to its unknowns; at its delta the weights are the same."""
    X, y, _ = make_rows(FMTLRegressor, sizes=(60,))
    y[::9] += 15.0
    peer = HuberRegressor(epsilon=1.5, alpha=0.3, fit_intercept=False, tol=1e-10, max_iter=1000)
    peer.fit(X, y)
    lambda2 = 0.3 * peer.scale_ / len(y)
    model = huber("none", lambda2=lambda2, huber_delta=1.5 * peer.scale_, fit_intercept=False)
    assert_allclose(model.fit(X, y).coef_[0], peer.coef_, atol=1e-5)
    large = np.abs(y - X @ peer.coef_) > model.huber_delta_
    assert_allclose(np.abs(model.dual_coef_[large]), 2.0 * model.huber_delta_)
    assert_array_equal(large, peer.outliers_)
    assert 0 < large.sum() < len(y)


# -- the scale ------------------------------------------------------------------------------------


def test_the_scale_is_that_of_a_fit_by_squared_error():
    X, y, nodes = make_rows(FMTLRegressor)
    model = huber().fit(X, y, nodes=nodes)
    squares = huber(intercept_scaling=1.0).set_params(loss="squared_error").fit(X, y, nodes=nodes)
    residuals = np.abs(y - squares.predict(X, nodes=nodes))
    assert_allclose(model.huber_delta_, 1.35 * np.median(residuals) / 0.6745, rtol=1e-4)
    again = huber(huber_delta=model.huber_delta_).fit(X, y, nodes=nodes)
    assert_array_equal(model.coef_, again.coef_)


def test_a_weight_counts_as_often_as_it_says():
    X, y, nodes = make_rows(FMTLRegressor)
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    whole = np.repeat(np.arange(len(y)), weight)
    one = huber().fit(X, y, nodes=nodes, sample_weight=weight)
    other = huber().fit(X[whole], y[whole], nodes=nodes[whole])
    assert_allclose(one.huber_delta_, other.huber_delta_, rtol=1e-4)
    assert_allclose(one.coef_, other.coef_, atol=1e-4)


@given(st.lists(st.tuples(st.floats(0, 9), st.integers(0, 4)), min_size=1, max_size=12))
def test_the_weighted_median_is_that_of_repeated_values(pairs):
    values, weight = map(np.array, zip(*pairs, strict=True))
    if weight.any():
        assert weighted_median(values, weight) == np.median(np.repeat(values, weight))


@pytest.mark.parametrize("level", [0.0, 3.0])
def test_targets_without_residuals_have_a_scale(level):
    X, _, nodes = make_rows(FMTLRegressor)
    X[:, 0] = level
    model = huber(lambda1=0.0, lambda2=1e-12).fit(X, X[:, 0], nodes=nodes)
    assert 0.0 < model.huber_delta_ <= max(level, 1.0)
    assert_allclose(model.predict(X, nodes=nodes), level, atol=1e-3)


def test_far_targets_move_the_model_no_farther():
    """A row beyond delta pulls alike wherever it is; squared errors give way without end."""
    X, y, nodes = make_rows(FMTLRegressor)
    found = []
    for off in (50.0, 5000.0):
        moved = y.copy()
        moved[0] += off
        found.append(huber(huber_delta=1.0).fit(X, moved, nodes=nodes).coef_)
    assert_allclose(*found, atol=1e-3)


# -- attacks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("delta", [None, 0.7])
def test_an_attacked_fit_keeps_the_scale_of_the_clean_rows(delta):
    X, y, nodes = make_rows(FMTLRegressor)
    victim = huber(huber_delta=delta, tol=1e-6)
    attack = climber(victim, random_state=0, max_iter=5, budget=0.3).fit(X, y, nodes=nodes)
    clean, poisoned = attack.clean_estimator_, attack.estimator_
    assert clean.huber_delta_ == poisoned.huber_delta_
    assert_array_equal(clean.coef_, victim.fit(X, y, nodes=nodes).coef_)
    assert attack.objective_ > attack.objective_history_[0] > 0.0


@pytest.mark.parametrize("delta", [0.0, -1.0, np.nan, "wide"])
def test_what_is_no_scale_is_refused(delta):
    X, y, nodes = make_rows(FMTLRegressor)
    with pytest.raises(ValueError, match="'huber_delta' parameter of FMTLRegressor"):
        huber(huber_delta=delta).fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="'intercept_scaling' parameter of FMTLRegressor"):
        huber(intercept_scaling=delta).fit(X, y, nodes=nodes)
