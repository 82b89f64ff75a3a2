"""Errors by node with and without an attack: against what a user would do by hand."""

import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimators import make_rows
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.metrics import _resampling, compare, node_errors
from skfedmtl.model_selection import train_test_split_nodes

COLUMNS = ["n_train", "n_test", "is_target", "is_source"]
COLUMNS += ["clean", "random", "optimised", "local", "low", "high"]
SIZES = (30, 12, 20)


def attack(estimator=FMTLRegressor, **params):
    given = {"attack": "hybrid", "target_nodes": 0.4, "max_iter": 3, "random_state": 3, **params}
    return PoisoningAttacker(estimator(lambda1=0.1), **given)


@pytest.mark.parametrize("init", ["clean", "ball"])
@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_what_a_user_would_do_by_hand(estimator, init):
    X, y, nodes = make_rows(estimator, SIZES, strings=True)
    attacker = attack(estimator, init=init)
    frame = compare(attacker, X, y, nodes=nodes)
    assert frame.columns.tolist() == COLUMNS
    assert frame.index.tolist() == ["n0", "n1", "n2"] and frame.index.name == "node"
    X, X_test, y, y_test, nodes, nodes_test = train_test_split_nodes(X, y, nodes, random_state=3)
    attacker.fit(X, y, nodes=nodes)
    random = RandomPoisoner(attacker.estimator, attack="hybrid", target_nodes=0.4, init=init)
    random.set_params(random_state=3).fit(X, y, nodes=nodes)
    alone = clone(attacker.estimator).set_params(relationship="none", tol=1e-5)
    models = {
        "clean": attacker.clean_estimator_,
        "random": random,
        "optimised": attacker,
        "local": alone.fit(X, y, nodes=nodes),
    }
    metric = "error" if estimator is FMTLClassifier else "rmse"
    for name, model in models.items():
        predicted = model.predict(X_test, nodes=nodes_test)
        errors, counts = node_errors(y_test, predicted, nodes_test, metric, return_counts=True)
        assert_allclose(frame[name], list(errors.values()), rtol=1e-3 if name == "local" else 1e-12)
    assert frame["n_test"].tolist() == list(counts.values())
    assert frame["n_train"].sum() == len(X)
    assert frame.index[frame["is_target"]].tolist() == attacker.target_nodes_.tolist()
    assert_array_equal(frame.index[frame["is_source"]], np.sort(attacker.source_nodes_))
    assert (frame["low"] <= frame["high"]).all()


def test_the_interval_of_a_share():
    """That of a share of n rows is of the binomial distribution."""
    from scipy.stats import binom

    rng = np.random.default_rng(0)
    X, y, nodes = rng.normal(size=(400, 2)), np.tile([0, 1], 200), np.repeat([0, 1], 200)
    poisoner = LabelFlipPoisoner(FMTLClassifier(), target_nodes=[0], random_state=0)
    frame = compare(poisoner, X, y, nodes=nodes, n_resamples=4000, confidence_level=0.8)
    for row in frame.itertuples():
        exact = binom.ppf([0.1, 0.9], row.n_test, row.optimised) / row.n_test
        assert_allclose([row.low, row.high], exact, atol=1.01 / row.n_test)
        assert row.low < row.optimised < row.high


def test_every_spelling_agrees():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    scaled = make_pipeline(StandardScaler(), FMTLRegressor(lambda1=0.1))
    params = {"feature_range": "clean", "init": "clean"}
    poisoner = attack(**params).set_params(estimator=scaled)
    frame = compare(poisoner, X, y, nodes=nodes)
    assert_frame_equal(frame, compare(poisoner, X.tolist(), y.tolist(), nodes=nodes.tolist()))
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    table.insert(1, "site", nodes)
    poisoner.set_params(node_column="site")
    assert_frame_equal(frame, compare(poisoner, table, y))


