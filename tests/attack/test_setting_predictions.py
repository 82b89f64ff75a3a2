"""What a crafting poisoner asks of its victim is the same question for all kinds of victims."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from estimators import ESTIMATORS, make_rows
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl.attack import BasePoisoner


class Asks(BasePoisoner):
    def craft(self, setting):
        self.decision_ = setting.decision_function(setting.X, setting.nodes)
        self.predicted_ = setting.predict(setting.X, setting.nodes)
        return setting.X_start, setting.y_start


def _expected(poisoner, table, nodes):
    """By the fitted victim as users would ask it."""
    victim = poisoner.clean_estimator_
    if hasattr(victim, "steps"):
        return victim[-1].predict(victim[:-1].transform(table), nodes=nodes)
    return victim.predict(table, nodes=nodes)


@pytest.mark.parametrize("make", ESTIMATORS)
@pytest.mark.parametrize("framed", [False, True])
def test_one_way_for_all_victims(make, framed):
    X, y, nodes = make_rows(make)
    with_column = np.column_stack([X[:, :1], nodes, X[:, 1:]])
    if framed:
        names = [f"x{j}" for j in range(X.shape[1])]
        X = pd.DataFrame(X, columns=names)
        with_column = pd.DataFrame(with_column, columns=[names[0], "node", *names[1:]])
    column = "node" if framed else 1
    cases = [
        (make(), {}, X, nodes),
        (make(node_column=column), {}, with_column, None),
        (make_pipeline(StandardScaler(), make()), {}, X, nodes),
        (make_pipeline(StandardScaler(), make()), {"node_column": column}, with_column, None),
    ]
    for victim, params, table, where in cases:
        poisoner = Asks(victim, random_state=0, **params).fit(table, y, nodes=where)
        asked = (X, nodes) if params else (table, where)
        expected = _expected(poisoner, *asked)
        if make is FMTLRegressor:
            assert_allclose(poisoner.predicted_, expected, rtol=1e-12)
            assert_array_equal(poisoner.decision_, poisoner.predicted_)
        else:
            assert_array_equal(poisoner.predicted_, expected)
            classes = poisoner.clean_estimator_.classes_
            assert_array_equal(poisoner.predicted_, classes[(poisoner.decision_ > 0).astype(int)])


def test_rows_with_words():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"size": rng.normal(size=40), "kind": rng.choice(["a", "b", "c"], 40)})
    y, nodes = rng.normal(size=40) + (table["kind"] == "b"), np.repeat([0, 1], 20)
    steps = make_column_transformer((OneHotEncoder(), ["kind"]), (StandardScaler(), ["size"]))
    poisoner = Asks(make_pipeline(steps, FMTLRegressor()), random_state=0)
    poisoner.fit(table, y, nodes=nodes)
    assert_allclose(poisoner.predicted_, _expected(poisoner, table, nodes), rtol=1e-12)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s: s.predict(s.X[:, :2], s.nodes), r"`X` must have the 3 columns .*, got shape"),
        (lambda s: s.predict(s.X[0], s.nodes[:1]), r"`X` must have the 3 columns .*got shape \(3,"),
        (lambda s: s.decision_function(s.X * np.nan, s.nodes), "`X` must be finite, got NaN"),
        (lambda s: s.predict(s.X, s.nodes[1:]), "nodes"),
        (lambda s: s.predict(s.X[:1], [77]), "77"),
    ],
)
def test_what_is_asked_wrongly(ask, message):
    class Wrong(BasePoisoner):
        def craft(self, setting):
            ask(setting)

    X, y, nodes = make_rows(FMTLClassifier)
    with pytest.raises(ValueError, match=message):
        Wrong(FMTLClassifier(), random_state=0).fit(X, y, nodes=nodes)
