"""The adjoint of a fit against dense matrices: ``(I + J H) u = J G`` in plain numpy.

``H`` is block diagonal, ``X_l' diag(s L'' / c_l) X_l``, and J the derivative of ``grad R*``; of a
hinge, ``u`` lies orthogonal to the rows on their margin, whose multipliers take the place of H u.
"""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from estimators import KINDS, LOSSES, make_relationship
from oracles.losses import RECORD_OF, SMOOTH_LOSSES
from oracles.regularisers import conjugate_of
from oracles.system import slopes
from skfedmtl._model import row_algebra
from skfedmtl._model.losses import LOSSES as LOSS_OF
from skfedmtl._model.quadratic import Independent
from skfedmtl._protocol.problem import FederatedProblem
from skfedmtl._solvers.adjoint import Adjoint, Solved

WIDTH = 0.7  #: of the smoothed kink
SMOOTH = "smoothed hinge"
ALL_LOSSES = (*LOSSES, SMOOTH)
CURVED = (*SMOOTH_LOSSES, SMOOTH)
losses = pytest.mark.parametrize("loss", ALL_LOSSES)
kinds = pytest.mark.parametrize("kind", KINDS)
seeds = st.integers(0, 2**32 - 1)


class Task(NamedTuple):
    """A point at which the splitting rests, and what the oracle needs to know of it."""

    adjoint: Adjoint
    solved: Solved
    nodes: list
    relationship: object
    lambdas: tuple
    kind: object  #: as the oracles call the relationship
    G: np.ndarray

    def solve(self, *, frozen=False, tol=1e-12, G=None):
        """u and answers of the package."""
        G = self.G if G is None else G
        return self.adjoint.solve(self.solved, G, frozen=frozen, tol=tol, max_iter=3000)


def rows_of(rng, m, d, most, *, copies=True):
    """Rows, codes and weights: some of zero, a node without rows, one without weight, copies."""
    sizes = rng.integers(0, most + 1, size=m)
    full, empty, light = rng.permutation(np.resize(np.arange(m), max(m, 3)))[:3]
    sizes[empty], sizes[full] = 0, most
    codes = rng.permutation(np.repeat(np.arange(m), sizes))
    X, weight = rng.normal(size=(len(codes), d)), 10.0 ** rng.uniform(-1, 1, size=len(codes))
    weight[rng.random(len(codes)) < 0.2] = 0.0
    weight[(codes == light) & (light != full)] = 0.0
    for i in np.flatnonzero(rng.random(len(codes)) < 0.3 * copies):
        X[i] = X[rng.choice(np.flatnonzero(codes == codes[i]))]
    return X, codes, weight


def slope_of_rank(rng, m, d, rank, lambda1, lambda2):
    """V with ``grad R*(V)`` of that rank, and well within it; singular values spread out."""
    U = np.linalg.qr(rng.normal(size=(m, min(m, d))))[0]
    Q = np.linalg.qr(rng.normal(size=(d, min(m, d))))[0]
    s = rng.uniform(0.3, 1.5, size=min(m, d))
    threshold = 2.0 * lambda1 * s[:rank].sum()
    nu = np.where(
        np.arange(len(s)) < rank, threshold + 2.0 * lambda2 * s, 0.6 * threshold * s / 1.5
    )
    return (U * nu) @ Q.T


def make_task(loss, kind, seed, *, m=4, d=3, most=6, rank=None, lambdas=(0.1, 0.01), rho=0.8):
    """Any V is at rest: with ``Z = grad R*(V)`` and ``T = Z + V / rho``."""
    rng = np.random.default_rng(seed)
    X, codes, weight = rows_of(rng, m, d, most)
    relationship, name = make_relationship(kind, rng, m, *lambdas, ridge=0.1)
    base = "hinge" if loss == SMOOTH else loss
    y = RECORD_OF[base].draw_targets(rng, len(codes))
    problem = FederatedProblem(
        X,
        y,
        codes,
        weight,
        loss=LOSS_OF[base](),
        relationship=relationship,
        intercept="none",
    )
    V = rng.normal(size=(m, d))
    if kind == "learned":
        rank = rng.integers(1, min(m, d) + 1) if rank is None else rank
        V = slope_of_rank(rng, m, d, rank, *lambdas)
    W = conjugate_of(name, *lambdas, m).grad(V)
    nodes = problem.nodes
    # a third of the rows on the margin of a hinge, as far as their weights allow
    b = np.where(rng.random(len(nodes.y)) < 0.3, rng.random(len(nodes.y)), rng.integers(2))
    own = LOSS_OF[base]()
    own = own.smoothed(WIDTH) if loss == SMOOTH else own
    solved = Solved(own, W, nodes.y * b, V, W + V / rho, rho)
    G = rng.normal(size=(m, d)) * (rng.random((m, 1)) < 0.7)
    G[0] += 1.0
    return Task(Adjoint(relationship, nodes), solved, nodes, relationship, lambdas, name, G)


