"""Seconds, rounds and memory as rows, features and nodes grow, one at a time.

Generated rows of nodes whose true weights have rank 3; lambda1 = lambda2 = 1e-3, the relationship
learned, everything else default.

    rows       of a node, 20 to 2560, at 50 nodes and 20 features
    features   10 to 320, at 50 nodes and 1280 rows of each: four times as many rows or more
    nodes      50 to 6400, at 40 rows of each and 20 features

Every size, estimator and tolerance has a process of its own, which makes a small fit first so
that nothing is loaded later. Its peak of resident memory is taken over the first fit, less what
was resident just before it (the rows among it), so that it is what the fit itself needs; then
the seconds of that fit and, if ``--repeats`` asks for more, of others: their median is reported.

How to read the table
    seconds      of a ``fit``: the processor's, so that whatever else the machine does is not
                 counted; with more than one thread (``OMP_NUM_THREADS``) they add up
    rounds       to a relative gap of `tol`: what it takes to converge, a matter of the problem
    s/round      seconds / rounds: what a round costs, a matter of the size. A fit of one or two
                 rounds has its preparation in it, too
    gap          the relative one that the fit ended with
    MB, x X      peak memory of the fit, and as a multiple of the bytes of X

Below it and in ``exponents.csv``: the powers of the size with which seconds per round and memory
grow, by least squares of logarithms over the upper half of the sizes. ``scale.png`` shows all of
it; it needs matplotlib.

``--large`` makes something else: a fit of each estimator at 100,000 nodes (``--nodes``) of 20 rows
and 50 features (X has 0.8 GB) to a gap of 1e-2, and an attack of one step on ten nodes through a
hundred others (a tenth of the nodes at most), its victims to a gap of 0.1, as a matter of time and
memory only. It writes ``large.csv``. ``--skip-attack`` leaves the attack out; ``--attack-steps N``
adds another of N steps, its victims to a gap of 1e-2, ``--skip-fits`` leaves the fits out.
``--former`` makes all else by the package of a former commit, too, which is compiled and installed
for it from the git history of this clone; ``package`` says which one a line is of.

    python benchmarks/scale/scale.py [--output DIR] [--axis NAME ...] [--points N] [--repeats N]
                                     [--large] [--nodes N] [--skip-fits] [--skip-attack]
                                     [--attack-steps N] [--former [COMMIT]]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _cells import read_rows
from _common import (
    LAMBDA1,
    LAMBDA2,
    at_least_one,
    make_parser,
    print_table,
    related_rows,
    write_csv,
)
from _former import COMMIT, check_package, environment, install
from _timing import in_fresh_process, peak_bytes

import skfedmtl
from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker

#: what grows -> its sizes, and the others
AXES = {
    "rows": ([20 * 2**k for k in range(8)], {"n_nodes": 50, "n_features": 20}),
    "features": ([10 * 2**k for k in range(6)], {"n_nodes": 50, "n_rows": 1280}),
    "nodes": ([50 * 2**k for k in range(8)], {"n_rows": 40, "n_features": 20}),
}
ESTIMATORS = {"FMTLRegressor": FMTLRegressor, "FMTLClassifier": FMTLClassifier}
TOLERANCES = (1e-2, 1e-3)
LARGE = {"n_rows": 20, "n_features": 50}
TARGETS, SOURCES, STEPS, ATTACK_TOL = 10, 100, 1, 0.1  #: of the large attack
LONG_TOL = 1e-2  #: of one of more steps
COLUMNS = {
    "axis": "s",
    "size": "d",
    "package": "s",
    "what": "s",
    "estimator": "s",
    "nodes": "d",
    "rows": "d",
    "features": "d",
    "tol": ".0e",
    "seconds": ".3f",
    "rounds": "d",
    "s/round": ".4f",
    "gap": ".1e",
    "MB": ".1f",
    "x X": ".2f",
    "steps": "d",
    "injected": "d",
}
EXPONENTS = {
    "axis": "s",
    "estimator": "s",
    "tol": ".0e",
    "from": "d",
    "to": "d",
    "s/round": ".2f",
    "MB": ".2f",
}
#: the columns of `large.csv` that hold numbers
KEPT = {
    "whole": ("nodes", "rows", "features", "rounds", "steps", "injected"),
    "real": ("tol", "seconds", "s/round", "gap", "MB", "x X"),
}
GREW = ("s/round", "MB")  #: what powers are fitted to
STYLES = {("FMTLRegressor", "#0072b2"): "o", ("FMTLClassifier", "#d55e00"): "s"}


def make(estimator, shape, tol):
    """The estimator and its rows, after a small fit of the same kind."""
    regression = estimator == "FMTLRegressor"
    options = {"lambda1": LAMBDA1, "lambda2": LAMBDA2, "tol": tol, "random_state": 0}
    model = ESTIMATORS[estimator](**options)
    X, y, nodes = related_rows(5, 20, 4, regression=regression)
    model.fit(X, y, nodes=nodes)
    return model, related_rows(**shape, regression=regression)


def fit(estimator, shape, tol, repeats):
    """One row of the table, but for its axis; runs in a process of its own."""
    warnings.simplefilter("always", ConvergenceWarning)
    model, (X, y, nodes) = make(estimator, shape, tol)

    def seconds():
        start = time.process_time()
        model.fit(X, y, nodes=nodes)
        return time.process_time() - start

    first, peak = peak_bytes(seconds)
    median = statistics.median([first, *(seconds() for _ in range(repeats - 1))])
    return {
        **describe(estimator, shape, tol),
        "seconds": median,
        "rounds": model.n_iter_,
        "s/round": median / max(1, model.n_iter_),
        "gap": model.dual_gap_ / model.objective_,
        "MB": peak / 1e6,
        "x X": peak / X.nbytes,
    }


def attack(estimator, shape, tol, steps):
    """The row of an indirect attack; runs in a process of its own."""
    model, (X, y, nodes) = make(estimator, shape, tol)
    few = max(1, shape["n_nodes"] // 100)
    targets = np.arange(min(TARGETS, few))
    poisoner = PoisoningAttacker(
        model,
        attack="indirect",
        init="clean",
        target_nodes=targets,
        source_nodes=len(targets) + np.arange(min(SOURCES, 10 * few)),
        max_iter=steps,
        victim_tol=tol,
        random_state=0,
    )
    start = time.process_time()
    _, peak = peak_bytes(lambda: poisoner.fit(X, y, nodes=nodes))
    return {
        **describe(estimator, shape, tol),
        "seconds": time.process_time() - start,
        "MB": peak / 1e6,
        "x X": peak / X.nbytes,
        "steps": poisoner.n_iter_,
        "injected": len(poisoner.poison_X_),
    }


def describe(estimator, shape, tol):
    """What a row is about."""
    names = {"nodes": "n_nodes", "rows": "n_rows", "features": "n_features"}
    return {"estimator": estimator, **{key: shape[n] for key, n in names.items()}, "tol": tol}


def grow(axis, points, repeats):
    """The rows of the table for one axis."""
    sizes, others = AXES[axis]
    for size in sizes[:points]:
        print(f"{size} {axis} ...", file=sys.stderr, flush=True)
        shape = {**others, f"n_{axis}": size}
        for estimator in ESTIMATORS:
            for tol in TOLERANCES:
                row = in_fresh_process(fit, estimator, shape, tol, repeats)
                yield {"axis": axis, "size": size, **row}


def exponents(rows):
    """Powers of the size over the upper half of the sizes, for each axis, estimator, tolerance."""
    groups = {}
    for row in rows:
        groups.setdefault((row["axis"], row["estimator"], row["tol"]), []).append(row)
    for (axis, estimator, tol), group in groups.items():
        upper = group[len(group) // 2 :]
        if len(upper) < 2:
            continue
        sizes = np.array([row["size"] for row in upper])
        line = {"axis": axis, "estimator": estimator, "tol": tol}
        line.update({"from": sizes[0], "to": sizes[-1]})
        for name in GREW:
            values = np.maximum([row[name] for row in upper], 1e-9)
            line[name] = np.polyfit(np.log(sizes), np.log(values), 1)[0]
        yield line


def draw(rows, path):
    """Seconds per round, rounds, and memory against every axis."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    axes_names = list(dict.fromkeys(row["axis"] for row in rows))
    panels = {"s/round": "seconds per round", "rounds": "rounds", "MB": "peak memory / MB"}
    figure, axes = plt.subplots(
        3, len(axes_names), figsize=(3.6 * len(axes_names), 8), squeeze=False, sharey="row"
    )
    for column, axis in zip(axes.T, axes_names, strict=True):
        for panel, key in zip(column, panels, strict=True):
            for (estimator, colour), marker in STYLES.items():
                for tol, line in zip(TOLERANCES, ("--", "-"), strict=True):
                    wanted = axis, estimator, tol
                    own = [r for r in rows if (r["axis"], r["estimator"], r["tol"]) == wanted]
                    panel.plot(
                        [row["size"] for row in own],
                        [row[key] for row in own],
                        line,
                        color=colour,
                        marker=marker,
                        ms=4,
                        lw=1.6,
                        label=f"{estimator}, tol={tol:g}",
                    )
            panel.set(xscale="log", yscale="linear" if key == "rounds" else "log")
            sizes = sorted({row["size"] for row in rows if row["axis"] == axis})
            panel.set_xticks(sizes, sizes, fontsize="small")
            panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
            panel.grid(alpha=0.25)
        column[-1].set_xlabel("rows of a node" if axis == "rows" else axis)
    for panel, label in zip(axes[:, 0], panels.values(), strict=True):
        panel.set_ylabel(label)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="lower center", ncols=2, frameon=False
    )
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"wrote {path}")


