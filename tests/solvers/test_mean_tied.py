"""``relationship="mean"`` is the given ``I - 11'/m``, and makes no matrix between nodes."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from estimators import ESTIMATOR_OF, ESTIMATORS, LOSSES, climber, make_rows
from profiles import covering
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl.attack import DamageBound, RandomPoisoner
from skfedmtl.relationships import mean_regularized

SIZES = (14, 12, 13)
PENALTIES = {"lambda1": 0.05, "lambda2": 0.02, "random_state": 0}


def both(Estimator, m=3, **params):
    """The same estimator with either spelling."""
    given = {**PENALTIES, **params}
    return [Estimator(relationship=Omega, **given) for Omega in ("mean", mean_regularized(m))]


@pytest.mark.parametrize(
    ("loss", "solver", "intercept", "lambda0"),
    covering(3, LOSSES, ("splitting", "mocha"), (True, False), (None, 0.1)),
)
def test_it_is_the_given_matrix(loss, solver, intercept, lambda0):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss](loss=loss), SIZES)
    tol = 1e-9
    params = {"loss": loss, "solver": solver, "fit_intercept": intercept, "lambda0": lambda0}
    mean, given = (
        model.fit(X, y, nodes=nodes) for model in both(ESTIMATOR_OF[loss], tol=tol, **params)
    )
    gap = tol * given.objective_
    assert 0.0 <= mean.dual_gap_ <= gap
    assert abs(mean.objective_ - given.objective_) <= gap
    apart = np.linalg.norm(mean.coef_ - given.coef_)
    assert apart <= 2.0 * np.sqrt(gap / given._ridge(3))
    assert_allclose(mean.node_covariance(), given.node_covariance(), atol=1e-12)
    assert_allclose(mean.node_precision(), given.node_precision(), atol=1e-12)


@pytest.mark.parametrize("intercept_scaling", [None, 3.0])
def test_both_intercepts_of_a_regressor(intercept_scaling):
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    mean, given = (
        model.fit(X, y + 5.0, nodes=nodes)
        for model in both(FMTLRegressor, tol=1e-12, intercept_scaling=intercept_scaling)
    )
    assert_allclose(mean.intercept_, given.intercept_, atol=1e-6)
    assert_allclose(mean.coef_, given.coef_, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_attacks_see_the_same_gradient(loss):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss](loss=loss), SIZES, n_features=9)
    threat = {"attack": "hybrid", "target_nodes": [0, 1], "budget": 0.3, "random_state": 0}
    mean, given = (
        climber(victim, **threat).check_gradient(X, y, nodes=nodes, n_points=1)
        for victim in both(ESTIMATOR_OF[loss], loss=loss)
    )
    size = np.abs(given.gradient).max()
    assert size > 1e-6
    assert_allclose(mean.gradient, given.gradient, atol=1e-6 * size)
    assert mean.relative_error <= 1e-5


def test_bounds_are_the_same():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    threat = {"attack": "indirect", "target_nodes": [0], "budget": 0.2, "random_state": 0}
    mean, given = (
        DamageBound(victim, **threat).fit(X, y, nodes=nodes) for victim in both(FMTLRegressor)
    )
    assert_allclose(mean.upper_bound_, given.upper_bound_, rtol=1e-6)


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_sources_are_chosen_alike(Estimator):
    X, y, nodes = make_rows(Estimator, SIZES)
    chosen = [
        RandomPoisoner(
            victim, attack="hybrid", target_nodes=[1], choose_sources="influence", random_state=0
        )
        .fit(X, y, nodes=nodes)
        .source_nodes_.tolist()
        for victim in both(Estimator)
    ]
    assert chosen[0] == chosen[1]
    model = both(Estimator)[0].fit(X, y, nodes=nodes)
    targets = np.array([0, 2])
    expected = np.abs(model.node_covariance()[:, targets]).sum(axis=1)
    assert_allclose(model._ties_with(targets), expected)


@pytest.mark.parametrize("relationship", ["learned", "mean"])
def test_sources_are_chosen_over_all_classes(relationship):
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    y = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    victim = FMTLClassifier(relationship=relationship, **PENALTIES)
    attack = RandomPoisoner(
        victim, attack="indirect", target_nodes=[0], choose_sources="influence", random_state=0
    )
    Sigma = attack.fit(X, y, nodes=nodes).clean_estimator_.node_covariance()
    influence = np.abs(Sigma[:, 1:, 0]).sum(axis=0)
    assert_allclose(influence[attack.source_nodes_[0] - 1], influence.max())


def test_a_node_without_rows_is_the_mean_shrunk():
    """Its own part of the slope of R is zero."""
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    model = FMTLRegressor(relationship="mean", node_labels=[0, 1, 2, 3], tol=1e-12, **PENALTIES)
    W = model.fit(X, y, nodes=nodes).coef_
    slope = 0.05 * (W[3] - W.mean(axis=0)) + 0.02 * W[3]
    assert_allclose(slope, 0.0, atol=1e-6)


def test_many_nodes_take_no_matrix_between_them():
    """Half the memory of one would not do."""
    m, d = 6000, 2
    rng = np.random.default_rng(0)
    X, nodes = rng.normal(size=(2 * m, d)), np.repeat(np.arange(m), 2)
    y = X @ np.ones(d) + rng.normal(size=2 * m)
    model = FMTLRegressor(relationship="mean", lambda0=0.1, fit_intercept=False, tol=1e-6)
    tracemalloc.start()
    model.fit(X, y, nodes=nodes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * m * m
    with pytest.raises(ValueError, match="6000 nodes"):
        model.node_covariance()
