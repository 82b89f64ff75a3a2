"""Weights of classes, and probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression

from estimators import make_rows
from oracles.losses import CLASSIFICATION_LOSSES, RECORD_OF
from profiles import examples
from skfedmtl import FMTLClassifier, PoisoningAttacker, RandomPoisoner

losses = pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
EXACT = {"tol": 1e-12, "max_iter": 100_000, "random_state": 0}
#: smooth ones have one optimum that a small gap pins down
SMOOTH = {"lambda1": 0.1, "lambda2": 0.1, "loss": "logistic", **EXACT}


def rows_of(seed=0, **options):
    X, y, nodes = make_rows(FMTLClassifier, seed=seed, **options)
    y[:3] = 1 - y[:3]
    return X, np.where(y == 1, "yes", "no"), nodes


@pytest.mark.parametrize("class_weight", ["balanced", {"yes": 5.0}, {"yes": 0.0, "no": 2.0}])
def test_one_node_is_scikit_learn_s_model(class_weight):
    X, y, _ = rows_of()
    lambda2, given = 0.01, {"no": 1.0, "yes": 1.0}
    counts = {label: np.sum(y == label) for label in given}
    if class_weight == "balanced":
        given = {label: len(y) / (2 * count) for label, count in counts.items()}
    else:
        given |= class_weight
    weight = sum(given[label] * count for label, count in counts.items())
    options = {"loss": "logistic", "lambda2": lambda2, "class_weight": class_weight}
    model = FMTLClassifier(relationship="none", fit_intercept=False, **options, **EXACT).fit(X, y)
    peer = LogisticRegression(
        C=1 / (2 * lambda2 * weight), class_weight=given, fit_intercept=False, tol=1e-12
    ).fit(X, y)
    assert_allclose(model.coef_, peer.coef_, atol=1e-6)
    assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-6)


@given(seed=st.integers(0, 99), second=st.floats(0.01, 100.0))
@settings(max_examples=examples(4 / 5))
def test_class_weights_are_row_weights(seed, second):
    X, y, nodes = rows_of(seed)
    weight = np.where(y == "yes", second, 3.0)
    one = FMTLClassifier(class_weight={"yes": second, "no": 3}, **SMOOTH).fit(X, y, nodes=nodes)
    two = FMTLClassifier(**SMOOTH).fit(X, y, nodes=nodes, sample_weight=weight)
    assert_allclose(one.coef_, two.coef_, rtol=1e-12)


@given(seed=st.integers(0, 99), counts=st.lists(st.integers(0, 3), min_size=28, max_size=28))
@settings(max_examples=examples(4 / 5))
def test_a_row_of_weight_two_is_that_row_twice_when_balanced(seed, counts):
    X, y, nodes = rows_of(seed)
    counts = np.array(counts)
    if len(np.unique(y[counts > 0])) < 2 or len(np.unique(nodes[counts > 0])) < 3:
        counts[:] = 2
    options = {"class_weight": "balanced", **SMOOTH}
    weighted = FMTLClassifier(**options).fit(X, y, nodes=nodes, sample_weight=counts)
    repeated = FMTLClassifier(**options).fit(
        np.repeat(X, counts, axis=0), np.repeat(y, counts), nodes=np.repeat(nodes, counts)
    )
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-5)
    assert weighted.objective_ == pytest.approx(repeated.objective_, rel=1e-9)


def test_balanced_classes_weigh_the_same():
    X, y, nodes = rows_of()
    few = np.r_[np.flatnonzero(y == "no"), np.flatnonzero(y == "yes")[:3]]
    X, y, nodes = X[few], y[few], nodes[few]
    options = {"loss": "squared_hinge", "lambda1": 0.1, "lambda2": 1.0, "fit_intercept": False}
    plain = FMTLClassifier(**options).fit(np.ones((len(y), 1)), y)
    even = FMTLClassifier(class_weight="balanced", **options).fit(np.ones((len(y), 1)), y)
    assert plain.decision_function([[1.0]]) < -0.1
    assert_allclose(even.decision_function([[1.0]]), 0.0, atol=1e-3)
    assert even.score(X[:, :1] * 0 + 1, y) <= 1.0


@losses
def test_probabilities_only_where_there_are_any(loss):
    X, y, nodes = rows_of()
    model = FMTLClassifier(loss=loss).fit(X, y, nodes=nodes)
    poisoner = RandomPoisoner(model, random_state=0).fit(X, y, nodes=nodes)
    if not RECORD_OF[loss].has_probabilities:
        for estimator in (model, poisoner):
            assert not hasattr(estimator, "predict_proba")
            assert not hasattr(estimator, "predict_log_proba")
        with pytest.raises(AttributeError) as caught:
            model.predict_proba(X, nodes=nodes)
        said = str(caught.value)
        assert "loss='logistic'" in said and "CalibratedClassifierCV" in said
        return
    probabilities = model.predict_proba(X, nodes=nodes)
    assert_allclose(probabilities.sum(axis=1), 1.0)
    predicted = model.classes_[probabilities.argmax(axis=1)]
    assert (predicted == model.predict(X, nodes=nodes)).all()
    decision = poisoner.decision_function(X, nodes=nodes)
    assert_allclose(poisoner.predict_proba(X, nodes=nodes)[:, 1], 1 / (1 + np.exp(-decision)))


def test_logarithms_do_not_vanish():
    model = FMTLClassifier(loss="logistic").fit([[-1.0], [1.0]], [0, 1])
    logarithms = model.predict_log_proba([[1e4], [-1e4]])
    assert np.isfinite(logarithms).all() and logarithms.min() < -1e3
    assert (model.predict_proba([[1e4], [-1e4]]) == [[0, 1], [1, 0]]).all()


def test_calibration_makes_probabilities_of_a_hinge():
    X, y, nodes = rows_of(sizes=(60, 50, 40))
    table = np.column_stack([X, nodes])
    model = CalibratedClassifierCV(FMTLClassifier(node_column=3), cv=3).fit(table, y)
    probabilities = model.predict_proba(table)
    assert np.mean(model.classes_[probabilities.argmax(axis=1)] == y) > 0.7


@pytest.mark.parametrize("class_weight", ["balanced", {"yes": 4.0}])
@pytest.mark.parametrize("attack", ["direct", "indirect", "hybrid"])
def test_the_gradient_knows_the_weights(attack, class_weight):
    X, y, nodes = rows_of(sizes=(20, 20, 20, 20))
    victim = FMTLClassifier(
        loss="squared_hinge", lambda1=0.05, lambda2=0.05, class_weight=class_weight
    )
    attacker = PoisoningAttacker(victim, attack=attack, random_state=0)
    assert attacker.check_gradient(X, y, nodes=nodes).relative_error < 1e-6


def test_all_of_one_node_may_weigh_nothing():
    X, y, nodes = rows_of()
    y[nodes == 0] = "no"
    model = FMTLClassifier(class_weight={"no": 0.0}).fit(X, y, nodes=nodes)
    assert np.isfinite(model.coef_).all()
    assert model.dual_gap_ <= 1e-4 * model.objective_


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"maybe": 1.0}, r"class_weight lists \['maybe'\]; the classes are \['no', 'yes'\]"),
        ({"yes": -1.0}, "finite numbers of at least 0, got -1.0 for the class 'yes'"),
        ({"yes": np.nan}, "finite numbers of at least 0, got nan"),
        ({"yes": "much"}, "finite numbers of at least 0, got 'much'"),
        ({"yes": 0, "no": 0}, "must not be 0 for all classes"),
        ("even", "'class_weight' parameter"),
        (2.0, "'class_weight' parameter"),
    ],
)
def test_wrong_class_weights(class_weight, message):
    X, y, nodes = rows_of()
    with pytest.raises(ValueError, match=message):
        FMTLClassifier(class_weight=class_weight).fit(X, y, nodes=nodes)
