"""Where injected rows may lie: the ball, as the rows are stored."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from estimators import any_range, climber, make_rows
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    RandomPoisoner,
)
from skfedmtl.attack._feasible.feasible_set import FeasibleSet

SIZES = (10, 4, 7)
DTYPES = [np.float64, np.float32]

pytestmark = any_range


def norms(X):
    """Row by row, as a user would check."""
    return np.array([np.linalg.norm(row) for row in np.asarray(X)])


@st.composite
def rows_and_radii(draw):
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 6)))
    scale = 10.0 ** draw(st.integers(-6, 6))
    # whole numbers now and then: norms that meet the radius exactly
    entry = st.one_of(st.floats(-3.0, 3.0), st.integers(-4, 4).map(float))
    X = draw(arrays(float, shape, elements=entry))
    radius = draw(arrays(float, shape[0], elements=st.floats(0.1, 5.0)))
    if draw(st.booleans()):
        radius[0] = np.linalg.norm(X[0]) or 1.0
    return scale * X, scale * radius


@pytest.mark.parametrize("dtype", DTYPES)
@given(drawn=rows_and_radii())
def test_projection_is_inside_nearest_and_idempotent(dtype, drawn):
    X, radius = drawn
    ball, before, eps = FeasibleSet(radius, dtype), X.copy(), np.finfo(dtype).eps
    Y = ball.project(X)
    assert_array_equal(X, before)
    assert (norms(Y.astype(dtype)) <= radius * (1 + eps)).all()
    assert_allclose(ball.project(Y), Y, rtol=4 * eps, atol=eps * radius.min())
    # the nearest point of a ball lies on the ray from its centre
    size = norms(X)
    shrink = np.minimum(1.0, np.divide(radius, size, out=np.ones_like(size), where=size > 0))
    assert (np.abs(Y - shrink[:, None] * X) <= 8 * eps * radius[:, None]).all()
    if dtype is np.float64:
        inside = size < radius * (1 - 4 * eps)
        assert_array_equal(Y[inside], X[inside])


@pytest.mark.parametrize("dtype", DTYPES)
@given(drawn=rows_and_radii())
def test_stored_rows_are_inside(dtype, drawn):
    X, radius = drawn
    ball = FeasibleSet(radius, dtype)
    projected = ball.project(X)
    stored = ball.store(projected)
    assert stored.dtype == dtype
    assert (norms(stored) <= radius).all()
    assert (np.abs(stored - projected) <= 8 * np.finfo(dtype).eps * radius[:, None]).all()


def test_projection_against_a_solver():
    rng, radius = np.random.default_rng(0), 0.7
    inside = {"type": "ineq", "fun": lambda z: radius**2 - z @ z}
    for x in rng.normal(size=(5, 3)):
        solved = minimize(
            lambda z, x=x: np.sum((z - x) ** 2),
            np.zeros(3),
            jac=lambda z, x=x: 2 * (z - x),
            constraints=inside,
            options={"ftol": 1e-14},
        )
        assert_allclose(FeasibleSet(np.array([radius])).project(x[None])[0], solved.x, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_features", [1, 2, 20])
def test_samples_are_uniform_in_the_ball(n_features, dtype):
    radius = np.repeat([0.5, 3.0], 2000)
    X = FeasibleSet(radius, dtype).sample(np.random.default_rng(0), n_features)
    assert (norms(X.astype(dtype)) <= radius).all()
    for r in (0.5, 3.0):
        mine = X[radius == r]
        # the share of the volume within a radius is uniform
        volume = np.sort((norms(mine) / r) ** n_features)
        assert np.abs(volume - np.linspace(0, 1, 2000)).max() < 0.05
        assert np.abs(mine.mean(axis=0)).max() < 0.1 * r


def test_a_ball_of_no_radius_holds_the_origin():
    """All clean rows of a source may be 0."""
    ball = FeasibleSet(np.zeros(2))
    assert_array_equal(ball.project(np.array([[1.0, -2.0], [0.0, 0.0]])), np.zeros((2, 2)))
    assert_array_equal(ball.sample(np.random.default_rng(0), 2), np.zeros((2, 2)))


# -- through the attacks ------------------------------------------------------------------


def attacks(estimator):
    """Every way to move rows, each with long steps."""
    victim = estimator(lambda1=0.05, lambda2=0.1, random_state=0)
    common = {"random_state": 3, "target_nodes": 0.7, "attack": "hybrid", "budget": 0.5}
    return [
        climber(victim, max_iter=4, **common),
        climber(victim, max_iter=4, init="ball", eta=1e3, **common),
        climber(victim, max_iter=4, step="plain", eta=1e4, line_search=False, **common),
        RandomPoisoner(victim, init="ball", **common),
        RandomPoisoner(victim, **common),
    ]


def check_inside(attack, X, nodes, radius):
    features = np.asarray(attack.poison_X_)
    assert len(features) == len(attack.poison_nodes_) > 0
    for row, node in zip(features, attack.poison_nodes_, strict=True):
        largest = norms(X[nodes == node]).max() if radius == "max" else radius
        assert np.linalg.norm(row) <= largest


@pytest.mark.parametrize("radius", ["max", 0.3, 50.0])
@pytest.mark.parametrize("kind", ["float64", "float32", "frame"])
@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_every_stored_row_is_in_the_ball_of_its_source(estimator, kind, radius):
    X, y, nodes = make_rows(estimator, SIZES)
    X *= np.array([0.2, 1.0, 5.0])[nodes][:, None]
    X = X.astype(np.float32) if kind == "float32" else X
    given = pd.DataFrame(X, columns=["a", "b", "c"]) if kind == "frame" else X
    for attack in attacks(estimator):
        attack.set_params(radius=radius).fit(given, y, nodes=nodes)
        check_inside(attack, X, nodes, radius)
        assert np.asarray(attack.poison_X_).dtype == X.dtype


def test_a_small_radius_projects_the_start():
    """Onto the sphere, along the ray of a clean row of the source."""
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    attack = RandomPoisoner(FMTLRegressor(random_state=0), radius=0.05, random_state=0)
    attack.set_params(budget=1.0, target_nodes=1.0).fit(X, y, nodes=nodes)
    assert_allclose(norms(attack.poison_X_), 0.05, rtol=1e-12)
    for row, node in zip(attack.poison_X_, attack.poison_nodes_, strict=True):
        rays = X[nodes == node] / norms(X[nodes == node])[:, None]
        assert np.linalg.norm(rays - row / 0.05, axis=1).min() < 1e-4


def test_long_steps_reach_the_sphere():
    """The ball is not left half unused: a row pushed outwards ends on its sphere."""
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    attack = climber(
        FMTLRegressor(random_state=0), target_nodes=[0], radius=1.5, max_iter=15, random_state=0
    ).fit(X, y, nodes=nodes)
    assert norms(attack.poison_X_).max() > 1.5 * (1 - 1e-9)
