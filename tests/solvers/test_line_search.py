"""The search of a step's length, whatever it leads to."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skfedmtl._solvers.line_search import SUFFICIENT, SufficientFall, backtrack

trials = st.integers(1, 60)
lengths = st.floats(1e-3, 1e3)
seeds = st.integers(0, 2**32 - 1)


class Point(NamedTuple):
    value: float


@given(n_trials=trials, longest=lengths, limit=st.floats(1e-12, 1e4))
def test_the_longest_of_the_halved_lengths_that_is_enough(n_trials, longest, limit):
    seen = []

    def evaluate(length):
        seen.append(length)
        return -length

    trial = backtrack(
        evaluate,
        lambda length, point: length == -point and length <= limit,
        n_trials=n_trials,
        longest=longest,
    )
    candidates = longest * 0.5 ** np.arange(n_trials)
    enough = np.flatnonzero(candidates <= limit)
    last = enough[0] if len(enough) else n_trials - 1
    assert seen == candidates[: last + 1].tolist()  # no step is taken twice, none beyond
    assert trial == (candidates[last], -candidates[last], len(enough) > 0)


@given(n_trials=trials)
def test_without_an_end_the_shortest_is_told(n_trials):
    trial = backtrack(lambda length: np.nan * length, lambda *_: False, n_trials=n_trials)
    assert not trial.is_enough
    assert trial.length == 0.5 ** (n_trials - 1)
    assert np.isnan(trial.point)


@given(seed=seeds, size=st.integers(1, 5), decades=st.floats(0, 4))
def test_a_quadratic_falls_as_armijo_asks(seed, size, decades):
    """Along any way down there is a length, not far below the largest one, that is enough."""
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(size, size)) * 10.0 ** rng.uniform(-decades, decades, size=size)
    g = rng.normal(size=size)
    d = -g * 10.0 ** rng.uniform(-2, 2)
    slope = float(-g @ d)
    bend = float(np.square(half.T @ d).sum() + d @ d)

    def evaluate(length):
        """The change of the value, free of what it begins with."""
        return Point(-length * slope + 0.5 * length * length * bend)

    trial = backtrack(evaluate, SufficientFall(0.0, slope).is_met, n_trials=200)
    assert trial.is_enough
    assert trial.point.value <= -SUFFICIENT * trial.length * slope
    most = 2.0 * (1.0 - SUFFICIENT) * slope / bend  # at which the rule holds with equality
    assert trial.length <= most * (1.0 + 1e-9)
    assert trial.length == 1.0 or 2.0 * trial.length >= most * (1.0 - 1e-9)


@pytest.mark.parametrize(("rise", "is_met"), [(0.5, True), (1.0, True), (1.5, False)])
def test_what_rounding_may_hide_is_no_rise(rise, is_met):
    rule = SufficientFall(8.0, slope=0.0, noise=1.0)
    assert rule.is_met(1.0, Point(8.0 + rise)) is is_met


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_no_fall(value):
    assert not SufficientFall(8.0, slope=1.0, noise=1e9).is_met(1.0, Point(value))
