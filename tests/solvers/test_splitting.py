"""The two sides of the splitting, each against plain numpy, and the protocol made of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from certificates import check_certificate, dual, worth_of_nothing
from estimators import (
    ESTIMATOR_OF,
    ESTIMATORS,
    INTERCEPT_OF,
    KINDS,
    LOSSES,
    estimator_of,
    fit,
    make_relationship,
    make_rows,
    oracle_task,
)
from oracles import kernels, regularisers
from oracles.losses import RECORD_OF
from oracles.objective import optimum, regulariser
from oracles.strategies import problems
from profiles import examples
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl._kernels import _sdca
from skfedmtl._model.learned import Learned
from skfedmtl._model.losses import LOSSES as LOSS_OF
from skfedmtl._protocol.problem import FederatedProblem
from skfedmtl._solvers import node_steps
from skfedmtl._solvers.node_steps import ExactSteps, Passes, make_steps
from skfedmtl._solvers.pricing import bound_of
from skfedmtl._solvers.workers import Workers

losses = pytest.mark.parametrize("loss", LOSSES)
kinds = pytest.mark.parametrize("kind", KINDS)
seeds = st.integers(0, 2**32 - 1)
rhos = st.sampled_from([1e-3, 0.1, 1.0, 30.0])


# -- the server's step ------------------------------------------------------------------------


SHAPES = [(1, 1), (1, 6), (5, 1), (4, 4), (3, 9), (9, 3), (400, 30), (30, 400)]


@kinds
@pytest.mark.parametrize("shape", [(4, 4), (3, 9), (9, 3)])
def test_stiffness_is_the_curvature_where_singular_values_are_alike(kind, shape):
    """Of degree two: R(W) is half of it times ||W||_F^2, if W has no favourites among the nodes."""
    rng = np.random.default_rng(4)
    (m, d), n_directions = shape, min(shape)
    relationship, _ = make_relationship(kind, rng, m, 0.3, 0.02)
    W = np.linalg.qr(rng.normal(size=(max(shape), n_directions)))[0]
    W = W.T if m < d else W
    if kind == "omega":  # a precision looks at the nodes alone
        d, W = m, np.linalg.qr(rng.normal(size=(m, m)))[0]
    stiffness = relationship.stiffness(d)
    assert_allclose(relationship.penalty(W), 0.5 * stiffness * np.vdot(W, W), rtol=1e-12)


@pytest.mark.parametrize("penalty", [1e-5, 1e-7])
@losses
def test_weak_penalties_begin_where_weights_are_large(loss, penalty):
    """A first rho that knows only the losses takes two to forty times as many iterations."""
    rng = np.random.default_rng(0)
    nodes = np.repeat(np.arange(12), 20)
    X = rng.normal(size=(len(nodes), 120))
    y = X @ rng.normal(size=120) + rng.normal(size=len(nodes))
    model = ESTIMATOR_OF[loss](
        loss=loss, lambda1=penalty, lambda2=penalty, tol=1e-4, random_state=0
    )
    model.fit(X, RECORD_OF[loss].targets(y), nodes=nodes)
    assert model.n_iter_ <= 50


@kinds
@pytest.mark.parametrize("shape", SHAPES)
@given(
    seed=seeds,
    lambda1=st.sampled_from([1e-3, 0.1, 10.0]),
    lambda2=st.sampled_from([1e-6, 1e-2, 1.0]),
    rho=rhos,
)
def test_the_proximal_step_of_a_relationship(kind, shape, seed, lambda1, lambda2, rho):
    """rho (T - Z) is a subgradient of R at Z: R*(rho (T - Z)) + R(Z) = <rho (T - Z), Z>."""
    rng = np.random.default_rng(seed)
    m, d = shape
    relationship, name = make_relationship(kind, rng, m, lambda1, lambda2)
    rank = rng.integers(1, min(shape) + 1)
    T = rng.normal(size=(m, rank)) @ rng.normal(size=(rank, d)) * 10.0 ** rng.uniform(-2, 2)
    Z, penalty = relationship.proximal(T, rho)
    assert_allclose(penalty, regulariser(Z, lambda1, lambda2, name), rtol=1e-9)
    slope = rho * (T - Z)
    conjugate = regularisers.conjugate_of(name, lambda1, lambda2, m).value(slope)
    pairing = np.vdot(slope, Z)
    assert_allclose(conjugate + penalty, pairing, rtol=1e-6, atol=1e-7 * rho * np.vdot(T, T))

    def value(W):
        return regulariser(W, lambda1, lambda2, name) + 0.5 * rho * np.sum((W - T) ** 2)

    best = value(Z)
    for size in (1e-3, 1e-1, 1.0):
        step = size * np.linalg.norm(T) / np.sqrt(T.size) * rng.normal(size=shape)
        # of modulus rho: no worse than strong convexity asks for
        assert value(Z + step) >= best + 0.5 * rho * np.vdot(step, step) - 1e-9 * abs(best)


@kinds
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lambdas", [(0.1, 0.01), (10.0, 1e-6), (1.0, 1e-9)])
def test_the_conjugate_is_that_of_the_response(kind, shape, lambdas):
    rng = np.random.default_rng(0)
    relationship, _ = make_relationship(kind, rng, shape[0], *lambdas)
    for scale in (1e-3, 1.0, 1e3):
        V = scale * rng.normal(size=shape) * 10.0 ** rng.uniform(-2, 2, size=shape[1])
        assert_allclose(relationship.conjugate(V), relationship.respond(V).value, rtol=1e-8)
    assert relationship.conjugate(np.zeros(shape)) == 0.0


@pytest.mark.parametrize("shape", [(200, 40), (40, 200), (300, 300)])
def test_large_tables_are_decomposed_as_small_ones(shape):
    """By the Gram matrix of their smaller side: the same step as by singular values."""
    rng = np.random.default_rng(0)
    T = rng.normal(size=(shape[0], 5)) @ rng.normal(size=(5, shape[1]))
    T += 0.1 * rng.normal(size=shape)
    lambda1, lambda2, rho = 0.05, 0.01, 0.7
    U, nu, Zt = np.linalg.svd(T, full_matrices=False)
    slope = regularisers.Learned(lambda1, lambda2 + 0.5 * rho)
    omega = slope.decompose(rho * T)[3]
    assert 0 < np.count_nonzero(omega) < len(omega)
    Z = Learned(shape[0], lambda1, lambda2).proximal(T, rho).W
    assert_allclose(Z, (U * omega) @ Zt, atol=1e-9 * nu[0])


# -- the nodes' step --------------------------------------------------------------------------


def make_nodes(loss, seed, m=6, d=3, sparse=False, most=40):
    """Nodes of rows whose weights may be zero; one may have no rows, or no weight at all."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(m, size=rng.integers(1, most))
    X, weight = rng.normal(size=(len(codes), d)), rng.integers(3, size=len(codes)).astype(float)
    X[rng.random(X.shape) < 0.2] = 0.0
    y = RECORD_OF[loss].draw_targets(rng, len(codes))
    problem = FederatedProblem(
        csr_array(X) if sparse else X,
        y,
        codes,
        weight,
        loss=LOSS_OF[loss](),
        relationship=Learned(m, 0.1, 0.1),
        intercept=INTERCEPT_OF[loss],
    )
    problem.set_dual_coef(rng.normal(size=len(codes)))
    return problem.nodes, rng


