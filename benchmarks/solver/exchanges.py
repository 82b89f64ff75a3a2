"""Exchanges and megabytes of the federated methods, from weak to strong penalties.

Every feature is turned into z-scores over all rows (heart disease: missing values become medians
first); ``relationship="learned"``; classes by the hinge and the logistic loss, numbers by squared
error. All methods solve the same problem with the same coordinate steps in the nodes, thirty
epochs an exchange, and are judged by their relative duality gap ``(P - D) / P``, with the best P
and D so far. One run each; the order of the rows is drawn.

The methods
    splitting  ``solver="splitting", local_epochs=30`` of the estimators
    mocha      ``solver="mocha", local_epochs=30``
    plain      MOCHA's own rule: the curvature ``g (1/2) B_ll``, and answers that are added up

How to read the table
    1e-3           exchanges until the gap was at most 1e-3; blank if the run ended before
    MB 1e-3        megabytes until then, over all nodes and both ways, at 8 bytes a number; the
                   certificate's numbers are counted too
    rounds, gap    where the run ended
    ended          why: ``gap``, it was at most 1e-4; ``rounds``, there were 300; ``time``, they had
                   taken ``--limit`` seconds, which depends on the machine
    skipped        there was no run: on human activity, if a method ran out of rounds or time with
                   the same loss at (1e-3, 1e-3), and the penalties are weaker

The figure shows exchanges and megabytes to 1e-3, the lines reach from 1e-2 to 1e-4; a method that
has not arrived is an open mark at the right. It needs matplotlib. Finished runs are kept in the
CSV file and not made again.

    python benchmarks/solver/exchanges.py [--data-home DIR] [--output DIR] [--only DATA ...]
                                          [--limit SECONDS]
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _cells import run_cells
from _common import is_regression, load_scaled, make_parser, print_table
from _protocol_peers import Deadline, make_problem, plain_history

from skfedmtl._protocol.problem import Watch
from skfedmtl._solvers.mocha import MochaSolver
from skfedmtl._solvers.schedule import make_schedule
from skfedmtl._solvers.splitting import SplittingSolver

DATA = ("landmine", "heart_disease", "parkinsons_total", "human_activity")
PENALTIES = ((1e-3, 1e-3), (1e-2, 1e-5), (0.1, 0.1))
SOLVERS = {"splitting": SplittingSolver, "mocha": MochaSolver}
METHODS = (*SOLVERS, "plain")
EPOCHS, MAX_ROUNDS = 30.0, 300
TARGETS = ("1e-2", "1e-3", "1e-4")
CELL = ("data", "loss", "lambda1", "lambda2", "method")
KEPT = {
    "whole": (*TARGETS, "rounds"),
    "real": ("lambda1", "lambda2", "gap", *(f"MB {target}" for target in TARGETS)),
}
COLUMNS = {
    "data": "s",
    "loss": "s",
    "lambda1": "g",
    "lambda2": "g",
    "method": "s",
    **dict.fromkeys(TARGETS, "d"),
    **{f"MB {target}": ".3g" for target in TARGETS},
    "rounds": "d",
    "gap": ".1e",
    "ended": "s",
}
MARKS = {"splitting": ("#08306b", "o"), "mocha": ("#3b8bc2", "s"), "plain": ("#d55e00", "^")}
MISSED = 1.6  #: times the largest number of a panel, where those that have not arrived stand


def compute(cell, data_home, limit):
    """One run: a row of the table."""
    data, loss, lambda1, lambda2, method = cell
    X, y, nodes = load_scaled(data, data_home)
    problem = make_problem(data, X, y, nodes, loss=loss, lambda1=lambda1, lambda2=lambda2)
    tol = float(TARGETS[-1])
    if method == "plain":
        options = {"epochs": EPOCHS, "max_rounds": MAX_ROUNDS, "tol": tol, "limit": limit}
        history = plain_history(problem, **options)
    else:
        schedule = make_schedule(EPOCHS, 1.0, np.unique(nodes))
        solver = SOLVERS[method](tol=tol, max_iter=MAX_ROUNDS, schedule=schedule, n_jobs=None)
        watch = Watch(Deadline(limit), None)
        history = problem.solve(solver, np.random.default_rng(0), watch).history
    return dict(zip(CELL, cell, strict=True)) | reached(history)


def reached(history):
    """Exchanges and megabytes to every target, and the end of the run."""
    row = {key: "" for target in TARGETS for key in (target, f"MB {target}")}
    gap = (history["objective"] - history["dual_objective"]) / history["objective"]
    for target in TARGETS:
        if gap[-1] <= float(target):
            first = int(np.argmax(gap <= float(target)))
            row |= {target: first, f"MB {target}": history["bytes_communicated"][first] / 1e6}
    rounds = len(gap) - 1
    arrived = gap[-1] <= float(TARGETS[-1])
    ended = "gap" if arrived else "rounds" if rounds == MAX_ROUNDS else "time"
    return row | {"rounds": rounds, "gap": gap[-1], "ended": ended}


def compute_all(cells, path, data_home, limit):
    """The rows of all cells, those of hopeless ones without a run."""
    hopeless = set()

    def one(cell):
        data, loss, _, lambda2, method = cell
        if (data, loss, method) in hopeless and lambda2 < PENALTIES[0][1]:
            empty = dict.fromkeys((*TARGETS, *(f"MB {target}" for target in TARGETS)), "")
            empty |= {"rounds": "", "gap": "", "ended": "skipped"}
            return dict(zip(CELL, cell, strict=True)) | empty
        return compute(cell, data_home, limit)

    rows = []
    for cell in cells:
        rows = run_cells(one, [cell], CELL, path, kept=KEPT)
        own = next(row for row in rows if all(row[k] == v for k, v in zip(CELL, cell, strict=True)))
        if cell[0] == "human_activity" and own["ended"] != "gap":
            hopeless.add((cell[0], cell[1], cell[-1]))
    return rows


def losses(data):
    """Those that a data set is fitted by."""
    return ("squared_error",) if is_regression(data) else ("hinge", "logistic")


def draw(rows, path):
    """A column a pair of penalties, exchanges above and megabytes below, a line a data set."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    problems = list(dict.fromkeys((row["data"], row["loss"]) for row in rows))
    size = (4.0 * len(PENALTIES) + 1.5, 0.75 * len(problems) + 2.2)
    figure, axes = plt.subplots(
        2, len(PENALTIES), figsize=size, sharey=True, sharex="row", squeeze=False
    )
    for line, (prefix, title) in enumerate((("", "exchanges"), ("MB ", "megabytes"))):
        keys = [prefix + target for target in TARGETS]
        most = MISSED * max(float(row.get(key) or 0.0) for row in rows for key in keys)
        for axis, (lambda1, lambda2) in zip(axes[line], PENALTIES, strict=True):
            for row in rows:
                if (row["lambda1"], row["lambda2"]) == (lambda1, lambda2):
                    place = problems.index((row["data"], row["loss"]))
                    _draw_row(axis, row, place, keys, most)
            axis.set(xscale="log", xlabel=title, ylim=(len(problems) - 0.5, -0.5))
            axis.grid(axis="x", alpha=0.25)
            if not line:
                axis.set_title(f"lambda1 = {lambda1:g}, lambda2 = {lambda2:g}", fontsize=11)
        names = [f"{data.replace('_', ' ')}, {loss.replace('_', ' ')}" for data, loss in problems]
        axes[line, 0].set_yticks(range(len(problems)), names)
    marks = [
        plt.Line2D([], [], color=colour, marker=mark, label=method)
        for method, (colour, mark) in MARKS.items()
    ]
    figure.legend(handles=marks, loc="lower center", ncols=len(marks), frameon=False)
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"wrote {path}")


