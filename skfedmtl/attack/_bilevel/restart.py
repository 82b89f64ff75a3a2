"""One restart of the attack, from its start to its best rows; runs in any process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._tools.task import Task
from skfedmtl._typing import Array
from skfedmtl.attack._bilevel.ascent import Ascent, Feasible, Game
from skfedmtl.attack._bilevel.checkpoint import Checkpoint
from skfedmtl.attack._bilevel.continuation import FollowedBilevel
from skfedmtl.attack._bilevel.lower_level import Bilevel, WithTargets
from skfedmtl.attack._bilevel.one_vs_rest import OneVsRest, make_game
from skfedmtl.attack._feasible import SeenThroughScalers
from skfedmtl.attack._setting import Evaluation, Victim, as_targets, target_ranges

#: how many times H of the start leaves no need to ask a victim: the one at the end of the way
#: for that of the start, if H is that many times what it was at the beginning; the hard one
_FAR, _CLEARLY = 2.0, 1.1
_ROUGH = 1e-4  #: gap of hard victims that tells clearly different rows apart

logger = logging.getLogger("skfedmtl.attack")


class Settings(NamedTuple):
    """What every restart of an attack shares."""

    gradient: str
    step: str
    eta: float
    line_search: bool
    max_iter: int
    inner_iter: int | None
    tol: float
    victim_tol: float
    upper_loss: str
    smoothing: float
    optimize_labels: bool
    compared: bool  #: whether H of the result is held against that of other restarts
    level: int  #: of the log line a step

    @property
    def follows(self) -> bool:
        """Whether victims follow the rows, and the result is judged by others."""
        return self.max_iter > 0 and (self.inner_iter is not None or self.smoothing > 0.0)

    @property
    def kind(self) -> Callable[..., Bilevel]:
        """The game; in a single loop nothing is smoothed."""
        if not self.follows:
            return Bilevel
        smoothing = self.smoothing if self.inner_iter is None else 0.0
        return partial(FollowedBilevel, smoothing=smoothing, inner_iter=self.inner_iter)


class Crafted(NamedTuple):
    """The result of a restart."""

    start: Any  #: `Start`, its y those of the crafted rows
    rows: Array
    history: list[float]
    value: float  #: H of these rows


def craft(
    victim: Any,
    clean: Any,
    start: Any,
    targets: NDArray[np.int64],
    evaluation: Evaluation | None,
    settings: Settings,
    seed: int,
    checkpoint: Checkpoint | None,
    task: Task,
) -> Crafted:
    """Raise H from `start`, or go on from the checkpoint; steps are parts of `task`."""
    game = make_game(
        settings.kind,
        victim,
        clean,
        start,
        targets,
        tol=settings.victim_tol,
        rng=np.random.default_rng(seed),
        upper=settings.upper_loss,
        evaluation=evaluation,
    )
    playing = _Playing(game, victim, clean, start, settings.optimize_labels)
    ascent = Ascent(
        playing.game,
        playing.start,
        playing.field,
        gradient=settings.gradient,
        step=settings.step,
        eta=settings.eta,
        line_search=settings.line_search,
        tol=settings.tol,
        spread=playing.spread,
        changing=playing.bilevel.doubt > 0.0,
    )
    if checkpoint is not None:
        layout = {**ascent.layout(settings.max_iter), **playing.bilevel.layout()}
        if (state := checkpoint.load(layout)) is not None:
            ascent.restore(state)
            playing.bilevel.restore(state, *playing.split(state["rows"]))

    def after_step(ascent: Ascent) -> None:
        done = ascent.history
        logger.log(settings.level, "step %d: H = %.6g", len(done) - 1, done[-1])
        if checkpoint is not None:
            checkpoint.save({**ascent.state(), **playing.bilevel.state()})

    ascent.run(settings.max_iter, after_step, task)
    task.end()
    value, found = ascent.history[-1], ascent.best
    if settings.follows:
        single = settings.inner_iter is not None
        first = None if single or settings.compared else ascent.history[0]
        value, found = _judge(playing, settings.victim_tol, found, first)
    return playing.crafted(found, ascent.history, value)


class _Playing:
    """A game, and what it is played with: rows, or rows and targets."""

    def __init__(
        self, game: Bilevel | OneVsRest, victim: Any, clean: Any, start: Any, optimize_labels: bool
    ) -> None:
        self.bilevel, self._clean, self._start = game, clean, start
        self.game: Game = game
        self.spread = _spread(Victim(victim), clean.X.shape[1])
        feasible = start.feasible
        if isinstance(self.spread, np.ndarray):
            feasible = SeenThroughScalers(feasible, self.spread)
        self.field: Feasible = feasible
        self.start: Array = start.X
        self._both = None
        if optimize_labels and isinstance(game, Bilevel):  # numbers, thus a single model
            low, high = target_ranges(clean, start.codes)
            self._both = WithTargets(game, feasible, low, high)
            if isinstance(self.spread, np.ndarray):
                self.spread = np.append(self.spread, 1.0)
            self.game = self.field = self._both
            self.start = self._both.join(start.X, start.y.astype(float))

    def split(self, variable: Array) -> tuple[Array] | tuple[Array, Array]:
        """Rows, and targets if those move, of what is played with."""
        return (variable,) if self._both is None else self._both.split(variable)

    def crafted(self, variable: Array, history: list[float], value: float) -> Crafted:
        """The result in the caller's layout."""
        rows, *moved = self.split(variable)
        start = self._start
        if moved:
            start = start._replace(y=as_targets(self._clean, start.codes, moved[0]))
        return Crafted(start, rows, history, value)


def _spread(victim: Victim, n_features: int) -> Array | float:
    """Units of the features behind the victim's scalers; their mean square is one."""
    if not victim.scalers:
        return 1.0
    spread: Array = 1.0 / np.abs(victim.pull_back(np.ones(n_features)))
    return spread / np.sqrt(np.mean(np.square(spread)))


def _judge(playing: _Playing, tol: float, end: Array, first: float | None) -> tuple[float, Array]:
    """H, and where it is: at the end, or at the start if the victim suffers more from that.

    At the beginning H was `first`; None if only that of the hard victim will do. Hard victims are
    solved to `tol` where a rough look does not tell the two apart.
    """
    game, start = playing.game, playing.start
    if end is not start and first is not None:
        game.advance(1.0)
        after, doubt = game.value(end), playing.bilevel.doubt
        is_clear = after > _FAR * first + doubt or after > _CLEARLY * game.value(start) + doubt
        if is_clear and playing.bilevel.is_near:
            return after, end
    for accuracy in sorted({max(tol, _ROUGH), tol}, reverse=True):
        playing.bilevel.harden(accuracy)
        after, before = game.value(end), game.value(start)
        if after > _CLEARLY * before:
            break
    if before >= after and end is not start:
        logger.info("the rows that the attack begins with do more than those it ends with")
    return (after, end) if after > before else (before, start)
