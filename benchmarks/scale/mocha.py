"""CPU seconds of fits by ``solver="mocha"`` to a gap of 1e-3 as nodes grow.

Generated nodes of one kind, 20 rows of 20 features each, whose true weights have rank 3; lambda1 =
lambda2 = 1e-3, the relationship learned, the hinge and squared error. Every fit has a process of
its own, which makes a small fit first so that nothing is loaded later.

How to read the table
    seconds      CPU seconds of a ``fit``, one thread
    rounds       to the gap: more nodes that are alike need fewer
    us/round     microseconds of a round, a node
    power        of the nodes with which seconds have grown since the line before

    python benchmarks/scale/mocha.py [--output DIR] [--nodes N ...] [--losses NAME ...]

Kept here: ``--losses squared_error``, and ``--losses hinge --nodes 100 1000`` in ``results/hinge``.
"""

import sys
import time
from math import log
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import (
    LAMBDA1,
    LAMBDA2,
    at_least_one,
    make_parser,
    print_table,
    related_rows,
    write_csv,
)
from _timing import in_fresh_process

from skfedmtl import FMTLClassifier, FMTLRegressor

N_ROWS = N_FEATURES = 20
TOL, MAX_ITER = 1e-3, 1000
ESTIMATORS = {"hinge": FMTLClassifier, "squared_error": FMTLRegressor}
COLUMNS = {
    "loss": "s",
    "nodes": "d",
    "seconds": ".2f",
    "rounds": "d",
    "us/round": ".0f",
    "gap": ".1e",
    "power": ".2f",
}


def fit(loss, n_nodes):
    """One line of the table; runs in a process of its own."""
    regression = loss == "squared_error"
    options = {"lambda1": LAMBDA1, "lambda2": LAMBDA2, "tol": TOL, "max_iter": MAX_ITER}
    model = ESTIMATORS[loss](solver="mocha", random_state=0, **options)
    X, y, nodes = related_rows(5, N_ROWS, N_FEATURES, regression=regression)
    model.fit(X, y, nodes=nodes)
    X, y, nodes = related_rows(n_nodes, N_ROWS, N_FEATURES, regression=regression)
    start = time.process_time()
    model.fit(X, y, nodes=nodes)
    seconds = time.process_time() - start
    return {
        "loss": loss,
        "nodes": n_nodes,
        "seconds": seconds,
        "rounds": model.n_iter_,
        "us/round": 1e6 * seconds / model.n_iter_ / n_nodes,
        "gap": model.dual_gap_ / model.objective_,
    }


def main(argv=None):
    """Fit, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--nodes", nargs="+", type=at_least_one, default=[100, 1_000, 10_000])
    parser.add_argument("--losses", nargs="+", choices=ESTIMATORS, default=list(ESTIMATORS))
    arguments = parser.parse_args(argv)
    rows = []
    for loss in arguments.losses:
        before = None
        for n_nodes in arguments.nodes:
            print(f"{loss}, {n_nodes} nodes ...", file=sys.stderr, flush=True)
            row = in_fresh_process(fit, loss, n_nodes)
            if before is not None:
                growth = log(n_nodes / before["nodes"])
                row["power"] = log(row["seconds"] / before["seconds"]) / growth
            rows.append(row)
            before = row
    print_table(COLUMNS, rows)
    write_csv(arguments.output / "mocha.csv", rows)


if __name__ == "__main__":
    main()