def relax(nodes, alpha, base, rho, seeds, ends=None, *, close, least=1, most=3000, between=8):
    """The kernel on copies, with the nodes cut where `ends` says; (alpha, W)."""
    alpha, live = alpha.copy(), nodes.weight > 0.0
    order = np.flatnonzero(live)
    starts = np.concatenate([np.zeros(1, dtype=np.intp), np.cumsum(live)])[nodes.starts]
    squares = np.einsum("ij,ij->i", nodes.X, nodes.X)
    W = base + nodes.moments_of(alpha) / rho
    ends = [0, len(nodes)] if ends is None else ends
    for first, last in itertools.pairwise(ends):
        _sdca.relax_by_node(
            nodes.loss.kernel,
            nodes.X,
            nodes.y,
            nodes.weight,
            squares,
            starts,
            first,
            last,
            order,
            seeds,
            1.0 / rho,
            close,
            least,
            most,
            between,
            alpha,
            W,
        )
    return alpha, W


def gaps(nodes, alpha, W, base, rho):
    """Of every node's step, by the oracle."""
    return [
        kernels.proximal_gap(
            nodes.X[part],
            nodes.y[part],
            nodes.weight[part],
            alpha[part],
            w,
            b,
            rho,
            nodes.loss.name,
        )
        for part, w, b in zip(nodes.parts, W, base, strict=True)
    ]


