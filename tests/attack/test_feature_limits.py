"""What users ask of injected rows: every spelling, through real attacks, and every refusal."""

from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone

from estimators import any_range, make_rows, quick_attacker
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    PoisoningAttacker,
    RandomPoisoner,
)

POISONERS = (PoisoningAttacker, RandomPoisoner)
both = pytest.mark.parametrize("make", POISONERS)
NAMES = ["income", "age", "red", "green", "blue", "member", "height"]
LOW = [-1.5, 18.0, -np.inf, -np.inf, -np.inf, -np.inf, -0.5]
HIGH = [1.5, 30.0, np.inf, np.inf, np.inf, np.inf, np.inf]
#: every combination of these is an attack
PARTS = {
    "feature_range": (LOW, HIGH),
    "frozen_features": [5, 6],
    "integer_features": [1],
    "one_hot_groups": [[2, 3, 4]],
}


def people(estimator=FMTLRegressor, dtype=np.float64):
    """Rows that keep to all of `PARTS`, their targets, and their nodes by name."""
    X, y, nodes = make_rows(estimator, (12, 7, 9), len(NAMES), strings=True)
    rng = np.random.default_rng(1)
    X = np.clip(X, -0.5, 1.5)
    X[:, 1] = rng.integers(18, 31, size=len(X))
    X[:, 2:5] = np.eye(3)[rng.integers(3, size=len(X))]
    X[:, 5] = rng.integers(2, size=len(X))
    return X.astype(dtype), y, nodes


def poisoner(make, estimator=FMTLRegressor, **params):
    victim = estimator(lambda1=0.05, lambda2=0.1, random_state=0)
    if make is PoisoningAttacker:
        make = partial(quick_attacker, max_iter=3)
    given = {"target_nodes": 0.7, "attack": "hybrid", "budget": 0.5, "random_state": 0, **params}
    return make(victim, **given)


def check_rows(model, X, nodes, parts, radius="max"):
    """Every stored row keeps to `parts`, as a user would check."""
    rows = np.asarray(model.poison_X_)
    assert len(rows) == len(model.poison_nodes_) > 0
    for row, node in zip(rows, model.poison_nodes_, strict=True):
        mine = np.asarray(X)[nodes == node]
        largest = max(np.linalg.norm(one) for one in mine) if radius == "max" else radius
        assert np.linalg.norm(row) <= largest
        if "feature_range" in parts:
            assert ((LOW <= row) & (row <= HIGH)).all()
        if "frozen_features" in parts:
            # both values of one clean row, bit for bit
            assert row[[5, 6]].tobytes() in {one[[5, 6]].tobytes() for one in mine}
        if "integer_features" in parts:
            assert row[1] == np.rint(row[1])
        if "one_hot_groups" in parts:
            assert sorted(row[2:5]) == [0.0, 0.0, 1.0]


COMBINATIONS = [
    {name: PARTS[name] for bit, name in enumerate(PARTS) if code & 1 << bit}
    for code in range(2 ** len(PARTS))
]


