"""Rounds and megabytes of the federated protocol, beside MOCHA's plain safe aggregation.

Every feature is turned into z-scores over all rows; lambda1 = lambda2 = 1e-3,
``relationship="learned"``. Both methods solve the same problem with the same coordinate steps
in the nodes, and both are judged by their relative duality gap over weights and relationship,
``(P - D) / P`` with the best P and D so far. One run each; the order of the rows is drawn.

The methods
    skfedmtl       ``solver="mocha"`` of the estimators, read off ``history_``
    plain          every round all nodes answer, with the curvature ``g (1/2) B_ll`` and MOCHA's
                   common ``g = max_l sum_k |B_lk| / B_ll``, and the server adds the answers up;
                   one epoch is MOCHA's own setting
    plain, capped  the same with no curvature above 1/(2 lambda2), more than which no node can
                   need

How to read the table
    epochs         passes over its rows that a node makes in a round
    rounds 1e-2    rounds until the gap was at most 1e-2; blank if the rounds ran out before
    MB 1e-2        megabytes until then, over all nodes and both ways, at 8 bytes a number; the
                   certificate's numbers are counted too
    dual 1e-2      rounds until D alone was within 1e-2 of the least P known. Much kinder to plain
                   MOCHA: its weights W(V) may be poor where its dual is good, above all with
                   the hinge, while ours are the best of three points that the answers price
    rounds, gap    where the run ended: at 1e-4, or when the rounds ran out
    falls          rounds that lowered D: MOCHA's rule is safe for a relationship that stays, and
                   here it is learned anew every round; ours cannot fall
    x plain 1      rounds to 1e-2 of plain MOCHA with one epoch over those of this row: "> x" if
                   plain MOCHA did not get there
    x plain 10     the same against plain MOCHA with ten epochs
    seconds        wall clock of the whole simulation on one core, servers and nodes alike

The figure shows the first two methods; it needs matplotlib.

    python benchmarks/solver/rounds.py [--data-home DIR] [--output DIR] [--only DATA ...]
"""

import sys
import time
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import DATA, is_regression, make_parser, print_table, write_csv
from _protocol_peers import (
    LAMBDA1,
    LAMBDA2,
    OURS,
    PLAIN,
    load_scaled,
    make_problem,
    plain_history,
)

from skfedmtl import FMTLClassifier, FMTLRegressor

CAPPED = "plain, capped"
METHODS = {OURS: (1, 10, 30), PLAIN: (1, 10), CAPPED: (1, 10)}  #: and their local epochs
TARGETS = ("1e-2", "1e-3", "1e-4")
DUAL = f"dual {TARGETS[0]}"
MAX_ROUNDS = 600
KEPT = 40  #: lines of a history that are written, at most
COLUMNS = {
    "data": "s",
    "method": "s",
    "epochs": "d",
    **{f"rounds {target}": "d" for target in TARGETS},
    **{f"MB {target}": ".3g" for target in TARGETS},
    DUAL: "d",
    "rounds": "d",
    "gap": ".1e",
    "falls": "d",
    "x plain 1": ">s",
    "x plain 10": ">s",
    "seconds": ".1f",
}
STYLES = {  # colours that remain apart without red or green
    (OURS, 1): ("#9ecae1", "-"),
    (OURS, 10): ("#3182bd", "-"),
    (OURS, 30): ("#08306b", "-"),
    (PLAIN, 1): ("#d55e00", "--"),
    (PLAIN, 10): ("#e69f00", "-."),
}


def our_history(name, X, y, nodes, epochs):
    """``history_`` of the estimator for the data set `name`."""
    estimator = FMTLRegressor if is_regression(name) else FMTLClassifier
    model = estimator(
        solver="mocha",
        lambda1=LAMBDA1,
        lambda2=LAMBDA2,
        tol=float(TARGETS[-1]),
        max_iter=MAX_ROUNDS,
        local_epochs=float(epochs),
        random_state=0,
    )
    return model.fit(X, y, nodes=nodes).history_


def gaps(history):
    """The relative duality gap after every round."""
    return (history["objective"] - history["dual_objective"]) / history["objective"]


def run(name, data_home):
    """Row and history of every method and number of epochs."""
    X, y, nodes = load_scaled(name, data_home)
    for method, choices in METHODS.items():
        for epochs in choices:
            start = time.perf_counter()
            if method == OURS:
                history = our_history(name, X, y, nodes, epochs)
            else:
                history = plain_history(
                    make_problem(name, X, y, nodes),
                    epochs=epochs,
                    max_rounds=MAX_ROUNDS,
                    tol=float(TARGETS[-1]),
                    capped=method == CAPPED,
                )
            row = {"data": name, "method": method, "epochs": epochs, **reached(history)}
            yield row | {"seconds": time.perf_counter() - start}, history


