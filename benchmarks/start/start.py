"""Seconds until a fresh process shows a help text or has imported a part of the package.

CPU seconds of the process, children included; medians of five. An editable install looks for
changed sources at import: install a wheel for figures without that.

    python benchmarks/start/start.py [--output DIR] [--repeats N]
"""

import resource
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import at_least_one, make_parser, print_table, write_csv

MAIN = "import sys; from skfedmtl._console import main; main(sys.argv[1:])"
CALLS = {
    "python alone": ("pass",),
    "import numpy": ("import numpy",),
    "import sklearn.linear_model": ("import sklearn.linear_model",),
    "import skfedmtl": ("import skfedmtl",),
    "skfedmtl --help": (MAIN, "--help"),
    "skfedmtl report --help": (MAIN, "report", "--help"),
    "skfedmtl node --help": (MAIN, "node", "--help"),
    "FederatedNode": ("from skfedmtl.federation import FederatedNode",),
    "FMTLClassifier": ("from skfedmtl import FMTLClassifier",),
    "PoisoningAttacker": ("from skfedmtl import PoisoningAttacker",),
    "FMTLClassifierCV": ("from skfedmtl import FMTLClassifierCV",),
    "attack_report": ("from skfedmtl.report import attack_report",),
}
COLUMNS = {"what": "s", "seconds": ".3f"}


def seconds(call):
    """Of the processor, for one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-P", "-c", *call], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main(argv=None):
    """Measure, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--repeats", type=at_least_one, default=5, help="processes (default: 5)")
    arguments = parser.parse_args(argv)
    rows = [
        {
            "what": what,
            "seconds": statistics.median(seconds(call) for _ in range(arguments.repeats)),
        }
        for what, call in CALLS.items()
    ]
    print_table(COLUMNS, rows)
    write_csv(arguments.output / "start.csv", rows)


if __name__ == "__main__":
    main()
