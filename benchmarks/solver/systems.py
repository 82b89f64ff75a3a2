"""MOCHA's experiments on a simulated clock: slow nodes, slow networks, absent nodes.

After Smith et al. [1]_, figures 1 to 3. Every feature is turned into z-scores over all rows;
lambda1 = lambda2 = 1e-3, ``relationship="learned"``; hinge (landmine, human activity) or squared
error (Parkinson's). All methods solve this one problem with the same relationship, learned
anew after every round, and are compared by their primal sub-optimality ``(P - P*) / P*``, with the
best P so far and P* found by ``solver="splitting"`` to a gap of 1e-6.

The methods
    skfedmtl         ``solver="mocha"``: answers are kept, the server combines them
    MOCHA            answers are added up, with the safe common factor g; a slow node does less
    CoCoA            the same, but every node makes all its epochs and the round waits for it
    mini-batch SDCA  one batch of dual coordinates a round, each improved by itself and damped as
                     its batch requires [2]_
    mini-batch SGD   batch gradients of the nodes, the regulariser's gradient at the server, steps
                     eta / sqrt(round)

The clock
    round = max over nodes (flops / speed) + latency + bits / bandwidth

A node at full speed does 10 Mflop/s (a sensor's processor; with faster ones only the number of
rounds counts). A coordinate step or the gradient of a row costs 4 d flops, reports of losses
that only our protocol needs 8 d more; the server's work is free. A round sends a node two
vectors and a few numbers of 8 bytes. Networks: 3G 300 ms and 1 Mbit/s, LTE 70 ms and 6 Mbit/s,
WiFi 20 ms and 20 Mbit/s: round values within the ranges of [3]_ for 3G (100-500 ms,
0.5-5 Mbit/s) and 4G (below 100 ms, 1-50 Mbit/s), LTE's rate the median uplink of [4]_; WiFi is
set here, a step beyond LTE as 3G is a step behind.

The experiments
    size   nodes differ in their rows alone. MOCHA, ours and mini-batches let every node do as
           many steps as a mean node; CoCoA every node as many epochs
    low    besides, each node's speed is drawn every round from 90 to 100 % of full speed
    high   from 10 to 100 %
    share  all nodes at full speed, but only this share of them in a round
    never  one node never answers, five nodes in turn; ten epochs, 100 rounds; ours by
           ``local_epochs={node: 0}``

Human activity is large: there only ``size`` and ``high``.

Our protocol makes ten epochs, untuned. MOCHA and CoCoA make one or ten, mini-batch SDCA draws a
tenth of the rows or all, whichever is first at 1e-2, else at 1e-1, in ``size`` on LTE; SGD's
step is tuned so in every experiment, on batches of all rows that there is time for. One epoch
and SDCA on all rows may take five times as many rounds as the rest.

How to read the tables
    LTE 1e-2   simulated seconds to a sub-optimality of 1e-2; blank if the rounds ran out
    rounds     rounds to 1e-2
    end        sub-optimality when the run ended, at 2e-3 or out of rounds
    others     sub-optimality of the other nodes, in the problem without the absent one
    error      of the absent node, on a quarter of its rows that no fit saw: root mean squared
               error, or the share of pairs of a mine and a clean row in the wrong order
    full fit   its error when it takes part; constant: that of its own mean, or of chance

The figure needs matplotlib.

References
----------
.. [1] V. Smith, C.-K. Chiang, M. Sanjabi, A. Talwalkar, "Federated Multi-Task Learning",
   NeurIPS 2017.
.. [2] M. Takac, A. Bijral, P. Richtarik, N. Srebro, "Mini-Batch Primal and Dual Methods for
   SVMs", ICML 2013.
.. [3] I. Grigorik, "High Performance Browser Networking", O'Reilly 2013, table 7-2.
.. [4] J. Huang et al., "A Close Examination of Performance and Power Characteristics of 4G LTE
   Networks", MobiSys 2012.

    python benchmarks/solver/systems.py [--data-home DIR] [--output DIR] [--only DATA ...]
"""

import sys
import time
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _absent import absent
from _common import make_parser, print_table, write_csv
from _protocol_peers import least_objective, load_scaled, make_problem
from _systems import METHODS, NETWORKS, Plan, run

MAX_ROUNDS = {"landmine": 600, "parkinsons_total": 600, "human_activity": 300}
MORE = 5  #: times as many with one epoch, or SDCA on all rows
SPEEDS = {"size": (1.0, 1.0), "low": (0.9, 1.0), "high": (0.1, 1.0)}
SHARES = (1.0, 0.75, 0.5)
SMALL = ("landmine", "parkinsons_total")  #: data that all experiments are made with
TARGETS = ("1e-1", "1e-2")
TUNED_ON = "LTE"
COLUMNS = {
    "data": "s",
    "experiment": "s",
    "method": "s",
    "setting": "s",
    **{f"{network} {target}": ".3g" for network in NETWORKS for target in TARGETS},
    "rounds": "d",
    "end": ".1e",
}
ABSENT_COLUMNS = {
    "data": "s",
    "method": "s",
    "end": ".3f",
    "others": ".1e",
    "error": ".3f",
    "full fit": ".3f",
    "constant": ".3f",
}
COLOURS = dict(zip(METHODS, ("#0072b2", "#d55e00", "#e69f00", "#009e73", "#cc79a7"), strict=True))
DASHES = dict(zip(SHARES, ("-", "--", ":"), strict=True))


