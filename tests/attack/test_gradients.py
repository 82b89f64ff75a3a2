"""Gradients of the attacker's objective against central differences of refitted victims."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from estimators import (
    ESTIMATOR_OF,
    ESTIMATORS,
    INTERCEPT_OF,
    LOSSES,
    OMEGA,
    Watched,
    estimator_of,
    make_rows,
    relationship_of,
)
from oracles.gradients import dense_gradient
from oracles.losses import RECORD_OF
from oracles.strategies import Problem, problems
from oracles.victim import fd_gradient, solve_victim, upper_H
from profiles import covering, examples
from skfedmtl._model.learned import Learned
from skfedmtl._model.losses import LOSSES as LOSS_OF
from skfedmtl._model.quadratic import Fixed, Independent
from skfedmtl._protocol.problem import FederatedProblem
from skfedmtl._solvers.adjoint import Adjoint, Solved
from skfedmtl._solvers.follower import first_rho
from skfedmtl._solvers.splitting import SplittingSolver
from skfedmtl.attack._bilevel.gradient_check import CHECK_TOL
from skfedmtl.attack._bilevel.objective import Damage, UpperObjective
from skfedmtl.attack._setting.upper_loss import upper_loss
from skfedmtl.datasets import (
    fetch_heart_disease,
    fetch_human_activity,
    fetch_landmine,
    fetch_parkinsons,
)

KINDS = ("none", "omega", "learned")
GRADIENTS = ("total", "implicit", "dual")
THREATS = ("direct", "indirect", "hybrid")
LAMBDAS = (0.1, 0.02, 1.0)

# the path may put a row on its bound, which changes nothing but the logarithm of its slack
pytestmark = pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")


@dataclass(frozen=True)
class Attacked:
    """A problem with one injected row in each source, the last rows of all."""

    problem: Problem
    X: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    weight: np.ndarray
    targets: np.ndarray
    sources: np.ndarray

    @property
    def injected(self):
        return np.arange(len(self.problem.y), len(self.y))

    def share(self):
        """s_j / h_t of the clean rows of the targets."""
        share = np.zeros(len(self.y))
        for target in self.targets:
            clean = np.flatnonzero(self.problem.codes == target)
            share[clean] = self.weight[clean] / self.weight[clean].sum()
        return share

    def task(self, gradient, kind):
        """Positional arguments of the oracles' gradients."""
        p = self.problem
        rows = (self.X, self.y, self.codes, self.weight, self.injected, self.targets)
        return (gradient, *rows, p.lambda1, p.lambda2, p.loss, relationship_of(p, kind))

    def model(self):
        """Keyword arguments of the oracles' gradients."""
        p = self.problem
        kappa = 1.0 if RECORD_OF[p.loss].has_free_intercept else p.kappa
        return {"m": p.m, "fit_intercept": p.fit_intercept, "kappa": kappa}

    def solve(self, relationship):
        """The package's victim, and H through it."""
        p = self.problem
        problem = FederatedProblem(
            self.X,
            self.y,
            self.codes,
            self.weight,
            loss=LOSS_OF[p.loss](),
            relationship=relationship,
            intercept=INTERCEPT_OF[p.loss] if p.fit_intercept else "none",
            intercept_scaling=p.kappa,
        )
        # a gap of 1e-13 still leaves errors of 1e-5 in a small gradient: as far as rounding allows
        solver = SplittingSolver(tol=CHECK_TOL, max_iter=300)
        W = problem.solve(solver, np.random.default_rng(0)).W
        solved = Solved.at(
            problem.nodes,
            W,
            first_rho(relationship, W, problem.nodes.moments_of(problem.nodes.alpha)),
        )
        shares = problem.split(self.share())

        def damage(l):
            node = problem.nodes.each()[l]
            return Damage(node.X, node.y, shares[l], True) if shares[l].any() else None

        loss = upper_loss("victim", LOSS_OF[p.loss]())
        adjoint = Adjoint(relationship, problem.nodes)
        return problem, solved, UpperObjective(problem, loss, damage, self.injected, adjoint)


def relationship(problem, kind):
    if kind == "none":
        return Independent(problem.m, problem.lambda2)
    if kind == "omega":
        return Fixed(problem.Omega, problem.lambda1, problem.lambda2)
    return Learned(problem.m, problem.lambda1, problem.lambda2)


