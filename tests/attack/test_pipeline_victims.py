"""Victims behind scalers: frozen as the clean rows left them, while attacks live in input space."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from estimators import ESTIMATOR_OF, ESTIMATORS, LOSSES, Watched, make_rows
from oracles.losses import RECORD_OF
from oracles.victim import upper_H
from pipelines import SCALERS, fitted_scalers, model, pipeline, poisoner, scaled, uneven
from skfedmtl import PoisoningAttacker, RandomPoisoner
from skfedmtl.attack._bilevel.lower_level import Bilevel
from skfedmtl.attack._setting.victim import Victim

both = pytest.mark.parametrize("make", (PoisoningAttacker, RandomPoisoner))
every_victim = pytest.mark.parametrize("estimator", ESTIMATORS)
every_scaler = pytest.mark.parametrize("scalers", SCALERS.values(), ids=SCALERS.keys())


def assert_same_scalers(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert type(one) is type(other)
        for name, value in vars(other).items():
            assert_array_equal(getattr(one, name), value)


# -- the affine map -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_scaler
def test_the_map_is_that_of_the_scalers(scalers, dtype):
    X, y, nodes = uneven()
    X = X.astype(dtype)
    victim = Victim(pipeline(scalers)).fit(X, y, nodes)
    rng = np.random.default_rng(0)
    for rows in (X.astype(float), 100.0 * rng.normal(size=X.shape)):
        expected = scaled(victim.estimator, rows)
        size = np.maximum(np.abs(expected).max(axis=0), 1.0)
        assert_allclose(victim.forward(rows) / size, expected / size, atol=1e-13)
        assert_array_equal(victim.transform(rows), expected)
    move, slope = rng.normal(size=X.shape), rng.normal(size=X.shape)
    zero = np.zeros_like(move)
    moved = victim.forward(move) - victim.forward(zero)
    assert_allclose(np.sum(slope * moved), np.sum(victim.pull_back(slope) * move))


@every_scaler
@both
def test_the_scalers_are_those_of_a_clean_fit(make, scalers):
    X, y, nodes = uneven()
    victim = pipeline(scalers, tol=1e-9)
    attack = poisoner(make, victim, victim_tol=1e-9, radius=1e3, init="ball").fit(X, y, nodes=nodes)
    clean = clone(victim).fit(X, y, model__nodes=nodes)
    for found in (attack.clean_estimator_, attack.estimator_):
        assert isinstance(found, Pipeline)
        assert [name for name, _ in found.steps] == [name for name, _ in victim.steps]
        assert_same_scalers(fitted_scalers(found), fitted_scalers(clean))
    assert_array_equal(attack.clean_estimator_[-1].coef_, clean[-1].coef_)
    data = attack._poisoned(X, y, nodes)
    refitted = clone(victim[-1]).fit(scaled(clean, data.X), data.y, nodes=data.nodes)
    assert_array_equal(attack.estimator_[-1].coef_, refitted.coef_)
    assert not np.allclose(refitted.coef_, clean[-1].coef_, atol=1e-3)


def test_the_fitted_pipelines_share_nothing():
    X, y, nodes = uneven()
    attack = poisoner(RandomPoisoner, pipeline([StandardScaler()])).fit(X, y, nodes=nodes)
    before = attack.predict(X, nodes=nodes)
    attack.clean_estimator_.fit(2.0 * X + 1.0, y, model__nodes=nodes)
    assert_array_equal(attack.predict(X, nodes=nodes), before)


@pytest.mark.parametrize("scaler", [StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler])
def test_a_scaler_that_works_in_place_leaves_the_rows_alone(scaler):
    X, y, nodes = uneven()
    before = X.copy()
    attack = poisoner(PoisoningAttacker, pipeline([scaler(copy=False)]))
    data = attack.poison(X, y, nodes=nodes)
    attack.predict(X, nodes=nodes)
    attack.score(X, y, nodes=nodes)
    assert_array_equal(X, before)
    assert_array_equal(data.X[: len(X)], before)
    copying = poisoner(PoisoningAttacker, pipeline([scaler()])).fit(X, y, nodes=nodes)
    assert_array_equal(attack.poison_X_, copying.poison_X_)


# -- the same attack as on scaled rows ----------------------------------------------------


@pytest.mark.parametrize("box", [False, True])
@every_scaler
@every_victim
def test_the_random_attack_is_that_on_scaled_rows(estimator, scalers, box):
    """The ball excludes nothing; a box in input space is the scaled box in scaled space."""
    X, y, nodes = uneven(estimator)
    victim = pipeline(scalers, estimator)
    low, high = np.quantile(X, [0.2, 0.7], axis=0)
    given = {"radius": 1e7, "attack": "hybrid"}
    behind = poisoner(RandomPoisoner, victim, feature_range=(low, high) if box else None, **given)
    behind.fit(X, y, nodes=nodes)
    Z, low, high = (scaled(behind.clean_estimator_, rows) for rows in (X, low[None], high[None]))
    limits = (low[0], high[0]) if box else None
    bare = poisoner(RandomPoisoner, victim[-1], feature_range=limits, **given).fit(
        Z, y, nodes=nodes
    )
    # the jitter of a constant feature is 1e-6 in either space
    assert_allclose(scaled(behind.clean_estimator_, behind.poison_X_), bare.poison_X_, atol=1e-5)
    assert_array_equal(behind.poison_y_, bare.poison_y_)
    assert_array_equal(behind.poison_nodes_, bare.poison_nodes_)
    assert_allclose(behind.objective_, bare.objective_, rtol=1e-4)
    assert_allclose(behind.predict(X, nodes=nodes), bare.predict(Z, nodes=nodes), atol=1e-3)
    assert_allclose(behind.score(X, y, nodes=nodes), bare.score(Z, y, nodes=nodes), rtol=1e-3)


@pytest.mark.parametrize("step", ["plain", "adaptive"])
@pytest.mark.parametrize(
    "scaler", [StandardScaler(), MinMaxScaler(), MaxAbsScaler(), RobustScaler()]
)
@every_victim
def test_the_ascent_is_that_on_scaled_rows(estimator, scaler, step, exact_ascents):
    """With one scale for all features the spaces differ by a shift, which no huge ball sees."""
    rng = np.random.default_rng(3)
    _, y, nodes = make_rows(estimator, (20, 15, 18))
    column = 4.0 * rng.normal(size=len(y))
    X = np.column_stack([rng.permutation(column) for _ in range(3)])
    if not isinstance(scaler, MaxAbsScaler):
        X += [0.0, 10.0, -3.0]
    behind = poisoner(
        PoisoningAttacker, pipeline([scaler], estimator), step=step, radius=1e4, eta=1.0, max_iter=5
    ).fit(X, y, nodes=nodes)
    scale = Victim(behind.clean_estimator_).pull_back(np.ones((1, 3)))[0]
    assert_allclose(scale, scale[0])
    bare = clone(behind).set_params(
        estimator=model(estimator),
        radius=1e4 * scale[0],
        eta=scale[0] ** 2 if step == "plain" else 1.0,
    )
    bare.fit(scaled(behind.clean_estimator_, X), y, nodes=nodes)
    assert behind.n_iter_ > 1
    assert_allclose(behind.objective_history_, bare.objective_history_, rtol=1e-4)
    found = scaled(behind.clean_estimator_, behind.poison_X_)
    assert_allclose(found, bare.poison_X_, rtol=1e-3, atol=1e-3)


@both
@every_victim
def test_a_pipeline_without_scalers_is_its_last_step(make, estimator):
    X, y, nodes = make_rows(estimator)
    bare = poisoner(make, model(estimator)).fit(X, y, nodes=nodes)
    for scalers in ([], ["passthrough"], [None, None]):
        behind = poisoner(make, pipeline(scalers, estimator)).fit(X, y, nodes=nodes)
        assert_array_equal(behind.poison_X_, bare.poison_X_)
        assert_array_equal(behind.estimator_[-1].coef_, bare.estimator_.coef_)
        assert behind.objective_ == bare.objective_


# -- the gradient -------------------------------------------------------------------------


@pytest.mark.parametrize("scalers", ["standard", "minmax", "robust", "two"])
@pytest.mark.parametrize("relationship", ["learned", "none"])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_that_of_the_refitted_pipeline(loss, relationship, scalers):
    """Against central differences of H, through scikit-learn's scalers and a fresh fit."""
    estimator = ESTIMATOR_OF[loss]
    X, y, nodes = uneven(estimator)
    params = {"loss": loss, "relationship": relationship, "tol": 1e-13, "max_iter": 5000}
    # a hinge with weak penalties has a row on the margin for every weight, which then stand still
    weak = 0.02 if RECORD_OF[loss].is_smooth else 0.1
    params |= {"lambda1": weak, "lambda2": weak}
    attack = Watched(
        pipeline(SCALERS[scalers], estimator, **params),
        target_nodes=[0],
        budget=0.2,
        random_state=2,
        victim_tol=1e-13,
    ).fit(X, y, nodes=nodes)
    clean, fitted, start = attack.clean_, attack.clean_estimator_, attack.start_
    spread = np.maximum(X.std(axis=0), 0.1)  # the last feature is constant
    at = start.X + 0.7 * spread * np.random.default_rng(1).normal(size=start.X.shape)
    signs = np.where(y > 0, 1.0, -1.0) if is_classifier(fitted) else y
    Z = scaled(fitted, X)

    def H(rows):
        victim = clone(fitted[-1]).fit(
            np.vstack([Z, scaled(fitted, rows)]),
            np.append(y, start.y),
            nodes=np.append(nodes, attack.poison_nodes_),
        )
        where = (Z, signs, clean.codes, None, attack.threat_.targets, loss)
        return upper_H(victim.coef_, victim.intercept_, *where)

    game = attack.game(Bilevel)
    assert_allclose(game.value(at), H(at), rtol=1e-6)
    slope = game.gradient("total")
    expected = np.zeros_like(slope)
    for i, j in np.ndindex(*slope.shape):
        step = np.zeros_like(slope)
        step[i, j] = 1e-4 * spread[j]
        expected[i, j] = (H(at + step) - H(at - step)) / (2.0 * step[i, j])
    # features of small numbers have large slopes: compare where the spread is 1
    size = np.linalg.norm(expected * spread)
    assert size > 1e-4
    assert_allclose(slope * spread, expected * spread, atol=1e-4 * size)


