"""What the loss of a node counts: certificates, the ends of the scale, attacks, refusals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge

from estimators import ESTIMATOR_OF, ESTIMATORS, LOSSES, climber, make_rows
from oracles.losses import RECORD_OF
from profiles import covering
from skfedmtl import FMTLClassifier, FMTLRegressor, FMTLRegressorCV, PoisoningAttacker
from skfedmtl.attack import DamageBound

SIZES = (14, 6, 20)
OMEGA = np.array([3.0, 0.5, 1.5])
PENALTIES = {"lambda1": 0.05, "lambda2": 0.02, "random_state": 0}


def rows_of(loss):
    return make_rows(ESTIMATOR_OF[loss](loss=loss), SIZES)


@pytest.mark.parametrize(
    ("loss", "solver", "intercept", "lambda0"),
    covering(3, LOSSES, ("splitting", "mocha"), (True, False), (None, 0.1)),
)
def test_the_certificate(loss, solver, intercept, lambda0):
    """The objective is that of the attributes, and one solver's bound is below the other's."""
    X, y, nodes = rows_of(loss)
    params = {"loss": loss, "fit_intercept": intercept, "lambda0": lambda0, **PENALTIES}
    model = ESTIMATOR_OF[loss](node_weight=OMEGA, solver=solver, tol=1e-7, **params)
    model.fit(X, y, nodes=nodes)
    free = RECORD_OF[loss].has_free_intercept
    W, u = model.coef_, np.zeros(3) if lambda0 is None else model.common_coef_
    if intercept and not free:
        W = np.column_stack([W, model.intercept_])
        u = np.append(u, 0.0 if lambda0 is None else model.common_intercept_)
    signs = y if RECORD_OF[loss].is_regression else 2.0 * y - 1.0
    f = np.sum(X * model.coef_[nodes], axis=1) + model.intercept_[nodes]
    losses = RECORD_OF[loss].value(signs, f)
    P = OMEGA @ [losses[nodes == l].mean() for l in range(3)]
    P += 0.05 * np.linalg.norm(W - u, "nuc") ** 2 + 0.02 * np.sum((W - u) ** 2)
    P += 0.0 if lambda0 is None else lambda0 * u @ u
    assert_allclose(model.objective_, P, rtol=1e-8)
    assert 0.0 <= model.dual_gap_ <= 1e-7 * model.objective_
    other = ESTIMATOR_OF[loss](node_weight=dict(enumerate(OMEGA)), tol=1e-9, **params)
    other.fit(X, y, nodes=nodes)
    assert model.dual_objective_ <= other.objective_ * (1.0 + 1e-12)
    assert other.dual_objective_ <= model.objective_ * (1.0 + 1e-12)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_untied_nodes_have_a_ridge_each(loss, intercept):
    """``omega f + lambda2 ||w||^2`` is omega times the problem with ``lambda2 / omega``."""
    X, y, nodes = rows_of(loss)
    params = {"loss": loss, "relationship": "none", "fit_intercept": intercept, "tol": 1e-11}
    model = ESTIMATOR_OF[loss](node_weight=OMEGA, lambda2=0.02, **params).fit(X, y, nodes=nodes)
    total = 0.0
    for l, omega in enumerate(OMEGA):
        own = nodes == l
        alone = ESTIMATOR_OF[loss](lambda2=0.02 / omega, **params).fit(X[own], y[own])
        assert_allclose(model.coef_[l], alone.coef_[0], atol=1e-4)
        assert_allclose(model.intercept_[l], alone.intercept_[0], atol=1e-4)
        total += omega * alone.objective_
    assert_allclose(model.objective_, total, rtol=1e-9)


def test_by_rows_all_count_alike():
    """Ridge on all rows, where nothing is left of the nodes."""
    X, y, nodes = rows_of("squared_error")
    weight = np.random.default_rng(0).uniform(0.5, 2.0, size=len(y))
    total = weight.sum() / 3
    pooled = Ridge(alpha=0.3 * total, fit_intercept=False).fit(X, y, sample_weight=weight)
    params = {"lambda0": 0.3, "lambda1": 1e7, "lambda2": 1e7, "fit_intercept": False}
    model = FMTLRegressor(node_weight="rows", tol=1e-10, **params)
    model.fit(X, y, nodes=nodes, sample_weight=weight)
    assert_allclose(model.common_coef_, pooled.coef_, rtol=1e-5)


def test_equal_weights_scale_the_penalties():
    X, y, nodes = rows_of("squared_error")
    model = FMTLRegressor(node_weight=[2.0] * 3, lambda0=0.1, lambda1=0.02, lambda2=0.04, tol=1e-11)
    same = FMTLRegressor(lambda0=0.05, lambda1=0.01, lambda2=0.02, tol=1e-11)
    model.fit(X, y, nodes=nodes)
    assert_allclose(model.coef_, same.fit(X, y, nodes=nodes).coef_, atol=1e-5)
    assert_allclose(model.objective_, 2.0 * same.objective_, rtol=1e-9)


def test_sparse_rows_nodes_without_rows_and_a_search():
    X, y, nodes = rows_of("squared_error")
    params = {"node_labels": [0, 1, 2, 9], "node_weight": "rows", "tol": 1e-10, **PENALTIES}
    dense = FMTLRegressor(**params).fit(X, y, nodes=nodes)
    sparse = FMTLRegressor(**params).fit(csr_matrix(X), y, nodes=nodes)
    assert_allclose(sparse.coef_, dense.coef_, atol=1e-5)
    assert_allclose(sparse.intercept_, dense.intercept_, atol=1e-5)
    assert np.isfinite(dense.intercept_).all() and not dense.is_constant_[:3].any()
    search = FMTLRegressorCV(node_weight="rows", lambda1s=[0.1, 0.01], lambda2s=[0.01], cv=2)
    assert search.fit(X, y, nodes=nodes).best_estimator_.node_weight == "rows"


@pytest.mark.parametrize(
    ("loss", "weight", "lambda0"),
    covering(2, LOSSES, ("rows", (3.0, 0.5, 1.5)), (None, 0.05)),
)
def test_attacks_see_it(loss, weight, lambda0):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss](loss=loss), SIZES, n_features=9)
    victim = ESTIMATOR_OF[loss](loss=loss, node_weight=weight, lambda0=lambda0, **PENALTIES)
    threat = {"attack": "hybrid", "target_nodes": [0, 1], "budget": 0.3, "random_state": 0}
    found = climber(victim, **threat).check_gradient(X, y, nodes=nodes, n_points=2)
    assert found.relative_error <= 1e-5
    assert_allclose(found.cosine, 1.0, atol=1e-9)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_default_attack_ascends_and_bounds_refuse(estimator):
    X, y, nodes = make_rows(estimator, SIZES)
    victim = estimator(node_weight="rows", **PENALTIES)
    attack = PoisoningAttacker(victim, target_nodes=[0], max_iter=5, random_state=0)
    attack.fit(X, y, nodes=nodes)
    assert "weights" not in {attempt["origin"] for attempt in attack.attempts_}
    own = nodes == 0
    told = attack.estimator_.predict(X[own], nodes=nodes[own])
    is_number = estimator is FMTLRegressor
    wrong = np.square(told - y[own]) if is_number else (told != y[own])
    assert_allclose(attack.criterion_, wrong.mean(), rtol=1e-5)
    with pytest.raises(ValueError, match="node_weight='rows'"):
        DamageBound(victim, target_nodes=[0]).fit(X, y, nodes=nodes)


def test_what_is_no_weight():
    X, y, nodes = rows_of("hinge")
    few = [1.0, 2.0], [1.0, 0.0, 1.0], [1.0, np.nan, 1.0], [1e200, 1.0, 1.0]
    for wrong in (*few, {0: -1.0}, {7: 1.0}, {0: 1e200}, "columns"):
        with pytest.raises(ValueError, match="node_weight"):
            FMTLClassifier(node_weight=wrong).fit(X, y, nodes=nodes)
    model = FMTLClassifier(node_weight="rows").fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="node_weight=None"):
        model.add_nodes(X, y, nodes=nodes + 9)


@pytest.mark.parametrize("weight", [{0: 3.0, 1: 0.5, 2: 1.5}, (3.0, 0.5, 1.5)])
def test_nodes_that_stay_keep_theirs(weight):
    X, y, nodes = rows_of("squared_error")
    model = FMTLRegressor(node_weight=weight, tol=1e-10, **PENALTIES).fit(X, y, nodes=nodes)
    model.remove_nodes([1], X, y, nodes=nodes)
    left = nodes != 1
    fresh = FMTLRegressor(node_weight=[3.0, 1.5], tol=1e-10, **PENALTIES)
    fresh.fit(X[left], y[left], nodes=nodes[left])
    assert_allclose(model.coef_, fresh.coef_, atol=1e-4)
