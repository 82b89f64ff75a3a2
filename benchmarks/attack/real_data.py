"""Attacks on real data: what an optimised row does that a random one does not.

A draw is a seed: of the split of every node's rows (75 % to fit, 25 % to test), of the targets
(half the nodes), the sources and the rows that all attacks start from. 20 % of a source's rows are
injected, lambda1 = lambda2 = 1e-3.

Attacks
    random       the rows that the others start from, as drawn
    flip         clean rows with the other label, added (classes only)
    dual         `PoisoningAttacker` with the paper's gradient, its signs and scales corrected
    implicit     with the relationship of the nodes held
    total        with the exact gradient, the default

The three optimised attacks are at their defaults but for `max_iter` and ``line_search=False``: each
solves as many victims as it makes steps, one more for the start and two to judge the end.

Two scalings of the features, over the rows of all nodes: z-scores with an intercept, where the
radius is the largest norm of the source's clean rows; and, as ``min-max``, to [0, 1] without one,
where it is the largest norm of all clean rows.

How to read the tables
    H            mean loss of the targets' clean training rows, summed over targets, of the victim
                 fitted from scratch on clean and injected rows
    error        mean test error of the targets: share of wrong classes, or RMSE
    ratio        error over that without any attack
    se           standard error over draws

Below the table: in how many draws an optimised attack ends above its start, and `total` above
`dual`, with every draw in which it does not.

The files in `results/`: `real_data.csv`, the defaults, which leave out `human_activity`;
`real_data_all_volunteers.csv`, ``--data human_activity --attack direct --draws 1``;
`real_data_min_max.csv`, ``--scaling min-max --attack direct --kind total --draws 3``, 100 steps on
landmine and 30 on human activity; `real_data_labels.csv`, the same on `parkinsons_total` with 60
steps, ``--optimize-labels --init ball``.

Finished cells are kept in the CSV file and not computed again: a run that was stopped goes on.

    python benchmarks/attack/real_data.py [--output DIR] [--data-home DIR] [--draws N] [--steps N]
        [--data NAME ...] [--attack NAME ...] [--kind NAME ...] [--scaling NAME] [--init NAME]
        [--optimize-labels] [--name NAME] [--n-jobs N]
"""

import sys
import time
from pathlib import Path

import numpy as np
from sklearn.preprocessing import MinMaxScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _cells import cell_of, run_cells
from _common import is_regression, load_rows, make_parser, make_scaler, print_table

from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.attack._poisoner import clean_twin
from skfedmtl.model_selection import train_test_split_nodes

#: the fourth is the fifth with ten of its thirty volunteers: its attacks take a third of the time
DATA = ("heart_disease", "parkinsons_total", "landmine", "ten_volunteers", "human_activity")
ATTACKS = ("direct", "indirect", "hybrid")
OPTIMISED = ("dual", "implicit", "total")
KINDS = ("random", "flip", *OPTIMISED)
SCALINGS = ("z-scores", "min-max")
CELL = ("scaling", "data", "attack", "kind", "draw", "steps")
MEASURES = ("H", "error", "clean", "seconds")
TOL = 1e-4  #: relative duality gap of every victim that is judged


def make_poisoner(kind, victim, threat, steps, init, optimize_labels):
    """The attack of that name."""
    if kind == "flip":
        return LabelFlipPoisoner(victim, **threat)
    threat = {**threat, "init": init}
    if kind == "random":
        return RandomPoisoner(victim, **threat)
    return PoisoningAttacker(
        victim,
        gradient=kind,
        max_iter=steps,
        line_search=False,
        optimize_labels=optimize_labels,
        **threat,
    )


def prepare(cell, data_home, options):
    """One attack of one draw before it begins: the poisoner, rows to fit and rows to test."""
    scaling, data, attack, kind, draw, steps = cell
    X, y, nodes = _load(data, data_home)
    X = make_scaler().fit_transform(X)
    if scaling == "min-max":
        X = MinMaxScaler().fit_transform(X)
    rows = train_test_split_nodes(X, y, nodes, random_state=draw)
    X, X_test, y, y_test, nodes, nodes_test = rows
    estimator = FMTLRegressor if is_regression(data) else FMTLClassifier
    victim = estimator(tol=TOL, fit_intercept=scaling == "z-scores", random_state=draw)
    threat = {"attack": attack, "random_state": draw, "victim_tol": TOL}
    if scaling == "min-max" and kind != "flip":
        threat["radius"] = float(np.linalg.norm(X, axis=1).max())
    poisoner = make_poisoner(kind, victim, threat, steps, **options)
    return poisoner, (X, y, nodes), (X_test, y_test, nodes_test)


