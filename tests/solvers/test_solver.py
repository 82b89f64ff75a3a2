"""What the solver keeps at every step, and the known models it must reduce to."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from estimators import (
    BUILDERS,
    ESTIMATORS,
    KINDS,
    LOSSES,
    estimator_of,
    fit,
    make_rows,
    oracle_task,
)
from oracles import kernels
from oracles.strategies import problems
from oracles.system import build_system
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl._model.losses import LOSSES as LOSS_OF
from skfedmtl._solvers.schedule import make_schedule
from skfedmtl._solvers.splitting import SplittingSolver

losses = pytest.mark.parametrize("loss", LOSSES)
kinds = pytest.mark.parametrize("kind", KINDS)


def federated(problem, kind):
    """The unsolved `FederatedProblem` of a drawn problem, through its estimator."""
    estimator = estimator_of(problem, kind)
    labels = np.array(problem.node_labels)
    return estimator._problem(problem.X, problem.y, problem.codes, labels, problem.weight)


class Solvers(RuleBasedStateMachine):
    """Any sequence of exchanges and second-order steps: the dual only rises, W is current."""

    @initialize(problem=problems(losses=LOSSES), kind=st.sampled_from(KINDS))
    def start(self, problem, kind):
        self.task = federated(problem, kind)
        self.server, self.nodes = self.task.server, self.task.nodes
        self.rng = np.random.default_rng(0)
        centred = replace(problem, X=self.task.join([node.X for node in self.nodes.each()]))
        y = self.task.join([node.y for node in self.nodes.each()])
        system = build_system(*oracle_task(centred, kind), problem.m, False, problem.kappa)
        self.system = replace(system, y=y)
        self.problem, self.best, self.bytes = problem, -np.inf, 0

    @rule(n_iter=st.integers(1, 4), share=st.sampled_from([None, 0.5, 1.0]))
    def exchange(self, n_iter, share):
        schedule = None if share is None else make_schedule(2.0, share, np.arange(len(self.nodes)))
        solver = SplittingSolver(tol=0.0, max_iter=n_iter, schedule=schedule)
        solver.solve(self.server, self.nodes, self.rng)

    @rule()
    def certify(self):
        price = self.server.certify(self.nodes)
        assert price.gap >= -1e-12 * price.magnitude
        for node in (
            self.nodes.each() if self.nodes.centred else ()
        ):  # the dual variables of a free intercept sum to zero
            largest = np.abs(node.alpha).max(initial=0)
            assert abs(node.weight @ node.alpha) <= 1e-12 * (1 + largest)
        assert_allclose(self.server.response.W, self.weights(), atol=1e-9 * self.size())

    @rule(n_iter=st.integers(1, 4), tol=st.sampled_from([1e-3, 1e-12]))
    def laboratory(self, n_iter, tol):
        """Second-order steps where they pay."""
        SplittingSolver(tol=tol, max_iter=n_iter).solve(self.server, self.nodes, self.rng)

    def weights(self):
        return self.system.conjugate.grad(self.system.V(self.alpha()))

    def size(self):
        return 1e-9 + np.abs(self.weights()).max()

    def alpha(self):
        return self.task.dual_coef()

    @invariant()
    def the_dual_never_falls(self):
        system, alpha = self.system, self.alpha()
        rows = zip(system.y, alpha, strict=True)
        conjugates = np.array([kernels.conjugate(self.problem.loss, *row) for row in rows])
        terms = -(system.p @ conjugates), -system.conjugate.value(system.V(alpha))
        assert sum(terms) >= self.best - 1e-11 * (1 + sum(map(abs, terms)))
        self.best = sum(terms)

    @invariant()
    def the_dual_variables_stay_in_their_domain(self):
        alpha = self.alpha()
        assert np.all(alpha[self.system.p == 0] == 0)
        low, high = LOSS_OF[self.problem.loss]().bounds
        inner = alpha * self.system.y if self.problem.is_classification else alpha
        assert np.all((inner >= low) & (inner <= high))

    @invariant()
    def every_message_is_counted(self):
        assert self.server.bytes >= self.bytes
        self.bytes = self.server.bytes


TestSolvers = Solvers.TestCase
TestSolvers.settings = settings(stateful_step_count=20)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("max_iter", [1, 17])
def test_no_tolerance_runs_every_round(estimator, max_iter):
    X, y, nodes = make_rows(estimator)
    model = estimator(tol=0, max_iter=max_iter).fit(X, y, nodes=nodes)
    assert model.n_iter_ == max_iter
    assert {len(column) for column in model.history_.values()} == {max_iter + 1}
    assert_array_equal(model.history_["round"], np.arange(max_iter + 1))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_too_few_rounds_are_reported(estimator):
    X, y, nodes = make_rows(estimator)
    model = estimator(tol=1e-14, max_iter=1)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=1 .*gap of .*tol=1e-14"):
        model.fit(X, y, nodes=nodes)
    assert model.dual_gap_ > 1e-14 * model.objective_


@pytest.mark.parametrize("kind", ["learned", "none"])
def test_a_fit_ends_at_rounding(kind):
    """Two rows that are solved to the last digit, and then asked for more."""
    X, y = np.array([[0.039], [-0.215]]), [-1, 1]
    model = FMTLClassifier(lambda1=0.1, lambda2=0.1, relationship=kind, fit_intercept=False)
    model.set_params(tol=0, max_iter=9).fit(X, y, nodes=[0, 1])
    assert model.dual_gap_ <= 1e-14


@pytest.mark.parametrize("seed", [5, 25, 38, 71])
def test_a_hinge_survives_wide_weights(seed):
    """Weights over six decades: the path ends where rounding takes its last digit."""
    X, y, nodes = make_rows(FMTLClassifier, sizes=(8, 3), n_features=4, seed=seed)
    weight = 10.0 ** np.random.default_rng(seed).uniform(-3, 3, size=len(y))
    model = FMTLClassifier(lambda1=0.1, fit_intercept=False, tol=1e-6, random_state=0)
    model.fit(X, y, nodes=nodes, sample_weight=weight)
    assert model.dual_gap_ <= 1e-6 * model.objective_


@pytest.mark.parametrize("seed", [257, 319])
def test_logistic_passes_never_undo_a_second_order_step(seed):
    """Weights over six decades: coordinate steps that miss their root would never let it end."""
    X, y, nodes = make_rows(FMTLClassifier, seed=seed)
    weight = 10.0 ** np.random.default_rng(seed).uniform(-3, 3, size=len(y))
    params = {"loss": "logistic", "relationship": "none", "lambda1": 0.0, "lambda2": 1e-3}
    model = FMTLClassifier(**params, fit_intercept=False, tol=1e-8, max_iter=20, random_state=0)
    model.fit(X, y, nodes=nodes, sample_weight=weight)
    assert model.dual_gap_ <= 1e-8 * model.objective_


def reach(model, problem):
    """How far the gap, and rounding, let the weights lie from the optimum."""
    rounding = 1e-11 * (1 + model.objective_)
    return np.sqrt((max(model.dual_gap_, 0.0) + rounding) / problem.lambda2)


@losses
@kinds
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_and_nodes_does_not_matter(loss, kind, data, seed):
    """Permuted rows, renamed nodes: the same objective within the certificates."""
    problem = data.draw(problems(losses=(loss,)))
    rng = np.random.default_rng(seed)
    rows, order = rng.permutation(len(problem.y)), rng.permutation(problem.m)
    names = [f"node {rank}" for rank in range(problem.m)]  # the new name of position order[rank]
    renamed = {problem.node_labels[old]: names[rank] for rank, old in enumerate(order)}
    weight = problem.sample_weight
    other = replace(
        problem,
        X=problem.X[rows],
        y=problem.y[rows],
        nodes=np.array([renamed[label] for label in problem.nodes[rows].tolist()]),
        sample_weight=None if weight is None else weight[rows],
        node_labels=names,
        Omega=problem.Omega[np.ix_(order, order)],
    )
    one, two = fit(problem, kind, tol=1e-7), fit(other, kind, tol=1e-7)
    floor = 1e-10
    assert one.dual_objective_ <= two.objective_ + floor
    assert two.dual_objective_ <= one.objective_ + floor
    reach = np.sqrt((one.dual_gap_ + 1e-12) / problem.lambda2)
    reach += np.sqrt((two.dual_gap_ + 1e-12) / problem.lambda2)
    assert_allclose(one.coef_[order], two.coef_, atol=reach)


@losses
@kinds
@given(data=st.data(), factors=st.lists(st.sampled_from([0.01, 0.5, 3.0, 100.0]), min_size=6))
def test_weights_count_only_within_their_node(loss, kind, data, factors):
    """A node's weights times a constant change nothing."""
    problem = data.draw(problems(losses=(loss,)))
    factors = np.array(factors)[problem.codes]
    one = fit(problem, kind, tol=1e-7)
    two = fit(replace(problem, sample_weight=problem.weight * factors), kind, tol=1e-7)
    assert one.dual_objective_ <= two.objective_ + 1e-10
    assert two.dual_objective_ <= one.objective_ + 1e-10
    reach = np.sqrt((one.dual_gap_ + 1e-12) / problem.lambda2)
    reach += np.sqrt((two.dual_gap_ + 1e-12) / problem.lambda2)
    assert_allclose(one.coef_, two.coef_, atol=reach)


