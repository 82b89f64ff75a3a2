"""Solutions that follow their rows, and proximal steps by the nodes' kernels."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from estimators import ESTIMATOR_OF, INTERCEPT_OF, KINDS, LOSSES, OMEGA
from oracles import kernels
from oracles.losses import RECORD_OF, SMOOTH_LOSSES
from oracles.objective import primal
from skfedmtl._kernels import _sdca
from skfedmtl._model import row_algebra
from skfedmtl._model.learned import Learned
from skfedmtl._model.losses import LOSSES as LOSS_OF
from skfedmtl._model.quadratic import Fixed, Independent
from skfedmtl._protocol.problem import FederatedProblem
from skfedmtl._solvers.follower import Follower, first_rho
from skfedmtl._solvers.kernel_steps import KernelPasses
from skfedmtl._solvers.node_steps import ExactSteps, Passes
from skfedmtl._solvers.workers import Workers

LAMBDAS = (0.05, 0.1)
SMOOTH = "smoothed hinge"
ALL_LOSSES = (*LOSSES, SMOOTH)
CURVED = (*SMOOTH_LOSSES, SMOOTH)
losses = pytest.mark.parametrize("loss", LOSSES)
kinds = pytest.mark.parametrize("kind", KINDS)
#: rows of a node, and features: kernels are kept for the first, passes or exact steps made for both
SHAPES = {"wide": (6, 9), "long": (15, 3)}
shapes = pytest.mark.parametrize("shape", SHAPES)


def loss_of(name, width=0.5):
    return LOSS_OF["hinge"]().smoothed(width) if name == SMOOTH else LOSS_OF[name]()


def base_of(loss):
    """The loss of the victim, whose own smoothed form has no name."""
    return "hinge" if loss == SMOOTH else loss


def make_problem(loss, kind, shape, seed=0, m=3, *, intercept=True):
    """The problem that an estimator solves, its rows in the caller's order, and those rows."""
    rng = np.random.default_rng(seed)
    most, d = SHAPES[shape]
    codes = rng.permutation(np.repeat(np.arange(m), most - np.arange(m)))
    X = rng.normal(size=(len(codes), d)) + 0.2
    y = X @ rng.normal(size=d) + 0.3 * rng.normal(size=len(codes))
    weight = rng.integers(1, 4, size=len(codes)).astype(float)
    weight[rng.random(len(codes)) < 0.15] = 0.0
    base = base_of(loss)
    y = RECORD_OF[base].targets(y - np.median(y))
    if kind == "learned":
        relationship = Learned(m, *LAMBDAS)
    else:
        relationship = Fixed(OMEGA, *LAMBDAS) if kind == "omega" else Independent(m, LAMBDAS[1])
    problem = FederatedProblem(
        X,
        y,
        codes,
        weight,
        loss=LOSS_OF[base](),
        relationship=relationship,
        intercept=INTERCEPT_OF[base] if intercept else "none",
    )
    return problem, X, y, codes, weight


def make_follower(problem, loss):
    """From weights of zero and the dual variables that begin a fit."""
    problem.set_dual_coef(np.zeros(len(problem.nodes.y)))
    W = np.zeros((len(problem.nodes), problem.nodes.X.shape[1]))
    return Follower(problem.server.relationship, problem.nodes, loss_of(loss), W)


def fresh_fit(loss, kind, X, y, codes, weight):
    """The estimator that solves the problem."""
    model = ESTIMATOR_OF[loss](
        loss=loss,
        lambda1=LAMBDAS[0],
        lambda2=LAMBDAS[1],
        relationship=OMEGA if kind == "omega" else kind,
        tol=1e-12,
        random_state=0,
    )
    return model.fit(X, y, nodes=codes, sample_weight=weight)


# -- what it finds ----------------------------------------------------------------------------


def distance_bound(problem, loss, kind, solved, model, task):
    """How far apart the weights of two certificates are at most: R is lambda2-strongly convex."""
    nodes, relationship = problem.nodes, problem.server.relationship
    objective = nodes.loss_at(solved.W) + relationship.penalty(solved.W)
    dual = -nodes.conjugate_of(solved.alpha) - relationship.conjugate(solved.V)
    best = primal(model.coef_, model.intercept_, *task)
    # a bound of each, from below zero by rounding alone
    gaps = [objective - dual, 1e-12 * best]
    assert gaps[0] <= 1e-7 * objective
    return sum(np.sqrt((max(gap, 0.0) + 1e-15 * objective) / LAMBDAS[1]) for gap in gaps)