def drawn_seeds(rng, nodes):
    return rng.integers(2**63, size=len(nodes)).astype(np.uint64)


@losses
@given(
    seed=seeds,
    rho=st.sampled_from([0.1, 1.0, 30.0]),
    d=st.integers(1, 9),
    cut=st.integers(0, 6),
)
def test_passes_end_at_the_proximal_step(loss, seed, rho, d, cut):
    """To the bit, however the nodes are shared out; rows of no weight and empty nodes rest."""
    nodes, rng = make_nodes(loss, seed, d=d)
    base, order = rng.normal(size=(len(nodes), nodes.X.shape[1])), drawn_seeds(rng, nodes)
    before = nodes.alpha
    start = base + nodes.moments_of(before) / rho
    alpha, W = relax(nodes, before, base, rho, order, close=0.0)
    again, same = relax(nodes, before, base, rho, order, [0, cut, 6], close=0.0)
    assert alpha.tobytes() == again.tobytes()
    assert W.tobytes() == same.tobytes()
    empty = np.array([not node.weight.any() for node in nodes.each()])
    assert_array_equal(alpha[nodes.weight == 0.0], before[nodes.weight == 0.0])
    assert_array_equal(W[empty], start[empty])
    # the view that the passes have kept is the one that follows from the dual variables
    assert_allclose(W, base + nodes.moments_of(alpha) / rho, atol=1e-9 * (1 + abs(W).max()))
    first = np.array(gaps(nodes, before, start, base, rho))
    found = np.array(gaps(nodes, alpha, W, base, rho))
    assert np.all(found >= -1e-9 * (1 + abs(first)))
    assert np.all(found <= 1e-6 * (1 + abs(first)))


@losses
def test_passes_stop_when_they_are_told_to(loss):
    nodes, rng = make_nodes(loss, 3, most=200)
    base, order = rng.normal(size=(len(nodes), nodes.X.shape[1])), drawn_seeds(rng, nodes)
    before = nodes.alpha

    def run(**how):
        return relax(nodes, before, base, 0.1, order, **how)

    # near enough at once: as many passes as are asked for at least
    for least in (1, 3):
        one = run(close=np.inf, least=least, between=0)
        two = run(close=0.0, most=least, between=0)
        assert one[0].tobytes() == two[0].tobytes()
    one, two = run(close=0.0, most=1), run(close=0.0, most=2)
    assert one[0].tobytes() != two[0].tobytes()
    # the closer, the better
    sums = [sum(gaps(nodes, *run(close=close), base, 0.1)) for close in (1.0, 1e-2, 1e-4, 1e-8)]
    assert np.all(np.diff(sums) <= 1e-12)
    assert sums[-1] <= 1e-4 * sums[0]


