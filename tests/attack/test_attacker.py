"""The bilevel attack and the random one as estimators: what they reach and how they behave."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from estimators import ESTIMATOR_OF, ESTIMATORS, KINDS, LOSSES, climber, estimator_of, make_rows
from oracles.gradients import dense_gradient
from oracles.losses import RECORD_OF
from oracles.strategies import problems
from oracles.victim import upper_H
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    PoisoningAttacker,
    RandomPoisoner,
)

POISONERS = (PoisoningAttacker, RandomPoisoner)


def victim(estimator, **params):
    return estimator(**{"lambda1": 0.05, "lambda2": 0.1, "random_state": 0, **params})


def attacker(estimator=FMTLRegressor, victim_params=None, **params):
    """A short attack; `estimator` is the victim's class."""
    model = victim(estimator, **(victim_params or {}))
    return climber(model, **{"max_iter": 5, "random_state": 0, **params})


def random_of(attack):
    """The random attack with the same threat model."""
    known = RandomPoisoner(attack.estimator).get_params(deep=False)
    params = {name: value for name, value in attack.get_params(deep=False).items() if name in known}
    return RandomPoisoner(**params)


# -- what it reaches ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_search_never_loses(loss, kind):
    """H of the best rows never falls, is found by the refit, and beats the start in every draw."""
    lambdas = (0.1, 0.02, 1.0)

    @given(
        problems((loss,), max_nodes=4, max_features=4, lambda1=lambdas, lambda2=lambdas),
        st.sampled_from(["direct", "indirect", "hybrid"]),
        st.sampled_from(["total", "implicit", "dual"]),
        st.sampled_from([("adaptive", 100.0), ("plain", 10.0)]),
        st.sampled_from(["clean", "ball"]),
        st.integers(0, 1000),
    )
    def check(p, attack, gradient, step, init, seed):
        assume(attack != "indirect" or len(np.unique(p.nodes)) > 1)
        assume(np.ptp(p.y) > 0)
        model = climber(
            estimator_of(p, kind),
            attack=attack,
            gradient=gradient,
            step=step[0],
            eta=step[1],
            init=init,
            smoothing=0.0,
            max_iter=3,
            victim_tol=1e-10,
            random_state=seed,
        ).fit(p.X, p.y, nodes=p.nodes)
        history = model.objective_history_
        assert len(history) == model.n_iter_ + 1
        assert (np.diff(history) >= 0).all()
        assert_allclose(model.objective_, history[-1], rtol=2e-4, atol=1e-6)
        start = random_of(model).fit(p.X, p.y, nodes=p.nodes)
        assert_allclose(start.objective_, history[0], rtol=2e-4, atol=1e-6)
        assert model.objective_ >= start.objective_ * (1 - 2e-4) - 1e-6
        assert_array_equal(model.poison_y_, start.poison_y_)
        assert_array_equal(model.poison_nodes_, start.poison_nodes_)
        targets = [p.node_labels.index(label) for label in model.target_nodes_.tolist()]
        W, b = model.estimator_.coef_, model.estimator_.intercept_
        H = upper_H(W, b, p.X, p.y, p.codes, None, targets, loss)
        assert_allclose(model.objective_, H, rtol=1e-9, atol=1e-12)

    check()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_an_attack_beats_the_random_one_by_far(estimator):
    X, y, nodes = make_rows(estimator, (20, 15, 18), n_features=4)
    model = attacker(estimator, max_iter=30, target_nodes=[0], radius=6.0, budget=0.3)
    start = random_of(model.fit(X, y, nodes=nodes)).fit(X, y, nodes=nodes)
    clean = clone(start).set_params(budget=0).fit(X, y, nodes=nodes)
    assert model.objective_ > 1.3 * start.objective_
    assert start.objective_ > clean.objective_
    assert model.score(X, y, nodes=nodes) > start.score(X, y, nodes=nodes)


