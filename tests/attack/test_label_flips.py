"""The label flip attack: copies of clean rows with wrong targets."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from estimators import ESTIMATORS, make_rows
from pipelines import frame, model, pipeline, uneven
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    RandomPoisoner,
)

every_victim = pytest.mark.parametrize("estimator", ESTIMATORS)


def flips(estimator=FMTLRegressor, **params):
    return LabelFlipPoisoner(model(estimator), **{"random_state": 0, **params})


def sources_of(attack, X, nodes):
    """The position of the clean row that each injected row copies; rows of X are distinct."""
    found = []
    for row, node in zip(np.asarray(attack.poison_X_), attack.poison_nodes_, strict=True):
        same = [one.tobytes() == row.tobytes() for one in np.asarray(X)]
        assert np.sum(same) == 1
        found.append(int(np.argmax(same)))
        assert nodes[found[-1]] == node
    return np.array(found, dtype=int)


@pytest.mark.parametrize("attack", ["direct", "indirect", "hybrid"])
@pytest.mark.parametrize("budget", [0.05, 0.4, 1.0, 2.3])
@every_victim
def test_injected_rows_are_clean_rows_with_wrong_targets(estimator, attack, budget):
    X, y, nodes = make_rows(estimator, strings=True)

    @given(st.integers(0, 2**31 - 1))
    def check(seed):
        flip = flips(
            estimator, attack=attack, budget=budget, target_nodes=0.7, random_state=seed
        ).set_params(victim_tol=1e-3)
        data = flip.poison(X, y, nodes=nodes)
        n = len(y)
        for name, clean in (("X", X), ("y", y), ("nodes", nodes)):
            assert_array_equal(data[name][:n], clean)
            assert data[name].dtype == clean.dtype
        drawn = sources_of(flip, X, nodes)
        if estimator is FMTLClassifier:
            assert_array_equal(flip.poison_y_, 1 - y[drawn])
        else:
            for target, row in zip(flip.poison_y_, drawn, strict=True):
                mine = y[nodes == nodes[row]]
                ends = np.array([mine.min(), mine.max()])
                assert target == ends[np.argmax(np.abs(ends - y[row]))]
        for source in flip.source_nodes_:
            mine = np.flatnonzero(nodes == source)
            count = max(1, int(np.floor(budget * len(mine) + 0.5)))
            times = Counter(drawn[np.isin(drawn, mine)].tolist())
            assert sum(times.values()) == count
            # without replacement while they last
            assert set(times.values()) <= {count // len(mine), -(-count // len(mine))}

    check()


@every_victim
def test_the_threat_model_is_that_of_the_random_attack(estimator):
    X, y, nodes = make_rows(estimator, (12, 7, 9, 5))
    for attack in ("direct", "indirect", "hybrid"):
        flip = flips(estimator, attack=attack).fit(X, y, nodes=nodes)
        other = RandomPoisoner(model(estimator), attack=attack, random_state=0)
        other.fit(X, y, nodes=nodes)
        assert_array_equal(flip.target_nodes_, other.target_nodes_)
        assert_array_equal(flip.source_nodes_, other.source_nodes_)
        assert_array_equal(flip.poison_nodes_, other.poison_nodes_)


@every_victim
def test_it_hurts_the_targets(estimator):
    X, y, nodes = make_rows(estimator, (20, 15, 18))
    flip = flips(estimator, target_nodes=[0], budget=0.5).fit(X, y, nodes=nodes)
    clean = clone(flip).set_params(budget=0).fit(X, y, nodes=nodes)
    assert flip.objective_ > 1.1 * clean.objective_
    assert flip.score(X, y, nodes=nodes) >= clean.score(X, y, nodes=nodes)
    data = flip._poisoned(X, y, nodes)
    refitted = model(estimator, tol=1e-8).fit(data.X, data.y, nodes=data.nodes)
    assert_allclose(flip.estimator_.coef_, refitted.coef_, atol=1e-3)


@pytest.mark.parametrize("given", ["column", "nodes"])
def test_rows_of_whole_numbers_stay_whole(given):
    X, y, nodes = make_rows(FMTLRegressor)
    X = np.rint(1000 * X).astype(np.int32)
    if given == "column":
        X, nodes = np.insert(X, 0, nodes, axis=1), None
    flip = flips(node_column=0 if given == "column" else None, budget=0.5)
    data = flip.poison(X, y, nodes=nodes)
    assert data.X.dtype == flip.poison_X_.dtype == np.int32
    assert {row.tobytes() for row in flip.poison_X_} <= {row.tobytes() for row in X}


def test_a_frame_keeps_every_dtype():
    """Columns of a kind that crafted rows could not keep: small integers, booleans, labels."""
    X, y, nodes = make_rows(FMTLRegressor, strings=True)
    table = frame(X).astype({"x0": "float32"})
    table["x1"] = np.rint(table["x1"]).astype("int8")
    table["x2"] = table["x2"] > 0
    table.insert(1, "node", pd.Categorical(nodes))
    table.index = table.index[::-1]
    flip = flips(node_column="node", budget=0.5)
    rows, _ = flip.fit_resample(table, y)
    assert rows.dtypes.to_dict() == flip.poison_X_.dtypes.to_dict() == table.dtypes.to_dict()
    assert_frame_equal(rows[: len(y)], table.reset_index(drop=True))
    assert list(flip.poison_X_.index) == list(range(len(flip.poison_X_)))
    assert_array_equal(flip.poison_X_["node"], flip.poison_nodes_)
    clean = set(table.itertuples(index=False, name=None))
    assert set(flip.poison_X_.itertuples(index=False, name=None)) <= clean


def test_whole_targets_stay_whole():
    X, y, nodes = make_rows(FMTLRegressor)
    y = np.rint(10 * y).astype(np.int16)
    data = flips(budget=0.5).poison(X, y, nodes=nodes)
    assert data.y.dtype == np.int16
    assert set(data.y[data.is_poison]) <= set(y)


@every_victim
def test_scaled_victims(estimator):
    X, y, nodes = uneven(estimator)
    victim = pipeline([StandardScaler()], estimator)
    flip = LabelFlipPoisoner(victim, budget=0.5, random_state=0).fit(X, y, nodes=nodes)
    assert {row.tobytes() for row in flip.poison_X_} <= {row.tobytes() for row in X}
    Z = StandardScaler().fit_transform(X)
    bare = clone(flip).set_params(estimator=model(estimator)).fit(Z, y, nodes=nodes)
    assert_array_equal(flip.estimator_[-1].coef_, bare.estimator_.coef_)
    assert_allclose(flip.objective_, bare.objective_)


@every_victim
def test_the_draw_depends_on_the_seed_alone(estimator):
    X, y, nodes = make_rows(estimator)
    first, again, other = (
        flips(estimator, target_nodes=[0], budget=0.5, random_state=seed).fit(X, y, nodes=nodes)
        for seed in (3, 3, 4)
    )
    assert_array_equal(first.poison_X_, again.poison_X_)
    assert_array_equal(first.estimator_.coef_, again.estimator_.coef_)
    assert not np.array_equal(first.poison_X_, other.poison_X_)


def test_no_budget_injects_nothing():
    X, y, nodes = make_rows(FMTLRegressor)
    for rows in (X, frame(X)):
        data = flips(budget=0).poison(rows, y, nodes=nodes)
        assert_array_equal(data.X, X)
        assert not data.is_poison.any()


def test_a_choice_of_sources_that_is_none():
    X, nodes = np.arange(8.0).reshape(8, 1), np.repeat(["a", "b"], 4)
    poisoner = LabelFlipPoisoner(FMTLRegressor(), choose_sources="clever")
    with pytest.raises(ValueError, match="'choose_sources' parameter of LabelFlipPoisoner"):
        poisoner.fit(X, X[:, 0], nodes=nodes)