@losses
@pytest.mark.parametrize("sparse", [False, True])
def test_passes_share_nodes_among_workers(loss, sparse, monkeypatch):
    """The same bits, of dual variables as of all that is found beside them."""
    monkeypatch.setattr(node_steps, "_BLOCK", 60)
    nodes, rng = make_nodes(loss, 5, m=13, sparse=sparse, most=120)
    base = rng.normal(size=(len(nodes), nodes.X.shape[1]))
    found = []
    for n_jobs in (1, 2, 5):
        with Workers(n_jobs) as workers:
            steps = Passes(nodes, nodes.alpha, workers)
            draws = np.random.default_rng(1)
            for residual, asked in ((np.inf, base), (0.1, None), (1e-3, base)):
                steps.run(base, 0.5, residual, draws, asked)
                assert steps.loss == nodes.loss_at(steps.W if asked is None else asked)
        found.append(steps.alpha.tobytes() + steps.W.tobytes() + steps.V.tobytes())
        assert_array_equal(steps.V, nodes.moments_of(steps.alpha))
        assert_array_equal(steps.W, base + steps.V / 0.5)
    assert found[0] == found[1] == found[2]


def test_blocks_of_nodes_hold_about_as_many_numbers(monkeypatch):
    """All nodes in their order, each once, also those without rows."""
    monkeypatch.setattr(node_steps, "_BLOCK", 60)
    nodes, _ = make_nodes("hinge", 5, m=40, most=120)
    blocks = list(node_steps._blocks(nodes))
    assert [first for first, _ in blocks[1:]] == [last for _, last in blocks[:-1]]
    assert (blocks[0][0], blocks[-1][1]) == (0, 40)
    sizes = [nodes.X[nodes.starts[first] : nodes.starts[last]].size for first, last in blocks]
    largest = int(np.diff(nodes.starts).max()) * nodes.X.shape[1]
    assert all(60 <= size < 60 + largest for size in sizes[:-1])


@losses
@pytest.mark.parametrize("rho", [0.3, 10.0])
def test_sparse_rows_have_the_same_step(loss, rho):
    for seed in range(5):
        found = []
        for sparse in (False, True):
            nodes, rng = make_nodes(loss, seed, sparse=sparse)
            base = rng.normal(size=(len(nodes), nodes.X.shape[1]))
            with Workers(1) as workers:
                steps = Passes(nodes, nodes.alpha, workers)
                for _ in range(20 if nodes.loss.most_passes else 3):
                    steps.run(base, rho, 1e-8, rng, base)
            found.append(steps.W)
        assert_allclose(*found, atol=1e-5)


@given(seed=seeds, rho=rhos, d=st.integers(1, 12), most=st.sampled_from([8, 40, 150]))
def test_exact_steps_solve_the_normal_equations(seed, rho, d, most):
    """More rows than features and fewer, nodes without rows, and nodes without weight."""
    nodes, rng = make_nodes("squared_error", seed, d=d, most=most)
    base = rng.normal(size=(len(nodes), d))
    steps = make_steps(nodes, nodes.alpha, Workers(1))
    assert isinstance(steps, ExactSteps)
    for curvature in (rho, 7.0 * rho, 7.0 * rho):  # an inverse serves until rho moves
        steps.run(base, curvature, np.inf, rng, base)
        assert steps.loss == nodes.loss_at(base)
        for node, w, b in zip(nodes.each(), steps.W, base, strict=True):
            scaled = 2.0 * node.X.T * node.weight
            H = scaled @ node.X + curvature * np.eye(d)
            expected = np.linalg.solve(H, scaled @ node.y + curvature * b)
            assert_allclose(w, expected, rtol=1e-8, atol=1e-8 * (1 + abs(expected).max()))
        slope = 2.0 * (nodes.y - nodes.margins(steps.W))
        assert_allclose(steps.alpha, np.where(nodes.weight > 0.0, slope, 0.0), atol=1e-12)
        assert_allclose(steps.W, base + steps.V / curvature, atol=1e-6 * (1 + abs(base).max()))


