"""Relationships of one's own are fitted, certified and attacked; what is none is found out."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from estimators import ESTIMATOR_OF, LOSSES, OMEGA, climber, make_rows
from federations import PARAMS, make_nodes
from skfedmtl import FMTLClassifier, FMTLRegressor, FMTLRegressorCV
from skfedmtl.attack import DamageBound
from skfedmtl.federation import FederatedServer, LocalTransport
from skfedmtl.model_selection import NodeKFold
from skfedmtl.protocols import Relationship
from skfedmtl.testing import check_relationship


class Given:
    """A precision matrix, brought from outside."""

    def __init__(self, precision=OMEGA):
        self.precision, self.n_nodes = precision, len(precision)

    def value(self, W):
        return float(np.vdot(W, self.precision @ W))

    def proximal(self, T, step):
        return np.linalg.solve(np.eye(len(T)) + 2.0 * step * self.precision, T)


class GivenAndPriced(Given):
    def conjugate(self, V):
        return 0.25 * float(np.vdot(V, np.linalg.solve(self.precision, V)))


class Sparse:
    def value(self, W):
        return np.abs(W).sum()

    def proximal(self, T, step):
        return np.sign(T) * np.maximum(np.abs(T) - step, 0.0)


class SparseAndPriced(Sparse):
    def conjugate(self, V):
        return 0.0  # slopes are at most 1


class FewFeatures:
    def value(self, W):
        return np.linalg.norm(W, axis=0).sum()

    def proximal(self, T, step):
        size = np.linalg.norm(T, axis=0)
        return T * np.maximum(0.0, 1.0 - step / np.where(size > 0.0, size, 1.0))


class Nuclear(BaseEstimator):
    """Twice kinked, not of degree two; with a parameter to search."""

    def __init__(self, weight=1.0):
        self.weight = weight

    def value(self, W):
        return self.weight * np.linalg.svd(W, compute_uv=False).sum()

    def proximal(self, T, step):
        U, s, Zt = np.linalg.svd(T, full_matrices=False)
        return (U * np.maximum(s - self.weight * step, 0.0)) @ Zt


class Rough(GivenAndPriced):
    """A step that stops early."""

    def proximal(self, T, step):
        return super().proximal(T, step) + 1e-4 * np.abs(T).max()


SOUND = (Given, GivenAndPriced, Sparse, SparseAndPriced, FewFeatures, Nuclear)


@pytest.mark.parametrize("kind", SOUND)
def test_sound_ones_pass(kind):
    assert isinstance(kind(), Relationship)
    check_relationship(kind())


def test_any_number_of_features():
    check_relationship(FewFeatures(), n_features=1)
    with pytest.raises(ValueError, match="n_features must be at least 1, got 0"):
        check_relationship(FewFeatures(), n_features=0)


def test_the_protocols_example_is_one():
    assert not isinstance(OMEGA, Relationship)
    assert not isinstance("learned", Relationship)


# -- fits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("solver", "kind"), [("splitting", GivenAndPriced), ("mocha", Given)])
def test_fits_are_those_of_the_package_s_own(loss, solver, kind):
    model = ESTIMATOR_OF[loss](
        loss=loss, lambda1=0.3, lambda2=0.05, tol=1e-7, max_iter=5000, random_state=0
    ).set_params(solver=solver)
    X, y, nodes = make_rows(model)
    expected = clone(model).set_params(relationship=OMEGA).fit(X, y, nodes=nodes)
    found = model.set_params(relationship=kind()).fit(X, y, nodes=nodes)
    assert found.dual_gap_ <= 1e-7 * found.objective_
    assert_allclose(found.objective_, expected.objective_, rtol=3e-7)
    assert_allclose(found.coef_, expected.coef_, atol=2e-3 * np.abs(expected.coef_).max())


def test_a_nuclear_norm_is_low_in_rank_and_certified_by_the_best_scale():
    """The package's own is its square: both are one model, where the strengths fit."""
    X, y, nodes = make_rows(FMTLRegressor)
    squared = FMTLRegressor(lambda1=0.2, lambda2=0.05, tol=1e-9).fit(X, y, nodes=nodes)
    norm = np.linalg.svd(squared.coef_, compute_uv=False).sum()
    plain = FMTLRegressor(lambda1=0.4 * norm, lambda2=0.05, tol=1e-9, relationship=Nuclear())
    plain.fit(X, y, nodes=nodes)
    assert_allclose(plain.coef_, squared.coef_, atol=1e-4 * np.abs(squared.coef_).max())


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
def test_no_weights_fall_below_the_bound_of_a_rough_step(solver):
    """Without its conjugate the gap would be too small, or no gap."""
    X, y, nodes = make_rows(FMTLRegressor)
    given = {"lambda1": 0.3, "lambda2": 0.01, "max_iter": 20, "tol": 1e-9, "random_state": 0}
    exact = FMTLRegressor(relationship=OMEGA, **given).fit(X, y, nodes=nodes)
    rough = FMTLRegressor(relationship=Rough(), solver=solver, **given)
    with pytest.warns(Warning, match="stopped after max_iter=20"):
        rough.fit(X, y, nodes=nodes)
    assert rough.dual_objective_ <= exact.objective_
    assert rough.dual_gap_ < 1e-3 * rough.objective_


