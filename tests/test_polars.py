"""Frames of polars give what frames of pandas give, and come back as polars."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from estimators import make_rows
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
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
    poisoners.append(PoisoningAttacker(kind(), max_iter=3, **options))
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