def compute(cell, data_home, options):
    """One attack of one draw: a row of the table."""
    poisoner, (X, y, nodes), (X_test, y_test, nodes_test) = prepare(cell, data_home, options)
    start = time.perf_counter()
    poisoner.fit(X, y, nodes=nodes)
    seconds = time.perf_counter() - start
    row = dict(zip(CELL, cell, strict=True))
    row["H"] = poisoner.objective_
    row["error"] = poisoner.score(X_test, y_test, nodes=nodes_test)
    row["clean"] = clean_twin(poisoner).score(X_test, y_test, nodes=nodes_test)
    row["seconds"] = seconds
    return row


def _load(data, data_home):
    if data != "ten_volunteers":
        return load_rows(data, data_home)
    X, y, nodes = load_rows("human_activity", data_home)
    kept = np.isin(nodes, np.unique(nodes)[:10])
    return X[kept], y[kept], nodes[kept]


def summarise(rows):
    """Mean and standard error of every cell over its draws."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in CELL if name != "draw"), []).append(row)
    table = []
    for (scaling, data, attack, kind, steps), group in groups.items():
        errors = np.array([row["error"] for row in group])
        clean = np.mean([row["clean"] for row in group])
        percent = 1.0 if is_regression(data) else 100.0
        table.append(
            {
                "data": data,
                "scaling": scaling,
                "attack": attack,
                "kind": kind,
                "steps": steps,
                "draws": len(group),
                "H": np.mean([row["H"] for row in group]),
                "clean": percent * clean,
                "error": percent * errors.mean(),
                "se": percent * errors.std(ddof=1) / np.sqrt(len(errors))
                if len(errors) > 1
                else np.nan,
                "ratio": errors.mean() / clean,
                "s": np.mean([row["seconds"] for row in group]),
            }
        )
    return table


def by_draw(rows):
    """H of every kind, one dict a draw."""
    draws = {}
    for row in rows:
        key = tuple(row[name] for name in ("scaling", "data", "attack", "draw"))
        draws.setdefault(key, {})[row["kind"]] = row["H"]
    return draws


def print_duels(draws):
    """Optimised attacks beside their start, and `total` beside `dual`; every defeat."""
    for kind in OPTIMISED:
        pairs = [(H[kind], H["random"]) for H in draws.values() if {kind, "random"} <= set(H)]
        above = sum(own > start for own, start in pairs)
        equal = sum(own == start for own, start in pairs)
        print(f"H of {kind!r} is above that of its start in {above} draws of {len(pairs)},", end="")
        print(f" equal in {equal}")
    duels = {key: H for key, H in draws.items() if {"dual", "total"} <= set(H)}
    lost = {key: H for key, H in duels.items() if H["total"] < H["dual"]}
    print(f"H of 'total' is below that of 'dual' in {len(lost)} draws of {len(duels)}")
    for key, H in lost.items():
        print(" ", *key, {kind: float(f"{value:.4g}") for kind, value in H.items()})


COLUMNS = {
    "data": "s",
    "scaling": "s",
    "attack": "s",
    "kind": "s",
    "steps": "d",
    "draws": "d",
    "H": ".4g",
    "clean": ".2f",
    "error": ".2f",
    "se": ".2f",
    "ratio": ".2f",
    "s": ".1f",
}


def main():
    parser = make_parser(__doc__, Path(__file__).parent / "results")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA[:4])
    parser.add_argument("--attack", nargs="+", choices=ATTACKS, default=ATTACKS)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--scaling", choices=SCALINGS, default="z-scores")
    parser.add_argument("--init", choices=("clean", "ball"), default="clean")
    parser.add_argument("--optimize-labels", action="store_true", help="regression: targets, too")
    parser.add_argument("--name", default="real_data", help="of the CSV file")
    parser.add_argument("--n-jobs", type=int, default=2)
    arguments = parser.parse_args()
    path = arguments.output / f"{arguments.name}.csv"
    cells = [
        (arguments.scaling, data, attack, kind, draw, arguments.steps if kind in OPTIMISED else 0)
        for data in arguments.data
        for draw in range(arguments.draws)
        for attack in arguments.attack
        for kind in arguments.kind
        if not (kind == "flip" and is_regression(data))
    ]
    options = {"init": arguments.init, "optimize_labels": arguments.optimize_labels}
    kept = {"whole": ("draw", "steps"), "real": MEASURES}
    common = {"kept": kept, "n_jobs": arguments.n_jobs}
    rows = run_cells(compute, cells, CELL, path, arguments.data_home, options, **common)
    wanted = set(cells)
    rows = [row for row in rows if cell_of(row, CELL) in wanted]
    print_table(COLUMNS, summarise(rows))
    print()
    print_duels(by_draw(rows))


if __name__ == "__main__":
    main()
