"""The certificate against an interior-point method: the truth lies between the two objectives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from certificates import check_primal, dual
from estimators import (
    ESTIMATORS,
    KINDS,
    LOSSES,
    RELATIONSHIPS,
    fit,
    make_rows,
    oracle_task,
)
from oracles.losses import RECORD_OF
from oracles.objective import optimum, primal
from oracles.strategies import problems
from profiles import covering, examples
from skfedmtl import FMTLClassifier, FMTLRegressor

TOL = 1e-8
SOLVERS = ("splitting", "mocha")
FLOOR = 1e-10  #: of the objective, far above rounding and below everything that matters


@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "no intercept"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_optimum_lies_between_the_objectives(loss, kind, intercept):
    """dual_objective_ <= P* <= objective_, and the two meet at a small tol."""
    counts = {"drawn": 0, "discarded": 0}

    @settings(max_examples=examples(2 / 5))
    @given(problems(losses=(loss,), max_nodes=5, max_rows=8, max_features=6))
    def check(problem):
        problem = replace(problem, fit_intercept=intercept)
        counts["drawn"] += 1
        solved = optimum(
            *oracle_task(problem, kind),
            m=problem.m,
            fit_intercept=intercept,
            kappa=problem.kappa,
        )
        counts["discarded"] += solved is None
        assume(solved is not None)
        best = solved[0]
        for solver in SOLVERS:
            model = fit(problem, kind, tol=TOL, solver=solver)
            slack = 1e-7 * (1 + abs(best))
            assert model.dual_objective_ <= best + slack
            assert best <= model.objective_ + slack
            assert model.objective_ <= best * (1 + 1e-6) + FLOOR
            assert model.dual_gap_ <= TOL * model.objective_ + FLOOR
            check_primal(model, problem, kind)

    check()
    assert counts["drawn"] > 0.8 * examples(2 / 5)
    assert counts["discarded"] <= max(1, 0.2 * counts["drawn"]), counts


@given(
    problem=problems(losses=LOSSES),
    kind=st.sampled_from(KINDS),
    tol=st.sampled_from([0.0, 1e-1, 1e-3]),
    max_iter=st.integers(1, 12),
    solver=st.sampled_from(SOLVERS),
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_stop_is_priced(problem, kind, tol, max_iter, solver):
    """Far from the optimum, too, the objectives are those of the public coefficients."""
    model = fit(problem, kind, tol=tol, max_iter=max_iter, solver=solver)
    check_primal(model, problem, kind)
    assert_allclose(
        model.dual_objective_, dual(problem, kind, model.dual_coef_), rtol=1e-8, atol=1e-9
    )
    assert_allclose(model.dual_gap_, model.objective_ - model.dual_objective_, rtol=0, atol=0)
    assert model.dual_gap_ >= -1e-12 * (1 + model.objective_)
    assert model.objective_ == model.history_["objective"][-1]
    assert model.dual_objective_ == model.history_["dual_objective"][-1] <= model.objective_


def check_covariance(model, W):
    """`node_covariance` is (W W')^(1/2), scaled to trace one; I/m for W = 0."""
    U, singular, _ = np.linalg.svd(W, full_matrices=False)
    m, total = len(W), singular.sum()
    expected = (U * (singular / total)) @ U.T if total > 0 else np.eye(m) / m
    assert_allclose(np.trace(model.node_covariance()), 1.0, rtol=1e-12)
    assert_allclose(model.node_covariance(), expected, atol=1e-7)


@pytest.mark.parametrize("max_iter", range(1, 8))
def test_the_best_weights_are_kept(max_iter):
    """Weights, covariance and objective belong together, the last round's best or not."""
    for seed in range(5):
        X, y, nodes = make_rows(FMTLClassifier, sizes=(3, 3), n_features=2, seed=seed)
        model = FMTLClassifier(lambda1=0.1, fit_intercept=False, tol=0, max_iter=max_iter)
        model.set_params(random_state=0).fit(X, y, nodes=nodes)
        check_covariance(model, model.coef_)
        P = primal(model.coef_, None, X, 2 * y - 1, nodes, None, 0.1, 1e-3, "hinge", "learned")
        assert_allclose(model.objective_, P, rtol=1e-9)


@given(
    problem=problems(losses=LOSSES, lambda1=(0.1, 1e-3, 1.0)),
    tol=st.sampled_from([1e-1, 1e-3, 1e-8]),
)
def test_the_learned_covariance_belongs_to_the_coefficients(problem, tol):
    """Sigma = (W W')^(1/2) of trace one, and the objective is the joint one at (W, Sigma)."""
    model = fit(problem, "learned", tol=tol)
    W = model.coef_
    if problem.fit_intercept and not RECORD_OF[problem.loss].has_free_intercept:
        W = np.column_stack([W, model.intercept_ / problem.kappa])
    check_covariance(model, W)
    if not W.any():
        return
    U, singular, _ = np.linalg.svd(W, full_matrices=False)
    U, singular = U[:, singular > 1e-9 * singular[0]], singular[singular > 1e-9 * singular[0]]
    tied = np.sum((U.T @ W) ** 2 / (singular / singular.sum())[:, None])
    b = model.intercept_ if problem.fit_intercept else None
    task = oracle_task(replace(problem, lambda1=0.0), "none")
    ridge = primal(model.coef_, b, *task, kappa=problem.kappa)
    assert_allclose(ridge + problem.lambda1 * tied, model.objective_, rtol=1e-7, atol=1e-12)


def awkward(X, y, nodes, weight):
    """Data that break careless solvers, by name."""
    some = (np.arange(len(y)) % 3 > 0) * 1.0
    one_row = (nodes != 0) | (np.arange(len(y)) == np.flatnonzero(nodes == 0)[0])
    flipped = np.where(nodes == 1, y.max(), y)
    return {
        "constant y": (X, np.full(len(y), 1.7), nodes, weight),
        "constant y where it counts": (X, np.where(some > 0, 1.7, y), nodes, weight * some),
        "large constant y": (X, np.full(len(y), 1e7), nodes, weight),
        "zero y": (X, np.zeros(len(y)), nodes, weight),
        "zero X": (0 * X, y, nodes, weight),
        "constant X": (0 * X + 0.1, y, nodes, weight),
        "some weights zero": (X, y, nodes, weight * some),
        "a node without weight": (X, y, nodes, weight * (nodes != 1)),
        "tiny weights": (X, y, nodes, weight * 1e-200),
        "one class in a node": (X, flipped, nodes, weight),
        "one feature, one row": (X[one_row, :1], y[one_row], nodes[one_row], weight[one_row]),
        "one row a node": (X[:3], y[[0, 1, 2]], np.arange(3), weight[:3]),
        "collinear": (X[:, [0, 0, 1, 1, 2, 0]], y, nodes, weight),
        "far from the origin": (X + 1e3, y, nodes, weight),
        "more features than rows": (np.tile(X, 20), y, nodes, weight),
    }


AWKWARD = [
    (estimator, name)
    for estimator in ESTIMATORS
    for name, (_, y, _, _) in awkward(*make_rows(estimator), np.ones(28)).items()
    if estimator is FMTLRegressor or set(y) == {0, 1}
]


@pytest.mark.parametrize(
    ("estimator", "name", "relationship", "solver", "lambda1"),
    [
        (*case, *rest)
        for case, *rest in covering(2, AWKWARD, list(RELATIONSHIPS), SOLVERS, (0.0, 0.01))
    ],
)
def test_awkward_data_are_certified(estimator, name, relationship, solver, lambda1):
    """Converged without a warning, to finite numbers and the objective of the coefficients."""
    weight = np.random.default_rng(0).uniform(0.1, 2, size=28)
    X, y, nodes, weight = awkward(*make_rows(estimator), weight)[name]
    Omega = RELATIONSHIPS[relationship](3)
    params = {"lambda1": lambda1, "lambda2": 0.01, "relationship": Omega, "tol": 1e-6}
    params["solver"] = solver
    model = estimator(**params).fit(X, y, nodes=nodes, sample_weight=weight)
    signed = y if estimator is FMTLRegressor else np.where(y == y.max(), 1.0, -1.0)
    task = (X, signed, nodes, weight, lambda1, 0.01, model.loss, Omega)
    scale = np.average(np.square(y))
    floor = 1e-9 * (1 + scale)
    P = primal(model.coef_, model.intercept_, *task)
    assert_allclose(model.objective_, P, rtol=1e-8, atol=floor)
    assert -floor <= model.dual_gap_ <= 1e-6 * model.objective_ + floor
    for value in (model.coef_, model.intercept_, model.dual_coef_, model.node_covariance()):
        assert np.isfinite(value).all()
    assert np.all(model.dual_coef_[weight == 0] == 0)
    assert np.isfinite(model.predict(X, nodes=nodes).astype(float)).all()
    if name in ("zero X", "constant y", "zero y"):
        assert_allclose(model.coef_, 0, atol=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_rows_without_weight_are_as_good_as_gone(estimator):
    X, y, nodes = make_rows(estimator)
    weight = (np.arange(len(y)) % 3 > 0) * 1.0
    params = {"tol": 1e-9, "lambda2": 0.01}
    model = estimator(**params).fit(X, y, nodes=nodes, sample_weight=weight)
    kept = weight > 0
    gone = estimator(**params).fit(X[kept], y[kept], nodes=nodes[kept])
    assert_allclose(model.coef_, gone.coef_, atol=1e-3)
    assert_allclose(model.intercept_, gone.intercept_, atol=1e-3)
    assert_allclose(model.objective_, gone.objective_, rtol=3e-9)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_no_weight_at_all(estimator):
    """Newer versions of scikit-learn refuse it; else nothing is learned, and that is certified."""
    X, y, nodes = make_rows(estimator)
    try:
        model = estimator().fit(X, y, nodes=nodes, sample_weight=np.zeros(len(y)))
    except ValueError as error:
        assert "weights" in str(error)
    else:
        assert not model.coef_.any() and not model.intercept_.any()
        assert model.objective_ == model.dual_objective_ == 0


@given(
    problem=problems(losses=LOSSES), kind=st.sampled_from(KINDS), solver=st.sampled_from(SOLVERS)
)
def test_the_history_is_monotone(problem, kind, solver):
    """Incumbent and bound only improve, and the objectives never cross."""
    history = fit(problem, kind, tol=0, max_iter=11, solver=solver).history_
    assert len(history["round"]) == 12
    for name, sign in (
        ("objective", -1),
        ("dual_objective", 1),
        ("bytes_communicated", 1),
        ("time", 1),
    ):
        assert np.all(sign * np.diff(history[name]) >= 0), name
    scale = 1 + abs(history["objective"])
    assert np.all(history["dual_objective"] <= history["objective"] + 1e-12 * scale)
    assert np.all(np.diff(history["bytes_communicated"]) > 0)
