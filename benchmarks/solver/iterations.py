"""Iterations of the splitting alone, as each penalty goes from next to nothing to very strong.

The estimators with ``tol=0``, which is the splitting without any second-order step, for 300
iterations; ``relationship="learned"``, the four losses. lambda2 goes from 1e-6 to 1 at
lambda1 = 1e-2, lambda1 from 1e-4 to 1 at lambda2 = 1e-5.

The rows
    139x60x27 ...   made: nodes x rows of a node x features, see ``_common.related_rows``
    heart_disease   z-scores; of the squared error, the classes are numbers

How to read the table
    1e-4, 1e-6    iterations until the relative gap ``(P - D) / P`` of the best P and D so far was
                  at most that; blank if it was not after 300
    gap           at the end

The figure has a row for each set of rows, a column for each penalty; an open mark at the top has
not arrived. It needs matplotlib. Finished runs are kept in the CSV file and not made again.

    python benchmarks/solver/iterations.py [--data-home DIR] [--output DIR] [--only DATA ...]
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _cells import run_cells
from _common import load_named, make_parser, print_table

from skfedmtl import FMTLClassifier, FMTLRegressor

DATA = ("139x60x27", "20x50x255", "heart_disease")
LOSSES = ("squared_error", "hinge", "squared_hinge", "logistic")
LAMBDA1, LAMBDA2 = 1e-2, 1e-5  #: of either, while the other is varied
VARIED = {  # the penalty -> its pairs
    "lambda2": [(LAMBDA1, 10.0**power) for power in range(-6, 1)],
    "lambda1": [(10.0**power, LAMBDA2) for power in range(-4, 1)],
}
MAX_ITER = 300
TARGETS = ("1e-4", "1e-6")
CELL = ("data", "loss", "lambda1", "lambda2")
KEPT = {"whole": TARGETS, "real": ("lambda1", "lambda2", "gap")}
COLUMNS = {
    "data": "s",
    "loss": "s",
    "lambda1": "g",
    "lambda2": "g",
    **dict.fromkeys(TARGETS, "d"),
    "gap": ".1e",
}
STYLES = {  # colours that remain apart without red or green
    "squared_error": ("#000000", "o"),
    "hinge": ("#d55e00", "^"),
    "squared_hinge": ("#e69f00", "v"),
    "logistic": ("#3182bd", "s"),
}
LINES = dict(zip(TARGETS, ("--", "-"), strict=True))
MISSED = 1.3 * MAX_ITER  #: where marks stand that have not arrived


def compute(cell, data_home):
    """One run: a row of the table."""
    data, loss, lambda1, lambda2 = cell
    X, y, nodes = load_named(data, data_home, regression=loss == "squared_error")
    estimator = FMTLRegressor if loss == "squared_error" else FMTLClassifier
    options = {"loss": loss, "lambda1": lambda1, "lambda2": lambda2, "random_state": 0}
    model = estimator(**options, tol=0.0, max_iter=MAX_ITER).fit(X, y, nodes=nodes)
    history = model.history_
    gap = (history["objective"] - history["dual_objective"]) / history["objective"]
    row = dict(zip(CELL, cell, strict=True)) | dict.fromkeys(TARGETS, "") | {"gap": gap[-1]}
    for target in TARGETS:
        if gap[-1] <= float(target):
            row[target] = int(np.argmax(gap <= float(target)))
    return row


def draw(rows, path):
    """A row a data set, a column a penalty, a line a loss and gap."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(row["data"] for row in rows))
    size = (9.0, 2.6 * len(names) + 1.0)
    figure, axes = plt.subplots(
        len(names), 2, figsize=size, sharex="col", sharey=True, squeeze=False
    )
    for name, line in zip(names, axes, strict=True):
        for axis, (varied, pairs) in zip(line, VARIED.items(), strict=True):
            for loss in LOSSES:
                wanted = {(name, loss, *pair) for pair in pairs}
                own = [row for row in rows if tuple(row[key] for key in CELL) in wanted]
                _draw_loss(axis, sorted(own, key=lambda row: row[varied]), varied, loss)
            axis.set(xscale="log", yscale="log", title=name.replace("_", " "))
            axis.set_yticks(ticks := (3, 10, 30, 100, 300), ticks)
            axis.tick_params(axis="y", which="minor", left=False, labelleft=False)
            axis.grid(alpha=0.25)
        line[0].set_ylabel("iterations")
    axes[-1, 0].set_xlabel(f"lambda2, lambda1 = {LAMBDA1:g}")
    axes[-1, 1].set_xlabel(f"lambda1, lambda2 = {LAMBDA2:g}")
    marks = [
        plt.Line2D([], [], color=colour, marker=mark, label=loss.replace("_", " "))
        for loss, (colour, mark) in STYLES.items()
    ]
    marks += [
        plt.Line2D([], [], color="0.4", ls=line, label=f"to {target}")
        for target, line in LINES.items()
    ]
    figure.legend(handles=marks, loc="lower center", ncols=len(marks), frameon=False)
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"wrote {path}")


def _draw_loss(axis, rows, varied, loss):
    """Both gaps of one loss."""
    colour, mark = STYLES[loss]
    penalties = np.array([row[varied] for row in rows])
    for target, line in LINES.items():
        counts = np.array([float(row.get(target) or MISSED) for row in rows])
        axis.plot(penalties, counts, line, color=colour, lw=1.4)
        for arrived, face in ((counts < MISSED, colour), (counts == MISSED, "white")):
            own = penalties[arrived], counts[arrived]
            axis.plot(*own, mark, color=colour, markerfacecolor=face, ms=5)


def main(argv=None):
    """Run, print, write and draw."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--only", nargs="+", choices=DATA, default=list(DATA), metavar="DATA")
    arguments = parser.parse_args(argv)
    pairs = dict.fromkeys(pair for some in VARIED.values() for pair in some)
    cells = [(data, loss, *pair) for data in arguments.only for loss in LOSSES for pair in pairs]
    path = arguments.output / "iterations.csv"
    rows = run_cells(compute, cells, CELL, path, arguments.data_home, kept=KEPT)
    shown = [{key: value for key, value in row.items() if value != ""} for row in rows]
    print_table(COLUMNS, shown)
    draw(rows, path.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
