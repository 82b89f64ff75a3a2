"""Who is attacked, through whom, with how many rows, and what those start as."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from estimators import make_rows
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.attack import DamageBound
from skfedmtl.attack._setting.threat import draw_threat

SIZES = (10, 4, 7, 9, 6)


def poisoner(estimator=FMTLRegressor, **params):
    """A random attack on a victim that is quick to fit."""
    victim = estimator(lambda1=0.05, lambda2=0.1, random_state=0)
    return RandomPoisoner(victim, **{"random_state": 0, **params})


def fit(estimator=FMTLRegressor, strings=False, **params):
    """A fitted random attack, and the clean rows."""
    X, y, nodes = make_rows(estimator, SIZES, strings=strings)
    return poisoner(estimator, **params).fit(X, y, nodes=nodes), X, y, nodes


def origins(fitted, X, nodes):
    """For every injected row the nearest clean row of its own node, and its distance."""
    nearest, distance = [], []
    for row, node in zip(fitted.poison_X_, fitted.poison_nodes_, strict=True):
        mine = np.flatnonzero(nodes == node)
        far = np.linalg.norm(X[mine] - row, axis=1)
        nearest.append(mine[far.argmin()])
        distance.append(far.min())
    return np.array(nearest), np.array(distance)


# -- who ----------------------------------------------------------------------------------


@given(
    attack=st.sampled_from(["direct", "indirect", "hybrid"]),
    n_rows=st.lists(st.integers(0, 20), min_size=1, max_size=12),
    share=st.floats(0.01, 1.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_drawn_targets_and_sources(attack, n_rows, share, seed):
    n_rows = np.array(n_rows)
    n_rows[0] += 1
    m, several = np.count_nonzero(n_rows), np.flatnonzero(n_rows > 1)
    expected = max(1, int(np.floor(share * m + 1e-9)))
    if len(several):
        expected = min(expected, len(several))
    labels, rng = np.arange(len(n_rows)) + 3, np.random.default_rng(seed)
    if attack == "indirect" and expected == m:
        with pytest.raises(ValueError, match="`target_nodes`"):
            draw_threat(attack, share, None, 0.2, labels, n_rows, rng)
        return
    threat = draw_threat(attack, share, None, 0.2, labels, n_rows, rng)
    targets, sources = set(threat.targets.tolist()), set(threat.sources.tolist())
    assert len(threat.targets) == len(targets) == expected
    assert targets <= set(several.tolist()) or not len(several)
    assert len(threat.sources) == len(sources)
    assert all(n_rows[code] > 0 for code in targets | sources)
    if attack == "direct":
        assert sources == targets
    elif attack == "indirect":
        assert not sources & targets
        assert len(sources) == min(expected, m - expected)
    elif m >= 3 and expected < m:
        assert sources & targets
        assert sources - targets
        assert len(sources) == max(2, expected)  # both kinds take two
    else:
        assert len(sources) == expected


@pytest.mark.parametrize(
    ("attack", "targets", "sources"),
    [
        ("direct", [3, 4, 6], [3, 4, 6]),
        ("indirect", [3, 4, 6], [0, 2, 5]),
        ("hybrid", [3, 4, 6], [0, 1, 3]),
    ],
)
def test_draws_among_nodes_of_two_rows_or_more(attack, targets, sources):
    rng = np.random.default_rng(0)
    threat = draw_threat(attack, 0.5, None, 0.2, np.arange(7), np.arange(2, 9), rng)
    assert_array_equal(threat.targets, targets)
    assert_array_equal(threat.sources, sources)


def test_targets_are_drawn_among_the_nodes_that_are_judged():
    labels, n_rows = np.arange(4), np.array([1, 1, 5, 5])
    judged = np.array([True, False, False, True])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        threat = draw_threat("indirect", 0.75, None, 0.2, labels, n_rows, rng, judged)
        assert_array_equal(threat.targets, [0, 3])
        with pytest.raises(ValueError, match=r"`source_nodes` leaves no node .* held out"):
            draw_threat("indirect", 0.5, [0, 3], 0.2, labels, n_rows, rng, judged)


@pytest.mark.parametrize("attack", ["direct", "indirect", "hybrid"])
def test_every_node_may_be_drawn(attack):
    labels, n_rows = np.arange(5), np.full(5, 3)
    draws = [
        draw_threat(attack, 0.4, None, 0.2, labels, n_rows, np.random.default_rng(seed))
        for seed in range(60)
    ]
    assert set(np.concatenate([threat.targets for threat in draws])) == set(range(5))
    assert set(np.concatenate([threat.sources for threat in draws])) == set(range(5))


@pytest.mark.parametrize("share", [0.2, 0.4, 0.8])
def test_a_hybrid_attack_has_sources_of_both_kinds(share):
    for seed in range(60):
        rng = np.random.default_rng(seed)
        threat = draw_threat("hybrid", share, None, 0.2, np.arange(5), np.full(5, 3), rng)
        own = np.isin(threat.sources, threat.targets)
        assert own.any()
        assert not own.all()


@pytest.mark.parametrize("share, expected", [(0.19, 1), (0.2, 1), (0.59, 2), (0.6, 3), (1.0, 5)])
def test_a_share_is_rounded_down(share, expected):
    fitted, *_ = fit(target_nodes=share)
    assert len(fitted.target_nodes_) == expected
    assert_array_equal(fitted.target_nodes_, fitted.source_nodes_)


@pytest.mark.parametrize(
    "attack, targets, sources",
    [
        ("direct", ["n3", "n1"], ["n1", "n3"]),
        ("indirect", ["n3", "n1"], ["n0"]),
        ("indirect", ["n3"], ["n0", "n4", "n2"]),
        ("hybrid", ["n3"], ["n3"]),
        ("hybrid", ["n3", "n1"], ["n0", "n2", "n4"]),
    ],
)
def test_given_labels_are_taken(attack, targets, sources):
    fitted, *_ = fit(strings=True, attack=attack, target_nodes=targets, source_nodes=sources)
    assert sorted(fitted.target_nodes_) == sorted(targets)
    assert sorted(fitted.source_nodes_) == sorted(sources)
    assert set(fitted.poison_nodes_) == set(sources)


@pytest.mark.parametrize("attack", ["direct", "indirect", "hybrid"])
def test_drawn_targets_respect_given_sources(attack):
    for seed in range(5):
        fitted, *_ = fit(attack=attack, target_nodes=0.6, source_nodes=[1, 2, 4], random_state=seed)
        assert_array_equal(fitted.source_nodes_, [1, 2, 4])
        if attack == "direct":
            assert_array_equal(fitted.target_nodes_, [1, 2, 4])
        elif attack == "indirect":
            assert_array_equal(fitted.target_nodes_, [0, 3])
        else:
            assert len(fitted.target_nodes_) == 3


# -- how many -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "budget, expected",
    [
        (0.25, {0: 3, 1: 1, 2: 2, 3: 2, 4: 2}),  # 2.5, 1, 1.75, 2.25, 1.5
        (0.01, {0: 1, 1: 1, 2: 1, 3: 1, 4: 1}),
        (0.5, {0: 5, 1: 2, 2: 4, 3: 5, 4: 3}),
        (2, {0: 20, 1: 8, 2: 14, 3: 18, 4: 12}),
        (0, {}),
    ],
)
def test_counts_round_half_up(budget, expected):
    fitted, *_ = fit(target_nodes=1.0, budget=budget)
    labels, counts = np.unique(fitted.poison_nodes_, return_counts=True)
    assert dict(zip(labels.tolist(), counts.tolist(), strict=True)) == expected


@pytest.mark.parametrize("init", ["clean", "ball"])
@pytest.mark.parametrize("make", [PoisoningAttacker, RandomPoisoner])
@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_no_budget_injects_nothing(make, estimator, init):
    X, y, nodes = make_rows(estimator, SIZES)
    attack = make(estimator(random_state=0), budget=0, init=init, random_state=0)
    data = attack.poison(X, y, nodes=nodes)
    assert_array_equal(data.X, X)
    assert_array_equal(data.y, y)
    assert not data.is_poison.any()
    assert attack.poison_X_.shape == (0, 3)
    assert len(attack.poison_y_) == len(attack.poison_nodes_) == 0
    assert_array_equal(attack.estimator_.coef_, attack.clean_estimator_.coef_)


# -- start --------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 100.0], ids=["centred", "far from 0"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_clean_start(dtype, offset):
    """Rows start from clean rows of their own source, and no two are equal."""
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    X = (X + offset).astype(dtype)
    fitted = poisoner(attack="hybrid", target_nodes=0.6, budget=3.0).fit(X, y, nodes=nodes)
    nearest, distance = origins(fitted, X, nodes)
    assert distance.max() < 1e-5 * max(1.0, offset)
    assert len(set(nearest.tolist())) > 0.8 * np.isin(nodes, fitted.source_nodes_).sum()
    assert len(np.unique(fitted.poison_X_, axis=0)) == len(fitted.poison_X_)


def test_ball_start():
    """Uniform in the ball of the source's largest norm: far from the clean rows, and inside."""
    fitted, X, _, nodes = fit(init="ball", budget=20.0, target_nodes=1.0)
    norms = np.array([np.linalg.norm(row) for row in fitted.poison_X_])
    for node in range(len(SIZES)):
        radius = max(np.linalg.norm(row) for row in X[nodes == node])
        mine = norms[fitted.poison_nodes_ == node]
        assert mine.max() <= radius
        # in three dimensions an eighth lies in the half of the radius
        assert 0.03 < np.mean(mine < radius / 2) < 0.25
        assert np.abs(fitted.poison_X_[fitted.poison_nodes_ == node].mean(axis=0)).max() < 0.5