# -- what comes out is in input space -----------------------------------------------------


@pytest.mark.parametrize("radius", ["max", 12.0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@both
def test_rows_are_inside_the_ball_as_stored(make, dtype, radius):
    X, y, nodes = uneven()
    X = X.astype(dtype)
    attack = poisoner(make, pipeline([StandardScaler()]), radius=radius)
    data = attack.poison(X, y, nodes=nodes)
    assert data.X.dtype == dtype
    assert_array_equal(data.X[: len(X)], X)
    assert_array_equal(data.X[len(X) :], attack.poison_X_)
    for row, node in zip(attack.poison_X_, attack.poison_nodes_, strict=True):
        largest = max(np.linalg.norm(one) for one in X[nodes == node])
        assert np.linalg.norm(row) <= (largest if radius == "max" else radius)
    if radius == 12.0:
        assert max(np.linalg.norm(row) for row in attack.poison_X_) > 11.9


@both
def test_limits_of_features_are_those_of_the_input(make):
    X, y, nodes = uneven()
    X[:, 1] = np.rint(X[:, 1])
    attack = poisoner(
        make,
        pipeline([RobustScaler()]),
        feature_range=([-1.0, -10.0, 8.9, 0.0], [1.0, 20.0, 9.2, 1.0]),
        integer_features=[1],
        frozen_features=[3],
    ).fit(X, y, nodes=nodes)
    rows = attack.poison_X_
    assert_array_equal(rows[:, 1], np.rint(rows[:, 1]))
    assert (rows >= [-1.0, -10.0, 8.9, 0.3]).all()
    assert (rows <= [1.0, 20.0, 9.2, 0.3]).all()
    assert len(np.unique(rows[:, 1])) > 1


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
@every_victim
def test_an_attack_through_scalers_beats_the_random_one(estimator, smoothing):
    X, y, nodes = uneven(estimator, sizes=(20, 15, 18))
    victim = pipeline([StandardScaler()], estimator)
    options = {"target_nodes": [0], "max_iter": 30, "victim_tol": 1e-8}
    attack = poisoner(PoisoningAttacker, victim, smoothing=smoothing, **options)
    attack.fit(X, y, nodes=nodes)
    start = poisoner(RandomPoisoner, victim, target_nodes=[0]).fit(X, y, nodes=nodes)
    if smoothing == 0.0:
        assert_allclose(start.objective_, attack.objective_history_[0], rtol=1e-3)
        assert_allclose(attack.objective_, attack.objective_history_[-1], rtol=1e-3)
    assert attack.objective_ > 1.3 * start.objective_
    assert attack.score(X, y, nodes=nodes) > start.score(X, y, nodes=nodes)
