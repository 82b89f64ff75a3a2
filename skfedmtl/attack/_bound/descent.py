"""Steps down a function with slopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from skfedmtl._typing import Array
from skfedmtl.attack._bound.clock import Clock

Limits = Sequence[tuple[float | None, float | None]]
_ROUND = 60  #: steps before the next rounding
_WITHIN = 1e-2  #: of the best logarithm


def descend(
    judge: Callable[[Array], tuple[float, Array]],
    start: Array,
    max_iter: int,
    clock: Clock,
    limits: Limits | None = None,
) -> Array:
    """Where so many steps lead; `judge` gives value and slope."""
    if clock.is_over():
        return start
    f: Any = judge
    options: Any = {"maxiter": max(max_iter, 1)}

    def look(_: Any) -> None:
        if clock.is_over():
            raise StopIteration

    given: Any = {"jac": True, "bounds": limits, "callback": look, "options": options}
    found: Any = minimize(f, start, method="L-BFGS-B", **given)
    return np.asarray(found.x, dtype=np.float64)


def search(
    judge: Callable[[Array, float], tuple[float, Array, float]],
    start: Array,
    rounds: Sequence[float],
    max_iter: int,
    clock: Clock,
    limits: Limits | None = None,
) -> Array:
    """The best place that so many steps meet; more steps meet all those of fewer.

    Kinks are rounded off more finely from round to round. `judge` is given a place and a rounding,
    and gives value and slope so rounded and the value itself, which is what has to be least.
    """
    best, least, left = start, np.inf, max_iter
    for rounded in rounds:
        steps = left if rounded == rounds[-1] else min(left, _ROUND)
        if steps < 1:
            break

        def step(z: Array, rounded: float = rounded) -> tuple[float, Array]:
            nonlocal best, least
            value, slope, exact = judge(z, rounded)
            if exact < least:
                best, least = z.copy(), exact
            return value, slope

        descend(step, best, steps, clock, limits)
        left -= steps
    return best


def along(judge: Callable[[float], float], low: float, high: float, clock: Clock) -> float:
    """Where a function of a logarithm is least: a convex one of the number itself."""
    tried: dict[float, float] = {}

    def step(z: float) -> float:
        if tried and clock.is_over():
            raise _LateError
        tried[float(z)] = judge(float(z))
        return tried[float(z)]

    options: Any = {"xatol": _WITHIN}
    with suppress(_LateError):
        minimize_scalar(step, bounds=(low, high), method="bounded", options=options)
        step(low)
    return min(tried, key=lambda z: tried[z])


class _LateError(Exception):
    """The time is over."""