@pytest.mark.parametrize("init", ["clean", "ball"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("parts", COMBINATIONS, ids="-".join)
@both
def test_every_combination(make, parts, dtype, init):
    estimator = FMTLClassifier if dtype == np.float32 else FMTLRegressor
    X, y, nodes = people(estimator, dtype)
    for radius in ("max", 31.0):
        model = poisoner(make, estimator, init=init, radius=radius, **parts).fit(X, y, nodes=nodes)
        check_rows(model, X, nodes, parts, radius)
        assert model.poison_X_.dtype == dtype


@pytest.mark.parametrize(
    "params", [{"step": "plain", "eta": 1e4, "line_search": False}, {"gradient": "dual"}]
)
def test_long_and_other_steps(params):
    X, y, nodes = people()
    model = poisoner(PoisoningAttacker, **params, **PARTS).fit(X, y, nodes=nodes)
    check_rows(model, X, nodes, PARTS)


@pytest.mark.parametrize("parts", COMBINATIONS[1:], ids="-".join)
def test_the_attack_starts_at_the_random_rows_and_gains(parts):
    """The start keeps to the relaxed limits; no step is wasted on what may not move."""
    X, y, nodes = people()
    attack = poisoner(PoisoningAttacker, max_iter=6, smoothing=0.0, victim_tol=1e-8, **parts)
    start = clone(attack.fit(X, y, nodes=nodes)).set_params(max_iter=0).fit(X, y, nodes=nodes)
    random = poisoner(RandomPoisoner, **parts).fit(X, y, nodes=nodes)
    assert_array_equal(start.poison_X_, random.poison_X_)
    # clean rows keep to the limits, so rounding undoes nothing but the jitter
    assert_allclose(start.objective_history_, [start.objective_], rtol=1e-4)
    assert (np.diff(attack.objective_history_) >= 0).all()
    assert attack.objective_history_[-1] > attack.objective_history_[0]


def test_nothing_moves_where_all_is_frozen():
    X, y, nodes = people()
    model = poisoner(PoisoningAttacker, frozen_features=range(7)).fit(X, y, nodes=nodes)
    clean = {row.tobytes() for row in X}
    assert {row.tobytes() for row in model.poison_X_} <= clean


def test_limits_that_allow_everything_change_nothing():
    X, y, nodes = people()
    plain = poisoner(PoisoningAttacker).fit(X, y, nodes=nodes)
    for parts in ({"feature_range": (-np.inf, np.inf)}, {"frozen_features": []}):
        model = poisoner(PoisoningAttacker, **parts).fit(X, y, nodes=nodes)
        assert_allclose(model.poison_X_, plain.poison_X_, rtol=1e-6)


def test_a_small_radius_moves_clean_rows_inwards():
    X, y, nodes = people()
    parts = {name: PARTS[name] for name in ("frozen_features", "one_hot_groups")}
    model = poisoner(RandomPoisoner, radius=2.5, **parts).fit(X, y, nodes=nodes)
    check_rows(model, X, nodes, parts, 2.5)
    assert np.linalg.norm(model.poison_X_, axis=1).max() > 2.499


# -- spellings ----------------------------------------------------------------------------

MASK = np.isin(np.arange(7), [5, 6])


@pytest.mark.parametrize(
    "other",
    [
        {"frozen_features": MASK, "integer_features": (np.arange(7) == 1).tolist()},
        {"frozen_features": (-1, -2), "one_hot_groups": np.array([[4, 2, 3]])},
        {"frozen_features": pd.Index(NAMES[5:]), "integer_features": ["age"]},
        {"frozen_features": [5, "height"], "one_hot_groups": (NAMES[2:5],)},
        {"feature_range": np.array([LOW, HIGH])},
        {"feature_range": (pd.Series(LOW, NAMES)[::-1], pd.Series(HIGH, NAMES)[::-1])},
    ],
)
def test_spellings_agree(other):
    X, y, nodes = people()
    table = pd.DataFrame(X, columns=NAMES)
    model = poisoner(RandomPoisoner, radius=25, init="ball", **PARTS)
    wanted = model.fit(table, y, nodes=nodes).poison_X_
    pd.testing.assert_frame_equal(
        model.set_params(**other).fit(table, y, nodes=nodes).poison_X_, wanted
    )


@pytest.mark.parametrize("place", [0, 3, 7])
@both
def test_positions_count_the_node_column(make, place):
    X, y, nodes = people()
    codes = np.unique(nodes, return_inverse=True)[1]
    moved = {j: j + (j >= place) for j in range(7)}
    parts = {
        "feature_range": tuple(np.insert(end, place, np.nan) for end in (LOW, HIGH)),
        "frozen_features": np.insert(MASK, place, False),
        "integer_features": [moved[1]],
        "one_hot_groups": [[moved[j] for j in (2, 3, 4)]],
    }
    params = {"init": "ball", "radius": 28.0}
    wanted = poisoner(make, **params, **PARTS).fit(X, y, nodes=codes)
    model = poisoner(make, node_column=place, **params, **parts)
    model.fit(np.insert(X, place, codes, axis=1), y)
    assert_array_equal(np.delete(model.poison_X_, place, axis=1), wanted.poison_X_)
    table = pd.DataFrame(X, columns=NAMES)
    table.insert(place, "node", nodes)
    model = poisoner(make, node_column="node", **params, **parts).fit(table, y)
    assert_array_equal(model.poison_X_[NAMES], wanted.poison_X_)


# -- dtypes -------------------------------------------------------------------------------


@any_range
@both
def test_columns_of_a_frame_keep_their_dtypes(make):
    X, y, nodes = people()
    kinds = dict(zip(NAMES, ["float64", "int8", *["bool"] * 3, "Int64", "float32"], strict=True))
    table = pd.DataFrame(X, columns=NAMES).astype(kinds)
    table["node"] = nodes
    parts = {name: part for name, part in PARTS.items() if name != "feature_range"}
    model = poisoner(make, node_column="node", **parts)
    data = model.poison(table, y)
    assert data.X.dtypes.to_dict() == table.dtypes.to_dict()
    rows = model.poison_X_[NAMES].astype(float).to_numpy()
    model.poison_X_ = rows
    check_rows(model, table[NAMES].astype(float).to_numpy(), nodes, parts)
    # without a word from the user crafted values have fractions
    free = poisoner(make, node_column="node").poison(table, y)
    assert free.X.dtypes["age"] == "float64"


@both
def test_arrays_of_whole_numbers_stay_so(make):
    X, y, nodes = people()
    X = np.rint(2 * X).astype(np.int16)
    model = poisoner(make, integer_features=range(6), frozen_features=[6])
    data = model.poison(X, y, nodes=nodes)
    assert model.poison_X_.dtype == data.X.dtype == np.int16
    assert model.set_params(frozen_features=None).poison(X, y, nodes=nodes).X.dtype == np.float64


# -- refusals -----------------------------------------------------------------------------

REFUSED = [
    ("feature_range", {"feature_range": 3.0}),
    ("feature_range", {"feature_range": (0.0,)}),
    ("feature_range", {"feature_range": (0.0, 1.0, 2.0)}),
    ("feature_range", {"feature_range": "01"}),
    ("feature_range.*numbers", {"feature_range": ("a", "b")}),
    ("feature_range.*NaN", {"feature_range": (0.0, np.nan)}),
    ("feature_range.*NaN", {"feature_range": (None, 1.0)}),
    ("feature_range.*low=2.*high=1.*'income'", {"feature_range": (2.0, 1.0)}),
    ("feature_range.*low=inf", {"feature_range": (np.inf, np.inf)}),
    ("feature_range.*high=-inf", {"feature_range": (-np.inf, -np.inf)}),
    (r"feature_range.*shape \(7,\).*\(6,\)", {"feature_range": (LOW[1:], 40.0)}),
    ("feature_range.*shape", {"feature_range": ([LOW], 40.0)}),
    ("feature_range.*'height'", {"feature_range": (pd.Series(LOW[:6], NAMES[:6]), 40.0)}),
    ("radius.*feature_range", {"feature_range": (20.0, 30.0), "radius": 15.0}),
    ("radius.*one_hot_groups", {"one_hot_groups": [["red"]], "radius": 0.99}),
    ("integer_features.*'income'", {"integer_features": [0], "feature_range": (0.2, 0.8)}),
    ("one_hot_groups.*'red'.*two groups", {"one_hot_groups": [["red", "blue"], ["red"]]}),
    ("one_hot_groups.*repeat", {"one_hot_groups": [["red", "red"]]}),
    ("one_hot_groups.*empty", {"one_hot_groups": [[]]}),
    ("one_hot_groups.*list", {"one_hot_groups": ["red", "blue"]}),
    ("one_hot_groups.*list", {"one_hot_groups": [2, 3]}),
    ("one_hot_groups", {"one_hot_groups": [["red", "age"]], "feature_range": (2.0, 40.0)}),
    ("one_hot_groups", {"one_hot_groups": 3}),
]
REFUSED += [
    (name, {name: value})
    for name in ("frozen_features", "integer_features")
    for value in ("age", 1, ["nobody"], [7], [-8], [1.0], [None], [[1]], [1, 1], [True], ["age", 1])
]

#: what depends on the rows drawn
REFUSED_LATER = [
    ("radius.*'max'.*feature_range", {"feature_range": (20.0, 30.0)}),
    ("radius.*frozen_features", {"frozen_features": ["age"], "radius": 17.0}),
    ("frozen_features.*'age'.*feature_range", {"frozen_features": [1], "feature_range": (-9, 9)}),
    ("frozen_features.*integer_features", {"frozen_features": [0], "integer_features": [0]}),
    ("one_hot_groups.*'age'", {"one_hot_groups": [["red", "age"]], "frozen_features": ["age"]}),
]


@pytest.mark.parametrize("words, params", REFUSED + REFUSED_LATER)
@both
def test_refusals_name_the_argument(make, words, params):
    X, y, nodes = people()
    model = poisoner(make, **params)
    with pytest.raises((ValueError, TypeError), match=words):
        model.fit(pd.DataFrame(X, columns=NAMES), y, nodes=nodes)
    assert not hasattr(model, "estimator_")
    if words not in dict(REFUSED_LATER):
        assert not hasattr(model, "clean_estimator_")


@both
def test_features_of_arrays_have_no_names(make):
    X, y, nodes = people()
    with pytest.raises(ValueError, match=r"integer_features.*'age'.*DataFrame"):
        poisoner(make, integer_features=["age"]).fit(X, y, nodes=nodes)


@pytest.mark.parametrize("entry", [2, -6, "node"])
@both
def test_the_node_column_is_no_feature(make, entry):
    X, y, nodes = people()
    table = pd.DataFrame(X, columns=NAMES)
    table.insert(2, "node", nodes)
    for name in ("frozen_features", "integer_features", "one_hot_groups"):
        value = [[entry]] if name == "one_hot_groups" else [entry]
        with pytest.raises(ValueError, match=f"{name}.*node column"):
            poisoner(make, node_column="node", **{name: value}).fit(table, y)


@both
def test_data_that_are_no_table(make):
    X, y, nodes = people()
    for wrong, words in ((y, "`X` must be 2-d"), (csr_array(X), "`X` is sparse")):
        with pytest.raises((ValueError, TypeError), match=words):
            poisoner(make, **PARTS).fit(wrong, y, nodes=nodes)


@both
def test_an_attack_without_rows_is_legal(make):
    X, y, nodes = people()
    model = poisoner(make, budget=0, init="ball", **PARTS).fit(X, y, nodes=nodes)
    assert model.poison_X_.shape == (0, 7)


def test_labelled_limits_find_their_features():
    X, y, nodes = people()
    table = pd.DataFrame(X, columns=NAMES)
    plain = poisoner(RandomPoisoner, feature_range=(LOW, HIGH), integer_features=["age"])
    plain.fit(table, y, nodes=nodes)
    ends = pd.DataFrame([LOW, HIGH], index=["min", "max"], columns=NAMES)[NAMES[::-1]]
    whole = pd.Series([name == "age" for name in NAMES], index=NAMES)[NAMES[::-1]]
    named = poisoner(RandomPoisoner, feature_range=ends, integer_features=whole)
    named.fit(table, y, nodes=nodes)
    assert_array_equal(named.poison_X_, plain.poison_X_)
    whole = pd.Series(np.array(NAMES) == "age", index=np.arange(len(NAMES))[::-1])
    named.set_params(integer_features=whole)  # no names of features: by position
    assert_array_equal(named.fit(table, y, nodes=nodes).poison_X_, plain.poison_X_)
    with pytest.raises(TypeError, match=r"`feature_range` must be a pair.*polars"):
        named.set_params(feature_range=pl.DataFrame(ends)).fit(table, y, nodes=nodes)
    with pytest.raises(ValueError, match=r"`feature_range` must be a pair.*got 7 entries"):
        named.set_params(feature_range=ends.T).fit(table, y, nodes=nodes)