# -- the oracle -------------------------------------------------------------------------------


def curvature_of(loss, y, f):
    """L'' of the losses that have one."""
    if loss == SMOOTH:
        return np.where(np.abs(1.0 - y * f) < 0.5 * WIDTH, 1.0 / WIDTH, 0.0)
    return slopes(loss, y, f)[1]


def dense_rows(task):
    """The (n, m d) matrix of W -> margins."""
    m, d = task.G.shape
    E = np.zeros((len(task.nodes.y), m, d))
    for l, part in enumerate(task.nodes.parts):
        E[part, l] = task.nodes.rows(l)
    return E.reshape(-1, m * d)


def dense_answer(task, loss, *, frozen=False):
    """u, and ``X_l' answers`` of every node, both of shape (m, d); how the latter may be compared.

    Rows on the margin may be held in more ways than one where J sees fewer directions than they
    span: then the pulls are equal as J sees them.
    """
    nodes, shape = task.nodes, task.G.shape
    conjugate = conjugate_of(task.kind, *task.lambdas, shape[0])
    if frozen and isinstance(task.kind, str) and task.kind == "learned":
        Sigma = conjugate.covariance(task.solved.V)
        conjugate = conjugate_of(("sigma", Sigma), *task.lambdas, shape[0])
    J, E, G = conjugate.derivative(task.solved.V), dense_rows(task), task.G.ravel()
    if loss not in CURVED:
        b = nodes.y * task.solved.alpha
        N = E[(b > 0.0) & (b < 1.0) & (nodes.weight > 0.0)]
        held = N @ J @ N.T
        # of copies, and of more rows than dimensions, the pull is still one
        pull = N.T @ (np.linalg.pinv(held, rcond=1e-11, hermitian=True) @ (N @ J @ G))
        tol = 1e-11 * np.linalg.norm(held)
        # older numpy knows no rank of a matrix without rows
        is_one = len(N) == 0 or (
            np.linalg.matrix_rank(held, tol=tol, hermitian=True) == np.linalg.matrix_rank(N)
        )
        seen = np.eye(len(J)) if is_one else J
        return (J @ (G - pull)).reshape(shape), pull.reshape(shape), seen
    margins = E @ task.solved.W.ravel()
    H = E.T @ ((nodes.weight * curvature_of(loss, nodes.y, margins))[:, None] * E)
    u = np.linalg.solve(np.eye(len(J)) + J @ H, J @ G)
    return u.reshape(shape), (H @ u).reshape(shape), np.eye(len(J))


def pulls(task, answers):
    """``X_l' answers`` of every node."""
    return np.array(
        [node.X.T @ answer for node, answer in zip(task.nodes.each(), answers, strict=True)]
    )


def check_against_dense(task, loss, *, frozen=False, **how):
    """Beside an error of 1e-9 times the contraction's distance from 1, at most rho / 2 lambda2."""
    u, answers = task.solve(frozen=frozen, **how)
    expected, pull, seen = dense_answer(task, loss, frozen=frozen)
    strength = np.linalg.norm(task.G)
    rtol = 1e-9 * (10.0 + 0.5 * task.solved.rho / task.lambdas[1])
    # where rows on the margin hold all that is not held by the relationship, u is zero
    size = max(np.linalg.norm(expected), 1e-3 * strength / task.solved.rho)
    assert np.linalg.norm(u - expected) <= rtol * size
    missed = seen @ (pulls(task, answers) - pull).ravel()
    reach = np.linalg.norm(seen, 2)
    assert np.linalg.norm(missed) <= rtol * reach * (strength + np.linalg.norm(pull))
    for node, answer in zip(task.nodes.each(), answers, strict=True):
        assert answer.shape == node.y.shape
        assert_array_equal(answer[node.weight == 0.0], 0.0)
    return u