@pytest.mark.parametrize("most", [2, 40])
def test_exact_steps_survive_what_rounding_swallows(most):
    """Features that repeat each other leave no inverse beside which a tiny rho would show."""
    nodes, rng = make_nodes("squared_error", 2, d=3, most=most)
    nodes.X[:] = 1.0
    base = np.zeros((len(nodes), 3))
    steps = make_steps(nodes, nodes.alpha, Workers(1))
    steps.run(base, 1e-300, np.inf, rng, base)
    assert np.isfinite(steps.alpha).all()


def test_nothing_is_inverted_before_the_first_step(monkeypatch):
    """What second-order steps have solved as a whole needs none."""
    X, y, nodes = make_rows(FMTLRegressor)

    def refuse(*args):
        raise AssertionError("inverted")

    monkeypatch.setattr(node_steps, "_ByFeatures", refuse)
    monkeypatch.setattr(node_steps, "_ByRows", refuse)
    m = len(np.unique(nodes))
    model = FMTLRegressor(relationship=np.eye(m) - 1.0 / m, tol=1e-6).fit(X, y, nodes=nodes)
    assert model.n_iter_ == 1
    with pytest.raises(AssertionError, match="inverted"):
        FMTLRegressor(tol=1e-3).fit(X, y, nodes=nodes)


# -- the certificate --------------------------------------------------------------------------


@losses
@given(seed=seeds, scale=st.floats(-3.0, 3.0), penalty=st.floats(-6.0, 6.0))
def test_the_best_share_of_dual_variables(loss, seed, scale, penalty):
    rng = np.random.default_rng(seed)
    record, loss, r = RECORD_OF[loss], LOSS_OF[loss](), 10.0**penalty
    y = record.draw_targets(rng, 9)
    weight = rng.random(9)
    alpha = loss.clip(y, 10.0**scale * rng.normal(size=9))

    def bound(share):
        return -float(weight @ loss.conjugate(y, share * alpha)) - share * share * r

    conjugate = float(weight @ loss.conjugate(y, alpha))
    share = loss.best_share(float(weight @ (y * alpha)), conjugate, r)
    assert share >= 0.0
    best = bound(share)
    assert best >= bound(1.0) - 1e-12 * abs(bound(1.0))
    if not record.has_quadratic_conjugate:
        return
    assert np.isfinite(best) and np.all(loss.clip(y, share * alpha) == share * alpha)
    longest = 1.0 if np.isfinite(record.bounds[1]) else 10.0 * (1.0 + share)
    for other in np.linspace(0.0, longest, 50):
        assert best >= bound(other) - 1e-10 * (1.0 + abs(bound(other)))


def unsolved(problem, kind):
    """The `FederatedProblem` of a drawn one."""
    labels = np.array(problem.node_labels)
    estimator = estimator_of(problem, kind)
    return estimator._problem(problem.X, problem.y, problem.codes, labels, problem.weight)


@kinds
@losses
def test_a_bound_is_one_whatever_the_dual_variables(loss, kind):
    counts = {"solved": 0}

    @settings(max_examples=examples(1 / 2))
    @given(problem=problems(losses=(loss,)), scale=st.floats(-3.0, 2.0), seed=seeds)
    def check(problem, scale, seed):
        task = unsolved(problem, kind)
        nodes, rng = task.nodes, np.random.default_rng(seed)
        raw = 10.0**scale * rng.normal(size=len(nodes.y))
        alpha = np.where(nodes.weight > 0.0, nodes.loss.clip(nodes.y, raw), 0.0)
        bound = bound_of(task.server.relationship, nodes, alpha, nodes.moments_of(alpha))
        assert bound.magnitude >= abs(bound.value)
        task.set_dual_coef(np.zeros(len(nodes.y)))
        nodes.alpha = bound.alpha
        # these dual variables do bear it out
        assert_allclose(
            bound.value, dual(problem, kind, task.dual_coef()), atol=1e-9 * (1 + bound.magnitude)
        )
        solved = optimum(
            *oracle_task(problem, kind),
            m=problem.m,
            fit_intercept=problem.fit_intercept,
            kappa=problem.kappa,
        )
        if solved is not None:
            counts["solved"] += 1
            assert bound.value <= solved[0] + 1e-7 * (1.0 + abs(solved[0]))

    check()
    assert counts["solved"] > 0.6 * examples(1 / 2)