def linear_svc(X, y, lam, **params):
    """scikit-learn's hinge model of the same objective, solved as far as it goes."""
    svc = LinearSVC(loss="hinge", C=1 / (2 * lam * len(y)), tol=1e-8, max_iter=10**5, **params)
    with warnings.catch_warnings():  # it cycles at the last digits
        warnings.filterwarnings("ignore", "Liblinear failed to converge")
        return svc.fit(X, y)


@pytest.mark.parametrize("kind", ["learned", "none"])
@pytest.mark.parametrize("lambda1, lambda2", [(0.05, 0.02), (1.0, 0.3), (0.0, 0.1)])
def test_one_node_is_a_linear_svc(kind, lambda1, lambda2):
    X, y, _ = make_rows(FMTLClassifier, sizes=(40,))
    lam = lambda2 if kind == "none" else lambda1 + lambda2
    model = FMTLClassifier(
        lambda1=lambda1, lambda2=lambda2, relationship=kind, fit_intercept=False, tol=1e-12
    ).fit(X, y)
    svc = linear_svc(X, y, lam, fit_intercept=False)
    assert_allclose(model.coef_, svc.coef_, atol=1e-5)


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
@pytest.mark.parametrize("kind", ["learned", "none"])
@pytest.mark.parametrize("lambda1, lambda2", [(0.05, 0.02), (1.0, 0.3), (0.0, 0.1)])
def test_one_node_is_a_squared_hinge_or_logistic_model(lambda1, lambda2, kind, solver):
    X, y, _ = make_rows(FMTLClassifier, sizes=(40,))
    lam = lambda2 if kind == "none" else lambda1 + lambda2
    C = 1 / (2 * lam * len(y))
    peers = {
        "squared_hinge": LinearSVC(C=C, tol=1e-10, max_iter=10**5, fit_intercept=False),
        "logistic": LogisticRegression(C=C, tol=1e-10, max_iter=10**5, fit_intercept=False),
    }
    for loss, peer in peers.items():
        model = FMTLClassifier(
            lambda1=lambda1,
            lambda2=lambda2,
            loss=loss,
            relationship=kind,
            fit_intercept=False,
            solver=solver,
            tol=1e-12,
        ).fit(X, y)
        assert_allclose(model.coef_, peer.fit(X, y).coef_, atol=1e-5)


