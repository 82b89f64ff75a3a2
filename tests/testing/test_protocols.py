"""What the package has is what its protocols promise to users, and no other estimator is."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from estimators import ESTIMATORS, make_rows
from skfedmtl import FMTLRegressor, RandomPoisoner
from skfedmtl.attack import BasePoisoner
from skfedmtl.attack._feasible import FeasibleSet, SeenThroughScalers
from skfedmtl.defense import TrimmedFMTLClassifier, TrimmedFMTLRegressor
from skfedmtl.protocols import Constraint, Victim


@pytest.mark.parametrize("kind", [*ESTIMATORS, TrimmedFMTLClassifier, TrimmedFMTLRegressor])
def test_victims(kind):
    assert isinstance(kind(), Victim)


@pytest.mark.parametrize("kind", [Ridge, LogisticRegression])
def test_others_are_none_and_refused(kind):
    X, y, nodes = make_rows(FMTLRegressor)
    assert not isinstance(kind(), Victim)
    with pytest.raises((TypeError, ValueError), match="estimator"):
        RandomPoisoner(kind()).fit(X, y, nodes=nodes)


def test_the_public_half_alone_is_no_victim():
    """The other one comes with a base class."""

    class Half:
        loss = relationship = node_weight = node_column = random_state = None
        max_iter, tol = 1, 1.0

        def fit(self, X, y, *, sample_weight=None, nodes=None):
            return self

        predict = get_params = set_params = fit

    X, y, nodes = make_rows(FMTLRegressor)
    assert isinstance(Half(), Victim)
    with pytest.raises(ValueError, match="estimator"):
        RandomPoisoner(Half()).fit(X, y, nodes=nodes)


def test_constraints():
    ball = FeasibleSet(np.array([1.0, 2.0]))
    assert isinstance(ball, Constraint)
    assert isinstance(SeenThroughScalers(ball, np.ones(2)), Constraint)
    assert not isinstance(FMTLRegressor(), Constraint)
    rows = np.array([[3.0, 4.0], [0.0, 1.0]])
    np.testing.assert_allclose(ball.project(rows), [[0.6, 0.8], [0.0, 1.0]])


def test_a_setting_is_one_and_a_limit_of_ones_own_holds():
    class NeverHigher(BasePoisoner):
        def craft(self, setting):
            assert isinstance(setting, Constraint)
            rows = setting.project(3.0 * setting.X_start)
            higher = rows[:, 0] > setting.X_start[:, 0]
            rows[higher] = setting.X_start[higher]
            return rows, setting.y_start

    X, y, nodes = make_rows(FMTLRegressor)
    made, start = (
        kind(FMTLRegressor(), budget=1.0, feature_range="clean", random_state=0).fit(
            X, y, nodes=nodes
        )
        for kind in (NeverHigher, RandomPoisoner)
    )
    assert np.all(made.poison_X_[:, 0] <= start.poison_X_[:, 0] + 1e-12)
    assert not np.array_equal(made.poison_X_, start.poison_X_)
