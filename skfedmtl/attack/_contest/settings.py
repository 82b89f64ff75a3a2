"""How a restart goes about it, in plain values."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from skfedmtl.attack._bilevel import Bilevel, FollowedBilevel
from skfedmtl.attack._setting import Scenario, Threat, chooses_labels


class Leg(NamedTuple):
    """An ascent of its own."""

    max_iter: int
    stride: float  #: of its steps, as a share of eta


#: of an attack through targets; and of one from outside, as long as they pay: much must be shared
#: before it reaches a target; shorter steps tell whether more of them lead anywhere
LEGS = (Leg(50, 1.0),)
LEGS_FROM_OUTSIDE = (*LEGS, Leg(200, 0.3), Leg(600, 1.0))
#: the same on a victim that hardens on the way: however many its steps, they go equally far in all,
#: and neither longer nor shorter ones than these led any farther
LEGS_WHILE_HARDENING = (*LEGS, Leg(500, 1.0))
#: strides that the first leg is tried with, too; the others take that which led farther
SCOUTS_FROM_OUTSIDE = (10.0,)
#: beside found rows, which lead by far as a rule: 50 steps would be half of an attack's time
LEGS_BESIDE = (Leg(20, 1.0),)
_SELECTIONS = 3  #: ascents, each with the rows held that the victim chose after the last


class Settings(NamedTuple):
    """What every restart of an attack shares."""

    init: str  #: "auto", "weights", "clean" or "ball"
    gradient: str
    step: str
    eta: float
    line_search: bool
    legs: tuple[Leg, ...]
    scouts: tuple[float, ...]  #: other strides of the first leg
    legs_beside: tuple[Leg, ...]  #: where a search has found rows
    n_selections: int  #: ascents through what a victim leaves out
    rounds: bool  #: whether rows choose a member of a group, by shares until they are rounded
    inner_iter: int | None
    tol: float
    victim_tol: float
    smoothing: float
    optimize_labels: bool
    level: int  #: of the log line a step

    @classmethod
    def of(cls, given: Mapping[str, Any], scenario: Scenario) -> Settings:
        """Those of a poisoner's parameters."""
        chooses = chooses_labels(given["labels"])
        climbs = given["max_iter"] != 0 and given["inner_iter"] is None
        init = given["init"]
        hardens = _hardens(given, scenario)
        legs = _legs(given["max_iter"], given["inner_iter"], scenario.threat, hardens=hardens)
        limits = scenario.space.limits
        selects = given["max_iter"] != 0 and not scenario.victim.model._goes_by_all
        return cls(
            init="clean" if init == "auto" and not (climbs and chooses) else init,
            gradient=given["gradient"],
            step=given["step"],
            eta=float(given["eta"]),
            line_search=given["line_search"],
            legs=legs,
            scouts=SCOUTS_FROM_OUTSIDE if len(legs) > 1 and not hardens else (),
            legs_beside=LEGS_BESIDE if given["max_iter"] is None else legs,
            n_selections=_SELECTIONS if selects else 0,
            rounds=limits is not None and limits.leave_choice,
            inner_iter=given["inner_iter"],
            tol=float(given["tol"]),
            victim_tol=scenario.parameters.tol,
            smoothing=float(given["smoothing"]),
            optimize_labels=given["optimize_labels"],
            level=logging.INFO if given["verbose"] else logging.DEBUG,
        )

    @property
    def n_steps(self) -> int:
        """Steps of a restart at most."""
        polish = self.legs[0].max_iter if self.seeks else 0
        through = (self.n_selections + self.rounds) * self.legs[0].max_iter
        scouted = len(self.scouts) * self.legs[0].max_iter
        return polish + through + scouted + sum(leg.max_iter for leg in self.legs)

    @property
    def seeks(self) -> bool:
        """Whether weights are sought."""
        return self.init in ("auto", "weights")

    @property
    def kind(self) -> Callable[..., Bilevel]:
        """The game; in a single loop nothing is smoothed."""
        if self.inner_iter is None and self.smoothing == 0.0:
            return Bilevel
        smoothing = self.smoothing if self.inner_iter is None else 0.0
        return partial(FollowedBilevel, smoothing=smoothing, inner_iter=self.inner_iter)


def _hardens(given: Mapping[str, Any], scenario: Scenario) -> bool:
    """Whether ascents meet a smoothed victim, which hardens as they go on."""
    smoothing = float(given["smoothing"])
    if smoothing == 0.0 or given["inner_iter"] is not None:
        return False
    return scenario.victim.model._make_loss().smoothed(smoothing).excess > 0.0


def _legs(
    max_iter: int | None, inner_iter: int | None, threat: Threat, *, hardens: bool
) -> tuple[Leg, ...]:
    """The ascents of a restart."""
    if max_iter is not None:
        return (Leg(int(max_iter), 1.0),)
    is_inside = bool(np.isin(threat.sources, threat.targets).any())
    if is_inside or inner_iter is not None:
        return LEGS
    return LEGS_WHILE_HARDENING if hardens else LEGS_FROM_OUTSIDE
