"""Where injected rows may lie: the Euclidean ball of their source node."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skfedmtl._losses import Array


class Ball:
    """Rows with ``np.linalg.norm(row) <= radius`` as they are stored.

    Parameters
    ----------
    radius : ndarray of shape (n,)
        One a row.
    dtype : dtype
        In which the rows are stored in the end.
    """

    def __init__(self, radius: Array, dtype: DTypeLike = np.float64) -> None:
        self.radius = radius
        self._dtype = np.dtype(dtype)

    def project(self, X: Array) -> Array:
        """The nearest rows of the ball; rows inside it are returned as they are."""
        norms = np.linalg.norm(X, axis=1)
        outside = norms > self.radius
        if not outside.any():
            return X
        X = X.copy()
        X[outside] *= (self.radius[outside] / norms[outside])[:, None]
        return self._pull_in(X)

    def store(self, X: Array) -> NDArray[np.floating]:
        """The rows in their final dtype, still inside the ball."""
        return self._pull_in(X).astype(self._dtype)

    def _pull_in(self, X: Array) -> Array:
        """Shrink the rows that rounding left outside, a few units in the last place a time."""
        unit = float(np.finfo(self._dtype).eps)
        for power in range(60):
            stored = X.astype(self._dtype)
            # row by row, as a user would check: the sums of a whole array round otherwise
            outside = np.array([np.linalg.norm(row) for row in stored]) > self.radius
            if not outside.any():
                return stored.astype(np.float64)
            X = X.copy()
            X[outside] *= 1.0 - unit * 2.0 ** min(power, 8)
        raise RuntimeError("a row could not be moved into its ball")

    def sample(self, rng: np.random.Generator, n_features: int) -> Array:
        """Rows drawn uniformly from their balls."""
        direction = rng.normal(size=(len(self.radius), n_features))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        length = self.radius * rng.uniform(size=len(self.radius)) ** (1.0 / n_features)
        return self.project(direction * length[:, None])
