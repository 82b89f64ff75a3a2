"""`check_gradient`: exact gradients pass, truncated ones are caught, kinks are told."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimators import ESTIMATOR_OF, LOSSES, make_rows
from skfedmtl import FMTLRegressor, PoisoningAttacker


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


@pytest.mark.parametrize("n_points", [0, 1.5, True, "many"])
def test_wrong_number_of_points(n_points):
    with pytest.raises(ValueError, match="n_points"):
        check("squared_error", n_points=n_points)


def test_nothing_injected():
    with pytest.raises(ValueError, match="budget"):
        check("squared_error", budget=0)
