"""From which size on the residuals of a fit are called large."""

from __future__ import annotations

import numpy as np

from skfedmtl._typing import Array

_EFFICIENT = 1.35  #: standard deviations; 95 % as good as squared error where errors are normal
_NORMAL = 0.6745  #: median size of a standard normal number
_LEAST = 1e-6  #: of the largest target: residuals below it are those of a fit without error


def large_residual(residuals: Array, y: Array, weight: Array) -> float:
    """1.35 times what the median size of residuals says of their standard deviation."""
    scale = _EFFICIENT / _NORMAL * weighted_median(np.abs(residuals), weight)
    return max(scale, _LEAST * float(np.abs(y).max())) or 1.0


def weighted_median(values: Array, weight: Array) -> float:
    """Of values that occur as often as their weight says, of which some is positive."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    ends = [int(np.searchsorted(total, 0.5 * total[-1], side)) for side in ("left", "right")]
    return float(values[order][ends].mean())
