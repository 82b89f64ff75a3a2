"""Many nodes taken together: what each of them would have answered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from estimators import LOSSES
from skfedmtl import _rows
from skfedmtl._blocks import MIN_NODES, BlockModel, first_floor
from skfedmtl._learned import Learned
from skfedmtl._losses import LOSSES as LOSS_OF
from skfedmtl._node_list import Visits
from skfedmtl._problem import FederatedProblem

LAMBDAS = (0.1, 0.05)
losses = pytest.mark.parametrize("loss", LOSSES)
seeds = st.integers(0, 2**32 - 1)


class InOrder:
    """In the place of a random generator: rows as they lie."""

    def random(self, n):
        return np.arange(n) / n

    def permutation(self, values):
        return values.copy()


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


@losses
@given(seed=seeds, n_passes=st.integers(0, 5))
def test_a_block_of_visits_is_one_visit_after_another(loss, seed, n_passes):
    problem, rng = make_problem(loss, seed)
    nodes = problem.nodes
    problem.server.gather(nodes)
    learned = np.array([1.5, first_floor(len(nodes), *LAMBDAS)])
    block = rng.permutation(len(nodes))[:4]
    models = [BlockModel(problem.server.V, *LAMBDAS, learned.copy()) for _ in range(2)]
    for model in models:
        model.begin(block)
    kept = [node.alpha for node in nodes]
    for place, index in enumerate(block):
        w, curvature = models[0].row(place), models[0].curvature(place)
        models[0].add(place, nodes[index].propose(w, curvature, n_passes, InOrder()))
        nodes[index].adopt()
    expected = [node.alpha for node in nodes]
    problem.server.restore(nodes, kept)
    visits = Visits(nodes)
    visits.begin(block)
    visits.propose(models[1], n_passes, np.random.default_rng(0))  # forgotten by the next
    models[1].begin(block)
    visits.propose(models[1], n_passes, InOrder())
    for alpha, node in zip(kept, nodes, strict=True):
        assert_array_equal(node.alpha, alpha)
    visits.adopt()
    visits.end()
    for alpha, node in zip(expected, nodes, strict=True):
        assert_allclose(node.alpha, alpha, atol=1e-10)
    for one, other in zip(models[0].__dict__.values(), models[1].__dict__.values(), strict=True):
        if isinstance(one, np.ndarray):
            assert_allclose(other, one, atol=1e-10)
    assert models[0].accept() == models[1].accept()


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
