"""Table II of Sun et al. (2020): test errors under attacks, and what is certified.

Three protocols: ``paper`` (features in [0, 1] over all rows, no intercept, the largest norm of all
rows as the radius, lambda1 = lambda2 = 1e-3), ``sane`` (the same with an intercept that is less
penalised, so that landmine's clean model ranks) and ``honest`` (z-scores of the training rows, an
intercept, the largest norm of the source's rows, lambdas by three folds of the clean training
rows). A seed draws the split of every node's rows (75/25), the targets (half of the nodes), the
sources and the rows that attacks start from. 20 % of a source's clean rows are injected. All cells
have the same settings, but for what differs between classes and numbers; ``_protocols.py`` holds
them.

Kinds
    none         the victim without injected rows
    random       classes: clean rows of the source, drawn with replacement, with the other class;
                 numbers: rows uniform in the ball, with an end of their node's range as target
    ascent       projected gradient ascent from those rows, as in the paper; for classes against the
                 ramp, which is nearer to the error than the hinge, for numbers with targets that
                 move in that range
    optimised    `PoisoningAttacker` at its defaults, which seeks the victim's weights first and has
                 an ascent as one candidate; of classes by the error, of numbers by the loss and
                 with ``optimize_labels``
    bound        `DamageBound` of the same draw: what the mean clean training loss of the targets
                 never exceeds, whatever is injected
    constant     beside ``none``: each node's larger class, or mean
    local        beside ``none``: one `LinearSVC` or `Ridge` a node; 1e-3 as penalty, or by folds
                 (honest)
    global       beside ``none``: one for all rows

How to read the tables
    cells        mean over seeds of the mean test error of the targets, in percent (classes) or as
                 RMSE (Parkinson's); +- its standard error
    endad_like   made rows in the shape of EndAD, which is private: no result about EndAD, and no
                 part of the average
    average      over the four public data sets, of percents and RMSEs alike, as in the paper
    seeds        0 to 9 under ``paper``, 0 to 2 of its dear cells (``optimised`` and ``bound`` of
                 the data named in ``DEAR``) and under the other protocols
    ratios       error over that without an attack; `goal` is the paper's, `reached` whether the
                 stronger of ``ascent`` and ``optimised`` is no smaller and above random rows
    clean_loss   mean clean training loss (hinge, squared error) of a target, without an attack;
    found        under ``optimised``;
    bound        and at most, certified. `share` is found over bound, 1 where no attack is stronger

No cell is refused by `DamageBound`: none of the victims has `class_weight` or leaves rows out.

For landmine, where "no mine" makes 6 % errors, AUC and balanced error of the targets are in the
CSV file and below the tables of ``sane`` and ``honest``.

``table2.csv`` is the summary of all that is stored, where `paper` and `paper_ratio` are what the
paper prints, as far as it is known here, ``table2_draws.csv`` every seed (H: the loss, summed over
targets; of a bound, its own) and ``table2_lambdas.csv`` what the folds chose. Finished cells of the
same version, settings and steps are kept and not computed again, so that the table can be made in
pieces. ``--repeat`` computes the first stored cell of each kind that was asked for once more: exit
status 1 if a digit differs, and by what share of it the number differs most that does. The same
digits come from the same processor only: BLAS adds up in another order elsewhere. What then differs
in the last digit of a fit, a hundred steps of an attack may make a few percent of.

    python benchmarks/paper/table2.py [--data-home DIR] [--output DIR] [--draws N]
        [--few-draws N] [--steps N] [--data NAME ...] [--attack NAME ...] [--kind NAME ...]
        [--protocol NAME ...] [--n-jobs N] [--repeat]
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
    DEAR,
    KINDS,
    LAMBDAS,
    PROTOCOLS,
    SEARCHED,
    SETTINGS,
    VICTIM,
    make_attack,
    make_bound,
    split,
    stamp_of,
    steps_for,
)
from _summary import show, summarise

import skfedmtl

CELL = ("protocol", "dataset", "attack", "kind", "seed", "steps")
KEPT = {
    "whole": ("seed", "steps", "targets"),
    "real": ("error", "balanced", "auc", "H", "seconds"),
}
SEARCH = ("protocol", "dataset", "method", "seed")
CHOICES = {"whole": ("seed",), "real": ("lambda1", "lambda2", "lambda", "seconds")}
BASELINES = ("constant", "local", "global")
N_FOLDS = 3


def search(cell, data_home):
    """The lambdas of a method by folds of the clean training rows: a row."""
    _, data, method, seed = cell
    start = time.process_time()
    rows, setting = split("raw", data, seed, data_home)[0], SETTINGS[data]
    folds = [fold_losses(setting, method, rows, seed, fold, N_FOLDS) for fold in range(N_FOLDS)]
    choice = setting.candidates(method)[int(np.argmin(np.mean(folds, axis=0)))]
    row = {**dict(zip(SEARCH, cell, strict=True)), **choice}
    return {**row, "seconds": time.process_time() - start, "version": skfedmtl.__version__}


def compute(cell, lambdas, data_home):
    """One cell: a row, or one for the clean victim and one a baseline."""
    protocol, data, attack, kind, seed, steps = cell
    choices = lambdas[protocol, data, seed]
    train, test, radius = split(protocol, data, seed, data_home)
    options = {"radius": radius, "lambdas": choices["fmtl"]}
    row = dict(zip(CELL, cell, strict=True)) | stamp_of(protocol, kind)
    if kind == "bound":
        return row | _certify(make_bound(protocol, data, attack, seed, **options), train)
    poisoner = make_attack(protocol, data, attack, kind, seed, **options, steps=steps)
    damage, test = _attack(poisoner, train, test, is_regression(data))
    if kind != "none":
        return row | damage
    return [row | damage, *_baselines(row, choices, train, test)]


def _certify(bound, train):
    start = time.process_time()
    bound.fit(train.X, train.y, nodes=train.nodes)
    seconds = time.process_time() - start
    found = {"H": bound.upper_bound_, "seconds": seconds}
    return found | {"targets": len(bound.target_nodes_), "theorem": bound.theorem_}


def _attack(poisoner, train, test, regression):
    """What a poisoner does to its targets, and their test rows."""
    start = time.process_time()
    poisoner.fit(train.X, train.y, nodes=train.nodes)
    seconds = time.process_time() - start
    test = test.take(np.isin(test.nodes, poisoner.target_nodes_))
    call = poisoner.predict if regression else poisoner.decision_function
    errors = _named(node_means(call(test.X, nodes=test.nodes), test, regression))
    return errors | {"H": poisoner.objective_, "seconds": seconds}, test


def _baselines(row, choices, train, test):
    regression = is_regression(row["dataset"])
    options = {"fit_intercept": VICTIM[row["protocol"]]["fit_intercept"]}
    for method in BASELINES:
        values, _ = predict(method, choices[method], train, test, regression, **options)
        yield row | {"kind": method} | _named(node_means(values, test, regression))


def _named(measures):
    names = {"error %": "error", "RMSE": "error", "balanced %": "balanced", "AUC": "auc"}
    return {names[key]: value for key, value in measures.items()}


def draws_of(arguments, protocol, data, kind):
    """Seeds of a cell."""
    is_dear = protocol != "paper" or (kind in SEARCHED and data in DEAR)
    return min(arguments.draws, arguments.few_draws) if is_dear else arguments.draws


def find_lambdas(path, cells, data_home, n_jobs):
    """(protocol, data, seed) -> method -> lambdas; those of the honest protocol by folds."""
    wanted = dict.fromkeys((protocol, data, seed) for protocol, data, _, _, seed, _ in cells)
    searches = [
        (protocol, data, method, seed)
        for protocol, data, seed in wanted
        if protocol == "honest"
        for method in ("fmtl", "local", "global")
    ]
    stamp = {"version": skfedmtl.__version__}
    options = {"kept": CHOICES, "stamp": stamp, "n_jobs": n_jobs}
    rows = run_cells(search, searches, SEARCH, path, data_home, **options)
    found = {one: dict(LAMBDAS) for one in wanted}
    for row in rows:
        place = found.get((row["protocol"], row["dataset"], row["seed"]), {})
        names = ("lambda1", "lambda2") if row["method"] == "fmtl" else ("lambda",)
        place[row["method"]] = {name: row[name] for name in names}
    return found


def list_cells(arguments):
    """All cells that were asked for; the cheap ones of a data set first."""
    return [
        (protocol, data, attack, kind, seed, _steps(data, kind, arguments.steps))
        for protocol in arguments.protocol
        for data in arguments.data
        for kind in KINDS
        if kind in arguments.kind
        for attack in (("none",) if kind == "none" else arguments.attack)
        for seed in range(draws_of(arguments, protocol, data, kind))
    ]


def _steps(data, kind, asked):
    """Steps of a cell; 0 where there are none, or as many as the default attack makes."""
    return steps_for(data, asked) if kind == "ascent" else 0


def _stamp(row):
    return stamp_of(row["protocol"], row["kind"])


def repeat(cells, rows, *args):
    """Compute stored cells again; how many differ in a digit."""
    different = 0
    for cell in {cell[:4]: cell for cell in reversed(cells)}.values():
        stored = [row for row in rows if cell_of(row, CELL) == cell]
        again = compute(cell, *args)
        again = again if isinstance(again, list) else [again]
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
    parser.add_argument("--few-draws", type=at_least_one, default=3, help="of dear cells")
    parser.add_argument("--steps", type=at_least_one, help="of ascents (default: 30, numbers 100)")
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--attack", nargs="+", choices=ATTACKS, default=ATTACKS)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--protocol", nargs="+", choices=PROTOCOLS, default=PROTOCOLS)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--repeat", action="store_true", help="compare stored cells, bit by bit")
    arguments = parser.parse_args(argv)
    start, folder = time.perf_counter(), arguments.output
    cells = list_cells(arguments)
    common = arguments.data_home, arguments.n_jobs
    lambdas = find_lambdas(folder / "table2_lambdas.csv", cells, *common)
    path = folder / "table2_draws.csv"
    if arguments.repeat:
        rows = read_rows(path, stamp=_stamp, **KEPT)
        return 1 if repeat(cells, rows, lambdas, arguments.data_home) else 0
    options = {"kept": KEPT, "stamp": _stamp, "n_jobs": arguments.n_jobs}
    rows = run_cells(compute, cells, CELL, path, lambdas, arguments.data_home, **options)
    same = [x for x in rows if x["steps"] == _steps(x["dataset"], x["kind"], arguments.steps)]
    summary = summarise(same)
    show([line for line in summary if line["protocol"] in arguments.protocol])
    print(f"{time.perf_counter() - start:.0f} s in all")
    write_csv(folder / "table2.csv", summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
