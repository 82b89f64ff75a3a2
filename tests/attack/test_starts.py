"""Attempts from weights and from rows, how they are judged, and what attackers may want."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from estimators import ESTIMATOR_OF, LOSSES, make_rows
from oracles.losses import CLASSIFICATION_LOSSES, RECORD_OF
from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker, RandomPoisoner
from skfedmtl.attack._contest import attempts, restart
from skfedmtl.attack._contest.settings import Leg
from skfedmtl.attack._setting import Verdict

INITS = ("auto", "weights", "clean", "ball")


def attack(victim, **params):
    given = {"target_nodes": [0, 1], "max_iter": 6, "random_state": 0, **params}
    return PoisoningAttacker(victim, **given)


def errors(attacker, X, y, nodes, *, balanced=False):
    """The mean over targets of the share of wrong rows."""
    told, each = attacker.estimator_.predict(X, nodes=nodes), []
    for target in attacker.target_nodes_:
        own = nodes == target
        wrong = told[own] != y[own]
        kinds = [wrong[y[own] == label] for label in np.unique(y[own])] if balanced else [wrong]
        each.append(np.mean([kind.mean() for kind in kinds]))
    return np.mean(each)


# -- what is kept ---------------------------------------------------------------------------------


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_result_is_never_worse_than_the_start(loss, init):
    """In the criterion, and H where that is equal; the start is what a random poisoner injects."""
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], (16, 12, 14))
    victim = ESTIMATOR_OF[loss](loss=loss, random_state=0)
    start = "ball" if init == "ball" else "clean"
    for seed in range(3 if init in ("clean", "ball") else 1):
        found = attack(victim, init=init, random_state=seed).fit(X, y, nodes=nodes)
        drawn = RandomPoisoner(victim, target_nodes=[0, 1], init=start, random_state=seed)
        drawn.fit(X, y, nodes=nodes)
        assert (found.criterion_, found.objective_ + 1e-9) >= (drawn.criterion_, drawn.objective_)
        assert len(found.poison_y_) == len(drawn.poison_y_)
        assert_array_equal(found.poison_nodes_, drawn.poison_nodes_)


@pytest.mark.parametrize("loss", LOSSES)
def test_attempts_are_told_and_the_best_is_kept(loss):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], (16, 12, 14))
    victim = ESTIMATOR_OF[loss](loss=loss, random_state=0)
    found = attack(victim, n_restarts=2).fit(X, y, nodes=nodes)
    origins = [one["origin"] for one in found.attempts_]
    sought = ["weights"] if RECORD_OF[loss].is_scale_free else []
    assert set(origins) == {"ascent", "start", "mutated", *sought}
    assert origins.count("weights") == 2 * 3 * len(sought)
    (kept,) = [one for one in found.attempts_ if one["kept"]]
    assert_allclose(kept["objective"], found.objective_, rtol=1e-2)
    assert_allclose(kept["criterion"], found.criterion_, atol=0.1 * found.criterion_)
    best = max((one["criterion"], one["objective"]) for one in found.attempts_)
    assert (kept["criterion"], kept["objective"]) == best


def test_a_search_among_weights_counts_as_one_step():
    X, y, nodes = make_rows(FMTLClassifier, (16, 12, 14))
    found = attack(FMTLClassifier(), init="weights").fit(X, y, nodes=nodes)
    assert found.n_iter_ == 1
    assert len(found.objective_history_) == 2
    assert_allclose(found.objective_history_[1], found.objective_, rtol=1e-3)


@pytest.mark.parametrize(
    "params", [{"max_iter": 0}, {"inner_iter": 1}, {"labels": "keep"}, {"labels": "random"}]
)
def test_where_nothing_is_sought(params):
    """Automatic is clean there."""
    X, y, nodes = make_rows(FMTLClassifier, (16, 12, 14))
    found, clean = (
        attack(FMTLClassifier(), init=init, **params).fit(X, y, nodes=nodes)
        for init in ("auto", "clean")
    )
    assert_array_equal(found.poison_X_, clean.poison_X_)
    assert {one["origin"] for one in found.attempts_} <= {"start", "ascent"}


@pytest.mark.parametrize("labels", ["keep", "random"])
def test_weights_need_a_choice_of_labels(labels):
    X, y, nodes = make_rows(FMTLClassifier)
    with pytest.raises(ValueError, match=r"labels='.*init='weights'"):
        attack(FMTLClassifier(), init="weights", labels=labels).fit(X, y, nodes=nodes)


def test_sources_that_cannot_be_sought_climb():
    """Of numbers, those that are no targets."""
    X, y, nodes = make_rows(FMTLRegressor, (16, 12, 14))
    params = {"attack": "indirect", "target_nodes": [0]}
    found = attack(FMTLRegressor(), init="weights", **params).fit(X, y, nodes=nodes)
    clean = attack(FMTLRegressor(), init="clean", **params).fit(X, y, nodes=nodes)
    assert {one["origin"] for one in found.attempts_} == {"start", "ascent", "mutated"}
    climbed = next(one for one in found.attempts_ if one["origin"] == "ascent")
    assert_allclose(climbed["objective"], clean.objective_, rtol=1e-3)


# -- how attempts are judged ----------------------------------------------------------------------


@pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
@pytest.mark.parametrize("criterion", ["error", "balanced_error", "loss", "auto"])
def test_the_criterion_is_what_it_says(criterion, loss):
    X, y, nodes = make_rows(FMTLClassifier, (16, 12, 14))
    found = attack(FMTLClassifier(loss=loss), criterion=criterion).fit(X, y, nodes=nodes)
    if criterion == "loss":
        expected = found.objective_
    else:
        balanced = criterion == "balanced_error"
        expected = errors(found, X, y, nodes, balanced=balanced)
    assert_allclose(found.criterion_, expected)
    best = max(one["criterion"] for one in found.attempts_)
    assert next(one for one in found.attempts_ if one["kept"])["criterion"] == best


def test_the_criterion_of_many_classes():
    X, _, nodes = make_rows(FMTLClassifier, (16, 12, 14))
    y = np.array(["p", "q", "r"])[np.digitize(X[:, 0], [-0.5, 0.5])]
    found = attack(FMTLClassifier()).fit(X, y, nodes=nodes)
    assert_allclose(found.criterion_, errors(found, X, y, nodes))
    assert {one["origin"] for one in found.attempts_} == {"start", "weights", "ascent", "mutated"}
    assert set(found.poison_y_) <= {"p", "q", "r"}


def test_other_rows_are_judged_where_they_are_given():
    X, y, nodes = make_rows(FMTLClassifier, (16, 12, 14))
    others = make_rows(FMTLClassifier, (20, 18, 5), seed=5)
    named = dict(zip(("X_target", "y_target", "nodes_target"), others, strict=True))
    found = attack(FMTLClassifier()).fit(X, y, nodes=nodes, **named)
    assert_allclose(found.criterion_, errors(found, *others))
    own = attack(FMTLClassifier()).fit(X, y, nodes=nodes)
    assert found.criterion_ >= errors(own, *others) - 0.1
    assert any(one["origin"] == "weights" for one in found.attempts_)


def test_a_close_call_is_judged_by_solved_victims(monkeypatch):
    """Where a rough look cannot tell attempts apart, every one of them is looked at again."""
    monkeypatch.setattr("skfedmtl.attack._contest.restart.is_small", lambda case, start: False)
    asked = []
    verdict = attempts.Judge._verdict

    def counted(self, start, tol):
        asked.append(tol)
        return verdict(self, start, tol)

    monkeypatch.setattr(attempts.Judge, "_verdict", counted)
    X, y, nodes = make_rows(FMTLRegressor, (16, 12, 14))
    found = attack(FMTLRegressor(tol=1e-7), victim_tol=1e-7).fit(X, y, nodes=nodes)
    close = [
        one for one in found.attempts_ if one["criterion"] >= 0.98 * found.attempts_[0]["criterion"]
    ]
    assert asked.count(1e-4) == len(found.attempts_)
    assert asked.count(1e-7) == len(close) >= 1


def test_no_rough_look_beats_a_solved_victim():
    """What a rough look had overrated falls behind attempts that it had left far behind."""
    told = {"a": (1.0, 0.5), "b": (0.97, 0.9), "c": (0.91, 0.89), "d": (0.6, 0.1)}

    class Told(attempts.Judge):
        def __init__(self):
            self._tol, self.asked = 1e-6, []

        def _verdict(self, start, tol):
            self.asked.append(start)
            value = told[start][tol < 1e-4]
            return Verdict(value, value)

    judge = Told()
    every = [judge.attempt("weights", name, []) for name in told]
    assert [one.start for one in judge.decide(every)] == ["b", "c", "d", "a"]
    assert judge.asked[4:] == ["a", "b", "c"]


# -- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("victim", [FMTLClassifier(), FMTLRegressor()])
@pytest.mark.parametrize("scaler", [None, StandardScaler(), MinMaxScaler()])
def test_sought_rows_hold_to_the_limits(victim, scaler):
    """Those that limits have moved are polished; ball, box, frozen and whole features hold."""
    X, y, nodes = make_rows(type(victim), (16, 12, 14))
    X[:, 2] = np.rint(3.0 * X[:, 2])
    X += 0.5
    X[:, 2] -= 0.5
    model = clone(victim) if scaler is None else make_pipeline(scaler, clone(victim))
    params = {"integer_features": [2], "frozen_features": [0], "feature_range": (-3.0, 3.0)}
    found = attack(model, init="weights", radius=4.0, **params).fit(X, y, nodes=nodes)
    rows = found.poison_X_
    assert (np.linalg.norm(rows, axis=1) <= 4.0).all()
    assert (np.abs(rows[:, 1:]) <= 3.0).all()
    assert_array_equal(rows[:, 2], np.rint(rows[:, 2]))
    for row, node in zip(rows, found.poison_nodes_, strict=True):
        assert row[0] in X[nodes == node, 0]
    origins = [one["origin"] for one in found.attempts_]
    assert "polished" in origins
    free = attack(model, init="weights", radius=4.0).fit(X, y, nodes=nodes)
    assert "polished" not in [one["origin"] for one in free.attempts_]
    assert free.criterion_ >= found.criterion_


def test_moving_labels_go_on_from_sought_rows():
    X, y, nodes = make_rows(FMTLRegressor, (16, 12, 14))
    held, moved = (
        attack(FMTLRegressor(), init="weights", optimize_labels=moves).fit(X, y, nodes=nodes)
        for moves in (False, True)
    )
    assert "polished" in [one["origin"] for one in moved.attempts_]
    assert moved.objective_ >= held.objective_ * (1 - 1e-6)


def test_whole_targets_stay_whole():
    X, y, nodes = make_rows(FMTLRegressor, (16, 12, 14))
    whole = np.rint(5.0 * y).astype(np.int64)
    found = attack(FMTLRegressor(), init="weights").fit(X, whole, nodes=nodes)
    assert found.poison_y_.dtype == np.int64
    for node in found.source_nodes_:
        own, injected = whole[nodes == node], found.poison_y_[found.poison_nodes_ == node]
        assert np.isin(injected, [own.min(), own.max()]).all()


# -- what is wanted -------------------------------------------------------------------------------


@pytest.mark.parametrize("goal", ["raise", "lower"])
@pytest.mark.parametrize("init", ["auto", "clean", "weights"])
def test_forecasts_go_the_way_that_is_wanted(goal, init):
    X, y, nodes = make_rows(FMTLRegressor, (16, 12, 14))
    found = attack(FMTLRegressor(), goal=goal, init=init).fit(X, y, nodes=nodes)
    way = 1.0 if goal == "raise" else -1.0
    f, clean = (
        estimator.predict(X, nodes=nodes)
        for estimator in (found.estimator_, found.clean_estimator_)
    )
    shifts = [np.mean((f - y)[nodes == node]) for node in (0, 1)]
    assert_allclose(found.objective_, way * np.sum(shifts), rtol=1e-9, atol=1e-12)
    assert found.criterion_ == found.objective_
    assert way * np.mean((f - clean)[nodes <= 1]) > 0.0
    other = attack(FMTLRegressor(), init=init).fit(X, y, nodes=nodes)
    f = other.estimator_.predict(X, nodes=nodes)
    assert found.objective_ >= way * sum(np.mean((f - y)[nodes == node]) for node in (0, 1))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("init", ["auto", "clean", "weights"])
def test_rows_of_one_class_are_taken_for_another(init, n_classes):
    X, _, nodes = make_rows(FMTLClassifier, (16, 12, 14))
    ends = [0.0] if n_classes == 2 else [-0.5, 0.5]
    y = np.array(["p", "q", "r"])[np.digitize(X[:, 0] + 0.3 * X[:, 1], ends)]
    pair = ("p", "q") if n_classes == 2 else ("p", "r")
    params = {"goal": pair, "max_iter": 15, "init": init}
    found = attack(FMTLClassifier(), **params).fit(X, y, nodes=nodes)
    shares = []
    for node in (0, 1):
        own = (nodes == node) & (y == pair[0])
        told = found.estimator_.predict(X[own], nodes=nodes[own])
        shares.append(np.mean(told == pair[1]))
    assert_allclose(found.criterion_, np.mean(shares))
    if init != "clean":
        assert found.criterion_ > 0.3


def test_the_gradient_of_a_signed_goal():
    X, y, nodes = make_rows(FMTLRegressor, (16, 12, 14))
    found = attack(FMTLRegressor(), goal="lower").check_gradient(X, y, nodes=nodes)
    assert found.relative_error < 1e-5
    assert found.cosine > 0.999


REFUSED = [
    (FMTLRegressor, {"goal": (0, 1)}, r"goal=.*classification.*'raise'"),
    (FMTLClassifier, {"goal": "raise"}, "goal='raise' is for regression"),
    (FMTLClassifier, {"goal": (0, 7)}, r"goal=\(0, 7\) must be two classes"),
    (FMTLClassifier, {"goal": (0, 0)}, "goal=.*two classes"),
    (FMTLClassifier, {"goal": (0, 1, 2)}, "goal=.*two classes"),
    (FMTLClassifier, {"goal": "worse"}, "goal"),
    (FMTLRegressor, {"criterion": "error"}, "criterion='error' is for classification"),
    (FMTLRegressor, {"upper_loss": "balanced"}, "upper_loss='balanced' is for classification"),
    (FMTLClassifier, {"criterion": "worst"}, "criterion"),
    (FMTLClassifier, {"init": "anywhere"}, "init"),
]


@pytest.mark.parametrize(("estimator", "params", "message"), REFUSED)
def test_wrong_wishes(estimator, params, message):
    X, y, nodes = make_rows(estimator)
    with pytest.raises(ValueError, match=message):
        attack(estimator(), **params).fit(X, y, nodes=nodes)


def test_a_class_that_no_target_has():
    X, y, nodes = make_rows(FMTLClassifier, (16, 12, 14))
    y[nodes <= 1] = 0
    attacker = attack(FMTLClassifier(), goal=(1, 0))
    with pytest.raises(ValueError, match=r"goal=.*no row of class"):
        attacker.fit(X, y, nodes=nodes)
    given = {"X_target": X, "y_target": y, "nodes_target": nodes}
    with pytest.raises(ValueError, match=r"goal=.*no row of class"):
        attacker.fit(X, y, nodes=nodes, **given)
    given["y_target"] = 1 - y
    assert 0.0 <= attacker.fit(X, y, nodes=nodes, **given).criterion_ <= 1.0


# -- the same bits --------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits():
    X, y, nodes = make_rows(FMTLClassifier, (10, 8, 9))
    params = {"n_restarts": 2, "max_iter": 3}
    found = [
        attack(FMTLClassifier(), n_jobs=n_jobs, **params).fit(X, y, nodes=nodes)
        for n_jobs in (1, 2)
    ]
    for name in ("poison_X_", "poison_y_", "objective_history_", "criterion_"):
        assert_array_equal(*(getattr(one, name) for one in found))


def test_the_loss_is_sought_where_it_is_judged():
    X, y, nodes = make_rows(FMTLClassifier, (16, 12, 14))
    params = {"criterion": "loss", "init": "weights"}
    auto, victim, ramp = (
        attack(FMTLClassifier(random_state=0), upper_loss=loss, **params).fit(X, y, nodes=nodes)
        for loss in ("auto", "victim", "ramp")
    )
    assert_array_equal(auto.poison_X_, victim.poison_X_)
    assert not np.array_equal(auto.poison_X_, ramp.poison_X_)


# -- how long an ascent goes on -------------------------------------------------------------------


def test_attacks_from_outside_go_on_as_long_as_it_pays(monkeypatch):
    """In legs of their own, the later ones longer and of shorter steps; a number is one leg."""
    legs = tuple(Leg(steps, stride) for steps, stride in ((3, 1.0), (6, 0.3), (9, 0.3)))
    monkeypatch.setattr("skfedmtl.attack._contest.settings.LEGS_FROM_OUTSIDE", legs)
    monkeypatch.setattr("skfedmtl.attack._contest.settings.SCOUTS_FROM_OUTSIDE", ())
    monkeypatch.setattr("skfedmtl.attack._contest.restart.is_small", lambda case, start: False)
    X, y, nodes = make_rows(FMTLRegressor, (16, 12, 14))
    victim = FMTLRegressor(lambda1=0.3, lambda2=0.05, random_state=0)
    outside = {"attack": "indirect", "target_nodes": [0]}
    found = attack(victim, max_iter=None, **outside).fit(X, y, nodes=nodes)
    rises = [one["objective"] for one in found.attempts_ if one["origin"] == "ascent"]
    start = next(one["objective"] for one in found.attempts_ if one["origin"] == "start")
    ends = sorted([start, *rises])  # every leg that paid rose above the one before
    paid = [after - before > 0.05 * before for before, after in pairwise(ends)]
    assert 2 <= len(rises) == min(3, 1 + sum(paid))
    assert found.objective_ >= 0.98 * max(rises)  # those are of a rough look
    assert found.n_iter_ in (3, 6, 9)
    once = attack(victim, max_iter=3, **outside).fit(X, y, nodes=nodes)
    assert [one["origin"] for one in once.attempts_].count("ascent") == 1
    assert found.objective_ >= once.objective_ * (1 - 1e-6)
    alone = attack(victim.set_params(relationship="none"), max_iter=None, **outside)
    alone.fit(X, y, nodes=nodes)
    assert [one["origin"] for one in alone.attempts_].count("ascent") == 1


def test_the_stride_that_led_farther_is_gone_on_with(monkeypatch):
    """The first leg is tried with both, later ones take the better."""
    strides = []
    craft = restart._ascend

    def noted(case, judge, settings, seed, task, origin, start, leg, checkpoint, shares=None):
        strides.append(leg.stride)
        return craft(case, judge, settings, seed, task, origin, start, leg, checkpoint, shares)

    legs = tuple(Leg(steps, stride) for steps, stride in ((3, 1.0), (4, 0.3), (5, 1.0)))
    monkeypatch.setattr("skfedmtl.attack._contest.settings.LEGS_FROM_OUTSIDE", legs)
    monkeypatch.setattr(restart, "_ascend", noted)
    X, y, nodes = make_rows(FMTLRegressor, (16, 12, 14))
    victim = FMTLRegressor(lambda1=0.3, lambda2=0.05, random_state=0)
    options = {"attack": "indirect", "target_nodes": [0], "max_iter": None}
    found = attack(victim, **options).fit(X, y, nodes=nodes)
    assert strides[:2] == [1.0, 10.0] and len(strides) > 2
    led = [one for one in found.attempts_ if one["origin"] == "ascent"]
    assert len(led) == len(strides)
    assert strides[2:] in ([3.0], [3.0, 10.0])


@pytest.mark.parametrize(
    ("loss", "params", "hardens"),
    [
        ("hinge", {}, True),
        ("hinge", {"smoothing": 0.0}, False),
        ("squared_hinge", {}, False),
    ],
)
def test_ascents_that_harden_need_no_other_stride(loss, params, hardens, monkeypatch):
    """Their steps go equally far in all, however many; others are tried with longer ones, too."""
    legs = []
    craft = restart._ascend

    def noted(case, judge, settings, seed, task, origin, start, leg, checkpoint, shares=None):
        legs.append(leg)
        return craft(case, judge, settings, seed, task, origin, start, leg, checkpoint, shares)

    first = Leg(3, 1.0)
    room = "skfedmtl.attack._contest.settings"
    monkeypatch.setattr(f"{room}.LEGS_WHILE_HARDENING", (first, Leg(5, 1.0)))
    monkeypatch.setattr(f"{room}.LEGS_FROM_OUTSIDE", (first, Leg(4, 0.3), Leg(6, 1.0)))
    monkeypatch.setattr(restart, "_ascend", noted)
    monkeypatch.setattr(restart, "_PAYS", -np.inf)
    X, y, nodes = make_rows(FMTLClassifier, (16, 12, 14))
    victim = FMTLClassifier(loss=loss, lambda1=0.3, lambda2=0.05, random_state=0)
    options = {"attack": "indirect", "target_nodes": [0], "init": "clean", "max_iter": None}
    found = attack(victim, **options, **params).fit(X, y, nodes=nodes)
    led = [one["objective"] for one in found.attempts_ if one["origin"] == "ascent"]
    assert len(led) == len(legs)
    if hardens:
        assert legs == [first, Leg(5, 1.0)]
    else:
        assert legs[:2] == [first, Leg(3, 10.0)]
        assert [leg.max_iter for leg in legs[2:]] == [4, 6]


@pytest.mark.parametrize(
    ("params", "n_steps"),
    [({}, 20), ({"max_iter": 23}, 23), ({"init": "clean"}, 50)],
)
def test_ascents_beside_found_rows_are_short(params, n_steps, caplog):
    """Unless users have said how long."""
    X, y, nodes = make_rows(FMTLClassifier, (16, 12, 14))
    caplog.set_level("DEBUG", logger="skfedmtl.attack")
    victim = FMTLClassifier(relationship="none", random_state=0)
    found = attack(victim, **{"max_iter": None, **params}).fit(X, y, nodes=nodes)
    assert "ascent" in [one["origin"] for one in found.attempts_]
    assert caplog.text.count("step ") == n_steps


@pytest.mark.parametrize("kind", ["direct", "hybrid", "indirect"])
def test_sources_of_the_most_influence(kind):
    """The random ones in number; by the covariances of the clean victim's models."""
    rng = np.random.default_rng(0)
    nodes = np.repeat(np.arange(6), 20)
    X, w = rng.normal(size=(120, 3)), rng.normal(size=(2, 3))
    y = np.einsum("ij,ij->i", X, w[(nodes >= 3).astype(int)]) + 0.1 * rng.normal(size=120)
    victim = FMTLRegressor(lambda1=0.1, lambda2=0.01)
    params = {"attack": kind, "target_nodes": [0, 1], "random_state": 3}
    drawn = RandomPoisoner(victim, **params).fit(X, y, nodes=nodes)
    chosen = RandomPoisoner(victim, choose_sources="influence", **params).fit(X, y, nodes=nodes)
    assert len(chosen.source_nodes_) == len(drawn.source_nodes_)
    covariance = np.abs(chosen.clean_estimator_.node_covariance())[:, [0, 1]].sum(axis=1)
    if kind == "direct":
        assert_array_equal(chosen.source_nodes_, [0, 1])
    elif kind == "indirect":
        others = np.argsort(-covariance[2:])[:2] + 2
        assert_array_equal(chosen.source_nodes_, np.sort(others))
        assert 2 in chosen.source_nodes_  # of the targets' kind
    else:
        assert set(chosen.source_nodes_.tolist()) & {0, 1}
        assert set(chosen.source_nodes_.tolist()) - {0, 1} == {2 + int(np.argmax(covariance[2:]))}
