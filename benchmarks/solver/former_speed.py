"""The rows of `speed.py` by the present package and by a former commit's, in turn.

The former commit is taken from the git history of this clone, compiled and installed in a temporary
folder; the present package is the one that is installed. Every data set and loss has a process of
each, with one thread, and both fit in turn, so that whatever else the machine does falls on both:
a fit that is not counted, then ``--repeats`` pairs of measurements of at least 0.05 seconds. Time
is that of the processor. All options are those of `speed.py`; ``solver`` is the default of either
package. A row above 1.1 is measured anew, with three times as many pairs, and the new figures are
its own.

The rows are those of ours in ``results/speed.csv``, and the independent fits, which owe nothing to
either package: their ratios show the noise.

How to read the table
    former s, s     the median of the former and of the present fits
    ratio           the median of present over former seconds, pair by pair
    low, high       its quartiles
    former gap, gap ``(P - D) / P`` of the last fit, computed from its attributes alone

Exit status 1 if a ratio of ours is above 1.1.

    python benchmarks/solver/former_speed.py [--data-home DIR] [--output DIR] [--commit COMMIT]
                                             [--data NAME ...] [--repeats N]
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _cells import read_rows
from _common import at_least_one, make_parser, print_table, write_csv
from _former import COMMIT, check_package, environment, install
from speed import COLUMNS as SPEED_COLUMNS
from speed import DATA

RESULTS = Path(__file__).with_name("results")
WORKER = Path(__file__).with_name("_speed_fit.py")
SLOWER = 1.1  #: the ratio above which a row is looked at twice,
MORE = 3  #: with so many times as many pairs
AT_LEAST = 0.05  #: seconds of a measurement
OURS, INDEPENDENT = "skfedmtl", "independent"
CELL = ("data", "loss", "problem", "method", "asked")
COLUMNS = {
    **{name: SPEED_COLUMNS[name] for name in CELL},
    "former s": ".4f",
    "s": ".4f",
    "ratio": ".2f",
    "low": ".2f",
    "high": ".2f",
    "former gap": ".1e",
    "gap": ".1e",
    "former rounds": "d",
    "rounds": "d",
}


class Side:
    """A process that fits one data set and loss by one of the packages."""

    def __init__(self, name, loss, data_home, site):
        command = [sys.executable, WORKER, name, loss, *([data_home] if data_home else [])]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, env=environment(site), **pipes)
        check_package(self._read()["package"], site)

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{WORKER.name} has ended")
        return json.loads(line)

    def measure(self, row, calls):
        """Seconds of one fit, its gap and its rounds."""
        one = {"problem": row["problem"], "asked": row.get("asked"), "calls": calls}
        print(json.dumps(one), file=self._process.stdin, flush=True)
        return self._read()

    def close(self):
        self._process.communicate()


def compare(row, sides, repeats):
    """A row of the table: one measurement of either side after the other."""
    first = [side.measure(row, 1) for side in sides]
    calls = [math.ceil(AT_LEAST / found["seconds"]) for found in first]
    pairs = [
        [side.measure(row, count) for side, count in zip(sides, calls, strict=True)]
        for _ in range(repeats)
    ]
    seconds = np.array([[found["seconds"] for found in pair] for pair in pairs])
    low, ratio, high = np.quantile(seconds[:, 1] / seconds[:, 0], (0.25, 0.5, 0.75))
    cells = {key: row[key] for key in CELL if key in row}
    for prefix, found, median in zip(
        ("former ", ""), pairs[-1], np.median(seconds, axis=0), strict=True
    ):
        cells[f"{prefix}s"] = median
        cells |= {f"{prefix}{key}": found[key] for key in ("gap", "rounds") if key in found}
    return cells | {"ratio": ratio, "low": low, "high": high}


def compare_all(rows, site, data_home, repeats):
    """The rows of one data set and loss; what seems slower is measured anew."""
    name, loss = rows[0]["data"], rows[0]["loss"]
    sides = [Side(name, loss, data_home, where) for where in (site, None)]
    try:
        for row in rows:
            found = compare(row, sides, repeats)
            again = found["ratio"] > SLOWER
            yield compare(row, sides, MORE * repeats) if again else found
    finally:
        for side in sides:
            side.close()


def main(argv=None):
    """Install, fit, print and write; exit status 1 if a row of ours is slower."""
    parser = make_parser(__doc__, RESULTS)
    parser.add_argument("--commit", default=COMMIT, help=f"the former one (default: {COMMIT})")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA), metavar="NAME")
    parser.add_argument("--repeats", type=at_least_one, default=5, help="pairs (default: 5)")
    arguments = parser.parse_args(argv)
    groups = {}
    for row in read_rows(RESULTS / "speed.csv", real=("asked",)):
        if row["data"] in arguments.data and row["method"] in (OURS, INDEPENDENT):
            groups.setdefault((row["data"], row["loss"]), []).append(row)
    table = []
    with tempfile.TemporaryDirectory() as folder:
        site = install(arguments.commit, Path(folder))
        for names, rows in groups.items():
            print("fitting", *names, "...", file=sys.stderr, flush=True)
            table += compare_all(rows, site, arguments.data_home, arguments.repeats)
            write_csv(arguments.output / "former_speed.csv", table, silent=True)
    print_table(COLUMNS, table)
    ours = [row for row in table if row["method"] == OURS]
    slower = [row for row in ours if row["ratio"] > SLOWER]
    print(f"\n{len(slower)} of {len(ours)} rows of ours above {SLOWER}")
    if slower:
        print_table(COLUMNS, slower)
    print(f"wrote {arguments.output / 'former_speed.csv'}")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