@st.composite
def attacked(draw, losses, threats=THREATS):
    """A small problem, its targets and sources, and the injected rows."""
    p = draw(
        problems(
            losses,
            max_nodes=4,
            max_rows=8,
            max_features=3,
            lambda1=LAMBDAS,
            lambda2=LAMBDAS,
            oddities=False,
        )
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    nodes = rng.permutation(np.unique(p.codes))
    targets, others = np.split(nodes, [max(1, len(nodes) // 2)])
    threat = draw(st.sampled_from(threats))
    sources = {"direct": targets, "indirect": others, "hybrid": [targets[0], *others[:1]]}[threat]
    if len(sources) == 0:  # a single node has rows
        sources = targets
    y = rng.normal(size=len(sources))
    mean_weight = [p.weight[p.codes == source].mean() for source in sources]
    return Attacked(
        problem=p,
        X=np.vstack([p.X, rng.normal(size=(len(sources), p.X.shape[1])) + 0.2]),
        y=np.append(p.y, RECORD_OF[p.loss].targets(y)),
        codes=np.append(p.codes, np.array(sources)),
        weight=np.append(p.weight, mean_weight),
        targets=targets,
        sources=np.array(sources),
    )


#: Gradients that have the same differences, by kind: holding what is given anyway changes nothing.
ALIKE = {
    "none": (("total", "implicit"), ("dual",)),
    "omega": (("total", "implicit"), ("dual",)),
    "learned": (("total",), ("implicit",), ("dual",)),
}


@pytest.mark.parametrize(
    ("kind", "gradients"), [(kind, one) for kind in KINDS for one in ALIKE[kind]]
)
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_against_finite_differences(loss, kind, gradients):
    """1e-5 of the norm; the floor is what differences of 1e-5 leave of an exact zero."""
    seen = {"drawn": 0, "compared": 0, "not zero": 0}

    @settings(max_examples=examples(1 / 3))  # each refits its victim many times
    @given(attacked((loss,)))
    def check(attack):
        seen["drawn"] += 1
        task, model = attack.task(gradients[0], kind), attack.model()
        expected = fd_gradient(*task, **model)
        # a held Sigma of low rank may leave fewer dimensions than there are rows on the margin
        if expected is None or dense_gradient(*task, **model) is None:
            return
        seen["compared"] += 1
        seen["not zero"] += bool(np.linalg.norm(expected) > 1e-6)
        _, solved, upper = attack.solve(relationship(attack.problem, kind))
        size = np.linalg.norm(expected)
        for gradient in gradients:
            found = upper.full_gradient(gradient, solved)[:, :-1]
            assert found.shape == expected.shape
            assert np.linalg.norm(found - expected) <= 1e-5 * size + 1e-9

    check()
    assert seen["compared"] >= 0.7 * seen["drawn"], seen
    # about a quarter of the hinge's, whose rows often all rest
    assert seen["not zero"] >= 0.15 * seen["drawn"], seen


@pytest.mark.parametrize("loss", LOSSES)
def test_the_objective_is_the_mean_loss_of_clean_target_rows(loss):
    @given(attacked((loss,)))
    def check(attack):
        p, model = attack.problem, attack.model()
        problem, solved, upper = attack.solve(relationship(p, "omega"))
        W, b = problem.coefficients(solved.W)
        clean = (p.X, p.y, p.codes, p.weight, attack.targets, p.loss)
        assert_allclose(upper.value(solved), upper_H(W, b, *clean), rtol=1e-10, atol=1e-12)
        task = attack.task("implicit", "omega")
        victim = solve_victim(*task[1:5], *task[7:], **model)
        if victim is not None:
            expected = upper_H(victim.W, victim.b, *clean)
            assert_allclose(upper.value(solved), expected, rtol=1e-5, atol=1e-9)

    check()


@pytest.mark.parametrize(
    ("loss", "kind", "gradient"), covering(2, LOSSES, ("none", "diagonal"), GRADIENTS)
)
def test_nodes_that_are_not_tied_cannot_be_reached(loss, kind, gradient):
    """A diagonal relationship makes every indirect gradient zero, to the last bit."""
    seen = {"indirect": 0}

    @given(attacked((loss,), threats=("indirect",)))
    def check(attack):
        p = attack.problem
        untied = relationship(p, "none")
        if kind == "diagonal":
            untied = Fixed(np.diag(np.linspace(0.3, 2.0, p.m)), p.lambda1, p.lambda2)
        if len(np.intersect1d(attack.sources, attack.targets)):
            return
        seen["indirect"] += 1
        _, solved, upper = attack.solve(untied)
        found = upper.full_gradient(gradient, solved)[:, :-1]
        assert_array_equal(found, np.zeros_like(found))

    check()
    assert seen["indirect"] >= 0.6 * examples(1), seen


REAL = {
    "landmine": (fetch_landmine, "hinge"),
    "human activity": (fetch_human_activity, "squared_hinge"),
    "parkinsons, total": (fetch_parkinsons, "squared_error"),
    "parkinsons, motor": (partial(fetch_parkinsons, "motor"), "squared_error"),
    "heart": (fetch_heart_disease, "logistic"),
}


def slice_of_real_data(fetch, loss, folder, n_nodes=4, n_rows=12, n_features=5):
    """Both classes and `n_rows` rows of the first nodes; z-scores of the features that vary."""
    X, y, nodes = fetch(data_home=folder, return_X_y_nodes=True)
    X = np.nan_to_num(np.asarray(X, dtype=float))
    regression = RECORD_OF[loss].is_regression
    if not regression:
        y = y == np.unique(y)[-1]
    labels = np.unique(nodes)[:n_nodes]
    picked = []
    for label in labels:
        rows = np.flatnonzero(nodes == label)
        if not regression:
            classes = [rows[y[rows] == value] for value in np.unique(y)]
            rows = np.concatenate([part[: n_rows // 2] for part in classes])
        picked.append(rows[:: max(1, len(rows) // n_rows)][:n_rows])
    rows = np.concatenate(picked)
    X, y = X[rows], y[rows]
    X = X[:, np.argsort(-np.ptp(X, axis=0) / (np.abs(X).max(axis=0) + 1e-9))[:n_features]]
    X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)
    y = (y - y.mean()) / y.std() if regression else np.where(y, 1.0, -1.0)
    return X, y.astype(float), np.searchsorted(labels, nodes[rows])


@pytest.mark.parametrize(("gradient", "kind"), [("total", "learned"), ("implicit", "omega")])
@pytest.mark.parametrize("threat", THREATS)
@pytest.mark.parametrize(("fetch", "loss"), REAL.values(), ids=REAL)
def test_gradients_on_slices_of_real_data(fetch, loss, threat, gradient, kind, shared_data):
    X, y, codes = slice_of_real_data(fetch, loss, shared_data)
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    p = Problem(
        X=X,
        y=y,
        nodes=codes,
        sample_weight=None,
        node_labels=[0, 1, 2, 3],
        lists_labels=True,
        lambda1=0.02,
        lambda2=0.05,
        loss=loss,
        fit_intercept=True,
        kappa=1.0,
        Omega=root @ root.T + np.eye(4),
    )
    sources = {"direct": [0, 1], "indirect": [2, 3], "hybrid": [0, 2]}[threat]
    start = np.concatenate([np.flatnonzero(codes == source)[:2] for source in sources])
    attack = Attacked(
        problem=p,
        X=np.vstack([X, X[start] + 0.1 * rng.normal(size=(4, X.shape[1]))]),
        y=np.append(y, -y[start]),
        codes=np.append(codes, codes[start]),
        weight=np.ones(len(y) + 4),
        targets=np.array([0, 1]),
        sources=np.array(sources),
    )
    expected = fd_gradient(*attack.task(gradient, kind), **attack.model())
    assert expected is not None  # no kink lies within the differences
    _, solved, upper = attack.solve(relationship(p, kind))
    found = upper.full_gradient(gradient, solved)[:, :-1]
    size = np.linalg.norm(expected)
    assert size > 1e-6
    assert np.linalg.norm(found - expected) <= 1e-5 * size


@pytest.mark.parametrize(
    ("estimator", "kind", "intercept", "gradient"),
    covering(3, ESTIMATORS, KINDS, (True, False), GRADIENTS),
)
def test_moved_rows_give_what_a_fresh_problem_gives(estimator, kind, intercept, gradient):
    """The game keeps its victim warm and its rows centred while the injected rows move."""
    X, y, nodes = make_rows(estimator)
    victim = estimator(
        lambda1=0.05,
        lambda2=0.1,
        relationship=OMEGA if kind == "omega" else kind,
        fit_intercept=intercept,
        random_state=0,
    )
    poisoner = Watched(
        victim, attack="hybrid", target_nodes=[0], source_nodes=[0, 1], random_state=1
    ).fit(X, y, nodes=nodes)
    start = poisoner.start_
    game, rng = poisoner.game(), np.random.default_rng(2)
    for _ in range(3):
        rows = start.X + 0.5 * rng.normal(size=start.X.shape)
        game.value(rows + rng.normal(size=rows.shape))
        moved, slope = game.value(rows), game.gradient(gradient)
    fresh = poisoner.game(start=start._replace(X=rows), seed=5)
    assert_allclose(moved, fresh.value(rows), rtol=1e-7)
    expected = fresh.gradient(gradient)
    assert_allclose(slope, expected, atol=1e-6 * np.linalg.norm(expected) + 1e-9)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_of_an_attack_is_that_of_its_estimator(loss, gradient):
    """Estimator, attack and oracle agree on lambdas, intercepts, classes and order of nodes."""
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], sizes=(8, 6, 9), n_features=6, strings=True)
    p = Problem(
        X=X,
        y=RECORD_OF[loss].targets(y),
        nodes=nodes,
        sample_weight=None,
        node_labels=["n2", "n0", "n1"],
        lists_labels=True,
        lambda1=0.3,
        lambda2=0.2,
        loss=loss,
        fit_intercept=True,
        kappa=2.0,
        Omega=OMEGA,
    )
    threat = {"attack": "indirect", "target_nodes": ["n2"], "source_nodes": ["n0", "n1"]}
    poisoner = Watched(estimator_of(p, "omega"), budget=0.3, random_state=0, **threat)
    start = poisoner.fit(X, y, nodes=nodes).start_
    game = poisoner.game()
    game.value(start.X)
    attack = Attacked(
        problem=p,
        X=np.vstack([X, start.X]),
        y=np.append(p.y, RECORD_OF[loss].targets(start.y)),
        codes=np.append(p.codes, start.codes),
        weight=np.ones(len(X) + len(start.X)),
        targets=np.array([0]),
        sources=np.array([1, 2]),
    )
    expected = dense_gradient(*attack.task(gradient, "omega"), **attack.model())
    size = np.linalg.norm(expected)
    assert size > 1e-4
    assert_allclose(game.gradient(gradient), expected, atol=1e-6 * size)
