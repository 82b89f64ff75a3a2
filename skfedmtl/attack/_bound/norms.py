"""Norms of weights of several nodes."""

from __future__ import annotations

import numpy as np

from skfedmtl._typing import Array


def nuclear(W: Array) -> float:
    """The sum of the singular values."""
    return float(np.linalg.svd(W, compute_uv=False).sum())
