"""Smoothed losses and regularisers, their derivatives, and Newton's method on them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime

from estimators import KINDS, LOSSES, make_rows
from oracles.strategies import problems
from skfedmtl import FMTLClassifier
from skfedmtl._learned import Learned
from skfedmtl._losses import LOSSES as LOSS_OF
from skfedmtl._losses import SmoothHinge
from skfedmtl._primal import PrimalSolver
from skfedmtl._problem import FederatedProblem
from skfedmtl._protocol import Node
from skfedmtl._quadratic import Fixed, Independent

shapes = st.tuples(st.integers(1, 5), st.integers(1, 5))
seeds = st.integers(0, 2**32 - 1)
STEP = 1e-6


def relationship(kind, m, rng, lambda1=0.3, lambda2=0.2):
    if kind == "none":
        return Independent(m, lambda2)
    if kind == "omega":
        root = rng.normal(size=(m, m))
        return Fixed(root @ root.T + 0.1 * np.eye(m), lambda1, lambda2)
    return Learned(m, lambda1, lambda2)


def plain_penalty(W, root, lambda1=0.3, lambda2=0.2):
    """The smoothed regulariser by its definition, from the eigenvalues of W W'."""
    squares = np.linalg.eigvalsh(W @ W.T + root**2 * np.eye(len(W)))
    return lambda1 * np.sqrt(np.maximum(squares, 0)).sum() ** 2 + lambda2 * np.sum(W**2)


# -- the loss -----------------------------------------------------------------------------


@given(st.floats(-3, 3), st.sampled_from([-1.0, 1.0]), st.floats(1e-3, 3.0))
def test_a_smoothed_hinge_is_a_little_above_the_hinge(f, y, width):
    f, y = np.array([f]), np.array([y])
    hinge, smooth = LOSS_OF["hinge"](), SmoothHinge(width)
    excess = smooth.value(y, f) - hinge.value(y, f)
    assert -1e-12 <= excess <= width / 8 + 1e-12
    if abs(1 - y * f) >= width / 2:
        assert_allclose(excess, 0, atol=1e-12)
        assert_array_equal(smooth.derivative(y, f), hinge.derivative(y, f))


