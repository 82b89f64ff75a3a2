"""Nodes of one row, from the split to the curve: trained on, never tested, not drawn as targets."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.metrics import accuracy_score, mean_absolute_error
from sklearn.model_selection import GridSearchCV, cross_validate

from estimators import quick_attacker
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    RandomPoisoner,
)
from skfedmtl.metrics import make_node_scorer, node_errors, robustness_scorer
from skfedmtl.model_selection import NodeKFold, security_curve, train_test_split_nodes

SIZES = (1, 14, 1, 12, 1, 9, 1, 1)
SEVERAL = {1, 3, 5}
pytestmark = pytest.mark.filterwarnings("ignore:Nodes with a single row")
both = pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
every_poisoner = pytest.mark.parametrize(
    "make",
    [
        partial(quick_attacker, max_iter=1),
        RandomPoisoner,
        LabelFlipPoisoner,
    ],
    ids=["optimised", "random", "flip"],
)


def rows(estimator, sizes=SIZES):
    rng = np.random.default_rng(0)
    nodes = np.repeat(np.arange(len(sizes)), sizes)
    X = rng.normal(size=(len(nodes), 2))
    y = X @ [1.0, -1.0] + 0.1 * rng.normal(size=len(nodes))
    return X, y > 0 if estimator is FMTLClassifier else y, nodes


def victim_of(estimator):
    return estimator(lambda1=0.1, lambda2=0.1, tol=1e-3, random_state=0)


def skip_flips_of_numbers(make, estimator):
    if make is LabelFlipPoisoner and estimator is FMTLRegressor:
        pytest.skip("flips labels of classes")


@every_poisoner
@both
@pytest.mark.parametrize("attack", ["direct", "indirect", "hybrid"])
def test_from_the_split_to_the_score(make, estimator, attack):
    skip_flips_of_numbers(make, estimator)
    for seed in range(2):
        data = train_test_split_nodes(*rows(estimator), random_state=seed)
        X, X_test, y, y_test, nodes, nodes_test = data
        assert set(nodes) == set(range(len(SIZES))) and set(nodes_test) == SEVERAL
        poisoner = make(victim_of(estimator), attack=attack, random_state=seed)
        poisoner.fit(X, y, nodes=nodes)
        assert set(poisoner.target_nodes_) <= SEVERAL
        assert len(poisoner.target_nodes_) == len(SEVERAL)  # half of eight, but for single rows
        assert np.isfinite(poisoner.score(X_test, y_test, nodes=nodes_test))
        predicted = poisoner.predict(X_test, nodes=nodes_test)
        assert set(node_errors(y_test, predicted, nodes_test)) == SEVERAL


@every_poisoner
@both
def test_searches_and_scorers(make, estimator):
    skip_flips_of_numbers(make, estimator)
    X, y, nodes = rows(estimator)
    metric = accuracy_score if estimator is FMTLClassifier else mean_absolute_error
    options = {"cv": NodeKFold(2), "error_score": "raise"}
    with config_context(enable_metadata_routing=True):
        model = victim_of(estimator)
        search = GridSearchCV(model, {"lambda1": [1e-3, 1e-1]}, refit=False, **options)
        search.fit(X, y, nodes=nodes)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        scorer = make_node_scorer(metric)
        scores = cross_validate(model, X, y, params={"nodes": nodes}, scoring=scorer, **options)
        assert np.isfinite(scores["test_score"]).all()
        poisoner = make(model, random_state=0)
        search = GridSearchCV(poisoner, {"budget": [0.1, 0.3]}, refit=False, **options)
        search.fit(X, y, nodes=nodes)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        defender = GridSearchCV(
            poisoner, {"estimator__lambda2": [1e-3, 1.0]}, scoring=robustness_scorer, **options
        )
        assert np.isfinite(defender.fit(X, y, nodes=nodes).best_score_)


@every_poisoner
@both
def test_curves(make, estimator):
    skip_flips_of_numbers(make, estimator)
    X, y, nodes = rows(estimator)
    poisoner = make(victim_of(estimator), random_state=0)
    made = security_curve(
        poisoner, X, y, nodes=nodes, param_name="budget", param_range=[0.0, 0.3], n_repeats=2
    )
    assert np.isfinite(made.scores).all() and np.isfinite(made.clean_scores).all()


def test_a_curve_draws_nodes_of_two_rows():
    """They leave one row to train on and one to test: that is enough to judge them."""
    X, y, nodes = rows(FMTLRegressor, (2, 2, 2, 1))
    poisoner = RandomPoisoner(FMTLRegressor(), target_nodes=1.0, attack="direct", random_state=0)
    made = security_curve(
        poisoner, X, y, nodes=nodes, param_name="budget", param_range=[0.5], n_repeats=4
    )
    assert np.isfinite(made.scores).all()
    with pytest.raises(ValueError, match=r"'target_nodes' parameter .* Got 1\.5"):
        security_curve(
            poisoner, X, y, nodes=nodes, param_name="target_nodes", param_range=[1.5], n_repeats=1
        )


def test_a_curve_names_the_nodes_that_it_draws(monkeypatch):
    """Where training rows do not tell which are judged; anyone can fit the same attack then."""
    X, y, nodes = rows(FMTLRegressor, (2, 2, 9, 1))
    named = []

    def note(self, X, y, **metadata):
        named.append((self.target_nodes, self.source_nodes))
        return fit(self, X, y, **metadata)

    fit = RandomPoisoner.fit
    monkeypatch.setattr(RandomPoisoner, "fit", note)
    poisoner = RandomPoisoner(FMTLRegressor(), attack="indirect", random_state=0)
    given = {"nodes": nodes, "param_name": "budget", "param_range": [0.2, 0.5], "n_repeats": 4}
    security_curve(poisoner, X, y, **given)
    assert all(set(targets) <= {0, 1, 2} and len(targets) == 2 for targets, _ in named)
    assert any({0, 1} & set(targets) for targets, _ in named)
    for one, other in zip(named[:4], named[4:], strict=True):
        assert_array_equal(one, other)
    named.clear()
    X, y, nodes = rows(FMTLRegressor, (4, 5, 9))
    security_curve(poisoner, X, y, **{**given, "nodes": nodes})
    assert named == [(0.5, None)] * 8


@pytest.mark.parametrize(
    ("name", "chosen"),
    [("target_nodes", [1, 2]), ("source_nodes", [1, 2])],
)
def test_a_named_target_of_a_single_row_is_refused_before_any_attack(name, chosen, monkeypatch):
    X, y, nodes = rows(FMTLRegressor)
    monkeypatch.setattr("skfedmtl.model_selection._security_curve._measure", None)
    with pytest.raises(ValueError, match=f"`{name}` must .* single row: 2"):
        security_curve(
            RandomPoisoner(FMTLRegressor(), random_state=0, **{name: chosen}),
            X,
            y,
            nodes=nodes,
            param_name="attack",
            param_range=["hybrid", "direct"],
        )


def test_a_target_without_a_test_row_says_what_targets_need():
    X, y, nodes = rows(FMTLRegressor)
    poisoner = RandomPoisoner(FMTLRegressor(), target_nodes=[0, 1], random_state=0)
    poisoner.fit(X, y, nodes=nodes)
    tested = nodes > 0
    with pytest.raises(ValueError, match=r"target node 0.*as many rows as there are folds"):
        poisoner.score(X[tested], y[tested], nodes=nodes[tested])


@both
def test_where_all_nodes_have_one_row_targets_are_drawn_among_them(estimator):
    X, y, nodes = rows(estimator, (1,) * 12)
    poisoner = RandomPoisoner(estimator(), random_state=0).fit(X, y, nodes=nodes)
    assert len(poisoner.target_nodes_) == 6
    assert_array_equal(np.unique(poisoner.poison_nodes_), poisoner.source_nodes_)
