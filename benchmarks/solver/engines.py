"""Seconds of the present solver beside those of a former commit, which is installed for it.

The former commit is taken from the git history of this clone, compiled and installed in a temporary
folder; the present package is the one that is installed. Both fit the same rows, the former first,
every problem in a process of its own with one thread: a fit of one round that is not counted, then
``--repeats`` fits whose median is taken, wall clock. ``relationship="learned"`` and everything else
default. After ``--limit`` seconds a process is ended; what it has finished by then counts.

The rows
    139x60x27 ...   made: nodes x rows of a node x features, see ``_common.related_rows``
    human_activity, landmine: z-scores

How to read the table
    asked           the relative gap asked for; at most 1000 rounds
    former s, s     the median of the former and of the present fits; blank if none has ended
    former gap, gap of the last fit, ``(P - D) / P``, computed here from ``coef_``, ``intercept_``
                    and ``dual_coef_`` alone; larger than asked where a fit was out of rounds
    rounds          of the last fit
    x               former seconds over present ones: "> x" if the former did not end in time

Exit status 1 if a gap of the present fits exceeds what was asked for.

    python benchmarks/solver/engines.py [--data-home DIR] [--output DIR] [--commit COMMIT]
                                        [--only DATA ...] [--repeats N] [--limit SECONDS]
"""

import json
import statistics
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import at_least_one, make_parser, print_table, write_csv
from _former import COMMIT, check_package, environment, install

WORKER = Path(__file__).with_name("_engine_fit.py")
COLUMNS = {
    "data": "s",
    "loss": "s",
    "lambda1": "g",
    "lambda2": "g",
    "asked": ".0e",
    "former s": ".3f",
    "former gap": ".1e",
    "former rounds": "d",
    "s": ".3f",
    "gap": ".1e",
    "rounds": "d",
    "x": ">s",
}


class Cell(NamedTuple):
    """One problem, and the gap asked for."""

    data: str
    loss: str
    lambda1: float
    lambda2: float
    tol: float


WEAK = 1e-2, 1e-5
CLASSES = ("hinge", "squared_hinge", "logistic")
CELLS = (
    *(Cell("139x60x27", "squared_error", 1e-2, lambda2, 1e-6) for lambda2 in (1, 1e-2, 1e-4, 1e-6)),
    *(Cell("20x50x255", loss, 1e-3, 1e-3, 1e-6) for loss in ("squared_error", *CLASSES)),
    *(Cell("1000x20x30", loss, *WEAK, 1e-4) for loss in ("squared_error", "hinge", "logistic")),
    *(
        Cell("human_activity", loss, *pair, 1e-3)
        for loss, pair in product(CLASSES, ((1e-3, 1e-3), WEAK))
    ),
    Cell("landmine", "hinge", *WEAK, 1e-8),
)
DATA = tuple(dict.fromkeys(cell.data for cell in CELLS))


def fit(cell, repeats, limit, data_home, site=None):
    """Seconds, gap and rounds of the fits that ended in time; empty if none did."""
    one = {**cell._asdict(), "repeats": repeats, "data_home": data_home and str(data_home)}
    command = [sys.executable, WORKER, json.dumps(one)]
    options = {"env": environment(site), "stdout": subprocess.PIPE, "check": True}
    try:
        output = subprocess.run(command, timeout=limit, **options).stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
    whole = output[: output.rfind(b"\n") + 1]
    first, *done = [json.loads(line) for line in whole.splitlines()] or [{}]
    if first:
        check_package(first["package"], site)
    if not done:
        return {}
    return {**done[-1], "seconds": statistics.median(line["seconds"] for line in done)}


def measure(cell, site, arguments):
    """A row of the table."""
    former, present = (
        fit(cell, arguments.repeats, arguments.limit, arguments.data_home, where)
        for where in (site, None)
    )
    row = {**cell._asdict(), "asked": cell.tol}
    del row["tol"]
    for prefix, found in (("former ", former), ("", present)):
        names = {"seconds": f"{prefix}s", "gap": f"{prefix}gap", "rounds": f"{prefix}rounds"}
        row |= {names[key]: value for key, value in found.items()}
    if present:
        sign = "" if former else "> "
        row["x"] = f"{sign}{former.get('seconds', arguments.limit) / present['seconds']:.3g}"
    return row | {"former commit": arguments.commit}


def main(argv=None):
    """Install, fit, print and write; exit status 1 if a present gap exceeds what was asked for."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--commit", default=COMMIT, help=f"the former one (default: {COMMIT})")
    parser.add_argument("--only", nargs="+", choices=DATA, default=list(DATA), metavar="DATA")
    parser.add_argument(
        "--repeats", type=at_least_one, default=3, help="fits timed a problem (default: 3)"
    )
    parser.add_argument(
        "--limit", type=float, default=60.0, metavar="SECONDS", help="of a process (default: 60)"
    )
    arguments = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        site = install(arguments.commit, Path(folder))
        for cell in CELLS:
            if cell.data in arguments.only:
                print("fitting", *cell, "...", file=sys.stderr, flush=True)
                rows.append(measure(cell, site, arguments))
                write_csv(arguments.output / "engines.csv", rows, silent=True)
    print_table(COLUMNS, rows)
    missed = [row for row in rows if not row.get("gap", float("inf")) <= row["asked"]]
    print(f"{len(missed)} of {len(rows)} present gaps above what was asked for")
    print(f"wrote {arguments.output / 'engines.csv'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
