"""Poisoners as samplers of imbalanced-learn, and as files of skops."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from imblearn.pipeline import Pipeline
from imblearn.utils import estimator_checks as checks
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from estimators import make_rows
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.model_selection import NodeKFold

CHECKS = (
    checks.check_samplers_one_label,
    checks.check_samplers_list,
    checks.check_samplers_pandas,
    checks.check_samplers_preserve_dtype,
)
VICTIMS = (FMTLRegressor, FMTLClassifier)
D = 3


def poisoners(victim, **params):
    options = {"random_state": 0, **params}
    found = [PoisoningAttacker(victim, max_iter=3, **options), RandomPoisoner(victim, **options)]
    if isinstance(victim, FMTLClassifier):
        found.append(LabelFlipPoisoner(victim, **options))
    return found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "poisoner", poisoners(FMTLClassifier()), ids=lambda one: type(one).__name__
)
def test_checks_of_imbalanced_learn(check, poisoner):
    check(type(poisoner).__name__, poisoner)


@pytest.mark.parametrize("kind", VICTIMS)
def test_a_pipeline_with_a_poisoner(kind):
    """The model behind it sees clean and injected rows; what is predicted is not resampled."""
    X, y, nodes = make_rows(kind)
    table = np.column_stack([X, nodes])
    model = kind(node_column=D, random_state=0)
    for poisoner in poisoners(kind(random_state=0), node_column=D):
        pipe = Pipeline([("poison", clone(poisoner)), ("model", clone(model))]).fit(table, y)
        data = poisoner.poison(table, y)
        direct = clone(model).fit(data.X, data.y)
        assert len(pipe[-1].dual_coef_) == len(data.y) > len(y)
        assert_array_equal(pipe.predict(table), direct.predict(table))


@pytest.mark.parametrize("kind", VICTIMS)
def test_a_search_over_the_attack_in_front(kind):
    X, y, nodes = make_rows(kind, sizes=(24, 18, 21))
    table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(node=nodes)
    poisoner = PoisoningAttacker(kind(), node_column="node", max_iter=3, random_state=0)
    pipe = Pipeline([("poison", poisoner), ("model", kind(node_column="node"))])
    search = GridSearchCV(
        pipe,
        {"poison__budget": [0.0, 1.0]},
        cv=list(NodeKFold(3).split(X, y, nodes=nodes)),
        error_score="raise",
    )
    scores = search.fit(table, y).cv_results_["mean_test_score"]
    assert scores[1] < scores[0]


@pytest.mark.parametrize("kind", VICTIMS)
def test_skops_keeps_what_was_fitted(kind):
    X, y, nodes = make_rows(kind, strings=True)
    for estimator in [kind(), *poisoners(kind())]:
        estimator.fit(X, y, nodes=nodes)
        stored = skops.io.dumps(estimator)
        trusted = skops.io.get_untrusted_types(data=stored)
        assert all(name.startswith("skfedmtl.") for name in trusted)
        loaded = skops.io.loads(stored, trusted=trusted)
        assert_array_equal(loaded.predict(X, nodes=nodes), estimator.predict(X, nodes=nodes))


def stored_and_loaded(estimator):
    stored = skops.io.dumps(estimator)
    trusted = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("skfedmtl.") for name in trusted)
    yield skops.io.loads(stored, trusted=trusted)
    yield pickle.loads(pickle.dumps(estimator))


@pytest.mark.parametrize("named", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("kind", VICTIMS)
def test_rows_of_a_frame_are_kept(kind, named):
    X, y, nodes = make_rows(kind, strings=True)
    table = named({"a": X[:, 0], "b": np.rint(X[:, 1]).astype(np.int16), "ward": nodes})
    for poisoner in poisoners(kind(), node_column="ward"):
        if hasattr(poisoner, "integer_features"):
            poisoner.set_params(integer_features=["b"])
        poisoner.fit(table, y)
        for loaded in stored_and_loaded(poisoner):
            assert_frame_equal(loaded.poison_X_, poisoner.poison_X_)
            assert_array_equal(loaded.predict(table), poisoner.predict(table))


def test_columns_of_any_kind_are_kept():
    X, _, nodes = make_rows(FMTLClassifier, strings=True)
    table = pd.DataFrame(
        {
            "count": pd.array([1, None, *range(2, len(X))], dtype="Int32"),
            "word": pd.array([None, "a", *nodes[2:]], dtype="string"),
            "flag": X[:, 0] > 0.0,
            "half": X[:, 1].astype(np.float32),
            "ward": pd.Categorical(nodes, categories=[*sorted(set(nodes)), "none"], ordered=True),
        }
    )
    table.columns = pd.MultiIndex.from_product([["of"], table.columns], names=["", "what"])
    poisoner = LabelFlipPoisoner(FMTLClassifier(), random_state=0)
    poisoner.poison_X_ = table.iloc[:5].reset_index(drop=True)
    for loaded in stored_and_loaded(poisoner):
        assert_frame_equal(loaded.poison_X_, poisoner.poison_X_)
