"""Table II of Sun et al. (2020): test errors under random and optimised attacks.

Two protocols: ``paper`` (features in [0, 1] over all rows, no intercept, the largest norm of all
rows as the radius, lambda1 = lambda2 = 1e-3) and ``honest`` (z-scores of the training rows, an
intercept, the largest norm of the source's rows, lambdas by three folds of the clean training
rows). A seed draws the split of every node's rows (75/25), the targets (half of the nodes), the
sources and the rows that attacks start from. 20 % of a source's clean rows are injected. All cells
have the same settings, but for what differs between classes and numbers; ``_protocols.py`` holds
them.

Rows
    no attack    the victim without injected rows
    random       classes: clean rows of the source, drawn with replacement, with the other class;
                 numbers: rows uniform in the ball, with an end of their node's range as target
    optimised    `PoisoningAttacker` from those rows; for classes against the ramp, which is nearer
                 to the error than the hinge, for numbers with targets that move in that range
    constant     without attack: each node's larger class, or mean
    local        one `LinearSVC` or `Ridge` a node; 1e-3 as penalty, or by folds (honest)
    global       one for all rows

How to read the tables
    cells        mean over seeds of the mean test error of the targets, in percent (classes) or as
                 RMSE (Parkinson's); +- its standard error
    endad_like   made rows in the shape of EndAD, which is private: no result about EndAD, and no
                 part of the average
    average      over the four public data sets, of percents and RMSEs alike, as in the paper
    seeds        0 to 9 under ``paper``, 0 to 2 under ``honest``, whose searches take long
    ratios       error over that without an attack; `goal` is the paper's, `reached` whether ours is
                 no smaller and above that of random rows

For landmine, where "no mine" makes 6 % errors, AUC and balanced error of the targets are in the
CSV file and below the honest table.

``table2.csv`` is the summary, where `paper` and `paper_ratio` are what the paper prints, as far as
it is known here, ``table2_draws.csv`` every seed and ``table2_lambdas.csv`` what the folds chose.
Finished cells of the same version, settings and steps are kept and not computed again. ``--repeat``
computes the first stored cell of each kind that was asked for once more: exit status 1 if a digit
differs, and by what share of it the number differs most that does. The same digits come from the
same processor only: BLAS adds up in another order elsewhere. What then differs in the last digit of
a fit, a hundred steps of an attack may make a few percent of.

    python benchmarks/paper/table2.py [--data-home DIR] [--output DIR] [--draws N]
        [--honest-draws N] [--steps N] [--data NAME ...] [--attack NAME ...] [--protocol NAME ...]
        [--n-jobs N] [--repeat]
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from _cells import cell_of, read_rows, run_cells
from _common import at_least_one, is_regression, make_parser, write_csv
from _models import fold_losses, node_means, predict
from _protocols import (
    ATTACKS,
    DATA,
    LAMBDAS,
    PROTOCOLS,
    SETTINGS,
    STAMP,
    make_attack,
    split,
    steps_for,
)
from _summary import show, summarise

CELL = ("protocol", "dataset", "attack", "kind", "seed", "steps")
KEPT = {"whole": ("seed", "steps"), "real": ("error", "balanced", "auc", "H", "seconds")}
SEARCH = ("protocol", "dataset", "method", "seed")
CHOICES = {"whole": ("seed",), "real": ("lambda1", "lambda2", "lambda", "seconds")}
BASELINES = ("constant", "local", "global")
N_FOLDS = 3


def search(cell, data_home):
    """The lambdas of a method by folds of the clean training rows: a row."""
    _, data, method, seed = cell
    start = time.perf_counter()
    rows, setting = split("raw", data, seed, data_home)[0], SETTINGS[data]
    folds = [fold_losses(setting, method, rows, seed, fold, N_FOLDS) for fold in range(N_FOLDS)]
    choice = setting.candidates(method)[int(np.argmin(np.mean(folds, axis=0)))]
    row = {**dict(zip(SEARCH, cell, strict=True)), **choice}
    return {**row, "seconds": time.perf_counter() - start, "version": STAMP["version"]}


def compute(cell, lambdas, data_home):
    """One attack of one seed: a row, or one for the clean victim and one a baseline."""
    protocol, data, attack, kind, seed, steps = cell
    choices = lambdas[protocol, data, seed]
    train, test, radius = split(protocol, data, seed, data_home)
    options = {"radius": radius, "lambdas": choices["fmtl"], "steps": steps}
    poisoner = make_attack(protocol, data, attack, kind, seed, **options)
    start = time.perf_counter()
    poisoner.fit(train.X, train.y, nodes=train.nodes)
    seconds = time.perf_counter() - start
    targets, regression = np.isin(test.nodes, poisoner.target_nodes_), is_regression(data)
    test = test.take(targets)
    call = poisoner.predict if regression else poisoner.decision_function
    row = dict(zip(CELL, cell, strict=True))
    rows = [row | _named(node_means(call(test.X, nodes=test.nodes), test, regression))]
    rows[0] |= {"H": poisoner.objective_, "seconds": seconds}
    for method in BASELINES if kind == "none" else ():
        options = {"fit_intercept": protocol == "honest"}
        values, _ = predict(method, choices[method], train, test, regression, **options)
        rows.append(row | {"kind": method} | _named(node_means(values, test, regression)))
    return [one | {**STAMP} for one in rows]


def _named(measures):
    names = {"error %": "error", "RMSE": "error", "balanced %": "balanced", "AUC": "auc"}
    return {names[key]: value for key, value in measures.items()}


def draws_of(arguments):
    """Seeds of each protocol."""
    return {"paper": arguments.draws, "honest": min(arguments.draws, arguments.honest_draws)}


def find_lambdas(path, wanted, draws, data_home, n_jobs):
    """(protocol, data, seed) -> method -> lambdas; those of the honest protocol by folds."""
    cells = [
        ("honest", data, method, seed)
        for protocol, data in wanted
        if protocol == "honest"
        for seed in range(draws["honest"])
        for method in ("fmtl", "local", "global")
    ]
    stamp = {"version": STAMP["version"]}
    options = {"kept": CHOICES, "stamp": stamp, "n_jobs": n_jobs}
    rows = run_cells(search, cells, SEARCH, path, data_home, **options)
    found = {(*one, seed): dict(LAMBDAS) for one in wanted for seed in range(draws[one[0]])}
    for row in rows:
        place = found.get((row["protocol"], row["dataset"], row["seed"]), {})
        names = ("lambda1", "lambda2") if row["method"] == "fmtl" else ("lambda",)
        place[row["method"]] = {name: row[name] for name in names}
    return found


def list_cells(arguments):
    """All cells that were asked for; the cheap ones of a data set first."""
    draws, steps = draws_of(arguments), arguments.steps
    kinds = [("none", "none"), *((attack, "random") for attack in arguments.attack)]
    kinds += [(attack, "optimised") for attack in arguments.attack]
    return [
        (protocol, data, attack, kind, seed, steps_for(data, steps) if kind == "optimised" else 0)
        for protocol in arguments.protocol
        for data in arguments.data
        for attack, kind in kinds
        for seed in range(draws[protocol])
    ]


def repeat(cells, rows, *args):
    """Compute stored cells again; how many differ in a digit."""
    different = 0
    for cell in {(*cell[:4],): cell for cell in reversed(cells)}.values():
        stored = [row for row in rows if cell_of(row, CELL) == cell]
        again = [row for row in compute(cell, *args) if cell_of(row, CELL) == cell]
        names = [name for name in again[0] if name != "seconds"] if stored else []
        equal = all(str(stored[0].get(name)) == str(again[0][name]) for name in names)
        different += not equal
        verdict = "not stored" if not stored else "equal" if equal else "DIFFERENT"
        if stored and not equal:
            verdict += f" by {_largest_share(stored[0], again[0]):.1e}"
        print(f"{verdict}: {', '.join(map(str, cell))}", flush=True)
    return different


def _largest_share(stored, again):
    """The largest relative difference between measures of two rows."""
    names = [name for name in KEPT["real"] if name != "seconds" and name in stored]
    pairs = [(float(stored[name]), float(again.get(name, np.nan))) for name in names]
    return max(abs(one - other) / max(abs(one), np.finfo(float).tiny) for one, other in pairs)


def main(argv=None):
    """Compute what is missing, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--draws", type=at_least_one, default=10, help="seeds 0 to N-1")
    parser.add_argument("--honest-draws", type=at_least_one, default=3, help="at most --draws")
    parser.add_argument("--steps", type=at_least_one, help="of all data (default: 30, numbers 100)")
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--attack", nargs="+", choices=ATTACKS, default=ATTACKS)
    parser.add_argument("--protocol", nargs="+", choices=PROTOCOLS, default=PROTOCOLS)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--repeat", action="store_true", help="compare stored cells, bit by bit")
    arguments = parser.parse_args(argv)
    start, folder = time.perf_counter(), arguments.output
    common = arguments.data_home, arguments.n_jobs
    wanted = [(protocol, data) for protocol in arguments.protocol for data in arguments.data]
    lambdas = find_lambdas(folder / "table2_lambdas.csv", wanted, draws_of(arguments), *common)
    path, cells = folder / "table2_draws.csv", list_cells(arguments)
    if arguments.repeat:
        rows = read_rows(path, stamp=STAMP, **KEPT)
        return 1 if repeat(cells, rows, lambdas, arguments.data_home) else 0
    options = {"kept": KEPT, "stamp": STAMP, "n_jobs": arguments.n_jobs}
    rows = run_cells(compute, cells, CELL, path, lambdas, arguments.data_home, **options)
    columns = (*CELL[:2], *CELL[4:])  # baselines have kinds of their own
    asked = {(*cell[:2], *cell[4:]) for cell in cells}
    summary = summarise([row for row in rows if cell_of(row, columns) in asked])
    show(summary)
    print(f"{time.perf_counter() - start:.0f} s in all")
    write_csv(folder / "table2.csv", summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
