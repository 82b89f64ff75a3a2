"""Many nodes taken together: what each of them would have answered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from estimators import LOSSES
from skfedmtl import _rows
from skfedmtl._learned import Learned
from skfedmtl._losses import LOSSES as LOSS_OF
from skfedmtl._node_list import MIN_NODES
from skfedmtl._problem import FederatedProblem

LAMBDAS = (0.1, 0.05)
losses = pytest.mark.parametrize("loss", LOSSES)
seeds = st.integers(0, 2**32 - 1)


def make_problem(loss, seed, m=7, d=3, sparse=False):
    """Rows in any order, of weights that may be zero; a node may have no rows at all."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(m, size=rng.integers(1, 40))
    X, weight = rng.normal(size=(len(codes), d)), rng.integers(3, size=len(codes)).astype(float)
    regression = loss == "squared_error"
    y = rng.normal(size=len(codes)) if regression else rng.choice([-1.0, 1.0], len(codes))
    problem = FederatedProblem(
        csr_array(X) if sparse else X,
        y,
        codes,
        weight,
        loss=LOSS_OF[loss](),
        relationship=Learned(m, *LAMBDAS),
        intercept="centred" if regression else "feature",
    )
    problem.set_dual_coef(rng.normal(size=len(codes)))
    return problem, rng


@losses
@given(seed=seeds)
def test_sums_are_those_of_the_nodes(loss, seed):
    problem, rng = make_problem(loss, seed)
    nodes = problem.nodes
    assert_array_equal(nodes.start(), np.concatenate([node.start() for node in nodes]))
    W = rng.normal(size=problem.server.V.shape)
    expected = sum(node.loss_at(w) for node, w in zip(nodes, W, strict=True))
    assert_allclose(nodes.loss_at(W), expected, rtol=1e-12)
    for _ in range(2):
        moments = [node.moment() for node in nodes]
        assert_allclose(nodes.moments(), moments, atol=1e-13)
        conjugate = sum(node.conjugate_at(node.alpha) for node in nodes)
        assert_allclose(nodes.conjugate(), conjugate, atol=1e-13)
        nodes.tighten()  # and once more after that
        together = [node.alpha for node in nodes]
        for node in nodes:
            node.tighten()
        for alpha, node in zip(together, nodes, strict=True):
            assert_allclose(alpha, node.alpha, atol=1e-13)


def test_who_is_taken_together():
    for sparse, m in ((False, MIN_NODES), (False, MIN_NODES - 1), (True, MIN_NODES)):
        problem, _ = make_problem("hinge", 0, m=m, sparse=sparse)
        assert problem.nodes.are_many is (m == MIN_NODES and not sparse)


@pytest.mark.parametrize("chunk", [1, 9, 10**6])
@pytest.mark.parametrize("d", [0, 3])
def test_rows_are_copied_a_few_at_a_time(chunk, d, monkeypatch):
    monkeypatch.setattr(_rows, "_CHUNK", chunk)
    rng = np.random.default_rng(0)
    X, order = rng.normal(size=(20, d)), rng.permutation(20)
    rows = _rows.sorted_rows(X, order, np.array([2.0]))
    assert_array_equal(rows, np.column_stack([X[order], np.full(20, 2.0)]))
