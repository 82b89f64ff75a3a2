"""The learned regulariser's conjugate on singular values: what W(V) leaves of those of V."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def shrink(nu: Array, lambda1: float, lambda2: float) -> tuple[int, float, Array]:
    """Rank k, threshold scale T and singular values of W(V) from those of V, descending."""
    ranks = np.arange(1, len(nu) + 1)
    scale = np.cumsum(nu) / (2.0 * lambda2 + 2.0 * lambda1 * ranks)
    above = np.flatnonzero(nu > 2.0 * lambda1 * scale)
    if above.size == 0:
        return 0, 0.0, np.zeros_like(nu)
    last = int(above[-1])
    T = float(scale[last])
    omega = np.maximum(0.0, nu - 2.0 * lambda1 * T) / (2.0 * lambda2)
    omega[last + 1 :] = 0.0
    return last + 1, T, omega


def conjugate(nu: Array, T: float, omega: Array, lambda1: float, lambda2: float) -> float:
    return float(nu @ omega - lambda1 * T * T - lambda2 * (omega @ omega))
