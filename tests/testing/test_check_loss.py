"""Losses of one's own are fitted, certified and attacked; what is none is found out."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.special import expit, xlog1py, xlogy
from sklearn.base import clone

from estimators import climber, make_rows
from profiles import IS_LONG
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl.attack import DamageBound
from skfedmtl.protocols import Loss
from skfedmtl.testing import check_loss


class Square:
    """That of the package, brought from outside."""

    is_regression = True
    bounds = -np.inf, np.inf
    steepness = 2.0

    def value(self, y, f):
        return (f - y) ** 2

    def derivative(self, y, f):
        return 2.0 * (f - y)

    def curvature(self, y, f):
        return np.full_like(f, 2.0)

    def conjugate(self, y, a):
        return a * (0.25 * a - y)

    def kappa(self, reach, low, high):
        return 0.5 * (reach + np.maximum(np.abs(low), np.abs(high))) ** 2


class SquareThatSteps(Square):
    def step(self, a, f, y, q):
        return a + (y - 0.5 * a - f) / (0.5 + q)


class LogCosh:
    is_regression = True
    bounds = -1.0, 1.0
    steepness = 1.0

    def value(self, y, f):
        return np.logaddexp(f - y, y - f) - np.log(2.0)

    def derivative(self, y, f):
        return np.tanh(f - y)

    def curvature(self, y, f):
        return 1.0 - np.tanh(f - y) ** 2

    def conjugate(self, y, a):
        up, down = np.clip(1.0 + a, 0.0, 2.0), np.clip(1.0 - a, 0.0, 2.0)
        return 0.5 * (xlogy(up, up) + xlogy(down, down)) - a * y


class SquaredHinge:
    is_regression = False
    bounds = 0.0, np.inf
    steepness = 2.0

    def value(self, y, f):
        return np.maximum(0.0, 1.0 - y * f) ** 2

    def derivative(self, y, f):
        return -2.0 * y * np.maximum(0.0, 1.0 - y * f)

    def curvature(self, y, f):
        return np.where(y * f < 1.0, 2.0, 0.0)

    def conjugate(self, y, a):
        return a * (0.25 * a - y)


class Logistic:
    is_regression = False
    bounds = 0.0, 1.0
    steepness = 0.25

    def value(self, y, f):
        return np.logaddexp(0.0, -y * f)

    def derivative(self, y, f):
        return -y * expit(-y * f)

    def curvature(self, y, f):
        return expit(f) * expit(-f)

    def conjugate(self, y, a):
        b = np.clip(y * a, 0.0, 1.0)
        return xlogy(b, b) + xlog1py(1.0 - b, -b)


class SmoothHinge:
    """A parabola where |1 - y f| < 1/2."""

    is_regression = False
    bounds = 0.0, 1.0
    steepness = 1.0

    def value(self, y, f):
        b = np.clip(1.5 - y * f, 0.0, 1.0)
        return b * (1.5 - y * f) - 0.5 * b**2

    def derivative(self, y, f):
        return -y * np.clip(1.5 - y * f, 0.0, 1.0)

    def curvature(self, y, f):
        return (np.abs(1.0 - y * f) < 0.5).astype(float)

    def conjugate(self, y, a):
        return 0.5 * a**2 - 1.5 * y * a

    def kappa(self, reach, low, high):
        return np.where(reach < 0.5, 0.25 * (reach + 1.5) ** 2, reach + 0.5)


PEERS = {
    Square: FMTLRegressor(),
    SquareThatSteps: FMTLRegressor(),
    SquaredHinge: FMTLClassifier(loss="squared_hinge"),
    Logistic: FMTLClassifier(loss="logistic"),
}


@pytest.mark.parametrize("loss", [*PEERS, LogCosh, SmoothHinge])
def test_sound_losses_pass(loss):
    assert isinstance(loss(), Loss)
    check_loss(loss())


@pytest.mark.parametrize("loss", PEERS)
@pytest.mark.parametrize("relationship", ["learned", "mean"])
@pytest.mark.parametrize("solver", ["splitting", "mocha"])
def test_fits_are_those_of_the_package_s_own(loss, relationship, solver):
    peer = PEERS[loss]
    X, y, nodes = make_rows(peer)
    # an intercept that is paid for, in both: the package's squared error has a free one
    given = {"relationship": relationship, "fit_intercept": False, "tol": 1e-7, "lambda2": 0.1}
    given |= {"solver": solver, "max_iter": 5000, "random_state": 0}
    expected = clone(peer).set_params(**given).fit(X, y, nodes=nodes)
    found = clone(peer).set_params(loss=loss(), **given).fit(X, y, nodes=nodes)
    assert_allclose(found.objective_, expected.objective_, rtol=3e-7)
    assert_allclose(found.coef_, expected.coef_, atol=2e-3 * np.abs(expected.coef_).max())


def test_any_rows_and_any_workers():
    X, y, nodes = make_rows(FMTLRegressor)
    model = FMTLRegressor(loss=LogCosh(), random_state=0, tol=1e-8)
    dense = model.fit(X, y, nodes=nodes).coef_
    sparse = clone(model).fit(csr_array(X), y, nodes=nodes).coef_
    assert_allclose(dense, sparse, atol=1e-3 * np.abs(dense).max())
    assert_array_equal(clone(model).set_params(n_jobs=2).fit(X, y, nodes=nodes).coef_, dense)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X, nodes=nodes), model.predict(X, nodes=nodes))


def test_more_than_two_classes():
    X, _, nodes = make_rows(FMTLClassifier)
    y = np.digitize(X[:, 0], [-0.4, 0.6])
    own, peer = (
        FMTLClassifier(loss=loss, random_state=0, tol=1e-6).fit(X, y, nodes=nodes)
        for loss in (Logistic(), "logistic")
    )
    assert_allclose(own.objective_, peer.objective_, rtol=1e-5)
    assert not hasattr(own, "predict_proba")


@pytest.mark.parametrize(("loss", "kind"), [(LogCosh, FMTLRegressor), (Logistic, FMTLClassifier)])
def test_attacks_climb_it(loss, kind):
    X, y, nodes = make_rows(kind, sizes=(8, 6))
    attacker = climber(kind(loss=loss()), target_nodes=[0], random_state=0, max_iter=2)
    attacker.fit(X, y, nodes=nodes)
    assert attacker.objective_ > attacker.objective_history_[0]
    if kind is FMTLClassifier or IS_LONG:
        assert attacker.check_gradient(X, y, nodes=nodes).relative_error < 1e-3


def test_bounds_of_it():
    X, y, nodes = make_rows(FMTLRegressor, sizes=(8, 6))
    threat = {"target_nodes": [0], "random_state": 0}
    own, peer = (
        DamageBound(FMTLRegressor(loss=loss, fit_intercept=False), max_iter=8, **threat)
        for loss in (Square(), "squared_error")
    )
    attacker = climber(own.estimator, max_iter=3, **threat).fit(X, y, nodes=nodes)
    bound = own.fit(X, y, nodes=nodes).upper_bound_
    assert attacker.objective_ < bound
    # what is special to squares makes the package's own no looser
    assert peer.fit(X, y, nodes=nodes).upper_bound_ <= bound * (1.0 + 1e-6)
    with pytest.raises(ValueError, match="a loss of your own, LogCosh, without `kappa`"):
        own.set_params(estimator__loss=LogCosh()).fit(X, y, nodes=nodes)


# -- broken ones --------------------------------------------------------------------------


class SlopesOtherwise(Square):
    def derivative(self, y, f):
        return f - y


class Bends(Square):
    def curvature(self, y, f):
        return np.ones_like(f)


class IsFlatter(Square):
    steepness = 1.0


class SaysLess(Square):
    bounds = -1.0, 1.0


class MisreadsTheDual(Square):
    def conjugate(self, y, a):
        return a * (0.5 * a - y)


class StepsTooFar(Square):
    def step(self, a, f, y, q):
        return a + (y - f) / (0.5 + q)


class PullsLess(Square):
    def kappa(self, reach, low, high):
        return 0.1 * super().kappa(reach, low, high)


class PullsALittleLess(Square):
    def kappa(self, reach, low, high):
        return 0.99 * super().kappa(reach, low, high)


class ForgetsATarget(Square):
    def kappa(self, reach, low, high):
        return 0.5 * (reach + np.abs(high)) ** 2


class SaysMore(SmoothHinge):
    bounds = -1.0, 1.0


class SaysALittleMore(SmoothHinge):
    bounds = 0.0, 1.05


class CutsTheDual(LogCosh):
    bounds = -1.1, 1.1


class IsNegative(Square):
    def value(self, y, f):
        return (f - y) ** 2 - 1.0


class IsNoNumber(LogCosh):
    def conjugate(self, y, a):
        with np.errstate(all="ignore"):
            return 0.5 * ((1.0 + a) * np.log1p(a) + (1.0 - a) * np.log1p(-a)) - a * y


class GoesDown(Square):
    bounds = -1.0, 1.0

    def value(self, y, f):
        return 2.0 + np.sin(f - y)

    def derivative(self, y, f):
        return np.cos(f - y)


class IsAnotherShape(Square):
    def value(self, y, f):
        return np.sum((f - y) ** 2)


BROKEN = {
    SlopesOtherwise: "`derivative` must be the slope of `value`",
    Bends: "`curvature` must be the slope of `derivative`",
    IsFlatter: "`steepness` must be the largest second derivative",
    SaysLess: "`bounds` must hold all slopes",
    MisreadsTheDual: r"`conjugate`\(y, a\) must be -a f",
    StepsTooFar: r"`step`\(a, f, y, q\) must be",
    PullsLess: "`kappa` must be at least",
    PullsALittleLess: "`kappa` must be at least",
    ForgetsATarget: "`kappa` must be at least",
    SaysMore: "for every a in `bounds`",
    SaysALittleMore: "for every a in `bounds`",
    CutsTheDual: "for every a in `bounds`",
    IsNegative: "`value` must not be negative",
    IsNoNumber: "`conjugate` must be finite at `bounds`",
    GoesDown: "the loss must be convex",
    IsAnotherShape: "`value` must return one number a row",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_loss_is_found_out(broken):
    with pytest.raises(AssertionError, match=f"check_loss: .*{BROKEN[broken]}"):
        check_loss(broken())


def test_a_fit_that_is_no_optimum(monkeypatch):
    fit = FMTLRegressor.fit

    def stray(self, *given, **others):
        fit(self, *given, **others)
        self.objective_ *= 1.01
        return self

    monkeypatch.setattr(FMTLRegressor, "fit", stray)
    with pytest.raises(AssertionError, match="a fit must be the optimum: scipy finds"):
        check_loss(Square())


# -- what is none -------------------------------------------------------------------------


class Lacks:
    value = derivative = curvature = conjugate = Square.value


class Kinked(Square):
    steepness = np.inf


class Backwards(Square):
    bounds = 1.0, -1.0


class IsAWord(Square):
    steepness = "a"


class BoundByWords(Square):
    bounds = "a", "b"


class StepsByNothing(Square):
    step = None


class PullsByNumber(Square):
    kappa = 3.0


class Fails(Square):
    def step(self, a, f, y, q):
        raise ZeroDivisionError("nobody divides by zero")


class StepsNowhere(Square):
    def step(self, a, f, y, q):
        return np.nan


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (3, ValueError, "The 'loss' parameter of FMTLRegressor must be"),
        ("hinge", ValueError, "The 'loss' parameter of FMTLRegressor must be"),
        (Square, TypeError, "`loss` must be an instance, got the class Square"),
        (Lacks(), TypeError, "Lacks lacks is_regression, bounds, steepness"),
        (Kinked(), ValueError, "`steepness` of `loss` must be a positive, finite number, got inf"),
        (Backwards(), ValueError, r"`bounds` of `loss` must be a pair \(low, high\)"),
        (IsAWord(), ValueError, "`steepness` of `loss` must be a positive.* number, got 'a'"),
        (BoundByWords(), ValueError, r"`bounds` of `loss` must be a pair .* got \('a', 'b'\)"),
        (StepsByNothing(), TypeError, "`step` of `loss` must be a function or left out, got None"),
        (PullsByNumber(), TypeError, "`kappa` of `loss` must be a function or left out, got 3.0"),
        (Logistic(), ValueError, "FMTLRegressor takes one of numbers"),
        (Fails(), ZeroDivisionError, "nobody divides by zero"),
        (StepsNowhere(), ValueError, "`step` of `loss` must be finite, got nan"),
    ],
)
def test_bad_losses(loss, error, message):
    X, y, nodes = make_rows(FMTLRegressor)
    model = FMTLRegressor(loss=loss, solver="mocha")  # where each round takes steps
    with pytest.raises(error, match=message):
        model.fit(X, y, nodes=nodes)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("loss", [IsAWord(), BoundByWords(), StepsByNothing(), PullsByNumber()])
def test_the_check_refuses_what_a_fit_refuses(loss):
    with pytest.raises((TypeError, ValueError), match="of `loss` must be"):
        check_loss(loss)


def test_a_loss_of_numbers_for_classes():
    X, y, nodes = make_rows(FMTLClassifier)
    with pytest.raises(ValueError, match="FMTLClassifier takes one of classes"):
        FMTLClassifier(loss=Square()).fit(X, y, nodes=nodes)


class FitsOtherwise(FMTLRegressor):
    def fit(self, X, y, *, sample_weight=None, nodes=None):
        return super().fit(X, y, nodes=nodes)


def test_no_bound_of_a_fit_of_one_s_own():
    X, y, nodes = make_rows(FMTLRegressor)
    with pytest.raises(ValueError, match="FitsOtherwise has a fit of its own; no bound is known"):
        DamageBound(FitsOtherwise()).fit(X, y, nodes=nodes)