@shapes
@kinds
@losses
def test_after_rows_have_moved_it_finds_what_a_fresh_fit_finds(loss, kind, shape):
    problem, X, y, codes, weight = make_problem(loss, kind, shape)
    follower, rng = make_follower(problem, loss), np.random.default_rng(1)
    follower.solve(1e-10, 3000, rng)
    steps = {"wide": KernelPasses, "long": Passes}[shape]
    assert isinstance(follower._steps, ExactSteps if RECORD_OF[loss].is_square else steps)
    for _ in range(3):
        # an attack moves rows of some nodes, often of one alone
        moved = np.flatnonzero(codes == codes[rng.integers(len(codes))])[:3]
        X, y, changed = X.copy(), y.copy(), None
        X[moved] += 0.5 * rng.normal(size=X[moved].shape)
        if RECORD_OF[loss].is_regression:
            y[moved] += rng.normal(size=len(moved))
            changed = y[moved]
        follower.refresh(problem.replace_rows(moved, X[moved], changed))
        solved = follower.solve(1e-10, 3000, rng)
        assert follower.is_near
        model = fresh_fit(loss, kind, X, y, codes, weight)
        task = (X, y, codes, weight, *LAMBDAS, loss, OMEGA if kind == "omega" else kind)
        coef, intercept = problem.coefficients(solved.W)
        size = np.linalg.norm(problem.weights(model.coef_, model.intercept_))
        bound = distance_bound(problem, loss, kind, solved, model, task)
        assert np.linalg.norm(coef - model.coef_) <= bound
        assert bound <= 1e-3 * size
        assert_allclose(intercept, model.intercept_, atol=1e-5 * (1.0 + size))
        # what is handed over fits together
        assert_array_equal(solved.V, problem.nodes.moments_of(solved.alpha))
        strength = np.linalg.norm(solved.V)
        assert_allclose(solved.rho * (solved.T - solved.W), solved.V, atol=1e-8 * strength)
        for l, node in enumerate(problem.nodes.each()):
            assert_allclose(follower.gram(l), node.X @ node.X.T, atol=1e-12 * (1.0 + size))


@pytest.mark.parametrize("loss", ALL_LOSSES)
@shapes
def test_a_loss_may_be_exchanged(loss, shape):
    """As the smoothed hinge narrows; the last one solved is found from any other."""
    problem, *_ = make_problem(loss, "learned", shape)
    follower, rng = make_follower(problem, loss), np.random.default_rng(1)
    for width in (2.0, 0.5):
        follower.loss = loss_of(loss, width)
        found = follower.solve(1e-9, 3000, rng)
        assert found.loss is follower.loss
        W, alpha, nodes = found.W, found.alpha, problem.nodes
        live = nodes.weight > 0.0
        slope = -found.loss.derivative(nodes.y, nodes.margins(W))
        if loss in CURVED:
            assert_allclose(alpha[live], slope[live], atol=1e-6 * (1.0 + abs(slope).max()))
        response = problem.server.relationship.respond(found.V)
        assert_allclose(response.W, W, atol=1e-6 * np.linalg.norm(W))


# -- where it stands --------------------------------------------------------------------------


def travel(problem, follower, moves, rng, changes, tol=1e-4):
    """Solve at every place of some rows; the last solution."""
    for rows in moves:
        follower.refresh(problem.replace_rows(changes, rows))
        solved = follower.solve(tol, 50, rng)
    return solved


