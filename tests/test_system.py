"""The linear system of second-order steps: each way to solve it, against the dense matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skfedmtl import _system
from skfedmtl._learned import Learned
from skfedmtl._system import DualSystem
from skfedmtl._woodbury import make_solver

seeds = st.integers(0, 2**32 - 1)
#: nodes and features: by all entries of V, or by the few features
SHAPES = [(3, 2), (2, 40), (12, 12), (30, 9), (100, 9)]


def draw(shape, rng, *, most_rows=12, rounded=False):
    """A system, its rows not all of full rank, and the dense matrix E J E'."""
    m, d = shape
    V = rng.normal(size=(m, 3)) @ rng.normal(size=(3, d)) + 0.1 * rng.normal(size=(m, d))
    relationship = Learned(m, *10.0 ** rng.uniform(-2, 0, size=2))
    response = relationship.respond(V)
    response = response.rounded(0.1) if rounded else response
    rows = [rng.normal(size=(rng.integers(most_rows + 1), d)) for _ in range(m)]
    rows[0] = rng.normal(size=(2, d))
    system = DualSystem(rows, response)
    n = sum(map(len, rows))
    return system, np.array([system.push(system.product(system.pull(t))) for t in np.eye(n)]).T


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@given(seed=seeds)
def test_every_solution_is_that_of_the_dense_matrix(shape, rounded, seed):
    rng = np.random.default_rng(seed)
    system, dense = draw(shape, rng, rounded=rounded)
    theta, rhs = 10.0 ** rng.uniform(-2, 2, size=len(dense)), rng.normal(size=len(dense))
    t = system.factor(theta)(rhs)
    assert_allclose((np.diag(theta) + dense) @ t, rhs, atol=1e-7 * np.linalg.norm(rhs))


@given(seed=seeds, low=st.floats(-9, 0), high=st.floats(0, 9))
def test_a_stiff_system_is_solved_another_way(seed, low, high):
    """The way through few features loses digits where theta spreads over many decades."""
    rng = np.random.default_rng(seed)
    system, dense = draw((30, 9), rng)
    theta, rhs = 10.0 ** rng.uniform(low, high, size=len(dense)), rng.normal(size=len(dense))
    t = system.factor(theta)(rhs)
    assert_allclose((np.diag(theta) + dense) @ t, rhs, atol=1e-2 * np.linalg.norm(rhs))


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


def test_many_nodes_are_left_to_iterations_where_nothing_else_is_exact(monkeypatch):
    """Their system of all unknowns would be too large."""
    rng = np.random.default_rng(0)
    system, dense = draw((200, 9), rng, most_rows=2)
    monkeypatch.setattr(_system, "make_solver", lambda *_: lambda b: np.full_like(b, np.nan))
    monkeypatch.setattr(_system, "_dense_solver", lambda *_: 1 / 0)
    theta, rhs = 10.0 ** rng.uniform(-2, 2, size=len(dense)), rng.normal(size=len(dense))
    t = system.factor(theta)(rhs)
    assert_allclose((np.diag(theta) + dense) @ t, rhs, atol=1e-6 * np.linalg.norm(rhs))
