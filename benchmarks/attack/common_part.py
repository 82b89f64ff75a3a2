"""How wide a door a common part opens: damage by ``lambda0``, found and certified.

Penalties and splits of `skfedmtl report`, targets and sources of the draw, a fifth of injected
rows, the default attack with ``criterion="loss"``. Losses are means over the rows of a target that
are fitted to, and over targets; the certified ones are of flights and heart disease.

The columns
    lambda0             of the victim's common part, if it has one
    clean, found        loss without the injected rows and with them
    certified           what no attack exceeds
    clean error, error  of the targets' held-out rows: share of wrong classes, or RMSE

    python benchmarks/attack/common_part.py [--data-home DIR] [--output DIR] [--only NAME ...]
                                            [--draws N ...] [--n-jobs N]
"""

import sys
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("agg")
import matplotlib.pyplot as plt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _cells import run_cells
from _common import make_parser
from _reported import reported_rows, reported_victim, row_losses

from skfedmtl import PoisoningAttacker
from skfedmtl._report.data import is_classification
from skfedmtl.attack import DamageBound

DATA = ("flights", "heart", "parkinsons", "landmine")
BOUNDED = ("flights", "heart")
ATTACKS = ("direct", "indirect")
LAMBDA0S = ("none", "10", "1", "0.1", "0.01", "0.001")
COLUMNS = ("data", "attack", "draw", "lambda0")
LOSSES = ("clean", "found", "certified")
ERRORS = ("clean error", "error")
STYLES = {"certified": "s:", "found": "o-", "clean": "--"}
WORDS = {"clean": "without an attack"}
TOL = 1e-4  #: of every fit
STEPS = 50  #: of descents to a bound


def measure(cell, data_home):
    """A line of the table."""
    data, attack, draw, lambda0 = cell
    (X, y, nodes), (X_test, y_test, nodes_test) = reported_rows(data, draw, data_home)
    strength = None if lambda0 == LAMBDA0S[0] else float(lambda0)
    victim = reported_victim(data, y, lambda0=strength, tol=TOL, random_state=draw)
    classify = is_classification(y)
    threat = {"attack": attack, "random_state": draw}
    attacker = PoisoningAttacker(victim, criterion="loss", victim_tol=TOL, **threat)
    attacker.fit(X, y, nodes=nodes)
    targets = attacker.target_nodes_

    def mean_of(values, labels):
        """Over the rows of every target, and over targets."""
        return float(np.mean([values[labels == label].mean() for label in targets]))

    line = dict(zip(COLUMNS, cell, strict=True))
    models = attacker.clean_estimator_, attacker.estimator_
    for model, name, error in zip(models, LOSSES, ERRORS, strict=False):
        line[name] = mean_of(row_losses(model, X, y, nodes), nodes)
        missed = model.predict(X_test, nodes=nodes_test) - y_test
        if classify:
            line[error] = mean_of(missed != 0, nodes_test)
        else:
            own = [missed[nodes_test == label] for label in targets]
            line[error] = float(np.mean([np.sqrt(np.mean(part**2)) for part in own]))
    if data in BOUNDED:
        bound = DamageBound(victim, max_iter=STEPS, tol=TOL, **threat)
        line["certified"] = bound.fit(X, y, nodes=nodes).per_target_
    return line


def draw_figure(rows, path):
    """Loss found and certified, over that without a common part, a panel an attack."""
    figure, axes = plt.subplots(1, len(ATTACKS), figsize=(10.0, 3.6), layout="constrained")
    places = np.arange(len(LAMBDA0S))
    for axis, attack in zip(axes, ATTACKS, strict=True):
        for colour, data in zip(("C0", "C1", "C2", "C3"), DATA, strict=True):
            for name, style in STYLES.items():
                heights = [_mean(rows, (data, attack, lambda0), name) for lambda0 in LAMBDA0S]
                base = _mean(rows, (data, attack, LAMBDA0S[0]), "found")
                label = data if name == "found" else None
                values = np.divide(heights, base)
                axis.plot(places, values, style, color=colour, markersize=4, label=label)
        axis.set_xticks(places, LAMBDA0S)
        axis.set_xlabel("lambda0")
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.tick_params(labelsize=8, which="both")
        axis.set_title(f"{attack} attacks", fontsize=10)
    axes[0].set_ylabel("loss of a target, over that found\nwithout a common part")
    for name, style in STYLES.items():
        axes[1].plot([], [], style, color="0.4", markersize=4, label=WORDS.get(name, name))
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _mean(rows, cell, name):
    columns = ("data", "attack", "lambda0")
    own = [row for row in rows if tuple(row[column] for column in columns) == cell]
    values = [row[name] for row in own if row.get(name) not in (None, "")]
    return float(np.mean(values)) if values else np.nan


def main(argv=None):
    """Attack, certify, write and draw."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--only", nargs="+", choices=DATA, default=list(DATA), metavar="NAME")
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument("--n-jobs", type=int, default=1)
    arguments = parser.parse_args(argv)
    cells = list(product(arguments.only, ATTACKS, arguments.draws, LAMBDA0S))
    kept = {"whole": ["draw"], "real": (*LOSSES, *ERRORS)}
    path = arguments.output / "common_part.csv"
    rows = run_cells(
        measure,
        cells,
        COLUMNS,
        path,
        arguments.data_home,
        kept=kept,
        n_jobs=arguments.n_jobs,
    )
    draw_figure(rows, arguments.output / "common_part.png")


if __name__ == "__main__":
    main()