def reached(history):
    """Rounds and megabytes to every target, and the end of the run."""
    gap, row = gaps(history), {}
    for target in TARGETS:
        if gap[-1] <= float(target):
            first = int(np.argmax(gap <= float(target)))
            row[f"rounds {target}"] = first
            row[f"MB {target}"] = history["bytes_communicated"][first] / 1e6
    if "falls" in history:
        row["falls"] = int(history["falls"][-1])
    return row | {"rounds": len(gap) - 1, "gap": gap[-1]}


def compare(rows):
    """Add what the rounds of plain MOCHA to the first target are to those of each row."""
    key = f"rounds {TARGETS[0]}"
    plain = {(row["data"], row["epochs"]): row for row in rows if row["method"] == PLAIN}
    for row in rows:
        for epochs in METHODS[PLAIN]:
            peer = plain[row["data"], epochs]
            if key in row and row is not peer:
                sign = "" if key in peer else "> "
                times = peer.get(key, peer["rounds"]) / row[key]
                row[f"x plain {epochs}"] = f"{sign}{times:.1f}"


def add_dual(results):
    """Add the rounds until the dual objective alone was close to the optimum."""
    for row, history in results:
        peers = [other for own, other in results if own["data"] == row["data"]]
        least = min(other["objective"][-1] for other in peers)
        near = history["dual_objective"] >= least * (1.0 - float(TARGETS[0]))
        if near.any():
            row[DUAL] = int(np.argmax(near))


def thin(row, history):
    """Lines of a history, evenly spaced in the logarithm of the round."""
    last = len(history["round"]) - 1
    kept = np.unique(np.append(0, np.round(np.geomspace(1, last, KEPT)))).astype(int)
    for index in kept:
        yield {
            **{key: row[key] for key in ("data", "method", "epochs")},
            "round": int(index),
            "megabytes": history["bytes_communicated"][index] / 1e6,
            "objective": history["objective"][index],
            "gap": gaps(history)[index],
        }


def draw(results, path):
    """The gap against rounds and against megabytes, a column a data set."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(row["data"] for row, _ in results))
    figure, axes = plt.subplots(
        2, len(names), figsize=(3.1 * len(names), 6.2), sharey=True, squeeze=False
    )
    for row, history in results:
        style = STYLES.get((row["method"], row["epochs"]))
        if style is None:
            continue
        column = axes[:, names.index(row["data"])]
        noun = "epoch" if row["epochs"] == 1 else "epochs"
        label = f"{'MOCHA, plain' if row['method'] == PLAIN else OURS}, {row['epochs']} {noun}"
        for axis, x in zip(
            column, (history["round"], history["bytes_communicated"] / 1e6), strict=True
        ):
            # the start has no place on a logarithmic axis
            axis.plot(x[1:], gaps(history)[1:], style[1], color=style[0], lw=1.8, label=label)
    for name, (upper, lower) in zip(names, axes.T, strict=True):
        upper.set(title=name, xlabel="rounds")
        lower.set(xlabel="megabytes")
    for axis in axes.flat:
        axis.set(xscale="log", yscale="log", ylim=(7e-5, 1.3))
        axis.axhline(1e-2, color="0.6", lw=0.8, zorder=0)
        axis.grid(alpha=0.25)
    for axis in axes[:, 0]:
        axis.set_ylabel("relative duality gap")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="lower center", ncols=5, frameon=False
    )
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"wrote {path}")


def main(argv=None):
    """Run, compare, print, write and draw."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--only", nargs="+", choices=DATA, default=list(DATA), metavar="DATA")
    arguments = parser.parse_args(argv)
    warnings.simplefilter("ignore", ConvergenceWarning)  # the table shows who did not arrive
    start, results = time.perf_counter(), []
    for name in arguments.only:
        print(f"running {name} ...", file=sys.stderr, flush=True)
        results += run(name, arguments.data_home)
    rows = [row for row, _ in results]
    compare(rows)
    add_dual(results)
    print_table(COLUMNS, rows)
    print(f"{time.perf_counter() - start:.0f} s in all")
    write_csv(arguments.output / "rounds.csv", rows)
    lines = [line for row, history in results for line in thin(row, history)]
    write_csv(arguments.output / "rounds_history.csv", lines)
    draw(results, arguments.output / "rounds.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
