"""What defends: damage with and without defences, which are attacked through themselves.

Rows of four data sets, three quarters of every node, scaled once, with the losses and penalties of
the report; half of the nodes are targets, sources add a fifth of their rows. Errors are those of
the targets' held-out rows, means over the targets: RMSE, or the share of wrong rows.

The defences
    none        the report's penalties
    lambda1     of `LAMBDAS` times the report's, that of the least certified damage, what
                `certified_scorer` goes by; of all rows that are fitted to, for each attack
    trimmed     `TrimmedFMTLRegressor`, `TrimmedFMTLClassifier`
    isolation   `PoisonDetector(row_score="isolation")` calls a sixth of the rows of each node and
                class outliers; the fit is to the others
    pull        the same of ``row_score="pull"``
    huber       the Huber loss, for numbers, with an intercept that is hardly penalised, as those of
                the squared error are not. Its attacks only ascend
    ... and lambda1     with the lambda1 of the second

The columns
    clean       without an attack
    random, flip            after `RandomPoisoner`, `LabelFlipPoisoner`
    transferred             after the default attack on "none"
    adaptive    after the worst of that, an attack on the estimator as it is, and, of filters, rows
                that hide: found or flipped ones, of which those that the filter catches become
                copies of the one in their node that fits worst among those it does not, or are
                drawn to the mean of the clean rows, time and again. Chosen by the loss of rows that
                are fitted to, which also is
    loss, worst loss        before and after it, a target
    certified   what that loss never exceeds, where a theorem holds
    seconds     of the processor
    better      in the means over draws: clean no dearer than "lambda1", adaptive below it

    python benchmarks/defense/defences.py [--data-home DIR] [--output DIR] [--only NAME ...]
                                          [--attack NAME ...] [--draws N ...]
"""

import sys
import time
from itertools import product
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _cells import run_cells
from _common import make_parser, print_table, write_csv
from _reported import reported_rows, row_losses
from sklearn.base import clone

from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl._report.data import DATASETS, is_classification
from skfedmtl.attack import DamageBound
from skfedmtl.defense import PoisonDetector, TrimmedFMTLClassifier, TrimmedFMTLRegressor

DATA = ("flights", "heart", "parkinsons", "landmine")
ATTACKS = ("direct", "indirect")
COLUMNS = ("data", "attack", "draw")
LAMBDAS = (10.0, 1.0, 0.1, 0.01)  #: times the report's
TOL = 1e-4  #: of every fit
STEPS = 50  #: of descents to a bound
SHARE = 1 / 6  #: of the rows: a fifth of the clean ones is a sixth of all
HUBER = {"loss": "huber", "intercept_scaling": 100.0}  #: targets lie far from zero
HIDINGS, NEARER = 6, 0.5  #: times that rows hide, and what is left of their way from the mean
NUMBERS = ("clean", "random", "flip", "transferred", "adaptive", "loss", "worst loss", "certified")


class Rows(NamedTuple):
    """Rows, targets and nodes."""

    X: np.ndarray
    y: np.ndarray
    nodes: np.ndarray

    def with_more(self, more):
        return Rows(*(np.concatenate(pair) for pair in zip(self, more, strict=True)))

    def take(self, index):
        return Rows(*(values[index] for values in self))


class Defence:
    """An estimator, and what it is fitted to."""

    def __init__(self, estimator, row_score=None):
        self.estimator, self.row_score = estimator, row_score
        self.is_filter = row_score is not None

    def keeps(self, rows):
        """Which rows a filter leaves."""
        detector = PoisonDetector(
            self.estimator,
            row_score=self.row_score,
            contamination=SHARE,
            score_nodes=False,
            random_state=0,
        )
        return detector.fit_predict(rows.X, rows.y, nodes=rows.nodes) > 0

    def fit(self, rows, kept=None):
        """The model of these rows; of those that are kept, if that is known."""
        if self.is_filter:
            rows = rows.take(self.keeps(rows) if kept is None else kept)
        return clone(self.estimator).fit(rows.X, rows.y, nodes=rows.nodes)


