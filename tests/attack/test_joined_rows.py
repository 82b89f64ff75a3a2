"""Clean and injected rows that become a table when they are read, and go with it."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from estimators import make_rows
from skfedmtl import FMTLClassifier, RandomPoisoner
from skfedmtl.attack._setting import tables
from skfedmtl.attack._setting.tables import Joined, concatenate, joined


class Plain(FMTLClassifier):
    """A victim of a user, whose fit looks at its rows before they are checked."""

    def fit(self, X, y, *, sample_weight=None, nodes=None):
        self.mean_ = X.mean(axis=0)
        return super().fit(X, y, sample_weight=sample_weight, nodes=nodes)


def attacked(estimator):
    X, y, nodes = make_rows(FMTLClassifier, (8, 6, 7), 3)
    return RandomPoisoner(estimator, budget=0.4, random_state=0).fit(X, y, nodes=nodes), X


@pytest.mark.parametrize("dtype", [None, np.float32, np.float64])
def test_what_is_read_is_both_tables(dtype):
    clean, injected = np.random.default_rng(0).normal(size=(2, 5, 3))
    both, table = joined(clean, injected[:2]), concatenate(clean, injected[:2])
    assert isinstance(both, Joined)
    assert (both.shape, len(both), both.dtype) == (table.shape, len(table), table.dtype)
    assert_array_equal(np.asarray(both, dtype=dtype), table.astype(dtype or table.dtype))
    assert not np.shares_memory(np.asarray(both), clean)


@pytest.mark.parametrize(
    "clean", [np.arange(6).reshape(3, 2), np.ma.masked_array(np.eye(2)), [[1.0, 2.0]]]
)
def test_other_tables_are_joined_at_once(clean):
    both = joined(clean, np.zeros((1, 2)))
    assert type(both) is np.ndarray
    assert_array_equal(both[:-1], np.asarray(clean))


def test_a_victim_is_fitted_to_them_as_to_the_table(monkeypatch):
    made = []

    class Counted(Joined):
        def __array__(self, dtype=None, copy=None):
            made.append(self.shape)
            return super().__array__(dtype, copy)

    monkeypatch.setattr(tables, "Joined", Counted)
    ours, X = attacked(FMTLClassifier(random_state=0))
    assert made and set(made) == {(len(X) + len(ours.poison_X_), 3)}
    made.clear()
    theirs, _ = attacked(Plain(random_state=0))
    assert not made
    assert_array_equal(theirs.estimator_.mean_, np.vstack([X, theirs.poison_X_]).mean(axis=0))
    assert_array_equal(ours.estimator_.coef_, theirs.estimator_.coef_)
