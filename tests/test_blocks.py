"""Visits to many nodes between two looks at the relationship."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from estimators import ESTIMATORS
from skfedmtl import FMTLRegressor
from skfedmtl._blocks import MIN_NODES, BlockModel, first_floor
from skfedmtl._learned import Learned
from skfedmtl._quadratic import Fixed, Independent

seeds = st.integers(0, 2**32 - 1)


def many_rows(m=150, n=4, d=6, seed=0):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(m, 2)) @ rng.normal(size=(2, d))
    X, nodes = rng.normal(size=(m * n, d)), np.repeat(np.arange(m), n)
    return X, np.einsum("ij,ij->i", X, W[nodes]) + rng.normal(size=m * n), nodes


@given(seed=seeds, size=st.floats(1e-3, 1e2), caution=st.floats(1.0, 8.0))
def test_an_accepted_block_is_below_the_model(seed, size, caution):
    """R* after the block is at most what the nodes were told, whatever they did."""
    rng = np.random.default_rng(seed)
    m, d, lambdas = 12, 3, (0.1, 0.05)
    relationship = Learned(m, *lambdas)
    V = rng.normal(size=(m, d)) * 10.0 ** rng.uniform(-1, 1, size=d)
    given_V, learned = V.copy(), np.array([caution, first_floor(m, *lambdas)])
    model, current = BlockModel(V, *lambdas, learned), V.copy()
    for _ in range(6):
        block = rng.permutation(m)[:4]
        before = relationship.respond(current)
        model.begin(block)
        assert_allclose(model.row(0), before.W[block[0]], atol=1e-8 * np.abs(before.W).max())
        moved, told, now = current.copy(), learned.copy(), before.value
        for place, index in enumerate(block):
            dv = size * rng.normal(size=d)
            now += model.row(place) @ dv + 0.5 * model.curvature(place) * dv @ dv
            model.add(place, dv)
            moved[index] += dv
        after = relationship.respond(moved).value
        slack = 1e-9 * (abs(after) + abs(now))
        if model.accept():
            assert after <= now + slack or told[1] >= 0.5 / lambdas[1]
            current = moved
        else:
            assert after > now - slack
            assert_array_equal(learned, [2 * told[0], min(2 * told[1], 0.5 / lambdas[1])])
    assert_array_equal(V, given_V)


def test_with_the_largest_floor_every_block_is_accepted():
    rng = np.random.default_rng(0)
    for exponent in range(-4, 4):
        model = BlockModel(rng.normal(size=(9, 3)), 0.5, 0.1, np.array([1.0, 0.5 / 0.1]))
        model.begin(np.arange(5))
        for place in range(5):
            model.add(place, 10.0**exponent * rng.normal(size=3))
        assert model.accept()


def test_who_is_visited_in_blocks():
    assert Learned(MIN_NODES, 1.0, 1.0).takes_blocks(3)
    assert not Learned(MIN_NODES - 1, 1.0, 1.0).takes_blocks(3)
    assert not Learned(MIN_NODES, 1.0, 1.0).takes_blocks(200)
    for exact in (Independent(MIN_NODES, 1.0), Fixed(np.eye(MIN_NODES), 1.0, 1.0)):
        assert not exact.takes_blocks(3)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_many_nodes_reach_the_optimum(estimator, monkeypatch):
    """The same solution as by one decomposition a visit."""
    X, y, nodes = many_rows()
    y = y if estimator is FMTLRegressor else (y > 0).astype(int)
    params = {"lambda1": 0.01, "lambda2": 0.01, "tol": 1e-9, "random_state": 0}
    model = estimator(**params).fit(X, y, nodes=nodes)
    assert model.dual_gap_ <= 1e-9 * model.objective_
    assert np.all(np.diff(model.history_["dual_objective"]) >= 0)
    monkeypatch.setattr(Learned, "takes_blocks", lambda *_: False)
    other = estimator(**params).fit(X, y, nodes=nodes)
    assert_allclose(model.objective_, other.objective_, rtol=2e-9)
    assert_allclose(model.coef_, other.coef_, atol=2e-3 * np.abs(other.coef_).max())
