"""Security curves: the same rows and nodes along the curve, scores on rows that no attack saw."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimators import quick_attacker
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.attack import DamageBound
from skfedmtl.datasets import make_federated_classification, make_federated_regression
from skfedmtl.model_selection import security_curve


class Recorder(RandomPoisoner):
    """Notes what it is fitted and scored on."""

    seen = []

    def fit(self, X, y, *, nodes=None):
        super().fit(X, y, nodes=nodes)
        self.rows_ = X
        return self

    def score(self, X, y, *, sample_weight=None, nodes=None):
        if self.estimator_ is not self.clean_estimator_:
            self.seen.append((self.budget, self.rows_, X, self.target_nodes_, self.source_nodes_))
        return super().score(X, y, nodes=nodes)


@pytest.fixture(scope="module")
def rows():
    return make_federated_regression(
        6, sizes=(15, 30), n_features=4, random_state=0, return_X_y_nodes=True
    )


@pytest.fixture(scope="module")
def classes():
    return make_federated_classification(
        6, sizes=(20, 30), n_features=4, random_state=0, return_X_y_nodes=True
    )


def curve(attacker, rows, **settings):
    X, y, nodes = rows
    given = {"param_name": "budget", "param_range": [0.0, 0.1, 0.3], "n_repeats": 2}
    return security_curve(attacker, X, y, nodes=nodes, **{**given, **settings})


def test_rows_and_nodes_are_drawn_once_a_repetition(rows):
    Recorder.seen.clear()
    curve(Recorder(FMTLRegressor(), random_state=0), rows, n_repeats=3)
    assert len(Recorder.seen) == 9
    draws = [Recorder.seen[repeat::3] for repeat in range(3)]
    for draw in draws:
        assert [entry[0] for entry in draw] == [0.0, 0.1, 0.3]
        for entry in draw[1:]:
            for here, there in zip(entry[1:], draw[0][1:], strict=True):
                assert_array_equal(here, there)
    assert not np.array_equal(draws[0][0][2], draws[1][0][2])
    assert len({tuple(draw[0][3]) for draw in draws}) > 1


def test_rows_are_held_out_within_every_node(rows):
    X, _, nodes = rows
    Recorder.seen.clear()
    curve(Recorder(FMTLRegressor(), random_state=0), rows, test_size=0.4)
    for _, train, test, _, _ in Recorder.seen:
        assert len(train) + len(test) == len(X)
        assert_array_equal(np.unique(np.vstack([train, test]), axis=0), np.unique(X, axis=0))
        for node in np.unique(nodes):
            mine = (test[:, None] == X[nodes == node]).all(axis=2).sum()
            assert mine == pytest.approx(0.4 * (nodes == node).sum(), abs=0.5)


def test_scores_are_those_of_the_attacker(classes):
    attacker = quick_attacker(
        FMTLClassifier(lambda2=0.01), target_nodes=[0, 2], max_iter=3, random_state=0
    )
    made = curve(attacker, classes)
    assert made.scores.shape == made.clean_scores.shape == (3, 2)
    assert_array_equal(made.scores[0], made.clean_scores[0])
    assert_array_equal(made.clean_scores[0], made.clean_scores[2])
    assert made.scores[2].mean() > made.clean_scores[2].mean()
    assert (made.scores >= 0).all() and (made.scores <= 1).all()
    assert (made.param_name, made.param_range) == ("budget", [0.0, 0.1, 0.3])
    assert "error rate" in made.score_name
    assert not hasattr(attacker, "estimator_") and attacker.budget == 0.2


def test_a_parameter_of_the_victim_changes_the_clean_score(rows):
    attacker = RandomPoisoner(FMTLRegressor(), random_state=0)
    made = curve(
        attacker, rows, param_name="estimator__lambda2", param_range=np.array([1e-3, 100.0])
    )
    assert (made.clean_scores[1] > made.clean_scores[0]).all()
    assert made.param_range == [1e-3, 100.0] and "RMSE" in made.score_name


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("attack", ["direct", "indirect", "hybrid"]),
        ("target_nodes", [0.2, 0.5]),
        ("labels", ["keep", "random", "extreme"]),
        ("estimator", [FMTLRegressor(), FMTLRegressor(relationship="none")]),
        ("estimator__relationship", ["learned", "none"]),
    ],
)
def test_any_parameter(name, values, rows):
    attacker = RandomPoisoner(FMTLRegressor(), random_state=0)
    made = curve(attacker, rows, param_name=name, param_range=values)
    assert made.scores.shape == (len(values), 2) and np.isfinite(made.scores).all()
    assert made.param_range == values


@pytest.fixture
def quick(monkeypatch):
    """Bounds of few steps, which are higher, but as valid."""
    few = partial(DamageBound, max_iter=2)
    monkeypatch.setattr("skfedmtl.model_selection._security_curve.DamageBound", few)


@pytest.mark.parametrize("kind", ["direct", "indirect", "hybrid"])
def test_no_attack_exceeds_its_bound(kind, rows, quick):
    attacker = PoisoningAttacker(
        FMTLRegressor(lambda1=0.1), attack=kind, max_iter=3, radius=2.0, random_state=0
    )
    made = curve(attacker, rows, bound=True)
    assert made.objectives.shape == made.upper_bounds.shape == made.clean_objectives.shape == (3, 2)
    assert (made.objectives <= made.upper_bounds).all()
    assert_allclose(made.objectives[0], made.clean_objectives[0], rtol=1e-4)
    if kind != "indirect":  # which does these targets good, within its radius
        assert (made.objectives[2] > made.clean_objectives[2]).all()
    assert (np.diff(made.upper_bounds, axis=0) > 0).all()
    plain = curve(attacker, rows)
    assert_array_equal(plain.scores, made.scores)
    assert not {"objectives", "upper_bounds", "clean_objectives"} & plain.keys()


def test_bounds_never_fall_along_budgets(rows, monkeypatch):
    """A descent that ends early at a small budget may leave more than one at a larger.

    What is less holds for fewer rows as well, if clean ones may be among the injected.
    """
    raw = {0.1: 2.0, 0.2: 5.0, 0.3: 3.0}

    def certify(attacker, X, y, metadata, params):
        return [1.0, raw[attacker.budget], 1.0]

    monkeypatch.setattr("skfedmtl.model_selection._security_curve._certify", certify)
    attacker, budgets = RandomPoisoner(FMTLRegressor(), random_state=0), [0.3, 0.1, 0.2]
    made = curve(attacker, rows, param_range=budgets, bound=True)
    assert_array_equal(made.upper_bounds, [[3.0, 3.0], [2.0, 2.0], [3.0, 3.0]])
    flips = LabelFlipPoisoner(FMTLRegressor(), random_state=0)
    assert_array_equal(
        curve(flips, rows, param_range=budgets, bound=True).upper_bounds, made.upper_bounds
    )
    small = clone(attacker).set_params(radius=0.1)
    for other in (small, Recorder(FMTLRegressor(), random_state=0)):
        made = curve(other, rows, param_range=budgets, bound=True)
        assert_array_equal(made.upper_bounds, [[5.0, 5.0], [2.0, 2.0], [5.0, 5.0]])
    made = curve(attacker, rows, param_name="radius", param_range=[2.0, 1.0], bound=True)
    assert_array_equal(made.upper_bounds, np.full((2, 2), raw[attacker.budget]))


def test_bounds_are_of_the_training_rows_and_nodes_of_the_attack(rows, quick):
    """Those that a recorder saw, whose sources no `DamageBound` would draw by itself."""
    Recorder.seen.clear()
    X, y, nodes = rows
    attacker = Recorder(
        FMTLRegressor(lambda1=0.1),
        attack="indirect",
        choose_sources="influence",
        victim_tol=1e-6,
        radius=1.5,
        random_state=0,
    )
    made = curve(attacker, rows, param_range=[0.3], bound=True)
    for repeat, (budget, train, _, targets, sources) in enumerate(Recorder.seen):
        chosen = (X[:, None] == train).all(axis=2).any(axis=1)
        threat = {"target_nodes": targets, "source_nodes": sources, "budget": budget}
        bound = DamageBound(
            attacker.estimator, attack="indirect", radius=1.5, max_iter=2, tol=1e-6, **threat
        ).fit(X[chosen], y[chosen], nodes=nodes[chosen])
        assert_allclose(made.upper_bounds[0, repeat], bound.per_target_)
        clean = bound.clean_objective_ / len(targets)
        assert_allclose(made.clean_objectives[0, repeat], clean)


def test_bounds_of_other_poisoners_and_along_other_parameters(rows, classes, quick):
    for attacker, data in (
        (RandomPoisoner(FMTLRegressor(), random_state=0), rows),
        (LabelFlipPoisoner(FMTLClassifier(lambda2=0.1), random_state=0), classes),
    ):
        along = {"param_name": "estimator__lambda1", "param_range": [1e-3, 1.0]}
        made = curve(attacker, data, n_repeats=1, bound=True, **along)
        assert (made.objectives < made.upper_bounds).all()
        assert made.clean_objectives[0] < made.clean_objectives[1]
    # what a bound has no parameter for leaves it as it is
    attacker = RandomPoisoner(FMTLRegressor(), random_state=0)
    made = curve(attacker, rows, param_name="labels", param_range=["keep", "extreme"], bound=True)
    assert (made.objectives[0] < made.objectives[1]).all()
    assert_allclose(made.upper_bounds[0], made.upper_bounds[1])


def test_bounds_with_weights_and_a_node_column(rows, quick):
    X, y, nodes = rows
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    attacker = RandomPoisoner(FMTLRegressor(), random_state=0)
    given = {"param_range": [0.2], "n_repeats": 1, "sample_weight": weight, "bound": True}
    by_argument = curve(attacker, rows, **given)
    by_column = curve(
        clone(attacker).set_params(node_column=0), (np.c_[nodes, X], y, None), **given
    )
    assert_allclose(by_argument.upper_bounds, by_column.upper_bounds, rtol=1e-6)
    unweighted = curve(attacker, rows, **{**given, "sample_weight": None})
    assert not np.allclose(unweighted.clean_objectives, by_argument.clean_objectives, rtol=1e-3)


def test_bounds_take_parameters_and_progress_is_told(rows, capfd):
    attacker = RandomPoisoner(FMTLRegressor(lambda1=0.1), random_state=0)
    given = {"param_range": [0.2], "n_repeats": 2, "bound": True, "verbose": 50}
    few, more = (
        curve(attacker, rows, bound_params={"max_iter": steps}, **given).upper_bounds
        for steps in (1, 20)
    )
    assert (more < 0.999 * few).all()
    told = capfd.readouterr()
    assert "Done   2" in told.out + told.err  # in whatever words joblib tells it


@pytest.mark.parametrize(
    "settings", [{}, {"param_name": "goal", "param_range": ["error", "raise"]}]
)
def test_goals_without_a_bound_are_refused_before_any_attack(settings, rows, monkeypatch):
    goal = "error" if settings else "raise"
    attacker = PoisoningAttacker(FMTLRegressor(), goal=goal, random_state=0)
    monkeypatch.setattr("skfedmtl.model_selection._security_curve._measure", None)
    with pytest.raises(ValueError, match=r"`bound` needs .* goal='error'; got goal='raise'"):
        curve(attacker, rows, bound=True, **settings)


def test_victims_without_a_bound_are_refused_by_name(classes):
    attacker = RandomPoisoner(FMTLClassifier(class_weight="balanced"), random_state=0)
    with pytest.raises(ValueError, match=r"`estimator` has class_weight='balanced'"):
        curve(attacker, classes, bound=True)


def test_the_same_bits_for_any_number_of_processes(rows):
    attacker = PoisoningAttacker(FMTLRegressor(), max_iter=2, random_state=3)
    first, second, parallel = (curve(attacker, rows, n_jobs=n_jobs) for n_jobs in (None, 1, 2))
    for other in (second, parallel):
        assert first.scores.tobytes() == other.scores.tobytes()
        assert first.clean_scores.tobytes() == other.clean_scores.tobytes()
    other = curve(clone(attacker).set_params(random_state=4), rows)
    assert not np.array_equal(first.scores, other.scores)
    drawn = [curve(clone(attacker).set_params(random_state=None), rows) for _ in range(2)]
    assert not np.array_equal(drawn[0].scores, drawn[1].scores)


def test_a_node_column_in_place_of_nodes(rows):
    X, y, nodes = rows
    by_argument = curve(RandomPoisoner(FMTLRegressor(), random_state=0), rows)
    for attacker in (
        RandomPoisoner(FMTLRegressor(node_column=0), random_state=0),
        RandomPoisoner(FMTLRegressor(), node_column=0, random_state=0),
    ):
        by_column = curve(attacker, (np.c_[nodes, X], y, None))
        assert_allclose(by_column.scores, by_argument.scores, rtol=1e-9)
    frame = pd.DataFrame(X, columns=list("abcd")).assign(where=nodes)
    named = RandomPoisoner(FMTLRegressor(node_column="where"), random_state=0)
    by_name = curve(named, (frame, pd.Series(y), None))
    assert_allclose(by_name.scores, by_argument.scores, rtol=1e-9)


def test_a_pipeline_as_the_victim(rows):
    victim = make_pipeline(StandardScaler(), FMTLRegressor())
    made = curve(
        RandomPoisoner(victim, random_state=0),
        rows,
        param_name="estimator__fmtlregressor__lambda2",
        param_range=[1e-3, 1e-2],
    )
    assert (made.scores > made.clean_scores).any() and "RMSE" in made.score_name


def test_with_routing_enabled(classes):
    attacker = LabelFlipPoisoner(FMTLClassifier(), random_state=0)
    plain = curve(attacker, classes)
    with config_context(enable_metadata_routing=True):
        routed = curve(attacker, classes)
    assert_array_equal(plain.scores, routed.scores)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"param_name": "colour"}, ValueError, "`param_name` must be a parameter .* got 'colour'"),
        ({"param_name": "random_state"}, ValueError, "not 'random_state'; got 'random_state'"),
        ({"param_name": ["budget"]}, ValueError, r"`param_name` .* got \['budget'\]"),
        ({"param_range": np.array(0.1)}, TypeError, "`param_range` must be a list of values"),
        ({"param_range": []}, ValueError, "`param_range` is empty"),
        ({"param_range": 0.1}, TypeError, "`param_range` must be a list of values, got 0.1"),
        ({"param_range": "ab"}, TypeError, "`param_range`"),
        ({"n_repeats": 0}, ValueError, "`n_repeats` must be a whole number of at least 1, got 0"),
        ({"n_repeats": 1.0}, TypeError, "`n_repeats`"),
        ({"n_repeats": True}, TypeError, "`n_repeats`"),
        ({"test_size": 1.0}, ValueError, "`test_size` must be a share between 0 and 1, got 1.0"),
        ({"test_size": None}, ValueError, "`test_size`"),
        ({"bound": "yes"}, TypeError, "`bound` must be True or False, got 'yes'"),
        ({"bound_params": {"max_iter": 3}}, ValueError, "`bound_params` .* without bound=True"),
        ({"bound": True, "bound_params": 3}, TypeError, "`bound_params` must be a dict .* got 3"),
        ({"bound": True, "bound_params": {"budget": 1}}, ValueError, "may hold .* got 'budget'"),
        ({"bound": True, "bound_params": {"max_iter": 0}}, ValueError, "'max_iter'"),
        ({"param_range": [-1.0]}, ValueError, "budget"),
    ],
)
def test_wrong_arguments(change, error, message, rows):
    with pytest.raises(error, match=message):
        curve(RandomPoisoner(FMTLRegressor(), random_state=0), rows, **change)


def test_wrong_data(rows):
    X, y, nodes = rows
    attacker = RandomPoisoner(FMTLRegressor(), random_state=0)
    with pytest.raises(TypeError, match="`attacker` must be a poisoner, got FMTLRegressor"):
        curve(FMTLRegressor(), rows)
    with pytest.raises(TypeError, match="`attacker` must be a poisoner, got 3"):
        curve(3, rows)
    with pytest.raises(TypeError, match="`attacker` must be a poisoner, got <class"):
        curve(RandomPoisoner, rows)
    with pytest.raises(ValueError, match="`nodes` is missing"):
        curve(attacker, (X, y, None))
    with pytest.raises(ValueError, match="`nodes` has 3 entries"):
        curve(attacker, (X, y, nodes[:3]))
    with pytest.raises(ValueError, match="`y` has 3 entries"):
        curve(attacker, (X, y[:3], nodes))
    with pytest.raises(TypeError, match="`y` must be array-like"):
        curve(attacker, (X, None, nodes))


@pytest.mark.parametrize("along", ["budget", "target_nodes"])
def test_a_target_of_a_single_row_is_refused_before_any_attack(along, rows, monkeypatch):
    X, y, nodes = rows
    few = np.where(nodes == nodes[0], np.arange(len(nodes)) == 0, True)
    target = [nodes[0].item()]
    attacker = RandomPoisoner(FMTLRegressor(), target_nodes=target, random_state=0)
    values = [[nodes[-1]], target] if along == "target_nodes" else [0.1]
    monkeypatch.setattr("skfedmtl.model_selection._security_curve._measure", None)
    with pytest.raises(ValueError, match=f"`target_nodes` must .* single row: {target[0]!r}"):
        part = X[few], y[few], nodes[few]
        curve(attacker, part, param_name=along, param_range=values)


def test_nodes_of_a_single_row_each():
    X, y = np.arange(12.0).reshape(6, 2), np.arange(6.0)
    with pytest.raises(ValueError, match="Every node has a single row"):
        security_curve(
            RandomPoisoner(FMTLRegressor()),
            X,
            y,
            nodes=np.arange(len(y)),
            param_name="budget",
            param_range=[0.1],
        )
