"""The console command ``skfedmtl``; ``skfedmtl report`` measures attacks and shows what they do."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from skfedmtl._report.choices import ATTACKS
from skfedmtl._report.data import TableError
from skfedmtl._report.experiment import Result, Settings, Threat
from skfedmtl._report.injected import poisoned_csv
from skfedmtl._report.made import finish
from skfedmtl._report.own_table import read_table
from skfedmtl._report.plan import Plan, cut, plan_dataset, plan_table, run
from skfedmtl._report.prepared import Asked, prepare, split_table
from skfedmtl._report.printed import print_tables
from skfedmtl._report.tables import to_csv
from skfedmtl._tools.files import write_whole


def run_report(options: argparse.Namespace, argv: Sequence[str]) -> int:
    """Do what was asked for.

    Parameters
    ----------
    options : Namespace
        As read from the arguments.
    argv : sequence of str
        The arguments, for the page.

    Returns
    -------
    code : int
        Exit code: 0, 1 if the files could not be written, 2 if the command could not start,
        130 after Ctrl-C, whatever was finished before.
    """
    try:
        return _report(options, shlex.join(["skfedmtl", *argv]))
    except KeyboardInterrupt:
        return _fail("interrupted", 130)


def _report(options: argparse.Namespace, call: str) -> int:
    extra = () if options.table is None else ("pandas",)
    if missing := _missing_packages("matplotlib", "rich", *extra):
        return _fail(f'the report needs {" and ".join(missing)}: pip install "skfedmtl[report]"', 2)
    try:
        plan = _plan(options)
    except OSError as error:
        return _fail(f"{error}\nThe option for the folder is --data-home.", 2)
    except TableError as error:
        return _fail(str(error), 2)
    results, is_whole = _run(plan, options.n_jobs)
    if not is_whole:
        plan, results = cut(plan, results)
    if not results:
        return _fail("interrupted before a repetition was finished", 130)
    try:
        _tell(plan, results, options, call)
    except OSError as error:
        return _fail(f"--output: {error}", 1)
    return 0 if is_whole else _fail(plan.notes[-1], 130)


def _tell(plan: Plan, results: list[list[Result]], options: argparse.Namespace, call: str) -> None:
    """Write the files, and print the tables, which a closed pipe may not take."""
    made = finish(plan, results)
    image = made.png()
    contents = {
        "report.csv": to_csv(made.rows),
        "report.png": image,
        "report.html": made.page(image, call),
    }
    if options.poisoned and plan.own is not None:
        contents["poisoned.csv"] = poisoned_csv(made.results, plan.own)
    paths: list[Path] = []
    try:
        paths = write_files(Path(options.output).expanduser(), contents)
    finally:
        print_tables(made.rows, made.lines, plan.classify)
        for message in dict.fromkeys(text for result in made.results for text in result.warnings):
            print(f"warning: {message}", file=sys.stderr)
        for path in paths:
            print(path)


def _fail(message: str, code: int) -> int:
    print(f"skfedmtl report: error: {message}", file=sys.stderr)
    return code


def _missing_packages(*names: str) -> list[str]:
    missing = []
    for name in names:
        try:
            import_module(name)
        except ImportError:
            missing.append(name)
    return missing


# -- the run ------------------------------------------------------------------------------


def _plan(options: argparse.Namespace) -> Plan:
    """Read the data and what is asked of them."""
    settings = Settings(
        options.dataset or Path(options.table).name,
        options.repeats,
        options.budget,
        options.seed,
        options.max_iter,
        0.0,
        0.0,
        bound_iter=options.bound_iter,
        lambda0=options.lambda0,
        bounds_of=options.bounds_of,
        bound_seconds=options.bound_seconds,
    )
    attacks = tuple(one for one in ATTACKS if one in (options.attack or ATTACKS))
    extras = not options.no_bound, not options.no_remedies
    threat = Threat(attacks, options.targets, options.sources, *extras)
    penalties = options.lambda1, options.lambda2
    if options.table is None:
        return plan_dataset(options.dataset, options.data_home, settings, threat, penalties)
    asked = Asked(*(getattr(options, name) for name in Asked._fields))
    frame = read_table(str(Path(options.table).expanduser()))
    prepared = prepare(*split_table(frame, options.target, options.node, asked), asked)
    return plan_table(settings.dataset, prepared, settings, threat, penalties)


def _run(plan: Plan, n_jobs: int) -> tuple[list[list[Result]], bool]:
    """Do pieces of work under a progress bar: the results of each, and whether that was all."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    results: list[list[Result]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    progress = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
    task = progress.add_task("fits, attacks and bounds", total=len(plan.work))
    # older versions of rich end even a disabled bar by an empty line
    with progress if console.is_terminal else nullcontext(), suppress(KeyboardInterrupt):
        for done in run(plan, n_jobs):
            results.append(done)
            progress.advance(task)
    return results, len(results) == len(plan.work)


# -- files --------------------------------------------------------------------------------


def write_files(folder: Path, contents: dict[str, bytes]) -> list[Path]:
    """Write files whole or not at all, all of them before the first is put in its place.

    Parameters
    ----------
    folder : Path
        Where to; made if it is not there.
    contents : dict of str to bytes
        The files by name.

    Returns
    -------
    paths : list of Path
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {folder / name: content for name, content in contents.items()}
    write_whole({path: partial(_write, content) for path, content in paths.items()})
    return list(paths)


def _write(content: bytes, file: BinaryIO) -> None:
    file.write(content)
