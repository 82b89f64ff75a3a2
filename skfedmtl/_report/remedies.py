"""What reduces the damage: the attack of one repetition against victims and budgets that differ."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skfedmtl._report.experiment import CERTIFIED, Piece, Result, Settings, Threat
from skfedmtl._report.grids import Grid, number, quantity
from skfedmtl._report.tables import DIGITS, Rows, loss_metric, select

PREFERRED = ("hybrid", "direct", "indirect")  #: of several attacks the first of these is repeated
AS_IS = "optimised"


def remedies(settings: Settings) -> dict[str, Settings]:
    """What is tried, by its name."""
    tried = {
        "a tenth of the tie": settings._replace(lambda1=0.1 * settings.lambda1),
        "no tie": settings._replace(lambda0=None, lambda1=0.0),
        "ten times lambda2": settings._replace(lambda2=10.0 * settings.lambda2),
        "half the budget": settings._replace(budget=0.5 * settings.budget),
    }
    return {name: changed for name, changed in tried.items() if changed != settings}


def remedy_pieces(settings: Settings, threat: Threat) -> list[tuple[Piece, Settings]]:
    """The pieces of work, each with settings of its own: attacks, then what none exceeds."""
    if not threat.remedies:
        return []
    attack = next(one for one in PREFERRED if one in threat.attacks)
    tried = remedies(settings)
    work = [(Piece(0, attack, name), changed) for name, changed in tried.items()]
    if threat.bound:
        work += [(Piece(0, attack, _certified(name)), changed) for name, changed in tried.items()]
    return work


def _certified(name: str) -> str:
    """The kind of what is certified of a remedy, or of the victim as it is."""
    return CERTIFIED if name == AS_IS else f"{CERTIFIED}, {name}"


def remedies_grid(results: Sequence[Result], rows: Rows, settings: Settings) -> Grid | None:
    """Errors of the targets without and under the attack; None if nothing was tried.

    Where something is certified, also the losses of training rows that it is about.
    """
    known = remedies(settings)
    found = {result.kind: result for result in results if result.kind in known}
    if not found:
        return None
    attack = next(iter(found.values())).attack
    mine = {r.kind: r for r in results if (r.repeat, r.attack) == (0, attack)}
    base, is_bounded = mine[AS_IS], CERTIFIED in mine
    metric = next(iter(base.scores))
    error = quantity(select(rows, level="aggregate"), metric)
    digits = DIGITS.get(loss_metric(settings), 2)
    lines = []
    for name, result, used in [
        (AS_IS, base, settings),
        *((name, found[name], known[name]) for name in known if name in found),
    ]:
        before, after = (_mean(scores, metric, result) for scores in (result.before, result.scores))
        penalties = f"{used.lambda1:g}", f"{used.lambda2:g}"
        budget = f"{100 * used.budget:g} %"
        bound = mine.get(_certified(name))
        most = np.nan if bound is None else bound.loss
        told = [number(one, digits) for one in (result.loss, most)] if is_bounded else []
        called = "as it is" if name == AS_IS else name
        lines.append([called, *penalties, budget, number(before), number(after), *told])
    head = ["", "lambda1", "lambda2", "budget", f"clean\n{error}", f"optimised\n{attack}"]
    head += ["training loss\nfound", "training loss\ncertified"] if is_bounded else []
    return Grid("What reduces the damage: test rows, mean over target nodes", head, lines)


class Tried(NamedTuple):
    """What came of a remedy, or of none: means over the targets of one repetition."""

    name: str
    attack: str
    clean: float  #: error without an attack
    error: float  #: under it
    certified: float  #: loss of training rows; NaN where nothing is


def tried_remedies(results: Sequence[Result], settings: Settings) -> list[Tried]:
    """The victim as it is, then each other one, of the whole budget; if none, the former alone."""
    known = {name: one for name, one in remedies(settings).items() if one.budget == settings.budget}
    attacks = [result.attack for result in results if result.kind in known]
    if not attacks:
        return []
    mine = {r.kind: r for r in results if (r.repeat, r.attack) == (0, attacks[0])}
    metric = next(iter(mine[AS_IS].scores))
    tried = []
    for name in (AS_IS, *known):
        if name in mine:
            result, bound = mine[name], mine.get(_certified(name))
            clean, error = (_mean(s, metric, result) for s in (result.before, result.scores))
            certified = np.nan if bound is None else bound.loss
            tried.append(Tried(name, attacks[0], clean, error, certified))
    return tried


def _mean(scores: dict[str, np.ndarray] | None, metric: str, result: Result) -> float:
    """Over the targets that have test rows."""
    if scores is None or result.targets is None:
        return np.nan
    some = scores[metric][result.targets]
    known = some[~np.isnan(some)]
    return float(np.mean(known)) if len(known) else np.nan
