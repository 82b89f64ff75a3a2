"""The gap against seconds on one machine: either solver, and every node on its own.

Z-scores of human activity, by the logistic loss, and of Parkinson's disease, by squared error;
``relationship="learned"``, for two pairs of penalties. One run each, one thread, to a relative gap
of 1e-8 or for ``--limit`` seconds. All seconds are the processor's: whatever else the machine does
is not counted.

The methods
    splitting    as the estimators run it where nothing else is asked for
    mocha        the same problem by ``solver="mocha", local_epochs=10``
    independent  liblinear's logistic regression or Ridge, node by node, with the penalty lambda2:
                 another problem, whose seconds say what reading the rows costs

How to read the table
    1e-2 ...     seconds until the relative gap ``(P - D) / P`` of the best P and D so far was at
                 most that; blank if the run ended before
    seconds      of the whole run, or of all independent fits
    rounds, gap  where the run ended

The figure shows the gaps of all rounds, its dotted lines the independent fits. It needs matplotlib.

    python benchmarks/solver/seconds.py [--data-home DIR] [--output DIR] [--limit SECONDS]
"""

import sys
import time
from functools import partial
from pathlib import Path
from unittest import mock

import matplotlib as mpl
import numpy as np
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import load_scaled, make_parser, print_table, write_csv
from _peers import fit_independent
from _protocol_peers import Deadline, make_problem
from _timing import median_seconds

from skfedmtl._protocol.problem import Watch
from skfedmtl._solvers.mocha import MochaSolver
from skfedmtl._solvers.schedule import make_schedule
from skfedmtl._solvers.splitting import SplittingSolver

PROBLEMS = {"human_activity": "logistic", "parkinsons_total": "squared_error"}
PENALTIES = ((1e-3, 1e-3), (1e-2, 1e-5))
EPOCHS = 10.0
TOL, MAX_ITER = 1e-8, 100_000
TARGETS = ("1e-2", "1e-4", "1e-6")
INDEPENDENT = "independent"
STYLES = {"splitting": ("#08306b", "o"), "mocha": ("#d55e00", "s")}
COLUMNS = {
    "data": "s",
    "loss": "s",
    "lambda1": "g",
    "lambda2": "g",
    "method": "s",
    **dict.fromkeys(TARGETS, ".3f"),
    "seconds": ".3f",
    "rounds": "d",
    "gap": ".1e",
}


def solve(rows, data, pair, method, limit):
    """Seconds and relative gaps of all rounds of one run."""
    lambda1, lambda2 = pair
    problem = make_problem(data, *rows, loss=PROBLEMS[data], lambda1=lambda1, lambda2=lambda2)
    if method == "mocha":
        schedule = make_schedule(EPOCHS, 1.0, np.unique(rows[2]))
        solver = MochaSolver(tol=TOL, max_iter=MAX_ITER, schedule=schedule, n_jobs=None)
    else:
        solver = SplittingSolver(tol=TOL, max_iter=MAX_ITER)
    watch = Watch(Deadline(limit), None)
    history = problem.solve(solver, np.random.default_rng(0), watch).history
    gap = (history["objective"] - history["dual_objective"]) / history["objective"]
    return history["time"], gap


def measure(data, data_home, limit):
    """Row and curve of every method and pair of penalties."""
    rows, loss = load_scaled(data, data_home), PROBLEMS[data]
    for pair in PENALTIES:
        cells = {"data": data, "loss": loss, **dict(zip(("lambda1", "lambda2"), pair, strict=True))}
        for method in STYLES:
            print(*cells.values(), method, "...", file=sys.stderr, flush=True)
            seconds, gap = solve(rows, data, pair, method, limit)
            row = {**cells, "method": method, "seconds": seconds[-1], "rounds": len(gap) - 1}
            for target in TARGETS:
                if gap[-1] <= float(target):
                    row[target] = seconds[np.argmax(gap <= float(target))]
            yield row | {"gap": gap[-1]}, (seconds, gap)
        alone, _ = median_seconds(partial(fit_independent, *rows, loss, lambda2=pair[1]), 3)
        yield {**cells, "method": INDEPENDENT, "seconds": alone}, None


def draw(results, path):
    """A row a data set, a column a pair of penalties."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(PROBLEMS), len(PENALTIES), figsize=(9.0, 6.4), sharex="row", sharey=True
    )
    places = {
        (data, *pair): axes[line, column]
        for line, data in enumerate(PROBLEMS)
        for column, pair in enumerate(PENALTIES)
    }
    for row, curve in results:
        axis = places[row["data"], row["lambda1"], row["lambda2"]]
        if curve is None:
            label = "every node on its own (liblinear, Ridge)"
            axis.axvline(row["seconds"], color="0.4", ls=":", label=label)
            continue
        colour, mark = STYLES[row["method"]]
        # what rounding leaves of a gap may be nothing, which has no place on the axis
        points = np.maximum(curve, [[1e-4], [1e-10]])
        axis.plot(*points, f"{mark}-", color=colour, ms=3, lw=1.2, label=row["method"])
    for (data, lambda1, lambda2), axis in places.items():
        name = data.removesuffix("_total").replace("_", " ")
        title = f"{name}, lambda1 = {lambda1:g}, lambda2 = {lambda2:g}"
        axis.set_title(title, fontsize=10)
        axis.set(xscale="log", yscale="log", ylim=(3e-9, 20.0))
        axis.grid(alpha=0.25)
    for axis in axes[:, 0]:
        axis.set_ylabel("relative duality gap")
    for axis in axes[-1]:
        axis.set_xlabel("seconds")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="lower center", ncols=3, frameon=False
    )
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"wrote {path}")


def main(argv=None):
    """Run, print, write and draw."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument(
        "--limit", type=float, default=60.0, metavar="SECONDS", help="of a run (default: 60)"
    )
    arguments = parser.parse_args(argv)
    # the histories' own clock, too
    with threadpool_limits(1), mock.patch.object(time, "perf_counter", time.process_time):
        results = [
            result
            for data in PROBLEMS
            for result in measure(data, arguments.data_home, arguments.limit)
        ]
    rows = [row for row, _ in results]
    print_table(COLUMNS, rows)
    write_csv(arguments.output / "seconds.csv", rows)
    draw(results, arguments.output / "seconds.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
