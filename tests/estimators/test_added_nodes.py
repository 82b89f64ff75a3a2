"""Nodes that come late are fitted to what the others share; nodes that leave change the others."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from estimators import ESTIMATOR_OF, ESTIMATORS, LOSSES, make_rows
from oracles.losses import RECORD_OF
from profiles import covering
from skfedmtl import FMTLClassifier, FMTLRegressor, FMTLRegressorCV
from skfedmtl._model import Anchored, SquaredError
from skfedmtl._solvers.pricing import best_bound
from skfedmtl.defense import TrimmedFMTLRegressor

SIZES = (14, 12, 13, 9)
PENALTIES = {"lambda1": 0.05, "lambda2": 0.02, "random_state": 0}
TIES = ("learned", "none", "mean")


def renamed(nodes, label):
    return np.full(len(nodes), label)


def untouched(model):
    return {name: getattr(model, name).copy() for name in ("coef_", "intercept_", "dual_coef_")}


# -- the regulariser --------------------------------------------------------------------------


def test_the_anchored_regulariser_and_its_conjugate():
    rng = np.random.default_rng(0)
    m, d, rho = 3, 4, 0.7
    half = rng.normal(size=(d, d))
    M, a = half @ half.T + 0.1 * np.eye(d), rng.normal(size=d)
    R, V, T = Anchored(m, M, a), rng.normal(size=(m, d)), rng.normal(size=(m, d))

    def penalty(W):
        return float(np.einsum("li,ij,lj->", W - a, M, W - a))

    W = R.respond(V).W
    assert_allclose(R.penalty(T), penalty(T))
    assert_allclose(V, 2.0 * (W - a) @ M)  # the slope of R at W(V)
    assert_allclose(R.conjugate(V), np.vdot(V, W) - penalty(W))
    assert_allclose(R.respond(V).penalty, penalty(W))
    Z, value = R.proximal(T, rho)
    assert_allclose(2.0 * (Z - a) @ M, rho * (T - Z))
    assert_allclose(value, penalty(Z))
    D = rng.normal(size=(2, m, d))
    moved = [R.respond(V + one).W - W for one in D]
    assert_allclose(R.respond(V).product(D), moved)
    step = R.proximal_response(T, rho).product(rho * D[0])
    assert_allclose(step, R.proximal(T + D[0], rho).W - Z, atol=1e-12)
    curved = R.curved(T, 0.0)
    assert_allclose(curved.slope, 2.0 * (T - a) @ M)
    bent = (curved.hessian() @ D[0].ravel()).reshape(m, d)
    assert_allclose(bent, R.curved(T + D[0], 0.0).slope - curved.slope)
    assert np.all(R.first_curvature() >= 0.5 / np.linalg.eigvalsh(M)[0] * (1.0 - 1e-9))
    assert R.is_quadratic and R.covariance_factor(T).shape == (m, 0)
    assert Anchored(m, M, 0.0 * a).is_homogeneous and not R.is_homogeneous


def test_no_share_of_dual_variables_promises_more_than_the_least_value():
    """An anchor makes the conjugate one of no degree two: its shares are priced as they are."""
    rng = np.random.default_rng(0)
    X, y, a = rng.normal(size=(8, 3)), rng.normal(size=8), rng.normal(size=3)
    for ridge in (0.1, 0.3, 1.0, 3.0):
        w = np.linalg.solve(X.T @ X / 8.0 + ridge * np.eye(3), X.T @ y / 8.0 + ridge * a)
        least = np.mean((y - X @ w) ** 2) + ridge * np.sum((w - a) ** 2)
        for share in (0.2, 0.5, 1.0, 2.0):
            alpha = share * 2.0 * (y - X @ w)
            sums = float(np.mean(y * alpha)), float(np.mean(SquaredError().conjugate(y, alpha)))
            R = Anchored(1, ridge * np.eye(3), a)
            bound = best_bound(SquaredError(), R, alpha[None] @ X / 8.0, *sums).value
            assert bound <= least * (1.0 + 1e-9)
            if share == 1.0:
                assert_allclose(bound, least)


# -- nodes that come --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "tie", "intercept", "lambda0"),
    covering(3, LOSSES, ("learned", "none"), (True, False), (None, 0.02)),
)
def test_rows_of_an_old_node_lead_to_its_weights(loss, tie, intercept, lambda0):
    """What nodes share leaves each a problem of its own, whose least is where it is."""
    Estimator = ESTIMATOR_OF[loss]
    X, y, nodes = make_rows(Estimator(loss=loss), SIZES)
    model = Estimator(
        loss=loss,
        relationship=tie,
        fit_intercept=intercept,
        lambda0=lambda0,
        tol=1e-11,
        **PENALTIES,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y, nodes=nodes)
        before = untouched(model)
        for label in (0, 2):
            own = nodes == label
            model.add_nodes(X[own], y[own], nodes=renamed(nodes[own], label + 10))
    assert_array_equal(model.nodes_, [0, 1, 2, 3, 10, 12])
    assert_allclose(model.coef_[4:], model.coef_[[0, 2]], atol=2e-4)
    assert_allclose(model.intercept_[4:], model.intercept_[[0, 2]], atol=2e-4)
    assert 0.0 <= model.added_dual_gap_ <= 1e-8
    for name, values in before.items():
        assert_array_equal(getattr(model, name)[: len(values)], values)
    assert len(model.is_constant_) == len(model.node_covariance_factor_) == 6
    new = X[nodes == 2]
    assert_allclose(
        model._decision(*model._check_predict(new, renamed(new[:, 0], 12).astype(int))),
        model._decision(*model._check_predict(new, renamed(new[:, 0], 2).astype(int))),
        atol=2e-3,
    )


def own_problem(model, X, y, tie, loss):
    """The docstring's, without an intercept, of one node: its value, and its least elsewhere found.

    Both within what the fitted nodes use.
    """
    lambda1, lambda2 = 0.05, 0.02
    u = np.zeros(X.shape[1]) if model.common_coef_ is None else model.common_coef_
    Z = model.coef_ - u
    basis = np.eye(len(u))
    _, s, right = np.linalg.svd(Z, full_matrices=False)
    if tie == "learned":
        used = s > 1e-6 * s[0]
        s, basis = s[used], right[used]
    value = RECORD_OF[loss].value

    def P(q):
        z = q @ basis
        tied = 0.0
        if tie == "learned":
            tied = lambda1 * s.sum() * np.sum(np.square(q) / s)
        elif tie == "mean":
            tied = lambda1 * np.sum(np.square(z - Z.mean(axis=0)))
        return value(y, X @ (u + z)).mean() + tied + lambda2 * z @ z

    least = minimize(P, np.zeros(len(basis)), method="BFGS", options={"gtol": 1e-8}).fun
    return (lambda w: P(basis @ (w - u))), least


@pytest.mark.parametrize("lambda0", [None, 0.02])
@pytest.mark.parametrize("tie", TIES)
@pytest.mark.parametrize("loss", ["squared_error", "logistic"])
def test_it_is_the_problem_of_the_docstring(loss, tie, lambda0):
    Estimator = ESTIMATOR_OF[loss]
    X, y, nodes = make_rows(Estimator(loss=loss), SIZES)
    late = nodes == 3
    model = Estimator(
        loss=loss, relationship=tie, lambda0=lambda0, fit_intercept=False, tol=1e-10, **PENALTIES
    )
    model.fit(X[~late], y[~late], nodes=nodes[~late])
    signs = y[late] if loss == "squared_error" else 2.0 * y[late] - 1.0
    P, least = own_problem(model, X[late], signs, tie, loss)
    model.add_nodes(X[late], y[late], nodes=nodes[late])
    at = P(model.coef_[-1])
    assert least - 1e-8 <= at <= least + model.added_dual_gap_ + 1e-7


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_several_at_once_are_as_one_by_one(Estimator):
    X, y, nodes = make_rows(Estimator, SIZES, strings=True)
    early = np.isin(nodes, ["n0", "n1"])
    params = {"lambda0": 0.02, "tol": 1e-10, **PENALTIES}
    together, apart = (
        Estimator(**params).fit(X[early], y[early], nodes=nodes[early]) for _ in range(2)
    )
    together.add_nodes(X[~early], y[~early], nodes=nodes[~early])
    for label in ("n2", "n3"):
        own = nodes == label
        apart.add_nodes(X[own], y[own], nodes=nodes[own])
    assert together.added_nodes_.tolist() == apart.added_nodes_.tolist() == ["n2", "n3"]
    assert_allclose(together.coef_, apart.coef_, atol=1e-4)
    assert_allclose(together.node_covariance(), apart.node_covariance(), atol=1e-3)
    together.fit(X, y, nodes=nodes)
    assert not hasattr(together, "added_nodes_")


def test_each_class_has_a_model_more():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    y = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    late = nodes == 1
    model = FMTLClassifier(lambda0=0.02, **PENALTIES).fit(X[~late], y[~late], nodes=nodes[~late])
    model.add_nodes(X[late], y[late], nodes=nodes[late])
    assert model.coef_.shape == (4, 3, 3) and model.is_constant_.shape == (4, 3)
    assert model.node_covariance().shape == (3, 4, 4)
    assert model.score(X[late], y[late], nodes=nodes[late]) > 0.6


def test_a_node_column_and_sparse_rows():
    from scipy.sparse import csr_matrix

    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    late = nodes == 3
    model = FMTLRegressor(tol=1e-9, **PENALTIES).fit(X[~late], y[~late], nodes=nodes[~late])
    model.add_nodes(csr_matrix(X[late]), y[late], nodes=nodes[late])
    table = pd.DataFrame(X, columns=list("abc")).assign(node=nodes)
    other = FMTLRegressor(node_column="node", tol=1e-9, **PENALTIES).fit(table[~late], y[~late])
    other.add_nodes(table[late], y[late])
    assert_allclose(other.coef_, model.coef_, atol=1e-5)
    with pytest.raises(ValueError, match="columns"):
        other.add_nodes(table[late].rename(columns={"a": "z"}).replace({"node": {3: 9}}), y[late])


def test_what_cannot_be_added():
    X, y, nodes = make_rows(FMTLClassifier, SIZES)
    model = FMTLClassifier(**PENALTIES).fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match=r"known: 0, 1"):
        model.add_nodes(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="`nodes` is missing"):
        model.add_nodes(X, y)
    with pytest.raises(ValueError, match=r"classes \[2\]"):
        model.add_nodes(X, 2 * y, nodes=nodes + 9)
    with pytest.raises(ValueError, match="2 features"):
        model.add_nodes(X[:, :2], y, nodes=nodes + 9)
    with pytest.raises(ValueError, match="strings"):
        model.add_nodes(X, y, nodes=[f"n{l}" for l in nodes])
    given = FMTLClassifier(relationship=np.eye(4), **PENALTIES).fit(X, y, nodes=nodes)
    for call in (given.add_nodes, lambda *args, **more: given.remove_nodes([0], *args, **more)):
        with pytest.raises(ValueError, match=r"relationship=.*matrix"):
            call(X, y, nodes=nodes + 9)
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    trimmed = TrimmedFMTLRegressor(**PENALTIES).fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="by some"):
        trimmed.add_nodes(X, y, nodes=nodes + 9)


def test_a_fit_in_vain_leaves_all_as_it_was():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    model = FMTLRegressor(**PENALTIES).fit(X, y, nodes=nodes)
    model.add_nodes(X, y, nodes=nodes + 10)
    with pytest.raises(ValueError):
        model.fit(X, y[:3], nodes=nodes)
    assert len(model.nodes_) == 8 and len(model.added_nodes_) == 4


# -- nodes that leave -------------------------------------------------------------------------


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("tie", TIES)
@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_a_fit_without_a_node_is_that_of_the_others(Estimator, tie, warm_start):
    X, y, nodes = make_rows(Estimator, SIZES)
    params = {"relationship": tie, "lambda0": 0.02, "tol": 1e-10, **PENALTIES}
    model = Estimator(warm_start=warm_start, **params).fit(X, y, nodes=nodes)
    before, left = model.coef_.copy(), nodes != 1
    told = model._decision(X[left], nodes[left])
    changes = model.remove_nodes([1], X, y, nodes=nodes)
    fresh = Estimator(**params).fit(X[left], y[left], nodes=nodes[left])
    assert_array_equal(model.nodes_, [0, 2, 3])
    assert_allclose(model.coef_, fresh.coef_, atol=1e-4)
    assert_allclose(model.dual_gap_, 0.0, atol=1e-8)
    assert len(model.dual_coef_) == left.sum() and model.warm_start is warm_start
    assert changes.index.tolist() == [0, 2, 3]
    expected = np.linalg.norm(model.coef_ - before[[0, 2, 3]], axis=1)
    assert_allclose(changes["distance"], expected)
    assert_allclose(changes["relative"], expected / np.linalg.norm(before[[0, 2, 3]], axis=1))
    moved = np.square(model._decision(*model._check_predict(X[left], nodes[left])) - told)
    roots = [np.sqrt(moved[nodes[left] == l].mean()) for l in (0, 2, 3)]
    assert_allclose(changes["moved"], roots)


def test_it_begins_where_the_fit_has_ended():
    X, y, nodes = make_rows(FMTLRegressor, (30, 30, 30, 3))
    params = {"max_iter": 1, "tol": 0.0, "local_epochs": 1.0, **PENALTIES}
    model = FMTLRegressor(**{**params, "max_iter": 100, "tol": 1e-8}, warm_start=True)
    model.fit(X, y, nodes=nodes)
    left = nodes != 3
    model.set_params(**params).remove_nodes([3], X, y, nodes=nodes)
    cold = FMTLRegressor(**params).fit(X[left], y[left], nodes=nodes[left])
    assert model.dual_gap_ < 0.5 * cold.dual_gap_


def test_untied_nodes_do_not_miss_one():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    model = FMTLRegressor(relationship="none", tol=1e-10, **PENALTIES).fit(X, y, nodes=nodes)
    changes = model.remove_nodes([0, 3], X, y, nodes=nodes)
    assert_allclose(changes["distance"], 0.0, atol=1e-5)


def test_removal_of_classes_columns_and_added_nodes():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    y = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    table = pd.DataFrame(X, columns=list("abc")).assign(node=nodes)
    model = FMTLClassifier(node_column="node", **PENALTIES).fit(table, y)
    changes = model.remove_nodes([0], table, y)
    assert model.coef_.shape == (3, 3, 3) and len(changes) == 3
    model.add_nodes(table[nodes == 0], y[nodes == 0])
    with pytest.warns(UserWarning, match="nodes 0 were added and are fitted jointly"):
        changes = model.remove_nodes([2], table, y)
    assert model.nodes_.tolist() == changes.index.tolist()
    assert sorted(model.nodes_.tolist()) == [0, 1, 3]


def test_a_search_adds_to_its_best_estimator_and_removes_from_it():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    late = nodes == 3
    search = FMTLRegressorCV(lambda0s=[0.1], lambda1s=[0.1], lambda2s=[0.1, 0.01], cv=2)
    search.fit(X[~late], y[~late], nodes=nodes[~late])
    assert search.add_nodes(X[late], y[late], nodes=nodes[late]) is search
    assert search.nodes_.tolist() == search.best_estimator_.nodes_.tolist() == [0, 1, 2, 3]
    assert len(search.predict(X, nodes=nodes)) == len(X)
    with pytest.warns(UserWarning, match="were added"):
        assert len(search.remove_nodes([1], X, y, nodes=nodes)) == 3
    assert search.nodes_.tolist() == [0, 2, 3] and not hasattr(search, "added_nodes_")


def test_what_cannot_be_removed():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    model = FMTLRegressor(**PENALTIES).fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="not fitted: 9"):
        model.remove_nodes([9], X, y, nodes=nodes)
    with pytest.raises(ValueError, match="all nodes"):
        model.remove_nodes([0, 1, 2, 3], X, y, nodes=nodes)
    with pytest.raises(ValueError, match="`nodes` is missing"):
        model.remove_nodes([0], X, y)
    assert model.nodes_.tolist() == [0, 1, 2, 3]


def test_parameters_that_list_nodes_go_by_those_that_stay():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    epochs = {label: 3.0 for label in range(4)}
    listed = FMTLRegressor(local_epochs=epochs, node_weight={1: 2.0, 2: 3.0}, **PENALTIES)
    counted = FMTLRegressor(local_epochs=epochs, node_weight=[1.0, 2.0, 3.0, 1.0], **PENALTIES)
    for model in (listed, counted):
        model.fit(X, y, nodes=nodes).remove_nodes([1], X, y, nodes=nodes)
    assert_allclose(listed.coef_, counted.coef_)
    listed.remove_nodes([2], X, y, nodes=nodes)
    with pytest.raises(ValueError, match="node_weight holds 4 numbers, but 3 nodes"):
        counted.remove_nodes([2], X, y, nodes=nodes)
    counted.set_params(node_weight=[1.0, 3.0, 1.0]).remove_nodes([2], X, y, nodes=nodes)
    assert_allclose(listed.coef_, counted.coef_)


def test_rows_that_are_not_those_of_the_fit_are_refused():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    model = FMTLRegressor(**PENALTIES).fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.remove_nodes([0], X, y[:9], nodes=nodes)
    with pytest.raises(ValueError, match="sample_weight"):
        model.remove_nodes([0], X, y, nodes=nodes, sample_weight=np.ones(9))
    with pytest.raises(ValueError, match="masked"):
        model.remove_nodes([0], X, np.ma.masked_less(y, 0.0), nodes=nodes)
    with pytest.raises(ValueError, match="2 features"):
        model.remove_nodes([0], X[:, :2], y, nodes=nodes)
    assert model.nodes_.tolist() == [0, 1, 2, 3]


def test_a_class_that_only_removed_nodes_had_is_named():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    y = np.where(y > 0, "high", "low")
    y[np.flatnonzero(nodes == 0)[:2]] = "odd"
    model = FMTLClassifier(**PENALTIES).fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match=r"no row of the classes \['odd'\]"):
        model.remove_nodes([0], X, y.astype(object), nodes=nodes)
    assert model.nodes_.tolist() == [0, 1, 2, 3] and len(model.classes_) == 3
    model.remove_nodes([1], X, y.astype(object), nodes=nodes)
    assert model.nodes_.tolist() == [0, 2, 3]
