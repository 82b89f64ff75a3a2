"""Attempts on victims with a fit of their own are told apart by that fit."""

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.base import is_classifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker
from skfedmtl.attack import DamageBound
from skfedmtl.datasets import make_federated_classification, make_federated_regression


class DropsFarRows:
    """A defence: in every node the tenth of the rows that is farthest from its median is left."""

    def fit(self, X, y, *, sample_weight=None, nodes=None):
        weight = np.ones(len(X)) if sample_weight is None else np.array(sample_weight)
        for node in np.unique(nodes):
            mine = np.flatnonzero(nodes == node)
            far = np.linalg.norm(X[mine] - np.median(X[mine], axis=0), axis=1)
            weight[mine[np.argsort(far)[len(mine) - len(mine) // 10 :]]] = 0.0
        return super().fit(X, y, sample_weight=weight, nodes=nodes)


class FarClassifier(DropsFarRows, FMTLClassifier):
    pass


class FarRegressor(DropsFarRows, FMTLRegressor):
    pass


def _data(victim, seed=0):
    classify = is_classifier(victim)
    make = make_federated_classification if classify else make_federated_regression
    return make(random_state=seed, return_X_y_nodes=True)


def _attack(victim, **params):
    given = {"init": "clean", "target_nodes": [0, 1], "max_iter": 5, "random_state": 0}
    X, y, nodes = _data(victim)
    return PoisoningAttacker(victim, **{**given, **params}).fit(X, y, nodes=nodes)


VICTIMS = {
    "classes": FarClassifier(),
    "numbers": FarRegressor(),
    "pipeline": make_pipeline(StandardScaler(), FarClassifier()),
}


@pytest.mark.parametrize("victim", VICTIMS.values(), ids=VICTIMS)
def test_never_worse_than_the_start_in_the_own_fit(victim):
    for n_restarts in (1, 2):
        attacked = _attack(victim, n_restarts=n_restarts)
        start = _attack(victim, max_iter=0)
        assert (attacked.criterion_, attacked.objective_) >= (start.criterion_, start.objective_)


@pytest.mark.parametrize("victim", VICTIMS.values(), ids=VICTIMS)
def test_attempts_tell_what_the_own_fit_suffers(victim):
    attacked = _attack(victim, init="auto", max_iter=2)
    kept = [one for one in attacked.attempts_ if one["kept"]]
    assert [(one["criterion"], one["objective"]) for one in kept] == [
        (attacked.criterion_, attacked.objective_)
    ]
    others = [(one["criterion"], one["objective"]) for one in attacked.attempts_]
    assert others == sorted(others, reverse=True)
    start = _attack(victim, max_iter=0)
    told = [one for one in attacked.attempts_ if one["origin"] == "start"]
    assert [one["objective"] for one in told] == [start.objective_]


def test_a_class_that_inherits_an_own_fit():
    class Named(FarClassifier):
        pass

    one, other = _attack(Named()), _attack(FarClassifier())
    assert_array_equal(one.poison_X_, other.poison_X_)
    assert one.criterion_ == other.criterion_


def test_jobs_decide_nothing():
    with parallel_config("threading"):  # workers of other processes do not know this module
        one, other = (
            _attack(FarRegressor(), n_restarts=2, n_jobs=n, max_iter=2) for n in (None, 2)
        )
    assert_array_equal(one.poison_X_, other.poison_X_)


def test_no_bound_of_a_class_that_inherits_an_own_fit():
    class Named(FarRegressor):
        pass

    X, y, nodes = _data(Named())
    with pytest.raises(ValueError, match="`estimator`: Named has a fit of its own; no bound"):
        DamageBound(Named(), random_state=0).fit(X, y, nodes=nodes)