def _draw_row(axis, row, place, keys, most):
    """One method: from the first to the last target, or an open mark at the right."""
    colour, mark = MARKS[row["method"]]
    height = place + 0.22 * (METHODS.index(row["method"]) - 1)
    ends = [float(row[key]) if row.get(key) else most for key in keys]
    arrived = bool(row.get(keys[1]))
    if bool(row.get(keys[0])):
        axis.plot(ends[::2], [height] * 2, "-", color=colour, lw=1.2, alpha=0.6)
    face = colour if arrived else "white"
    axis.plot(ends[1], height, mark, color=colour, markerfacecolor=face, markersize=6)


def main(argv=None):
    """Run, print, write and draw."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--only", nargs="+", choices=DATA, default=list(DATA), metavar="DATA")
    parser.add_argument(
        "--limit", type=float, default=60.0, metavar="SECONDS", help="of a run (default: 60)"
    )
    arguments = parser.parse_args(argv)
    cells = [
        (data, loss, *pair, method)
        for data in arguments.only
        for loss in losses(data)
        for pair in PENALTIES
        for method in METHODS
    ]
    path = arguments.output / "exchanges.csv"
    rows = compute_all(cells, path, arguments.data_home, arguments.limit)
    shown = [{key: value for key, value in row.items() if value != ""} for row in rows]
    print_table(COLUMNS, shown)
    draw(rows, path.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
