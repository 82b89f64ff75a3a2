"""The checklist of every loss: value, derivative, curvature, conjugate, clip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar

from oracles import kernels
from oracles.losses import RECORD_OF
from oracles.objective import loss_values
from skfedmtl._model.losses import LOSSES

losses = pytest.mark.parametrize("loss", [kind() for kind in LOSSES.values()], ids=list(LOSSES))
numbers = st.floats(-20, 20)


def draw_target(loss, number):
    """A legal target: any number, or its sign."""
    return float(RECORD_OF[loss.name].targets(number))


def one(*values):
    """Each number as an array of one entry."""
    return [np.array([value]) for value in values]


def test_the_table_is_keyed_by_name():
    assert all(LOSSES[name].name == name for name in LOSSES)
    assert set(LOSSES) == set(RECORD_OF)


@losses
def test_what_a_loss_says_of_itself(loss):
    record, y = RECORD_OF[loss.name], np.array([1.0, -1.0])
    assert loss.bounds == record.bounds
    assert_array_equal(loss.sign(y), record.sign(y))
    assert_array_equal(loss.start(y), record.start * record.sign(y))
    assert loss.linear == (not record.is_smooth)
    assert loss.is_scale_free == record.is_scale_free
    if record.is_regression:
        f = np.array([2.5, -1.3])
        is_multiple = np.allclose(loss.value(3.0 * y, 3.0 * f), 9.0 * loss.value(y, f))
        assert is_multiple == record.is_scale_free
    assert (loss.smoothed(0.5) is loss) == record.is_smooth


@losses
@given(y=numbers, f=numbers)
def test_value(loss, y, f):
    y, f = one(draw_target(loss, y), f)
    assert_allclose(loss.value(y, f), loss_values(loss.name, y, f), rtol=1e-15)
    assert loss.value(y, f) >= 0


@losses
@given(y=numbers, f=numbers, other=numbers)
def test_the_derivative_is_a_subgradient(loss, y, f, other):
    """L(g) >= L(f) + L'(f)(g - f) everywhere, at a kink as well."""
    y, f, other = one(draw_target(loss, y), f, other)
    line = loss.value(y, f) + loss.derivative(y, f) * (other - f)
    assert np.all(loss.value(y, other) >= line - 1e-12 * (1 + abs(line)))


@losses
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_slopes_are_numerical_derivatives(loss, sign):
    f = np.array([-2.3, -0.4, 0.2, 0.7, 1.9])  # away from the kinks at -1 and 1
    y, h = np.full(5, sign), 1e-5
    slope = (loss.value(y, f + h) - loss.value(y, f - h)) / (2 * h)
    assert_allclose(loss.derivative(y, f), slope, atol=1e-9)
    bend = (loss.derivative(y, f + h) - loss.derivative(y, f - h)) / (2 * h)
    assert_allclose(loss.curvature(y, f), bend, atol=1e-9)


@losses
@given(y=numbers, u=st.floats(0.01, 0.99))
def test_the_conjugate_is_the_supremum(loss, y, u):
    """L*(-a) = sup over f of -a f - L(y, f)."""
    y = draw_target(loss, y)
    low, high = np.clip(loss.bounds, -5, 5)
    a = low + (high - low) * u if RECORD_OF[loss.name].is_regression else y * u
    found = minimize_scalar(
        lambda f: a * f + loss.value(*one(y, f))[0], bounds=(-40, 40), options={"xatol": 1e-10}
    )
    grid = np.linspace(-40, 40, 801)  # holds the hinge's kink
    best = max(-found.fun, np.max(-a * grid - loss.value(np.full(801, y), grid)))
    assert_allclose(loss.conjugate(*one(y, a))[0], best, atol=1e-7)
    assert_allclose(loss.conjugate(*one(y, a))[0], kernels.conjugate(loss.name, y, a), atol=1e-13)


@losses
@given(y=numbers, a=numbers, f=numbers)
def test_fenchel_young(loss, y, a, f):
    """L(y, f) + L*(-a) + a f >= 0, with equality at a = -L'(y, f)."""
    y, f, a = one(draw_target(loss, y), f, a)
    a = loss.clip(y, a)
    scale = 1 + abs(a * f) + loss.value(y, f)
    assert loss.value(y, f) + loss.conjugate(y, a) + a * f >= -1e-14 * scale
    a = -loss.derivative(y, f)
    assert_allclose(loss.value(y, f) + loss.conjugate(y, a) + a * f, 0, atol=1e-13 * scale[0])


@losses
@given(y=numbers, a=numbers, u=st.floats(0, 1))
def test_clip(loss, y, a, u):
    """The nearest point of the domain: idempotent, and nothing to do inside."""
    y, a = one(draw_target(loss, y), a)
    inside = loss.clip(y, a)
    low, high = loss.bounds
    assert np.all((low <= loss.sign(y) * inside) & (loss.sign(y) * inside <= high))
    assert np.isfinite(loss.conjugate(y, inside)).all()
    assert_array_equal(loss.clip(y, inside), inside)
    other = loss.sign(y) * u
    # an open domain ends a hair before its bounds
    assert_allclose(loss.clip(y, other), other, rtol=1e-15, atol=1e-300)
    assert abs(inside - a) <= abs(other - a) + 1e-300


@losses
@given(y=numbers, f=numbers)
def test_a_constant_curvature_is_all_there_is_to_a_loss(loss, y, f):
    y, f = one(draw_target(loss, y), f)
    c = loss.constant_curvature
    if c:
        assert_allclose(loss.curvature(y, f), c, rtol=0)
        assert_allclose(loss.value(y, f), 0.5 * c * np.square(f - y), rtol=1e-15)
        assert_allclose(loss.derivative(y, f), c * (f - y), rtol=1e-15)
    else:
        grid = np.linspace(-20.0, 20.0, 401)  # as far as targets go
        assert len(np.unique(loss.curvature(np.ones(401), grid))) > 1 or loss.linear


@pytest.mark.parametrize("kind", [kind for kind in LOSSES.values() if not kind.is_regression])
@given(p=st.floats(0.55, 0.95))
def test_which_losses_are_least_at_the_log_odds(kind, p):
    y, f = np.array([1.0, -1.0]), np.full(2, np.log(p / (1.0 - p)))
    slope = np.array([p, 1.0 - p]) @ kind().derivative(y, f)
    assert (abs(slope) <= 1e-15) == kind.has_probabilities


@losses
@given(reach=st.floats(0.0, 30.0), low=st.floats(-5.0, 5.0), spread=st.floats(0.0, 5.0))
def test_no_row_pulls_harder_than_kappa(loss, reach, low, spread):
    """Nor is there one that pulls less: -dL/df (f - u) over a grid of f, y and u."""
    high = low + spread
    y = np.linspace(low, high, 21) if loss.is_regression else np.array([-1.0, 1.0])
    f = np.linspace(-80.0, 80.0, 16001)
    pulls = [
        -loss.derivative(np.full_like(f, target), f) * (f - u)
        for target in y
        for u in (-reach, 0.0, reach)
    ]
    kappa = float(loss.kappa(*one(reach, low, high))[0])
    assert np.max(pulls) <= kappa + 1e-9 * (1.0 + kappa)
    assert np.max(pulls) >= kappa - 0.02 * (1.0 + kappa)
