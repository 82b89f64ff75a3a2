"""The linear system of every second-order step: each way to solve it, against the dense matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skfedmtl._learned import Learned
from skfedmtl._system import DualSystem
from skfedmtl._woodbury import make_solver

seeds = st.integers(0, 2**32 - 1)
#: nodes and features: by all entries of V, by the few features, by iterations
SHAPES = [(3, 2), (12, 12), (30, 9), (40, 33)]


def draw(shape, rng, *, most_rows=12, smoothed=False):
    """A system, its rows not all of full rank, and the dense matrix E J E'."""
    m, d = shape
    V = rng.normal(size=(m, 3)) @ rng.normal(size=(3, d)) + 0.1 * rng.normal(size=(m, d))
    relationship = Learned(m, *10.0 ** rng.uniform(-2, 0, size=2))
    response = relationship.respond_at(V, 0.1) if smoothed else relationship.respond(V)
    rows = [rng.normal(size=(rng.integers(most_rows + 1), d)) for _ in range(m)]
    rows[0] = rng.normal(size=(2, d))
    system = DualSystem(rows, response)
    n = sum(map(len, rows))
    return system, np.array([system.push(system.product(system.pull(t))) for t in np.eye(n)]).T


@pytest.mark.parametrize("smoothed", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@given(seed=seeds)
def test_every_solution_is_that_of_the_dense_matrix(shape, smoothed, seed):
    rng = np.random.default_rng(seed)
    system, dense = draw(shape, rng, smoothed=smoothed)
    theta, rhs = 10.0 ** rng.uniform(-2, 2, size=len(dense)), rng.normal(size=len(dense))
    t = system.solve(theta, rhs, tol=1e-11, max_iter=2000)
    assert_allclose((np.diag(theta) + dense) @ t, rhs, atol=1e-7 * np.linalg.norm(rhs))


@given(seed=seeds, low=st.floats(-9, 0), high=st.floats(0, 9))
def test_a_stiff_system_is_solved_another_way(seed, low, high):
    """The way through few features loses digits where theta spreads over many decades."""
    rng = np.random.default_rng(seed)
    system, dense = draw((30, 9), rng)
    theta, rhs = 10.0 ** rng.uniform(low, high, size=len(dense)), rng.normal(size=len(dense))
    t = system.factor(theta)(rhs)
    assert_allclose((np.diag(theta) + dense) @ t, rhs, atol=1e-2 * np.linalg.norm(rhs))


@given(seed=seeds)
def test_many_rows_are_shortened(seed):
    """More rows than entries of V: the same solution on at most d rows a node."""
    rng = np.random.default_rng(seed)
    system, dense = draw((4, 36), rng, most_rows=100)
    theta, rhs = np.full(len(dense), 0.5), rng.normal(size=len(dense))
    t = system.solve(theta, rhs, tol=1e-10, max_iter=2000)
    assert_allclose((np.diag(theta) + dense) @ t, rhs, atol=1e-6 * np.linalg.norm(rhs))


@pytest.mark.parametrize("smoothed", [False, True])
@given(shape=st.tuples(st.integers(1, 9), st.integers(1, 9)), seed=seeds)
def test_the_derivative_in_its_spectral_form(shape, smoothed, seed):
    """J[dV] = dV Z diag(rho) Z' + U D[U' dV Z] Z' for no more features than nodes."""
    m, d = shape
    rng = np.random.default_rng(seed)
    V = rng.normal(size=shape)
    relationship = Learned(m, 0.3, 0.2)
    response = relationship.respond_at(V, 0.1) if smoothed else relationship.respond(V)
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


def test_another_derivative_of_many_nodes_is_not_solved_by_all_unknowns(monkeypatch):
    """Only J has a spectral form; a derivative in its place takes iterations."""
    rng = np.random.default_rng(0)
    response = Learned(200, 0.1, 0.1).respond(rng.normal(size=(200, 9)))
    rows = [rng.normal(size=(2, 9)) for _ in range(200)]
    system = DualSystem(rows, response, response.frozen_product)
    monkeypatch.setattr(DualSystem, "_dense_solver", lambda *_: 1 / 0)
    theta, rhs = np.ones(400), rng.normal(size=400)
    t = system.solve(theta, rhs, tol=1e-10, max_iter=1000)
    image = theta * t + system.push(system.product(system.pull(t)))
    assert_allclose(image, rhs, atol=1e-8 * np.linalg.norm(rhs))


@pytest.mark.parametrize("span", [1e2, 1e12])
@pytest.mark.parametrize("n_rows", [12, 60])
def test_single_precision_ends_where_it_would_lose_theta(n_rows, span):
    """Beside large rows of low rank theta is rounded away, and no factor exists."""
    rng = np.random.default_rng(0)
    m, d = 12, 40
    relationship = Learned(m, 0.1, 0.1)
    response = relationship.respond_at(rng.normal(size=(m, d)), 0.1)
    rows = [rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, d)) for _ in range(m)]
    rows = [np.sqrt(span) * E / np.linalg.norm(E) for E in rows]
    system = DualSystem([E.astype(np.float32) for E in rows], response)
    rhs = system.push(rng.normal(size=(m, d)))
    theta = np.full(len(rhs), response.curvature().max())
    t = system.solve(theta, rhs, tol=1e-3, max_iter=300)
    left = theta * t + system.push(system.product(system.pull(t))) - rhs
    assert np.linalg.norm(left) <= 2e-3 * np.linalg.norm(rhs)
    assert {E.dtype for E in system.rows} == {np.dtype(np.float32 if span < 1e6 else np.float64)}
