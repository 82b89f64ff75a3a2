"""Weights of the clean rows in an attack: the victim's fit, H, the poisoned data, the curve."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimators import ESTIMATOR_OF, LOSSES, climber, make_rows
from interruptions import never
from oracles.losses import CLASSIFICATION_LOSSES, RECORD_OF, REGRESSION_LOSSES
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.attack._setting.victim import Victim
from skfedmtl.model_selection import NodeKFold, security_curve

POISONERS = (PoisoningAttacker, RandomPoisoner, LabelFlipPoisoner)
every_poisoner = pytest.mark.parametrize("make", POISONERS)
REGRESSION = REGRESSION_LOSSES[0]
every_loss = pytest.mark.parametrize("loss", LOSSES)


def victim_of(loss, **params):
    given = {"loss": loss, "lambda1": 0.05, "lambda2": 0.1, "random_state": 0}
    return ESTIMATOR_OF[loss](**{**given, **params})


def poisoner(make, victim, **params):
    """A short attack on the nodes 0 and 2."""
    given = {"target_nodes": [0, 2], "budget": 0.4, "random_state": 0}
    if make is PoisoningAttacker:
        given["max_iter"] = 3
    return make(victim, **{**given, **params})


def draw_weights(n, seed=1):
    weight = np.random.default_rng(seed).uniform(0.1, 3.0, size=n)
    weight[::6] = 0.0
    return weight


def assert_same_bits(one, two):
    for name in ("poison_X_", "poison_y_", "poison_nodes_", "objective_"):
        assert_array_equal(getattr(one, name), getattr(two, name))
    for name in ("clean_estimator_", "estimator_"):
        assert_array_equal(getattr(one, name).coef_, getattr(two, name).coef_)
    if isinstance(one, PoisoningAttacker):
        assert_array_equal(one.objective_history_, two.objective_history_)


@every_poisoner
@pytest.mark.parametrize("loss", [REGRESSION, "hinge"])
def test_ones_and_the_unit_of_weights_change_no_bit(make, loss):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss])
    weight, ones = draw_weights(len(y)), np.ones(len(y))
    none, one, some, other = (
        poisoner(make, victim_of(loss)).fit(X, y, nodes=nodes, sample_weight=each)
        for each in (None, ones, weight, 8.0 * weight)
    )
    assert_same_bits(none, one)
    assert_same_bits(some, other)
    assert_array_equal(none.poison_sample_weight_, np.ones(len(none.poison_y_)))
    assert np.abs(some.clean_estimator_.coef_ - none.clean_estimator_.coef_).max() > 1e-3
    assert abs(some.objective_ - none.objective_) > 1e-3


@pytest.mark.parametrize("loss", [REGRESSION, "logistic"])
@pytest.mark.parametrize("scale", [1e-200, 1e307])
def test_weights_of_any_size(loss, scale):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss])
    weight = draw_weights(len(y))
    params = {} if RECORD_OF[loss].is_regression else {"class_weight": "balanced"}
    plain, scaled = (
        poisoner(RandomPoisoner, victim_of(loss, **params)).fit(
            X, y, nodes=nodes, sample_weight=each
        )
        for each in (weight, scale * weight)
    )
    assert_allclose(scaled.objective_, plain.objective_, rtol=1e-6)
    ratio = scaled.poison_sample_weight_ / scale
    assert_allclose(ratio, plain.poison_sample_weight_, rtol=1e-12)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
@every_loss
def test_whole_weights_are_repeated_rows(loss, classes, balanced):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss])
    params = {"tol": 1e-10}
    if RECORD_OF[loss].is_regression:
        if balanced or classes == 3:
            pytest.skip("for classes only")
    else:
        y = np.digitize(X[:, 0] + 0.3 * y, [-0.2, 0.6][: classes - 1])
        params["class_weight"] = "balanced" if balanced else None
    weight = np.random.default_rng(3).integers(0, 4, size=len(y))
    given = {"budget": 0.0, "victim_tol": 1e-10}
    weighted = poisoner(RandomPoisoner, victim_of(loss, **params), **given)
    weighted.fit(X, y, nodes=nodes, sample_weight=weight)
    repeated = poisoner(RandomPoisoner, victim_of(loss, **params), **given)
    repeated.fit(*(np.repeat(part, weight, axis=0) for part in (X, y)), nodes=nodes.repeat(weight))
    ours, theirs = weighted.clean_estimator_, repeated.clean_estimator_
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    assert_allclose(ours.objective_, theirs.objective_, rtol=1e-8)
    assert_allclose(weighted.objective_, repeated.objective_, rtol=1e-4)


@every_loss
def test_H_is_the_weighted_mean_of_every_target(loss):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss])
    weight = draw_weights(len(y))
    record = RECORD_OF[loss]
    params = {} if record.is_regression else {"class_weight": "balanced"}
    attack = poisoner(PoisoningAttacker, victim_of(loss, **params))
    attack.fit(X, y, nodes=nodes, sample_weight=weight)
    decide = attack.predict if record.is_regression else attack.decision_function
    values = record.value(record.targets(y), decide(X, nodes=nodes))
    means = [np.average(values[nodes == t], weights=weight[nodes == t]) for t in (0, 2)]
    assert_allclose(attack.objective_, sum(means), rtol=1e-9)
    # that of a hinge begins with a smoothed one
    start = attack.set_params(max_iter=0).fit(X, y, nodes=nodes, sample_weight=weight)
    assert sum(means) > start.objective_


@every_poisoner
@pytest.mark.parametrize("scaled", [False, True])
def test_anyone_can_fit_the_poisoned_data(make, scaled):
    X, y, nodes = make_rows(FMTLClassifier)
    weight = draw_weights(len(y))
    victim = victim_of("logistic", class_weight="balanced")
    attack = poisoner(make, make_pipeline(StandardScaler(), victim) if scaled else victim)
    data = attack.poison(X, y, nodes=nodes, sample_weight=weight)
    n = len(y)
    assert data.sample_weight.dtype == np.float64
    assert_array_equal(data.sample_weight[:n], weight)
    assert_array_equal(data.sample_weight[n:], attack.poison_sample_weight_)
    for node in (0, 2):
        injected = attack.poison_sample_weight_[attack.poison_nodes_ == node]
        assert_allclose(injected, weight[nodes == node].mean(), rtol=1e-12)
    assert attack.poison(X, y, nodes=nodes).sample_weight is None
    rows = data.X
    if scaled:  # a scaler that does not ask for weights gets none, nor the injected rows
        rows = StandardScaler().fit(X).transform(rows)
    again = clone(victim).set_params(tol=attack.victim_tol)
    again.fit(rows, data.y, nodes=data.nodes, sample_weight=data.sample_weight)
    attack.fit(X, y, nodes=nodes, sample_weight=weight)
    assert_array_equal((attack.estimator_[-1] if scaled else attack.estimator_).coef_, again.coef_)


@pytest.mark.parametrize("routing", [False, True])
def test_a_scaler_that_requests_weights_gets_them(routing):
    X, y, nodes = make_rows(FMTLRegressor)
    weight = draw_weights(len(y))
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
    with config_context(enable_metadata_routing=routing):
        attack = poisoner(PoisoningAttacker, make_pipeline(scaler, victim_of(REGRESSION)))
        attack.fit(X, y, nodes=nodes, sample_weight=weight)
    expected = np.average(X, axis=0, weights=weight)
    for victim in (attack.clean_estimator_, attack.estimator_):
        assert_allclose(victim[0].mean_, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("loss", "attack"),
    [*((loss, "direct") for loss in LOSSES), (REGRESSION, "indirect"), ("hinge", "indirect")],
)
def test_the_gradient_is_exact_with_weights(loss, attack):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], (8, 7, 7), n_features=2)
    where = {"target_nodes": [0], "source_nodes": [0] if attack == "direct" else [1, 2]}
    model = climber(victim_of(loss), attack=attack, random_state=0, **where)
    weight = draw_weights(len(y))
    found = model.check_gradient(X, y, nodes=nodes, sample_weight=weight, n_points=2)
    assert not found.kink.all()
    assert found.gradient.any()
    assert found.relative_error < 1e-6
    plain = model.check_gradient(X, y, nodes=nodes, n_points=2)
    assert np.abs(plain.gradient - found.gradient).max() > 1e-3 * np.abs(found.gradient).max()


@pytest.mark.parametrize("loss", CLASSIFICATION_LOSSES)
def test_the_gradient_knows_rows_that_count_in_H_only(loss):
    """A class of no weight has dual variables that say nothing, and its share of H."""
    X, y, nodes = make_rows(FMTLClassifier, (14, 12, 13), n_features=2)
    victim = victim_of(loss, lambda2=0.05, class_weight={0: 0.0}, fit_intercept=False)
    attack = climber(victim, target_nodes=[0], labels="random", random_state=0)
    found = attack.check_gradient(X, y, nodes=nodes, n_points=2)
    assert found.gradient.any()
    assert found.relative_error < 1e-6


def spoilt(value):
    weight = np.ones(28)
    weight[3] = value
    return weight


def without(*where):
    """Weights that are 0 in some nodes."""
    return np.where(np.isin(make_rows(FMTLRegressor)[2], where), 0.0, 1.0)


@every_poisoner
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (spoilt(-1.0), "sample_weight"),
        (spoilt(np.nan), "sample_weight contains NaN"),
        (spoilt(np.inf), "sample_weight contains infinity"),
        (np.ones(27), "sample_weight"),
        (np.ones((28, 2)), "1D array"),
        (np.ma.array(np.ones(28), mask=np.eye(28)[0]), "`sample_weight` has masked"),
        (np.zeros(28), "sample_weight.*(non-zero|zeros only)"),
        (without(2), "`sample_weight` holds zeros only for the target node 2"),
    ],
)
def test_wrong_weights_are_refused_before_anything_is_fitted(make, weight, message, monkeypatch):
    X, y, nodes = make_rows(FMTLRegressor)
    monkeypatch.setattr(Victim, "fit", never)
    attack = poisoner(make, FMTLRegressor())
    for method in (attack.fit, attack.poison):
        with pytest.raises(ValueError, match=message):
            method(X, y, nodes=nodes, sample_weight=weight)
    assert not hasattr(attack, "clean_estimator_")


def test_sources_without_weight():
    X, y, nodes = make_rows(FMTLRegressor)
    where = {"attack": "indirect", "target_nodes": [0], "source_nodes": [1, 2]}
    attack = poisoner(RandomPoisoner, victim_of(REGRESSION), **where)
    with pytest.raises(ValueError, match=r"zeros only for the source node 2;.*`source_nodes`"):
        attack.fit(X, y, nodes=nodes, sample_weight=without(2))
    attack.set_params(budget=0.0).fit(X, y, nodes=nodes, sample_weight=without(2))
    assert_array_equal(attack.estimator_.coef_, attack.clean_estimator_.coef_)


def test_a_target_that_is_judged_on_other_rows_needs_no_weight():
    X, y, nodes = make_rows(FMTLRegressor)
    where = {"attack": "indirect", "target_nodes": [0], "source_nodes": [1]}
    attack = poisoner(PoisoningAttacker, victim_of(REGRESSION), **where)
    evaluation = {"X_target": X[nodes == 0], "y_target": y[nodes == 0]}
    evaluation["nodes_target"] = nodes[nodes == 0]
    attack.fit(X, y, nodes=nodes, sample_weight=without(0), **evaluation)
    error = y - attack.predict(X, nodes=nodes)
    assert_allclose(attack.objective_, np.mean(error[nodes == 0] ** 2), rtol=1e-12)


def test_rows_of_unknown_nodes_are_left_aside():
    X, y, nodes = make_rows(FMTLRegressor)
    params = {"target_nodes": [0, 2], "budget": 0.4, "max_iter": 3, "random_state": 0}
    attack = climber(victim_of(REGRESSION, handle_unknown="mean"), **params)
    strange = np.where(nodes == 1, 7, nodes)
    attack.fit(X, y, nodes=nodes, X_target=X, y_target=y, nodes_target=strange)
    plain = climber(victim_of(REGRESSION), **params).fit(X, y, nodes=nodes)
    assert_allclose(attack.objective_, plain.objective_, rtol=1e-6)


@pytest.mark.parametrize(
    "convert",
    [
        list,
        lambda w: w.astype(np.int8),
        lambda w: w.astype(np.float32),
        lambda w: pd.Series(w, index=np.arange(len(w))[::-1]),  # by position, as y and nodes
        lambda w: pl.Series("w", w),
    ],
    ids=["list", "int8", "float32", "pandas", "polars"],
)
def test_containers_of_weights(convert):
    X, y, nodes = make_rows(FMTLRegressor)
    weight = np.random.default_rng(3).integers(1, 4, size=len(y)).astype(float)
    one, two = (poisoner(RandomPoisoner, victim_of(REGRESSION)) for _ in range(2))
    data = one.poison(X, y, nodes=nodes, sample_weight=convert(weight))
    plain = two.poison(X, y, nodes=nodes, sample_weight=weight)
    assert_same_bits(one, two)
    assert type(data.sample_weight) is np.ndarray
    assert_array_equal(data.sample_weight, plain.sample_weight)
    assert (data.sample_weight[len(y) :] % 1.0).any()  # a mean, not cut off


@every_poisoner
def test_requests(make):
    X, y, nodes = make_rows(FMTLRegressor)
    weight = draw_weights(len(y))
    attack = poisoner(make, victim_of(REGRESSION))
    assert attack.get_metadata_routing().fit.requests["sample_weight"] is None
    assert attack.get_metadata_routing().fit.requests["nodes"] is True
    cv = NodeKFold(2, shuffle=True, random_state=0)
    params = {"nodes": nodes, "sample_weight": weight}
    with config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            cross_validate(attack, X, y, cv=cv, params=params)
        attack.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(attack, X, y, cv=cv, params=params, return_estimator=True)
    for fitted, score, (train, test) in zip(
        found["estimator"], found["test_score"], cv.split(X, y, nodes=nodes), strict=True
    ):
        again = clone(attack)
        again.fit(X[train], y[train], nodes=nodes[train], sample_weight=weight[train])
        assert_same_bits(again, fitted)
        own = again.score(X[test], y[test], nodes=nodes[test], sample_weight=weight[test])
        assert own == score


def test_a_checkpoint_belongs_to_its_weights(tmp_path):
    X, y, nodes = make_rows(FMTLRegressor)
    weight = draw_weights(len(y))
    attack = poisoner(PoisoningAttacker, victim_of(REGRESSION), checkpoint=tmp_path)
    for number, each in enumerate((None, weight, weight[::-1].copy()), start=1):
        for _ in range(2):
            attack.fit(X, y, nodes=nodes, sample_weight=each)
            assert len(list(tmp_path.iterdir())) == number
    bare = poisoner(PoisoningAttacker, victim_of(REGRESSION))
    assert_same_bits(attack, bare.fit(X, y, nodes=nodes, sample_weight=weight[::-1]))


def test_a_curve_with_weights():
    X, y, nodes = make_rows(FMTLRegressor)
    attack = poisoner(RandomPoisoner, victim_of(REGRESSION))
    given = {"param_name": "budget", "param_range": [0.0, 0.5], "n_repeats": 2}
    plain, ones, some = (
        security_curve(attack, X, y, nodes=nodes, sample_weight=each, **given)
        for each in (None, np.ones(len(y)), draw_weights(len(y)) + 0.1)
    )
    assert_array_equal(plain.scores, ones.scores)
    assert_array_equal(some.scores[0], some.clean_scores[0])
    assert np.abs(some.clean_scores - plain.clean_scores).min() > 1e-4
    with pytest.raises(ValueError, match="sample_weight"):
        security_curve(attack, X, y, nodes=nodes, sample_weight=np.ones(3), **given)


NO_WEIGHTS = {
    "dates": lambda n: np.arange(n).astype("datetime64[s]"),
    "objects that are times": lambda n: np.full(n, np.timedelta64(1, "s"), dtype=object),
    "a dict": lambda n: {"a": 1.0},
    "words": lambda n: ["heavy"] * n,
    "a generator": lambda n: (1.0 for _ in range(n)),
}


@pytest.mark.parametrize("name", NO_WEIGHTS)
def test_what_is_no_weight_is_refused_by_name(name):
    X, nodes = np.random.default_rng(0).normal(size=(20, 2)), np.repeat([0, 1], 10)
    fitted = RandomPoisoner(FMTLRegressor(), random_state=0).fit(X, X[:, 0], nodes=nodes)
    for call in (FMTLRegressor().fit, RandomPoisoner(FMTLRegressor()).fit, fitted.score):
        with pytest.raises((TypeError, ValueError), match="sample_weight"):
            call(X, X[:, 0], sample_weight=NO_WEIGHTS[name](len(X)), nodes=nodes)
