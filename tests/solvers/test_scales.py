"""Features of any size, and fits that are ended early: what is reported holds."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from estimators import ESTIMATOR_OF, LOSSES, RELATIONSHIPS, make_rows
from oracles import regularisers
from oracles.losses import RECORD_OF
from oracles.objective import primal
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl._solvers.progress import Log
from skfedmtl.datasets import make_federated_regression


def rows_of(seed=0, m=4, n=30, d=6):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(m, 2)) @ rng.normal(size=(2, d))
    X, nodes = rng.normal(size=(m * n, d)), np.repeat(np.arange(m), n)
    f = np.einsum("ij,ij->i", X, W[nodes]) + 0.3 * rng.normal(size=m * n)
    return X, np.where(f > 0, 1, -1), nodes


def bound(model, X, y, nodes):
    """The dual objective at the public dual variables, without an intercept."""
    m, share = len(model.nodes_), 1.0 / np.bincount(nodes)
    V, a = np.zeros((m, X.shape[1])), model.dual_coef_
    np.add.at(V, nodes, (share[nodes] * a)[:, None] * X)
    record = RECORD_OF[model.loss]
    conjugate = record.conjugate(y, record.clip(y, a))
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
def test_a_hinge_finds_its_way_down(scale, seed):
    """A corrector that led up the barrier was followed to the last step."""
    X, y, nodes = rows_of(seed)
    model = FMTLClassifier(random_state=0).fit(scale * X, y, nodes=nodes)
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


# -- the ends of the range of doubles -----------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("ratio", [1e7, 1e10, 1e13, 1e16, 1e20])
def test_a_bound_is_none_where_lambda2_is_all_but_lost(loss, ratio):
    """Weights that are known to do better show a bound that is too high."""
    estimator = ESTIMATOR_OF[loss]
    rng = np.random.default_rng(0)
    X, nodes = rng.normal(size=(40, 3)), np.repeat(np.arange(4), 10)
    y = RECORD_OF[loss].targets(X @ [1.0, 2.0, 3.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = estimator(loss=loss, lambda2=1.0 / ratio, lambda1=1.0, tol=1e-9, random_state=0)
        model.fit(X, y, nodes=nodes)
        # all but the same problem
        other = estimator(loss=loss, lambda2=1e-6, lambda1=1.0, tol=1e-9, random_state=0)
        other.fit(X, y, nodes=nodes)
    assert model.dual_objective_ <= other.objective_ * (1.0 + 1e-9)
    converged = model.dual_gap_ <= 1e-9 * model.objective_
    assert not converged or model.objective_ <= other.objective_ * (1.0 + 1e-6)


@pytest.mark.parametrize("size", [1e308, 1e-310, 5e-324])
@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_weights_of_any_size_are_shares(estimator, size):
    X, y, nodes = make_rows(estimator)
    weight = np.where(nodes == nodes[0], size, 1.0)
    expected = estimator(random_state=0).fit(X, y, nodes=nodes)
    found = estimator(random_state=0).fit(X, y, nodes=nodes, sample_weight=weight)
    assert_allclose(found.coef_, expected.coef_, atol=1e-12)


@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_numbers_whose_squares_overflow_are_refused(estimator):
    X, y, nodes = make_rows(estimator)
    with pytest.raises(ValueError, match=r"X holds numbers of up to .*e\+1.* at most 1e\+100"):
        estimator().fit(1e154 * X, y, nodes=nodes)
    if estimator is FMTLRegressor:
        with pytest.raises(ValueError, match=r"y holds numbers of up to .* at most 1e\+100"):
            estimator().fit(X, -1e200 * y, nodes=nodes)


SCALES = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("relationship", RELATIONSHIPS)
def test_the_protocol_leaves_zero_at_any_scale(relationship, scale):
    """At W = 0 the derivative of W(V) is zero: Newton's step knew of no curvature and was so long
    that no half of it in twenty was short enough."""
    X, y, nodes = make_federated_regression(sizes=(5, 15), random_state=0, return_X_y_nodes=True)
    params = {"relationship": RELATIONSHIPS[relationship](10), "fit_intercept": False}
    model = FMTLRegressor(solver="mocha", max_iter=60, random_state=0, **params)
    model.fit(scale * X, y, nodes=nodes)
    assert model.dual_gap_ <= 1e-4 * model.objective_
    history = model.history_["dual_objective"]
    assert np.all(np.diff(history) >= 0)
    assert_allclose(history[-1], bound(model, scale * X, y, nodes), rtol=1e-6)
    direct = FMTLRegressor(random_state=0, **params).fit(scale * X, y, nodes=nodes)
    assert_allclose(model.objective_, direct.objective_, rtol=2e-4)


@pytest.mark.parametrize("part", [{"participation": 0.5}, {"local_epochs": (0.2, 2.0)}])
@pytest.mark.parametrize("scale", SCALES)
def test_the_protocol_leaves_zero_when_part_of_the_work_is_done(scale, part):
    X, y, nodes = make_federated_regression(sizes=(5, 15), random_state=1, return_X_y_nodes=True)
    model = FMTLRegressor(solver="mocha", random_state=3, **part)
    model.fit(scale * X, y, nodes=nodes)
    assert model.dual_gap_ <= 1e-4 * model.objective_


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
def test_many_rows_of_large_features_move_the_protocol_too(scale):
    """One pass over them solves little of a node's problem, but every answer counts."""
    X, y, nodes = make_federated_regression(sizes=(40, 60), random_state=0, return_X_y_nodes=True)
    model = FMTLRegressor(solver="mocha", max_iter=20, random_state=0)
    history = model.fit(scale * X, y, nodes=nodes).history_["dual_objective"]
    assert np.all(np.diff(history) >= 0)
    assert history[1] > history[0]