def test_a_strong_penalty_leaves_no_weight_and_no_gap():
    X, y, nodes = make_rows(FMTLRegressor)
    model = FMTLRegressor(relationship=Sparse(), lambda1=1e3, tol=1e-6).fit(X, y, nodes=nodes)
    assert_array_equal(model.coef_, 0.0)
    assert model.dual_gap_ <= 1e-6 * model.objective_


def test_without_strength_it_is_none():
    X, y, nodes = make_rows(FMTLRegressor)
    own, none = (
        FMTLRegressor(relationship=relationship, lambda1=0.0).fit(X, y, nodes=nodes)
        for relationship in (Sparse(), "none")
    )
    assert_array_equal(own.coef_, none.coef_)


def test_rows_are_those_of_sorted_labels_and_a_node_without_rows_follows():
    X, y, codes = make_rows(FMTLRegressor, sizes=(12, 9))
    labels = np.array(["b", "a"])[codes]
    chain = np.array([[2.0, -1.0, -1.0], [-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    own, given = (
        FMTLRegressor(relationship=one, node_labels=["b", "c", "a"], lambda1=0.5, tol=1e-8).fit(
            X, y, nodes=labels
        )
        for one in (Given(chain), chain)
    )
    assert own.nodes_.tolist() == ["b", "c", "a"]
    assert_allclose(own.coef_, given.coef_, atol=1e-4)
    assert own.coef_[1].any()


@pytest.mark.parametrize("more", [{}, {"solver": "mocha"}, {"local_epochs": 2.0}])
def test_any_workers_pickles_and_warm_starts(more):
    X, y, nodes = make_rows(FMTLClassifier)
    given = {"loss": "logistic", "lambda1": 0.02, "random_state": 0, "tol": 1e-3, **more}
    model = FMTLClassifier(relationship=FewFeatures(), **given)
    fitted = model.fit(X, y, nodes=nodes)
    assert fitted.dual_gap_ <= 1e-3 * fitted.objective_
    two = clone(model).set_params(n_jobs=2).fit(X, y, nodes=nodes)
    assert_array_equal(two.coef_, fitted.coef_)
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.predict(X, nodes=nodes), fitted.predict(X, nodes=nodes))
    warm = clone(model).set_params(warm_start=True).fit(X, y, nodes=nodes).fit(X, y, nodes=nodes)
    assert warm.n_iter_ <= fitted.n_iter_


def test_more_than_two_classes():
    X, _, nodes = make_rows(FMTLClassifier)
    y = np.digitize(X[:, 0], [-0.4, 0.6])
    model = FMTLClassifier(relationship=Given(), lambda1=0.1, tol=1e-6).fit(X, y, nodes=nodes)
    peer = clone(model).set_params(relationship=OMEGA).fit(X, y, nodes=nodes)
    assert_allclose(model.objective_, peer.objective_, rtol=2e-6)


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
def test_a_server_of_a_federation_keeps_it_to_itself(solver):
    X, y, nodes, parties = make_nodes("logistic")
    given = {**PARAMS, "loss": "logistic", "solver": solver, "tol": 1e-4, "max_iter": 200}
    server = FederatedServer(FewFeatures(), local_epochs=3.0, random_state=0, **given)
    server.fit(LocalTransport(parties))
    model = FMTLClassifier(relationship=FewFeatures(), **given).fit(X, y, nodes=nodes)
    assert_allclose(server.objective_, model.objective_, rtol=2e-4)
    assert server.dual_objective_ <= model.objective_


def test_parameters_of_it_are_searched():
    X, y, nodes = make_rows(FMTLRegressor, sizes=(12, 12, 12))
    table = np.column_stack([X, nodes])
    model = FMTLRegressor(relationship=Nuclear(), lambda1=0.1, node_column=-1)
    assert model.get_params()["relationship__weight"] == 1.0
    assert clone(model).relationship is not model.relationship
    grid = {"relationship__weight": [0.1, 100.0], "lambda2": [1e-3]}
    search = GridSearchCV(model, grid, cv=3).fit(table, y)
    assert search.best_params_["relationship__weight"] == 0.1
    paths = FMTLRegressorCV(
        relationship=FewFeatures(), lambda1s=[1e-3, 10.0], lambda2s=[1e-3], cv=NodeKFold(3)
    ).fit(X, y, nodes=nodes)
    assert paths.lambda1_ == 1e-3


# -- attacks ------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ["direct", "indirect"])
def test_attacks_climb_through_it(attack):
    X, y, nodes = make_rows(FMTLRegressor, sizes=(8, 7, 6))
    threat = {"attack": attack, "target_nodes": [0], "source_nodes": [int(attack == "indirect")]}
    own, peer = (
        climber(
            FMTLRegressor(relationship=one, lambda1=1.0, lambda2=0.1),
            random_state=0,
            max_iter=3,
            **threat,
        ).fit(X, y, nodes=nodes)
        for one in (Given(), OMEGA)
    )
    assert own.objective_ > own.objective_history_[0]
    assert_allclose(own.objective_, peer.objective_, rtol=1e-3)


@pytest.mark.parametrize("gradient", ["total", "implicit"])
def test_gradients_through_it(gradient):
    X, y, nodes = make_rows(FMTLRegressor, sizes=(8, 6))
    victim = FMTLRegressor(relationship=FewFeatures(), lambda1=0.02, lambda2=0.1)
    attacker = climber(victim, target_nodes=[0], random_state=0, gradient=gradient)
    assert attacker.check_gradient(X, y, nodes=nodes, n_points=2).relative_error < 1e-3


def test_nothing_is_sought_and_no_bound_known():
    X, y, nodes = make_rows(FMTLRegressor, sizes=(8, 6))
    victim = FMTLRegressor(relationship=Sparse(), lambda1=0.02)
    attacker = climber(victim, target_nodes=[0], random_state=0, init="weights", max_iter=2)
    attacker.fit(X, y, nodes=nodes)
    assert "weights" not in {one["origin"] for one in attacker.attempts_}
    with pytest.raises(ValueError, match="a `relationship` of your own, Sparse: no bound is known"):
        DamageBound(victim, target_nodes=[0], random_state=0).fit(X, y, nodes=nodes)


# -- broken ones --------------------------------------------------------------------------


class IsNegative(Sparse):
    def value(self, W):
        return -super().value(W)


class BeginsAbove(Sparse):
    def value(self, W):
        return 1.0 + super().value(W)


class BendsDown(Sparse):
    def value(self, W):
        return np.sqrt(super().value(W))


class StepsTwice(Sparse):
    def proximal(self, T, step):
        return super().proximal(T, 2.0 * step)


class ForgetsTheStep(Sparse):
    def proximal(self, T, step):
        return super().proximal(T, 1.0)


class ForgetsTheHalf(Given):
    def proximal(self, T, step):
        return super().proximal(T, 0.5 * step)


class StopsEarly(Given):
    def proximal(self, T, step):
        return super().proximal(T, step) + 1e-4 * np.abs(T).max()


class TransposesT(Sparse):
    n_nodes = 2

    def proximal(self, T, step):
        return super().proximal(T, step).T


class IsNoNumber(FewFeatures):
    def proximal(self, T, step):
        with np.errstate(all="ignore"):
            shrunk = T * np.maximum(0.0, 1.0 - step / np.linalg.norm(T, axis=0))
            return np.where(np.linalg.norm(T, axis=0) < step, T / (0.0 * T), shrunk)


class Changes(Sparse):
    def value(self, W):
        np.abs(W, out=W)
        return W.sum()


class Draws(Sparse):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def proximal(self, T, step):
        return super().proximal(T, step * self.rng.uniform(0.999, 1.001))


class TellsRows(Sparse):
    def value(self, W):
        return np.abs(W).sum(axis=0)


class PricesLess(GivenAndPriced):
    def conjugate(self, V):
        return 0.5 * super().conjugate(V)


class PricesNothing(SparseAndPriced):
    def conjugate(self, V):
        return 0.0 if np.abs(V).max() < 0.5 else np.inf


BROKEN = {
    IsNegative: "`value` must not be negative",
    BeginsAbove: "`value` must be 0 at zero weights",
    BendsDown: "`value` must be convex",
    StepsTwice: r"`proximal`\(T, step\) must be the W of least",
    ForgetsTheStep: r"`proximal`\(T, step\) must be the W of least",
    ForgetsTheHalf: r"`proximal`\(T, step\) must be the W of least",
    StopsEarly: r"`proximal`\(T, step\) must be the W of least",
    TransposesT: "`proximal` must return an array of the shape of T",
    IsNoNumber: "`proximal` must be finite",
    Changes: "`value` must not change what it is handed",
    Draws: "`proximal` must return the same again",
    TellsRows: "`value` must return one number",
    PricesLess: r"`conjugate`\(V\) must be <V, W>",
    PricesNothing: "`conjugate` must be finite at slopes",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_one_is_found_out(broken):
    with pytest.raises(AssertionError, match=f"check_relationship: .*{BROKEN[broken]}"):
        check_relationship(broken())


def lowers(model):
    model.objective_ *= 0.9


def promises(model):
    model.dual_objective_ = model.objective_ * 1.01


def misses(model):
    model.dual_gap_ = 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lowers, "a fit's objective must be that of its weights"),
        (promises, "no weights may cost less than a fit's bound"),
        (misses, "a fit must meet its gap"),
    ],
)
def test_a_fit_that_is_none(monkeypatch, change, message):
    fit = FMTLRegressor.fit

    def stray(self, *given, **others):
        fit(self, *given, **others)
        change(self)
        return self

    monkeypatch.setattr(FMTLRegressor, "fit", stray)
    with pytest.raises(AssertionError, match=message):
        check_relationship(Sparse())


