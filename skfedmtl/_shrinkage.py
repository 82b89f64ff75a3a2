"""The learned regulariser's conjugate on singular values: what W(V) leaves of those of V."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def shrink(nu: Array, lambda1: float, lambda2: float) -> tuple[int, float, Array]:
    """Rank k, threshold scale T and singular values of W(V) from those of V, descending."""
    scale = nu.cumsum() / (2.0 * lambda2 + 2.0 * lambda1 * np.arange(1.0, len(nu) + 1.0))
    rank = int((nu > 2.0 * lambda1 * scale).sum())  # true for the first ones only
    if rank == 0:
        return 0, 0.0, np.zeros_like(nu)
    T = float(scale[rank - 1])
    omega = (nu - 2.0 * lambda1 * T) / (2.0 * lambda2)
    omega[rank:] = 0.0
    return rank, T, np.maximum(omega, 0.0, out=omega)


def conjugate(nu: Array, T: float, omega: Array, lambda1: float, lambda2: float) -> float:
    return float(nu @ omega - lambda1 * T * T - lambda2 * (omega @ omega))
