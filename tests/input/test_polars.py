"""Frames of polars give what frames of pandas give, and come back as polars."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from estimators import any_range, make_rows, quick_attacker
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
    from_nodes,
)

KINDS = pytest.mark.parametrize("kind", [FMTLRegressor, FMTLClassifier])


def frames_of(kind, strings):
    X, y, nodes = make_rows(kind, strings=strings)
    columns = {"a": X[:, 0], "node": nodes, "b": X[:, 1], "c": X[:, 2].astype(np.float32)}
    return pl.DataFrame(columns), pd.DataFrame(columns), y


@KINDS
@pytest.mark.parametrize("strings", [False, True])
def test_a_node_column_by_name(kind, strings):
    ours, theirs, y = frames_of(kind, strings)
    one = kind(node_column="node", random_state=0).fit(ours, pl.Series("y", y))
    two = kind(node_column="node", random_state=0).fit(theirs, y)
    assert_array_equal(one.coef_, two.coef_)
    assert_array_equal(one.predict(ours), two.predict(theirs))
    assert_array_equal(one.feature_names_in_, ["a", "node", "b", "c"])
    with pytest.raises(ValueError, match="feature names should match"):
        one.predict(ours.rename({"a": "z"}))
    with pytest.raises(ValueError, match="must name one column"):
        kind(node_column="place").fit(ours, y)


@KINDS
def test_nodes_as_an_argument(kind):
    ours, theirs, y = frames_of(kind, True)
    nodes = ours["node"]
    one = kind(random_state=0).fit(ours.drop("node"), y, nodes=nodes)
    two = kind(random_state=0).fit(theirs.drop(columns="node"), y, nodes=theirs["node"])
    assert_array_equal(one.coef_, two.coef_)
    assert_array_equal(
        one.predict(ours.drop("node"), nodes=nodes),
        two.predict(theirs.drop(columns="node"), nodes=theirs["node"]),
    )


@any_range
@KINDS
@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("strings", [False, True])
def test_poisoned_data_are_polars(kind, column, strings):
    ours, theirs, y = frames_of(kind, strings)
    series, options = pl.Series("y", y), {"random_state": 0}
    if column:
        options["node_column"], where, there = "node", {}, {}
    else:
        where, there = {"nodes": ours["node"]}, {"nodes": theirs["node"]}
        ours, theirs = ours.drop("node"), theirs.drop(columns="node")
    poisoners = [RandomPoisoner(kind(), **options)]
    poisoners.append(quick_attacker(kind(), max_iter=3, **options))
    if kind is FMTLClassifier:
        poisoners.append(LabelFlipPoisoner(kind(), **options))
    for poisoner in poisoners:
        data = poisoner.poison(ours, series, **where)
        same = poisoner.poison(theirs, y, **there)
        assert isinstance(data.X, pl.DataFrame)
        assert isinstance(data.y, pl.Series)
        assert data.X.schema == ours.schema
        assert data.X.head(len(y)).equals(ours)
        assert data.y.name == "y"
        assert_array_equal(data.y.to_numpy(), same.y)
        for name in ours.columns:
            assert_array_equal(data.X[name].to_numpy(), same.X[name].to_numpy())
        if not column:
            assert isinstance(data.nodes, pl.Series)
            assert_array_equal(data.nodes.to_numpy(), np.asarray(same.nodes))
        assert np.isfinite(poisoner.score(ours, series, **where))
        assert len(poisoner.predict(ours, **where)) == len(y)


@pytest.mark.parametrize("frame", [pl.DataFrame, pd.DataFrame])
def test_columns_that_cannot_hold_fractions_become_floats(frame):
    X, y, nodes = make_rows(FMTLRegressor)
    columns = {
        "a": X[:, 0],
        "flag": X[:, 1] > 0.0,
        "price": [Decimal(f"{value:.2f}") for value in X[:, 2]],
    }
    clean = frame(columns)
    data = RandomPoisoner(FMTLRegressor(), random_state=0).poison(clean, y, nodes=nodes)
    same = RandomPoisoner(FMTLRegressor(), random_state=0).poison(
        np.column_stack(list(columns.values())).astype(float), y, nodes=nodes
    )
    assert isinstance(data.X, frame)
    for name, values in zip(columns, same.X.T, strict=True):
        found = data.X[name].to_numpy()
        assert found.dtype == np.float64
        assert_array_equal(found[: len(y)], values[: len(y)])
        assert_allclose(found, values, rtol=1e-12)  # sums over frames run in another order


def test_flags_stay_flags_where_they_are_kept():
    X, y, nodes = make_rows(FMTLRegressor)
    for frame in (pl.DataFrame, pd.DataFrame):
        clean = frame({"a": X[:, 0], "flag": X[:, 1] > 0.0})
        poisoner = PoisoningAttacker(
            FMTLRegressor(),
            max_iter=2,
            integer_features=["flag"],
            feature_range="clean",
            random_state=0,
        )
        data = poisoner.poison(clean, y, nodes=nodes)
        assert data.X["flag"].to_numpy().dtype == bool


def test_one_column_of_targets_comes_back_as_one():
    ours, _, y = frames_of(FMTLRegressor, True)
    poisoner = RandomPoisoner(FMTLRegressor(node_column="node"), random_state=0)
    X, column = poisoner.fit_resample(ours, pl.DataFrame({"y": y}))
    assert isinstance(column, pl.DataFrame)
    assert column.columns == ["y"]
    assert_array_equal(column["y"].to_numpy(), poisoner.fit_resample(ours, y)[1])
    assert X.columns == ours.columns


def test_nodes_are_stacked_by_the_names_of_their_columns():
    home = pl.DataFrame({"a": [0.0, 2.0], "b": [1, 3]}), pl.Series("y", [0.0, 1.0])
    away = pl.DataFrame({"a": [4], "b": [5.5]}), pl.Series("y", [1])
    X, y, nodes = from_nodes({"home": home, "away": away})
    assert X.equals(pl.DataFrame({"a": [0.0, 2.0, 4.0], "b": [1.0, 3.0, 5.5]}))
    assert y.equals(pl.Series("y", [0.0, 1.0, 1.0]))
    assert nodes.tolist() == ["home", "home", "away"]
    with pytest.raises(ValueError, match=r"'away' has \['b', 'a'\]"):
        from_nodes({"home": home, "away": (away[0].select("b", "a"), away[1])})
    with pytest.raises(ValueError, match="the tables must be all"):
        from_nodes({"home": home, "away": (pd.DataFrame({"a": [4], "b": [5.5]}), away[1])})
    assert isinstance(from_nodes([home, (away[0], [1.0])])[1], np.ndarray)
