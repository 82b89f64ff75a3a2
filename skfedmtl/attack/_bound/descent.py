"""Steps down a function with slopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from skfedmtl._typing import Array

Limits = Sequence[tuple[float | None, float | None]]
_ROUND = 60  #: steps before the next rounding
_WITHIN = 1e-2  #: of the best logarithm


def descend(
    judge: Callable[[Array], tuple[float, Array]],
    start: Array,
    max_iter: int,
    limits: Limits | None = None,
) -> Array:
    """Where so many steps lead; `judge` gives value and slope."""
    f: Any = judge
    options: Any = {"maxiter": max(max_iter, 1)}
    found = minimize(f, start, jac=True, method="L-BFGS-B", bounds=limits, options=options)
    return np.asarray(found.x, dtype=np.float64)


def search(
    judge: Callable[[Array, float], tuple[float, Array, float]],
    start: Array,
    rounds: Sequence[float],
    max_iter: int,
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

        descend(step, best, steps, limits)
        left -= steps
    return best


def along(judge: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of a logarithm is least: a convex one of the number itself."""
    found = minimize_scalar(judge, bounds=(low, high), method="bounded", options={"xatol": _WITHIN})
    best = float(found.x)
    return low if judge(low) < float(found.fun) else best