@kinds
@losses
@given(
    seed=seeds,
    shape=st.sampled_from([(2, 1), (3, 5), (6, 3), (4, 4)]),
    most=st.sampled_from([2, 4, 20]),
    rho=st.sampled_from([0.05, 1.0, 10.0]),
    lambdas=st.sampled_from([(0.1, 0.01), (1e-3, 1e-3), (1e-2, 1e-6)]),
    frozen=st.booleans(),
)
def test_the_adjoint_against_dense_matrices(loss, kind, seed, shape, most, rho, lambdas, frozen):
    """More rows than features and fewer, copies on the margin, empty nodes, weights of zero."""
    m, d = shape
    task = make_task(loss, kind, seed, m=m, d=d, most=most, rho=rho, lambdas=lambdas)
    check_against_dense(task, loss, frozen=frozen)


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@losses
def test_every_rank_of_a_learned_relationship(loss, rank):
    for frozen in (False, True):
        task = make_task(loss, "learned", rank, m=5, d=4, rank=rank, lambdas=(0.1, 1e-4))
        response = task.solved.proximal_response(task.relationship)
        assert response.rank == rank
        u = check_against_dense(task, loss, frozen=frozen)
        assert np.linalg.norm(u) > 1e-3


def slope_of_regulariser(W, lambda1, lambda2):
    """grad R of the learned relationship at full rank, by singular values."""
    U, s, Zt = np.linalg.svd(W, full_matrices=False)
    return 2.0 * lambda1 * s.sum() * (U @ Zt) + 2.0 * lambda2 * W


@pytest.mark.parametrize("lambdas", [(0.1, 0.01), (0.1, 1e-6)])
@pytest.mark.parametrize("loss", CURVED)
def test_at_full_rank_it_solves_the_second_derivative(loss, lambdas):
    """That of R by differences of its gradient, ``H_l`` as it is written."""
    task = make_task(loss, "learned", 7, m=4, d=4, rank=4, most=9, lambdas=lambdas)
    W, shape = task.solved.W, task.G.shape
    step, columns = 1e-5, []
    for direction in np.eye(W.size).reshape(-1, *shape):
        ahead, behind = (slope_of_regulariser(W + s * direction, *lambdas) for s in (step, -step))
        columns.append((ahead - behind).ravel() / (2.0 * step))
    E = dense_rows(task)
    bend = task.nodes.weight * curvature_of(loss, task.nodes.y, E @ W.ravel())
    P = np.array(columns).T + E.T @ (bend[:, None] * E)
    u, answers = task.solve()
    size = np.linalg.norm(P) * np.linalg.norm(u)
    assert np.linalg.norm(P @ u.ravel() - task.G.ravel()) <= 1e-7 * size
    H = pulls(task, answers)
    for node, part, w, pull in zip(task.nodes.each(), task.nodes.parts, u, H, strict=True):
        assert_allclose(pull, node.X.T @ (bend[part] * (node.X @ w)), atol=1e-10 * size)


@pytest.mark.parametrize("rho", [1e-2, 1.0, 1e2, 1e4])
@losses
def test_no_choice_of_rho_is_too_far_off(loss, rho):
    """The extrapolation of a linear iteration may lead anywhere: a plain one takes rho/lambda2."""
    task = make_task(loss, "learned", 11, m=4, d=4, rho=rho, lambdas=(0.1, 1e-3))
    steps = count_steps(task)
    check_against_dense(task, loss, tol=1e-10)
    assert len(steps) <= 100


def count_steps(task):
    """A list that grows with every iteration."""
    steps, proximal_response = [], task.solved.proximal_response

    class Counted:
        def __init__(self, relationship):
            self._response = proximal_response(relationship)

        def product(self, dT):
            steps.append("total")
            return self._response.product(dT)

        def frozen_product(self, dT):
            steps.append("frozen")
            return self._response.frozen_product(dT)

    class Watched(Solved):
        def proximal_response(self, relationship):
            return Counted(relationship)

    task.adjoint.solve, solve = (
        lambda solved, *args, **how: solve(Watched(*solved), *args, **how),
        task.adjoint.solve,
    )
    return steps


@kinds
@losses
def test_a_warm_start_gives_the_same_sooner(loss, kind):
    task = make_task(loss, kind, 3, m=6, d=5, most=12)
    steps = count_steps(task)
    cold, answers = task.solve(tol=1e-10)
    n_cold = len(steps)
    warm, again = task.solve(tol=1e-10)
    n_warm = len(steps) - n_cold
    assert n_warm <= 2 < n_cold
    assert_allclose(warm, cold, rtol=1e-7, atol=1e-9 * np.linalg.norm(cold))
    other = np.random.default_rng(0).normal(size=task.G.shape)
    task.solve(tol=1e-10, G=other)
    back, _ = task.solve(tol=1e-10)
    size = np.linalg.norm(cold)
    assert_allclose(back, cold, atol=1e-8 * size)
    for one, two in zip(answers, again, strict=True):
        assert_allclose(one, two, atol=1e-7 * np.linalg.norm(task.G))
    assert set(steps) == {"total"}