def run_large(n_nodes, skip_attack, skip_fits=False, attack_steps=None):
    """The fits and the attacks at that many nodes."""
    shape = {**LARGE, "n_nodes": n_nodes}
    tasks = [] if skip_fits else [(fit, name, TOLERANCES[0], (1,)) for name in ESTIMATORS]
    if not skip_attack:
        tasks.append((attack, "FMTLClassifier", ATTACK_TOL, (STEPS,)))
    if attack_steps is not None:
        tasks.append((attack, "FMTLClassifier", LONG_TOL, (attack_steps,)))
    for task, estimator, tol, rest in tasks:
        print(f"{task.__name__} of {estimator} ...", file=sys.stderr, flush=True)
        try:
            row = in_fresh_process(task, estimator, shape, tol, *rest)
        except BrokenProcessPool:
            print("killed, out of memory most likely", file=sys.stderr)
            continue
        yield {"what": task.__name__, **row}


def run_former(commit, n_nodes, skip_attack):
    """The same by a former commit: this script once more, where it imports that package."""
    with tempfile.TemporaryDirectory() as folder:
        site = install(commit, Path(folder))
        options = ["--nodes", str(n_nodes), "--output", folder, "--package", site]
        options += ["--skip-attack"] if skip_attack else []
        command = [sys.executable, __file__, "--large", *options]
        subprocess.run(command, env=environment(site), check=True, stdout=subprocess.DEVNULL)
        return read_rows(Path(folder) / "large.csv", **KEPT)