@pytest.mark.parametrize("gradient", ["total", "implicit", "dual"])
@pytest.mark.parametrize("relationship", ["none", "diagonal"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_an_indirect_attack_needs_ties(estimator, relationship, gradient):
    X, y, nodes = make_rows(estimator)
    tie = np.diag([1.0, 2.0, 3.0]) if relationship == "diagonal" else relationship
    model = attacker(estimator, {"relationship": tie}, attack="indirect", gradient=gradient)
    model.fit(X, y, nodes=nodes)
    start = random_of(model).fit(X, y, nodes=nodes)
    assert_array_equal(model.poison_X_, start.poison_X_)
    assert model.n_iter_ == 0
    target = model.clean_estimator_.nodes_ == model.target_nodes_[0]
    clean, poisoned = (m.coef_[target] for m in (model.clean_estimator_, model.estimator_))
    assert_allclose(clean, poisoned, atol=1e-4)


@pytest.mark.parametrize("step", ["plain", "adaptive"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_without_a_search_every_step_is_taken(estimator, step):
    X, y, nodes = make_rows(estimator)
    found = []
    for n in range(1, 5):
        options = {"smoothing": 0.0, "line_search": False, "tol": 0, "victim_tol": 1e-8}
        model = attacker(estimator, step=step, eta=300.0, max_iter=n, **options)
        found.append(model.fit(X, y, nodes=nodes))
        assert model.n_iter_ == n
        # the last rows are returned, whatever H did
        assert_allclose(model.objective_, model.objective_history_[-1], rtol=1e-4)
    if step == "plain":  # each run prolongs the one before
        history = found[-1].objective_history_
        for n, model in enumerate(found, start=1):
            assert_allclose(model.objective_history_, history[: n + 1], rtol=1e-4)
    assert not np.array_equal(found[-1].poison_X_, found[-2].poison_X_)


@pytest.mark.parametrize("make", POISONERS)
@pytest.mark.parametrize("init", ["clean", "ball"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_no_iteration_returns_the_rows_as_drawn(estimator, init, make):
    X, y, nodes = make_rows(estimator)
    # H follows the weights, which a gap of 1e-8 leaves off by 1e-4 of it
    given = {"init": init, "budget": 0.5, "attack": "hybrid", "victim_tol": 1e-8}
    model = attacker(estimator, max_iter=0, smoothing=0.0, **given)
    model.fit(X, y, nodes=nodes)
    other = make(victim(estimator), random_state=0, **given)
    if make is PoisoningAttacker:
        other.set_params(max_iter=0, gradient="dual", step="plain", line_search=False)
    other.fit(X, y, nodes=nodes)
    for name in ("target_nodes_", "source_nodes_", "poison_X_", "poison_y_", "poison_nodes_"):
        assert_array_equal(getattr(model, name), getattr(other, name))
    assert model.n_iter_ == 0
    assert_allclose(model.objective_history_, [other.objective_], rtol=1e-4)


@pytest.mark.parametrize("gradient", ["total", "implicit", "dual"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_plain_step_is_equation_four(loss, gradient):
    """x + eta * gradient, projected; the gradient by the oracle, at the rows as drawn."""
    estimator = ESTIMATOR_OF[loss]
    X, y, nodes = make_rows(estimator, (8, 6, 9), n_features=6)
    omega = np.array([[2.0, -0.8, 0.3], [-0.8, 1.5, -0.5], [0.3, -0.5, 1.0]])
    lambdas = {"lambda1": 0.3, "lambda2": 0.2}
    threat = {"attack": "hybrid", "target_nodes": [0], "source_nodes": [0, 2], "radius": 3.0}
    model = attacker(
        estimator,
        {"loss": loss, "relationship": omega, **lambdas},
        **threat,
        gradient=gradient,
        step="plain",
        smoothing=0.0,
        line_search=False,
        max_iter=1,
        victim_tol=1e-13,
    )
    start = random_of(model).fit(X, y, nodes=nodes)
    n, k = len(X), len(start.poison_X_)
    slope = dense_gradient(
        gradient,
        np.vstack([X, start.poison_X_]),
        RECORD_OF[loss].targets(np.append(y, start.poison_y_)),
        np.append(nodes, start.poison_nodes_),
        None,
        np.arange(n, n + k),
        [0],
        *lambdas.values(),
        loss,
        omega,
        fit_intercept=True,
    )
    assert np.abs(slope).max() > 1e-5
    for eta in (1.0, 0.1 / np.abs(slope).max(), 1e3 / np.abs(slope).max()):
        expected = start.poison_X_ + eta * slope
        length = np.linalg.norm(expected, axis=1)
        expected *= np.minimum(1.0, 3.0 / length)[:, None]
        model.set_params(eta=eta).fit(X, y, nodes=nodes)
        assert_allclose(model.poison_X_, expected, atol=1e-5 * eta * np.abs(slope).max())


# -- as an estimator ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, None], ids=["victim's seed", "no victim's seed"])
@pytest.mark.parametrize("make", POISONERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_same_seed_gives_the_same_bits(estimator, make, seed):
    """Also through a victim that has no seed of its own."""
    X, y, nodes = make_rows(estimator)
    first, again, other = (
        make(victim(estimator, random_state=seed), random_state=state, target_nodes=[0])
        for state in (3, 3, 4)
    )
    for model in (first, again, other):
        model.fit(X, y, nodes=nodes)
    if make is not PoisoningAttacker:  # whose rows may be the best ones from wherever it begins
        assert not np.array_equal(first.poison_X_, other.poison_X_)
    assert_array_equal(first.poison_X_, again.poison_X_)
    assert_array_equal(first.estimator_.coef_, again.estimator_.coef_)
    assert first.objective_ == again.objective_


def test_score_is_the_mean_error_over_target_nodes():
    """Larger is stronger; rows of other nodes do not matter, nor how many rows a target has."""
    for estimator in ESTIMATORS:
        X, y, nodes = make_rows(estimator, (20, 6, 9))
        model = attacker(estimator, target_nodes=[0, 1]).fit(X, y, nodes=nodes)
        predicted = model.predict(X, nodes=nodes)
        if estimator is FMTLClassifier:
            errors = [np.mean((y != predicted)[nodes == t]) for t in (0, 1)]
        else:
            errors = [np.sqrt(np.mean((y - predicted)[nodes == t] ** 2)) for t in (0, 1)]
        assert_allclose(model.score(X, y, nodes=nodes), np.mean(errors))
        some = nodes < 2
        assert_allclose(model.score(X[some], y[some], nodes=nodes[some]), np.mean(errors))
        with pytest.raises(ValueError, match=r"`nodes`.*target node"):
            model.score(X[nodes > 0], y[nodes > 0], nodes=nodes[nodes > 0])


def test_rows_of_unknown_nodes_are_no_target_rows():
    X, y, nodes = make_rows(FMTLRegressor)
    model = attacker(victim_params={"handle_unknown": "mean"}, target_nodes=[2])
    model.fit(X, y, nodes=nodes)
    expected = model.score(X, y, nodes=nodes)
    assert_allclose(model.score(X, y, nodes=np.where(nodes == 0, 99, nodes)), expected)


@pytest.mark.parametrize("make", POISONERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_predictions_are_those_of_the_poisoned_victim(estimator, make):
    X, y, nodes = make_rows(estimator)
    model = make(victim(estimator), random_state=0)
    with pytest.raises(NotFittedError):
        model.predict(X, nodes=nodes)
    data = model.poison(X, y, nodes=nodes)
    again = victim(estimator, tol=model.victim_tol).fit(data.X, data.y, nodes=data.nodes)
    assert_array_equal(model.estimator_.coef_, again.coef_)
    clean = victim(estimator, tol=model.victim_tol).fit(X, y, nodes=nodes)
    assert_array_equal(model.clean_estimator_.coef_, clean.coef_)
    assert not np.allclose(again.coef_, clean.coef_)
    assert_array_equal(model.predict(X, nodes=nodes), again.predict(X, nodes=nodes))
    assert hasattr(model, "decision_function") == (estimator is FMTLClassifier)
    if estimator is FMTLClassifier:
        decision = model.decision_function(X, nodes=nodes)
        assert_array_equal(decision, again.decision_function(X, nodes=nodes))
        assert_array_equal(model.classes_, [0, 1])
