"""Figure 6 of Sun et al. (2020): how attacks and their victims converge.

The paper's protocol and the ``ascent`` of ``table2.py``; means over three seeds.

Left, over the steps of an attack: H, the mean loss (squared error, or for classes the ramp) of the
targets' clean training rows, summed over targets, of the victim that the step was taken against.
That victim is smoothed, ever less towards the end; the default of the package.
Middle, over the same steps: the mean test error of the targets, of the real victim fitted from
scratch on clean and injected rows, at a dozen of the steps. Attacks whose H no longer rises end
before the last step; from there on their last values stand.
Right, over the rounds of ``solver="mocha"``, one local epoch each: primal sub-optimality
``(P - P*) / P*`` of victims on the clean rows and on the rows at the end of each attack; P* is that
of ``solver="splitting"``, or what the rounds found if that is less.

``figure6.csv`` holds all curves, a point a row. Finished attacks are kept and not computed again.

    python benchmarks/paper/figure6.py [--data-home DIR] [--output DIR] [--draws N] [--steps N]
        [--data NAME ...] [--attack NAME ...] [--n-jobs N]
"""

import contextlib
import sys
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from _cells import cell_of, run_cells
from _common import is_regression
from _plots import figure_parser, new_sheet, paper_attack, save, share_legend
from _protocols import NAMES, split, stamp_of, steps_for
from sklearn.base import clone

from skfedmtl.attack._contest import restart
from skfedmtl.inspection import ConvergenceDisplay

CELL = ("dataset", "attack", "seed", "steps")
KEPT = {"whole": ("seed", "steps", "at"), "real": ("value",)}
STAMP = stamp_of("paper", "ascent")
POINTS = 12  #: of the curve of errors
ROUNDS = 60
LEAST_TOL = 1e-8  #: relative gap of P*
FLOOR = 1e-8  #: sub-optimality where a curve ends
CURVES = {
    "H": ("step of the attack", "H"),
    "error": ("step of the attack", "mean {} of the targets"),
    "sub-optimality": ("round of the victim", "primal sub-optimality"),
}


@contextlib.contextmanager
def recorded():
    """Rows, and targets if they move, of an attack fitted inside: its start, then every step."""
    path = []

    class Recording(restart.Ascent):
        def run(self, max_iter, after_step, *args):
            def record(ascent):
                split = getattr(self._feasible, "split", lambda rows: (rows, None))
                path.append(split(ascent.best))

            def both(ascent):
                record(ascent)
                after_step(ascent)

            record(self)
            super().run(max_iter, both, *args)

    with mock.patch.object(restart, "Ascent", Recording):
        yield path


def compute(cell, data_home):
    """The curves of one attack and seed, a point a row; for ``none`` that of the clean victim."""
    data, attack, seed, steps = cell
    train, test, radius = split("paper", data, seed, data_home)
    X, y, nodes = train
    points = []
    if attack != "none":
        poisoner = paper_attack(data, attack, seed, radius, steps)
        with recorded() as path:
            poisoner.fit(X, y, nodes=nodes)
        values = poisoner.objective_history_
        points += [("H", at, values[min(at, len(values) - 1)]) for at in range(steps + 1)]
        nodes = np.concatenate([nodes, poisoner.poison_nodes_])
        for step in np.unique(np.linspace(0, steps, POINTS).round().astype(int)):
            rows, moved = path[min(step, len(path) - 1)]
            labels = poisoner.poison_y_ if moved is None else moved
            victim = clone(poisoner.estimator)
            victim.fit(np.vstack([X, rows]), np.concatenate([y, labels]), nodes=nodes)
            poisoner.estimator_ = victim
            points.append(("error", step, poisoner.score(test.X, test.y, nodes=test.nodes)))
        X, y = np.vstack([X, poisoner.poison_X_]), np.concatenate([y, poisoner.poison_y_])
    victim = paper_attack(data, "direct", seed, radius, steps).estimator
    points += _descent(victim, X, y, nodes)
    own = dict(zip(CELL, cell, strict=True)) | STAMP
    return [own | {"curve": curve, "at": int(at), "value": value} for curve, at, value in points]


def _descent(victim, X, y, nodes):
    """Sub-optimality by round."""
    best = clone(victim).set_params(tol=LEAST_TOL).fit(X, y, nodes=nodes).objective_
    victim = clone(victim).set_params(solver="mocha", tol=0, max_iter=ROUNDS)
    history = victim.fit(X, y, nodes=nodes).history_
    best = min(best, *history["objective"])
    short = history["objective"] / best - 1.0
    return [
        ("sub-optimality", at, value) for at, value in zip(history["round"], short, strict=True)
    ]


def draw(rows, path):
    """A row of panels a data set, a column a curve, a line an attack."""
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    figure, axes = new_sheet(len(datasets), len(CURVES), (4.4, 3.5))
    for line, data in enumerate(datasets):
        for column, (curve, (x_name, y_name)) in enumerate(CURVES.items()):
            axis = axes[line, column]
            own = [row for row in rows if row["dataset"] == data and row["curve"] == curve]
            # the clean victim last: an attack has the same colour in all panels
            for attack in sorted({row["attack"] for row in own}, key=_rank):
                x, y = _mean_curve([row for row in own if row["attack"] == attack])
                if curve == "sub-optimality":
                    end = 1 + np.argmax(np.append(y, 0.0) <= FLOOR)
                    x, y = x[:end], y[:end]
                ConvergenceDisplay(
                    x=x,
                    curves={"no attack" if attack == "none" else attack: y},
                    x_name=x_name,
                    y_name=y_name.format("RMSE" if is_regression(data) else "error rate"),
                    logarithmic=curve == "sub-optimality",
                ).plot(axis)
            axis.set_title(NAMES[data], fontsize=11)
    share_legend(figure, axes)
    save(figure, path)


def _rank(attack):
    return ("direct", "indirect", "hybrid", "none").index(attack)


def _mean_curve(rows):
    """Means over the seeds that go as far."""
    values = {}
    for row in rows:
        values.setdefault(row["at"], []).append(row["value"])
    most = max(map(len, values.values()))
    x = np.array(sorted(at for at, found in values.items() if len(found) == most))
    return x, np.array([np.mean(values[at]) for at in x])


def main(argv=None):
    """Compute what is missing, write and draw."""
    arguments = figure_parser(__doc__, draws=3).parse_args(argv)
    cells = [
        (data, attack, seed, steps_for(data, arguments.steps))
        for data in arguments.data
        for attack in (*arguments.attack, "none")
        for seed in range(arguments.draws)
    ]
    path = arguments.output / "figure6.csv"
    options = {"kept": KEPT, "stamp": STAMP, "n_jobs": arguments.n_jobs}
    rows = run_cells(compute, cells, CELL, path, arguments.data_home, **options)
    draw([row for row in rows if cell_of(row, CELL) in set(cells)], path.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
