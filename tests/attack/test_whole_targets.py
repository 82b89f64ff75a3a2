"""Targets of injected rows in the dtype of the clean ones: whole where those are, never cut off."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import chisquare
from sklearn.base import clone

from skfedmtl import (
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl._input.targets import read_targets
from skfedmtl.attack._setting.start import CleanData, as_targets, start_labels

WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
LABELS = ("random", "extreme", "keep")


def clean(y):
    """Clean rows of the nodes 0 and 1 with these targets."""
    codes = np.arange(len(y)) % 2
    return CleanData(np.zeros((len(y), 1)), y, codes, np.ones(len(y)))


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("dtype", WHOLE)
def test_whole_targets_stay_whole_and_in_their_range(dtype, labels):
    top = 1 if dtype == "bool" else 3
    y = np.tile(np.arange(top + 1), 8)[:, None].repeat(2, axis=1).ravel().astype(dtype)
    rows, drawn = clean(y), np.arange(len(y)).repeat(40)
    found = start_labels(labels, FMTLRegressor(), rows, drawn, np.random.default_rng(0))
    assert found.dtype == y.dtype
    values, counts = np.unique(found, return_counts=True)
    if labels == "keep":
        assert_array_equal(found, y[drawn])
    elif labels == "extreme":
        assert_array_equal(values, np.array([0, top], dtype=dtype))
    else:
        assert_array_equal(values, np.arange(top + 1).astype(dtype))
        assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int8"])
def test_the_ends_of_a_dtype_are_not_left(dtype):
    ends = np.iinfo(dtype)
    y = np.array([ends.min, ends.min, ends.max, ends.max, 7, 7], dtype=dtype)
    found = as_targets(clean(y), np.zeros(3, dtype=int), np.array([ends.min, ends.max, 6.6]))
    assert found.tolist() == [ends.min, ends.max, 7]
    for labels, allowed in (("extreme", y[:4]), ("keep", y)):
        found = start_labels(labels, FMTLRegressor(), clean(y), np.arange(6), None)
        assert np.isin(found, allowed).all()


def test_a_range_of_negative_numbers():
    y = np.tile([-5, -5, -4, -4, -3, -3], 4)
    drawn = np.arange(len(y)).repeat(50)
    found = start_labels("random", FMTLRegressor(), clean(y), drawn, np.random.default_rng(0))
    values, counts = np.unique(found, return_counts=True)
    assert values.tolist() == [-5, -4, -3]
    assert chisquare(counts).pvalue > 1e-3


CONTAINERS = {
    "list": list,
    "int32": lambda y: y.astype(np.int32),
    "object": lambda y: y.astype(object),
    "pandas": pd.Series,
    "Int8": lambda y: pd.Series(y, dtype="Int8"),
    "UInt16": lambda y: pd.Series(y, dtype="UInt16"),
    "boolean": lambda y: pd.Series(y > 0, dtype="boolean"),
    "polars": lambda y: pl.Series("y", y, dtype=pl.Int16),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    ("make", "params"),
    [
        (RandomPoisoner, {"labels": "random"}),
        (RandomPoisoner, {"labels": "extreme"}),
        (LabelFlipPoisoner, {}),
        (PoisoningAttacker, {"labels": "random", "optimize_labels": True, "max_iter": 2}),
    ],
    ids=["random", "extreme", "flip", "optimised"],
)
def test_the_container_keeps_its_dtype(make, params, container):
    rng = np.random.default_rng(0)
    X, nodes = rng.normal(size=(40, 2)), np.arange(40) % 2
    y = CONTAINERS[container](rng.integers(0, 3, size=40))
    attack = make(FMTLRegressor(), budget=1.0, target_nodes=1.0, random_state=0, **params)
    data = attack.poison(X, y, nodes=nodes)
    if hasattr(y, "dtype"):
        assert data.y.dtype == y.dtype
    injected = np.asarray(data.y)[40:].astype(float)
    assert injected.min() >= 0.0 and injected.max() <= 2.0
    if container != "object":  # those may hold any numbers
        assert_array_equal(injected, np.rint(injected))
        assert_array_equal(injected, np.asarray(attack.poison_y_, dtype=float))
        assert len(np.unique(injected)) > 1


def test_pandas_dtypes_of_whole_numbers():
    for kind, expected in (("Int8", np.int8), ("boolean", np.bool_), ("int16", np.int16)):
        found = read_targets(pd.Series([1, 0], dtype=kind), "y", numeric=True)
        assert found.dtype == expected
        assert found.tolist() == [1, 0]


@pytest.mark.parametrize("labels", LABELS)
def test_text_keeps_its_digits(labels):
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(40, 3)).round(1)
    X = numbers[:, 1:]
    nodes = np.where(np.arange(40) % 2, "b", "a")
    y = numbers[:, 0].astype("U4")
    attack = RandomPoisoner(FMTLRegressor(), labels=labels, target_nodes=1.0, random_state=0)
    data = attack.poison(X, y, nodes=nodes)
    assert_array_equal(data.y[:40], y)
    plain = clone(attack).fit(X, numbers[:, 0], nodes=nodes)
    assert_array_equal(data.X[40:], plain.poison_X_)
    assert_array_equal(data.y[40:].astype(float), plain.poison_y_)


def test_text_is_no_feature_beside_a_node_column_either():
    table = np.array([["0.5", "a"], ["1.5", "b"]] * 5)
    for model in (FMTLRegressor(node_column=1), RandomPoisoner(FMTLRegressor(node_column=1))):
        with pytest.raises(ValueError, match="`X` holds entries of dtype <U3"):
            model.fit(table, np.arange(10.0))
