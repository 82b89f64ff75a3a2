"""What a report shows, as tables of words: printed in the terminal, and on its page."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from skfedmtl._report.by_node import FEW_ROWS, Row, ratio_of
from skfedmtl._report.experiment import CERTIFIED, KINDS
from skfedmtl._report.tables import (
    DIGITS,
    FOUND,
    LOSSES,
    MODELS,
    NAMES,
    Rows,
    attacks_of,
    select,
)
from skfedmtl._tools.figures import as_drawn


class Grid(NamedTuple):
    """A table: the first column is of names, all others of numbers."""

    title: str
    head: list[str]
    lines: list[list[str]]


def models_grid(rows: Rows, classify: bool, plus_minus: str) -> Grid:
    """The models without an attack."""
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    which = {"all": "all nodes", "targets": "target nodes"}
    head = [f"{quantity(rows, metric)}\n{name}" for metric in metrics for name in which.values()]
    lines = []
    for attack, name in MODELS[classify].items():
        model = select(rows, attack=attack)
        cells = [
            cell(select(model, metric=metric, nodes=nodes)[0], plus_minus)
            for metric in metrics
            for nodes in which
        ]
        lines.append([name, *cells])
    return Grid("Without an attack: test rows, mean over nodes", ["model", *head], lines)


def attacks_grid(rows: Rows, plus_minus: str) -> Grid:
    """The victim without and under every attack."""
    first, *others = (quantity(rows, m) for m in dict.fromkeys(row["metric"] for row in rows))
    lines = []
    names = [(a, kind, f"{kind} {a}") for a in attacks_of(rows) for kind in KINDS]
    for attack, kind, name in [("none", "clean", "clean"), *names]:
        model = select(rows, attack=attack, kind=kind, nodes="targets")
        one, *more = (cell(row, plus_minus) for row in model)
        lines.append([name, one, number(model[0]["ratio"]), *more, f"{model[0]['seconds']:.1f}"])
    head = ["attack", first, "ratio to clean", *others, "seconds"]
    return Grid("Under attack: test rows, mean over target nodes", head, lines)


def worst_case_grid(rows: Rows, plus_minus: str) -> Grid:
    """Found and certified losses of training rows; test rows have a column of their own.

    All of it of the repetitions that have bounds.
    """
    each = select(rows, kind="clean", level="repeat", nodes="targets", metric=rows[0]["metric"])
    bounded = repetitions_bounded(rows)
    known = [row["mean"] for row in each if row["repeat"] in bounded]
    rows = select(rows, level="aggregate")
    losses = [row for row in rows if row["metric"] in LOSSES]
    unit = losses[0]["unit"]
    in_unit = f"\n({as_drawn(unit)})" if unit else ""
    metric = rows[0]["metric"]
    (clean,) = select(losses, kind="clean")
    (tested,) = select(rows, kind="clean", metric=metric, nodes="targets")
    if len(known) < len(each):
        tested = {**tested, "mean": known[0], "se": np.nan}
    lines = [["clean", cell(clean, plus_minus), "-", "-", cell(tested, plus_minus)]]
    for attack in attacks_of(rows):
        (found,) = select(losses, attack=attack, kind=FOUND)
        (certified,) = select(losses, attack=attack, kind=CERTIFIED)
        (tested,) = select(rows, attack=attack, kind=FOUND, metric=metric)
        ratio = number(ratio_of(metric, certified["mean"], found["mean"]))
        cells = [cell(row, plus_minus) for row in (found, certified)]
        lines.append([attack, *cells, ratio, cell(tested, plus_minus)])
    head = [
        "attack",
        f"best found{in_unit}",
        f"certified{in_unit}",
        "certified\n/ found",
        f"test {quantity(rows, metric)}\nof best found",
    ]
    return Grid("Worst case: clean training rows, mean over target nodes", head, lines)


def nodes_grid(rows: Rows, times_target: dict[Any, int]) -> Grid:
    """The errors of every node in the first metric; few test rows are marked.

    `times_target` says in how many repetitions each node was a target.
    """
    rows = select(rows, level="node")
    rows = select(rows, metric=rows[0]["metric"])
    models = [("local", "baseline", "alone"), ("none", "clean", "clean")]
    models += [(a, kind, f"{kind}\n{a}") for a in attacks_of(rows) for kind in KINDS]
    lines = []
    n_repeats = int(rows[0]["repeats"])
    for clean in select(rows, kind="clean"):
        mine = select(rows, node=clean["node"])
        found = [select(mine, attack=attack, kind=kind) for attack, kind, _ in models]
        mark = " †" if clean["n_test"] < FEW_ROWS else ""
        times = f"{times_target[clean['node']]} of {n_repeats}"
        counts = [str(clean["n_train"]), f"{clean['n_test']}{mark}", times]
        cells = [with_interval(some[0]) if some else "-" for some in found]
        lines.append([str(clean["node"]), *counts, *cells])
    head = ["node", "training\nrows", "test\nrows", "target\nin", *(name for *_, name in models)]
    return Grid(f"By node: {quantity(rows, rows[0]['metric'])} of test rows", head, lines)


def worst_case_caption(rows: Rows, attacker: str = "") -> str:
    """What is certified, in words; and of attacks by a poisoner of users, whose they are."""
    loss = rows[0]["loss"].replace("_", " ")
    what = "root of the mean squared error" if loss == "squared error" else f"{loss} loss"
    of = only_of(rows)
    only = f" of {of}" if of else ""
    steps = f"took at most {rows[0]['max_iter']} steps"
    how = f"is by {attacker}, or random" if attacker else steps
    return (
        f"found, certified: {what}, training rows{only}; no attack exceeds what is certified, and "
        f"what was found {how}"
    )


def only_of(rows: Rows) -> str:
    """The repetitions that have bounds, in words; none if all have."""
    n_repeats = int(rows[0]["repeats"])
    is_whole = len(repetitions_bounded(rows)) in (0, n_repeats)
    return "" if is_whole else f"the first of {n_repeats} repetitions"


def repetitions_bounded(rows: Rows) -> set[int]:
    """The repetitions in which something is certified: all of them, or the first."""
    return {row["repeat"] for row in select(rows, kind=CERTIFIED, level="repeat")}


def constant_lines(rows: Rows) -> Iterator[str]:
    """What models are the same for every row, in words."""
    metric = rows[0]["metric"]
    for row in select(rows, nodes="targets", metric=metric):
        if row["constant"] > 0.0 and row["kind"] != FOUND:  # it is one of the others
            name = "clean" if row["kind"] == "clean" else f"{row['kind']} {row['attack']}"
            auc = ", with an AUC of 0.5" if metric != "rmse" else ""
            yield (
                f"constant: the models of {100 * row['constant']:.0f} % of the target nodes"
                f"{auc} ({name})"
            )


def quantity(rows: Rows, metric: str) -> str:
    unit = select(rows, metric=metric)[0]["unit"]
    return f"{NAMES[metric]} ({as_drawn(unit)})" if unit else NAMES[metric]


def cell(row: Row, plus_minus: str) -> str:
    """A mean, with its standard error where there is one."""
    digits = DIGITS.get(row["metric"], 2)
    if np.isnan(row["se"]):
        return number(row["mean"], digits)
    return f"{row['mean']:.{digits}f} {plus_minus} {row['se']:.{digits}f}"


def with_interval(row: Row) -> str:
    """A mean, and below it the interval."""
    if np.isnan(row["low"]):
        return number(row["mean"])
    return f"{number(row['mean'])}\n{number(row['low'])} to {number(row['high'])}"


def number(value: float, digits: int = 2) -> str:
    """A number of so many digits, or a dash."""
    return "-" if np.isnan(value) else f"{value:.{digits}f}"
