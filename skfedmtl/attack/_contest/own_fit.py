"""Attempts on a victim whose `fit` users have written: what followed them is the plain fit."""

from __future__ import annotations

from skfedmtl._victim import has_own_fit
from skfedmtl.attack._contest.restart import Crafted
from skfedmtl.attack._setting import Scenario, Start, Verdict


def in_own_fit(crafted: list[Crafted], scenario: Scenario) -> list[Crafted]:
    """The restarts, their finished attempts judged by a fit of the users' own if there is one."""
    if not has_own_fit(scenario.victim.model):
        return crafted

    def verdict_of(start: Start) -> Verdict:
        return scenario.suffered(scenario.lay_out(start))

    return [one.judged_by(verdict_of) for one in crafted]