# -- what is none -------------------------------------------------------------------------


class Lacks:
    proximal = Sparse.proximal


class OfTwo(Sparse):
    n_nodes = 2


class StepsNowhere(Sparse):
    def proximal(self, T, step):
        return np.full_like(T, np.nan)


class IsEndless(Sparse):
    def value(self, W):
        return np.inf if W.any() else 0.0


class Fails(Sparse):
    def proximal(self, T, step):
        raise ZeroDivisionError("nobody divides by zero")


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (Lacks(), ValueError, "The 'relationship' parameter of FMTLRegressor must be"),
        (Sparse, TypeError, "`relationship` must be an instance, got the class Sparse"),
        (OfTwo(), ValueError, "of as many nodes as there are, 3; OfTwo is of 2"),
        (TransposesT(), ValueError, "of as many nodes"),
        (StepsNowhere(), ValueError, "`proximal` of `relationship` must be finite"),
        (IsEndless(), ValueError, "`value` of `relationship` must be a finite number, got inf"),
        (TellsRows(), ValueError, "`value` of `relationship` must be a finite number"),
        (Fails(), ZeroDivisionError, "nobody divides by zero"),
    ],
)
def test_bad_ones(solver, given, error, message):
    X, y, nodes = make_rows(FMTLRegressor, n_features=2)
    model = FMTLRegressor(relationship=given, solver=solver)
    with pytest.raises(error, match=message):
        model.fit(X, y, nodes=nodes)
    assert not hasattr(model, "coef_")


