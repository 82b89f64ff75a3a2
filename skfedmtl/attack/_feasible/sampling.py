"""Uniform draws from a ball, and from a ball with bounds, whole numbers and one-hot groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array
from skfedmtl.attack._feasible.boxes import Bounds

_TRIES = 30
_SWEEPS = 40


def sample_ball(rng: np.random.Generator, radius: Array, n_features: int) -> Array:
    """One row a ball."""
    direction = rng.normal(size=(len(radius), n_features))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = radius * rng.uniform(size=len(radius)) ** (1.0 / n_features)
    return direction * length[:, None]


def sample_bounded(rng: np.random.Generator, radius: Array, bounds: Bounds) -> Array:
    """One row a set. The sets must not be empty.

    The members of a group have the same norm, so they are equally likely. The other features are
    proposed uniformly from their ball and from their bounds in turns; rows that no proposal meets
    are the end of a Markov chain that draws one feature after the other, given the others.
    """
    bounds = bounds.hold(bounds.one_hot(rng.uniform(size=bounds.low.shape)), bounds.grouped)
    X = np.where(bounds.low == bounds.high, bounds.low, np.clip(0.0, bounds.low, bounds.high))
    free = np.flatnonzero((bounds.low < bounds.high).any(axis=0))
    held = np.ones(X.shape[1], dtype=bool)
    held[free] = False
    room = np.sqrt(np.maximum(radius**2 - np.sum(X[:, held] ** 2, axis=1), 0.0))
    waiting = np.arange(len(X)) if len(free) else np.arange(0)
    for trial in range(_TRIES):
        if len(waiting) == 0:
            break
        some = bounds.take(waiting)
        low, high = some.low[:, free], some.high[:, free]
        if trial % 2:
            reach = room[waiting, None]
            proposal = _uniform(
                rng, np.maximum(low, -reach), np.minimum(high, reach), bounds.whole[free]
            )
        elif bounds.whole[free].any():
            continue
        else:
            proposal = sample_ball(rng, room[waiting], len(free))
        good = ((low <= proposal) & (proposal <= high)).all(axis=1)
        good &= np.linalg.norm(proposal, axis=1) <= room[waiting]
        X[np.ix_(waiting[good], free)] = proposal[good]
        waiting = waiting[~good]
    if len(waiting):
        X[waiting] = _walk(rng, X[waiting], radius[waiting], bounds.take(waiting), free)
    return X


def _walk(
    rng: np.random.Generator, X: Array, radius: Array, bounds: Bounds, free: NDArray[np.intp]
) -> Array:
    """Redraw every feature in its interval, given the others, sweep after sweep."""
    for _ in range(_SWEEPS):
        square = np.sum(X**2, axis=1)
        for j in rng.permutation(free):
            rest = square - X[:, j] ** 2
            reach = np.sqrt(np.maximum(radius**2 - rest, 0.0))
            low = np.maximum(bounds.low[:, j], -reach)
            high = np.minimum(bounds.high[:, j], reach)
            drawn = _uniform(rng, low, high, bounds.whole[j])
            # rounding may leave an interval empty
            X[:, j] = np.where((low <= drawn) & (drawn <= high), drawn, X[:, j])
            square = rest + X[:, j] ** 2
    return X


def _uniform(rng: np.random.Generator, low: Array, high: Array, whole: NDArray[np.bool_]) -> Array:
    """Numbers, whole where said, between bounds."""
    share = rng.uniform(size=low.shape)
    first, last = np.ceil(low), np.floor(high)
    count = np.maximum(last - first + 1.0, 0.0)
    return np.where(whole, first + np.floor(share * count), low + share * (high - low))