class Case:
    """One data set: its rows, the sizes of its nodes, the least objective."""

    def __init__(self, name, data_home):
        self.name, self.rows = name, load_scaled(name, data_home)
        problem = self.problem()
        self.sizes = np.array([len(node.y) for node in problem.nodes.each()])
        self.least = least_objective(problem)

    def problem(self):
        return make_problem(self.name, *self.rows)

    def run(self, method, choice, experiment, **plan):
        """Row of the table, clock of `TUNED_ON` and sub-optimality of every round."""
        peers = run(
            method,
            choice,
            self.problem(),
            Plan(self.sizes, **plan),
            max_rounds=MAX_ROUNDS[self.name] * (MORE if choice == 1 else 1),
            least=self.least,
        )
        short = peers.objective / self.least - 1.0
        row = {"data": self.name, "experiment": experiment, "method": method}
        row["setting"] = str(choice[1] if isinstance(choice, tuple) else choice)
        for target in TARGETS:
            if short[-1] <= float(target):
                first = int(np.argmax(short <= float(target)))
                row |= {f"{net} {target}": peers.clock(net)[first] for net in NETWORKS}
        if short[-1] <= float(TARGETS[-1]):
            row["rounds"] = first
        return row | {"end": short[-1]}, peers.clock(TUNED_ON), short


def simulate(case):
    """All methods at every speed, our protocol and MOCHA at every share of nodes."""
    small, chosen = case.name in SMALL, {}
    for experiment, (low, high) in SPEEDS.items():
        if experiment == "low" and not small:
            continue
        for method, (_, grid) in METHODS.items():
            grid = chosen.get(method, grid)
            trials = [case.run(method, c, experiment, low=low, high=high) for c in grid]
            best = min(range(len(grid)), key=lambda at, trials=trials: rank(trials[at][0]))
            if method != "mini-batch SGD":
                chosen[method] = grid[best : best + 1]
            yield trials[best]
    for share in SHARES[1:] if small else ():
        for method in list(METHODS)[:2]:
            yield case.run(method, chosen[method][0], f"share {share:g}", participation=share)


def rank(row):
    """What the best of several settings has least of."""
    times = [row.get(f"{TUNED_ON} {target}", np.inf) for target in reversed(TARGETS)]
    return *times, row["end"]


def draw(results, path):
    """Sub-optimality against simulated seconds, a row a data set, a column an experiment."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names, columns = list(dict.fromkeys(row["data"] for row, *_ in results)), [*SPEEDS, "share"]
    figure, axes = plt.subplots(
        len(names),
        4,
        figsize=(13, 2.9 * len(names) + 0.6),
        sharey="row",
        sharex="row",
        squeeze=False,
    )
    for row, clock, short in results:
        kind, _, share = row["experiment"].partition(" ")
        places = [(kind, share or "1")]
        small = row["data"] in SMALL
        if kind == "size" and row["method"] in list(METHODS)[:2] and small:
            places.append(("share", "1"))
        for place, part in places:
            axis = axes[names.index(row["data"]), columns.index(place)]
            style = DASHES[float(part)]
            label = row["method"] + (f", {float(part):.0%} of nodes" if place == "share" else "")
            axis.plot(
                clock[1:], short[1:], style, color=COLOURS[row["method"]], lw=1.6, label=label
            )
    titles = ("sizes differ", "speeds 90-100 %", "speeds 10-100 %", "share of nodes in a round")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    for axis in axes.flat:
        axis.set_visible(axis.has_data())
        axis.set(xscale="log", yscale="log", ylim=(1.5e-3, None))
        axis.grid(alpha=0.25)
    for line, name in zip(axes, names, strict=True):
        line[0].set_ylabel(f"{name}\nsub-optimality of P")
    for axis in axes[-1]:
        axis.set_xlabel(f"simulated seconds, {TUNED_ON}")
    for axis, corner in ((axes[0, 0], "lower left"), (axes[0, 3], "lower right")):
        legend = axis.get_legend_handles_labels()
        figure.legend(*legend, loc=corner, ncols=3, frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0.6 / figure.get_figheight(), 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"wrote {path}")


def main(argv=None):
    """Simulate, print, write and draw."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    names = list(MAX_ROUNDS)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="DATA")
    arguments = parser.parse_args(argv)
    warnings.simplefilter("ignore", ConvergenceWarning)  # where a node is missing, on purpose
    start, results, missing = time.perf_counter(), [], []
    for name in arguments.only:
        print(f"running {name} ...", file=sys.stderr, flush=True)
        case = Case(name, arguments.data_home)
        results += simulate(case)
        if name in SMALL:
            missing += absent(name, *case.rows)
    rows = [row for row, *_ in results]
    print_table(COLUMNS, rows)
    if missing:
        print()
        print_table(ABSENT_COLUMNS, missing)
        write_csv(arguments.output / "systems_absent.csv", missing)
    print(f"{time.perf_counter() - start:.0f} s in all")
    write_csv(arguments.output / "systems.csv", rows)
    draw(results, arguments.output / "systems.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
