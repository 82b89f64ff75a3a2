"""A limit of users' own, beside the package's: nearest rows, real attacks, refusals."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from estimators import make_rows, quick_attacker
from oracles.feasible import limits_of
from profiles import examples
from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker, RandomPoisoner
from skfedmtl.attack import BasePoisoner, DamageBound
from skfedmtl.attack._feasible import FeasibleSet, NarrowedSet, Storage, row_bounds
from skfedmtl.testing import check_poisoner

D = 3


class HalfSpace:
    """Rows whose product with `normal` is `most` at most."""

    def __init__(self, normal=(1.0, 1.0, 0.0), most=3.0):
        self.normal, self.most = np.array(normal), most

    def project(self, X):
        excess = np.maximum(X @ self.normal - self.most, 0.0)
        X -= np.outer(excess, self.normal / (self.normal @ self.normal))
        return X


class Returns:
    """Answers rows by a function."""

    def __init__(self, answer):
        self._answer = answer

    def project(self, X):
        return self._answer(X)


class Outward(BasePoisoner):
    def craft(self, setting):
        moved = setting.project(100.0 * setting.X_start)
        assert_allclose(setting.project(moved), moved, atol=1e-7)
        return 100.0 * setting.X_start, setting.y_start


@st.composite
def problems(draw, dtypes=(np.float64, np.float32)):
    """Rows, their balls and bounds, and a half-space that keeps `inside`."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n, d, dtype = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.sampled_from(dtypes))
    inside = rng.normal(size=(n, d)).astype(dtype).astype(float)
    storage = Storage(dtype)
    radius = storage.norms(inside) * draw(st.sampled_from([1.1, 3.0]))
    low, high = np.full(d, -np.inf), np.full(d, np.inf)
    bounds = None
    if draw(st.booleans()):
        low, high = inside.min(axis=0) - 0.3, inside.max(axis=0) + 0.5
        frozen = [0] if d > 1 and draw(st.booleans()) else []
        bounds = row_bounds(limits_of(low, high, frozen), storage, inside)
        low, high = bounds.low, bounds.high
    normal = rng.normal(size=d)
    most = (inside @ normal).max() + draw(st.sampled_from([0.05, 1.0]))
    X = inside + 10.0 ** rng.uniform(-2.0, 2.0) * rng.normal(size=(n, d))
    own = HalfSpace(normal, most)
    return X, NarrowedSet(radius, storage, bounds, own, inside), own, bounds, inside


def outside(own, X):
    """How far rows are from a half-space."""
    return np.maximum(X @ own.normal - own.most, 0.0) / np.linalg.norm(own.normal)


def check_inside(rows, narrowed, own, bounds, level):
    rows = np.asarray(rows, dtype=float)
    assert (outside(own, rows) <= level * narrowed.radius).all()
    assert (np.linalg.norm(rows, axis=1) <= narrowed.radius * (1.0 + level)).all()
    if bounds is not None:
        assert ((bounds.low <= rows) & (rows <= bounds.high)).all()


@given(problems(dtypes=(np.float64,)))
def test_the_nearest_rows_of_both_sets(problem):
    """Optimal: no row of both sets lies beyond the plane through z that is normal to x - z."""
    X, narrowed, own, bounds, inside = problem
    Z = narrowed.project(X)
    check_inside(Z, narrowed, own, bounds, 2e-9)
    low, high = (None, None) if bounds is None else (bounds.low, bounds.high)
    for i, (x, z) in enumerate(zip(X, Z, strict=True)):
        ends = None if bounds is None else list(zip(low[i], high[i], strict=True))
        limits = [
            {"type": "ineq", "fun": lambda r, i=i: narrowed.radius[i] ** 2 - r @ r},
            {"type": "ineq", "fun": lambda r: own.most - r @ own.normal},
        ]
        size = np.abs(x - z).sum() + 1e-3
        found = minimize(
            lambda r, x=x, z=z, size=size: (z - x) @ r / size,
            inside[i],
            jac=lambda r, x=x, z=z, size=size: (z - x) / size,
            bounds=ends,
            constraints=limits,
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 300},
        )
        r = found.x
        kept = narrowed.radius[i] - np.linalg.norm(r), own.most - r @ own.normal
        if min(kept) < -1e-6:  # the solver's own trouble
            continue
        assert (x - z) @ (r - z) / size <= 1e-5 * narrowed.radius[i]


@given(problems())
def test_stored_rows_are_in_both_sets(problem):
    X, narrowed, own, bounds, _ = problem
    stored = narrowed.store(X)
    unit = np.finfo(stored.dtype).eps
    check_inside(stored, narrowed, own, bounds, max(2e-9, 32.0 * unit))
    for row, radius in zip(stored, narrowed.radius, strict=True):
        assert np.linalg.norm(row) <= np.float64(radius)
    drawn = narrowed.sample(np.random.default_rng(0), X.shape[1])
    check_inside(drawn, narrowed, own, bounds, max(1e-9, 16.0 * unit))


