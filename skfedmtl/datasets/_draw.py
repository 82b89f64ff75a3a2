"""Rows drawn at random, and the weights that nodes share in part."""

import math
import numbers
from typing import Any

import numpy as np
from sklearn.utils import check_random_state


class Draw:
    """Rows, directions and noisy products of all nodes; the arguments are checked first."""

    def __init__(
        self,
        n_nodes: Any,
        sizes: Any,
        n_features: Any,
        rank: Any,
        strength: Any,
        noise: Any,
        random_state: Any,
    ) -> None:
        _check_whole("n_nodes", n_nodes)
        _check_whole("n_features", n_features)
        _check_whole("rank", rank, min(n_nodes, n_features), " (n_nodes or n_features)")
        _check_number("strength", strength, 1.0)
        _check_number("noise", noise)
        low, high = _check_sizes(sizes, n_nodes)
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        rng = np.random.default_rng(seed)
        self.sizes = rng.integers(low, high, size=n_nodes, endpoint=True)
        self.nodes = np.repeat(np.arange(n_nodes, dtype=np.int64), self.sizes)
        self.coef = _directions(n_nodes, n_features, rank, float(strength), rng)
        self.X = rng.standard_normal((len(self.nodes), n_features))
        self.feature_names = [f"feature_{j}" for j in range(n_features)]
        self.values = noise * rng.standard_normal(len(self.nodes))
        for rows, direction in zip(self._rows(), self.coef, strict=True):
            self.values[rows] += self.X[rows] @ direction

    def _rows(self) -> list[slice]:
        ends = np.cumsum(self.sizes).tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def classes(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The class of each row, 1 for the `counts` largest of a node, and the intercepts."""
        y, intercept = np.zeros(len(self.nodes), dtype=np.int64), np.empty(len(counts))
        for node, (rows, count) in enumerate(zip(self._rows(), counts.tolist(), strict=True)):
            order = np.argsort(-self.values[rows], kind="stable")
            y[rows][order[:count]] = 1
            falling = self.values[rows][order]
            padded = np.concatenate([[falling[0] + 1.0], falling, [falling[-1] - 1.0]])
            intercept[node] = -0.5 * (padded[count] + padded[count + 1])
        return y, intercept


def _directions(
    n_nodes: int, n_features: int, rank: int, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """Unit vectors: of what a group shares and of what a node has for itself."""
    vectors = rng.standard_normal((n_features, rank + n_nodes))
    if rank + n_nodes <= n_features:
        vectors = np.linalg.qr(vectors)[0]
    else:
        vectors /= np.linalg.norm(vectors, axis=0)
    shared, own = vectors.T[np.arange(n_nodes) % rank], vectors.T[rank:]
    coef = math.sqrt(strength) * shared + math.sqrt(1.0 - strength) * own
    # with a single feature opposite signs cancel: what is left without a direction takes the shared
    coef = np.where(np.linalg.norm(coef, axis=1, keepdims=True) > 0.0, coef, shared)
    return coef / np.linalg.norm(coef, axis=1, keepdims=True)


# -- arguments ----------------------------------------------------------------------------


def _check_whole(name: str, value: Any, high: int | None = None, what: str = "") -> None:
    limits = "of at least 1" if high is None else f"from 1 to {high}{what}"
    message = f"{name} must be a whole number {limits}; got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(message)
    if int(value) < 1 or (high is not None and int(value) > high):
        raise ValueError(message)


def _check_number(name: str, value: Any, high: float | None = None) -> None:
    limits = "of at least 0" if high is None else f"from 0 to {high:g}"
    message = f"{name} must be a finite number {limits}; got {value!r}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(message)
    number = float(value)
    if not math.isfinite(number) or number < 0.0 or (high is not None and number > high):
        raise ValueError(message)


def _as_array(values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:  # lists of different lengths
        return np.array(None)


def _check_sizes(sizes: Any, n_nodes: int) -> tuple[Any, Any]:
    """The least and the largest number of rows, of all nodes or one by one."""
    if isinstance(sizes, numbers.Integral):
        _check_whole("sizes", sizes)
        return sizes, sizes
    if isinstance(sizes, tuple):
        if len(sizes) != 2:
            raise ValueError(
                f"sizes must be a pair (low, high) if it is a tuple; got {sizes!r}. A list has one "
                "number a node."
            )
        for size in sizes:
            _check_whole("sizes", size)
        if sizes[0] > sizes[1]:
            raise ValueError(f"sizes must be a pair (low, high) with low <= high; got {sizes!r}")
        return sizes
    message = (
        "sizes must be a whole number of at least 1, a tuple (low, high) or "
        f"{n_nodes} whole numbers, one a node; got "
    )
    array = _as_array(sizes)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{message}{sizes!r}")
    if array.shape != (n_nodes,) or array.min() < 1:
        raise ValueError(f"{message}{sizes!r}")
    return array, array


def check_balance(balance: Any, n_nodes: Any) -> np.ndarray:
    """Return the share of class 1 in each node, or raise TypeError or ValueError."""
    _check_whole("n_nodes", n_nodes)
    if isinstance(balance, numbers.Real):
        _check_number("balance", balance, 1.0)
        return np.full(n_nodes, float(balance))
    message = f"balance must be a number from 0 to 1 or {n_nodes} of them, one a node; got "
    array = _as_array(balance)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{message}{balance!r}")
    if array.shape != (n_nodes,) or not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{message}{balance!r}")
    return array.astype(np.float64)
