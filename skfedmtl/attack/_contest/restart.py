"""One restart of the attack: its attempts, the best of which is the result; runs in any process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from skfedmtl._tools.task import Task
from skfedmtl._typing import Array
from skfedmtl.attack._bilevel import (
    Ascent,
    Bilevel,
    Checkpoint,
    Game,
    OneVsRest,
    WithTargets,
    make_game,
)
from skfedmtl.attack._contest.attempts import Attempt, Judge
from skfedmtl.attack._contest.case import Case
from skfedmtl.attack._contest.mutations import is_small, mutate
from skfedmtl.attack._contest.search import search
from skfedmtl.attack._contest.settings import Leg, Settings
from skfedmtl.attack._feasible import SeenThroughScalers
from skfedmtl.attack._setting import Start, Verdict, as_targets, target_ranges
from skfedmtl.protocols import Constraint

#: what draws for the search, the judge and chance, beside the seed of a restart: its own stay
_SEARCH, _JUDGE, _MUTATIONS = 1, 2, 3
_PAYS = 0.05  #: of H, that a leg must add to be followed by a longer one
_SHORTER = 0.1  #: stride of an ascent through a selection after one that did not pay
_SPREADS = 2.0  #: a step's unit at most, in typical lengths of the source's rows

logger = logging.getLogger("skfedmtl.attack")


class Crafted(NamedTuple):
    """The result of a restart."""

    start: Start  #: the rows and their targets
    history: list[float]
    verdict: Verdict
    attempts: list[Attempt]  #: the best first

    def judged_by(self, verdict_of: Callable[[Start], Verdict]) -> Crafted:
        """The same attempts, told apart by other verdicts; the first of equals stays before."""
        judged = [one._replace(verdict=verdict_of(one.start)) for one in self.attempts]
        return _crafted(sorted(judged, key=lambda one: one.verdict, reverse=True))


def craft(
    case: Case,
    settings: Settings,
    start: Start,
    seed: int,
    checkpoint: Checkpoint | None,
    task: Task,
) -> Crafted:
    """Attempts from `start`, or on from the checkpoint; steps of ascents are parts of `task`."""
    judge = Judge(case, settings.victim_tol, np.random.default_rng((seed, _JUDGE)))
    attempts = [judge.attempt("start", start, [])]
    ascend = partial(_ascend, case, judge, settings, seed, task)
    climbs = settings.legs[0].max_iter > 0
    legs = settings.legs
    if settings.seeks:
        rng = np.random.default_rng((seed, _SEARCH))
        found = search(case, start, rng, rounds=settings.rounds)
        attempts += [judge.attempt("weights", one.start, [], one.slack) for one in found]
        legs = settings.legs_beside if found else legs
        moves = settings.optimize_labels or any(one.is_limited for one in found)
        if found and climbs and moves:
            best = max(attempts[1:], key=lambda one: one.verdict)
            beside = _beside(checkpoint, "polished")
            attempts.append(ascend("polished", best.start, settings.legs[0], beside))
    if climbs and (settings.init != "weights" or len(attempts) == 1):
        attempts += _climb(attempts[0], legs, settings.scouts, ascend, checkpoint)
    attempts += _through_selection(attempts, settings, judge, ascend, checkpoint)
    attempts += _once_rounded(attempts, settings, ascend, checkpoint)
    attempts += _by_chance(case, start, settings, judge, seed, attempts)
    task.end()
    return _crafted(judge.decide(attempts))


def _by_chance(
    case: Case, start: Start, settings: Settings, judge: Judge, seed: int, attempts: list[Attempt]
) -> list[Attempt]:
    """What moves by chance make of the best so far, on a small problem."""
    n_steps = settings.legs[0].max_iter
    if not (settings.seeks and n_steps and is_small(case, start)):
        return []
    best = max(attempts, key=lambda one: one.verdict)
    rng = np.random.default_rng((seed, _MUTATIONS))
    return mutate(case, judge, best, _units(case, start), n_steps, rng)


def _beside(checkpoint: Checkpoint | None, name: str) -> Checkpoint | None:
    """The checkpoint of another ascent."""
    return None if checkpoint is None else checkpoint.beside(name)


def _climb(
    start: Attempt,
    legs: tuple[Leg, ...],
    scouts: tuple[float, ...],
    ascend: Callable[..., Attempt],
    checkpoint: Checkpoint | None,
) -> list[Attempt]:
    """Ascents from the same rows: the first leg by several strides, others as long as they pay."""
    first, *later = legs
    tried = [first, *(first._replace(stride=stride) for stride in scouts)]
    kept = [checkpoint, *(_beside(checkpoint, f"scout {stride:g}") for stride in scouts)]
    climbed = [
        ascend("ascent", start.start, leg, own) for leg, own in zip(tried, kept, strict=True)
    ]
    raised = [one.verdict.objective for one in climbed]
    stride = tried[int(np.argmax(raised))].stride
    before, after = start.verdict.objective, max(raised)
    for number, leg in enumerate(later, 1):
        if after - before <= _PAYS * abs(before):
            break
        longer = leg._replace(stride=leg.stride * stride)
        beside = _beside(checkpoint, f"leg {number}")
        climbed.append(ascend("ascent", start.start, longer, beside))
        before, after = after, climbed[-1].verdict.objective
    return climbed


def _through_selection(
    attempts: list[Attempt],
    settings: Settings,
    judge: Judge,
    ascend: Callable[..., Attempt],
    checkpoint: Checkpoint | None,
) -> list[Attempt]:
    """Ascents from the best so far, if asked for, each with the rows held that its victim goes by.

    Rows that went too far are left out by the victim; the next ascent takes shorter steps then.
    """
    found: list[Attempt] = []
    leg = settings.legs[0]
    for number in range(settings.n_selections):
        best = max([*attempts, *found], key=lambda one: one.verdict)
        if found and best is not found[-1]:
            leg = leg._replace(stride=_SHORTER * leg.stride)
        beside = _beside(checkpoint, f"selection {number}")
        found.append(ascend("selection", best.start, leg, beside, judge.selection(best.start)))
    return found


def _once_rounded(
    attempts: list[Attempt],
    settings: Settings,
    ascend: Callable[..., Attempt],
    checkpoint: Checkpoint | None,
) -> list[Attempt]:
    """An ascent of the best so far after its groups have been rounded, in its other features."""
    leg, best = settings.legs[0], max(attempts, key=lambda one: one.verdict)
    if not (settings.rounds and leg.max_iter):
        return []
    start = best.start
    held = start.feasible.with_groups_of(start.X)
    rounded = start._replace(X=held.project(start.X), feasible=held)
    one = ascend("polished", rounded, leg, _beside(checkpoint, "rounded"))
    return [one._replace(start=one.start._replace(feasible=start.feasible))]


def _crafted(attempts: list[Attempt]) -> Crafted:
    """The best, with the H on its way."""
    best = attempts[0]
    first = next(one for one in attempts if one.origin == "start")
    climbed = [one.history for one in attempts if one.origin == "ascent"]
    if best is first and climbed:
        logger.info("the rows that the attack begins with do more than those it ends with")
        history = climbed[0]
    elif best is first:
        history = [best.verdict.objective]
    else:
        history = best.history or [first.verdict.objective, best.verdict.objective]
    return Crafted(best.start, history, best.verdict, attempts)


def _ascend(
    case: Case,
    judge: Judge,
    settings: Settings,
    seed: int,
    task: Task,
    origin: str,
    start: Start,
    leg: Leg,
    checkpoint: Checkpoint | None,
    shares: list[Array] | None = None,
) -> Attempt:
    """Raise H from rows, and judge where that ends; no game is left while others are judged."""
    end, history = _raise(case, settings, seed, task, start, leg, checkpoint, shares)
    return judge.attempt(origin, end, history)


def _raise(
    case: Case,
    settings: Settings,
    seed: int,
    task: Task,
    start: Start,
    leg: Leg,
    checkpoint: Checkpoint | None,
    shares: list[Array] | None,
) -> tuple[Start, list[float]]:
    """Where an ascent from rows, or from the checkpoint, ends, and H on its way.

    `shares` count of every row if given.
    """
    game = make_game(
        settings.kind,
        case.victim,
        case.clean,
        start,
        case.climbed,
        tol=settings.victim_tol,
        rng=np.random.default_rng(seed),
        shares=shares,
    )
    playing = _Playing(game, case, start, settings.optimize_labels)
    ascent = Ascent(
        playing.game,
        playing.start,
        playing.field,
        unit=playing.unit,
        gradient=settings.gradient,
        step=settings.step,
        eta=leg.stride * settings.eta,
        line_search=settings.line_search,
        tol=settings.tol,
        spread=playing.spread,
        changing=game.doubt > 0.0,
    )
    if checkpoint is not None:
        layout = {**ascent.layout(leg.max_iter), **game.layout()}
        if (state := checkpoint.load(layout)) is not None:
            ascent.restore(state)
            game.restore(state, *playing.split(state["rows"]))

    def after_step(ascent: Ascent) -> None:
        done = ascent.history
        logger.log(settings.level, "step %d: H = %.6g", len(done) - 1, done[-1])
        if checkpoint is not None:
            checkpoint.save({**ascent.state(), **game.state()})

    ascent.run(leg.max_iter, after_step, task)
    return playing.at(ascent.best), ascent.history


class _Playing:
    """A game, and what it is played with: rows, or rows and targets."""

    def __init__(
        self, game: Bilevel | OneVsRest, case: Case, start: Start, optimize_labels: bool
    ) -> None:
        self._case, self._start = case, start
        self.game: Game = game
        self.spread = case.spread
        self.unit = _units(case, start)
        feasible = start.feasible
        if isinstance(self.spread, np.ndarray):
            feasible = SeenThroughScalers(feasible, self.spread)
        self.field: Constraint = feasible
        self.start: Array = start.X
        self._both = None
        if optimize_labels and isinstance(game, Bilevel):  # numbers, thus a single model
            low, high = target_ranges(case.clean, start.codes)
            self._both = WithTargets(game, feasible, self.unit, low, high)
            if isinstance(self.spread, np.ndarray):
                self.spread = np.append(self.spread, 1.0)
            self.game = self.field = self._both
            self.start = self._both.join(start.X, start.y.astype(float))

    def split(self, variable: Array) -> tuple[Array] | tuple[Array, Array]:
        """Rows, and targets if those move, of what is played with."""
        return (variable,) if self._both is None else self._both.split(variable)

    def at(self, variable: Array) -> Start:
        """The rows and targets that these are."""
        rows, *moved = self.split(variable)
        start = self._start._replace(X=rows)
        if moved:
            start = start._replace(y=as_targets(self._case.clean, start.codes, moved[0]))
        return start


def _units(case: Case, start: Start) -> Array:
    """The unit of every row's steps: its radius, unless the rows of its node are far shorter."""
    radius, typical = start.feasible.radius, _SPREADS * case.lengths()[start.codes]
    return np.where(typical > 0.0, np.minimum(radius, typical), radius)