@pytest.mark.parametrize("labels", ["auto", "flip", "keep", "random"])
def test_class_labels(labels):
    X, y, nodes = make_rows(FMTLClassifier, SIZES)
    y = np.where(y > 0, "yes", "no")
    fitted = poisoner(FMTLClassifier, labels=labels, budget=3.0, target_nodes=1.0)
    fitted.fit(X, y, nodes=nodes)
    start = y[origins(fitted, X, nodes)[0]]
    same = np.mean(fitted.poison_y_ == start)
    assert set(fitted.poison_y_) == {"no", "yes"}
    if labels == "random":
        assert 0.3 < same < 0.7
    else:
        assert same == (labels == "keep")


@pytest.mark.parametrize("labels", ["auto", "extreme", "keep", "random"])
def test_real_labels(labels):
    fitted, X, y, nodes = fit(labels=labels, budget=3.0, target_nodes=1.0)
    nearest, _ = origins(fitted, X, nodes)
    assert len(np.unique(fitted.poison_y_)) > 5
    for node in range(len(SIZES)):
        mine = fitted.poison_nodes_ == node
        start, found = y[nearest[mine]], fitted.poison_y_[mine]
        low, high = y[nodes == node].min(), y[nodes == node].max()
        assert found.min() >= low
        assert found.max() <= high
        if labels == "keep":
            assert_array_equal(found, start)
        elif labels == "random":
            assert len(np.unique(found)) == len(found)
        else:
            assert_array_equal(found, np.where(start - low > high - start, low, high))


def test_labels_of_a_ball_start_are_those_of_drawn_rows():
    fitted, _, y, nodes = fit(init="ball", labels="keep", target_nodes=1.0, budget=2.0)
    for label, node in zip(fitted.poison_y_, fitted.poison_nodes_, strict=True):
        assert label in y[nodes == node]


@pytest.mark.parametrize("share", [np.float64(0.4), np.float32(0.4), np.float16(0.4)])
def test_a_share_may_be_any_float(share):
    assert len(fit(target_nodes=share)[0].target_nodes_) == 2


@pytest.mark.parametrize("attack", [PoisoningAttacker, DamageBound])
@pytest.mark.parametrize("name", ["target_nodes", "source_nodes"])
def test_one_word_is_no_list_of_labels(attack, name):
    X, y, nodes = np.ones((6, 1)), [0, 1] * 3, ["Mercy"] * 3 + ["Queens"] * 3
    words = (
        f"`{name}` must be a list of labels, got the string 'Mercy'; a single node is [\"Mercy\"]."
    )
    with pytest.raises(ValueError, match=re.escape(words)):
        attack(FMTLClassifier(), **{name: "Mercy"}).fit(X, y, nodes=nodes)
