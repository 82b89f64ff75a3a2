"""The console command ``skfedmtl``; ``skfedmtl report`` measures attacks and shows what they do."""

import argparse
import io
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from skfedmtl._report.data import DATASETS, Data, is_classification
from skfedmtl._report.experiment import Result, Settings, pieces, run_piece
from skfedmtl._report.tables import Rows, print_tables, summarise, to_csv
from skfedmtl._tools.files import why_unwritable, write_whole

FILES = ("report.csv", "report.png")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the console command.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    code : int
        Exit code: 0, 1 if the files could not be written, 2 if the command could not start,
        130 after Ctrl-C. Wrong options leave by ``SystemExit`` with code 2.
    """
    options = _parser().parse_args(argv)
    try:
        return _report(options)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)


def _report(options: argparse.Namespace) -> int:
    if missing := _missing_packages():
        return _fail(f'the report needs {" and ".join(missing)}: pip install "skfedmtl[report]"', 2)
    dataset = DATASETS[options.dataset]
    try:
        data = dataset.load(options.data_home)
    except OSError as error:
        return _fail(f"{error}\nThe option for the folder is --data-home.", 2)
    settings = Settings(
        options.dataset,
        options.repeats,
        options.budget,
        options.seed,
        options.max_iter,
        dataset.lambda1 if options.lambda1 is None else options.lambda1,
        dataset.lambda2 if options.lambda2 is None else options.lambda2,
        dataset.loss if is_classification(data[1]) else "squared_error",
        options.bound_iter,
    )
    results = _run(data, settings, options.n_jobs)
    rows = summarise(results, settings, dataset.unit)
    header = _header(data, settings, results)
    print_tables(rows, header, is_classification(data[1]))
    for message in dict.fromkeys(text for result in results for text in result.warnings):
        print(f"warning: {message}", file=sys.stderr)
    try:
        paths = write_files(
            Path(options.output).expanduser(),
            {FILES[0]: to_csv(rows), FILES[1]: _png(rows, header)},
        )
    except OSError as error:
        return _fail(f"--output: {error}", 1)
    for path in paths:
        print(path)
    return 0


def _fail(message: str, code: int) -> int:
    print(f"skfedmtl report: error: {message}", file=sys.stderr)
    return code


def _missing_packages() -> list[str]:
    missing = []
    for name in ("matplotlib", "rich"):
        try:
            import_module(name)
        except ImportError:
            missing.append(name)
    return missing


# -- options ------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="skfedmtl", description="Federated multi-task learning.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"skfedmtl {version('skfedmtl')}")
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser(
        "report",
        help="measure data poisoning attacks on a data set",
        description=(
            "Fit a federated multi-task model, attack half of its nodes in six ways, and write "
            "tables and a figure of what that does to their test errors, and of the most that any "
            "attack could do to their training loss."
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = report.add_argument
    add("--dataset", choices=DATASETS, default="flights", help="the data set")
    add("--repeats", type=_whole(1), default=3, help="splits and draws of target nodes")
    add(
        "--budget",
        type=_number(0.0),
        default=0.2,
        help="rows injected into a source node, as a share of its rows",
    )
    add("--seed", type=_whole(0, 2**32 - 1), default=0, help="seed of all draws")
    add("--max-iter", type=_whole(0), default=15, help="steps of an optimised attack at most")
    add("--bound-iter", type=_whole(1), default=200, help="steps of a descent to a low bound")
    add("--lambda1", type=_number(0.0), help="tie between the nodes; None: the data set's own")
    add("--lambda2", type=_positive, help="ridge penalty; None: the data set's own")
    add("--n-jobs", type=_jobs, default=2, help="processes; -1: as many as cores")
    add("--output", type=_folder, default="skfedmtl-report", help="folder of the files written")
    add(
        "--data-home",
        type=_nonempty,
        help="folder where data sets outside the package are kept; None: that of the fetchers",
    )
    return parser


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


# -- the run ------------------------------------------------------------------------------


def _run(data: Data, settings: Settings, n_jobs: int) -> list[Result]:
    """Do all pieces of work under a progress bar."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    work = pieces(settings.repeats)
    parallel = Parallel(n_jobs=n_jobs, return_as="generator", batch_size=1)
    console = Console(stderr=True)
    results: list[Result] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    progress = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
    task = progress.add_task("fits, attacks and bounds", total=len(work))
    # older versions of rich end even a disabled bar by an empty line
    with progress if console.is_terminal else nullcontext():
        for done in parallel(delayed(run_piece)(piece, *data, settings) for piece in work):
            results += done
            progress.advance(task)
    return results


def _header(data: Data, settings: Settings, results: list[Result]) -> tuple[str, str, str]:
    """What was done: the data set, the data, the settings."""
    dataset = DATASETS[settings.dataset]
    X, _, nodes = data
    n_targets = next(int(r.targets.sum()) for r in results if r.targets is not None)
    repetitions = "1 repetition" if settings.repeats == 1 else f"{settings.repeats} repetitions"
    return (
        f"Data poisoning: {dataset.title}",
        f"{len(np.unique(nodes))} {dataset.nodes}, {n_targets} of them attacked; "
        f"{X.shape[0]} rows, {X.shape[1]} features",
        f"budget {100 * settings.budget:g} % of the sources' rows, {repetitions}, "
        f"{settings.loss.replace('_', ' ')}, "
        f"lambda1 = {settings.lambda1:g}, lambda2 = {settings.lambda2:g}",
    )


# -- files --------------------------------------------------------------------------------


def _png(rows: Rows, header: Sequence[str]) -> bytes:
    from skfedmtl._report.figure import draw

    image = io.BytesIO()
    draw(rows, header).savefig(image, format="png", dpi=150)
    return image.getvalue()


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