@given(problems(), st.integers(0, 9))
def test_a_set_that_holds_the_ball_changes_no_bit(problem, seed):
    X, narrowed, _, bounds, inside = problem
    storage = narrowed._storage
    plain = FeasibleSet(narrowed.radius, storage, bounds)
    wide = NarrowedSet(narrowed.radius, storage, bounds, Returns(lambda X: X), inside)
    for name in ("project", "store"):
        assert getattr(wide, name)(X).tobytes() == getattr(plain, name)(X).tobytes()
    draws = [one.sample(np.random.default_rng(seed), X.shape[1]) for one in (plain, wide)]
    assert draws[0].tobytes() == draws[1].tobytes()


def test_rows_that_turns_do_not_bring_together_go_towards_known_ones(monkeypatch):
    """A ball that touches a half-space nearly: projections in turns come together slowly."""
    own, radius = HalfSpace((0.0, -1.0), -0.999), np.ones(2)
    narrowed = NarrowedSet(radius, Storage(float), None, own, np.zeros((2, 2)))
    monkeypatch.setattr("skfedmtl.attack._feasible.own_constraint._TURNS", 1)
    Z = narrowed.project(np.array([[5.0, 0.0], [0.0, 0.9995]]))
    assert outside(own, Z).max() <= 1e-9
    assert np.linalg.norm(Z, axis=1).max() <= 1.0
    assert_array_equal(Z[1], [0.0, 0.9995])


# -- attacks ------------------------------------------------------------------------------


def poisoner(make, estimator=FMTLRegressor, **params):
    victim = estimator(lambda1=0.05, lambda2=0.1, random_state=0)
    if make is PoisoningAttacker:
        params = {"max_iter": 3, **params}
        make = quick_attacker
    return make(victim, **{"target_nodes": 0.7, "budget": 0.3, "random_state": 0, **params})


def check_rows(model, X, nodes, own, feature_range=None):
    assert len(model.poison_X_) > 0
    for row, node in zip(model.poison_X_, model.poison_nodes_, strict=True):
        largest = max(np.linalg.norm(one) for one in X[nodes == node])
        assert np.linalg.norm(row) <= largest
        assert row @ own.normal <= own.most + 1e-8 * largest
        if feature_range is not None:
            assert ((feature_range[0] <= row) & (row <= feature_range[1])).all()


@pytest.mark.parametrize("init", ["clean", "ball", "weights", "auto"])
@pytest.mark.parametrize("feature_range", [None, (-2.0, 1.5)])
@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_every_start_keeps_all_limits(estimator, feature_range, init):
    X, y, nodes = make_rows(estimator, (12, 7, 9), D)
    own = HalfSpace(most=0.5)
    for make in (
        (PoisoningAttacker, RandomPoisoner) if init in ("clean", "ball") else (PoisoningAttacker,)
    ):
        attack = poisoner(make, estimator, init=init, feature_range=feature_range)
        model = clone(attack).set_params(constraint=own).fit(X, y, nodes=nodes)
        check_rows(model, X, nodes, own, feature_range)
        # the same attack without it does not keep it by itself
        free = attack.fit(X, y, nodes=nodes)
        assert outside(own, free.poison_X_).max() > 1e-3


@settings(max_examples=examples(0.3))
@given(st.integers(0, 10**6))
def test_half_space_with_ball_and_ranges(seed):
    """As it was asked for; the bound of all attacks holds for the narrower ones."""
    rng = np.random.default_rng(seed)
    X, nodes = 2.0 * rng.normal(size=(30, D)), np.repeat([0, 1, 2], 10)
    y = X @ rng.normal(size=D)
    own = HalfSpace(most=3.0)
    attack = poisoner(PoisoningAttacker, feature_range="clean", constraint=own, init="clean")
    attack.fit(X, y, nodes=nodes)
    check_rows(attack, X, nodes, own)
    for row, node in zip(attack.poison_X_, attack.poison_nodes_, strict=True):
        mine = X[nodes == node]
        assert ((mine.min(axis=0) <= row) & (row <= mine.max(axis=0))).all()
    threat = {name: getattr(attack, name) for name in ("target_nodes", "budget", "random_state")}
    bound = DamageBound(attack.estimator, max_iter=5, **threat).fit(X, y, nodes=nodes)
    assert attack.objective_ <= bound.upper_bound_


def test_scalers_targets_and_restarts():
    X, y, nodes = make_rows(FMTLRegressor, (12, 7, 9), D)
    X = X * [1.0, 10.0, 0.1]
    own = HalfSpace((1.0, 0.1, 0.0), 0.5)
    victim = make_pipeline(StandardScaler(), FMTLRegressor())
    params = {"optimize_labels": True, "n_restarts": 2, "constraint": own, "frozen_features": [2]}
    model = poisoner(PoisoningAttacker, **params).set_params(estimator=victim)
    check_rows(model.fit(X, y, nodes=nodes), X, nodes, own)
    assert set(model.poison_X_[:, 2]) <= set(X[:, 2])


