"""Steps down a function with slopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from skfedmtl._typing import Array

Limits = Sequence[tuple[float | None, float | None]]
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


def along(judge: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of a logarithm is least: a convex one of the number itself."""
    found = minimize_scalar(judge, bounds=(low, high), method="bounded", options={"xatol": _WITHIN})
    best = float(found.x)
    return low if judge(low) < float(found.fun) else best
