"""Projected gradient ascent on the injected rows.

``"plain"`` is Eq. 4 of the paper, ``x <- Proj(x + eta * grad)``. ``"adaptive"`` keeps a
running mean of the gradient and of its squares, coordinate by coordinate [1]_, so that
every coordinate moves a comparable distance: with ``eta = 100`` a full step is a tenth of
the row's radius. A line search, if asked for, only shortens the step.

References
----------
.. [1] D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from skfedmtl._losses import Array
from skfedmtl.attack._constraints import FeasibleSet

_SHORTENINGS = 6
_PATIENCE = 5  #: iterations over which H must rise by the relative tolerance


class Game(Protocol):
    """H of the injected rows, and its gradient at the rows last given to `value`."""

    def value(self, rows: Array) -> float: ...
    def gradient(self, kind: str) -> Array: ...


class _Plain:
    def __init__(self, eta: float, feasible: FeasibleSet) -> None:
        self._eta = eta

    def reset(self) -> None:
        """Nothing is remembered."""

    def step(self, gradient: Array) -> Array:
        return self._eta * gradient


class _Adaptive:
    _MEAN, _SQUARE = 0.9, 0.999  #: how much of the past the running means keep

    def __init__(self, eta: float, feasible: FeasibleSet) -> None:
        self._length = 1e-3 * eta * feasible.radius[:, None]
        self.reset()

    def reset(self) -> None:
        """Forget the past gradients."""
        self._count = 0
        self._mean: Array | float = 0.0
        self._square: Array | float = 0.0

    def step(self, gradient: Array) -> Array:
        self._count += 1
        self._mean = self._MEAN * self._mean + (1.0 - self._MEAN) * gradient
        self._square = self._SQUARE * self._square + (1.0 - self._SQUARE) * np.square(gradient)
        mean = self._mean / (1.0 - self._MEAN**self._count)
        root = np.sqrt(self._square / (1.0 - self._SQUARE**self._count))
        scaled = np.divide(mean, root, out=np.zeros_like(gradient), where=root > 0.0)
        return self._length / np.sqrt(gradient.shape[1]) * scaled


STEPS: dict[str, type[_Plain] | type[_Adaptive]] = {"plain": _Plain, "adaptive": _Adaptive}


def ascend(
    game: Game,
    rows: Array,
    feasible: FeasibleSet,
    *,
    gradient: str,
    step: str,
    eta: float,
    line_search: bool,
    max_iter: int,
    tol: float,
) -> tuple[Array, list[float]]:
    """Raise H from `rows`; the rows reached, and H at the start and after every iteration."""
    mover = STEPS[step](eta, feasible)
    history = [game.value(rows)]
    length = 1.0
    for _ in range(max_iter):
        slope = game.gradient(gradient)
        if not slope.any():
            break
        if not line_search:
            rows = feasible.project(rows + mover.step(slope))
            history.append(game.value(rows))
        else:
            found = _search(game, rows, feasible, mover.step(slope), length, history[-1])
            if found is None:
                # the past may mislead: once more along the gradient alone
                mover.reset()
                found = _search(game, rows, feasible, mover.step(slope), length, history[-1])
            if found is None:
                break
            rows, value, length = found
            history.append(value)
            length = min(1.0, 2.0 * length)
        if len(history) > _PATIENCE:
            rise = history[-1] - history[-1 - _PATIENCE]
            if abs(rise) < tol * abs(history[-1]):
                break
    return rows, history


def _search(
    game: Game, rows: Array, feasible: FeasibleSet, move: Array, length: float, before: float
) -> tuple[Array, float, float] | None:
    """The first of ever shorter steps that raises H: rows, H, length."""
    for _ in range(_SHORTENINGS):
        trial = feasible.project(rows + length * move)
        value = game.value(trial)
        if value > before:
            return trial, value, length
        length *= 0.5
    return None
