"""`poison` and `fit_resample`: clean rows first and untouched, in the container they came in."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal

from estimators import any_range, make_rows, quick_attacker
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)

POISONERS = (PoisoningAttacker, RandomPoisoner)
both = pytest.mark.parametrize("make", POISONERS)
every_poisoner = pytest.mark.parametrize("make", (*POISONERS, LabelFlipPoisoner))

pytestmark = any_range


def poisoner(make, estimator=FMTLRegressor, **params):
    """A short attack through the nodes 0 and 2."""
    victim = estimator(lambda1=0.05, lambda2=0.1, random_state=0)
    if make is PoisoningAttacker:
        make = partial(quick_attacker, max_iter=3)
    return make(victim, target_nodes=0.7, budget=0.4, **{"random_state": 0, **params})


def frame(X, nodes=None, position=1, index=None):
    table = pd.DataFrame(X, columns=["a", "b", "c"], index=index)
    if nodes is not None:
        table.insert(position, "node", nodes)
    return table


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_poisoner
def test_arrays(make, dtype):
    X, y, nodes = make_rows(FMTLRegressor)
    X, before = X.astype(dtype), X.astype(dtype)
    model = poisoner(make)
    data = model.poison(X, y, nodes=nodes)
    n, k = len(X), len(model.poison_X_)
    assert_array_equal(X, before)
    assert data.X.dtype == model.poison_X_.dtype == dtype
    assert data.y.dtype == y.dtype
    assert data.nodes.dtype == nodes.dtype
    assert_array_equal(data.X[:n], X)
    assert_array_equal(data.X[n:], model.poison_X_)
    assert_array_equal(data.y[:n], y)
    assert_array_equal(data.y[n:], model.poison_y_)
    assert_array_equal(data.nodes[:n], nodes)
    assert_array_equal(data.nodes[n:], model.poison_nodes_)
    assert_array_equal(data.is_poison, np.arange(n + k) >= n)
    assert data.is_poison.dtype == bool
    data.X[:] = 0.0
    assert_array_equal(X, before)


@every_poisoner
def test_frames(make):
    X, y, nodes = make_rows(FMTLRegressor, strings=True)
    index = np.arange(len(y))[::-1]  # labels of rows are no positions
    table, target = frame(X, index=index), pd.Series(y, index=index, name="delay")
    of_rows = pd.Series(nodes, index=index, name="where")
    model = poisoner(make)
    data = model.poison(table, target, nodes=of_rows)
    n = len(y)
    assert_frame_equal(data.X[:n], frame(X))
    assert_series_equal(data.y[:n], pd.Series(y, name="delay"))
    assert_series_equal(data.nodes[:n], of_rows.reset_index(drop=True))
    assert list(model.poison_X_.columns) == list("abc")
    assert_array_equal(data.X[n:], model.poison_X_)
    assert_array_equal(data.y[n:], model.poison_y_)
    assert_array_equal(data.nodes[n:], model.poison_nodes_)
    plain = poisoner(make).poison(X, y, nodes=nodes)
    assert_array_equal(data.X, plain.X)


@pytest.mark.parametrize("position", [0, 1, 3])
@pytest.mark.parametrize("strings", [False, True])
@every_poisoner
def test_frames_with_a_node_column(make, strings, position):
    X, y, nodes = make_rows(FMTLRegressor, strings=strings)
    table = frame(X, nodes, position)
    model = poisoner(make, node_column="node")
    rows, target = model.fit_resample(table, pd.Series(y))
    n = len(y)
    assert_frame_equal(rows[:n], table)
    assert_series_equal(target[:n], pd.Series(y))
    assert list(model.poison_X_.columns) == list(table.columns)
    assert_array_equal(model.poison_X_["node"], model.poison_nodes_)
    plain = poisoner(make).poison(X, y, nodes=nodes)
    assert_array_equal(rows[["a", "b", "c"]], plain.X)
    assert_array_equal(target, plain.y)
    assert_array_equal(rows["node"], plain.nodes)
    assert model.poison(table, pd.Series(y)).nodes is None
    assert model.n_features_in_ == 4
    assert list(model.feature_names_in_) == list(table.columns)


@pytest.mark.parametrize("column", [0, 2, -1])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_poisoner
def test_arrays_with_a_node_column(make, dtype, column):
    X, y, nodes = make_rows(FMTLRegressor)
    position = column % 4
    table = np.insert(X.astype(dtype), position, nodes, axis=1)
    model = poisoner(make, node_column=column)
    rows, target = model.fit_resample(table, y)
    assert rows.dtype == dtype
    assert_array_equal(rows[: len(y)], table)
    assert_array_equal(rows[len(y) :, position], model.poison_nodes_)
    assert_array_equal(target[: len(y)], y)
    plain = poisoner(make).poison(X.astype(dtype), y, nodes=nodes)
    assert_array_equal(np.delete(rows, position, axis=1), plain.X)


@pytest.mark.parametrize("given", ["column", "nodes", "none"])
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
@both
def test_rows_of_whole_numbers_are_not_truncated(make, dtype, given):
    """What is injected is what was crafted, though the clean rows are integers."""
    X, y, nodes = make_rows(FMTLRegressor)
    X = np.round(3 * X).astype(dtype)
    model = poisoner(make, radius=2.5, victim_tol=1e-8)
    if given == "column":
        data = model.set_params(node_column=0).poison(np.insert(X, 0, nodes, axis=1), y)
        data.X = data.X[:, 1:]
    else:
        data = model.poison(X, y, nodes=nodes if given == "nodes" else None)
    assert_array_equal(data.X[: len(y)], X)
    injected = np.asarray(data.X[data.is_poison], dtype=float)
    assert (injected != np.rint(injected)).any()
    if make is PoisoningAttacker:
        assert_allclose(model.objective_, model.objective_history_[-1], rtol=1e-4)


@every_poisoner
def test_lists(make):
    X, y, nodes = make_rows(FMTLRegressor)
    data = poisoner(make).poison(X.tolist(), y.tolist(), nodes=nodes.tolist())
    plain = poisoner(make).poison(X, y, nodes=nodes)
    for name in ("X", "y", "nodes", "is_poison"):
        assert_array_equal(data[name], plain[name])


@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("column", [0, -1])
@every_poisoner
def test_lists_with_a_node_column(make, column, strings):
    X, y, nodes = make_rows(FMTLRegressor, strings=strings)
    table = X.tolist()
    for row, node in zip(table, nodes.tolist(), strict=True):
        row.insert(column % 4, node)
    data = poisoner(make, node_column=column).poison(table, y.tolist())
    plain = poisoner(make).poison(X, y, nodes=nodes)
    assert_array_equal(np.delete(data.X, column, axis=1).astype(float), plain.X)
    assert_array_equal(data.X[:, column], plain.nodes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("label", ["int64", "int32", "bool", "str", "object", "category"])
@every_poisoner
def test_every_column_keeps_its_dtype(make, label, dtype):
    X, y, nodes = make_rows(FMTLRegressor)
    column = pd.Series(nodes > 0 if label == "bool" else nodes)
    if label in ("object", "category"):
        column = column.map("n{}".format)
    table = frame(X.astype(dtype), column.astype(label))
    rows, _ = poisoner(make, node_column="node").fit_resample(table, y)
    assert rows.dtypes.to_dict() == table.dtypes.to_dict()
    assert_frame_equal(rows[: len(y)], table)
    radius = max(np.linalg.norm(row) for row in table[["a", "b", "c"]].to_numpy())
    for row in rows[["a", "b", "c"]].to_numpy()[len(y) :]:
        assert np.linalg.norm(row) <= radius


@pytest.mark.parametrize("label", ["int32", "object", "category", "bool"])
@pytest.mark.parametrize("series", [False, True])
@every_poisoner
def test_nodes_keep_their_dtype(make, series, label):
    X, y, nodes = make_rows(FMTLRegressor)
    given = pd.Series(nodes > 0 if label == "bool" else nodes)
    if label in ("object", "category"):
        given = given.map("n{}".format)
    given = given.astype(label)
    if not series:
        given = given.to_numpy()
    data = poisoner(make).poison(X, y, nodes=given)
    assert type(data.nodes) is type(given)
    assert data.nodes.dtype == given.dtype
    assert list(data.nodes[: len(y)]) == list(given)


@pytest.mark.parametrize("dtype", ["U3", "object", "int8", "bool", "str", "category"])
@every_poisoner
def test_classes_keep_their_dtype(make, dtype):
    X, y, nodes = make_rows(FMTLClassifier)
    if dtype == "int8":
        target = y.astype(np.int8)
    elif dtype == "bool":
        target = y > 0
    else:
        words = np.where(y > 0, "yes", "no")
        target = pd.Series(words, dtype=dtype) if dtype in ("str", "category") else words
        target = target.astype(object) if dtype == "object" else target
    model = poisoner(make, FMTLClassifier)
    data = model.poison(X, target, nodes=nodes)
    assert data.y.dtype == target.dtype
    assert list(data.y[: len(y)]) == list(target)
    assert set(model.poison_y_) <= set(target)
    assert list(data.y[len(y) :]) == list(model.poison_y_)
    assert set(model.predict(X, nodes=nodes)) <= set(target)


@every_poisoner
def test_no_rows_injected_into_a_frame(make):
    X, y, nodes = make_rows(FMTLRegressor)
    table, target = frame(X, nodes), pd.Series(y)
    model = poisoner(make, node_column="node").set_params(budget=0)
    rows, found = model.fit_resample(table, target)
    assert_frame_equal(rows, table)
    assert_series_equal(found, target)
