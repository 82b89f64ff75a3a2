"""Attempts of a restart, each judged by a victim that is fitted to it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skfedmtl._typing import Array
from skfedmtl.attack._bilevel import Bilevel, OneVsRest, make_game
from skfedmtl.attack._contest.case import Case
from skfedmtl.attack._setting import Start, Verdict

_ROUGH = 1e-4  #: gap of victims that tell attempts apart, unless they are close
_CLOSE = 0.02  #: share of the best criterion within which solved victims decide


class Attempt(NamedTuple):
    """Rows, where they come from, and what they do to the victim."""

    origin: str  #: "start", "ascent", "weights", "polished", "selection" or "mutated"
    slack: float  #: share of the rows that a search reckoned with; NaN for other attempts
    start: Start  #: the rows, their targets and where they may lie
    history: list[float]  #: H on the way; none where there were no steps
    verdict: Verdict


def records(restarts: list[list[Attempt]], best: int) -> list[dict[str, Any]]:
    """What users are told of attempts, those of each restart the best first."""
    return [
        {
            "restart": restart,
            "origin": one.origin,
            "slack": one.slack,
            "objective": one.verdict.objective,
            "criterion": one.verdict.criterion,
            "kept": restart == best and place == 0,
        }
        for restart, attempts in enumerate(restarts)
        for place, one in enumerate(attempts)
    ]


class Judge:
    """Fits hard victims to attempts, each from the clean one, to a relative gap of `tol`."""

    def __init__(self, case: Case, tol: float, rng: np.random.Generator) -> None:
        self._case, self._tol, self._rng = case, tol, rng

    def attempt(
        self, origin: str, start: Start, history: list[float], slack: float = np.nan
    ) -> Attempt:
        """An attempt, judged by a rough look."""
        verdict = self._verdict(start, max(self._tol, _ROUGH))
        return Attempt(origin, slack, start, history, verdict)

    def decide(self, attempts: list[Attempt]) -> list[Attempt]:
        """The same, the best first, and none beside it that a rough look does not tell from it.

        Those are judged again, until that leaves no others. The first of equals is the best.
        """
        judged = list(attempts)
        rough = set(range(len(judged))) if self._tol < _ROUGH else set()
        while unsure := self._unsure(judged, rough):
            for place in unsure:
                start = judged[place].start
                judged[place] = judged[place]._replace(verdict=self._verdict(start, self._tol))
            rough -= set(unsure)
        return sorted(judged, key=lambda one: one.verdict, reverse=True)

    def _unsure(self, attempts: list[Attempt], rough: set[int]) -> list[int]:
        """Places of the attempts of a rough look that may be the best."""
        top = max(one.verdict.criterion for one in attempts)
        low = top - _CLOSE * abs(top)
        return [place for place in sorted(rough) if attempts[place].verdict.criterion >= low]

    def selection(self, start: Start) -> list[Array]:
        """What counts of clean rows and these in victims that leave rows out."""
        return self._refitted(start, max(self._tol, _ROUGH))[1]

    def _verdict(self, start: Start, tol: float) -> Verdict:
        measure, game = self._case.measure, self._refitted(start, tol)[0]
        return measure.of_decisions(game.decide(measure.X, measure.codes))

    def _refitted(self, start: Start, tol: float) -> tuple[Bilevel | OneVsRest, list[Array]]:
        """A game whose victim has chosen its rows, and what counts of them."""
        case = self._case
        rows: Array = start.feasible.store(start.X).astype(np.float64)
        game = make_game(
            Bilevel, case.victim, case.clean, start, case.climbed, tol=tol, rng=self._rng
        )
        return game, game.refit(rows)
