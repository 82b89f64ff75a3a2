"""A fit lets go of the table that it has made of what it was given."""

import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from estimators import make_rows
from skfedmtl import FMTLClassifier
from skfedmtl.defense import TrimmedFMTLClassifier


class Rows:
    """Rows that are no array until they are read."""

    def __init__(self, X):
        self._X, self.shape, self.tables = X, X.shape, []

    def __len__(self):
        return len(self._X)

    def __array__(self, dtype=None, copy=None):
        table = np.array(self._X, dtype=dtype)
        self.tables.append(weakref.ref(table))
        return table


class Looking(FMTLClassifier):
    """Counts the tables that are there when the solver begins."""

    def _make_solver(self, labels, iterate=None):
        gc.collect()
        self.alive_ = sum(table() is not None for table in self.rows.tables)
        return super()._make_solver(labels, iterate)


def test_no_table_is_left_when_the_solver_begins():
    X, y, nodes = make_rows(FMTLClassifier, (8, 6, 7), 3)
    model = Looking(random_state=0)
    model.rows = rows = Rows(X)
    model.fit(rows, y, nodes=nodes)
    assert rows.tables
    assert model.alive_ == 0


@pytest.mark.parametrize("make", [FMTLClassifier, TrimmedFMTLClassifier])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_fit_is_that_to_an_array(make, n_classes):
    X, _, nodes = make_rows(FMTLClassifier, (8, 6, 7), 3)
    y = np.arange(len(X)) % n_classes
    one = make(random_state=0).fit(Rows(X), y, nodes=nodes)
    other = make(random_state=0).fit(X, y, nodes=nodes)
    assert_array_equal(one.coef_, other.coef_)
    assert_array_equal(one.is_constant_, other.is_constant_)


def test_odd_columns_are_still_told():
    X, y, nodes = make_rows(FMTLClassifier, (8, 6, 7), 3)
    X[:, 1] *= 1e6
    with pytest.warns(ConvergenceWarning, match=r"by decades: 1\."):
        FMTLClassifier(random_state=0, max_iter=1, tol=1e-12).fit(Rows(X), y, nodes=nodes)
