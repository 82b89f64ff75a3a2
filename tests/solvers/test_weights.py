"""Rounds in the weights: what they keep at every step, and where they end."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from estimators import ESTIMATOR_OF, ESTIMATORS, KINDS, LOSSES, estimator_of, fit, make_rows
from oracles.losses import RECORD_OF, SMOOTH_LOSSES
from oracles.objective import regulariser
from oracles.strategies import problems
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl._model.learned import Learned
from skfedmtl._model.quadratic import Fixed
from skfedmtl._solvers import splitting
from skfedmtl._solvers import weight_newton as weights
from skfedmtl._solvers.progress import Log
from skfedmtl._solvers.weight_newton import WeightNewton

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))


@given(shapes, seeds)
def test_the_majorant_touches_the_regulariser_from_above(shape, seed):
    rng = np.random.default_rng(seed)
    W, other = rng.normal(size=(2, *shape))
    W[:, 0] *= 10.0 ** rng.uniform(-2, 2)
    M = Learned(shape[0], 0.3, 0.2).majorant(W)
    at_W, at_other = (regulariser(U, 0.3, 0.2, "learned") for U in (W, other))
    assert at_W * (1 - 1e-12) <= np.vdot(W @ M, W) <= at_W * 1.02
    assert at_other * (1 - 1e-12) <= np.vdot(other @ M, other)


def test_no_majorant_where_the_regulariser_is_quadratic():
    assert Fixed(np.eye(2), 0.3, 0.2).majorant(np.ones((2, 3))) is None


def unsolved(problem, kind):
    estimator = estimator_of(problem, kind)
    labels = np.array(problem.node_labels)
    task = estimator._problem(problem.X, problem.y, problem.codes, labels, problem.weight)
    return task.server, task.nodes


@pytest.mark.parametrize("kind", KINDS)
@given(problem=problems(losses=SMOOTH_LOSSES), seed=seeds)
def test_every_step_raises_the_dual_and_is_certified(kind, problem, seed):
    """From any weights: what the rounds reckon is what the nodes report."""
    server, nodes = unsolved(problem, kind)
    u = np.random.default_rng(seed).normal(size=server.V.shape)
    newton, log = WeightNewton(server, nodes, u), Log(server, nodes)
    for step in ("alternate", "step", "alternate", "step", "step"):
        before = newton.dual_objective
        if step == "alternate":
            newton.alternate()
            assert newton.dual_objective >= before
        else:
            newton.step(0.0)
            assert newton.dual_objective >= before - 1e-11 * (1 + abs(before))
        newton.enter(log, 1e-6)
        now = server.price(nodes)
        assert_allclose(newton.dual_objective, now.dual_objective, atol=1e-10 * (1 + now.magnitude))
        assert log.best.gap >= -1e-10 * (1 + now.magnitude)


def test_nodes_on_their_own_lower_the_objective():
    """With squared error the majorant's minimum is exact: the objective never rises."""
    X, y, nodes = make_rows(FMTLRegressor, sizes=(12, 7, 9, 20), n_features=4)
    model = FMTLRegressor(lambda1=0.05, lambda2=0.01)
    task = model._problem(X, y, nodes, np.arange(4), np.ones(len(y)))
    newton, values = WeightNewton(task.server, task.nodes, np.zeros((4, 4))), []
    for _ in range(8):
        assert newton.alternate()
        u = newton._now.u
        values.append(newton._now.loss + task.server.relationship.penalty(u))
    assert np.all(np.diff(values) <= 1e-5 * values[0])  # the majorant is a little above
    assert values[-1] < values[0]


@pytest.mark.parametrize("kind", ["none", "omega"])
def test_one_step_solves_a_quadratic_problem(kind):
    X, y, nodes = make_rows(FMTLRegressor)
    relationship = np.eye(3) - 1.0 / 3 if kind == "omega" else kind
    model = FMTLRegressor(relationship=relationship, tol=1e-10).fit(X, y, nodes=nodes)
    assert model.n_iter_ == 1
    assert abs(model.dual_gap_) <= 1e-12 * model.objective_


@pytest.mark.parametrize("loss", SMOOTH_LOSSES)
@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_problems_need_no_splitting(loss, kind, monkeypatch):
    estimator = ESTIMATOR_OF[loss]
    X, y, nodes = make_rows(estimator, sizes=(30, 25, 40, 30))
    if RECORD_OF[loss].is_regression:
        y = y / (3.0 * np.std(y))  # zero weights leave most rows where Huber's loss bends
    relationship = np.eye(4) - 0.25 if kind == "omega" else kind
    monkeypatch.setattr(splitting._Run, "_advance", lambda *_: 1 / 0)
    params = {"loss": loss, "relationship": relationship, "lambda1": 0.01, "lambda2": 0.01}
    model = estimator(**params, tol=1e-8).fit(X, y, nodes=nodes)
    assert model.dual_gap_ <= 1e-8 * model.objective_


@pytest.mark.parametrize("kind", KINDS)
@given(problem=problems(losses=LOSSES))
def test_the_splitting_ends_at_the_same_place(kind, problem):
    """The objectives of the two ways differ by no more than their gaps."""
    quick = fit(problem, kind, tol=1e-7, max_iter=5000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skfedmtl._solvers.splitting.run_first", lambda *_: None)
        with warnings.catch_warnings():
            # alone it may take long, but its bounds hold all the same
            warnings.simplefilter("ignore", ConvergenceWarning)
            slow = fit(problem, kind, tol=1e-7, max_iter=200)
    floor = 1e-10 * (1 + abs(slow.objective_))
    assert quick.dual_objective_ <= slow.objective_ + floor
    assert slow.dual_objective_ <= quick.objective_ + floor


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_splitting_goes_on_where_the_system_cannot_be_solved(estimator, monkeypatch):
    X, y, nodes = make_rows(estimator)
    loss = {"loss": "logistic"} if estimator is FMTLClassifier else {}
    monkeypatch.setattr(weights, "solve_through_weights", lambda *_: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = estimator(**loss, tol=1e-8).fit(X, y, nodes=nodes)
    assert model.dual_gap_ <= 1e-8 * model.objective_


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_rough_weights_have_the_rank_of_exact_ones(estimator):
    """The best weights of a rough fit were not made of dual variables, and have that rank still."""
    X, y, nodes = make_rows(estimator, sizes=(20, 25, 30, 20), n_features=4)
    params = {"lambda1": 0.3, "lambda2": 1e-3, "fit_intercept": False}
    rough, exact = (estimator(**params, tol=tol).fit(X, y, nodes=nodes) for tol in (1e-4, 1e-9))
    rank = np.linalg.matrix_rank(exact.coef_, tol=1e-9)
    assert rank < 4
    assert np.linalg.matrix_rank(rough.coef_, tol=1e-9) == rank


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_warm_start_keeps_better_dual_variables(estimator):
    """Weights that begin at W(V) may have worse ones than those that were given."""
    X, y, nodes = make_rows(estimator)
    loss = {"loss": "logistic"} if estimator is FMTLClassifier else {}
    model = estimator(**loss, tol=1e-3, warm_start=True).fit(X, y, nodes=nodes)
    for tol in (1e-5, 1e-7, 1e-9):
        before = model.dual_objective_
        model.set_params(tol=tol).fit(X, y, nodes=nodes)
        assert model.dual_objective_ >= before - 1e-12
        assert model.dual_gap_ <= tol * model.objective_
