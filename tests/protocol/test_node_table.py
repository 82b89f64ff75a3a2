"""Many nodes taken together: what each of them would have answered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from estimators import LOSSES
from skfedmtl._model import row_algebra
from skfedmtl._model.learned import Learned
from skfedmtl._model.losses import LOSSES as LOSS_OF
from skfedmtl._protocol.node import Node
from skfedmtl._protocol.problem import FederatedProblem

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
    for sparse in (False, True):
        problem, _ = make_problem("hinge", 0, sparse=sparse)
        assert problem.nodes.are_dense is not sparse


@losses
@pytest.mark.parametrize("sparse", [False, True])
@given(seed=seeds)
def test_nodes_made_at_once_are_those_made_alone(loss, sparse, seed):
    problem, _ = make_problem(loss, seed, sparse=sparse)
    nodes = problem.nodes
    for node, part in zip(nodes, nodes.parts, strict=True):
        kept = node.squared_norm.copy(), node.live.copy()
        alone = Node(node.X, node.y, node.weight, node.loss, centred=node.centred)
        node.refresh()
        for other in (kept, (node.squared_norm, node.live)):
            assert_allclose(other[0], alone.squared_norm, rtol=1e-14, atol=1e-300)
            assert_array_equal(other[1], alone.live)
        assert_array_equal(nodes.start()[part], alone.alpha)


@given(seed=seeds)
def test_rows_are_centred_node_by_node(seed):
    """Constants, of which rounding leaves something, become zero."""
    rng = np.random.default_rng(seed)
    starts = np.array([0, 4, 4, 9])
    X, y = rng.normal(size=(9, 3)), rng.normal(size=9)
    X[:, 1], weight = 0.1 + 1e3 * rng.random(), np.array([0.1] * 3 + [0.7] + [0.2] * 5)
    given, mean, level = X.copy(), np.full((3, 3), 7.0), np.full(3, 7.0)
    which = np.array([2, 1])
    row_algebra.centre_by_node(X, starts, which, weight, mean)
    row_algebra.centre_by_node(y, starts, which, weight, level)
    assert_array_equal(X[:4], given[:4])
    assert_array_equal(mean[:2], [[7.0] * 3, [0.0] * 3])
    assert_allclose(X[4:], given[4:] - given[4:].mean(axis=0), atol=1e-12)
    assert_allclose(mean[2], given[4:].mean(axis=0), rtol=1e-12)
    assert_array_equal(X[4:, 1], np.zeros(5))
    assert_allclose(weight[4:] @ y[4:], 0.0, atol=1e-15)


@pytest.mark.parametrize("chunk", [1, 9, 10**6])
@pytest.mark.parametrize("d", [0, 3])
def test_rows_are_copied_a_few_at_a_time(chunk, d, monkeypatch):
    monkeypatch.setattr(row_algebra, "_CHUNK", chunk)
    rng = np.random.default_rng(0)
    X, order = rng.normal(size=(20, d)), rng.permutation(20)
    rows = row_algebra.sorted_rows(X, order, np.array([2.0]))
    assert_array_equal(rows, np.column_stack([X[order], np.full(20, 2.0)]))
