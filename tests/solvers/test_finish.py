"""Second-order steps of small problems: their derivatives, systems, and where they end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from estimators import ESTIMATOR_OF, LOSSES, make_rows
from oracles.objective import regulariser
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl._model.learned import Learned
from skfedmtl._model.losses import LOSSES as LOSS_OF
from skfedmtl._model.quadratic import Fixed, Independent
from skfedmtl._protocol import Iterate
from skfedmtl._protocol.problem import FederatedProblem
from skfedmtl._solvers import SplittingSolver, finish, splitting
from skfedmtl._solvers.dense_system import MAX_WEIGHTS, DenseSystem
from skfedmtl._solvers.finish import (
    AFTER,
    BEFORE,
    ENOUGH,
    PATIENCE,
    SmoothSteps,
    State,
    WeightSteps,
    _path,
    run_first,
)
from skfedmtl._solvers.inside_path import InsidePath
from skfedmtl._solvers.pricing import bound_of
from skfedmtl._solvers.progress import Log
from skfedmtl._solvers.schedule import Schedule
from skfedmtl._solvers.smooth_path import SmoothPath, size
from skfedmtl.relationships import mean_regularized

SHAPES = [(1, 1), (1, 4), (4, 1), (3, 3), (3, 5), (5, 3)]
seeds = st.integers(0, 2**32 - 1)


# -- regularisers with a second derivative ----------------------------------------------------


def relationships(m):
    return {
        "learned": Learned(m, 0.7, 0.05),
        "none": Independent(m, 0.05),
        "omega": Fixed(mean_regularized(m), 0.7, 0.05),
    }


@pytest.mark.parametrize("kind", ["learned", "none", "omega"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("root", [1e-2, 1.0])
@pytest.mark.parametrize("rank", [1, 5])
def test_slope_and_hessian_are_derivatives(shape, root, kind, rank):
    rng = np.random.default_rng(0)
    relationship, rank = relationships(shape[0])[kind], min(rank, *shape)
    W = rng.normal(size=(shape[0], rank)) @ rng.normal(size=(rank, shape[1]))
    here, step = relationship.curved(W, root), 1e-5 * root
    H = here.hessian()
    assert_allclose(H, H.T, atol=1e-9 * abs(H).max())
    assert np.linalg.eigvalsh(H)[0] >= 2.0 * 0.05 * (1.0 - 1e-6)
    for _ in range(4):
        D = rng.normal(size=shape)
        ahead, behind = (relationship.curved(W + sign * step * D, root) for sign in (1, -1))
        rise = (ahead.value - behind.value) / (2.0 * step)
        assert_allclose(np.vdot(here.slope, D), rise, rtol=1e-5, atol=1e-7 / step * 1e-8)
        bend = (ahead.slope - behind.slope) / (2.0 * step)
        found = (H @ D.ravel()).reshape(shape)
        assert_allclose(found, bend, rtol=1e-5, atol=1e-6 * abs(bend).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_zero_has_derivatives_too(shape):
    """Two singular values of zero: what mixes them is a limit. A root of zero holds Sigma."""
    relationship, D = Learned(shape[0], 0.7, 0.05), np.random.default_rng(0).normal(size=shape)
    here = relationship.curved(np.zeros(shape), 1.0)
    bend = (relationship.curved(1e-5 * D, 1.0).slope) / 1e-5
    assert_allclose((here.hessian() @ D.ravel()).reshape(shape), bend, rtol=1e-6)
    held = relationship.curved(D, 0.0)
    assert_allclose(held.value, (0.7 * shape[0] + 0.05) * np.vdot(D, D))
    assert_allclose(held.slope, 2.0 * (0.7 * shape[0] + 0.05) * D)


@given(seed=seeds, root=st.sampled_from([1e-6, 1e-3, 0.1]))
def test_smoothing_costs_little_and_never_less(seed, root):
    rng = np.random.default_rng(seed)
    m, d = rng.integers(1, 6, size=2)
    W = rng.normal(size=(m, d))
    exact = regulariser(W, 0.7, 0.05, "learned")
    smoothed = Learned(int(m), 0.7, 0.05).curved(W, root).value
    total = np.linalg.svd(W, compute_uv=False).sum()
    assert exact <= smoothed * (1.0 + 1e-12)
    # each of m values is at most `root` larger
    assert smoothed <= (exact + 0.7 * m * root * (2.0 * total + m * root)) * (1.0 + 1e-12)


# -- the system -------------------------------------------------------------------------------


def make_problem(loss, seed, X=None, *, sizes=(6, 9, 4), kind="learned", lambdas=(0.1, 0.01)):
    rng = np.random.default_rng(seed)
    codes, m = np.repeat(np.arange(len(sizes)), sizes), len(sizes)
    X = rng.normal(size=(len(codes), 4)) if X is None else X(rng, len(codes))
    spread = np.where(X.std(axis=0) > 0.0, X.std(axis=0), 1.0)
    signal = ((X - X.mean(axis=0)) / spread) @ rng.normal(size=X.shape[1])
    signal += 0.3 * rng.normal(size=len(codes))
    regression = loss == "squared_error"
    return FederatedProblem(
        X,
        signal if regression else np.where(signal > 0, 1.0, -1.0),
        codes,
        10.0 ** rng.uniform(-1, 1, size=len(codes)),
        loss=LOSS_OF[loss](),
        relationship={
            "learned": Learned(m, *lambdas),
            "none": Independent(m, lambdas[1]),
            "omega": Fixed(mean_regularized(m), *lambdas),
        }[kind],
        intercept="centred" if regression else "feature",
    )


@given(seed=seeds, decades=st.sampled_from([0.0, 2.0, 8.0]))
def test_a_system_knows_no_units(seed, decades):
    """Columns of many decades: as exact in their own units as if there were none."""
    rng = np.random.default_rng(seed)
    units = 10.0 ** rng.uniform(-decades, decades, size=4)
    problem = make_problem("logistic", seed, lambda rng, n: rng.normal(size=(n, 4)))
    nodes, m, d = problem.nodes, 3, 5
    bend = nodes.weight * rng.random(len(nodes.y))
    half = rng.normal(size=(m * d, m * d))
    H, rhs = half @ half.T + np.eye(m * d), rng.normal(size=(m, d))
    dense = H.copy()
    for l, part in enumerate(nodes.parts):
        block = slice(l * d, (l + 1) * d)
        dense[block, block] += nodes.X[part].T @ (bend[part, None] * nodes.X[part])
    expected = np.linalg.solve(dense, rhs.ravel()).reshape(m, d)
    scale = np.append(units, 1.0)
    nodes.X[:] *= scale
    wide = np.tile(scale, m)
    system = DenseSystem(nodes, H * np.outer(wide, wide), bend)
    assert system.is_sound
    found = system.solve(rhs * scale) * scale
    assert_allclose(found, expected, rtol=1e-7, atol=1e-7 * abs(expected).max())


@pytest.mark.parametrize("H", [np.full((15, 15), np.nan), np.full((15, 15), np.inf)])
def test_a_system_without_factors_says_so(H):
    problem = make_problem("logistic", 0)
    with np.errstate(invalid="ignore"):
        system = DenseSystem(problem.nodes, H.copy(), np.zeros(len(problem.nodes.y)))
    assert not system.is_sound
    assert np.isnan(system.solve(np.ones((3, 5)))).all()


@pytest.mark.parametrize("rank", [1, 7])
def test_a_singular_system_is_solved_where_it_has_a_solution(rank):
    rng = np.random.default_rng(0)
    problem = make_problem("logistic", 0)
    half = rng.normal(size=(15, rank))
    H = half @ half.T
    system = DenseSystem(problem.nodes, H.copy(), np.zeros(len(problem.nodes.y)))
    assert system.is_sound
    rhs = (H @ rng.normal(size=15)).reshape(3, 5)
    assert_allclose((H @ system.solve(rhs).ravel()).reshape(3, 5), rhs, atol=1e-4 * abs(rhs).max())


# -- the paths --------------------------------------------------------------------------------


def scaled(rng, n):
    return rng.normal(size=(n, 4)) * 10.0 ** rng.uniform(-4, 4, size=4)


def shifted(rng, n):
    return rng.normal(size=(n, 4)) + 100.0 * rng.normal(size=4)


def doubled(rng, n):
    X = rng.normal(size=(n, 4))
    X[:, 1], X[:, 3] = X[:, 0], 1e3 * X[:, 2]
    return X


def summed(rng, n):
    X = scaled(rng, n)
    X[:, 0] = X[:, 1:].sum(axis=1)
    return X


def constant(rng, n):
    X = rng.normal(size=(n, 4))
    X[:, 2] = 1e3
    return X


COLUMNS = {one.__name__: one for one in (scaled, shifted, doubled, summed, constant)}


def priced(problem, path):
    """P at the weights of a path, and the best bound of its dual variables."""
    relationship, nodes = problem.server.relationship, problem.nodes
    bounds = [
        bound_of(relationship, nodes, alpha, nodes.moments_of(alpha)) for alpha in path.duals()
    ]
    best = max(bounds, key=lambda bound: bound.value)
    exact = relationship.respond(nodes.moments_of(best.alpha))
    values = (nodes.loss_at(W) + relationship.penalty(W) for W in (path.W, exact.W))
    return min(values), best.value


@pytest.mark.parametrize("kind", ["learned", "none", "omega"])
@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_path_ends_at_the_certified_optimum(loss, columns, kind):
    """From nothing, whatever the columns."""
    tol = 1e-6 if loss == "hinge" else 1e-7
    for seed in range(3):
        problem = make_problem(loss, seed, COLUMNS[columns], kind=kind)
        relationship, nodes = problem.server.relationship, problem.nodes
        start = relationship, nodes, np.zeros_like(problem.server.V), 1.0
        path = InsidePath(*start, tol) if loss == "hinge" else SmoothPath(*start)
        P, D = np.inf, -np.inf
        for _ in range(300):
            goes_on = path.advance()
            objective, bound = priced(problem, path)
            P, D = min(P, objective), max(D, bound)
            if P - D <= tol * P or not goes_on:
                break
        assert -1e-9 * P <= P - D <= tol * P


@pytest.mark.parametrize("kind", ["learned", "none", "omega"])
@pytest.mark.parametrize("columns", COLUMNS)
def test_the_inside_path_goes_down_and_mu_waits_for_the_weights(columns, kind):
    """Every step lowers the function of its mu, and mu leaves none before its minimum is near."""
    problem = make_problem("hinge", 1, COLUMNS[columns], kind=kind)
    nodes = problem.nodes
    path = InsidePath(problem.server.relationship, nodes, np.zeros((3, 5)), 1.0, 1e-6)
    move, next_direction = path._move, path._next_direction

    def watched_move(step):
        before = path._now
        assert step.promise > -1e-12 * abs(before.value)
        moved = move(step)
        # the function as it was, before it is smoothed less
        losses = np.log(path._now.above) + np.log(path._now.below)
        after = nodes.weight @ (path._now.above - path._mu * losses) + path._now.curved.value
        assert not moved or after <= before.value * (1.0 + 1e-12)
        assert_allclose(path._now.above - path._now.below, 1.0 - nodes.y * path._now.f, atol=1e-9)
        assert_allclose(path._mu / path._now.above + path._mu / path._now.below, 1.0)
        return moved

    def watched_direction(system, theta):
        mu, u = path._mu, path._now.u
        free = nodes.y * mu / path._now.below
        g = nodes.moments_of(free) - path._now.curved.slope
        assert np.vdot(g, system.solve(g)) <= 100.0 * path._total * mu
        step = next_direction(system, theta)
        assert 0.1 * mu <= path._mu * (1.0 + 1e-12) <= mu * (1.0 + 1e-12)
        assert path._now.u is u
        return step

    path._move, path._next_direction = watched_move, watched_direction
    for _ in range(100):
        if not path.advance():
            break
    P, D = priced(problem, path)
    assert P - D <= 1e-6 * P


def test_the_size_of_weights():
    W = np.diag([3.0, 4.0])
    assert_allclose(size(W), np.sqrt(12.5))
    assert size(np.zeros((2, 5))) == 0.0


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "logistic"])
def test_what_the_splitting_cannot_is_finished(loss):
    """Columns over eight decades are not for a step that treats features alike."""
    X, y, nodes = make_rows(FMTLClassifier, sizes=(20, 25, 22), n_features=5)
    X = X * 10.0 ** np.linspace(-4, 4, 5)
    model = FMTLClassifier(loss=loss, lambda1=1e-2, lambda2=1e-4, tol=1e-6, random_state=0)
    model.fit(X, y, nodes=nodes)
    assert model.dual_gap_ <= 1e-6 * model.objective_
    assert X.shape[1] * 3 <= MAX_WEIGHTS
    assert model.n_iter_ <= 6 * PATIENCE


# -- the table --------------------------------------------------------------------------------


def make_state(problem, *, tol=1e-4, max_iter=300, n_iter=0):
    """A fit after `n_iter` iterations of the splitting alone."""
    server, nodes = problem.server, problem.nodes
    rng = np.random.default_rng(0)
    solution = SplittingSolver(tol=0.0, max_iter=max(n_iter, 1)).solve(server, nodes, rng)
    if n_iter == 0:
        nodes.alpha = nodes.start()
    log = Log(server, nodes)
    if n_iter > 0:
        log.offer(solution.W, nodes.loss_at(solution.W) + server.relationship.penalty(solution.W))
    return State(server, nodes, log, tol, max_iter, n_iter == 0)


def wide(n_features):
    return lambda rng, n: rng.normal(size=(n, n_features))


@pytest.mark.parametrize(
    ("loss", "kind", "tol", "sizes", "n_features", "applies"),
    [
        ("logistic", "learned", 1e-4, (6, 9, 4), 4, True),
        ("squared_hinge", "learned", 1e-4, (6, 9, 4), 4, True),
        # a loss without curvature has no such step
        ("hinge", "learned", 1e-4, (6, 9, 4), 4, False),
        ("hinge", "none", 1e-9, (6, 9, 4), 4, False),
        # constant curvature: where the whole is quadratic, or the last digits are asked for
        ("squared_error", "learned", 1e-4, (6, 9, 4), 4, False),
        ("squared_error", "learned", 1e-7, (6, 9, 4), 4, False),
        ("squared_error", "learned", 0.9e-7, (6, 9, 4), 4, True),
        ("squared_error", "none", 1e-4, (6, 9, 4), 4, True),
        ("squared_error", "omega", 1e-4, (6, 9, 4), 4, True),
        # few features; or few weights, beyond which a quadratic regulariser has no small system
        ("logistic", "learned", 1e-4, (2,) * 3, 100, True),
        ("logistic", "learned", 1e-4, (2,) * 3, 101, False),
        ("logistic", "none", 1e-4, (2,) * 8, 100, True),
        ("logistic", "none", 1e-4, (2,) * 9, 100, False),
        ("logistic", "learned", 1e-4, (2,) * 9, 100, False),
        ("logistic", "learned", 1e-4, (2,) * 100, 32, True),
        ("logistic", "omega", 1e-4, (2,) * 100, 32, False),
        # many nodes that share what they learn
        ("logistic", "learned", 1e-4, (2,) * 128, 32, False),
        ("logistic", "learned", 1e-4, (2,) * 127, 32, True),
        ("squared_error", "none", 1e-4, (2,) * 128, 6, True),
    ],
)
def test_where_steps_come_before(loss, kind, tol, sizes, n_features, applies):
    """`n_features` with the intercept."""
    own = n_features - (loss != "squared_error")
    state = make_state(make_problem(loss, 0, wide(own), sizes=sizes, kind=kind), tol=tol)
    assert state.server.V.shape == (len(sizes), n_features)
    assert WeightSteps().applies(state) is applies


@pytest.mark.parametrize("kind", ["learned", "none", "omega"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("n_features", "applies"), [(200, True), (201, False)])
def test_where_steps_come_after(loss, kind, n_features, applies):
    """Of any loss, relationship and tolerance; the loss decides which path they take."""
    own = n_features - (loss != "squared_error")
    problem = make_problem(loss, 0, wide(own), sizes=(2,) * 4, kind=kind)
    for tol in (1e-2, 1e-12):
        state = make_state(problem, tol=tol)
        assert (state.server.V.size <= MAX_WEIGHTS) is applies
        assert SmoothSteps().applies(state) is applies
        if applies:
            assert type(_path(state)) is (InsidePath if loss == "hinge" else SmoothPath)


def test_the_table_has_these_rows():
    assert [type(method) for method in BEFORE] == [WeightSteps]
    assert [type(method) for method in AFTER] == [SmoothSteps]


class Recorded:
    """A method that notes when it is asked, and when it runs, and does nothing."""

    def __init__(self, applies=True):
        self._applies, self.asked, self.rounds = applies, 0, []

    def applies(self, state):
        self.asked += 1
        return self._applies

    def run(self, state):
        self.rounds.append(state.log.rounds)


def solve(problem, monkeypatch, methods=None, **params):
    """The number of rounds at which methods before and after have run."""
    before, after = methods or (Recorded(), Recorded())
    monkeypatch.setattr(splitting, "BEFORE", (before,))
    monkeypatch.setattr(splitting, "AFTER", (after,))
    solver = SplittingSolver(**{"tol": 1e-14, "max_iter": 400, **params})
    solver.solve(problem.server, problem.nodes, np.random.default_rng(0))
    return before.rounds, after.rounds


def units(decades):
    return lambda rng, n: rng.normal(size=(n, 4)) * 10.0 ** np.linspace(0, decades, 4)


NEVER = 1e-300  #: share of the gap that no iterations leave


@pytest.mark.parametrize(("share", "after"), [(NEVER, [PATIENCE]), (np.inf, [])])
def test_after_patience_or_as_long_as_it_pays(share, after, monkeypatch):
    monkeypatch.setattr(splitting, "ENOUGH", share)
    problem = make_problem("logistic", 0, units(3))
    assert solve(problem, monkeypatch, max_iter=3 * PATIENCE + 1) == ([0], after)


@pytest.mark.parametrize("decades", [1, 3])
def test_another_fifty_while_they_leave_less_than_a_tenth(decades, monkeypatch):
    """As the history of a fit without second-order steps tells."""
    _, after = solve(make_problem("logistic", 0, units(decades)), monkeypatch)
    for table in ("BEFORE", "AFTER"):
        monkeypatch.setattr(splitting, table, ())
    problem = make_problem("logistic", 0, units(decades))
    solver = SplittingSolver(tol=1e-14, max_iter=400)
    history = solver.solve(problem.server, problem.nodes, np.random.default_rng(0)).history
    gaps = (history["objective"] - history["dual_objective"])[::PATIENCE]
    stalled = np.flatnonzero(gaps[1:] >= ENOUGH * gaps[:-1])
    assert after == [PATIENCE * (int(first) + 1) for first in stalled[:1]]  # unless it ends before


@pytest.mark.parametrize(
    ("params", "before", "after"),
    [
        ({}, [0], [PATIENCE]),
        ({"tol": 0.0}, [], []),
        ({"schedule": Schedule(np.full(3, 2.0), np.full(3, 2.0), 1.0)}, [], []),
        ({"iterate": Iterate(np.zeros((3, 5)), np.zeros(19), 1.0, 0, None)}, [], [PATIENCE]),
        ({"max_iter": PATIENCE}, [0], []),
        ({"tol": 0.1, "decades": 0}, [0], []),
    ],
    ids=["as usual", "no gap", "schedule", "iterate", "over", "met"],
)
def test_who_has_no_second_order_steps(params, before, after, monkeypatch):
    monkeypatch.setattr(splitting, "ENOUGH", NEVER)
    columns = units(params.get("decades", 3))
    params = {name: value for name, value in params.items() if name != "decades"}
    problem = make_problem("logistic", 0, columns)
    assert solve(problem, monkeypatch, **params) == (before, after)


def test_the_first_that_applies_runs():
    state = make_state(make_problem("logistic", 0))
    methods = Recorded(False), Recorded(), Recorded()
    run_first(methods, state)
    assert [method.asked for method in methods] == [1, 1, 0]
    assert [method.rounds for method in methods] == [[], [0], []]
    run_first(methods, state._replace(max_iter=0))  # nothing is asked of a fit that is over
    assert [method.asked for method in methods] == [1, 1, 0]
    run_first((Recorded(False),), state)


@pytest.mark.parametrize("method", [WeightSteps(), SmoothSteps()], ids=["before", "after"])
@given(
    seed=seeds,
    loss=st.sampled_from(LOSSES),
    kind=st.sampled_from(["learned", "none", "omega"]),
    columns=st.sampled_from(sorted(COLUMNS)),
    n_iter=st.sampled_from([0, 1, 20]),
    max_iter=st.sampled_from([1, 2, 5]),
)
def test_no_method_loses_ground(method, seed, loss, kind, columns, n_iter, max_iter):
    """From anywhere, however soon it ends: the best P and D stay, and the nodes bear D out."""
    problem = make_problem(loss, seed, COLUMNS[columns], kind=kind)
    state = make_state(problem, tol=1e-8, max_iter=max_iter, n_iter=n_iter)
    server, nodes, log = state.server, state.nodes, state.log
    before = log.best
    if isinstance(method, WeightSteps) and not method.applies(state):
        return
    method.run(state)
    noise = 1e-9 * before.magnitude
    assert log.best.objective <= before.objective + noise
    assert log.best.dual_objective >= before.dual_objective - noise
    assert log.best.dual_objective <= log.best.objective + noise
    now = server.price(nodes)
    assert abs(now.dual_objective - log.best.dual_objective) <= noise
    objective = nodes.loss_at(log.W) + server.relationship.penalty(log.W)
    assert_allclose(objective, log.best.objective, atol=noise)


def test_who_has_few_nodes():
    """All but many that learn their relationship, of no more features."""
    for m, d, kind in ((128, 4, "learned"), (127, 4, "learned"), (128, 4, "none")):
        server = make_problem("hinge", 0, sizes=(1,) * m, kind=kind).server
        assert server.V.shape == (m, d + 1)
        assert finish._has_few_nodes(server) is not (m == 128 and kind == "learned")
    wide = make_problem("hinge", 0, lambda rng, n: rng.normal(size=(n, 200)), sizes=(1,) * 128)
    assert finish._has_few_nodes(wide.server)


# the hinge has no steps before, and those of the Huber loss lead nowhere from zero weights
@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"hinge", "huber"}))
def test_many_nodes_reach_the_same_optimum_without_steps_before(loss, monkeypatch):
    estimator = ESTIMATOR_OF[loss]
    X, y, nodes = make_rows(estimator, sizes=(4,) * 150, n_features=6)
    params = {"loss": loss, "lambda1": 0.01, "lambda2": 0.01, "tol": 1e-9, "random_state": 0}
    model = estimator(**params).fit(X, y, nodes=nodes)
    assert model.dual_gap_ <= 1e-9 * model.objective_
    assert np.all(np.diff(model.history_["dual_objective"]) >= 0)
    monkeypatch.setattr(finish, "_has_few_nodes", lambda *_: True)
    other = estimator(**params).fit(X, y, nodes=nodes)
    assert (other.coef_ != model.coef_).any()  # by another way
    assert_allclose(model.objective_, other.objective_, rtol=2e-9)
    assert_allclose(model.coef_, other.coef_, atol=2e-3 * np.abs(other.coef_).max())


def test_nothing_is_prepared_once_the_gap_is_met(monkeypatch):
    X, y, nodes = make_rows(FMTLRegressor)

    def refuse(state):
        raise AssertionError("prepared")

    monkeypatch.setattr(finish, "_path", refuse)
    model = FMTLRegressor(tol=1e-3).fit(X, y, nodes=nodes)
    assert model.coef_.size <= MAX_WEIGHTS  # where it would be next
    assert model.dual_gap_ <= 1e-3 * model.objective_
