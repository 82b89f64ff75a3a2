"""The learned conjugate with rounded kinks: its derivatives, its limit, its one system."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from estimators import KINDS
from skfedmtl._linear.weight_system import solve_through_weights
from skfedmtl._linear.woodbury import make_solver
from skfedmtl._model.learned import Learned
from skfedmtl._model.quadratic import Fixed, Independent

shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))
seeds = st.integers(0, 2**32 - 1)
excesses = st.sampled_from([1e-3, 0.1, 3.0])
LAMBDAS = 0.3, 0.2
STEP = 1e-5


def draw(shape, seed, n=1):
    """V with singular values on both sides of the threshold, and directions."""
    rng = np.random.default_rng(seed)
    U, nu, Zt = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    V = (U * nu * 10.0 ** rng.uniform(-2, 0, size=len(nu))) @ Zt
    return V, *rng.normal(size=(n, *shape))


def rounded(V, excess):
    return Learned(len(V), *LAMBDAS).respond(V).rounded(excess)


@given(shapes, excesses, seeds)
def test_weights_are_the_slope_of_the_value(shape, excess, seed):
    V, dV = draw(shape, seed)
    # its width depends on the excess alone, so that neighbours are points of one function
    ahead, behind = (rounded(V + sign * STEP * dV, excess) for sign in (1, -1))
    slope = (ahead.value - behind.value) / (2 * STEP)
    assert_allclose(np.vdot(rounded(V, excess).W, dV), slope, rtol=1e-5, atol=1e-7)


@given(shapes, excesses, seeds)
def test_the_product_is_the_slope_of_the_weights(shape, excess, seed):
    V, dV = draw(shape, seed)
    ahead, behind = (rounded(V + sign * STEP * dV, excess).W for sign in (1, -1))
    found = rounded(V, excess).product(dV)
    assert_allclose(found, (ahead - behind) / (2 * STEP), atol=1e-3 * np.linalg.norm(found) + 1e-6)


@given(shapes, excesses, seeds)
def test_products_are_symmetric_positive_and_take_stacks(shape, excess, seed):
    V, one, two = draw(shape, seed, n=2)
    response = rounded(V, excess)
    assert_allclose(np.vdot(one, response.product(two)), np.vdot(response.product(one), two))
    assert np.vdot(one, response.product(one)) >= 0
    stack = response.product(np.array([one, two]))
    assert_allclose(stack, [response.product(one), response.product(two)], atol=1e-12)


@given(shapes, seeds)
def test_equal_and_vanishing_singular_values(shape, seed):
    """Where divided differences have no differences to divide."""
    rng = np.random.default_rng(seed)
    p = min(shape)
    U, Zt = (
        np.linalg.qr(rng.normal(size=(shape[0], p)))[0],
        np.linalg.qr(rng.normal(size=(shape[1], p)))[0].T,
    )
    V, dV = (U * np.where(np.arange(p) < 3, 0.8, 0.0)) @ Zt, rng.normal(size=shape)
    ahead, behind = (rounded(V + sign * STEP * dV, 0.1).W for sign in (1, -1))
    found = rounded(V, 0.1).product(dV)
    assert_allclose(found, (ahead - behind) / (2 * STEP), atol=1e-3 * np.linalg.norm(found) + 1e-6)


@given(shapes, seeds)
def test_it_tends_to_the_exact_conjugate(shape, seed):
    V, _ = draw(shape, seed)
    exact = Learned(len(V), *LAMBDAS).respond(V)
    near = exact.rounded(1e-9)
    assert_allclose(near.value, exact.value, atol=1e-6)
    assert_allclose(near.W, exact.W, atol=1e-3)
    assert exact.rounded(0.0) is exact
    for quadratic in (Independent(len(V), 0.2), Fixed(np.eye(len(V)), *LAMBDAS)):
        response = quadratic.respond(V)
        assert response.rounded(1.0) is response


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 2), (2, 5), (12, 12), (30, 9), (40, 33)])
@given(seed=seeds, decades=st.floats(0, 3))
def test_a_system_through_the_weights(shape, kind, seed, decades):
    """(I + J G) u = b to eight digits, by few features or by all entries, or not at all."""
    rng = np.random.default_rng(seed)
    m, d = shape
    V, b = draw(shape, seed)
    relationship = {
        "learned": Learned(m, *LAMBDAS),
        "none": Independent(m, 0.2),
        "omega": Fixed(np.eye(m) - 1.0 / m, *LAMBDAS),
    }[kind]
    for response in (relationship.respond(V), relationship.respond(V).rounded(0.1)):
        rows = rng.normal(size=(m, 4, d)) * 10.0 ** rng.uniform(-decades, decades, size=(m, 1, 1))
        G = rows.transpose(0, 2, 1) @ rows
        u = solve_through_weights(response, G, b)
        if u is None:
            assert decades > 1 or (kind != "learned" and m * d > 800)
            continue
        left = u + response.product(np.einsum("lij,lj->li", G, u)) - b
        assert np.linalg.norm(left) <= 1e-8 * np.linalg.norm(b)


@pytest.mark.filterwarnings("error")
def test_a_system_that_rounding_has_spoiled_is_left():
    """Two alike rows, the weights' own term lost beside them: no answer, and nothing overflows."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        row = rng.normal(size=(3, 1, 4)) * 10.0 ** rng.integers(-8, 9, size=4)
        G = 1e3 * (row.transpose(0, 2, 1) @ row)
        u = solve_through_weights(Independent(3, 1e-8).respond(np.ones((3, 4))), G, np.ones((3, 4)))
        assert u is None or np.isfinite(u).all()


@pytest.mark.parametrize("rounded", [False, True])
@given(shape=st.tuples(st.integers(1, 9), st.integers(1, 9)), seed=seeds)
def test_the_derivative_in_its_spectral_form(shape, rounded, seed):
    """J[dV] = dV Z diag(rho) Z' + U D[U' dV Z] Z' for no more features than nodes."""
    m, d = shape
    rng = np.random.default_rng(seed)
    V = rng.normal(size=shape)
    relationship = Learned(m, 0.3, 0.2)
    response = relationship.respond(V)
    response = response.rounded(0.1) if rounded else response
    form = response.spectral()
    assert (form is None) == (m < d)
    if form is None:
        return
    dV, (U, Zt, rho, inside) = rng.normal(size=shape), form
    M = U.T @ dV @ Zt.T
    expected = dV @ (Zt.T * rho) @ Zt + U @ (inside(M) - M * rho) @ Zt
    assert_allclose(response.product(dV), expected, atol=1e-10 * np.abs(expected).max())
    blocks = rng.normal(size=(m, d, d))
    blocks = blocks @ blocks.transpose(0, 2, 1)
    b = response.product(rng.normal(size=shape))
    u = make_solver(form, blocks)(b)
    image = u + response.product(np.einsum("ljk,lk->lj", blocks, u))
    assert_allclose(image, b, atol=1e-6 * np.linalg.norm(b))
