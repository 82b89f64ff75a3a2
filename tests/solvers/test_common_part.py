"""Fits with a common part, against an interior-point method and the models at both ends."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from certificates import dual
from estimators import ESTIMATORS, KINDS, LOSSES, fit, make_rows, oracle_task
from oracles import common
from oracles.strategies import problems
from profiles import examples
from skfedmtl import FMTLClassifier, FMTLRegressor

TOL = 1e-8
FLOOR = 1e-10
lambda0s = st.sampled_from([1e-3, 0.1, 1.0, 30.0])


def check_objectives(model, problem, kind, lambda0):
    """Both are those of the public attributes."""
    b = model.intercept_ if problem.fit_intercept else None
    task = oracle_task(problem, kind)
    parts = model.common_coef_, model.common_intercept_
    P = common.price(*parts, model.coef_, b, lambda0, task, problem.kappa)
    assert_allclose(model.objective_, P, rtol=1e-8, atol=1e-11)
    bound = dual(problem, kind, model.dual_coef_, lambda0)
    assert_allclose(model.dual_objective_, bound, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_optimum_lies_between_the_objectives(loss, kind, solver):
    @settings(max_examples=examples(1 / 5))
    @given(
        problems(losses=(loss,), max_nodes=4, max_rows=8, max_features=4, lambda2=(0.1, 1e-2)),
        lambda0s,
    )
    def check(problem, lambda0):
        intercept = {"fit_intercept": problem.fit_intercept, "kappa": problem.kappa}
        best = common.optimum(lambda0, oracle_task(problem, kind), problem.m, **intercept)
        assume(best is not None)
        model = fit(problem, kind, lambda0=lambda0, tol=TOL, solver=solver)
        slack = 1e-7 * (1 + abs(best))
        assert model.dual_objective_ <= best + slack
        assert best <= model.objective_ + slack
        assert model.dual_gap_ <= TOL * model.objective_ + FLOOR
        check_objectives(model, problem, kind, lambda0)

    check()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_stop_is_priced(kind):
    @settings(max_examples=examples(1 / 5))
    @given(
        problems(losses=LOSSES),
        lambda0s,
        st.integers(1, 8),
        st.sampled_from([{}, {"solver": "mocha"}, {"local_epochs": 2.0, "participation": 0.5}]),
    )
    def check(problem, lambda0, max_iter, way):
        model = fit(problem, kind, lambda0=lambda0, tol=0.0, max_iter=max_iter, **way)
        check_objectives(model, problem, kind, lambda0)

    check()


@pytest.mark.parametrize("relationship", ["learned", "none"])
@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_a_large_lambda0_leaves_nothing_common(Estimator, relationship):
    X, y, nodes = make_rows(Estimator)
    given = {"lambda1": 0.1, "lambda2": 0.01, "relationship": relationship, "tol": 1e-10}
    apart = Estimator(random_state=0, **given).fit(X, y, nodes=nodes)
    model = Estimator(lambda0=1e9, random_state=0, **given).fit(X, y, nodes=nodes)
    assert_allclose(model.coef_, apart.coef_, atol=1e-5)
    assert_allclose(model.objective_, apart.objective_, rtol=1e-7)
    assert np.abs(model.common_coef_).max() < 1e-8
    assert apart.common_coef_ is None and apart.common_intercept_ is None


@pytest.mark.parametrize("relationship", ["learned", "none"])
def test_large_penalties_leave_one_pooled_model(relationship):
    """Ridge, whose rows weigh 1/c_l."""
    X, y, nodes = make_rows(FMTLRegressor)
    weight = 1.0 / np.bincount(nodes)[nodes]
    pooled = Ridge(alpha=0.3, fit_intercept=False).fit(X, y, sample_weight=weight)
    given = {"lambda1": 1e7, "lambda2": 1e7, "relationship": relationship, "fit_intercept": False}
    model = FMTLRegressor(lambda0=0.3, tol=1e-10, random_state=0, **given).fit(X, y, nodes=nodes)
    assert_allclose(model.common_coef_, pooled.coef_, rtol=1e-5)
    assert_allclose(model.coef_, np.tile(pooled.coef_, (3, 1)), rtol=1e-5)


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_unknown_nodes_get_the_common_model(Estimator):
    X, y, nodes = make_rows(Estimator)
    model = Estimator(lambda0=0.01, handle_unknown="common", random_state=0).fit(X, y, nodes=nodes)
    f = X @ model.common_coef_ + model.common_intercept_
    expected = f if Estimator is FMTLRegressor else (f > 0).astype(int)
    unknown = np.full(len(X), 77)
    assert_allclose(model.predict(X, nodes=unknown), expected)
    mean = model.set_params(handle_unknown="mean")
    assert_allclose(mean.predict(X, nodes=unknown), expected)


def test_each_class_has_a_common_part():
    X, y, nodes = make_rows(FMTLRegressor)
    y = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    model = FMTLClassifier(lambda0=0.01, handle_unknown="common", random_state=0)
    model.fit(X, y, nodes=nodes)
    assert model.common_coef_.shape == (3, 3) and model.common_intercept_.shape == (3,)
    f = X @ model.common_coef_.T + model.common_intercept_
    found = model.decision_function(X, nodes=np.full(len(X), 77))
    assert_allclose(found, f)


def test_the_covariance_is_that_of_what_is_left():
    X, y, nodes = make_rows(FMTLRegressor)
    model = FMTLRegressor(lambda0=0.01, random_state=0).fit(X, y, nodes=nodes)
    U, s, _ = np.linalg.svd(model.coef_ - model.common_coef_)
    assert_allclose(model.node_covariance(), (U * (s / s.sum())) @ U.T, atol=1e-6)


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_no_common_model_without_a_common_part(Estimator):
    X, y, nodes = make_rows(Estimator)
    with pytest.raises(ValueError, match=r"handle_unknown='common'.*lambda0=None"):
        Estimator(handle_unknown="common").fit(X, y, nodes=nodes)
    model = Estimator().fit(X, y, nodes=nodes).set_params(handle_unknown="common")
    with pytest.raises(ValueError, match=r"handle_unknown='common'.*lambda0=None"):
        model.predict(X, nodes=nodes)
    for lambda0 in (0.0, -1.0, "large"):
        with pytest.raises(ValueError, match="lambda0"):
            Estimator(lambda0=lambda0).fit(X, y, nodes=nodes)