# -- the protocol -----------------------------------------------------------------------------

SCHEDULES = {
    "laboratory": {},
    "whole": {"local_epochs": 5.0},
    "uneven": {"local_epochs": (1.0, 30.0)},
    "half": {"participation": 0.5, "local_epochs": 5.0},
    "both": {"participation": 0.5, "local_epochs": (1.0, 30.0)},
}


@kinds
@given(
    problem=problems(losses=LOSSES),
    schedule=st.sampled_from(list(SCHEDULES)),
    tol=st.sampled_from([0.0, 1e-2, 1e-6]),
    max_iter=st.integers(1, 30),
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_wherever_it_stops_it_is_certified(kind, problem, schedule, tol, max_iter):
    """And never worse than weights of zero."""
    model = fit(problem, kind, tol=tol, max_iter=max_iter, **SCHEDULES[schedule])
    check_certificate(model, problem, kind)
    nothing = worth_of_nothing(problem)
    assert model.objective_ <= nothing + 1e-9 * (1.0 + nothing)
    assert tol > 0.0 or model.n_iter_ == max_iter
    history = model.history_
    assert np.all(np.diff(history["objective"]) <= 0.0)
    assert np.all(np.diff(history["dual_objective"]) >= 0.0)


@pytest.mark.parametrize("schedule", ["uneven", "half", "both"])
@losses
def test_slow_and_absent_nodes_leave_the_optimum_where_it_is(loss, schedule):
    @settings(max_examples=examples(1 / 2))
    @given(problem=problems(losses=(loss,), lambda2=(0.1, 0.01)), kind=st.sampled_from(KINDS))
    def check(problem, kind):
        model = fit(problem, kind, tol=1e-6, max_iter=5000, **SCHEDULES[schedule])
        check_certificate(model, problem, kind)
        expected = fit(problem, kind, tol=1e-8)
        slack = 1e-9 * (1.0 + expected.objective_)
        assert model.dual_objective_ <= expected.objective_ + slack
        assert expected.dual_objective_ <= model.objective_ + slack
        assert model.dual_gap_ <= 1e-6 * model.objective_ + 1e-10

    check()


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_bytes_are_those_of_the_vectors_that_travel(estimator, share):
    X, y, nodes = make_rows(estimator, sizes=(12, 7, 9, 8), n_features=4)
    model = estimator(tol=0, max_iter=4, participation=share, local_epochs=2.0, fit_intercept=False)
    history = model.fit(X, y, nodes=nodes).history_
    spent, d = np.diff(history["bytes_communicated"]), 4
    # a round: base, weights to price, rho, epochs, share down; v, a loss, two sums up
    assert_array_equal(spent[:-1], 8 * int(4 * share) * (3 * d + 6))
    # the last one ends with a report of all: w down, v and two numbers up
    assert spent[-1] == spent[0] + 8 * 4 * (2 * d + 2)


def test_nothing_but_the_splitting_works_in_a_protocol():
    """Second-order steps are for one machine: a round there may cost more than a step."""
    X, y, nodes = make_rows(FMTLClassifier)
    vectors, alone = 8 * 3 * (4 * 4 + 17), {"loss": "logistic", "random_state": 0}
    model = FMTLClassifier(tol=1e-9, **alone).fit(X, y, nodes=nodes)
    assert np.diff(model.history_["bytes_communicated"]).max() > vectors  # a matrix a round
    model = FMTLClassifier(tol=0, max_iter=70, local_epochs=5.0, **alone).fit(X, y, nodes=nodes)
    assert np.diff(model.history_["bytes_communicated"]).max() <= vectors
