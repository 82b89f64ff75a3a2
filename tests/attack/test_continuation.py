"""Attacks on victims whose kinks are smoothed, ever less."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimators import ESTIMATOR_OF, KINDS, LOSSES, OMEGA, Watched, climber, estimator_of, make_rows
from oracles.losses import REGRESSION_LOSSES
from oracles.strategies import problems
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    RandomPoisoner,
)
from skfedmtl.attack._bilevel import continuation
from skfedmtl.attack._bilevel.continuation import Accuracy, FollowedBilevel

STEP = 1e-5


def smooth_game(poisoner):
    """A game on its way, whose victims are solved as far as rounding allows."""
    game = poisoner.game(FollowedBilevel, smoothing=1.0)
    game.accuracy = Accuracy(1e-13, 1e-11)
    game.advance(0.2)
    return game


def played(loss, kind="learned", intercept=True, attack="hybrid", **params):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], (8, 6, 9), n_features=4)
    victim = ESTIMATOR_OF[loss](
        lambda1=0.05,
        lambda2=0.1,
        loss=loss,
        relationship=OMEGA if kind == "omega" else kind,
        fit_intercept=intercept,
        random_state=0,
    )
    sources = {"direct": [0], "indirect": [1, 2], "hybrid": [0, 1]}[attack]
    threat = {"attack": attack, "target_nodes": [0], "source_nodes": sources}
    return Watched(victim, random_state=1, budget=0.3, **threat, **params).fit(X, y, nodes=nodes)


@pytest.mark.parametrize("attack", ["direct", "indirect", "hybrid"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_total_gradient_against_finite_differences(loss, kind, intercept, attack):
    poisoner = played(loss, kind, intercept, attack)
    rng = np.random.default_rng(3)
    game = smooth_game(poisoner)
    rows = poisoner.start_.X + 0.3 * rng.normal(size=poisoner.start_.X.shape)
    game.value(rows)
    slope = game.gradient("total")
    found, differences = [], []
    for direction in rng.normal(size=(4, *rows.shape)):
        ahead, behind = (game.value(rows + sign * STEP * direction) for sign in (1, -1))
        differences.append((ahead - behind) / (2 * STEP))
        found.append(float(np.vdot(slope, direction)))
    size = np.linalg.norm(slope) * np.sqrt(rows.size)
    assert_allclose(found, differences, atol=1e-5 * size + 1e-9)
    if kind != "none" or attack != "indirect":
        assert np.linalg.norm(slope) > 1e-6


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_with_less_response_are_other_ones(loss):
    """With a given relationship nothing is held but the dual variables; no gradient is another."""
    slopes = {}
    for kind in ("learned", "omega"):
        poisoner = played(loss, kind)
        game = smooth_game(poisoner)
        game.value(poisoner.start_.X)
        slopes[kind] = [game.gradient(name) for name in ("total", "implicit", "dual")]
    total, implicit, dual = slopes["omega"]
    assert_allclose(total, implicit, rtol=1e-9)
    assert np.linalg.norm(dual - total) > 1e-3 * np.linalg.norm(total)
    total, implicit, dual = slopes["learned"]
    assert np.linalg.norm(implicit - total) > 1e-3 * np.linalg.norm(total)
    assert np.linalg.norm(dual - implicit) > 1e-3 * np.linalg.norm(implicit)


@pytest.mark.parametrize("loss", REGRESSION_LOSSES)
def test_a_target_moves_like_its_difference(loss):
    poisoner = played(loss)
    game, y = smooth_game(poisoner), poisoner.start_.y.astype(float)
    rows = poisoner.start_.X
    game.value(rows, y)
    slope = game.full_gradient("total")[:, -1]
    for i in range(len(y)):
        step = STEP * np.eye(len(y))[i]
        difference = (game.value(rows, y + step) - game.value(rows, y - step)) / (2 * STEP)
        assert_allclose(slope[i], difference, rtol=1e-4, atol=1e-8)


# -- what an attack makes of it -----------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_end_is_never_below_the_start(loss, kind):
    """Hard victims judge: of the start and the end the better one is handed over."""

    @given(
        problems((loss,), max_nodes=4, max_features=4, lambda1=(0.1, 0.02), lambda2=(0.1, 1.0)),
        st.sampled_from(["direct", "indirect", "hybrid"]),
        st.sampled_from(["total", "implicit", "dual"]),
        st.sampled_from([0.5, 2.0, 10.0]),
        st.integers(0, 1000),
    )
    def check(p, attack, gradient, smoothing, seed):
        assume(attack != "indirect" or len(np.unique(p.nodes)) > 1)
        assume(np.ptp(p.y) > 0)
        threat = {"attack": attack, "victim_tol": 1e-9, "random_state": seed}
        model = climber(
            estimator_of(p, kind), gradient=gradient, smoothing=smoothing, max_iter=3, **threat
        ).fit(p.X, p.y, nodes=p.nodes)
        start = RandomPoisoner(estimator_of(p, kind), **threat).fit(p.X, p.y, nodes=p.nodes)
        assert len(model.objective_history_) == model.n_iter_ + 1
        assert model.objective_ >= start.objective_ * (1 - 1e-4) - 1e-6
        assert_array_equal(model.poison_nodes_, start.poison_nodes_)

    check()


def test_it_reaches_further_than_an_ascent_on_hard_victims():
    """A hinge victim: the mean over draws, each from the same rows."""
    reached = {0.0: [], 2.0: []}
    for seed in range(6):
        X, y, nodes = make_rows(FMTLClassifier, (30, 25, 28, 20), n_features=6, seed=seed)
        for smoothing, values in reached.items():
            victim = FMTLClassifier(lambda1=0.01, lambda2=0.01, random_state=0)
            model = climber(victim, smoothing=smoothing, max_iter=30, random_state=seed)
            values.append(model.fit(X, y, nodes=nodes).objective_)
    assert np.mean(reached[2.0]) > 1.1 * np.mean(reached[0.0])


def test_rare_classes_are_pushed_further_by_the_default_than_by_a_narrow_kink():
    """Many rows, few features, one row in six positive."""
    X, y, nodes = make_rows(FMTLClassifier, (300, 250, 280, 200), n_features=5)
    y = X[:, 0] + 0.5 * X[:, 1] > 1.4
    wide, narrow = (
        climber(FMTLClassifier(random_state=0), random_state=0, **smoothing)
        .fit(X, y, nodes=nodes)
        .objective_
        for smoothing in ({}, {"smoothing": 2.0})
    )
    assert wide > 1.02 * narrow


def test_on_a_hinge_every_step_is_made_in_full():
    """Values fall with the width of the kink: measured by them, no step would be long enough."""
    X, y, nodes = make_rows(FMTLClassifier)
    one, two = (
        climber(
            FMTLClassifier(random_state=0),
            max_iter=50,
            line_search=line_search,
            tol=1.0,
            random_state=0,
        ).fit(X, y, nodes=nodes)
        for line_search in (True, False)
    )
    assert one.n_iter_ == 50
    assert_array_equal(one.poison_X_, two.poison_X_)
    assert_array_equal(one.objective_history_, two.objective_history_)


def test_without_a_kink_the_best_rows_are_the_result():
    """Features of unlike scales, so that late steps lose what early ones won."""
    X, y, nodes = make_rows(FMTLRegressor)
    X = X * [30.0, 1.0, 1 / 30]
    victim = FMTLRegressor(max_iter=300, random_state=0)
    model = climber(victim, max_iter=10, random_state=0).fit(X, y, nodes=nodes)
    history = model.objective_history_
    assert (np.diff(history) >= 0).all()
    start = RandomPoisoner(victim, random_state=0).fit(X, y, nodes=nodes)
    assert model.objective_ > 1.3 * start.objective_
    assert_allclose(model.objective_, history[-1], rtol=0.05)


def test_restarts_without_steps_are_judged_by_the_victim_itself():
    """The smoothed victim ranks these four starts otherwise."""
    X, y, nodes = make_rows(FMTLClassifier, seed=7)
    single, several = (
        climber(FMTLClassifier(random_state=0), max_iter=0, n_restarts=n, random_state=0).fit(
            X, y, nodes=nodes
        )
        for n in (1, 4)
    )
    assert several.objective_ > 1.3 * single.objective_
    assert_allclose(several.objective_history_, [several.objective_], rtol=1e-4)


def test_a_single_loop_has_no_smoothed_victims():
    X, y, nodes = make_rows(FMTLClassifier)
    one, two = (
        climber(
            FMTLClassifier(random_state=0),
            inner_iter=1,
            smoothing=smoothing,
            max_iter=4,
            random_state=0,
        ).fit(X, y, nodes=nodes)
        for smoothing in (0.0, 2.0)
    )
    assert_array_equal(one.poison_X_, two.poison_X_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", [FMTLClassifier, FMTLRegressor])
def test_features_in_large_units(estimator):
    """Enough of them for single precision, in which the Newton systems came out as NaN."""
    rng = np.random.default_rng(0)
    nodes = np.repeat(np.arange(12), 20)
    X = rng.normal(size=(240, 70))
    y = X @ rng.normal(size=70)
    y = y > 0.0 if estimator is FMTLClassifier else y
    victim = estimator(random_state=0, tol=0.9, max_iter=20, lambda1=1e-5, lambda2=1e-5)
    model = climber(victim, max_iter=2, victim_tol=0.9, random_state=0)
    model.fit(1e5 * X, y, nodes=nodes)
    assert np.isfinite(model.poison_X_).all() and np.isfinite(model.objective_history_).all()


UNITS = np.array([1.0, 100.0, 1e4])


def unlike_features(estimator):
    """Rows of four nodes whose features have very different units."""
    rng = np.random.default_rng(0)
    Z, nodes = rng.normal(size=(80, 3)), np.repeat(list("abcd"), 20)
    y = Z @ [1.0, 2.0, 3.0] + 0.3 * rng.normal(size=80)
    return Z * UNITS, y if estimator is FMTLRegressor else (y > 0).astype(int), nodes


@pytest.mark.parametrize("loss", LOSSES)
def test_steps_are_taken_as_the_model_behind_scalers_sees_them(loss):
    estimator = ESTIMATOR_OF[loss]
    X, y, nodes = unlike_features(estimator)
    victim = make_pipeline(StandardScaler(), estimator(loss=loss, random_state=0))
    params = {"target_nodes": ["a"], "random_state": 0}
    start = RandomPoisoner(victim, **params).fit(X, y, nodes=nodes)
    attack = climber(victim, max_iter=20, **params).fit(X, y, nodes=nodes)
    assert attack.objective_ > 1.5 * start.objective_
    assert_allclose(attack.objective_history_[-1], attack.objective_, rtol=0.1)


@pytest.mark.parametrize("inner_iter", [None, 1, 2])
@pytest.mark.parametrize("loss", LOSSES)
def test_no_attack_ends_below_its_start(loss, inner_iter):
    """Whatever features and steps do to the victims on the way, the hard victim judges."""
    estimator = ESTIMATOR_OF[loss]
    X, y, nodes = unlike_features(estimator)
    victim = estimator(loss=loss, lambda1=0.1, lambda2=0.1, max_iter=3000, random_state=0)
    for rows, radius in ((X / UNITS, 1e4), (X / UNITS, "max"), (X / np.sqrt(UNITS), "max")):
        params = {"target_nodes": ["a"], "radius": radius, "random_state": 0}
        start = RandomPoisoner(victim, **params).fit(rows, y, nodes=nodes)
        attack = climber(victim, max_iter=8, inner_iter=inner_iter, **params)
        attack.fit(rows, y, nodes=nodes)
        assert attack.objective_ >= 0.999 * start.objective_ - 1e-6


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_features_of_other_units_than_the_intercept(loss):
    """Its large weight would hide how far the others are off; H of the way was twice that."""
    rng = np.random.default_rng(0)
    X, nodes = 3e4 * rng.normal(size=(150, 5)), np.repeat(np.arange(6), 25)
    y = X @ rng.normal(size=5) + 1e4 * rng.normal(size=150) > 0
    model = climber(FMTLClassifier(loss=loss), max_iter=3, random_state=0)
    model.fit(X, y, nodes=nodes)
    assert_allclose(model.objective_history_[-1], model.objective_, rtol=1e-2)


def test_victims_out_of_reach_judge_nothing():
    """Features over four decades: H of the way is far from that of the victim itself.

    The last victims may be near and the first not, which the ends are held against.
    """
    X, y, nodes = unlike_features(FMTLClassifier)
    victim = FMTLClassifier(lambda1=0.1, lambda2=0.1, max_iter=3000, random_state=0)
    params = {"target_nodes": ["a"], "random_state": 0}
    start = RandomPoisoner(victim, **params).fit(X, y, nodes=nodes)
    attack = climber(victim, max_iter=3, **params).fit(X, y, nodes=nodes)
    assert attack.objective_history_[0] > 1.2 * start.objective_
    assert attack.objective_ >= start.objective_


def test_one_victim_out_of_reach_leaves_its_mark(monkeypatch):
    poisoner = played("hinge")
    game, rows = poisoner.game(FollowedBilevel, smoothing=1.0), poisoner.start_.X
    monkeypatch.setattr(continuation, "_MOST", 1)
    game.value(1.5 * rows)
    assert not game.is_near
    monkeypatch.undo()
    game.value(rows)
    assert not game.is_near
    again = poisoner.game(FollowedBilevel, smoothing=1.0)
    game.value(rows)
    assert again.is_near
    again.restore(game.state(), rows)
    assert not again.is_near


def test_a_game_goes_with_its_last_name():
    """It holds a copy of all rows, which no circle may keep while the next one is made."""
    poisoner = played("hinge")
    game = poisoner.game(FollowedBilevel, smoothing=1.0)
    game.value(poisoner.start_.X)
    game.gradient("total")
    gone = weakref.ref(game)
    gc.disable()
    try:
        del game
        assert gone() is None
    finally:
        gc.enable()