@pytest.mark.parametrize("scaling", [1.0, 4.0])
def test_one_node_with_an_intercept_is_a_linear_svc(scaling):
    X, y, _ = make_rows(FMTLClassifier, sizes=(40,))
    model = FMTLClassifier(
        lambda2=0.02, relationship="none", intercept_scaling=scaling, tol=1e-12
    ).fit(X, y)
    svc = linear_svc(X, y, 0.02, intercept_scaling=scaling)
    assert_allclose(model.coef_, svc.coef_, atol=1e-5)
    assert_allclose(model.intercept_, svc.intercept_, atol=1e-5)


@pytest.mark.parametrize("kind", ["learned", "none"])
@pytest.mark.parametrize("lambda1, lambda2", [(0.05, 0.02), (1.0, 0.3), (0.0, 0.1)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_one_node_is_ridge(kind, lambda1, lambda2, fit_intercept):
    X, y, _ = make_rows(FMTLRegressor, sizes=(40,))
    weight = np.random.default_rng(1).uniform(0.1, 3, size=40)
    lam = lambda2 if kind == "none" else lambda1 + lambda2
    model = FMTLRegressor(
        lambda1=lambda1,
        lambda2=lambda2,
        relationship=kind,
        fit_intercept=fit_intercept,
        tol=1e-13,
    ).fit(X, y, sample_weight=weight)
    ridge = Ridge(alpha=lam * weight.sum(), fit_intercept=fit_intercept)
    ridge.fit(X, y, sample_weight=weight)
    assert_allclose(model.coef_[0], ridge.coef_, atol=1e-6)
    assert_allclose(model.intercept_[0], ridge.intercept_, atol=1e-6)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("params", [{"relationship": "none"}, {"lambda1": 0.0}])
def test_no_tie_means_independent_fits(estimator, params):
    X, y, nodes = make_rows(estimator)
    model = estimator(lambda2=0.03, tol=1e-12, **params).fit(X, y, nodes=nodes)
    for node, coef, intercept in zip(model.nodes_, model.coef_, model.intercept_, strict=True):
        alone = estimator(lambda2=0.03, tol=1e-12, **params)
        alone.fit(X[nodes == node], y[nodes == node])
        assert_allclose(alone.coef_[0], coef, atol=1e-5)
        assert_allclose(alone.intercept_[0], intercept, atol=1e-5)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("builder", BUILDERS)
def test_a_strong_tie_makes_nodes_agree(estimator, builder):
    """All nodes for two builders, those of a cluster for the third."""
    X, y, nodes = make_rows(estimator, sizes=(8, 9, 10, 11))
    params = {"lambda2": 0.02, "fit_intercept": False, "tol": 1e-9, "lambda1": 1e6}
    model = estimator(relationship=BUILDERS[builder](4), **params).fit(X, y, nodes=nodes)
    groups = [[0, 2], [1, 3]] if builder == "clustered" else [[0, 1, 2, 3]]
    for group in groups:
        assert_allclose(model.coef_[group], model.coef_[group[:1]].repeat(len(group), 0), atol=1e-3)
    assert np.abs(model.coef_).max() > 0.1
    if builder != "clustered":  # every node counts alike: one model, rows weighted by 1/c_l
        pooled = estimator(relationship="none", **{**params, "lambda2": 0.02})
        pooled.fit(X, y, sample_weight=1 / np.bincount(nodes)[nodes])
        assert_allclose(model.coef_[0], pooled.coef_[0], atol=1e-3)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_strong_learned_tie_leaves_fewer_directions(estimator):
    X, y, nodes = make_rows(estimator, n_features=5)
    params = {"lambda2": 1e-3, "tol": 1e-8, "fit_intercept": False}
    weak = estimator(lambda1=1e-4, **params).fit(X, y, nodes=nodes)
    strong = estimator(lambda1=0.3, **params).fit(X, y, nodes=nodes)
    assert strong.node_covariance_factor_.shape[1] < weak.node_covariance_factor_.shape[1]
    rank = np.linalg.matrix_rank(strong.coef_, tol=1e-9)
    assert rank == strong.node_covariance_factor_.shape[1]
