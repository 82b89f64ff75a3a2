"""Test error without any attack: related nodes against local, global and constant models.

For each seed, a quarter of every node's rows is held out (`train_test_split_nodes`). On the
rest, each method chooses its strength of penalty by three folds (`NodeKFold`, shuffled by the
seed, the same folds for all methods), is fitted again on all of it, and meets the held-out rows
once. Z-scores, and medians for what is missing, come from the training rows of each fit alone.
All models have an intercept. The ranges of the penalties (`_clean.py`) were fixed after a look at
test errors of some of the splits; the choice within them is by training rows alone.

Methods
    fmtl      `FMTLClassifier` (hinge) or `FMTLRegressor`, relationship learned; lambda1, lambda2
    common    the same with lambda0 as well, None among its values
    local     one `LinearSVC` (hinge) or `Ridge` a node, one lambda for all: C = 1/(2 lambda n_l),
              alpha = lambda n_l
    global    one `LinearSVC` or `Ridge` on the rows of all nodes; lambda
    constant  each node's larger class, or mean

Measures, each the mean over nodes, then mean +- standard error over seeds
    error %      wrong rows
    balanced %   mean of the error rates of the two classes
    AUC          area under the ROC curve of the node's own decision values, to three decimals
    RMSE         in points of the score
    / local      the measure that was searched by, over that of `local`, lower is better
                 (AUC: 1 - AUC over 1 - AUC)
    - fmtl       of `common`: that measure less that of `fmtl`, a mean over seeds, lower is better;
                 +- its standard error, corrected for splits that overlap (Nadeau and Bengio)

Rows named ``... balanced`` weigh the two classes equally (`sample_weight`) and search by AUC; the
others search by error or RMSE. Only 6 % of the land mine rows are mines: there "no mine" is
nearly unbeatable in error, the best unweighted hinge model of many a node is that constant, and
the AUC of the balanced fits is what tells models apart. Rows of human activity are overlapping
windows of one recording a person, so that held-out rows have neighbours among the training rows,
for every method.

The columns lambda0, lambda1, lambda2 hold the values chosen most often (no lambda0 of `common` is
None), `gap` the largest relative duality gap of the final fits, `seconds` the mean processor time
of search and final fit. With `--only` the rows of other data stay in the files as they are.
Progress goes to stderr; needs joblib 1.4 or newer.

    python benchmarks/solver/clean_error.py [--data-home DIR] [--output DIR]
                                            [--only NAME ...] [--seeds N] [--n-jobs N]
"""

import csv
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _clean import METHODS, SETTINGS, TEST_SIZE, fit_final, fit_fold, numbered
from _common import make_parser, print_table, write_csv

N_FOLDS = 3
MEASURES = {"error %": ".2f", "balanced %": ".2f", "AUC": ".4f", "RMSE": ".3f"}


