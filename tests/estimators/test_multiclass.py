"""More than two classes: one against the rest, in fits and in attacks."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from estimators import climber, make_rows
from interruptions import fit_in_pieces
from oracles.losses import CLASSIFICATION_LOSSES
from oracles.objective import loss_values
from profiles import covering, examples
from skfedmtl import (
    FMTLClassifier,
    LabelFlipPoisoner,
    RandomPoisoner,
)
from skfedmtl.inspection import RelationshipDisplay

KINDS = ("direct", "indirect", "hybrid")
losses = pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
kinds = pytest.mark.parametrize("kind", KINDS)
CLASSES = np.array(["blue", "green", "red"])
EXACT = {"tol": 1e-10, "max_iter": 100_000, "random_state": 0}
TIED = {"lambda1": 0.05, "lambda2": 0.05}


def rows_of(seed=0, n_nodes=4, n_rows=25, n_classes=3):
    """Classes by the largest of noisy scores; nodes in shuffled rows."""
    rng = np.random.default_rng(seed)
    nodes = rng.permutation(np.repeat(np.arange(n_nodes), n_rows))
    X = rng.normal(size=(len(nodes), n_classes)) + 0.2
    turn = np.eye(n_classes) + 0.3 * rng.normal(size=(n_nodes, n_classes, n_classes))
    scores = np.einsum("ni,nij->nj", X, turn[nodes]) + 0.5 * rng.normal(size=X.shape)
    position = scores.argmax(axis=1)
    position[:n_classes] = np.arange(n_classes)
    return X, (CLASSES[position] if n_classes == 3 else position), nodes


@losses
def test_each_class_is_a_fit_of_its_own(loss):
    X, y, nodes = rows_of()
    model = FMTLClassifier(loss=loss, **TIED, **EXACT).fit(X, y, nodes=nodes)
    assert_array_equal(model.classes_, CLASSES)
    assert model.coef_.shape == (4, 3, 3)
    assert model.intercept_.shape == (4, 3)
    assert model.dual_coef_.shape == (100, 3)
    assert model.node_covariance_factor_.shape[:2] == (3, 4)
    total = 0.0
    # both fits lie within sqrt(gap / lambda2) of the optimum
    near = 2 * np.sqrt(1e-10 * model.objective_ / TIED["lambda2"])
    for number, label in enumerate(CLASSES):
        part = FMTLClassifier(loss=loss, **TIED, **EXACT).fit(X, y == label, nodes=nodes)
        assert_allclose(model.coef_[:, number], part.coef_, rtol=0, atol=near)
        decision = model.decision_function(X, nodes=nodes)[:, number]
        longest = np.sqrt(1 + np.sum(X**2, axis=1).max())
        expected = part.decision_function(X, nodes=nodes)
        assert_allclose(decision, expected, rtol=0, atol=near * longest)
        assert_allclose(model.node_covariance()[number], part.node_covariance(), atol=1e-3)
        total += part.objective_
    assert model.objective_ == pytest.approx(total, rel=1e-9)
    assert 0 <= model.dual_gap_ <= 1e-10 * model.objective_ * (1 + 1e-6)
    assert model.dual_gap_ == pytest.approx(model.objective_ - model.dual_objective_, abs=1e-12)
    assert model.node_correlation().shape == model.node_precision().shape == (3, 4, 4)


@losses
def test_the_objective_is_recomputed_from_the_weights(loss):
    X, y, nodes = rows_of()
    model = FMTLClassifier(loss=loss, lambda1=0.02, lambda2=0.03).fit(X, y, nodes=nodes)
    decision, total = model.decision_function(X, nodes=nodes), 0.0
    for number, label in enumerate(CLASSES):
        losses = loss_values(loss, np.where(y == label, 1.0, -1.0), decision[:, number])
        W = np.column_stack([model.coef_[:, number], model.intercept_[:, number]])
        total += sum(losses[nodes == node].mean() for node in model.nodes_)
        total += 0.02 * np.linalg.norm(W, "nuc") ** 2 + 0.03 * np.sum(W**2)
    assert total == pytest.approx(model.objective_, rel=1e-9)
    assert {len(values) for values in model.history_.values()} == {model.n_iter_ + 1}
    assert model.history_["objective"][-1] == pytest.approx(total, rel=1e-9)
    assert (np.diff(model.history_["dual_objective"]) >= -1e-12).all()


def test_one_node_is_scikit_learn_s_model():
    X, y, _ = rows_of()
    model = FMTLClassifier(relationship="none", lambda2=0.01, **EXACT).fit(X, y)
    peer = LinearSVC(loss="hinge", C=1 / (0.02 * len(y)), tol=1e-10, max_iter=10**7, random_state=0)
    assert_allclose(model.coef_[0], peer.fit(X, y).coef_, atol=1e-6)
    assert_array_equal(model.predict(X), peer.predict(X))


@given(seed=st.integers(0, 99), order=st.permutations(range(4)))
@settings(max_examples=examples(3 / 5))
def test_names_of_the_classes_do_not_matter(seed, order):
    X, y, nodes = rows_of(seed, n_classes=4)
    options = {"loss": "squared_hinge", **TIED, **EXACT}
    one = FMTLClassifier(**options).fit(X, y, nodes=nodes)
    names = np.array(["d", "c", "b", "a"])[list(order)]
    two = FMTLClassifier(**options).fit(X, names[y], nodes=nodes)
    columns = np.searchsorted(two.classes_, names)
    assert_allclose(two.coef_[:, columns], one.coef_, atol=1e-4)
    assert two.objective_ == pytest.approx(one.objective_, rel=1e-9)


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
def test_the_same_bits_however_it_is_asked_for(solver):
    X, y, nodes = rows_of()
    options = {"solver": solver, "random_state": 0}
    one = FMTLClassifier(**options).fit(X, y, nodes=nodes)
    two = FMTLClassifier(n_jobs=2, node_column=3, **options).fit(np.column_stack([X, nodes]), y)
    three = pickle.loads(pickle.dumps(two))
    for name in ("coef_", "intercept_", "dual_coef_", "node_covariance_factor_"):
        assert_array_equal(getattr(one, name), getattr(two, name))
        assert_array_equal(getattr(one, name), getattr(three, name))


def test_probabilities_add_up():
    X, y, nodes = rows_of()
    model = FMTLClassifier(loss="logistic", **TIED).fit(X, y, nodes=nodes)
    probabilities = model.predict_proba(X, nodes=nodes)
    each = 1 / (1 + np.exp(-model.decision_function(X, nodes=nodes)))
    assert_allclose(probabilities, each / each.sum(axis=1, keepdims=True))
    assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(X, nodes=nodes))


def test_unknown_nodes_by_the_mean_model():
    X, y, nodes = rows_of()
    model = FMTLClassifier(handle_unknown="mean").fit(X, y, nodes=nodes)
    decision = model.decision_function(X[:5], nodes=np.full(5, 99))
    expected = X[:5] @ model.coef_.mean(axis=0).T + model.intercept_.mean(axis=0)
    assert_allclose(decision, expected)


def test_weights_of_classes_are_row_weights():
    X, y, nodes = rows_of()
    counts = {label: np.sum(y == label) for label in CLASSES}
    weight = np.array([len(y) / (3 * counts[label]) for label in y])
    options = {"loss": "logistic", **TIED, **EXACT}
    one = FMTLClassifier(class_weight="balanced", **options).fit(X, y, nodes=nodes)
    two = FMTLClassifier(**options).fit(X, y, nodes=nodes, sample_weight=weight)
    assert_allclose(one.coef_, two.coef_, atol=1e-9)


def test_a_warm_start_continues():
    X, y, nodes = rows_of()
    model = FMTLClassifier(warm_start=True, tol=1e-6, **TIED).fit(X, y, nodes=nodes)
    first = model.n_iter_
    assert model.fit(X, y, nodes=nodes).n_iter_ < first
    assert model.dual_gap_ <= 1e-6 * model.objective_
    # another number of classes begins anew
    assert model.fit(X, y == "red", nodes=nodes).coef_.shape == (4, 3)
    assert model.fit(X, y, nodes=nodes).coef_.shape == (4, 3, 3)


def test_a_stop_before_the_gap_warns():
    X, y, nodes = rows_of()
    with pytest.warns(ConvergenceWarning, match="stopped after max_iter=1"):
        FMTLClassifier(loss="logistic", max_iter=1, tol=1e-12).fit(X, y, nodes=nodes)


# -- attacks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "kind", "class_weight"),
    covering(2, CLASSIFICATION_LOSSES, KINDS, (None, "balanced")),
)
def test_the_gradient_is_that_of_finite_differences(loss, kind, class_weight):
    X, y, nodes = rows_of()
    victim = FMTLClassifier(loss=loss, class_weight=class_weight, **TIED)
    attacker = climber(victim, attack=kind, random_state=0)
    comparison = attacker.check_gradient(X, y, nodes=nodes)
    assert not comparison.kink.all()
    assert comparison.relative_error < 1e-6


@kinds
@pytest.mark.parametrize("smoothing", [0.0, 2.0])
def test_optimised_rows_do_more_than_they_did_at_first(kind, smoothing):
    X, y, nodes = rows_of()
    options = {"attack": kind, "random_state": 0}
    victim = make_pipeline(StandardScaler(), FMTLClassifier(**TIED))
    start = RandomPoisoner(victim, **options).fit(X, y, nodes=nodes)
    attacker = climber(victim, smoothing=smoothing, max_iter=15, **options)
    data = attacker.poison(X, y, nodes=nodes)
    assert attacker.objective_ > start.objective_
    assert set(data.y) <= set(CLASSES)
    assert_array_equal(data.y[: len(y)], y)
    assert attacker.score(X, y, nodes=nodes) >= 0
    # H by hand
    model, scaler = attacker.estimator_[-1], attacker.estimator_[0]
    decision = model.decision_function(scaler.transform(X), nodes=nodes)
    losses = np.maximum(0, 1 - np.where(y[:, None] == CLASSES, 1, -1) * decision).sum(axis=1)
    by_hand = sum(losses[nodes == node].mean() for node in attacker.target_nodes_)
    assert attacker.objective_ == pytest.approx(by_hand)


def test_without_a_tie_indirect_attacks_do_nothing():
    X, y, nodes = rows_of()
    victim = FMTLClassifier(relationship="none")
    attacker = climber(victim, attack="indirect", random_state=0).fit(X, y, nodes=nodes)
    clean, poisoned = attacker.clean_estimator_, attacker.estimator_
    targets = np.isin(clean.nodes_, attacker.target_nodes_)
    assert_allclose(poisoned.coef_[targets], clean.coef_[targets], atol=1e-3)


@pytest.mark.parametrize("smoothing", [0.0, 2.0])
def test_a_stopped_attack_goes_on_to_the_same_bits(tmp_path, monkeypatch, smoothing):
    X, y, nodes = rows_of()
    options = {"smoothing": smoothing, "random_state": 0, "max_iter": 8}
    whole = climber(FMTLClassifier(**TIED), **options).fit(X, y, nodes=nodes)
    kept = climber(FMTLClassifier(**TIED), checkpoint=tmp_path, **options)
    assert fit_in_pieces(kept, X, y, nodes, monkeypatch, n_stops=3) >= 3
    assert_array_equal(kept.poison_X_, whole.poison_X_)
    assert_array_equal(kept.objective_history_, whole.objective_history_)
    assert_array_equal(kept.estimator_.coef_, whole.estimator_.coef_)


def test_flipped_labels_are_other_classes():
    X, y, nodes = rows_of()
    poisoner = LabelFlipPoisoner(FMTLClassifier(), random_state=0).fit(X, y, nodes=nodes)
    assert set(poisoner.poison_y_) <= set(CLASSES)
    for row, label in zip(poisoner.poison_X_, poisoner.poison_y_, strict=True):
        assert label != y[np.flatnonzero((row == X).all(axis=1))[0]]


def test_a_relationship_a_class_is_not_drawn_as_one():
    X, y, nodes = rows_of()
    model = FMTLClassifier().fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="one relationship for each of its 3 classes"):
        RelationshipDisplay.from_estimator(model)
    RelationshipDisplay.from_matrix(model.node_correlation()[0], labels=model.nodes_)


def test_frames_of_nodes_stand_below_each_other():
    X, y, nodes = make_rows(FMTLClassifier, strings=True)
    y = np.resize(["a", "b", "c"], len(y))
    model = FMTLClassifier().fit(X, y, nodes=nodes)
    frame = model.node_correlation(as_frame=True)
    for label, matrix in zip(model.classes_, model.node_correlation(), strict=True):
        assert_array_equal(frame.loc[label].to_numpy(), matrix)
        assert list(frame.loc[label].index) == list(model.nodes_)
