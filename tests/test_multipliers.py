"""Proximal steps of a hinge with many features: they start, help, and leave nothing behind."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from oracles import regularisers
from oracles.objective import primal
from skfedmtl import FMTLClassifier, _multipliers, _solver
from skfedmtl._losses import Hinge
from skfedmtl._multipliers import Multipliers


def wide_rows(m=12, n=30, d=90, seed=0):
    """More entries of V than are solved directly; half the labels noise, so that rows conflict."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(m, 3)) @ rng.normal(size=(3, d)) / np.sqrt(d)
    X, nodes = rng.normal(size=(m * n, d)), np.repeat(np.arange(m), n)
    return X, (np.einsum("ij,ij->i", X, W[nodes]) + rng.normal(size=m * n) > 0).astype(int), nodes


@pytest.fixture
def steps(monkeypatch):
    """Whether each proximal step succeeded, in order."""
    taken, plain = [], Multipliers.step

    def step(*args):
        result = plain(*args)
        taken.append(result[2])
        return result

    monkeypatch.setattr(Multipliers, "step", step)
    return taken


def by_visits(model, labels, iterate=None):
    """The solver of attacks, in the place of the model's own."""
    return _solver.SequentialSolver(tol=float(model.tol), max_iter=model.max_iter)


def begin_early(monkeypatch):
    """Fits by visits, with proximal steps once a round raises the dual by less than a tenth."""
    monkeypatch.setattr(FMTLClassifier, "_make_solver", by_visits)
    for name, value in (("_SLOW", 0.1), ("_STALLED", 0.0), ("_PATIENCE", 1)):
        monkeypatch.setattr(_solver, name, value)


def check_certificate(model, X, y, codes):
    """Both objectives are those of the public coefficients and dual variables."""
    m, signed, share = len(model.nodes_), np.where(y == 1, 1.0, -1.0), 1 / np.bincount(codes)
    rows = X, signed, codes, None, model.lambda1, model.lambda2, "hinge", model.relationship
    assert_allclose(model.objective_, primal(model.coef_, model.intercept_, *rows), rtol=1e-9)
    V = np.zeros((m, X.shape[1] + 1))
    a = model.dual_coef_
    assert np.all((signed * a >= 0) & (signed * a <= 1))
    np.add.at(V, codes, (share[codes] * a)[:, None] * np.column_stack([X, np.ones(len(X))]))
    conjugate = regularisers.conjugate_of(model.relationship, model.lambda1, model.lambda2, m)
    bound = share[codes] @ (signed * a) - conjugate.value(V)
    assert_allclose(model.dual_objective_, bound, rtol=1e-9)


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-8])
def test_a_wide_problem_is_certified(tol, monkeypatch, steps):
    begin_early(monkeypatch)
    X, y, nodes = wide_rows()
    model = FMTLClassifier(lambda1=0.01, lambda2=0.01, tol=tol, random_state=0)
    model.fit(X, y, nodes=nodes)
    assert len(steps) > 0
    assert model.dual_gap_ <= tol * model.objective_
    assert np.all(np.diff(model.history_["dual_objective"]) >= 0)
    assert np.all(np.diff(model.history_["objective"]) <= 0)
    check_certificate(model, X, y, nodes)


@pytest.mark.parametrize("n_newton", [1, 25])
@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
def test_every_stop_keeps_the_best_dual_variables(n_newton, monkeypatch, steps):
    """Proximal steps may lower the dual, and fail if Newton's method is cut short."""
    begin_early(monkeypatch)
    monkeypatch.setattr(_multipliers, "_NEWTON_STEPS", n_newton)
    X, y, nodes = wide_rows(m=10, seed=1)
    for max_iter in range(1, 12):
        model = FMTLClassifier(lambda1=0.01, lambda2=0.01, max_iter=max_iter, random_state=0)
        check_certificate(model.fit(X, y, nodes=nodes), X, y, nodes)
    assert any(steps) if n_newton > 1 else not all(steps)


def test_the_loss_is_put_back_after_a_failure(monkeypatch):
    X, y, nodes = wide_rows(m=4)
    model = FMTLClassifier(lambda1=0.01, lambda2=0.01)
    problem = model._problem(
        X, np.where(y == 1, 1.0, -1.0), nodes, np.unique(nodes), np.ones(len(X))
    )
    multipliers = Multipliers()
    monkeypatch.setattr(multipliers._solver, "minimise", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        multipliers.step(problem.server, problem.nodes, problem.server.response.W, 1.0)
    assert all(isinstance(node.loss, Hinge) for node in problem.nodes)


@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
def test_zero_is_the_best_point_so_far():
    """Rows of sizes from 1e-8 to 1e8: a step took its smoothing from weights of zero."""
    rng = np.random.default_rng(0)
    nodes = np.repeat(np.arange(12), 30)
    base, W = rng.normal(size=(360, 80)), rng.normal(size=(12, 80))
    y = np.einsum("ij,ij->i", base, W[nodes]) > 0.0
    X = base * np.logspace(-8, 8, 360)[rng.permutation(360), None]
    model = FMTLClassifier(max_iter=60, random_state=0).fit(X, y, nodes=nodes)
    assert np.isfinite(model.objective_) and np.isfinite(model.coef_).all()
