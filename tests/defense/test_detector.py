"""Scores of rows and nodes: what they are, what they depend on, what is refused."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

from estimators import ESTIMATORS, make_rows
from profiles import examples
from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker
from skfedmtl.defense import PoisonDetector

SCORES = ("pull", "loss", "isolation")
SMOOTH = {FMTLRegressor: "squared_error", FMTLClassifier: "logistic"}
estimators = pytest.mark.parametrize("estimator", ESTIMATORS)
scores = pytest.mark.parametrize("score", SCORES)


@pytest.mark.parametrize(
    ("detector", "check"),
    [
        pytest.param(detector, check, id=check.func.__name__)
        for detector, check in estimator_checks_generator(PoisonDetector(n_jobs=1))
    ],
)
def test_scikit_learn_checks(detector, check):
    check(detector)


def detector_of(estimator, score, **params):
    model = estimator(loss=SMOOTH[estimator], lambda2=0.1, tol=1e-10)
    return PoisonDetector(model, row_score=score, random_state=0, **params)


@scores
@estimators
def test_the_order_of_rows_and_nodes_is_without_effect(estimator, score):
    @settings(max_examples=examples(0.02 if score == "isolation" else 0.05))
    @given(st.integers(0, 2**31), st.permutations(range(3)))
    def check(seed, names):
        X, y, nodes = make_rows(estimator, sizes=(9, 6, 1), seed=seed % 100)
        detector = detector_of(estimator, score)
        first = detector.fit_predict(X, y, nodes=nodes)
        one = clone(detector).fit(X, y, nodes=nodes)
        order = np.random.default_rng(seed).permutation(len(y))
        assert_array_equal(
            detector.fit_predict(X[order], y[order], nodes=nodes[order]), first[order]
        )
        for name in ("scores_", "negative_outlier_factor_"):
            assert_array_equal(getattr(detector, name), getattr(one, name)[order])
        other = clone(detector).fit(X, y, nodes=np.array(names)[nodes])
        for name, values in one.node_scores_.items():
            assert_array_equal(detector.node_scores_[name], values)
            assert_allclose(other.node_scores_[name][names], values, atol=2e-4)
        exact = score == "isolation"
        assert_allclose(
            other.scores_, one.scores_, rtol=0 if exact else 1e-3, atol=0 if exact else 1e-4
        )

    check()


@estimators
def test_scores_are_what_they_say(estimator):
    X, y, nodes = make_rows(estimator, strings=True)
    model = estimator(random_state=0).fit(X, y, nodes=nodes)
    found = {
        score: PoisonDetector(model.set_params(tol=1e-10), row_score=score).fit(X, y, nodes=nodes)
        for score in SCORES[:2]
    }
    model.fit(X, y, nodes=nodes)
    if estimator is FMTLClassifier:
        margins = np.where(y == 1, 1.0, -1.0) * model.decision_function(X, nodes=nodes)
        losses, slopes = np.maximum(0.0, 1.0 - margins), model.dual_coef_
    else:
        residuals = y - model.predict(X, nodes=nodes)
        losses, slopes = residuals**2, 2.0 * residuals
    means = pd.DataFrame(X).groupby(nodes).transform("mean").to_numpy()
    pulls = np.abs(slopes) * np.sqrt(1.0 + np.square(X - means).sum(axis=1))
    assert_allclose(found["loss"].scores_, losses, atol=1e-3)
    assert_allclose(found["pull"].scores_, pulls, atol=3e-3)


def test_a_rare_class_is_thinned_like_any_other():
    X, y, nodes = make_rows(FMTLClassifier, sizes=(40, 40, 1))
    y = np.zeros(len(y), dtype=int)
    rare = np.concatenate([np.flatnonzero(nodes == l)[:4] for l in (0, 1)])
    y[rare] = 1
    for score in SCORES:
        detector = PoisonDetector(row_score=score, contamination=0.25, random_state=0)
        found = detector.fit_predict(X, y, nodes=nodes)
        factors = detector.negative_outlier_factor_
        assert_array_equal(found == -1, factors < detector.offset_)
        assert factors.min() > -1 and factors.max() < 0
        for node in (0, 1):
            # equal scores share their ranks, so that none of them may stand out
            assert (found[(nodes == node) & (y == 1)] == -1).sum() <= 1
        assert found[nodes == 2] == 1


def test_an_injected_row_and_its_node_stand_out():
    X, y, nodes = make_rows(FMTLRegressor, sizes=(30, 30, 30), strings=True)
    attacker = PoisoningAttacker(FMTLRegressor(), target_nodes=["n1"], budget=0.05, random_state=0)
    data = attacker.poison(X, y, nodes=nodes)
    for score in SCORES:
        detector = PoisonDetector(row_score=score, random_state=0)
        found = detector.fit_predict(data.X, data.y, nodes=data.nodes)
        assert (found[data.is_poison] == -1).all()
        assert detector.nodes_[detector.node_scores_["effect"].argmax()] == "n1"


def test_the_effect_is_that_of_leaving_a_node_out():
    X, y, nodes = make_rows(FMTLRegressor)
    model = FMTLRegressor(lambda1=0.1, lambda2=0.1, tol=1e-11)
    found = PoisonDetector(model).fit(X, y, nodes=nodes).node_scores_["effect"]
    losses = {}
    for left in (None, 0, 1, 2):
        stay = nodes != left if left is not None else np.ones(len(y), dtype=bool)
        model.fit(X[stay], y[stay], nodes=nodes[stay])
        squares = np.square(model.predict(X[stay], nodes=nodes[stay]) - y[stay])
        losses[left] = pd.Series(squares).groupby(nodes[stay]).mean()
    expected = [((losses[None] - losses[l]) / losses[None]).drop(l).median() for l in range(3)]
    assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_spellings():
    X, y, nodes = make_rows(FMTLClassifier, strings=True)
    names = np.array(["clean", "spoilt", "other"])[np.digitize(X[:, 0], [-0.3, 0.6])]
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(site=nodes)
    for classes in (names, y):
        one = PoisonDetector(random_state=0).fit(X, classes, nodes=nodes)
        two = PoisonDetector(node_column="site", random_state=0, n_jobs=2)
        with parallel_config("threading"):
            two.fit(frame, classes)
        loaded = pickle.loads(pickle.dumps(two))
        for found in (two, loaded):
            assert_array_equal(found.scores_, one.scores_)
            assert_array_equal(found.negative_outlier_factor_, one.negative_outlier_factor_)
            assert_array_equal(found.node_scores_["effect"], one.node_scores_["effect"])
        assert_array_equal(two.feature_names_in_, ["a", "b", "c", "site"])
        assert len(one.node_scores_["parting"]) == 3


def test_rows_of_which_there_are_few():
    for score in SCORES:
        detector = PoisonDetector(row_score=score)
        assert_array_equal(detector.fit_predict([[1.0]], [0.5]), [1])
        assert detector.node_scores_["effect"] == 0 and detector.node_scores_["parting"] == 1
        assert (detector.fit_predict([[1.0]] * 3, [0.5] * 3, nodes=[0, 1, 1]) == 1).all()
        unscored = PoisonDetector(row_score=score, score_nodes=False).fit([[1.0], [2.0]], [0.5, 1])
        assert not hasattr(unscored, "node_scores_")


BAD = {
    "estimator": ["FMTLRegressor", 1],
    "row_score": ["pulls", None],
    "contamination": [0, 0.6, np.nan, "auto"],
    "score_nodes": ["no", None],
    "node_column": [1.5],
    "n_jobs": [1.5],
    "random_state": [-1],
}


@pytest.mark.parametrize(("name", "value"), [(n, value) for n in BAD for value in BAD[n]])
def test_parameters(name, value):
    X, y, nodes = make_rows(FMTLRegressor)
    detector = PoisonDetector(**{name: value})
    with pytest.raises((ValueError, TypeError), match=name):
        detector.fit(X, y, nodes=nodes)
    assert not [key for key in vars(detector) if key.endswith("_")]


def test_data(monkeypatch):
    X, y, nodes = make_rows(FMTLRegressor)
    gap = np.where(np.arange(len(y)) == 0, np.nan, y)
    for score in SCORES:
        detector = PoisonDetector(row_score=score)
        with pytest.raises(TypeError, match="`X` is sparse: detectors need dense rows"):
            detector.fit(csr_matrix(X), y, nodes=nodes)
        with pytest.raises(ValueError, match="Input X contains NaN"):
            detector.fit(np.column_stack([X, gap]), y, nodes=nodes)
        with pytest.raises(ValueError, match="Input y contains NaN"):
            detector.fit(X, gap, nodes=nodes)
        with pytest.raises(ValueError, match="`nodes`"):
            detector.fit(X, y, nodes=nodes[1:])
        with pytest.raises(ValueError, match="only one class"):
            detector.fit(X, np.zeros(len(y), dtype=int), nodes=nodes)
    monkeypatch.setattr("skfedmtl.defense._detector.MAX_DENSE_NODES", 2)
    with pytest.raises(ValueError, match=r"score_nodes=True refits once a node, .* 3; at most 2"):
        PoisonDetector().fit(X, y, nodes=nodes)
