"""What a report comes to, in a few sentences at the top of its page."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from skfedmtl._input import listing
from skfedmtl._report.by_node import Row
from skfedmtl._report.experiment import CERTIFIED, KINDS, Result, Settings, Threat
from skfedmtl._report.grids import number, only_of, quantity
from skfedmtl._report.remedies import tried_remedies
from skfedmtl._report.tables import DIGITS, LOSSES, NAMES, Rows, loss_metric, select

MOST_NAMED = 20  #: nodes in an option
THREAT = (
    "The threat: an attacker who knows all rows and the model adds rows to the source nodes, "
    "{budget:g} % of what each of them has, to raise the loss of the target nodes, and changes "
    "nothing that is there."
)


def bottom_line(
    rows: Rows, results: Sequence[Result], settings: Settings, threat: Threat
) -> Iterator[str]:
    """The worst that was found, the most there can be, and the node that pays for it.

    Parameters
    ----------
    rows : list of dict
        What `summarise` returns.
    results : sequence of Result
        All models of all repetitions.
    settings : Settings
        What was asked for.
    threat : Threat
        Who was to be attacked, and through whom.

    Yields
    ------
    sentence : str
    """
    means = select(rows, level="aggregate", nodes="targets")
    metric = next(row["metric"] for row in means if row["metric"] in NAMES)
    error = quantity(rows, metric)
    (clean,) = select(means, kind="clean", metric=metric)
    attacked = [row for row in select(means, metric=metric) if row["kind"] in KINDS]
    yield from _worst(rows, attacked, clean, error, settings)
    yield from _certified(rows)
    yield from _hit_hardest(rows, metric, error)
    yield from _of_remedies(rows, results, settings)
    yield from _never_drawn(results, threat)
    yield THREAT.format(budget=100 * settings.budget)


def _worst(rows: Rows, attacked: Rows, clean: Row, error: str, settings: Settings) -> Iterator[str]:
    """The attack that raised the error most; that none did, where the rise is within its error."""
    worst = _largest(attacked)
    if worst is None:
        return
    what = f"the mean test {error} of the target nodes"
    steps = f"of at most {settings.max_iter} steps"
    how = f"by {settings.attacker} or at random" if settings.attacker else f"by attacks {steps}"
    which = f", {how}," if settings.attacker else f" {steps}"
    if raised := [row for row in attacked if _is_raised(rows, row)]:
        worst = max(raised, key=lambda row: float(row["mean"]))
        times = "" if np.isnan(worst["ratio"]) else f", {number(worst['ratio'])} times as much"
        yield (
            f"Worst found, {how}: the {worst['kind']} {worst['attack']} attack takes "
            f"{what} from {number(clean['mean'])} to {number(worst['mean'])}{times}."
        )
        return
    yield (
        f"Worst found: no attack{which} raised {what}, {number(clean['mean'])}, beyond the "
        f"standard error of the rise; it is {number(worst['mean'])} under the {worst['kind']} "
        f"{worst['attack']} attack, the most of all."
    )


def _is_raised(rows: Rows, attacked: Row) -> bool:
    """Whether the mean rise over the repetitions is above its standard error."""
    each = select(rows, level="repeat", nodes="targets", metric=attacked["metric"])
    clean = {row["repeat"]: row["mean"] for row in select(each, kind="clean")}
    mine = select(each, attack=attacked["attack"], kind=attacked["kind"])
    rises = np.array([row["mean"] - clean[row["repeat"]] for row in mine])
    rises = rises[~np.isnan(rises)]
    error = np.std(rises, ddof=1) / np.sqrt(len(rises)) if len(rises) > 1 else 0.0
    return len(rises) > 0 and bool(rises.mean() > error)


def _largest(rows: Rows) -> Row | None:
    known = [row for row in rows if not np.isnan(row["mean"])]
    return max(known, key=lambda row: float(row["mean"]), default=None)


def _certified(rows: Rows) -> Iterator[str]:
    """What no attack exceeds."""
    limits = _largest(select(rows, level="aggregate", kind=CERTIFIED))
    if limits is None:
        yield "Nothing is certified: a stronger attack may do more."
        return
    metric = limits["metric"]
    (clean,) = select(rows, level="aggregate", kind="clean", metric=metric)
    what = "root of the mean squared" if metric == LOSSES[0] else "mean"
    most, before = (number(row["mean"], DIGITS.get(metric, 2)) for row in (limits, clean))
    of = f", in {only_of(rows)}" if only_of(rows) else ""
    yield (
        f"Certified: no attack of this budget takes the {what} loss of the targets' clean training "
        f"rows above {most}, where it is {before} without an attack{of}."
    )


def _hit_hardest(rows: Rows, metric: str, error: str) -> Iterator[str]:
    """The node whose error an attack raises most."""
    nodes = select(rows, level="node", metric=metric)
    clean = {row["node"]: row["mean"] for row in select(nodes, kind="clean")}
    hit = [row for row in nodes if row["kind"] in KINDS and row["mean"] > clean[row["node"]]]
    if not hit:
        yield "No node's test error is higher under any of the attacks."
        return
    worst = max(hit, key=lambda row: float(row["mean"] - clean[row["node"]]))
    before, after = number(clean[worst["node"]]), number(worst["mean"])
    yield (
        f"Hit hardest: node {worst['node']}, whose test {error} the {worst['kind']} "
        f"{worst['attack']} attack takes from {before} to {after}."
    )


def _of_remedies(rows: Rows, results: Sequence[Result], settings: Settings) -> Iterator[str]:
    """What of all that was tried lowers the error under attack most, and what the bound."""
    tried = tried_remedies(results, settings)
    if len(tried) < 2:
        return
    as_is, *others = tried
    metric = next(row["metric"] for row in rows if row["metric"] in NAMES)
    noise = _noise(rows, as_is.attack, metric)
    lower = [one for one in others if one.error < as_is.error - noise]
    if lower:
        best = min(lower, key=lambda one: one.error)
        yield (
            f"Of the models that were tried, {best.name} lowers the test error under the "
            f"{best.attack} attack most, from {number(as_is.error)} to {number(best.error)}, in "
            f"one draw; without an attack it is {number(best.clean)}, and {number(as_is.clean)} as "
            "it is."
        )
    else:
        beyond = ", by more than its standard error" if noise > 0.0 else ""
        yield (
            f"No other model that was tried lowers the test error under the {as_is.attack} "
            f"attack, {number(as_is.error)} in one draw{beyond}."
        )
    sure = [one for one in others if one.certified < as_is.certified]
    if sure:
        best = min(sure, key=lambda one: one.certified)
        digits = DIGITS.get(loss_metric(settings), 2)
        yield (
            f"Of the models that were tried, {best.name} lowers the certified loss most, from "
            f"{number(as_is.certified, digits)} to {number(best.certified, digits)}."
        )


def _noise(rows: Rows, attack: str, metric: str) -> float:
    """The standard error of the optimised attack's errors; 0 of a single repetition."""
    wanted = {"attack": attack, "kind": "optimised", "metric": metric, "nodes": "targets"}
    (mean,) = select(rows, level="aggregate", **wanted)
    return 0.0 if np.isnan(mean["se"]) else float(mean["se"])


def _never_drawn(results: Sequence[Result], threat: Threat) -> Iterator[str]:
    """The nodes of which the report says nothing under attack, and how to change that."""
    targets = [result.targets for result in results if result.targets is not None]
    labels = next(result.nodes.labels for result in results if result.nodes is not None)
    never = ~np.any(targets, axis=0)
    if never.any():
        count, some = int(never.sum()), labels[never].tolist()
        yield (
            f"Never a target: {count} of {len(labels)} nodes ({listing(labels[never])}); of what "
            f"an attack would do to them nothing is known here.{_how_to_attack(some, threat)}"
        )


def _how_to_attack(never: Sequence[Any], threat: Threat) -> str:
    """The options that make these nodes targets; none where they are named as sources."""
    if set(never) & set(threat.sources or ()):
        return ""
    named = f"--targets {shlex.join(map(str, never))} (in Python, target_nodes)"
    options = [named] if len(never) <= MOST_NAMED else []
    if threat.targets is None:
        options.append("more --repeats, which draw them first")
    return f" To attack them: {', or '.join(options)}." if options else ""
