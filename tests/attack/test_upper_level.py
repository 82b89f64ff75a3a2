"""The upper level: other losses, other rows, labels that move; gradients by refitted victims."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from estimators import ESTIMATOR_OF, Watched, climber, make_rows
from oracles.losses import CLASSIFICATION_LOSSES, RECORD_OF, REGRESSION_LOSSES
from oracles.victim import solve_victim
from profiles import IS_LONG
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl.attack import DamageBound
from skfedmtl.attack._bilevel.lower_level import WithTargets
from skfedmtl.attack._setting.start import Evaluation, target_ranges

STEP = 1e-5


def watched(loss, intercept, seed):
    """A poisoner at its start, on three related nodes."""
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], sizes=(9, 8, 10), n_features=2, seed=seed)
    victim = ESTIMATOR_OF[loss](
        lambda1=0.05, lambda2=0.05, loss=loss, fit_intercept=intercept, random_state=0
    )
    poisoner = Watched(
        victim, attack="hybrid", target_nodes=[0], source_nodes=[0, 1], random_state=seed
    )
    return poisoner.fit(X, y, nodes=nodes)


def differences(poisoner, H, rows, y):
    """Central differences of H(W, b) over rows and targets; None near a kink."""
    clean, start, victim = poisoner.clean_, poisoner.start_, poisoner.clean_estimator_
    signed = clean.y.astype(float)
    if isinstance(victim, FMTLClassifier):
        signed, y = 2 * signed - 1, np.where(y == victim.classes_[1], 1.0, -1.0)
    codes = np.concatenate([clean.codes, start.codes])

    def solve(rows, y):
        solved = solve_victim(
            np.vstack([clean.X, rows]),
            np.append(signed, y),
            codes,
            np.ones(len(codes)),
            0.05,
            0.05,
            victim.loss,
            "learned",
            fit_intercept=victim.fit_intercept,
        )
        if solved is None:
            return None
        return solved, H(solved.W[:, :2], solved.b)

    both = np.column_stack([rows, y])
    slope = np.empty_like(both)
    for at in np.ndindex(both.shape):
        ends = []
        for sign in (1, -1):
            moved = both.copy()
            moved[at] += sign * STEP
            ends.append(solve(moved[:, :-1], moved[:, -1]))
        if None in ends:
            return None
        (one, up), (two, down) = ends
        if one.rank != two.rank or (one.sides != two.sides).any():
            return None
        slope[at] = (up - down) / (2 * STEP)
    return slope


def compare(loss, make_H, make_options, labels=False):
    """Gradients of several draws, in both intercepts; some must not be near a kink."""
    compared, sizes = 0, []
    for intercept in (True, False):
        for seed in range(4 if IS_LONG else 3):
            poisoner = watched(loss, intercept, seed)
            start = poisoner.start_
            y = start.y.astype(float) * (1.0 if not labels else 0.7)
            found_game = poisoner.game(**make_options(poisoner))
            found_game.value(start.X, y if labels else None)
            found = found_game.full_gradient("total")
            expected = differences(poisoner, make_H(poisoner), start.X, y if labels else start.y)
            if expected is None:
                continue
            compared += 1
            size = np.linalg.norm(expected[:, :2])
            assert_allclose(found[:, :2], expected[:, :2], atol=2e-5 * size)
            if labels:
                size = np.linalg.norm(expected[:, 2])
                sizes.append(size)
                assert_allclose(found[:, 2], expected[:, 2], atol=2e-5 * size + 1e-9)
    assert compared >= 4
    assert not labels or np.sort(sizes)[-4] > 1e-3  # targets far off leave a Huber loss no slope


@pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
def test_gradient_of_the_ramp(loss):
    def make_H(poisoner):
        clean = poisoner.clean_
        mine = clean.codes == 0
        y = 2.0 * clean.y[mine] - 1.0
        return lambda W, b: np.mean(1 / (1 + np.exp(2 * y * (clean.X[mine] @ W[0] + b[0]))))

    compare(loss, make_H, lambda poisoner: {"upper": "ramp"})


@pytest.mark.parametrize("loss", [*REGRESSION_LOSSES, "logistic"])
def test_gradient_of_other_rows(loss):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], sizes=(7, 7, 7), n_features=2, seed=99)
    record = RECORD_OF[loss]

    def make_H(poisoner):
        mine = nodes == 0

        def H(W, b):
            f = X[mine] @ W[0] + b[0]
            return np.mean(record.value(record.targets(y[mine]), f))

        return H

    compare(loss, make_H, lambda poisoner: {"evaluation": Evaluation(X, y, nodes)})


@pytest.mark.parametrize("loss", REGRESSION_LOSSES)
def test_gradient_of_targets(loss):
    def make_H(poisoner):
        clean = poisoner.clean_
        mine = clean.codes == 0
        value = RECORD_OF[loss].value
        return lambda W, b: np.mean(value(clean.y[mine], clean.X[mine] @ W[0] + b[0]))

    compare(loss, make_H, lambda poisoner: {}, labels=True)


@pytest.mark.parametrize("loss", REGRESSION_LOSSES)
def test_rows_and_targets_as_one_variable(loss):
    poisoner = watched(loss, True, 0)
    start, inner = poisoner.start_, poisoner.game()
    low, high = target_ranges(poisoner.clean_, start.codes)
    both = WithTargets(inner, start.feasible, start.feasible.radius, low, high)
    rows, y = both.split(both.join(start.X, start.y))
    assert_allclose(rows, start.X)
    assert_allclose(y, start.y)
    far = both.project(both.join(1e3 * start.X, start.y + 1e3))
    rows, y = both.split(far)
    assert_allclose(np.linalg.norm(rows, axis=1), start.feasible.radius)
    assert_allclose(y, high, rtol=1e-14)
    assert np.all(y <= high)
    value = both.value(both.join(start.X, 0.5 * start.y))
    assert_allclose(value, poisoner.game().value(start.X, np.clip(0.5 * start.y, low, high)))


# -- through the estimator ----------------------------------------------------------------


def attack(estimator=FMTLRegressor, **params):
    given = {"target_nodes": [0], "max_iter": 8, "random_state": 0, **params}
    return climber(estimator(random_state=0), **given)


def test_the_clean_rows_as_target_rows_change_nothing():
    X, y, nodes = make_rows(FMTLRegressor)
    own = attack().fit(X, y, nodes=nodes)
    told = attack().fit(X, y, nodes=nodes, X_target=X, y_target=y, nodes_target=nodes)
    assert_allclose(told.objective_history_, own.objective_history_, rtol=1e-5)
    assert_allclose(told.objective_, own.objective_, rtol=1e-5)


@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_rows_made_for_target_rows_hurt_those_most(estimator):
    X, y, nodes = make_rows(estimator, (20, 15, 18))
    X_other, y_other, nodes_other = make_rows(estimator, (25, 5, 5), seed=7)
    told = attack(estimator).fit(
        X, y, nodes=nodes, X_target=X_other, y_target=y_other, nodes_target=nodes_other
    )
    own = attack(estimator).fit(X, y, nodes=nodes)
    f = own.estimator_._decision(X_other, nodes_other)[nodes_other == 0]
    truth = y_other[nodes_other == 0]
    if estimator is FMTLRegressor:
        other = np.mean((f - truth) ** 2)
    else:
        other = np.mean(np.maximum(0, 1 - (2 * truth - 1) * f))
    assert told.objective_ > other


def test_moving_targets_make_an_attack_stronger():
    X, y, nodes = make_rows(FMTLRegressor, (20, 15, 18))
    held = attack(labels="keep").fit(X, y, nodes=nodes)
    moving = {"labels": "keep", "optimize_labels": True}
    moved = attack(**moving).fit(X, y, nodes=nodes)
    assert_allclose(moved.objective_history_[0], held.objective_history_[0])
    assert moved.objective_ > held.objective_
    mine = y[nodes == 0]
    assert np.all((moved.poison_y_ >= mine.min()) & (moved.poison_y_ <= mine.max()))
    assert not np.allclose(moved.poison_y_, held.poison_y_)
    exact = attack(smoothing=0.0, victim_tol=1e-8, **moving).fit(X, y, nodes=nodes)
    assert_allclose(exact.objective_, exact.objective_history_[-1], rtol=1e-4)


def test_a_single_round_a_step():
    """Algorithm 1 of the paper: the victim is improved a little between steps."""
    X, y, nodes = make_rows(FMTLRegressor, (20, 15, 18))
    exact = attack().fit(X, y, nodes=nodes)
    single = attack(inner_iter=1).fit(X, y, nodes=nodes)
    start = attack(max_iter=0).fit(X, y, nodes=nodes)
    assert single.objective_ > start.objective_
    assert not np.array_equal(single.poison_X_, exact.poison_X_)


def test_a_poisoned_data_set_of_target_rows():
    X, y, nodes = make_rows(FMTLRegressor)
    judged = {"X_target": X[::2] + 1.0, "y_target": y[::2], "nodes_target": nodes[::2]}
    fitted = attack(max_iter=2).fit(X, y, nodes=nodes, **judged)
    data = attack(max_iter=2).poison(X, y, nodes=nodes, **judged)
    assert_array_equal(data.X[data.is_poison], fitted.poison_X_)
    own = attack(max_iter=2).poison(X, y, nodes=nodes)
    assert not np.array_equal(own.X, data.X)


@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_the_clean_objective_is_that_of_bounds_and_of_target_rows(estimator):
    X, y, nodes = make_rows(estimator)
    own = attack(estimator, max_iter=2).fit(X, y, nodes=nodes)
    bound = DamageBound(own.estimator, target_nodes=[0], max_iter=2, random_state=0)
    assert_allclose(own.clean_objective_, bound.fit(X, y, nodes=nodes).clean_objective_, rtol=1e-6)
    assert own.clean_objective_ < own.objective_
    judged = {"X_target": X, "y_target": y[::-1], "nodes_target": nodes}
    none = attack(estimator, budget=0.0).fit(X, y, nodes=nodes, **judged)
    assert_allclose(none.clean_objective_, none.objective_, rtol=1e-4)
    assert none.clean_objective_ > 1.1 * own.clean_objective_


BAD = [
    ({"optimize_labels": True, "estimator": FMTLClassifier}, {}, "optimize_labels"),
    ({"upper_loss": "ramp"}, {}, "upper_loss.*classification"),
    ({"upper_loss": "other"}, {}, "upper_loss"),
    ({"inner_iter": 0}, {}, "inner_iter"),
    ({"n_restarts": 0}, {}, "n_restarts"),
    ({"checkpoint": 3}, {}, "checkpoint"),
    ({"checkpoint": "folder", "random_state": None}, {}, "random_state"),
    ({}, {"X_target": [[0.0, 0.0, 0.0]]}, "y_target"),
    ({}, {"y_target": [1.0]}, "X_target"),
    ({}, {"nodes_target": [0]}, "X_target"),
    ({}, {"X_target": [[0.0] * 3], "y_target": [1.0], "nodes_target": [1]}, "nodes_target"),
    ({}, {"X_target": [[0.0] * 2], "y_target": [1.0], "nodes_target": [0]}, "X_target"),
    ({}, {"X_target": [[0.0] * 3], "y_target": [1.0, 2.0], "nodes_target": [0]}, "y_target"),
    ({}, {"X_target": [[0.0] * 3], "y_target": [1.0], "nodes_target": [9]}, "nodes_target"),
    ({}, {"X_target": [[0.0] * 3], "y_target": [1.0]}, "nodes"),
    (
        {"estimator": FMTLClassifier},
        {"X_target": [[0.0] * 3], "y_target": [7], "nodes_target": [0]},
        "y_target",
    ),
]


@pytest.mark.parametrize(("params", "given", "message"), BAD)
def test_wrong_arguments(params, given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    poisoner = attack(**params)
    X, y, nodes = make_rows(poisoner.estimator)
    with pytest.raises(ValueError, match=message):
        poisoner.fit(X, y, nodes=nodes, **given)
    for method in (poisoner.poison, poisoner.check_gradient) if given else ():
        with pytest.raises(ValueError, match=message):
            method(X, y, nodes=nodes, **given)
    assert not list(tmp_path.iterdir())


def test_the_objective_is_that_of_the_certified_weights():
    """Those that follow from the dual variables swing until both meet: here H was 2 % off."""
    rng = np.random.default_rng(0)
    nodes = np.repeat(np.arange(20), 50)
    X, W = rng.normal(size=(1000, 60)), rng.normal(size=60) + 0.3 * rng.normal(size=(20, 60))
    y = np.einsum("ij,ij->i", X, W[nodes]) > 0.0
    model = climber(
        FMTLClassifier(tol=1e-3, random_state=0),
        smoothing=0.0,
        max_iter=0,
        victim_tol=1e-3,
        random_state=0,
    ).fit(X, y, nodes=nodes)
    assert_allclose(model.objective_history_, [model.objective_], rtol=5e-3)
