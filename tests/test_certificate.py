"""The certificate against an interior-point method: the truth lies between the two objectives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from estimators import KINDS, LOSSES, fit, oracle_task
from oracles.objective import optimum, primal
from oracles.strategies import problems
from oracles.system import build_system

TOL = 1e-8
FLOOR = 1e-10  #: of the objective, far above rounding and below everything that matters


def dual(problem, kind, alpha):
    """The dual objective of `alpha`, computed from the rows by the oracle."""
    system = build_system(
        *oracle_task(problem, kind), problem.m, problem.fit_intercept, problem.kappa
    )
    y, X = system.y, system.X
    if len(system.free_nodes):  # an unpenalised intercept: on rows centred in their node
        y, X = y.copy(), X.copy()
        for node in system.free_nodes:
            mine = system.codes == node
            X[mine] -= system.p[mine] @ X[mine]
            y[mine] -= system.p[mine] @ y[mine]
    centred = replace(system, X=X, y=y)
    conjugates = -y * alpha + (alpha**2 / 4 if problem.loss == "squared_error" else 0.0)
    return float(-(centred.p @ conjugates) - centred.conjugate.value(centred.V(alpha)))


def check_primal(model, problem, kind):
    """`objective_` is P at the public coefficients."""
    b = model.intercept_ if problem.fit_intercept else None
    P = primal(model.coef_, b, *oracle_task(problem, kind), kappa=problem.kappa)
    assert_allclose(model.objective_, P, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "no intercept"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_optimum_lies_between_the_objectives(loss, kind, intercept):
    """dual_objective_ <= P* <= objective_, and the two meet at a small tol."""
    counts = {"drawn": 0, "discarded": 0}

    @given(problems(losses=(loss,)))
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
        model = fit(problem, kind, tol=TOL)
        slack = 1e-7 * (1 + abs(best))
        assert model.dual_objective_ <= best + slack
        assert best <= model.objective_ + slack
        assert model.objective_ <= best * (1 + 1e-6) + FLOOR
        assert model.dual_gap_ <= TOL * model.objective_ + FLOOR
        check_primal(model, problem, kind)

    check()
    assert counts["drawn"] > 20
    assert counts["discarded"] <= 0.2 * counts["drawn"], counts


@given(
    problem=problems(losses=LOSSES),
    kind=st.sampled_from(KINDS),
    tol=st.sampled_from([0.0, 1e-1, 1e-3]),
    max_iter=st.integers(1, 12),
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_stop_is_priced(problem, kind, tol, max_iter):
    """Far from the optimum, too, the objectives are those of the public coefficients."""
    model = fit(problem, kind, tol=tol, max_iter=max_iter)
    check_primal(model, problem, kind)
    assert_allclose(
        model.dual_objective_, dual(problem, kind, model.dual_coef_), rtol=1e-8, atol=1e-9
    )
    assert_allclose(model.dual_gap_, model.objective_ - model.dual_objective_, rtol=0, atol=0)
    assert model.dual_gap_ >= -1e-12 * (1 + model.objective_)
    assert model.objective_ == model.history_["objective"][-1]
    assert model.dual_objective_ == model.history_["dual_objective"][-1]


@given(
    problem=problems(losses=LOSSES, lambda1=(0.1, 1e-3, 1.0)),
    tol=st.sampled_from([1e-1, 1e-3, 1e-8]),
)
def test_the_learned_covariance_belongs_to_the_coefficients(problem, tol):
    """Sigma = (W W')^(1/2) of trace one, and the objective is the joint one at (W, Sigma)."""
    model = fit(problem, "learned", tol=tol)
    W = model.coef_
    if problem.is_classification and problem.fit_intercept:
        W = np.column_stack([W, model.intercept_ / problem.kappa])
    U, singular, _ = np.linalg.svd(W, full_matrices=False)
    Sigma = model.node_covariance()
    assert_allclose(np.trace(Sigma), 1.0, rtol=1e-12)
    if not W.any():
        assert_allclose(Sigma, np.eye(problem.m) / problem.m)
        return
    assert_allclose(Sigma, (U * (singular / singular.sum())) @ U.T, atol=1e-7)
    U, singular = U[:, singular > 1e-9 * singular[0]], singular[singular > 1e-9 * singular[0]]
    tied = np.sum((U.T @ W) ** 2 / (singular / singular.sum())[:, None])
    b = model.intercept_ if problem.fit_intercept else None
    task = oracle_task(replace(problem, lambda1=0.0), "none")
    ridge = primal(model.coef_, b, *task, kappa=problem.kappa)
    assert_allclose(ridge + problem.lambda1 * tied, model.objective_, rtol=1e-7, atol=1e-12)


@given(problem=problems(losses=LOSSES), kind=st.sampled_from(KINDS))
def test_the_history_is_monotone(problem, kind):
    """Incumbent and bound only improve, and the objectives never cross."""
    history = fit(problem, kind, tol=0, max_iter=11).history_
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
