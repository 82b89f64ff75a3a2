"""Losses whose kink is smoothed, and the solutions that follow them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from estimators import KINDS, LOSSES, make_rows
from oracles import regularisers
from oracles.strategies import problems
from skfedmtl import FMTLClassifier
from skfedmtl._model import row_algebra
from skfedmtl._model.learned import Learned
from skfedmtl._model.losses import LOSSES as LOSS_OF
from skfedmtl._model.losses import SmoothHinge
from skfedmtl._model.quadratic import Fixed, Independent
from skfedmtl._protocol.problem import FederatedProblem
from skfedmtl._solvers.follower import Follower

LAMBDAS = 0.3, 0.2
STEP = 1e-6


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


# -- its solutions ------------------------------------------------------------------------


def relationship(kind, m, rng):
    """The package's relationship and the oracle's name for it."""
    if kind == "omega":
        root = rng.normal(size=(m, m))
        Omega = root @ root.T + 0.1 * np.eye(m)
        return Fixed(Omega, *LAMBDAS), Omega
    return (Independent(m, LAMBDAS[1]) if kind == "none" else Learned(m, *LAMBDAS)), kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_solution_meets_the_conditions_of_the_optimum(loss, kind):
    """Dual variables are slopes of the loss at the weights, these the slope of R* at moments."""

    @given(
        problems((loss,), max_nodes=4, max_features=3, lambda1=(0.3,), lambda2=(0.2,)),
        st.sampled_from([0.2, 1.0]),
        st.integers(0, 2**32 - 1),
    )
    def check(p, width, seed):
        rng = np.random.default_rng(seed)
        relation, name = relationship(kind, p.m, rng)
        problem = FederatedProblem(
            p.X,
            p.y,
            p.codes,
            p.weight,
            loss=LOSS_OF[loss](),
            relationship=relation,
            intercept="none",
        )
        nodes, smooth = problem.nodes, LOSS_OF[loss]().smoothed(width)
        follower = Follower(relation, nodes, smooth, rng.normal(size=problem.server.V.shape))
        solved = follower.solve(1e-10, 3000, rng)
        assert follower.is_near
        size = 1.0 + np.abs(solved.W).max() + np.abs(solved.V).max()
        slopes = -smooth.derivative(nodes.y, nodes.margins(solved.W))
        heavy = nodes.weight > 0.0
        assert_allclose(solved.alpha[heavy], slopes[heavy], atol=1e-5 * size)
        assert_allclose(nodes.moments_of(solved.alpha), solved.V, atol=1e-12 * size)
        conjugate = regularisers.conjugate_of(name, *LAMBDAS, p.m)
        assert_allclose(solved.W, conjugate.grad(solved.V), atol=1e-6 * size)

    check()


def test_hardly_smoothed_weights_are_the_hard_ones():
    X, y, nodes = make_rows(FMTLClassifier)
    model = FMTLClassifier(lambda1=0.05, lambda2=0.1, tol=1e-10).fit(X, y, nodes=nodes)
    signed = np.where(y == 1, 1.0, -1.0)
    problem = model._problem(X, signed, nodes, model.nodes_, np.ones(len(X)))
    start = problem.weights(model.coef_ + 0.3, model.intercept_)
    follower = Follower(problem.server.relationship, problem.nodes, SmoothHinge(1e-3), start)
    solved = follower.solve(1e-9, 3000, np.random.default_rng(0))
    coef, intercept = problem.coefficients(solved.W)
    assert_allclose(coef, model.coef_, atol=2e-3)
    assert_allclose(intercept, model.intercept_, atol=2e-3)


@pytest.mark.parametrize("size", [1e-9, 1e9])
def test_rows_beyond_single_precision_stay_as_they_are(size):
    X = np.full((3, 2), size)
    assert row_algebra.in_single(X, np.sum(X**2, axis=1)) is X
    assert row_algebra.in_single(X / size, np.full(3, 2.0)).dtype == np.float32