def test_another_shape():
    X, y, nodes = make_rows(FMTLRegressor, sizes=(6, 6))
    with pytest.raises(ValueError, match=r"must keep the shape \(2, 3\), got \(3, 2\)"):
        FMTLRegressor(relationship=TransposesT()).fit(X, y, nodes=nodes)


def test_what_cannot_serve_it_says_so():
    X, y, nodes = make_rows(FMTLRegressor)
    model = FMTLRegressor(relationship=Sparse(), lambda1=0.01)
    with pytest.raises(ValueError, match="lambda0 must be None beside a `relationship` of your"):
        clone(model).set_params(lambda0=1.0).fit(X, y, nodes=nodes)
    model.fit(X, y, nodes=nodes)
    for ask in (model.node_covariance, model.node_precision, model.node_correlation):
        with pytest.raises(ValueError, match="a `relationship` of your own, Sparse, has none"):
            ask()
    with pytest.raises(ValueError, match=r"add_nodes needs relationship=.* got one of your own"):
        model.add_nodes(X, y, nodes=nodes + 3)
    attacker = climber(model, attack="indirect", choose_sources="influence", random_state=0)
    with pytest.raises(ValueError, match="choose_sources='influence' needs a covariance"):
        attacker.fit(X, y, nodes=nodes)
