"""Seconds of joint fits beside those of the same nodes fitted one by one, from weak to strong ties.

The joint fit is ``solver="splitting"`` with a learned relationship, to a relative gap; its peer is
scikit-learn on every node: `Ridge`, `LinearSVC` with the same loss, or liblinear's
`LogisticRegression`, with the same loss and lambda2, to a tolerance of its own. Both get the same
rows in the same process, on one thread; a time is the median of ``--repeats`` calls, CPU seconds.

How to read the table
    tol         the gap asked for
    peer tol    of the peer's own rule; Ridge has none
    gap         ``(P - D) / P`` of the last fit, computed here from its attributes alone
    ratio       seconds over the peer's

Exit status 1 if a gap exceeds what was asked for.

    python benchmarks/solver/alone.py [--data-home DIR] [--output DIR] [--repeats N]
"""

import statistics
import sys
import time
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _certificate import Learned, Problem
from _common import at_least_one, load_named, make_parser, print_table, write_csv
from _peers import fit_independent
from engines import CLASSES, WEAK, Cell
from threadpoolctl import threadpool_limits

from skfedmtl import FMTLClassifier, FMTLRegressor

EVEN = 1e-3, 1e-3
PEER_TOL = 1e-4  #: of the peers' own rules, or as small as the gap asked for
COLUMNS = {
    "data": "s",
    "loss": "s",
    "lambda1": "g",
    "lambda2": "g",
    "tol": ".0e",
    "peer tol": ".0e",
    "seconds": ".4f",
    "peer seconds": ".4f",
    "ratio": ".2f",
    "gap": ".1e",
    "rounds": "d",
}


CELLS = (
    *(
        Cell("139x60x27", "squared_error", *pair, 1e-6)
        for pair in product((1e-4, 1e-2, 1), (1e-6, 1e-4, 1e-2, 1))
    ),
    *(Cell("20x50x255", loss, *EVEN, 1e-6) for loss in ("squared_error", *CLASSES)),
    *(Cell("human_activity", loss, *pair, 1e-3) for pair in (EVEN, WEAK) for loss in CLASSES),
)


def median_cpu_seconds(function, repeats):
    """Of so many calls, and what the last one returned."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), result


def measure(cell, rows, repeats):
    """A row of the table."""
    X, y, nodes = rows
    penalties = {"lambda1": cell.lambda1, "lambda2": cell.lambda2}
    estimator = FMTLRegressor if cell.loss == "squared_error" else FMTLClassifier
    model = estimator(loss=cell.loss, tol=cell.tol, **penalties)
    seconds, model = median_cpu_seconds(lambda: model.fit(X, y, nodes=nodes), repeats)
    peer_tol = min(PEER_TOL, cell.tol)
    alone, _ = median_cpu_seconds(
        lambda: fit_independent(*rows, cell.loss, lambda2=cell.lambda2, tol=peer_tol), repeats
    )
    P, gap = Problem(*rows, cell.loss, Learned(**penalties)).gap(model)
    found = {
        "peer tol": peer_tol,
        "seconds": seconds,
        "peer seconds": alone,
        "ratio": seconds / alone,
    }
    return {**cell._asdict(), **found, "gap": gap / P, "rounds": model.n_iter_}


def main(argv=None):
    """Fit, print and write; exit status 1 if a gap exceeds what was asked for."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument(
        "--repeats", type=at_least_one, default=5, help="calls timed a row (default: 5)"
    )
    arguments = parser.parse_args(argv)
    table = []
    for cell in CELLS:
        numbers = cell.loss == "squared_error"
        rows = load_named(cell.data, arguments.data_home, regression=numbers)
        with threadpool_limits(1):
            table.append(measure(cell, rows, arguments.repeats))
    print_table(COLUMNS, table)
    write_csv(arguments.output / "alone.csv", table)
    return 1 if any(row["gap"] > row["tol"] for row in table) else 0


if __name__ == "__main__":
    sys.exit(main())
