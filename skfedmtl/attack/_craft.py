"""One restart of the attack, from its start to its best rows; runs in any process."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from skfedmtl._losses import Array
from skfedmtl.attack._ascent import Ascent, Game
from skfedmtl.attack._bilevel import Bilevel, WithTargets
from skfedmtl.attack._checkpoint import Checkpoint
from skfedmtl.attack._start import target_ranges
from skfedmtl.attack._upper import Evaluation

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
    optimize_labels: bool
    level: int  #: of the log line a step


class Crafted(NamedTuple):
    """The result of a restart."""

    start: Any  #: `Start`, its y those of the crafted rows
    rows: Array
    history: list[float]


def craft(
    victim: Any,
    clean: Any,
    start: Any,
    targets: NDArray[np.int64],
    evaluation: Evaluation | None,
    settings: Settings,
    seed: int,
    checkpoint: Checkpoint | None,
) -> Crafted:
    """Raise H from `start`, or go on from the checkpoint."""
    game = Bilevel(
        victim,
        clean,
        start,
        targets,
        tol=settings.victim_tol,
        rng=np.random.default_rng(seed),
        inner_iter=settings.inner_iter,
        upper=settings.upper_loss,
        evaluation=evaluation,
    )
    field: Any = start.feasible
    rows, playing, both = start.X, cast(Game, game), None
    if settings.optimize_labels:
        low, high = target_ranges(clean, start.codes)
        both = WithTargets(game, start.feasible, low, high)
        field, rows, playing = both, both.join(start.X, start.y.astype(float)), both
    ascent = Ascent(
        playing,
        rows,
        field,
        gradient=settings.gradient,
        step=settings.step,
        eta=settings.eta,
        line_search=settings.line_search,
        tol=settings.tol,
    )
    if checkpoint is not None and (state := checkpoint.load()) is not None:
        ascent.restore(state)
        game.restore(state, *((state["rows"],) if both is None else both.split(state["rows"])))

    def after_step(ascent: Ascent) -> None:
        done = ascent.history
        logger.log(settings.level, "step %d: H = %.6g", len(done) - 1, done[-1])
        if checkpoint is not None:
            checkpoint.save({**ascent.state(), **game.state()})

    ascent.run(settings.max_iter, after_step)
    if both is None:
        return Crafted(start, ascent.best, ascent.history)
    rows, y = both.split(ascent.best)
    return Crafted(start._replace(y=_as_targets(clean, y)), rows, ascent.history)


def _as_targets(clean: Any, y: Array) -> NDArray[Any]:
    """In the dtype of the clean targets."""
    whole = clean.y.dtype.kind in "iub"
    return (np.rint(y) if whole else y).astype(clean.y.dtype)
