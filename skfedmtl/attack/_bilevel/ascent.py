"""Projected gradient ascent on the injected rows.

``"plain"`` is Eq. 4 of the paper, ``x <- Proj(x + eta * grad)``. ``"adaptive"`` keeps a
running mean of the gradient and of its squares, coordinate by coordinate [1]_, so that
every coordinate moves a comparable distance, as the model sees it: behind scalers of a Pipeline
that is in proportion to what they divide it by. Its steps shorten evenly to a tenth of the first,
so that rows settle. With ``eta = 100`` the first is a tenth of the row's unit, its radius or less;
in a game that changes on the way less, if all together would be longer than two units. Other values
of `eta` are in proportion.

H is not smooth: rows of a hinge victim enter and leave the margin, the rank of W changes.
An ascent that insists on a rise in every step soon stops at such an edge. The line search,
if asked for, therefore shortens a step until H exceeds the least of the last ten values
[2]_, never lengthens it, and the best rows on the way are the result. Where H falls
because the game changes (`skfedmtl.attack._bilevel.continuation`) there is no search, and the last
rows are.

References
----------
.. [1] D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
.. [2] L. Grippo, F. Lampariello, S. Lucidi, "A Nonmonotone Line Search Technique for
   Newton's Method", SIAM J. Numerical Analysis 23(4), 1986.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from skfedmtl._solvers import backtrack
from skfedmtl._tools.layout import Field, Layout, like
from skfedmtl._tools.task import NO_TASK, Task
from skfedmtl._typing import Array
from skfedmtl.protocols import Constraint

_TRIALS = 4  #: lengths of a step
_WINDOW = 10  #: values that a step is measured by
_PATIENCE = 20  #: steps over which H must rise


class Game(Protocol):
    """H of the injected rows, and its gradient at the rows last given to `value`.

    A game that changes on the way is told, before every step, the share of steps behind it.
    """

    def advance(self, share: float) -> None: ...
    def value(self, rows: Array) -> float: ...
    def gradient(self, kind: str) -> Array: ...


class _Priced(NamedTuple):
    """Feasible rows, and H there."""

    rows: Array
    value: float


class _Plain:
    def __init__(
        self, eta: float, unit: Array, spread: Array | float, changing: bool, rows: Array
    ) -> None:
        self._eta = eta

    def step(self, gradient: Array, n_steps: int) -> Array:
        return self._eta * gradient

    def state(self) -> dict[str, Array]:
        return {}

    def restore(self, state: dict[str, Array]) -> None:
        """Nothing is remembered."""

    def layout(self, max_iter: int) -> Layout:
        return {}


class _Adaptive:
    _MEAN, _SQUARE = 0.9, 0.999  #: how much of the past the running means keep
    _LAST = 0.1  #: length of the last step, as a share of the first
    _FIRST, _ALL = 0.1, 2.0  #: longest first step and path for eta = 100, in units

    def __init__(
        self, eta: float, unit: Array, spread: Array | float, changing: bool, rows: Array
    ) -> None:
        self._unit = 0.01 * eta * unit[:, None] * spread
        self._longest = self._ALL if changing else np.inf
        self._count = 0
        self._mean = self._square = np.zeros_like(rows)

    def step(self, gradient: Array, n_steps: int) -> Array:
        self._count += 1
        self._mean = self._MEAN * self._mean + (1.0 - self._MEAN) * gradient
        self._square = self._SQUARE * self._square + (1.0 - self._SQUARE) * np.square(gradient)
        mean = self._mean / (1.0 - self._MEAN**self._count)
        root = np.sqrt(self._square / (1.0 - self._SQUARE**self._count))
        scaled = np.divide(mean, root, out=np.zeros_like(gradient), where=root > 0.0)
        shares = 1.0 - (1.0 - self._LAST) * np.arange(n_steps) / n_steps
        share = shares[self._count - 1] * min(self._FIRST, self._longest / shares.sum())
        return self._unit * (share / np.sqrt(gradient.shape[1])) * scaled

    def state(self) -> dict[str, Array]:
        count: NDArray[Any] = np.array(self._count, dtype=np.int64)
        return {"count": count, "mean": self._mean, "square": self._square}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a `state`."""
        self._count = int(state["count"])
        self._mean, self._square = state["mean"], state["square"]

    def layout(self, max_iter: int) -> Layout:
        """What a `state` is, after so many steps at most."""
        return {
            "count": Field((), "int64", 0, max_iter),
            "mean": like(self._mean),
            "square": like(self._square, low=0.0),
        }