@pytest.mark.parametrize("width", [0.1, 2.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_slopes_of_the_smoothed_hinge(sign, width):
    f = sign * (1 + width * np.array([-0.8, -0.4, 0.1, 0.3, 0.7]))
    y, loss = np.full(5, sign), SmoothHinge(width)
    slope = (loss.value(y, f + STEP) - loss.value(y, f - STEP)) / (2 * STEP)
    assert_allclose(loss.derivative(y, f), slope, atol=1e-8)
    bend = (loss.derivative(y, f + STEP) - loss.derivative(y, f - STEP)) / (2 * STEP)
    assert_allclose(loss.curvature(y, f), bend, atol=1e-7)


def test_a_loss_with_a_second_derivative_is_its_own_smoothed_form():
    for name in ("squared_error", "squared_hinge", "logistic"):
        loss = LOSS_OF[name]()
        assert loss.smoothed(0.5) is loss


# -- the regulariser ----------------------------------------------------------------------


@given(shapes, st.sampled_from([0.01, 0.5]), seeds)
def test_the_learned_penalty_and_its_slope(shape, root, seed):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=shape)
    found = Learned(shape[0], 0.3, 0.2).respond_at(W, root)
    assert_allclose(found.penalty, plain_penalty(W, root), rtol=1e-10)
    slope = approx_fprime(W.ravel(), lambda w: plain_penalty(w.reshape(shape), root), 1e-7)
    assert_allclose(found.V.ravel(), slope, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@given(shapes, st.integers(0, 4), st.sampled_from([0.05, 0.5]), seeds)
def test_the_product_undoes_the_hessian(kind, shape, rank, root, seed):
    """J of the change of the slope is the change of W, at any rank of W."""
    rng = np.random.default_rng(seed)
    m, d = shape
    W = rng.normal(size=(m, rank)) @ rng.normal(size=(rank, d))
    relation = relationship(kind, m, rng)
    dW = rng.normal(size=shape)
    ahead, behind = (relation.respond_at(W + sign * 1e-5 * dW, root).V for sign in (1, -1))
    found = relation.respond_at(W, root).product((ahead - behind) / 2e-5)
    assert_allclose(found, dW, atol=1e-5 * np.linalg.norm(dW) + 1e-7)


@given(shapes, seeds)
def test_products_are_symmetric_and_take_stacks(shape, seed):
    rng = np.random.default_rng(seed)
    response = Learned(shape[0], 0.3, 0.2).respond_at(rng.normal(size=shape), 0.1)
    one, two = rng.normal(size=(2, *shape))
    assert_allclose(np.vdot(one, response.product(two)), np.vdot(response.product(one), two))
    stack = response.product(np.array([one, two]))
    assert_allclose(stack, [response.product(one), response.product(two)], atol=1e-12)


@given(shapes, seeds)
def test_the_frozen_product_is_that_of_the_best_covariance(shape, seed):
    """Half of (lambda1 Omega + lambda2 I)^-1 with Sigma = (W W' + root^2 I)^(1/2) / T."""
    rng = np.random.default_rng(seed)
    m, root, W = shape[0], 0.2, rng.normal(size=shape)
    response = Learned(m, 0.3, 0.2).respond_at(W, root)
    values, Q = np.linalg.eigh(W @ W.T + root**2 * np.eye(m))
    r = np.sqrt(values)
    half = 0.5 * (Q / (0.3 * r.sum() / r + 0.2)) @ Q.T
    dV = rng.normal(size=shape)
    assert_allclose(response.frozen_product(dV), half @ dV, atol=1e-10)
    assert_allclose(response.curvature(), np.diag(half), atol=1e-10)


# -- the solver ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_solver_ends_where_the_slope_is_zero(loss, kind):
    """By differences of the objective's definition; it is strictly convex."""

    @given(
        problems((loss,), max_nodes=4, max_features=3, lambda1=(0.3,), lambda2=(0.2,)),
        st.sampled_from([0.2, 1.0]),
        seeds,
    )
    def check(p, width, seed):
        rng = np.random.default_rng(seed)
        relation = relationship(kind, p.m, rng)
        problem = FederatedProblem(
            p.X,
            p.y,
            p.codes,
            p.weight,
            loss=LOSS_OF[loss](),
            relationship=relation,
            intercept="none",
        )
        smooth, root = LOSS_OF[loss]().smoothed(width), 0.1
        for node in problem.nodes:
            node.loss = smooth
        start = rng.normal(size=(p.m, p.X.shape[1]))
        solver = PrimalSolver(tol=1e-14, max_iter=200)
        W = solver.solve(problem.server, problem.nodes, start, root)
        share = p.weight / np.bincount(p.codes, weights=p.weight, minlength=p.m)[p.codes]

        def objective(w):
            W = w.reshape(start.shape)
            f = np.sum(p.X * W[p.codes], axis=1)
            tied = plain_penalty(W, root) if kind == "learned" else relation.penalty(W)
            return share @ smooth.value(p.y, f) + tied

        slope = [
            (objective(W.ravel() + step) - objective(W.ravel() - step)) / 2e-5
            for step in 1e-5 * np.eye(W.size)
        ]
        assert_allclose(slope, 0, atol=2e-5 * max(1.0, objective(0 * W.ravel())))
        assert_allclose(problem.server.response.W, W, rtol=1e-9, atol=1e-12)
        for node, w in zip(problem.nodes, W, strict=True):
            assert_allclose(node.alpha, -smooth.derivative(node.y, node.X @ w), atol=1e-9)

    check()


def test_rough_victims_read_rows_in_single_precision_until_they_change():
    rng = np.random.default_rng(0)
    X, nodes = rng.normal(size=(600, 80)), np.repeat(np.arange(12), 50)
    y = np.where(X @ rng.normal(size=80) + rng.normal(size=600) > 0, 1.0, -1.0)
    problem = FederatedProblem(
        X.copy(),
        y,
        nodes,
        np.ones(600),
        loss=LOSS_OF["hinge"](),
        relationship=Learned(12, 1e-2, 1e-2),
        intercept="none",
    )
    for node in problem.nodes:
        node.loss = SmoothHinge(0.5)
    start, root = rng.normal(size=(12, 80)), 0.1
    exact, rough = (
        PrimalSolver(tol=1e-10, max_iter=200, rough=rough)
        .solve(problem.server, problem.nodes, start, root)
        .copy()
        for rough in (False, True)
    )
    assert_allclose(rough, exact, atol=1e-4 * np.abs(exact).max())
    assert np.abs(rough - exact).max() > 0.0
    node = problem.nodes[3]
    assert node.rows(rough=True).dtype == np.float32 and node.rows(rough=False) is node.X
    problem.replace_rows(np.array([150, 151]), X[:2])
    assert_allclose(node.rows(rough=True)[:2], X[:2], rtol=1e-6)


@pytest.mark.parametrize("size", [1e-9, 1e9])
def test_rows_beyond_single_precision_are_read_as_they_are(size):
    X = np.full((3, 2), size)
    node = Node(X, np.ones(3), np.full(3, 1 / 3), LOSS_OF["hinge"](), centred=False)
    assert node.rows(rough=True) is X


def test_hardly_smoothed_weights_are_the_hard_ones():
    X, y, nodes = make_rows(FMTLClassifier)
    model = FMTLClassifier(lambda1=0.05, lambda2=0.1, tol=1e-10).fit(X, y, nodes=nodes)
    signed = np.where(y == 1, 1.0, -1.0)
    problem = model._problem(X, signed, nodes, model.nodes_, np.ones(len(X)))
    for node in problem.nodes:
        node.loss = SmoothHinge(1e-3)
    start = problem.weights(model.coef_ + 0.3, model.intercept_)
    W = PrimalSolver(tol=1e-14, max_iter=200).solve(problem.server, problem.nodes, start, 1e-4)
    coef, intercept = problem.coefficients(W)
    assert_allclose(coef, model.coef_, atol=2e-3)
    assert_allclose(intercept, model.intercept_, atol=2e-3)


def test_a_step_that_cannot_be_made_ends_the_solution(monkeypatch):
    X, y, nodes = make_rows(FMTLClassifier)
    model = FMTLClassifier().fit(X, y, nodes=nodes)
    signed = np.where(y == 1, 1.0, -1.0)
    problem = model._problem(X, signed, nodes, model.nodes_, np.ones(len(X)))
    for node in problem.nodes:
        node.loss = SmoothHinge(1.0)
    tried = []

    def search(self, server, root, nodes, point, step, slope):
        tried.append(slope)
        return point

    monkeypatch.setattr(PrimalSolver, "_search", search)
    start = np.zeros(problem.server.V.shape)
    W = PrimalSolver(tol=1e-9, max_iter=20).solve(problem.server, problem.nodes, start, 0.1)
    assert len(tried) == 1
    assert_array_equal(W, start)


@pytest.mark.parametrize("scale", [1e-150, 1e-100, 1.0, 1e100])
def test_singular_values_of_any_size(scale):
    rng = np.random.default_rng(0)
    W, dV = rng.normal(size=(2, 3, 4))
    expected = Learned(3, 0.3, 0.2).respond_at(W, 0.1).product(dV)
    with np.errstate(all="raise", under="ignore"):
        found = Learned(3, 0.3, 0.2).respond_at(scale * W, scale * 0.1).product(dV)
    assert_allclose(found, expected, rtol=1e-9)
