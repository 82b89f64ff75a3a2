"""Where injected rows may lie: ranges, frozen and whole features and one-hot groups in a ball."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from oracles.feasible import (
    DTYPES,
    check_stored,
    feasible_problems,
    feasible_set,
    limits_of,
    nearest,
    projection_error,
)
from profiles import examples
from skfedmtl.attack._feasible.boxes import row_bounds
from skfedmtl.attack._feasible.feasible_set import FeasibleSet
from skfedmtl.attack._feasible.projection import pull_in
from skfedmtl.attack._feasible.storage import Storage

#: combinations are many: more examples than elsewhere
more = settings(max_examples=examples(6))


# -- projection ---------------------------------------------------------------------------


@more
@given(drawn=feasible_problems((np.float64,), tight=False))
def test_projection_is_inside_nearest_and_idempotent(drawn):
    before, bounds = drawn.X.copy(), drawn.bounds
    Z = drawn.feasible.project(drawn.X)
    assert_array_equal(drawn.X, before)
    assert (np.linalg.norm(Z, axis=1) <= drawn.radius * (1 + 1e-15)).all()
    assert ((bounds.low <= Z) & (Z <= bounds.high)).all()
    for group in bounds.groups:
        assert_allclose(Z[:, group].sum(axis=1), 1.0, rtol=1e-14)
    assert_allclose(drawn.feasible.project(Z), Z, rtol=1e-11, atol=1e-13)
    for row in zip(drawn.X, Z, drawn.radius, bounds.low, bounds.high, strict=True):
        error = projection_error(*row, groups=bounds.groups)
        assert error <= 1e-10 * (1.0 + np.abs(row[0]).max())


@given(drawn=feasible_problems((np.float64,), largest_move=10.0, tight=False))
def test_projection_against_a_solver(drawn):
    bounds, Z = drawn.bounds, drawn.feasible.project(drawn.X)
    x, r, low, high = drawn.X[0], drawn.radius[0], bounds.low[0], bounds.high[0]
    solved = nearest(x, r, low, high, bounds.groups)
    assert_allclose(Z[0], solved, atol=5e-3 * (1.0 + np.linalg.norm(x)))
    assert np.linalg.norm(x - Z[0]) <= np.linalg.norm(x - solved) + 1e-4


@more
@given(drawn=feasible_problems())
def test_rows_inside_the_relaxed_set_stay(drawn):
    """Bit for bit, groups up to rounding: a member of a group is a difference."""
    again = drawn.feasible.project(drawn.inside)
    if (np.linalg.norm(drawn.inside, axis=1) <= drawn.radius).all():
        assert_array_equal(again, drawn.inside)
    else:
        assert_allclose(again, drawn.inside, rtol=1e-6)


def test_a_ball_whose_radius_is_the_least_norm():
    """Nothing is left to choose: what is frozen takes the whole radius."""
    clean = np.array([[3.0, 4.0, 0.0, 0.0]])
    feasible = feasible_set(5.0, [-np.inf] * 4, [np.inf] * 4, clean, frozen=[0, 1])
    X = np.array([[9.0, -2.0, 1e3, -7.0]])
    assert_allclose(feasible.project(X), clean, atol=1e-6)
    assert_array_equal(feasible.store(X)[0, :2], [3.0, 4.0])
    assert np.linalg.norm(feasible.store(X)[0]) <= 5.0


def test_a_box_without_the_origin():
    """The nearest row is not on the ray of the origin."""
    feasible = feasible_set(5.0, [3.0, -np.inf], [np.inf, np.inf])
    assert_allclose(feasible.project(np.array([[3.0, 40.0], [-8.0, 4.0]])[:1]), [[3.0, 4.0]])
    assert_allclose(feasible.project(np.array([[-8.0, 1.0]])), [[3.0, 1.0]])
    assert_allclose(feasible.project(np.array([[30.0, 40.0]])), [[3.0, 4.0]])


# -- storage ------------------------------------------------------------------------------


@more
@given(drawn=feasible_problems())
def test_stored_rows_are_inside(drawn):
    feasible = drawn.feasible
    for X in (drawn.X, feasible.project(drawn.X), drawn.inside):
        check_stored(feasible.store(X), drawn)


@more
@given(drawn=feasible_problems())
def test_rows_that_need_no_repair_are_rounded_to_the_nearest(drawn):
    bounds, Z = drawn.bounds, drawn.feasible.project(drawn.X)
    wanted = bounds.one_hot(Z)
    wanted[:, bounds.whole] = np.rint(Z[:, bounds.whole])
    easy = np.linalg.norm(wanted, axis=1) < drawn.radius * (1 - 1e-5)
    stored = drawn.feasible.store(drawn.X)
    assert_array_equal(stored[easy], wanted[easy].astype(stored.dtype))


@more
@given(drawn=feasible_problems((np.float64,), largest_move=10.0))
def test_repair_is_near_the_best_row(drawn):
    """Against every choice of whole numbers and members near the relaxed row."""
    bounds, z = drawn.bounds, drawn.feasible.project(drawn.X)[0]
    r, low, high = drawn.radius[0], bounds.low[0], bounds.high[0]
    columns = [np.flatnonzero(bounds.whole), *bounds.groups]
    choices = [
        [value for value in np.floor(z[j]) + np.arange(-1, 3) if low[j] <= value <= high[j]]
        for j in columns[0]
    ] + [[row for row in np.eye(len(g)) if (row <= high[g]).all()] for g in bounds.groups]
    if np.prod([len(choice) for choice in choices]) > 500:
        return
    best = np.inf
    for choice in itertools.product(*choices):
        held = z.copy()
        for column, value in zip([*columns[0], *bounds.groups], choice, strict=True):
            held[column] = value
        decided = bounds.hold(held[None], bounds.decided).take(np.array([0]))
        if np.linalg.norm(decided.nearest(np.zeros((1, len(z))))) <= r:
            row = FeasibleSet(drawn.radius[:1], np.float64, decided).project(held[None])[0]
            best = min(best, np.linalg.norm(row - z))
    stored = drawn.feasible.store(drawn.X)[0]
    assert np.linalg.norm(stored - z) <= 2.0 * best + 1e-9


@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_numbers_that_round_out_of_the_ball_step_back(dtype):
    feasible = feasible_set(3.6, [-9.0] * 2, [9.0] * 2, dtype=dtype, whole=[0, 1])
    # nearest: (3, 2), whose norm is 3.606; 1.9 -> 2 is the dearer one to undo
    assert_array_equal(feasible.store(np.array([[2.6, 1.9]])), [[2.0, 2.0]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_continuous_features_shrink_where_that_is_cheaper(dtype):
    feasible = feasible_set(5.0, [-9.0] * 2, [9.0] * 2, dtype=dtype, whole=[0])
    stored = feasible.store(np.array([[2.9, 4.07]]))
    assert_allclose(stored, [[3.0, 4.0]], rtol=1e-6)


def test_a_group_takes_its_part_of_the_radius():
    """Shares of a group have a norm below 1; the row must make room for the 1."""
    d, inf = 4, np.inf
    feasible = feasible_set(1.25, [-inf] * d, [inf] * d, whole=[3], groups=[[0, 1]])
    stored = feasible.store(np.array([[0.45, 0.55, 0.9, 0.6]]))
    assert_allclose(stored, [[0.0, 1.0, 0.75, 0.0]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_bounds_hold_as_stored(dtype):
    """0.1 is not a float32: the bounds move inwards to numbers that are."""
    feasible = feasible_set(9.0, [0.1, 0.7], [0.4, 0.9], dtype=dtype)
    for X in ([[-5.0, -5.0]], [[5.0, 5.0]]):
        row = feasible.store(np.array(X))[0].astype(float)
        assert ((row >= [0.1, 0.7]) & (row <= [0.4, 0.9])).all()


def test_columns_keep_their_own_dtypes():
    kinds = [np.dtype(kind) for kind in ("float64", "float32", "int8", "bool")]
    inf = np.inf
    limits = limits_of([-inf] * 4, [inf] * 4, frozen=[0], whole=[2], groups=[[3]])
    storage, clean = Storage(kinds), np.array([[1.0 / 3.0, 0.0, 0.0, 1.0]])
    feasible = FeasibleSet(np.array([1e3]), storage, row_bounds(limits, storage, clean))
    stored = feasible.store(np.array([[0.2, 1.0 / 3.0, 300.0, 0.5]]))
    assert_array_equal(stored, [[1.0 / 3.0, np.float64(np.float32(1.0 / 3.0)), 127.0, 1.0]])


def test_rows_of_integers():
    storage, clean = Storage([np.dtype("int32")] * 3), np.array([[7.0, 0.0, 0.0]])
    limits = limits_of([-5.0] * 3, [7.0] * 3, frozen=[0], whole=[1, 2])
    feasible = FeasibleSet(np.array([9.0]), storage, row_bounds(limits, storage, clean))
    stored = feasible.store(np.array([[7.0, 2.5, -8.0]]))
    assert stored.dtype == np.int32
    assert stored[0, 0] == 7
    assert stored[0] @ stored[0] <= 81


# -- no row is left -----------------------------------------------------------------------

NOTHING = [
    ("radius.*frozen_features", {"radius": 1.0, "frozen": [0], "clean": [[3.0, 0.0, 0.0]]}),
    ("radius.*feature_range", {"radius": 1.0, "low": [2.0, -1.0, -1.0]}),
    ("radius.*feature_range", {"radius": 1.0, "low": [0.8, 0.8, -1.0]}),
    ("radius.*one_hot_groups", {"radius": 0.9, "groups": [[0, 1]]}),
    ("radius.*one_hot_groups", {"radius": 1.4, "groups": [[0, 1], [2]]}),
    ("radius.*feature_range", {"radius": 1.9, "whole": [0], "low": [1.1, -1.0, -1.0]}),
    ("integer_features.*feature_range", {"whole": [0], "low": [0.2] * 3, "high": [0.8] * 3}),
    ("frozen_features.*feature_range", {"frozen": [0], "clean": [[9.5, 0.0, 0.0]]}),
    (
        "frozen_features.*integer_features",
        {"frozen": [0], "whole": [0], "clean": [[0.5, 0.0, 0.0]]},
    ),
    ("one_hot_groups.*feature_range", {"groups": [[0, 1]], "low": [0.2] * 3, "high": [0.8] * 3}),
    ("one_hot_groups.*feature_range", {"groups": [[0, 1]], "high": [0.8] * 3, "low": [0.0] * 3}),
    ("one_hot_groups.*feature_range", {"groups": [[0, 1]], "low": [0.5] * 3}),
    (
        "one_hot_groups.*frozen_features",
        {"groups": [[0, 1]], "frozen": [0, 1], "clean": [[0.0, 0.0, 0.0]]},
    ),
    (
        "one_hot_groups.*frozen_features",
        {"groups": [[0, 1]], "frozen": [0, 1], "clean": [[1.0, 1.0, 0.0]]},
    ),
    (
        "one_hot_groups.*frozen_features",
        {"groups": [[0, 1]], "frozen": [0], "clean": [[2.0, 0.0, 0.0]]},
    ),
]


@pytest.mark.parametrize("words, given", NOTHING)
def test_sets_without_a_row_are_refused(words, given):
    with pytest.raises(ValueError, match=words):
        feasible_set(**{"radius": 5.0, "low": [-9.0] * 3, "high": [9.0] * 3, **given})


def test_a_range_between_two_stored_numbers():
    feasible_set(9.0, [0.1], [0.1])
    with pytest.raises(ValueError, match=r"feature_range.*float32"):
        feasible_set(9.0, [0.1], [0.1], dtype=np.float32)


def test_the_last_radius_that_leaves_a_row():
    inf = np.inf
    for groups in ([[0]], [[0], [1]], [[0], [1], [2]]):
        radius = np.sqrt(len(groups))
        stored = feasible_set(radius, [-inf] * 3, [inf] * 3, groups=groups).store(np.ones((1, 3)))
        assert stored[0, : len(groups)].all()
        with pytest.raises(ValueError, match="radius"):
            feasible_set(np.nextafter(radius, 0.0), [-inf] * 3, [inf] * 3, groups=groups)


@given(seed=st.integers(0, 2**32 - 1))
def test_the_shortest_way_into_a_ball_as_the_model_measures_it(seed):
    """Nothing else on the ball is nearer, and rows inside stay."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 6))
    spread = 10.0 ** rng.uniform(-3, 3, size=d)
    spread /= np.sqrt(np.mean(spread**2))
    rows = rng.normal(size=(4, d)) * 10.0 ** rng.uniform(-2, 2)
    radius = 10.0 ** rng.uniform(-2, 2, size=4)
    found, length = pull_in(rows, radius, spread), np.linalg.norm(rows, axis=1)
    assert_array_equal(found[length <= radius], rows[length <= radius])
    assert_allclose(np.linalg.norm(found, axis=1), np.minimum(length, radius), rtol=1e-9)
    for _ in range(20):
        other = found + 0.1 * spread * rng.normal(size=found.shape)
        other *= np.minimum(1.0, radius / np.linalg.norm(other, axis=1))[:, None]
        distances = [np.linalg.norm((one - rows) / spread, axis=1) for one in (found, other)]
        assert (distances[0] <= distances[1] * (1.0 + 1e-9)).all()