class Bench:
    """The rows of a cell, and the attacks on them."""

    def __init__(self, cell, data_home):
        data, attack, draw = cell
        self._known = DATASETS[data]
        train, test = reported_rows(data, draw, data_home)
        self.train, self.test = Rows(*train), Rows(*test)
        self._draw = draw
        self._threat = {"attack": attack, "random_state": draw}
        self.classify = is_classification(self.train.y)
        self._hidden = {}

    def estimator(self, factor=1.0, *, trims=False, **options):
        """With so many times the report's lambda1."""
        options["lambda1"] = factor * self._known.lambda1
        options |= {"lambda2": self._known.lambda2, "tol": TOL, "random_state": self._draw}
        if self.classify:
            kind = TrimmedFMTLClassifier if trims else FMTLClassifier
            return kind(loss=self._known.loss, **options)
        return (TrimmedFMTLRegressor if trims else FMTLRegressor)(**options)

    def certified(self, estimator):
        """The bound a target."""
        bound = DamageBound(estimator, max_iter=STEPS, tol=TOL, **self._threat)
        return bound.fit(*self.train[:2], nodes=self.train.nodes).per_target_

    def injected(self, kind, estimator):
        """Rows of a poisoner."""
        poisoner = kind(estimator, victim_tol=TOL, **self._threat)
        poisoner.fit(*self.train[:2], nodes=self.train.nodes)
        self.targets = poisoner.target_nodes_
        return Rows(poisoner.poison_X_, poisoner.poison_y_, poisoner.poison_nodes_)

    def error(self, model):
        """Of held-out rows."""
        wrong = self._by_target(self.test, self._missed(model, self.test))
        return float(np.mean(wrong if self.classify else np.sqrt(wrong)))

    def loss(self, model):
        """Of rows that are fitted to: what is certified."""
        return float(np.mean(self._by_target(self.train, row_losses(model, *self.train))))

    def _missed(self, model, rows):
        told = model.predict(rows.X, nodes=rows.nodes)
        return (told != rows.y).astype(float) if self.classify else np.square(told - rows.y)

    def _by_target(self, rows, values):
        return [values[rows.nodes == label].mean() for label in self.targets]

    # -- attacks --------------------------------------------------------------------------

    def hidden(self, name, defence, known):
        """Rows that hide from a filter, each time with what it keeps: whatever the penalties."""
        if name not in self._hidden:
            starts = (known["transferred"], known["flip"])
            self._hidden[name] = [pair for rows in starts for pair in self._hidings(defence, rows)]
        return self._hidden[name]

    def _hidings(self, defence, rows):
        clean, n = self.train, len(self.train.y)
        centres = np.array([clean.X[clean.nodes == label].mean(axis=0) for label in rows.nodes])
        heights = 0.0
        if not self.classify:
            heights = np.array([clean.y[clean.nodes == label].mean() for label in rows.nodes])
        model = defence.fit(clean)
        for _ in range(HIDINGS):
            both = clean.with_more(rows)
            kept = defence.keeps(both)
            yield rows, kept
            caught = ~kept[n:]
            if not caught.any():
                break
            copied = rows.take(self._spared(model, rows, caught))
            yield copied, defence.keeps(clean.with_more(copied))
            X, y = rows.X.copy(), rows.y.copy()
            X[caught] = (centres + NEARER * (rows.X - centres))[caught]
            if not self.classify:
                y[caught] = (heights + NEARER * (rows.y - heights))[caught]
            rows = Rows(X, y, rows.nodes)

    def _spared(self, model, rows, caught):
        """For every row itself, or the worst of its node that is not caught."""
        missed, index = self._missed(model, rows), np.arange(len(rows.y))
        for label in np.unique(rows.nodes[caught]):
            spared = np.flatnonzero((rows.nodes == label) & ~caught)
            if len(spared):
                index[caught & (rows.nodes == label)] = spared[missed[spared].argmax()]
        return index


def defences(bench, best):
    """All, by their names."""
    small = {"": 1.0} if best == 1.0 else {"": 1.0, " and lambda1": best}
    found = {"none": Defence(bench.estimator()), "lambda1": Defence(bench.estimator(best))}
    for more, factor in small.items():
        found["isolation" + more] = Defence(bench.estimator(factor), "isolation")
        if not bench.classify:
            found["huber" + more] = Defence(bench.estimator(factor, **HUBER))
    found["trimmed"] = Defence(bench.estimator(trims=True))
    found["pull"] = Defence(bench.estimator(), "pull")
    return found


def measure(cell, data_home):
    """The rows of the table for a data set, an attack and a draw: one a defence."""
    bench = Bench(cell, data_home)
    bounds = {factor: bench.certified(bench.estimator(factor)) for factor in LAMBDAS}
    best = min(bounds, key=bounds.get)
    known = {}
    for name, kind in (("random", RandomPoisoner), ("flip", LabelFlipPoisoner)):
        known[name] = bench.injected(kind, bench.estimator())
    own = {
        factor: bench.injected(PoisoningAttacker, bench.estimator(factor)) for factor in {1.0, best}
    }
    known["transferred"] = own[1.0]
    lines = []
    for name, defence in defences(bench, best).items():
        start = time.process_time()
        line = {**dict(zip(COLUMNS, cell, strict=True)), "defence": name}
        line["lambda1"] = defence.estimator.lambda1
        found = judge(bench, defence, known, own[best if "lambda1" in name else 1.0])
        line |= found
        if name in ("none", "lambda1"):
            line["certified"] = bounds[best if name == "lambda1" else 1.0]
        lines.append({**line, "seconds": time.process_time() - start})
    return lines