@pytest.mark.parametrize("given", ["array", "sparse", "frame"])
@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_a_fit_that_falls_short_names_columns_of_odd_size(estimator, given):
    X, y, nodes = make_rows(estimator, n_features=4)
    X[:, 1] *= 1e5
    X[:, 3] *= 1e-5
    model = estimator(tol=1e-14, max_iter=1, random_state=0)
    names = "1, 3"
    if given == "sparse":
        X = csr_array(X)
    if given == "frame":
        X = pd.DataFrame(np.insert(X, 0, 0.0, axis=1), columns=["node", "a", "b", "c", "d"])
        X["node"] = nodes
        model.set_params(node_column="node")
        names = "'b', 'd'"
    where = {} if given == "frame" else {"nodes": nodes}
    with pytest.warns(ConvergenceWarning, match=rf"by decades: {names}\.$"):
        model.fit(X, y, **where)


def test_a_fit_that_falls_short_names_no_columns_that_are_alike():
    X, y, nodes = make_rows(FMTLRegressor, n_features=4)
    with pytest.warns(ConvergenceWarning, match=r"or scale the features\.$"):
        FMTLRegressor(tol=1e-14, max_iter=1).fit(X, y, nodes=nodes)


SHORT = {"tol": 1e-9, "max_iter": 1}
LESS_LAMBDA2 = (
    r"asks for \S+\. Raise lambda2={}, .* use solver='splitting'.*\. "
    "Or raise max_iter, tol or lambda1, or scale"
)


@pytest.mark.parametrize("lambda2", [9e-4, 1e-6])
@pytest.mark.parametrize("kind", [FMTLRegressor, FMTLClassifier])
def test_mocha_is_told_of_lambda2_first_where_it_is_small(kind, lambda2):
    X, y, nodes = rows_of()
    model = kind(solver="mocha", lambda2=lambda2, **SHORT)
    with pytest.warns(ConvergenceWarning, match=LESS_LAMBDA2.format(lambda2)):
        model.fit(X, y, nodes=nodes)


@pytest.mark.parametrize("params", [{"solver": "mocha", "lambda2": 1e-3}, {"lambda2": 1e-6}])
def test_other_fits_that_end_early_are_told_of_rounds_first(params):
    """Rounds of splitting are not more where lambda2 is small."""
    X, y, nodes = rows_of()
    with pytest.warns(ConvergenceWarning, match=r"\. Raise max_iter, tol or the lambdas, or sc"):
        FMTLClassifier(local_epochs=1, **params, **SHORT).fit(X, y, nodes=nodes)


def test_what_mocha_is_told_helps():
    """Ten times lambda2 takes fewer rounds, the other solver a fraction of them."""
    X, y, nodes = rows_of()
    params = {"loss": "squared_hinge", "tol": 1e-3, "max_iter": 2000, "random_state": 0}
    rounds = [
        FMTLClassifier(solver=solver, lambda2=lambda2, **params).fit(X, y, nodes=nodes).n_iter_
        for solver, lambda2 in (("mocha", 1e-4), ("mocha", 1e-3), ("splitting", 1e-4))
    ]
    assert rounds[1] < rounds[0] and 5 * rounds[2] < rounds[0]
