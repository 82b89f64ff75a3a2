"""The federated protocol: the same optimum, the same bits, and a dual that never falls."""

import itertools

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from estimators import ESTIMATOR_OF, INTERCEPT_OF, KINDS, LOSSES, estimator_of, fit, make_rows
from oracles.losses import RECORD_OF
from oracles.strategies import problems
from profiles import covering, examples
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl._model.learned import Learned
from skfedmtl._model.losses import LOSSES as LOSS_OF
from skfedmtl._model.quadratic import Fixed, Independent
from skfedmtl._protocol.messages import MEMORY, Greeting, Mixture, Order, Question
from skfedmtl._protocol.node import Node
from skfedmtl._protocol.server import Server
from skfedmtl._solvers import KeptAnswers
from skfedmtl._solvers.bundle import Answers, _Mixture, combine
from skfedmtl._solvers.progress import Log

SCHEDULES = {
    "whole": {"local_epochs": 5.0},
    "partial": {"participation": 0.5, "local_epochs": (0.1, 1.0)},
    "rare": {"participation": 0.1, "local_epochs": 5.0},
}
SOLVERS = ("splitting", "mocha")
#: Every solver with every schedule, and the splitting in the laboratory.
SCHEDULED = [("splitting", None), *itertools.product(SOLVERS, SCHEDULES)]
ATTRIBUTES = ("coef_", "intercept_", "dual_coef_", "node_covariance_factor_")


@pytest.mark.parametrize(("loss", "schedule", "kind"), covering(2, LOSSES, list(SCHEDULES), KINDS))
def test_the_optimum_is_that_of_the_laboratory(loss, schedule, kind):
    """Also with half the nodes a round and parts of an epoch, and one node in ten a round."""

    @settings(max_examples=examples(1 / 4))
    @given(problem=problems((loss,), max_nodes=5, max_rows=8, max_features=6))
    def check(problem):
        params = {"solver": "mocha", "tol": 9e-7, "max_iter": 5000, **SCHEDULES[schedule]}
        found = fit(problem, kind, **params)
        expected = fit(problem, kind, tol=1e-9)
        scale = expected.objective_ + 1e-8
        assert abs(found.objective_ - expected.objective_) <= 1e-6 * scale
        assert found.dual_objective_ <= expected.objective_ + 1e-9 * scale
        assert np.all(np.diff(found.history_["dual_objective"]) >= 0)

    check()


def run_here(work, parts):
    return [work(*part) for part in parts]


@pytest.fixture(scope="module")
def cluster():
    """Workers of dask, which joblib finds by itself."""
    distributed = pytest.importorskip("distributed")
    with distributed.Client(n_workers=1, threads_per_worker=2, processes=False) as client:
        yield client


def bits(estimator, solver, backend, n_jobs, **params):
    X, y, nodes = make_rows(estimator, (14, 9, 11, 6), n_features=4, strings=True)
    model = estimator(solver=solver, n_jobs=n_jobs, random_state=0, tol=0, max_iter=6, **params)
    with joblib.parallel_config(backend=backend):
        return model.fit(X, y, nodes=nodes)


@pytest.mark.parametrize("solver, schedule", SCHEDULED)
@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
@pytest.mark.parametrize("backend", ["loky", "threading", "dask"])
def test_any_number_of_workers_gives_the_same_bits(estimator, backend, solver, schedule, request):
    if backend == "dask":
        request.getfixturevalue("cluster")
    params = SCHEDULES[schedule] if schedule else {}
    one = bits(estimator, solver, "sequential", 1, **params)
    two = bits(estimator, solver, backend, 2, **params)
    for name in ATTRIBUTES:
        assert_array_equal(getattr(one, name), getattr(two, name))
    for name in ("objective", "dual_objective", "bytes_communicated"):
        assert_array_equal(one.history_[name], two.history_[name])


@pytest.mark.parametrize("loss", LOSSES)
def test_a_workers_bits_do_not_depend_on_blas_threads(loss):
    rng = np.random.default_rng(0)
    n, d = 300, 400  # wide enough for a threaded BLAS to split
    X, y = rng.normal(size=(n, d)), np.sign(rng.normal(size=n))
    X -= X.mean(axis=0)  # as a centred node's rows are
    centred = INTERCEPT_OF[loss] == "centred"
    node = Node(X, y, np.full(n, 1.0 / n), LOSS_OF[loss](), centred=centred)
    node.greet(Greeting(np.zeros(d)))
    order = Order(np.zeros(d), 2.0, 1.5)
    found = []
    for limit in (1, 2):
        with threadpool_limits(limit):
            found.append(node.attempt(order))
    assert_array_equal(found[0].alpha, found[1].alpha)
    for one, two in zip(found[0].answer, found[1].answer, strict=True):
        assert_array_equal(one, two)
    before = node.tell(Question(tighten=False)).v
    assert_allclose(found[0].answer.dv, found[0].alpha @ X / n - before, atol=1e-10)