def test_the_same_numbers_again_after_clone_and_pickle():
    X, y, nodes = make_rows(FMTLRegressor, (12, 7, 9), D)
    attack = poisoner(PoisoningAttacker, constraint=HalfSpace(most=0.5))
    rows = attack.fit(X, y, nodes=nodes).poison_X_
    for other in (clone(attack), pickle.loads(pickle.dumps(attack))):
        assert other.constraint is not attack.constraint
        assert other.constraint.most == 0.5
        assert_array_equal(other.fit(X, y, nodes=nodes).poison_X_, rows)
    own = pickle.loads(pickle.dumps(attack))
    assert_array_equal(own.predict(X, nodes=nodes), attack.predict(X, nodes=nodes))


@pytest.mark.parametrize("init", ["clean", "ball", "auto"])
def test_a_constraint_that_allows_all_changes_no_attack(init):
    X, y, nodes = make_rows(FMTLRegressor, (12, 7, 9), D)
    attack = poisoner(PoisoningAttacker, init=init)
    plain = clone(attack).fit(X, y, nodes=nodes)
    attack.set_params(constraint=HalfSpace(most=1e3)).fit(X, y, nodes=nodes)
    assert attack.poison_X_.tobytes() == plain.poison_X_.tobytes()
    assert attack.objective_ == plain.objective_


def test_an_attack_of_ones_own_keeps_it():
    X, y, nodes = make_rows(FMTLRegressor, (12, 7, 9), D)
    own = HalfSpace(most=0.5)
    check_rows(poisoner(Outward, constraint=own).fit(X, y, nodes=nodes), X, nodes, own)


def test_it_is_left_aside_where_poisoners_are_checked():
    """It speaks of the columns of a table, and goes with no whole numbers."""
    check_poisoner(RandomPoisoner(FMTLRegressor(), constraint=HalfSpace()))


def test_a_budget_of_nothing_asks_for_nothing():
    X, y, nodes = make_rows(FMTLRegressor, (12, 7, 9), D)
    own = Returns(lambda X: X / len(X) + X.max())
    model = poisoner(RandomPoisoner, budget=0.0, constraint=own).fit(X, y, nodes=nodes)
    assert len(model.poison_X_) == 0


def test_a_checkpoint_knows_a_constraint_by_its_attributes(tmp_path):
    X, y, nodes = make_rows(FMTLRegressor, (12, 7, 9), D)
    attack = poisoner(PoisoningAttacker, init="clean", checkpoint=tmp_path)
    counts = []
    for most in (0.5, 0.5, 0.4):
        attack.set_params(constraint=HalfSpace(most=most)).fit(X, y, nodes=nodes)
        counts.append(len(list(tmp_path.glob("*.npz"))))
    assert counts[0] == counts[1] < counts[2]


# -- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"constraint": 3}, "'constraint' parameter .* must be"),
        ({"integer_features": [1]}, "`constraint` cannot go with `integer_features`"),
        ({"one_hot_groups": [[0, 1]]}, "`constraint` cannot go with `one_hot_groups`"),
        ({"constraint": HalfSpace(most=-1e3)}, r"`constraint` leaves no room for \d+ of \d+ rows"),
        (
            {"constraint": Returns(lambda X: "rows")},
            "`constraint.project` must return an array of numbers, got a str",
        ),
        (
            {"constraint": Returns(lambda X: X[:, 1:])},
            r"`constraint.project` must return as many rows .* got shape \(\d+, 2\)",
        ),
        (
            {"constraint": Returns(lambda X: X * np.nan)},
            "`constraint.project` must return finite rows, got NaN",
        ),
    ],
)
@pytest.mark.parametrize("make", [PoisoningAttacker, RandomPoisoner])
def test_refused(make, params, message):
    X, y, nodes = make_rows(FMTLRegressor, (12, 7, 9), D)
    attack = poisoner(make, **{"constraint": HalfSpace(), **params})
    with pytest.raises(ValueError, match=message):
        attack.fit(X, y, nodes=nodes)


def test_an_encoder_is_refused():
    X, y, nodes = make_rows(FMTLRegressor, (12, 7, 9), D)
    victim = make_pipeline(OneHotEncoder(handle_unknown="ignore"), FMTLRegressor())
    attack = RandomPoisoner(victim, constraint=HalfSpace())
    with pytest.raises(ValueError, match="`constraint` cannot go with an `estimator` that holds"):
        attack.fit(np.rint(X), y, nodes=nodes)


def test_a_set_that_changes_its_mind_is_seen():
    """Whatever it allowed is outside once rows are stored."""
    answers = iter([0.0] * 4)
    own = Returns(lambda X: X + next(answers, 1.0))
    narrowed = NarrowedSet(np.ones(1), Storage(float), None, own, np.zeros((1, 2)))
    with pytest.raises(ValueError, match="`constraint` must have a `project` that moves rows to"):
        narrowed.store(np.array([[0.1, 0.2]]))