def judge(bench, defence, known, own):
    """Errors and losses with a defence."""
    clean = defence.fit(bench.train)
    line = {"clean": bench.error(clean), "loss": bench.loss(clean)}
    attempts = []
    for name, rows in known.items():
        model = defence.fit(bench.train.with_more(rows))
        line[name] = bench.error(model)
        attempts.append((bench.loss(model), line[name]))
    tries = [(own, None)]
    if defence.is_filter:
        tries += bench.hidden(defence.row_score, defence, known)
    elif not defence.estimator._goes_by_all or defence.estimator.loss == "huber":
        tries.append((bench.injected(PoisoningAttacker, defence.estimator), None))
    for rows, kept in tries:
        model = defence.fit(bench.train.with_more(rows), kept)
        attempts.append((bench.loss(model), bench.error(model)))
    line["worst loss"], line["adaptive"] = max(attempts)
    return line


def summary(rows):
    """Means over the draws, and whether a defence does better than the choice of lambda1."""
    lines = {}
    for row in rows:
        lines.setdefault(tuple(row[name] for name in (*COLUMNS[:2], "defence")), []).append(row)
    found = {}
    for cell, own in lines.items():
        known = [name for name in NUMBERS if all(name in row for row in own)]
        means = {name: float(np.mean([row[name] for row in own])) for name in known}
        found[cell] = {**dict(zip((*COLUMNS[:2], "defence"), cell, strict=True)), **means}
        found[cell]["draws"] = len(own)
    for (data, attack, _), line in found.items():
        chosen = found[data, attack, "lambda1"]
        no_dearer = line["clean"] <= chosen["clean"]
        line["better"] = "yes" if no_dearer and line["adaptive"] < chosen["adaptive"] else ""
    return list(found.values())


def _place(row):
    """Tables are in one order, whichever cells were computed first."""
    return DATA.index(row["data"]), ATTACKS.index(row["attack"]), row["draw"]


def draw_figure(lines, path):
    """From clean to attacked errors, a panel a data set and attack."""
    shown = list(dict.fromkeys(line["data"] for line in lines))
    size = {"figsize": (1.0 + 3.2 * len(shown), 5.0), "layout": "constrained", "squeeze": False}
    figure, axes = plt.subplots(len(ATTACKS), len(shown), **size)
    for (row, attack), (column, data) in product(enumerate(ATTACKS), enumerate(shown)):
        axis = axes[row, column]
        own = [line for line in lines if (line["data"], line["attack"]) == (data, attack)]
        heights = -np.arange(len(own))
        for name, colour in (("clean", "C0"), ("adaptive", "C3")):
            values = [line[name] for line in own]
            axis.plot(values, heights, "o", color=colour, markersize=4, label=name)
        for height, line in zip(heights, own, strict=True):
            axis.plot([line["clean"], line["adaptive"]], [height] * 2, color="0.6", zorder=0)
        axis.set_yticks(heights, [line["defence"] for line in own], fontsize=7)
        axis.tick_params(axis="x", labelsize=7)
        axis.set_title(f"{data}, {attack}", fontsize=8)
    known = axes[0, 0].get_legend_handles_labels()
    figure.legend(*known, loc="outside upper right", ncols=2, fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv=None):
    """Defend, attack, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--only", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--attack", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1], metavar="N")
    arguments = parser.parse_args(argv)
    wanted = product(arguments.draws, arguments.only, arguments.attack)
    cells = [(data, attack, draw) for draw, data, attack in wanted]
    path = arguments.output / "defences.csv"
    kept = {"whole": ["draw"], "real": ["lambda1", *NUMBERS, "seconds"]}
    rows = run_cells(measure, cells, COLUMNS, path, arguments.data_home, kept=kept)
    lines = summary(sorted(rows, key=_place))
    write_csv(arguments.output / "defences_means.csv", lines)
    draw_figure(lines, arguments.output / "defences.png")
    columns = {"data": "s", "attack": "s", "defence": "s", "draws": "d"}
    print_table(columns | dict.fromkeys(NUMBERS, ".3f") | {"better": "s"}, lines)


if __name__ == "__main__":
    main()