@losses
def test_no_slope_has_no_answer(loss):
    """Also after another one, whose share no residual would fall below."""
    task = make_task(loss, "learned", 3)
    steps = count_steps(task)
    for _ in range(2):
        u, answers = task.solve(G=np.zeros_like(task.G))
        assert_array_equal(u, 0.0)
        assert_array_equal(np.concatenate(answers), 0.0)
        assert not steps
        task.solve(tol=1e-8)
        steps.clear()


def test_weights_that_nothing_can_move():
    """Rows on the margin fill a node's features: its u is zero, and found to be so at once."""
    task = make_task("hinge", "none", 0, m=3, d=2, most=12)
    nodes = task.nodes
    solved = task.solved._replace(alpha=0.5 * nodes.y)
    heavy = [node.X[node.weight > 0] for node in nodes.each()]
    assert all(len(X) == 0 or np.linalg.matrix_rank(X) == 2 for X in heavy)
    held = np.array([node.weight.any() for node in nodes.each()])
    task = task._replace(solved=solved, G=task.G * held[:, None])
    steps = count_steps(task)
    u, answers = task.solve()
    assert len(steps) <= 20
    assert_allclose(u, 0.0, atol=1e-12)
    assert_allclose(pulls(task, answers), task.G, atol=1e-10)


@pytest.mark.parametrize("loss", CURVED)
def test_rough_answers_are_as_good_as_is_asked(loss):
    """In single precision, and without rows that weigh next to nothing."""
    for seed in range(10):
        task = make_task(loss, "learned", seed, m=5, d=9, most=6, rho=0.1)
        expected, *_ = dense_answer(task, loss)
        for tol in (3e-2, 1e-3, 1e-5):
            adjoint = Adjoint(task.relationship, task.nodes)
            u, _ = adjoint.solve(task.solved, task.G, frozen=False, tol=tol, max_iter=200)
            assert np.linalg.norm(u - expected) <= 20.0 * tol * np.linalg.norm(expected)


@losses
def test_kept_kernels_serve_in_the_place_of_rows(loss):
    task = make_task(loss, "learned", 5, m=5, d=9, most=6)
    asked = []

    def gram(l):
        asked.append(l)
        return row_algebra.gram(task.nodes.rows(l))

    kept = Adjoint(task.relationship, task.nodes, gram)
    u, _ = kept.solve(task.solved, task.G, frozen=False, tol=1e-10, max_iter=200)
    expected, _ = task.solve(tol=1e-10)
    assert_array_equal(u, expected)
    assert len(asked) == len(set(asked))
    assert bool(asked) == (loss in CURVED)


def copies_of_a_row(n, d, loss="squared_hinge", *, rho):
    """A node of equal rows that all respond, and weights of which nothing ties it to others."""
    row = np.array([1.3, -0.7, 2.1, 0.4, -1.9, 0.6, 1.1])[:d]
    X, y = np.tile(row, (n, 1)), np.ones(n)
    problem = FederatedProblem(
        X,
        y,
        np.zeros(n, dtype=np.int64),
        np.ones(n),
        loss=LOSS_OF[loss](),
        relationship=Independent(1, 0.5 * rho),
        intercept="none",
    )
    problem.nodes.alpha = np.ones(n)
    solved = Solved.at(problem.nodes, np.zeros((1, d)), rho)
    adjoint = Adjoint(problem.server.relationship, problem.nodes)
    return adjoint, solved, row


@pytest.mark.parametrize("tol", [1e-12, 1e-2])  # the latter leads to single precision
@pytest.mark.parametrize("shape", [(3, 5), (6, 3)])
@pytest.mark.parametrize("rho", [1e-9, 1e-17, 1e-20])
def test_equal_rows_beside_a_small_regulariser(shape, tol, rho):
    n, d = shape
    adjoint, solved, row = copies_of_a_row(n, d, rho=rho)
    u, answers = adjoint.solve(solved, row[None, :], frozen=False, tol=tol, max_iter=100)
    assert np.isfinite(u).all() and np.isfinite(answers[0]).all()
    if rho >= 1e-9:  # else the answer along the row is rounding of what is orthogonal to it
        # H = 2 x x', each row of weight 1/n: along the row u is G / (2 |x|^2)
        assert_allclose(row @ u[0], 0.5, rtol=1e-2)
        assert_allclose(np.sum(answers[0]), 1.0, rtol=1e-2)