def same_bits(one, two):
    for name in ("W", "alpha", "V", "T"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes(), name
    assert one.rho == two.rho


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("loss", ALL_LOSSES)
@kinds
@shapes
def test_it_goes_on_from_a_former_place_with_the_same_bits(loss, kind, shape, intercept):
    """Also another one, made of other rows, that has never been there."""
    rng = np.random.default_rng(2)
    problem, X, *_ = make_problem(loss, kind, shape, intercept=intercept)
    changes = np.array([0, 3, 4])
    moves = X[changes] + 0.3 * rng.normal(size=(6, 3, X.shape[1]))
    follower = make_follower(problem, loss)
    there = travel(problem, follower, moves[:3], np.random.default_rng(4), changes)
    T, alpha, rho = there.T.copy(), there.alpha.copy(), there.rho
    end = travel(problem, follower, moves[3:], np.random.default_rng(5), changes)
    assert end.W.tobytes() != there.W.tobytes()

    elsewhere = make_problem(loss, kind, shape, intercept=intercept)[0]
    other = make_follower(elsewhere, loss)
    for game, home in ((follower, problem), (other, elsewhere)):
        moved = home.replace_rows(changes, moves[2])
        same_bits(game.place(T.copy(), alpha.copy(), rho, moved), there)
        same_bits(travel(home, game, moves[3:], np.random.default_rng(5), changes), end)


@shapes
@losses
def test_it_stops_when_it_is_told_to(loss, shape):
    problem, *_ = make_problem(loss, "learned", shape)
    exact = make_follower(problem, loss)
    W = exact.solve(1e-11, 3000, np.random.default_rng(0)).W
    assert exact.is_near
    errors, counts = [], []
    for tol in (1e-1, 1e-3, 1e-6):
        follower = make_follower(problem, loss)
        solved = follower.solve(tol, 3000, np.random.default_rng(0))
        assert follower.is_near
        errors.append(np.linalg.norm(solved.W - W) / np.linalg.norm(W))
        counts.append(follower.n_iter)
        assert errors[-1] <= 100.0 * tol
    assert counts[0] < counts[1] < counts[2]
    errors = []
    for n in (1, 3, counts[2] // 2):
        follower = make_follower(problem, loss)
        solved = follower.solve(0.0, n, np.random.default_rng(0))
        assert follower.n_iter == n
        assert not follower.is_near
        errors.append(np.linalg.norm(solved.W - W))
    assert errors[-1] < errors[0]
    # a residual of weights and moments alike
    follower = make_follower(problem, loss)
    follower.solve(1e-2, counts[0], np.random.default_rng(0))
    assert not follower.is_near


@kinds
def test_how_weights_are_scaled_against_moments(kind):
    relationship = make_problem("hinge", kind, "wide")[0].server.relationship
    rng = np.random.default_rng(0)
    W, V = rng.normal(size=(3, 4)), 7.0 * rng.normal(size=(3, 4))
    expected = np.linalg.norm(V) / np.linalg.norm(W)
    if kind == "none":
        expected = 2.0 * LAMBDAS[1]
    assert_allclose(first_rho(relationship, W, V), expected)
    for some, other in ((0.0 * W, V), (W, 0.0 * V)):
        assert first_rho(relationship, some, other) == (expected if kind == "none" else 1.0)


# -- steps by kernels -------------------------------------------------------------------------


def make_node(loss, seed, n, d, zeros):
    """One node's rows, a part of them twice or of weight zero, dual variables and a base."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    X[rng.integers(n)] = X[0]
    y = RECORD_OF[base_of(loss)].draw_targets(rng, n)
    weight = rng.uniform(0.1, 2.0, size=n) / n
    if zeros:
        weight[rng.integers(n)] = 0.0
    alpha = np.where(weight > 0.0, y * rng.random(n), 0.0)
    return X, y, weight, alpha, rng.normal(size=d)


def by_rows(loss, node, rho, *how):
    """(alpha, w) of the kernel that reads the features."""
    X, y, weight, alpha, base = node
    alpha, order = alpha.copy(), np.flatnonzero(weight > 0.0)
    ends, seeds = np.array([0, len(order)], dtype=np.intp), np.array([7], dtype=np.uint64)
    W = (base + (weight * alpha) @ X / rho)[None]
    squares = np.einsum("ij,ij->i", X, X)
    tables = (loss.kernel, X, y, weight, squares, ends, 0, 1, order, seeds)
    _sdca.relax_by_node(*tables, 1.0 / rho, *how, alpha, W)
    return alpha, W[0]


def by_kernel(loss, node, rho, *how):
    """(alpha, f) of the one that reads ``X X'``."""
    X, y, weight, alpha, base = node
    alpha, order, K = alpha.copy(), np.flatnonzero(weight > 0.0), X @ X.T
    f = X @ base + K @ (weight * alpha) / rho
    ends, seeds = np.array([0, len(order)], dtype=np.intp), np.array([7], dtype=np.uint64)
    places, starts = np.array([0, K.size]), np.array([0, len(K)])
    tables = (loss.kernel, K.ravel(), places, y, weight, starts, ends, order, seeds)
    _sdca.relax_in_kernel(*tables, 1.0 / rho, *how, alpha, f)
    return alpha, f


nodes_of_rows = given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 12),
    d=st.integers(1, 15),
    zeros=st.booleans(),
    rho=st.sampled_from([0.05, 1.0, 30.0]),
)


