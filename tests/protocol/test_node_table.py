"""Many nodes taken together: what each of them would have answered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from estimators import INTERCEPT_OF, LOSSES
from oracles.losses import RECORD_OF
from skfedmtl._model import row_algebra
from skfedmtl._model.learned import Learned
from skfedmtl._model.losses import LOSSES as LOSS_OF
from skfedmtl._protocol.messages import Greeting, Question, Weights
from skfedmtl._protocol.node import Node
from skfedmtl._protocol.node_table import NodeGroup
from skfedmtl._protocol.problem import FederatedProblem

LAMBDAS = (0.1, 0.05)
losses = pytest.mark.parametrize("loss", LOSSES)
seeds = st.integers(0, 2**32 - 1)


def make_problem(loss, seed, m=7, d=3, sparse=False):
    """Rows in any order, of weights that may be zero; a node may have no rows at all."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(m, size=rng.integers(1, 40))
    X, weight = rng.normal(size=(len(codes), d)), rng.integers(3, size=len(codes)).astype(float)
    y = RECORD_OF[loss].draw_targets(rng, len(codes))
    problem = FederatedProblem(
        csr_array(X) if sparse else X,
        y,
        codes,
        weight,
        loss=LOSS_OF[loss](),
        relationship=Learned(m, *LAMBDAS),
        intercept=INTERCEPT_OF[loss],
    )
    problem.set_dual_coef(rng.normal(size=len(codes)))
    return problem, rng


@losses
@pytest.mark.parametrize("sparse", [False, True])
@given(seed=seeds)
def test_sums_are_those_of_the_nodes(loss, sparse, seed):
    """To the bit."""
    problem, rng = make_problem(loss, seed, sparse=sparse)
    nodes, alpha = problem.nodes, problem.nodes.alpha
    one_by_one = NodeGroup(nodes._nodes, nodes.loss)
    W = rng.normal(size=problem.server.V.shape)
    assert_array_equal(nodes.price(Weights(W)).loss, one_by_one.price(Weights(W)).loss)
    assert_allclose(nodes.loss_at(W), nodes.price(Weights(W)).loss.sum(), rtol=1e-12)
    for tighten in (False, True):
        together = nodes.tell(Question(tighten))
        shifted, nodes.alpha = nodes.alpha, alpha
        alone = one_by_one.tell(Question(tighten))
        assert_array_equal(nodes.alpha, shifted)
        assert_array_equal(together.v, alone.v)
        assert_array_equal(together.conjugate, alone.conjugate)
        assert_allclose(
            nodes.conjugate_of(nodes.alpha), alone.conjugate.sum(), rtol=1e-12, atol=1e-13
        )
    V = [row_algebra.moment(own.X, own.weight, own.alpha) for own in nodes.each()]
    assert_allclose(nodes.moments_of(nodes.alpha), V, atol=1e-13)


def test_who_is_taken_together():
    for sparse in (False, True):
        problem, _ = make_problem("hinge", 0, sparse=sparse)
        assert problem.nodes.is_dense is not sparse


@losses
@pytest.mark.parametrize("sparse", [False, True])
@given(seed=seeds)
def test_nodes_made_at_once_are_those_made_alone(loss, sparse, seed):
    problem, _ = make_problem(loss, seed, sparse=sparse)
    nodes = problem.nodes
    start, W = nodes.start(), np.zeros((len(nodes), nodes.X.shape[1]))
    nodes.alpha = start
    for l, own in enumerate(nodes.each()):
        alone = Node(own.X, own.y, own.weight, nodes.loss, centred=nodes.centred)
        expected = alone.greet(Greeting(W[l]))
        for _ in range(2):
            found = nodes._nodes[l].greet(Greeting(W[l]))
            for one, other in zip(found, expected, strict=True):
                assert_allclose(one, other, rtol=1e-14, atol=1e-300)
            assert found.is_cold
            nodes.refresh(l)
        assert_array_equal(own.alpha, start[nodes.parts[l]])


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


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 40), d=st.integers(1, 4))
def test_sorted_rows_are_the_rows_in_their_order(seed, n, d):
    """Runs of rows that lie together, one among others, and a permutation; more than a chunk."""
    rng = np.random.default_rng(seed)
    X, late = rng.normal(size=(n, d)), rng.random(n) < 0.1
    runs = np.argsort(np.where(late, rng.integers(0, n + 1, n), np.arange(n)), kind="stable")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_algebra, "_CHUNK", 3 * d)
        for order in (np.arange(n), runs, rng.permutation(n)):
            rows = row_algebra.sorted_rows(X, order, np.array([2.0]))
            assert_array_equal(rows, np.column_stack([X[order], np.full(n, 2.0)]))
