"""What crafting offers, through scalers: other rows to hurt, targets that move, files, restarts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from estimators import ESTIMATOR_OF, ESTIMATORS, Watched
from interruptions import fit_in_pieces
from pipelines import frame, model, pipeline, poisoner, scaled, uneven
from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker
from skfedmtl.attack._setting.start import Evaluation, target_ranges

every_victim = pytest.mark.parametrize("estimator", ESTIMATORS)


def attacker(victim, **params):
    return poisoner(PoisoningAttacker, victim, **{"target_nodes": [0], **params})


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize(
    "loss, upper",
    [
        ("squared_error", "victim"),
        ("squared_hinge", "victim"),
        ("squared_hinge", "ramp"),
        ("logistic", "victim"),
        ("logistic", "ramp"),
    ],
)
def test_the_full_gradient_is_that_of_the_value(loss, upper, others):
    """Of rows and, in regression, of targets; every value is that of a victim solved afresh."""
    estimator = ESTIMATOR_OF[loss]
    X, y, nodes = uneven(estimator)
    params = {"lambda1": 0.02, "lambda2": 0.02, "tol": 1e-13, "loss": loss, "max_iter": 5000}
    victim = pipeline([StandardScaler(), MinMaxScaler()], estimator, **params)
    attack = Watched(victim, target_nodes=[0], random_state=0, victim_tol=1e-13, upper_loss=upper)
    target = (X[::2] + 0.1, y[::2], nodes[::2]) if others else (None, None, None)
    attack.fit(X, y, nodes=nodes, X_target=target[0], y_target=target[1], nodes_target=target[2])
    evaluation = Evaluation(*target) if others else None
    if others:
        for found, given in zip(attack.evaluation_, evaluation, strict=True):
            assert_array_equal(found, given)

    def play(rows, labels):
        game = attack.game(upper=upper, evaluation=evaluation)
        return game, game.value(rows) if labels is None else game.value(rows, labels)

    spread = np.maximum(X.std(axis=0), 0.1)
    low, high = target_ranges(attack.clean_, attack.start_.codes)
    rows = attack.start_.X + 0.5 * spread * np.random.default_rng(1).normal(size=(2, 4))
    labels = None if estimator is FMTLClassifier else 0.3 * low + 0.7 * high
    game, _ = play(rows, labels)
    slope = game.full_gradient("total")
    assert_allclose(slope[:, :-1], game.gradient("total"), rtol=1e-12)
    step = 1e-4 * np.append(spread, 1.0)
    expected = np.zeros_like(slope)
    for i, j in np.ndindex(*slope.shape):
        if j == 4 and labels is None:
            slope[i, j] = 0.0  # classes do not move
            continue
        move = np.zeros_like(slope)
        move[i, j] = step[j]
        ends = []
        for end in (move, -move):
            moved = None if labels is None else labels + end[:, 4]
            ends.append(play(rows + end[:, :4], moved)[1])
        expected[i, j] = (ends[0] - ends[1]) / (2.0 * step[j])
    scale = np.append(spread, 1.0)
    size = np.linalg.norm(expected * scale)
    assert size > 1e-4
    assert_allclose(slope * scale, expected * scale, atol=1e-4 * size)


@pytest.mark.parametrize("given", ["nodes", "column"])
@every_victim
def test_other_rows_are_scaled_as_the_victim_scales_them(estimator, given):
    X, y, nodes = uneven(estimator, sizes=(20, 15, 18))
    train, test = np.arange(len(y)) % 3 > 0, np.arange(len(y)) % 3 == 0
    attack = attacker(pipeline([RobustScaler()], estimator), max_iter=0, radius=1e6)
    if given == "column":
        table = frame(X)
        table.insert(2, "node", nodes)
        attack.set_params(node_column="node")
        attack.fit(table[train], y[train], X_target=table[test], y_target=y[test])
    else:
        target = {"X_target": X[test], "y_target": y[test], "nodes_target": nodes[test]}
        attack.fit(X[train], y[train], nodes=nodes[train], **target)
    Z = scaled(attack.clean_estimator_, frame(X) if given == "column" else X)
    target = {"X_target": Z[test], "y_target": y[test], "nodes_target": nodes[test]}
    bare = attacker(model(estimator), max_iter=0, radius=1e6)
    bare.fit(Z[train], y[train], nodes=nodes[train], **target)
    assert_allclose(attack.objective_history_, bare.objective_history_, rtol=1e-4)
    assert_allclose(attack.objective_, bare.objective_, rtol=1e-4)


def test_wrong_other_rows():
    X, y, nodes = uneven()
    attack = attacker(pipeline([StandardScaler()]))
    cases = {
        "X_target.*3 features": (X[:, :3], y, nodes),
        "X_target.*NaN": (np.where(X > 9, np.nan, X), y, nodes),
        "y_target.*inconsistent": (X, y[:-1], nodes),
        "nodes_target.*nodes": (X, y, None),
        "`nodes_target` has no row of the target nodes": (
            X[nodes > 0],
            y[nodes > 0],
            nodes[nodes > 0],
        ),
    }
    for words, (rows, target, where) in cases.items():
        with pytest.raises(ValueError, match=words):
            attack.fit(X, y, nodes=nodes, X_target=rows, y_target=target, nodes_target=where)


def test_targets_that_move():
    X, y, nodes = uneven(sizes=(20, 15, 18))
    victim = pipeline([StandardScaler()])
    given = {"radius": 1.0, "max_iter": 20, "labels": "keep"}
    still = attacker(victim, **given).fit(X, y, nodes=nodes)
    moving = attacker(victim, optimize_labels=True, **given).fit(X, y, nodes=nodes)
    assert moving.objective_ > still.objective_
    mine = y[nodes == 0]
    assert mine.min() <= moving.poison_y_.min()
    assert moving.poison_y_.max() <= mine.max()
    assert not np.array_equal(moving.poison_y_, still.poison_y_)


@pytest.mark.parametrize("params", [{}, {"optimize_labels": True}, {"n_restarts": 2}])
def test_a_stopped_attack_goes_on_to_the_same_bits(params, tmp_path, monkeypatch):
    X, y, nodes = uneven()
    attack = attacker(pipeline([StandardScaler(), None]), max_iter=8, tol=0, **params)
    whole = clone(attack).fit(X, y, nodes=nodes)
    attack.set_params(checkpoint=tmp_path)
    assert fit_in_pieces(attack, X, y, nodes, monkeypatch, n_stops=14) >= 8
    for name in ("poison_X_", "poison_y_", "objective_history_", "objective_"):
        assert_array_equal(getattr(attack, name), getattr(whole, name))
    assert_array_equal(attack.estimator_[-1].coef_, whole.estimator_[-1].coef_)


def test_every_choice_of_scalers_has_a_file_of_its_own(tmp_path):
    X, y, nodes = uneven()
    choices = [
        [StandardScaler()],
        [StandardScaler(with_mean=False)],
        [RobustScaler()],
        [StandardScaler(), RobustScaler()],
        [RobustScaler(), StandardScaler()],
        ["passthrough", StandardScaler()],
    ]
    for n, scalers in enumerate(choices, start=1):
        for workers in (None, 1):  # which tell the result nothing
            victim = pipeline(scalers, FMTLRegressor, n_jobs=workers)
            attacker(victim, checkpoint=tmp_path, max_iter=1).fit(X, y, nodes=nodes)
        assert len(list(tmp_path.iterdir())) == n


def test_restarts_run_in_any_process():
    X, y, nodes = uneven()
    attack = attacker(pipeline([RobustScaler()]), n_restarts=3)
    one, two = (clone(attack).set_params(n_jobs=n).fit(X, y, nodes=nodes) for n in (1, 2))
    assert_array_equal(one.poison_X_, two.poison_X_)
    assert one.objective_ == two.objective_