def run(calls, n_jobs, what):
    """Results of `calls`, (function, arguments), in their order, with lines of progress."""
    start = time.perf_counter()
    every = max(1, len(calls) // 20)
    jobs = [delayed(numbered)(number, call) for number, call in enumerate(calls)]
    results = {}
    for number, result in Parallel(n_jobs=n_jobs, return_as="generator_unordered")(jobs):
        results[number] = result
        if len(results) % every == 0 or len(results) == len(calls):
            seconds = time.perf_counter() - start
            line = f"{what}: {len(results)} of {len(calls)} jobs, {seconds:.0f} s"
            print(line, file=sys.stderr, flush=True)
    return [results[number] for number in range(len(calls))]


def search(names, seeds, n_jobs, data_home):
    """Best candidate, and seconds, of each (name, method, seed)."""
    keys = [(name, method, seed) for name in names for seed in seeds for method in METHODS]
    calls = [
        (fit_fold, (*key, fold, N_FOLDS, data_home)) for key in keys for fold in range(N_FOLDS)
    ]
    results = iter(run(calls, n_jobs, "search"))
    chosen = {}
    for key in keys:
        folds = [next(results) for _ in range(N_FOLDS)]
        losses = np.mean([losses for losses, _ in folds], axis=0)
        candidates = SETTINGS[key[0]].candidates(key[1])
        seconds = sum(seconds for _, seconds in folds)
        chosen[key] = candidates[int(np.argmin(losses))], seconds
    return chosen


def test(chosen, n_jobs, data_home):
    """One row of results a (name, method, seed)."""
    calls = [(fit_final, (*key, choice, data_home)) for key, (choice, _) in chosen.items()]
    results = run(calls, n_jobs, "test")
    rows = []
    for ((name, method, seed), (choice, searched)), (result, fitted) in zip(
        chosen.items(), results, strict=True
    ):
        row = {"data": name, "method": method, "seed": seed, **choice, **result}
        rows.append({**row, "seconds": searched + fitted})
    return rows


def summarise(rows):
    """Mean and standard error over seeds, one row a (name, method)."""
    summary, reference = [], {}
    for name, method in dict.fromkeys((row["data"], row["method"]) for row in rows):
        own = [row for row in rows if (row["data"], row["method"]) == (name, method)]
        line = {"data": name, "method": method, "seeds": len(own)}
        for measure in MEASURES:
            if measure in own[0]:
                values = np.array([row[measure] for row in own])
                line[measure] = values.mean()
                line[f"{measure} se"] = values.std(ddof=1) / np.sqrt(len(values))
        loss = SETTINGS[name].loss(line)
        line["/ local"] = loss / reference.setdefault(name, loss)  # local comes first
        if method == "common":
            line |= paired(name, rows)
        for key in ("lambda0", "lambda1", "lambda2", "lambda"):
            if key in own[0]:
                line[key] = Counter(row[key] for row in own).most_common(1)[0][0]
        if "gap" in own[0]:
            line["gap"] = max(row["gap"] for row in own)
        line["seconds"] = np.mean([row["seconds"] for row in own])
        summary.append(line)
    return summary


def paired(name, rows):
    """What `common` loses to `fmtl` on the same splits, and its corrected standard error."""
    losses = {
        (row["method"], row["seed"]): SETTINGS[name].loss(row)
        for row in rows
        if row["data"] == name and row["method"] in ("common", "fmtl")
    }
    seeds = [seed for method, seed in losses if method == "common"]
    difference = np.array([losses["common", seed] - losses["fmtl", seed] for seed in seeds])
    overlap = TEST_SIZE / (1.0 - TEST_SIZE)
    se = difference.std(ddof=1) * np.sqrt(1.0 / len(difference) + overlap)
    return {"- fmtl": difference.mean(), "- fmtl se": se}


def show(summary):
    """Print the summary, with mean and standard error in one cell."""
    columns = {"data": "s", "method": "s", **dict.fromkeys(MEASURES, ">s"), "/ local": ".3f"}
    columns |= {"- fmtl": ">s", "lambda0": ">s", "lambda1": "g", "lambda2": "g", "lambda": "g"}
    columns |= {"gap": ".0e", "seconds": ".1f"}
    lines = []
    for row in summary:
        cells = {
            key: f"{row[key]:{spec}} +- {row[f'{key} se']:{spec}}"
            for key, spec in MEASURES.items()
            if key in row
        }
        if "- fmtl" in row:
            cells["- fmtl"] = f"{row['- fmtl']:.3f} +- {row['- fmtl se']:.3f}"
            cells["lambda0"] = str(row["lambda0"])
        lines.append({**row, **cells})
    print_table(columns, lines)


def with_others(path, rows, names):
    """The path, and the rows with those of the file that are of other data."""
    others = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            others = [row for row in csv.DictReader(file) if row["data"] not in names]
    # an empty cell is what a row lacks
    others = [{key: value for key, value in row.items() if value} for row in others]
    places = list(SETTINGS)
    return path, sorted(rows + others, key=lambda row: places.index(row["data"]))


def main(argv=None):
    """Search, test, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to N-1 (default: 5)")
    parser.add_argument("--n-jobs", type=int, default=2, help="processes (default: 2)")
    arguments = parser.parse_args(argv)
    if arguments.seeds < 2:
        parser.error(f"--seeds must be at least 2, for a standard error; got {arguments.seeds}")
    start = time.perf_counter()
    names, options = arguments.only, (arguments.n_jobs, arguments.data_home)
    rows = test(search(names, range(arguments.seeds), *options), *options)
    summary = summarise(rows)
    show(summary)
    print(f"{time.perf_counter() - start:.0f} s in all")
    write_csv(*with_others(arguments.output / "clean_error.csv", summary, names))
    write_csv(*with_others(arguments.output / "clean_error_seeds.csv", rows, names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