@pytest.mark.parametrize("loss", ALL_LOSSES)
@nodes_of_rows
def test_steps_by_kernels_are_steps_by_features(loss, seed, n, d, zeros, rho):
    """In the same order. (Later passes follow what has moved, which rounding may decide.)"""
    loss, node = loss_of(loss), make_node(loss, seed, n, d, zeros)
    X, _, weight, start, _ = node
    for how in ((0.0, 1, 1, 0), (0.0, 2, 2, 0), (0.0, 2, 2, 1)):
        alpha, w = by_rows(loss, node, rho, *how)
        found, f = by_kernel(loss, node, rho, *how)
        scale = 1.0 + abs(alpha).max() + abs(w).max()
        assert_allclose(found, alpha, atol=1e-9 * scale)
        assert_allclose(f, X @ w, atol=1e-9 * scale * (1.0 + abs(X).sum(axis=1).max()))
        assert_array_equal(found[weight == 0.0], start[weight == 0.0])


@pytest.mark.parametrize("loss", ALL_LOSSES)
@given(seed=st.integers(0, 2**32 - 1), counts=st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_steps_of_many_kernels_are_those_of_each(loss, seed, counts):
    """To the last bit, with nodes among them that have no rows, or none of any weight."""
    kernel, rng = loss_of(loss).kernel, np.random.default_rng(seed)
    made = [make_node(loss, seed + 1 + l, max(n, 1), 9, False) for l, n in enumerate(counts)]
    nodes = [[part[:n] for part in node[:4]] for node, n in zip(made, counts, strict=True)]
    grams, seeds = [X @ X.T for X, *_ in nodes], rng.integers(2**63, size=len(nodes))
    y, weight, alpha = (np.concatenate([node[k] for node in nodes]) for k in (1, 2, 3))
    f = rng.normal(size=len(y))
    starts = np.concatenate([[0], np.cumsum(counts)])
    if len(y):
        weight[starts[0] : starts[1]] = 0.0
    heavy = weight > 0.0

    def relax(first, last, alpha, f):
        at = slice(starts[first], starts[last])
        live = np.concatenate([[0], np.cumsum(heavy[at])])
        own = starts[first : last + 1] - starts[first]
        order = [np.flatnonzero(heavy[starts[l] : starts[l + 1]]) for l in range(first, last)]
        _sdca.relax_in_kernel(
            kernel,
            np.concatenate([K.ravel() for K in grams[first:last]]),
            np.concatenate([[0], np.cumsum([K.size for K in grams[first:last]])]),
            y[at],
            weight[at],
            own,
            live[own],
            np.concatenate(order),
            seeds[first:last].astype(np.uint64),
            0.7,
            *(0.0, 1, 5, 2),
            alpha[at],
            f[at],
        )

    together, each = (alpha.copy(), f.copy()), (alpha.copy(), f.copy())
    relax(0, len(nodes), *together)
    for l in range(len(nodes)):
        relax(l, l + 1, *each)
    assert_array_equal(together, each)
    assert_array_equal(together[0][~heavy], alpha[~heavy])


@pytest.mark.parametrize("loss", ALL_LOSSES)
@nodes_of_rows
def test_steps_by_kernels_end_at_the_proximal_step(loss, seed, n, d, zeros, rho):
    name, loss = loss, loss_of(loss)
    node = make_node(name, seed, n, d, zeros)
    X, y, weight, _, base = node
    how = (0.0, 1, 20000, 0)
    _, w = by_rows(loss, node, rho, *how)
    found, f = by_kernel(loss, node, rho, *how)
    own = base + (weight * found) @ X / rho
    scale = 1.0 + abs(w).max()
    assert_allclose(own, w, atol=1e-10 * scale)
    assert_allclose(f, X @ own, atol=1e-10 * scale * (1.0 + abs(X).sum(axis=1).max()))
    if name != SMOOTH:
        gap = kernels.proximal_gap(X, y, weight, found, own, base, rho, name)
        assert abs(gap) <= 1e-9 * (1.0 + loss.value(y, X @ base) @ weight)
    else:
        slope = -loss.derivative(y, X @ own)
        assert_allclose(found[weight > 0.0], slope[weight > 0.0], atol=1e-7)


def test_no_row_of_any_weight_leaves_all_as_it_was():
    X, y, weight, alpha, base = make_node("hinge", 0, 4, 3, False)
    node = X, y, 0.0 * weight, alpha, base
    found, f = by_kernel(loss_of("hinge"), node, 1.0, 0.0, 1, 5, 2)
    assert_array_equal(found, alpha)
    assert_array_equal(f, X @ base)


@pytest.mark.parametrize("loss", ALL_LOSSES)
def test_steps_by_kernels_stop_when_they_are_told_to(loss):
    """After the first pass that moves the weights, which they never see, by so little."""
    loss, node = loss_of(loss), make_node(loss, 3, 12, 15, False)
    X, _, weight, start, _ = node
    rho, moves, before, passes = 0.1, [], start, []
    for n in range(1, 9):
        alpha, _ = passed = by_kernel(loss, node, rho, 0.0, n, n, 0)
        passes.append(passed)
        moves.append(np.linalg.norm((weight * (alpha - before)) @ X) / rho)
        before = alpha
    for move, least in product(moves, (1, 3, 8)):
        close = 1.001 * move
        stop = next((n for n in range(least - 1, 8) if moves[n] <= close), 7)
        alpha, f = by_kernel(loss, node, rho, close, least, 8, 0)
        assert alpha.tobytes() == passes[stop][0].tobytes()
        assert f.tobytes() == passes[stop][1].tobytes()
    one, two = by_kernel(loss, node, rho, 0.0, 1, 1, 9), by_kernel(loss, node, rho, 0.0, 1, 2, 0)
    assert one[0].tobytes() == passes[0][0].tobytes()  # no more between than there are passes
    more = by_kernel(loss, node, rho, 0.0, 1, 2, 9)
    assert more[0].tobytes() != two[0].tobytes()


@pytest.mark.parametrize("loss", ALL_LOSSES)
def test_nodes_that_keep_their_kernels_make_the_same_steps(loss):
    """Also after rows have moved, as after a look at all kernels again."""
    m, d, rng = 5, 8, np.random.default_rng(0)
    codes = rng.permutation(np.repeat(np.arange(m), [4, 0, 7, 3, 6]))  # one has no rows
    X, weight = rng.normal(size=(len(codes), d)), rng.integers(3, size=len(codes)).astype(float)
    y = rng.choice([-1.0, 1.0], len(codes))
    problem = FederatedProblem(
        X,
        y,
        codes,
        weight,
        loss=LOSS_OF[base_of(loss)](),
        relationship=Learned(m, *LAMBDAS),
        intercept="none",
    )
    curve, nodes = loss_of(loss), problem.nodes
    start = np.where(nodes.weight > 0.0, 0.5 * nodes.y, 0.0)
    with Workers(1) as workers:
        both = KernelPasses(nodes, start.copy(), curve), Passes(nodes, start.copy(), workers, curve)
        for count in range(3):
            base = rng.normal(size=(m, d))
            for steps, _ in product(both, range(60 if curve.most_passes else 3)):
                steps.run(base, 0.7, 1e-12, np.random.default_rng(count))
            for name in ("alpha", "V", "W"):
                one, two = (getattr(steps, name) for steps in both)
                assert_allclose(one, two, atol=1e-9 * (1.0 + abs(two).max()))
            moved = problem.replace_rows(np.array([1, 2, 9]), rng.normal(size=(3, d)))
            for steps in both:
                steps.refresh(moved)
                assert_array_equal(steps.V, nodes.moments_of(steps.alpha))
            for l, node in enumerate(nodes.each()):
                assert_allclose(both[0].gram(l), node.X @ node.X.T, atol=1e-12)
                assert_array_equal(both[0].gram(l), both[0].gram(l).T)


def test_kernels_are_made_once_and_moved_rows_alone_are_multiplied_again(monkeypatch):
    made, gram = [], row_algebra.gram
    monkeypatch.setattr(row_algebra, "gram", lambda X: made.append(len(X)) or gram(X))
    problem, X, *_ = make_problem("hinge", "learned", "wide")
    follower, rng = make_follower(problem, "hinge"), np.random.default_rng(0)
    assert made == [len(node.y) for node in problem.nodes.each()]
    for _ in range(3):
        rows = X[:2] + 0.1 * rng.normal(size=X[:2].shape)
        follower.refresh(problem.replace_rows(np.arange(2), rows))
        follower.solve(1e-3, 100, rng)
        follower.gram(0)
    assert len(made) == len(problem.nodes)
