"""Features of any size, and fits that are ended early: what is reported holds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from oracles import regularisers
from oracles.objective import primal
from skfedmtl import FMTLClassifier
from skfedmtl._log import Log


def rows_of(seed=0, m=4, n=30, d=6):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(m, 2)) @ rng.normal(size=(2, d))
    X, nodes = rng.normal(size=(m * n, d)), np.repeat(np.arange(m), n)
    f = np.einsum("ij,ij->i", X, W[nodes]) + 0.3 * rng.normal(size=m * n)
    return X, np.where(f > 0, 1, -1), nodes


def bound(model, X, y, nodes):
    """The dual objective at the public dual variables, without an intercept."""
    m, share = len(model.nodes_), 1.0 / np.bincount(nodes)
    V = np.zeros((m, X.shape[1]))
    b = np.clip(y * model.dual_coef_, 0.0, 1.0)
    np.add.at(V, nodes, (share[nodes] * model.dual_coef_)[:, None] * X)
    conjugate = {"hinge": -b, "squared_hinge": b * b / 4 - b}[model.loss]
    R = regularisers.conjugate_of(model.relationship, model.lambda1, model.lambda2, m)
    return -(share[nodes] @ conjugate) - R.value(V)


@pytest.mark.parametrize("scale", [1e2, 1e5, 1e7])
def test_a_bound_that_is_far_off_is_no_reason_to_stop(scale):
    """The first step from zero left a bound of -1e15, beside which any gap seemed rounding."""
    X, y, nodes = rows_of()
    model = FMTLClassifier(loss="squared_hinge", max_iter=30, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(scale * X, y, nodes=nodes)
    assert model.objective_ < 1.0  # 4 at W = 0
    rows = scale * X, y, nodes, None, 1e-3, 1e-3, "squared_hinge", "learned"
    assert_allclose(model.objective_, primal(model.coef_, model.intercept_, *rows), rtol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
@pytest.mark.parametrize("seed", [0, 2])
def test_an_interior_point_run_finds_its_way_down(scale, seed):
    """A corrector that led up the barrier was followed to the last step."""
    X, y, nodes = rows_of(seed)
    model = FMTLClassifier(random_state=0).fit(scale * X, y, nodes=nodes)
    assert model.n_iter_ == 1
    assert model.dual_gap_ <= 1e-4 * model.objective_


@pytest.mark.parametrize("scale, lambdas", [(1e6, 1e-6), (1e8, 1e-3)])
@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
def test_a_system_beyond_the_arithmetic_is_no_error(scale, lambdas):
    X, y, nodes = rows_of(4)
    model = FMTLClassifier(
        loss="logistic",
        lambda1=lambdas,
        lambda2=lambdas,
        fit_intercept=False,
        tol=1e-6,
        max_iter=25,
        random_state=0,
    ).fit(scale * (X + 10.0), y, nodes=nodes)
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.dual_gap_)


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("last", [1, 2, 3])
@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
def test_who_ends_a_fit_gets_dual_variables_that_bear_out_the_bound(scale, last, monkeypatch):
    begin_round = Log.begin_round

    def begin(self, tol, max_iter):
        goes_on = begin_round(self, tol, max_iter)
        self.stopped = self.rounds >= last
        return goes_on and not self.stopped

    monkeypatch.setattr(Log, "begin_round", begin)
    X, y, nodes = rows_of()
    model = FMTLClassifier(loss="squared_hinge", fit_intercept=False, random_state=0)
    model.fit(scale * X, y, nodes=nodes)
    assert model.dual_objective_ <= bound(model, scale * X, y, nodes) + 1e-9 * model.objective_