def main(argv=None):
    """Fit, print, write and draw."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--axis", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--points", type=at_least_one, default=8, help="sizes of an axis at most")
    parser.add_argument("--repeats", type=at_least_one, default=3, help="fits timed (default: 3)")
    parser.add_argument("--large", action="store_true", help="the large fits and attack instead")
    parser.add_argument("--nodes", type=at_least_one, default=100_000, help="of --large")
    parser.add_argument("--skip-fits", action="store_true", help="of --large no fits")
    parser.add_argument("--skip-attack", action="store_true", help="of --large not that of a step")
    parser.add_argument("--attack-steps", type=at_least_one, help="of --large another attack's")
    parser.add_argument(
        "--former",
        nargs="?",
        const=COMMIT,
        metavar="COMMIT",
        help=f"--large by its package, too (without COMMIT: {COMMIT})",
    )
    parser.add_argument("--package", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    check_package(skfedmtl.__file__, arguments.package)
    if arguments.large:
        size = arguments.nodes, arguments.skip_attack
        more = arguments.skip_fits, arguments.attack_steps
        rows = [{"package": "present", **row} for row in run_large(*size, *more)]
        if arguments.former:
            former = run_former(arguments.former, *size)
            rows += [{**row, "package": arguments.former} for row in former]
        print_table(COLUMNS, rows)
        write_csv(arguments.output / "large.csv", rows)
        return
    rows = [
        row for axis in arguments.axis for row in grow(axis, arguments.points, arguments.repeats)
    ]
    print_table(COLUMNS, rows)
    print()
    powers = list(exponents(rows))
    if powers:
        print_table(EXPONENTS, powers)
    write_csv(arguments.output / "scale.csv", rows)
    write_csv(arguments.output / "exponents.csv", powers)
    draw(rows, arguments.output / "scale.png")


if __name__ == "__main__":
    main()
