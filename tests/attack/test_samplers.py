"""Poisoners as samplers of imbalanced-learn, and as files of skops."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from imblearn.pipeline import Pipeline
from imblearn.utils import estimator_checks as checks
from numpy.testing import assert_array_equal
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
