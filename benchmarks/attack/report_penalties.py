"""How `skfedmtl report` came by its penalties: lambda1 by cross-validation of training rows.

For each data set of the report, the training rows of the default run's three repetitions are split
into three folds (`NodeKFold`). Each lambda1 is fitted to two of them and judged on the third: mean
error over nodes, in percent or in units of the target, and for classes the mean AUC, in which a
model that is constant to within its certificate counts as 0.5. No test row is seen.

How to read the table
    error, AUC   mean over repetitions and folds, with the standard error of one repetition's
                 folds: all repetitions are of the same rows, and no more independent than these
    constant     share of nodes whose model is constant
    chosen       the largest lambda1 whose error, on landmine whose AUC, is within one standard
                 error of the best
    report       what `skfedmtl report` takes

Landmine is tried with the hinge, too, which the report leaves.

    python benchmarks/attack/report_penalties.py [--output DIR] [--data-home DIR] [--data NAME ...]
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import make_parser, print_table, write_csv

from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl._report.data import DATASETS, is_classification
from skfedmtl._report.experiment import _constant, score_nodes, split_rows
from skfedmtl.model_selection import NodeKFold

LAMBDA1S = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
N_REPEATS, N_FOLDS = 3, 3
TOL = 1e-6
BY_AUC = "landmine"


def folds(X, y, nodes):
    """Training rows of each repetition of the default run, split once more."""
    seeds = np.random.SeedSequence(0).generate_state(2 * N_REPEATS)[::2]
    for seed in seeds.tolist():
        whole = split_rows(X, y, nodes, seed)
        cv = NodeKFold(N_FOLDS, shuffle=True, random_state=0)
        for train, test in cv.split(whole.X, whole.y, nodes=whole.nodes):
            yield whole._replace(
                X=whole.X[train],
                X_test=whole.X[test],
                y=whole.y[train],
                y_test=whole.y[test],
                nodes=whole.nodes[train],
                nodes_test=whole.nodes[test],
            )


def measure(split, dataset, loss, lambda1):
    """Scores and share of constant models, by name."""
    options = {"lambda1": lambda1, "lambda2": dataset.lambda2, "tol": TOL, "random_state": 0}
    classify = is_classification(split.y)
    model = FMTLClassifier(loss=loss, **options) if classify else FMTLRegressor(**options)
    model.fit(split.X, split.y, nodes=split.nodes)
    scores = {
        "error" if name == "rmse" else name: float(np.nanmean(values))
        for name, values in score_nodes(model, split).items()
    }
    return {"auc": np.nan, **scores, "constant": float(np.mean(_constant(model, split)))}


def rows_of(name, loss, data_home):
    """A row a lambda1, the chosen one marked."""
    dataset = DATASETS[name]
    X, y, nodes = dataset.load(None if data_home is None else str(data_home))
    splits = list(folds(X, y, nodes))
    rows = []
    for lambda1 in LAMBDA1S:
        results = [measure(split, dataset, loss, lambda1) for split in splits]
        kind = loss if is_classification(y) else "squared_error"
        row = {"data": name, "loss": kind, "lambda1": lambda1}
        for key in ("error", "auc", "constant"):
            values = np.array([result[key] for result in results])
            row[key] = float(values.mean())
            if key != "constant":
                row[f"{key}_se"] = float(values.std(ddof=1) / np.sqrt(N_FOLDS))
        rows.append(row)
    key, sign = ("auc", -1.0) if name == BY_AUC else ("error", 1.0)
    best = min(rows, key=lambda row: sign * row[key])
    limit = sign * best[key] + best[f"{key}_se"]
    chosen = max(row["lambda1"] for row in rows if sign * row[key] <= limit)
    for row in rows:
        row["chosen"] = row["lambda1"] == chosen
        row["report"] = row["lambda1"] == dataset.lambda1 and loss == dataset.loss
    return rows


def main():
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--data", nargs="+", choices=DATASETS, default=list(DATASETS))
    arguments = parser.parse_args()
    columns = {
        "data": "s",
        "loss": "s",
        "lambda1": "g",
        "error": ".3f",
        "error_se": ".3f",
        "auc": ".3f",
        "auc_se": ".3f",
        "constant": ".2f",
        "chosen": "",
        "report": "",
    }
    rows = []
    for name in arguments.data:
        losses = [DATASETS[name].loss]
        if name == BY_AUC:
            losses.append("hinge")
        for loss in losses:
            rows += rows_of(name, loss, arguments.data_home)
    print_table(columns, rows)
    write_csv(arguments.output / "report_penalties.csv", rows)


if __name__ == "__main__":
    main()