def test_a_node_of_a_single_row_is_not_tested():
    X, y, nodes = make_rows(FMTLRegressor, (12, 1, 9))
    frame = compare(attack(target_nodes=[0]), X, y, nodes=nodes)
    assert frame.loc[1, ["n_train", "n_test"]].tolist() == [1, 0]
    assert frame.loc[1, COLUMNS[4:]].isna().all() and frame.loc[[0, 2]].notna().all(axis=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = compare(attack(target_nodes=0.9, random_state=None), X, y, nodes=nodes)
    assert not frame.loc[1, "is_target"]
    with pytest.warns(UserWarning, match="`target_nodes` holds nodes without a test row, 1: their"):
        frame = compare(attack(target_nodes=[0, 1]), X, y, nodes=nodes)
    assert frame.loc[1, "is_target"] and np.isnan(frame.loc[1, "optimised"])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"attacker": FMTLRegressor()}, "`attacker` must be a poisoner"),
        ({"nodes": None}, "`nodes` is missing"),
        ({"nodes": [0, 1]}, "equally long"),
        ({"test_size": 1.0}, "test_size"),
        ({"n_resamples": 0}, "`n_resamples` must be a whole number of at least 1, got 0"),
        ({"n_resamples": 2.0}, "`n_resamples` must be a whole number"),
        ({"confidence_level": 1.0}, "`confidence_level` must be a number between 0 and 1, got 1.0"),
        ({"confidence_level": "high"}, "`confidence_level` must be a number"),
    ],
)
def test_refusals(params, words):
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    given = {"attacker": attack(), "X": X, "y": y, "nodes": nodes, **params}
    with pytest.raises((TypeError, ValueError), match=words):
        compare(**given)


def test_pandas_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    with pytest.raises(ImportError, match="compare needs pandas"):
        compare(attack(), X, y, nodes=nodes)


@pytest.mark.parametrize("classify", [False, True])
def test_resampling_in_parts_draws_the_same_rows(classify, monkeypatch):
    losses = np.random.default_rng(1).integers(2, size=(7, 2)).astype(float)
    losses[0, 0] = losses[2, 1] = np.nan
    drawn = []
    for at_once in (1_000_000, 20):
        monkeypatch.setattr(_resampling, "_AT_ONCE", at_once)
        rng = np.random.default_rng(0)
        drawn.append(_resampling.resampled_errors(losses, 11, classify, rng))
    assert_array_equal(*drawn)
    assert len(np.unique(drawn[0])) > 3
    assert np.isnan(_resampling.resampled_errors(losses[:0], 3, classify, rng)).all()


@pytest.mark.parametrize(
    ("estimator", "goal"),
    [
        (FMTLClassifier, (1, 0)),
        (FMTLClassifier, ("yes", "no")),
        (FMTLRegressor, "raise"),
        (FMTLRegressor, "lower"),
    ],
)
def test_the_measure_of_the_goal(estimator, goal):
    X, y, nodes = make_rows(estimator, (40, 40, 40))
    if goal[0] == "yes":
        y = np.where(y == 1, "yes", "no")
    options = {"target_nodes": [0, 1], "max_iter": 2, "random_state": 0, "budget": 0.5}
    attacker = PoisoningAttacker(estimator(lambda2=0.01), goal=goal, **options)
    frame = compare(attacker, X, y, nodes=nodes, n_resamples=9)
    X, X_test, y, y_test, nodes, nodes_test = train_test_split_nodes(X, y, nodes, random_state=0)
    attacker.fit(X, y, nodes=nodes)
    for node in frame.index:
        mine = nodes_test == node
        for name, model in [("clean", attacker.clean_estimator_), ("optimised", attacker)]:
            said, truth = model.predict(X_test[mine], nodes=nodes_test[mine]), y_test[mine]
            if isinstance(goal, tuple):
                expected = np.mean(said[truth == goal[0]] == goal[1])
            else:
                expected = np.mean(said - truth) * (1 if goal == "raise" else -1)
            assert frame.loc[node, f"goal_{name}"] == pytest.approx(expected)
    hurt = frame[frame["is_target"]].mean()
    assert hurt["goal_optimised"] > hurt["goal_clean"]
    assert hurt["goal_random"] != hurt["goal_optimised"]


def test_a_goal_of_errors_has_no_other_measure():
    X, y, nodes = make_rows(FMTLRegressor)
    poisoner = RandomPoisoner(FMTLRegressor(), random_state=0)
    assert not any("goal" in name for name in compare(poisoner, X, y, nodes=nodes, n_resamples=9))
