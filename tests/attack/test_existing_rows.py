"""Rows that could exist: clean ranges, limits found in a table, and where rows come from."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimators import make_rows
from profiles import examples
from skfedmtl import FMTLClassifier, FMTLRegressor, LabelFlipPoisoner, PoisoningAttacker
from skfedmtl import RandomPoisoner as Random
from skfedmtl.attack import infer_constraints

Attacker = PoisoningAttacker
STARTS = [(Random, "clean"), (Random, "ball"), (Attacker, "auto"), (Attacker, "ball")]
every_start = pytest.mark.parametrize(("make", "init"), STARTS)


def poisoner(make, estimator=FMTLRegressor, **params):
    victim = estimator(lambda1=0.05, lambda2=0.1, random_state=0)
    if make is Attacker:
        params.setdefault("max_iter", 3)
    return make(victim, **{"target_nodes": 0.7, "budget": 0.5, "random_state": 0, **params})


def ends(X, rows):
    return np.asarray(X)[rows].min(axis=0), np.asarray(X)[rows].max(axis=0)


# -- clean ranges -------------------------------------------------------------------------


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_start
def test_rows_keep_the_range_of_their_node(make, init, dtype, scaled):
    X, y, nodes = make_rows(FMTLRegressor)
    X = (X * [1.0, 30.0, 1e-3] + [0.0, 100.0, 0.0]).astype(dtype)
    model = poisoner(make, init=init, feature_range="clean", radius=1e3)
    if scaled:
        model.set_params(estimator=make_pipeline(StandardScaler(), model.estimator))
    model.fit(X, y, nodes=nodes)
    assert len(model.poison_X_) and len(model.source_nodes_) == 2
    for node in model.source_nodes_:
        low, high = ends(X, nodes == node)
        rows = model.poison_X_[model.poison_nodes_ == node]
        assert ((low <= rows) & (rows <= high)).all()


@every_start
def test_a_name_is_the_pair_that_it_stands_for(make, init):
    X, y, nodes = make_rows(FMTLRegressor)
    model = poisoner(make, init=init, target_nodes=[1])
    for name, rows in (("clean", nodes == 1), ("clean-all", nodes >= 0)):
        named = model.set_params(feature_range=name).fit(X, y, nodes=nodes).poison_X_
        given = model.set_params(feature_range=ends(X, rows)).fit(X, y, nodes=nodes).poison_X_
        assert_array_equal(named, given)


def test_a_category_that_a_node_lacks_is_none_for_it():
    X, y, nodes = make_rows(FMTLRegressor, (12, 12), 4)
    X[:, 1:] = np.eye(3)[np.arange(24) % 3]
    X[nodes == 0, 1:] = np.eye(3)[np.arange(12) % 2]
    model = poisoner(Attacker, target_nodes=[0], feature_range="clean", one_hot_groups=[[1, 2, 3]])
    rows = model.fit(X, y, nodes=nodes).poison_X_
    assert (rows[:, 3] == 0.0).all() and (rows[:, 1:3].sum(axis=1) == 1.0).all()


def test_whole_numbers_that_a_node_does_not_have():
    X, y, nodes = make_rows(FMTLRegressor)
    X[:, 1] = 0.2 + 0.1 * (nodes == 0)
    model = poisoner(Random, feature_range="clean", integer_features=[1])
    with pytest.raises(ValueError, match=r"integer_features.*feature 1.*\[0\.[23], 0\.[23]\]"):
        model.fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match=r"feature_range.*'clean'"):
        poisoner(Random, feature_range="cleaner").fit(X, y, nodes=nodes)


# -- the warning --------------------------------------------------------------------------


def table():
    X, y, nodes = make_rows(FMTLRegressor)
    return pd.DataFrame(X, columns=["age", "income", "height"]), y, nodes


@pytest.mark.parametrize("column", [None, "site"])
def test_a_named_table_whose_rows_leave_the_range(column):
    X, y, nodes = table()
    if column:
        X.insert(1, column, nodes)
        nodes = None
    model = poisoner(Random, init="ball", radius=50.0, node_column=column)
    with pytest.warns(UserWarning, match="Injected rows leave the range") as caught:
        model.fit(X, y, nodes=nodes)
    (warning,) = caught
    assert warning.filename == __file__
    for name in ("age", "income", "height"):
        assert repr(name) in str(warning.message)
    told = f"{model.poison_X_['age'].min():.4g} to {model.poison_X_['age'].max():.4g}; clean"
    assert told in str(warning.message)
    narrow = poisoner(Random, init="ball", radius=50.0, node_column=column, frozen_features=["age"])
    with pytest.warns(UserWarning) as caught:
        narrow.fit(X, y, nodes=nodes)
    assert "'age'" not in str(caught[0].message) and "'income'" in str(caught[0].message)


def test_what_gives_no_warning():
    X, y, nodes = table()
    wide = {"init": "ball", "radius": 50.0}
    unnamed = pd.DataFrame(X.to_numpy())
    classes = (y > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows in (X.to_numpy(), unnamed):
            poisoner(Random, **wide).fit(rows, y, nodes=nodes)
        poisoner(Random, feature_range=(-np.inf, np.inf), **wide).fit(X, y, nodes=nodes)
        poisoner(Random, feature_range="clean", **wide).fit(X, y, nodes=nodes)
        poisoner(Random).fit(X, y, nodes=nodes)  # clean rows, a little apart
        poisoner(Random, budget=0, **wide).fit(X, y, nodes=nodes)
        LabelFlipPoisoner(FMTLClassifier(), random_state=0).fit(X, classes, nodes=nodes)


def test_many_columns_are_counted():
    X, y, nodes = make_rows(FMTLRegressor, n_features=8)
    X = pd.DataFrame(X, columns=list("abcdefgh"))
    with pytest.warns(UserWarning, match=r"'e' \([^)]*\) and 3 more"):
        poisoner(Random, init="ball", radius=500.0).fit(X, y, nodes=nodes)


# -- where rows come from -----------------------------------------------------------------


@pytest.mark.parametrize("make", [Random, Attacker, LabelFlipPoisoner])
@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_rows_tell_the_clean_row_that_they_come_from(make, estimator):
    X, y, nodes = make_rows(estimator, strings=True)
    params = {} if make is LabelFlipPoisoner else {"frozen_features": [2], "init": "clean"}
    model = poisoner(make, estimator, **params).fit(X, y, nodes=nodes)
    origin = model.poison_origin_
    assert_array_equal(nodes[origin], model.poison_nodes_)
    kept = slice(None) if make is LabelFlipPoisoner else [2]
    assert_array_equal(model.poison_X_[:, kept], X[origin][:, kept])
    if make is Random:
        np.testing.assert_allclose(model.poison_X_, X[origin], atol=1e-4)
    if make is Attacker:  # an ascent moves rows and leaves them their origin
        assert_array_equal(
            origin, poisoner(Random, estimator, **params).fit(X, y, nodes=nodes).poison_origin_
        )


def test_rows_that_come_from_nowhere():
    X, y, nodes = make_rows(FMTLClassifier)
    ball = poisoner(Attacker, FMTLClassifier, init="ball").fit(X, y, nodes=nodes)
    assert_array_equal(ball.poison_origin_, np.full(len(ball.poison_X_), -1))
    sought = poisoner(Attacker, FMTLClassifier, init="weights", max_iter=0).fit(X, y, nodes=nodes)
    kept = next(attempt for attempt in sought.attempts_ if attempt["kept"])
    assert kept["origin"] == "weights"
    assert_array_equal(sought.poison_origin_, np.full(len(sought.poison_X_), -1))


# -- limits found in a table --------------------------------------------------------------


@st.composite
def tables(draw):
    """Columns in blocks, what they are, and nodes: (X, kinds by column, groups, nodes)."""
    n = draw(st.integers(12, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns, kinds, groups = [], [], []
    for block in draw(st.lists(st.sampled_from("rwbcg"), min_size=1, max_size=6)):
        if block == "g":
            k = draw(st.integers(2, 5))
            # every category occurs
            part = np.eye(k)[rng.permutation(np.arange(n) % k)]
            groups.append(list(range(len(columns), len(columns) + k)))
        elif block == "b":  # both values, in no group with what is beside it
            part = (np.arange(n) > 1)[:, None].astype(float)
        else:
            part = {
                "r": rng.normal(size=(n, 1)),
                "w": rng.integers(2, 90, size=(n, 1)) + np.arange(n)[:, None] * 1.0,
                "c": np.full((n, 1), rng.integers(3)),
            }[block]
        columns += list(part.T)
        kinds += block * part.shape[1]
    return np.column_stack(columns).astype(float), kinds, groups, np.arange(n) % 3


@settings(max_examples=examples(0.5))
@given(drawn=tables())
def test_what_was_built_is_found(drawn):
    X, kinds, groups, _ = drawn
    limits = infer_constraints(X)
    assert limits["feature_range"] == "clean"
    assert limits["frozen_features"] == [j for j, kind in enumerate(kinds) if kind == "c"]
    assert limits["one_hot_groups"] == groups
    assert limits["integer_features"] == [j for j, kind in enumerate(kinds) if kind in "wb"]


@settings(max_examples=examples(0.3))
@given(drawn=tables(), seed=st.integers(0, 9))
def test_gaps_hide_nothing_of_numbers(drawn, seed):
    """What the cells that are known have in common; a category with gaps is no group."""
    X, kinds, _, nodes = drawn
    numbers = [j for j, kind in enumerate(kinds) if kind in "wbc"]
    rng = np.random.default_rng(seed)
    holed = X.copy()
    for j in numbers:  # the ends of every node's range stay
        inside = np.ones(len(X), dtype=bool)
        for node in np.unique(nodes):
            mine = np.flatnonzero(nodes == node)
            inside[mine[[np.argmin(X[mine, j]), np.argmax(X[mine, j])]]] = False
        holed[inside & (rng.random(len(X)) < 0.5), j] = np.nan
    whole, found = infer_constraints(X, nodes), infer_constraints(holed, nodes)
    assert found == whole


def test_columns_with_gaps():
    X = pd.DataFrame(
        {
            "age": [31, None, 62, 28],
            "bmi": [20.5, None, 30.0, 25.0],
            "code": [7, 7, None, 8],
            "never": np.nan,
            "left": [1, 0, 1, None],
            "right": [0, 1, 0, 1],
        }
    )
    limits = infer_constraints(X, list("aabb"))
    assert limits["integer_features"] == ["age", "left", "right"]
    assert limits["frozen_features"] == ["code", "never"]
    assert limits["one_hot_groups"] == []
    assert limits == infer_constraints(X.astype(object), list("aabb"))
    assert infer_constraints(X)["frozen_features"] == ["never"]


@settings(max_examples=examples(0.2))
@given(drawn=tables(), start=st.sampled_from(STARTS))
def test_injected_rows_keep_what_was_found(drawn, start):
    X, kinds, _, nodes = drawn
    make, init = start
    y = X @ np.linspace(-1.0, 1.0, X.shape[1]) + nodes + 0.1 * np.arange(len(X))
    limits = infer_constraints(X, nodes)
    model = poisoner(make, init=init, **limits).fit(X, y, nodes=nodes)
    rows = model.poison_X_
    whole = np.isin(kinds, list("wbcg"))
    assert_array_equal(rows[:, whole], np.rint(rows[:, whole]))
    for group in limits["one_hot_groups"]:
        assert_array_equal(np.sort(rows[:, group])[:, -2:], np.tile([0.0, 1.0], (len(rows), 1)))
    for node in model.source_nodes_:
        low, high = ends(X, nodes == node)
        own = rows[model.poison_nodes_ == node]
        assert ((low <= own) & (own <= high)).all()


def test_constant_within_every_node():
    X, nodes = np.column_stack([np.arange(6.0), np.repeat([3.5, 8.0], 3)]), np.repeat([0, 1], 3)
    assert infer_constraints(X)["frozen_features"] == []
    assert infer_constraints(X, nodes)["frozen_features"] == [1]


def test_a_missing_category_leaves_a_group_unfound_and_is_told():
    rng = np.random.default_rng(0)
    ward = pd.Series(rng.choice(["A", "B", "C"], 60)).mask(np.arange(60) % 10 == 0)
    table = pd.DataFrame({"age": rng.normal(size=60), "ward": ward, "smoker": np.arange(60) % 2})
    told = "columns 'ward_A', 'ward_B', 'ward_C' never.* 6 of 60 rows.*dummy_na=True"
    with pytest.warns(UserWarning, match=told):
        limits = infer_constraints(pd.get_dummies(table, columns=["ward"], dtype=int))
    assert limits["one_hot_groups"] == []
    whole = infer_constraints(pd.get_dummies(table, columns=["ward"], dummy_na=True, dtype=int))
    assert whole["one_hot_groups"] == [["ward_A", "ward_B", "ward_C", "ward_nan"]]


def test_columns_that_chance_keeps_apart_are_no_category():
    rare = np.zeros((40, 3))
    rare[[1, 2, 3], [0, 1, 2]] = 1.0
    assert infer_constraints(rare)["one_hot_groups"] == []


def test_tables_of_every_kind():
    X = np.array([[1.5, 1, 0, 3], [2.5, 0, 1, 4], [0.5, 0, 1, 5]])
    wanted = {
        "feature_range": "clean",
        "frozen_features": [],
        "integer_features": [3],
        "one_hot_groups": [[1, 2]],
    }
    assert infer_constraints(X) == infer_constraints(X.tolist()) == wanted
    named = pd.DataFrame(X, columns=list("abcd"))
    by_name = {**wanted, "integer_features": ["d"], "one_hot_groups": [["b", "c"]]}
    assert infer_constraints(named) == infer_constraints(pl.DataFrame(named)) == by_name
    for other in (named.rename(columns={"a": "d"}), pd.DataFrame(X)):
        assert infer_constraints(other) == wanted
    named.insert(1, "site", ["x", "x", "y"])
    assert infer_constraints(named, node_column="site") == by_name
    moved = {**wanted, "integer_features": [4], "one_hot_groups": [[2, 3]]}
    assert infer_constraints(np.insert(X, 1, [0, 0, 1], axis=1), node_column=1) == moved


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ((np.array([["2020-01-01"]], dtype="datetime64[D]"),), "`X` holds entries of dtype"),
        (([[np.inf], [1.0]],), "X contains infinity"),
        ((np.zeros((0, 2)),), "minimum of 1"),
        ((np.zeros(3),), "2D"),
        ((np.zeros((3, 1)), [0, 1]), "`nodes` and `X` must be equally long"),
        ((csr_array(np.eye(3)),), "`X` is sparse"),
    ],
)
def test_what_is_no_table(given_, words):
    with pytest.raises((ValueError, TypeError), match=words):
        infer_constraints(*given_)
    with pytest.raises(ValueError, match="`nodes` and `node_column` were both given"):
        infer_constraints(np.eye(3), [0, 1, 2], node_column=0)
