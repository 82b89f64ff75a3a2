"""`check_gradient`: exact gradients pass, truncated ones are caught, kinks are told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimators import ESTIMATOR_OF, LOSSES, make_rows
from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker
from skfedmtl.attack._bilevel.gradient_check import compare


def check(loss, *, scale=False, n_points=3, **params):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], (14, 12, 13), n_features=2)
    victim = ESTIMATOR_OF[loss](loss=loss, lambda1=0.05, lambda2=0.05, random_state=0)
    if scale:
        X = X * [1.0, 30.0] + 5.0
        victim = make_pipeline(StandardScaler(), victim)
    given = {"target_nodes": [0], "source_nodes": [1, 2], "attack": "indirect", "random_state": 0}
    attacker = PoisoningAttacker(victim, **{**given, **params})
    return attacker.check_gradient(X, y, nodes=nodes, n_points=n_points)


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_total_gradient_is_exact(loss, scale):
    found = check(loss, scale=scale)
    assert not found.kink.all()
    assert found.gradient.any()  # rows of a hinge may pin the targets down: another seed, then
    assert found.relative_error < (1e-4 if scale else 1e-6)
    assert_allclose(found.cosine, 1.0, atol=1e-7)
    assert found.gradient.shape == found.finite_differences.shape == found.kink.shape == (3,)


@pytest.mark.parametrize("gradient", ["implicit", "dual"])
def test_a_gradient_that_holds_something_still_is_not(gradient):
    assert check("squared_error", gradient=gradient).relative_error > 0.1


@pytest.mark.parametrize("upper_loss", ["victim", "ramp"])
def test_other_upper_losses(upper_loss):
    assert check("logistic", upper_loss=upper_loss).relative_error < 1e-4


def test_untied_nodes_have_no_gradient():
    X, y, nodes = make_rows(FMTLRegressor)
    attacker = PoisoningAttacker(
        FMTLRegressor(relationship="none"), target_nodes=[0], source_nodes=[1], attack="indirect"
    )
    found = attacker.check_gradient(X, y, nodes=nodes, n_points=2)
    assert not found.gradient.any()
    assert np.abs(found.finite_differences).max() < 1e-8
    assert found.relative_error == 0.0


def test_of_target_rows():
    X, y, nodes = make_rows(FMTLRegressor)
    attacker = PoisoningAttacker(FMTLRegressor(), target_nodes=[0], random_state=0)
    judged = {"X_target": X + 1.0, "y_target": y, "nodes_target": nodes}
    found = attacker.check_gradient(X, y, nodes=nodes, n_points=2, **judged)
    own = attacker.check_gradient(X, y, nodes=nodes, n_points=2)
    assert found.relative_error < 1e-4
    assert not np.allclose(found.gradient, own.gradient, rtol=1e-2)


@pytest.mark.parametrize("n_points", [0, 1.5, True, "many"])
def test_wrong_number_of_points(n_points):
    with pytest.raises(ValueError, match="n_points"):
        check("squared_error", n_points=n_points)


def test_nothing_injected():
    with pytest.raises(ValueError, match="budget"):
        check("squared_error", budget=0)


# -- at which size the differences are taken ---------------------------------------------------


class Known:
    """A game whose H is a function of the sum of all numbers, up to rounding."""

    def __init__(self, H, slope, noise=0.0, kinks=()):
        self._H, self._slope, self._kinks = H, slope, np.asarray(kinks)
        self._noise, self._rng = noise, np.random.default_rng(0)

    def value(self, rows):
        self._rows = rows
        return self._H(rows.sum()) + self._noise * self._rng.uniform(-1, 1)

    def gradient(self, kind):
        return np.full(self._rows.shape, self._slope(self._rows.sum()))

    def signature(self):
        return int(np.count_nonzero(self._rows.sum() > self._kinks)), b""


def compared(game, n_points=4, seed=0):
    return compare(
        game, np.zeros((2, 3)), np.ones(2), "total", n_points, np.random.default_rng(seed)
    )


@given(st.floats(0.0, 3.3), st.floats(-14.0, -12.0), st.integers(0, 100))
def test_neither_steep_bends_nor_rounding_mislead(steepness, noise, seed):
    """Softplus of up to 2000 a radius: at the longest differences up to an error of one in ten."""
    k = 10.0**steepness
    H = lambda t: np.logaddexp(0.0, k * t) / k  # noqa: E731
    slope = lambda t: 0.5 + 0.5 * np.tanh(0.5 * k * t)  # noqa: E731
    found = compared(Known(H, slope, 10.0**noise), seed=seed)
    assert not found.kink.any()
    assert_allclose(found.finite_differences, found.gradient, rtol=0, atol=1e-5)


def test_a_gradient_that_is_wrong_is_told_at_any_size():
    found = compared(Known(np.exp, lambda t: 1.01 * np.exp(t), 1e-13))
    assert_allclose(found.relative_error, 0.01, rtol=1e-4)


def test_differences_stay_on_their_side_of_a_kink():
    kinked = Known(lambda t: np.maximum(t, 0.0), lambda t: float(t > 0), kinks=(0.0,))
    found = compared(kinked, n_points=200)
    assert found.relative_error < 1e-9


def test_kinks_closer_than_the_shortest_differences():
    found = compared(Known(np.exp, np.exp, kinks=np.arange(-1.0, 1.0, 1e-6)), n_points=2)
    assert found.kink.all()
    assert np.isnan(found.relative_error) and np.isnan(found.cosine)
    assert_allclose(found.finite_differences, found.gradient, rtol=1e-8)


@pytest.mark.parametrize("noise", [0.0, 1e-15])
def test_slopes_of_nothing_agree(noise):
    found = compared(Known(lambda t: 1.0, lambda t: 0.0, noise))
    assert found.relative_error == 0.0
    assert np.isnan(found.cosine)


def test_a_slope_beside_nothing():
    assert compared(Known(lambda t: 1.0, lambda t: 1.0)).relative_error == np.inf
    assert_allclose(compared(Known(lambda t: 1.0 + t, lambda t: 0.0)).relative_error, 1.0)


@pytest.mark.parametrize("gap", [0.3, 2.0])
@pytest.mark.parametrize("lambda2", [1e-3, 1e-5])
@pytest.mark.parametrize("attack", ["direct", "indirect"])
def test_classes_that_are_nearly_apart(attack, lambda2, gap):
    """Victims of large weights, which almost no row holds back."""
    X, y, nodes = make_rows(FMTLClassifier, (14, 12, 13), n_features=2)
    normal = np.array([1.0, 1.0])
    y = X @ normal > 0.0
    X = X + gap * np.where(y, 1.0, -1.0)[:, None] * normal
    victim = FMTLClassifier(loss="logistic", lambda1=lambda2, lambda2=lambda2, max_iter=2000)
    sources = {"direct": [0], "indirect": [1, 2]}[attack]
    threat = {"attack": attack, "target_nodes": [0], "source_nodes": sources}
    attacker = PoisoningAttacker(victim, labels="keep", random_state=0, **threat)
    found = attacker.check_gradient(X, y, nodes=nodes, n_points=2)
    assert found.gradient.all() and not found.kink.any()
    assert found.relative_error < 1e-6