def test_answers_that_coincide_are_no_obstacle():
    """Many nodes, whose system is not factored; walls as they are where one weight is left."""
    rng = np.random.default_rng(0)
    m, k, d = 40, 3, 4
    moments = np.repeat(rng.normal(size=(m, 1, d)), k, axis=1)
    answers = Answers(moments, np.zeros((m, k)), np.zeros((m, k, k)))
    mixture = _Mixture(Learned(m, 1e-3, 1e-3), rng.normal(size=(m, d)), answers, 0.0)
    _, response = mixture.evaluate(np.zeros((m, k)))
    rhs = np.repeat(rng.normal(size=(m, 1)), k, axis=1)
    walls = np.ones((m, k, k)) + 1e-30 * np.eye(k)
    step = mixture.step(response, walls, rhs)
    moved = response.product(np.einsum("mk,mkd->md", step, moments))
    left = np.einsum("mjk,mk->mj", walls, step) + np.einsum("mkd,md->mk", moments, moved)
    assert_allclose(left, rhs, rtol=0, atol=1e-3 * np.linalg.norm(rhs))


@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.integers(2, 6),
    condition=st.integers(0, 6),
    modulus=st.sampled_from([0.0, 0.5, 4.0]),
    free=st.booleans(),
)
def test_combined_answers_never_lower_the_dual(seed, m, condition, modulus, free):
    """Whatever the nodes answer, for a precision of any condition and the learned one."""
    rng = np.random.default_rng(seed)
    n, k, d = 4, 3, 3
    Q = np.linalg.qr(rng.normal(size=(m, m)))[0]
    Omega = (Q * 10.0 ** rng.uniform(-condition, 0, size=m)) @ Q.T
    X = rng.normal(size=(m, n, d)) * 10.0 ** rng.uniform(-2, 2)
    alphas = rng.uniform(size=(m, k + 1, n))
    offsets = alphas[:, 1:] - alphas[:, :1]
    # a conjugate of the given modulus: linear, and a square
    linear = rng.normal(size=(m, n))

    def conjugate(alpha):
        return np.sum(linear * alpha, axis=1) + 0.5 * modulus * np.sum(alpha**2, axis=1)

    def moment(alpha):
        return np.einsum("mnd,mn->md", X, alpha)

    answers = Answers(
        np.einsum("mnd,mkn->mkd", X, offsets),
        np.stack([conjugate(alphas[:, j]) for j in range(1, k + 1)], 1)
        - conjugate(alphas[:, 0])[:, None],
        np.einsum("mjn,mkn->mjk", offsets, offsets),
    )
    free = free and modulus > 0
    for relationship in (Fixed((Omega + Omega.T) / 2, 1.0, 1e-3), Learned(m, 0.1, 0.01)):
        V = moment(alphas[:, 0])
        t = combine(relationship, V, answers, modulus=modulus, free=free)
        if not free:
            assert np.all(t >= 0)
            assert np.all(t.sum(axis=1) <= 1)
        mixed = alphas[:, 0] + np.einsum("mk,mkn->mn", t, offsets)
        # the bound is met: a square's conjugate is known exactly
        change = conjugate(mixed) - conjugate(alphas[:, 0])
        assert_allclose(answers.change(t, modulus), change, atol=1e-9 * (1 + np.abs(change).max()))
        before = conjugate(alphas[:, 0]).sum() + relationship.respond(V).value
        after = conjugate(mixed).sum() + relationship.respond(moment(mixed)).value
        assert after <= before + 1e-10 * (1 + abs(before))
        # and nearly the best: no other weights are much better
        for _ in range(20):
            other = rng.dirichlet(np.ones(k + 1), size=m)[:, 1:]
            trial = alphas[:, 0] + np.einsum("mk,mkn->mn", other, offsets)
            value = conjugate(trial).sum() + relationship.respond(moment(trial)).value
            assert after <= value + 0.2 * max(before - value, 0.0) + 1e-9 * (1 + abs(before))


