"""The options of ``skfedmtl report``."""

import argparse
import math
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from skfedmtl._report.choices import (
    ATTACKS,
    BOUNDS_OF,
    DATASET_NAMES,
    TASKS,
    wrong_with_share,
)
from skfedmtl._tools.folders import why_unwritable
from skfedmtl.federation import COMMANDS

FILES = ("report.csv", "report.png", "report.html", "poisoned.csv")
TABLE_OPTIONS = ("target", "node", "task", "positive", "drop", "categorical", "integer", "frozen")
TABLE_HELP = "a CSV or Parquet file with a row a sample; put it before the options"
OWN_PENALTY = "the data set's own; of a TABLE chosen on training rows"


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="skfedmtl", description="Federated multi-task learning.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"skfedmtl {version('skfedmtl')}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in COMMANDS.items():
        commands.add_parser(name, help=purpose)
    report = commands.add_parser(
        "report",
        help="measure data poisoning attacks on a data set or a table of your own",
        description=(
            "Fit a federated multi-task model, attack half of its nodes in six ways, and write "
            "tables, a figure and a page of what that does to their test errors, and of the most "
            "that any attack could do to their training loss."
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = report.add_argument
    what = report.add_mutually_exclusive_group()
    what.add_argument("table", nargs="?", type=_nonempty, metavar="TABLE", help=TABLE_HELP)
    what.add_argument(
        "--dataset", choices=DATASET_NAMES, help="a data set; flights without a TABLE"
    )
    _add_table_options(report.add_argument_group("of a TABLE"))
    several: dict[str, Any] = {"nargs": "+", "action": "extend"}
    add("--attack", **several, choices=ATTACKS, help="attacks that are tried; None: all of them")
    add(
        "--targets",
        **several,
        metavar="NODE",
        help="nodes to be hurt; None: all but --sources, else half, drawn",
    )
    add(
        "--sources",
        **several,
        metavar="NODE",
        help="nodes that indirect and hybrid attacks inject rows into; None: drawn",
    )
    add("--repeats", type=_whole(1), default=3, help="splits and draws of target nodes")
    add(
        "--budget",
        type=_share,
        default=0.2,
        help="rows injected into a source node, as a share of its rows: 0.1 is 10 %%",
    )
    add("--seed", type=_whole(0, 2**32 - 1), default=0, help="seed of all draws")
    add("--max-iter", type=_whole(0), default=15, help="steps of an optimised attack at most")
    add("--bound-iter", type=_whole(1), default=200, help="steps of a descent to a low bound")
    add(
        "--bounds-of",
        choices=BOUNDS_OF,
        default="first",
        help="repetitions in which what no attack exceeds is certified",
    )
    add(
        "--bound-seconds",
        type=_positive,
        metavar="S",
        help="seconds after which a bound is no longer lowered; it holds, but depends on the "
        "machine; None: --bound-iter alone ends it",
    )
    add(
        "--no-bound", action="store_true", help="leave out what no attack exceeds: it takes longest"
    )
    add("--no-remedies", action="store_true", help="leave out what may reduce the damage")
    add("--poisoned", action="store_true", help="write the rows injected into a TABLE, too")
    add("--lambda0", type=_positive, help="ridge penalty of a common part; None: there is none")
    add("--lambda1", type=_number(0.0), help=f"tie between the nodes; None: {OWN_PENALTY}")
    add("--lambda2", type=_positive, help=f"ridge penalty; None: {OWN_PENALTY}")
    add("--n-jobs", type=_jobs, default=2, help="processes; -1: as many as cores")
    add("--output", type=_folder, default="skfedmtl-report", help="folder of the files written")
    add(
        "--data-home",
        type=_nonempty,
        help="folder where data sets outside the package are kept; None: that of the fetchers",
    )
    return parser


def _add_table_options(group: Any) -> None:
    add = partial(group.add_argument, metavar="COL")
    several = partial(add, nargs="+", action="extend", default=[])
    add("--target", help="the column that models predict")
    add("--node", help="the column that says which node a row belongs to")
    group.add_argument("--task", choices=TASKS, default="auto", help="what the target is")
    add("--positive", metavar="LABEL", help="the class that is told from the rest")
    several("--drop", help="columns that nobody may learn from")
    several("--categorical", help="columns of numbers that are names of categories")
    several("--integer", help="columns whose injected values are whole, beside those found")
    several("--frozen", help="columns that injected rows leave as they were")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of a call; wrong ones leave by ``SystemExit`` with code 2."""
    parser = _make_parser()
    options = parser.parse_args(argv)
    if options.table is None:
        plain = parser.parse_args([options.command])
        for name in (*TABLE_OPTIONS, "poisoned"):
            if getattr(options, name) != getattr(plain, name):
                parser.error(f"argument --{name}: needs a TABLE, the first of the arguments")
        options.dataset = options.dataset or "flights"
        return options
    for name in ("target", "node"):
        if getattr(options, name) is None:
            parser.error(f"argument --{name}: a TABLE needs it, the name of a column")
    return options


def _whole(low: int, high: int | None = None) -> Callable[[str], int]:
    limits = f"of at least {low}" if high is None else f"from {low} to {high}"

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"must be a whole number {limits}, got {text!r}")
        return value

    return convert


def _number(low: float, strict: bool = False) -> Callable[[str], float]:
    limit = f"above {low:g}" if strict else f"of at least {low:g}"

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < low or (strict and value == low):
            raise argparse.ArgumentTypeError(f"must be a finite number {limit}, got {text!r}")
        return value

    return convert


_positive = _number(0.0, strict=True)


def _share(text: str) -> float:
    value = _number(0.0)(text)
    if wrong := wrong_with_share(value, text):
        raise argparse.ArgumentTypeError(wrong)
    return value


def _jobs(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number other than 0, got {text!r}")
    return value


def _nonempty(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must be the path of a folder, got an empty one")
    return text


def _folder(text: str) -> str:
    """A folder that exists and may be written to, or that can be made."""
    try:
        path = Path(_nonempty(text)).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"must be the path of a folder: {error}") from error
    if reason := why_unwritable(path):
        raise argparse.ArgumentTypeError(f"must be a writable folder, got {text!r}: {reason}")
    for name in FILES:
        if (path / name).is_dir():
            raise argparse.ArgumentTypeError(f"must have no folder {name!r}, got {text!r}")
    return text