STEPS: dict[str, type[_Plain] | type[_Adaptive]] = {"plain": _Plain, "adaptive": _Adaptive}


class Ascent:
    """Raises H from the rows it begins with.

    Parameters
    ----------
    game : Game
    rows : ndarray of shape (n, d)
        Where to begin.
    feasible : Constraint
    unit : ndarray of shape (n,)
        Of every row's steps.
    gradient : str
        Kind of gradient, as the game names it.
    step : {"plain", "adaptive"}
    eta : float
        Longest step.
    line_search : bool
        Whether steps may be shortened, and the best rows are the result.
    spread : ndarray of shape (d,), or 1.0
        Proportions of the coordinates' steps; their mean square is one.
    tol : float
        `done` when H rose by less than this, relative, over twenty steps.
    changing : bool
        Whether H falls as the game changes on the way, whatever the rows. Its values are then no
        measure of progress: every step is taken in full and the last rows are the result.
    """

    def __init__(
        self,
        game: Game,
        rows: Array,
        feasible: Constraint,
        *,
        unit: Array,
        gradient: str,
        step: str,
        eta: float,
        line_search: bool,
        tol: float,
        spread: Array | float = 1.0,
        changing: bool = False,
    ) -> None:
        self._game, self._feasible = game, feasible
        self._gradient, self._tol = gradient, tol
        self._changing, self._searches = changing, line_search and not changing
        self._mover = STEPS[step](eta, unit, spread, changing, rows)
        self._rows = self.best = rows
        self._length = 1.0
        self._values: list[float] = []
        self.done = False

    @property
    def history(self) -> list[float]:
        """H of the start and after every step; with a search, of the best rows so far."""
        if self._searches:
            return np.maximum.accumulate(self._values).tolist()
        return list(self._values)

    def run(
        self,
        max_iter: int,
        after_step: Callable[[Ascent], None] | None = None,
        task: Task = NO_TASK,
    ) -> None:
        """Begin, or go on from where `restore` left, up to `max_iter` steps in all.

        Steps are parts of `task`, whose watchers learn H and may end it.
        """
        if not self._values:
            self._values.append(self._game.value(self._rows))
        while not self.done and len(self._values) <= max_iter:
            step = task.subtask("step")
            self._advance(max_iter)
            if after_step is not None:
                after_step(self)
            if step.end(metadata={"objective": self.history[-1]}):
                break

    def _advance(self, max_iter: int) -> None:
        slope = self._game.gradient(self._gradient)
        if not slope.any():
            self.done = True
            return
        move = self._mover.step(slope, max_iter)
        floor = min(self._values[-_WINDOW:]) if self._searches else -np.inf
        self._game.advance(len(self._values) / max_iter)
        trial = backtrack(
            lambda length: self._priced(self._rows + length * move),
            lambda _, candidate: candidate.value > floor,
            n_trials=_TRIALS,
            longest=self._length,
        )
        self._rows, value = trial.point
        if not self._searches or value > max(self._values):
            self.best = self._rows
        self._values.append(value)
        self._length = min(1.0, 2.0 * trial.length) if trial.is_enough else trial.length
        history = self.history
        if len(history) > _PATIENCE and not self._changing:
            rise = history[-1] - history[-1 - _PATIENCE]
            self.done = abs(rise) < self._tol * abs(history[-1])

    def _priced(self, rows: Array) -> _Priced:
        feasible = self._feasible.project(rows)
        return _Priced(feasible, self._game.value(feasible))

    def state(self) -> dict[str, Array]:
        """All that the next steps depend on, but for the game's own state."""
        own = {
            "rows": self._rows,
            "best": self.best,
            "values": np.array(self._values),
            "length": np.array(self._length),
            "done": np.array(self.done),
        }
        return {**own, **{f"mover_{name}": v for name, v in self._mover.state().items()}}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a `state`."""
        self._rows, self.best = state["rows"], state["best"]
        self._values = state["values"].tolist()
        self._length, self.done = float(state["length"]), bool(state["done"])
        prefix = "mover_"
        self._mover.restore(
            {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}
        )

    def layout(self, max_iter: int) -> Layout:
        """What a `state` is, after so many steps at most."""
        own = {
            "rows": like(self._rows),
            "best": like(self.best),
            "values": Field((range(1, max_iter + 2),), "float64"),
            "length": Field((), "float64", 0, 1),
            "done": Field((), "bool"),
        }
        return {**own, **{f"mover_{name}": f for name, f in self._mover.layout(max_iter).items()}}