@pytest.mark.parametrize("m", [3, 30])  # weights whose system is factored, and more
@pytest.mark.parametrize("scale", 10.0 ** np.arange(-3, 7))
def test_answers_from_zero_are_combined_at_any_scale(scale, m):
    """No weights are known yet, hence no rank: what J does not see must be found out."""
    rng = np.random.default_rng(0)
    n, k, d, modulus = 6, 3, 4, 0.5
    X = scale * rng.normal(size=(m, n, d))
    y = np.einsum("mnd,d->mn", X, rng.normal(size=d)) / scale
    # as nodes answer that are told to hold back, one more than the other
    alphas = 2.0 * y[:, None] * rng.uniform(0.5, 1.0, size=(m, k, n)) / (1.0 + 1e3 * scale**2)
    answers = Answers(
        np.einsum("mnd,mkn->mkd", X, alphas),
        np.sum(alphas * (0.5 * modulus * alphas - y[:, None]), axis=2),
        np.einsum("mjn,mkn->mjk", alphas, alphas),
    )
    relationship = Learned(m, 1e-3, 1e-3)

    def value(t):
        moments = np.einsum("mk,mkd->md", t, answers.moments)
        return answers.change(t, modulus).sum() + relationship.respond(moments).value

    t = combine(relationship, np.zeros((m, d)), answers, modulus=modulus, free=True)
    assert value(t) < 0.0
    lengths = np.geomspace(1e-8, 1e8, 200)
    # no longer or shorter step along any answer is much better
    for unit in [t, *np.eye(k)[:, None] * np.ones((m, 1))]:
        best = min(value(length * unit) for length in lengths)
        assert value(t) <= best + 0.2 * abs(value(t))


def test_inner_products_that_rounding_has_spoilt_lead_nowhere():
    """Their square is negative along some weights: the further, the lower the bound."""
    moments = np.tile(np.array([[1.0, 2.0], [1.0, 2.0]]), (2, 1, 1))
    gram = np.tile(np.array([[1.0, 1.0], [1.0, 1.0]]) - 1e-3 * np.eye(2), (2, 1, 1))
    answers = Answers(moments, np.tile([1e-6 - 1.0, -1.0], (2, 1)), gram)
    for relationship in (Independent(2, 1e-3), Learned(2, 1e-3, 1e-3)):
        t = combine(relationship, np.zeros((2, 2)), answers, modulus=0.5, free=True)
        assert np.abs(t).max() <= 1e3


@given(problem=problems(LOSSES), kind=st.sampled_from(KINDS), seed=st.integers(0, 99))
def test_the_servers_books_are_right(problem, kind, seed):
    """What the server reckons of moments and conjugates is what the nodes would report."""
    weight = np.ones(len(problem.y)) if problem.sample_weight is None else problem.sample_weight
    fitted = estimator_of(problem, kind)
    labels = np.array(problem.node_labels)
    task = fitted._problem(problem.X, problem.y, problem.codes, labels, weight)
    server, nodes = task.server, task.nodes
    log = Log(server, nodes)
    kept = KeptAnswers(nodes, server.V, nodes.greet(Greeting(server.response.W)))
    rng = np.random.default_rng(seed)
    for _ in range(14):
        for l in np.flatnonzero(rng.random(len(nodes)) < 0.6):
            order = Order(server.response.W[l].copy(), 0.2, rng.uniform(0.2, 2))
            kept.add([l], nodes.answer([l], [order], run_here))
        before = -kept.conjugate.sum() - server.response.value
        t = kept.combine(server.relationship)
        kept.settle(t)
        nodes.settle(Mixture(t))
        server.set_moments(kept.V.copy())
        after = -kept.conjugate.sum() - server.response.value
        size = 1 + log.best.magnitude
        assert after >= before - 1e-12 * size
        moments, truth = nodes.tell(Question(tighten=False))
        assert_allclose(kept.V, moments, atol=1e-9 * size)
        # a bound from above, met by quadratics
        assert np.all(truth <= kept.conjugate + 1e-9 * size)
        if RECORD_OF[problem.loss].has_quadratic_conjugate:
            assert_allclose(kept.conjugate, truth, atol=1e-9 * size)


def test_adding_the_answers_up_lowers_the_dual():
    """Why the combination matters: related nodes overshoot together when answers are added."""
    X, y, nodes = make_rows(FMTLRegressor, (8,) * 6, n_features=2)
    estimator = FMTLRegressor(lambda1=1.0, lambda2=1e-3, fit_intercept=False)
    # every node must agree with every other: a tie of almost rank one
    precision = np.eye(6) - np.full((6, 6), 1 / 6)
    estimator.set_params(relationship=precision)
    problem = estimator._problem(X, y, nodes, np.arange(6), np.ones(len(y)))
    server, parts = problem.server, problem.nodes
    duals = [server.price(parts).dual_objective]
    for _ in range(4):
        W, curvature = server.response.W.copy(), server.response.curvature()
        parts.greet(Greeting(W))
        orders = [Order(w, c, 20.0) for w, c in zip(W, curvature, strict=True)]
        parts.answer(range(6), orders, run_here)
        parts.settle(Mixture(np.tile(np.eye(MEMORY)[-1], (6, 1))))
        duals.append(server.price(parts).dual_objective)
    assert min(np.diff(duals)) < 0
    model = estimator.set_params(solver="mocha", max_iter=4, tol=0, local_epochs=20.0)
    history = model.fit(X, y, nodes=nodes).history_
    assert np.all(np.diff(history["dual_objective"]) >= 0)


def test_bytes_are_those_of_the_vectors_that_travel():
    X, y, nodes = make_rows(FMTLRegressor, n_features=4)
    model = FMTLRegressor(solver="mocha", tol=0, max_iter=3).fit(X, y, nodes=nodes)
    bytes_ = np.diff(model.history_["bytes_communicated"])
    d, m = 4, 3
    # a round: w, a curvature and ten weights down; dv, five numbers, ten inner products up
    each = 8 * m * (2 * d + 1 + 10 + 5 + 10)
    assert_array_equal(bytes_[:-1], each)
    # the last one ends with a report: w down, v and two numbers up
    assert bytes_[-1] == each + 8 * m * (2 * d + 2)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"local_epochs": 0.0}, "local_epochs"),
        ({"local_epochs": (2.0, 1.0)}, "local_epochs"),
        ({"local_epochs": (1.0,)}, "local_epochs"),
        ({"local_epochs": {0: 1.0}}, "local_epochs.*missing"),
        ({"local_epochs": {0: 1, 1: 1, 2: 1, 9: 1}}, "local_epochs.*unknown"),
        ({"local_epochs": {0: 1, 1: -1, 2: 1}}, "local_epochs"),
        ({"local_epochs": {0: 0, 1: 0, 2: 0}}, "local_epochs"),
        ({"local_epochs": "many"}, "local_epochs"),
        ({"participation": 0.0}, "participation"),
        ({"participation": 1.5}, "participation"),
        ({"solver": "other"}, "solver"),
        ({"solver": "sequential"}, "solver"),
        ({"n_jobs": 1.5}, "n_jobs"),
    ],
)
def test_wrong_parameters(params, message, solver):
    X, y, nodes = make_rows(FMTLRegressor)
    with pytest.raises(ValueError, match=message):
        FMTLRegressor(**{"solver": solver, **params}).fit(X, y, nodes=nodes)


@pytest.mark.parametrize("solver", SOLVERS)
def test_slow_nodes_by_name(solver):
    X, y, nodes = make_rows(FMTLClassifier, strings=True)
    epochs = {"n0": 3.0, "n1": 0.2, "n2": 1}
    model = FMTLClassifier(solver=solver, local_epochs=epochs, lambda1=0.1, lambda2=0.1, tol=1e-5)
    model.fit(X, y, nodes=nodes)
    assert model.dual_gap_ <= 1e-5 * model.objective_


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_warm_start_needs_fewer_rounds(solver):
    X, y, nodes = make_rows(ESTIMATOR_OF["logistic"])
    model = FMTLClassifier(
        loss="logistic", solver=solver, lambda1=0.1, lambda2=0.1, tol=1e-5, warm_start=True
    )
    cold = model.fit(X, y, nodes=nodes).n_iter_
    assert model.fit(X, y, nodes=nodes).n_iter_ < cold


def test_the_server_counts_what_it_sends():
    server = Server(Learned(3, 0.1, 0.1), 5)
    server.count(2, vectors=2, scalars=3)
    assert server.bytes == 8 * 2 * (2 * 5 + 3)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_a_node_that_never_answers(estimator, solver):
    """Its dual variables stay where they were, the gap says what that costs, the others learn."""
    X, y, nodes = make_rows(estimator, strings=True)
    model = estimator(solver=solver, local_epochs={"n0": 5.0, "n1": 0, "n2": 5.0}, max_iter=60)
    with pytest.warns(ConvergenceWarning, match=r"duality gap.*\['n1'\] never answer"):
        model.fit(X, y, nodes=nodes)
    silent = nodes == "n1"
    assert not model.dual_coef_[silent].any() or estimator is FMTLRegressor
    assert np.ptp(model.dual_coef_[silent]) == 0 or estimator is FMTLRegressor
    full = estimator(tol=1e-8).fit(X, y, nodes=nodes)
    assert model.dual_objective_ < full.objective_ < model.objective_
    others = ~silent
    assert model.score(X[others], y[others], nodes=nodes[others]) > 0.7
