"""Seconds and memory of fits to sparse rows, beside liblinear on every node alone.

Generated rows like counts of words: 30 nodes of 2,000 rows, 20,000 features, fifty drawn for each
row, low ones far more often. The dense table would take 10 GB. Fits go to a gap
of 1e-3, liblinear to its own tolerance of 1e-3. Every line has a process of its own;
medians of three fits, the peak of resident memory over the first, less what was resident before.

How to read the table
    seconds      CPU seconds of a fit; ``local`` is `LinearSVC` (liblinear), one a node
    ratio        seconds over those of ``local`` with the same loss
    gap          the relative duality gap that the fit ended with
    MB, x X      peak memory of the fit, and as a multiple of the bytes of X

    python benchmarks/scale/sparse.py [--output DIR]
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import make_parser, print_table, write_csv
from _timing import in_fresh_process, peak_bytes

from skfedmtl import FMTLClassifier, FMTLRegressor

N_NODES, N_ROWS, N_FEATURES, N_WORDS = 30, 2_000, 20_000, 50
TOL, REPEATS = 1e-3, 3


class Local:
    """`LinearSVC` on every node alone."""

    def __init__(self, loss):
        self.loss = loss

    def fit(self, X, y, nodes):
        for node in range(N_NODES):
            mine = nodes == node
            # C = 1 / (2 lambda n): the penalty of a node under the defaults of the estimators
            C = 1.0 / (2e-3 * N_ROWS)
            LinearSVC(loss=self.loss, dual=True, C=C, tol=TOL, random_state=0).fit(X[mine], y[mine])


MODELS = {
    "local hinge": lambda: Local("hinge"),
    "local squared hinge": lambda: Local("squared_hinge"),
    "hinge": lambda: FMTLClassifier(tol=TOL, random_state=0),
    "squared hinge": lambda: FMTLClassifier(loss="squared_hinge", tol=TOL, random_state=0),
    "logistic": lambda: FMTLClassifier(loss="logistic", tol=TOL, random_state=0),
    "squared error": lambda: FMTLRegressor(tol=TOL, random_state=0),
}
COLUMNS = {
    "model": "s",
    "seconds": ".2f",
    "ratio": ".2f",
    "rounds": "d",
    "gap": ".1e",
    "MB": ".0f",
    "x X": ".2f",
}


def rows():
    """Sparse rows, decision values of them with noise, and nodes."""
    rng = np.random.default_rng(0)
    n = N_NODES * N_ROWS
    words = np.minimum(50.0 * rng.pareto(0.7, size=(n, N_WORDS)), N_FEATURES - 1).astype(np.int32)
    X = csr_matrix(
        (rng.random(words.size), words.ravel(), np.arange(n + 1) * N_WORDS), shape=(n, N_FEATURES)
    )
    X.sum_duplicates()
    values = X @ rng.standard_normal(N_FEATURES)
    values = values / values.std() + 0.5 * rng.standard_normal(n)
    return X, values, np.repeat(np.arange(N_NODES), N_ROWS)


def measure(name):
    """One line of the table; runs in a process of its own."""
    X, values, nodes = rows()
    model = MODELS[name]()
    y = values if name == "squared error" else values > 0
    small = np.flatnonzero(np.arange(len(y)) % N_ROWS < 20)
    model.fit(X[small], y[small], nodes=nodes[small])  # nothing is loaded later

    def seconds():
        start = time.process_time()
        model.fit(X, y, nodes=nodes)
        return time.process_time() - start

    first, peak = peak_bytes(seconds)
    size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    line = {"model": name, "MB": peak / 1e6, "x X": peak / size}
    line["seconds"] = statistics.median([first, *(seconds() for _ in range(REPEATS - 1))])
    if not isinstance(model, Local):
        line |= {"rounds": model.n_iter_, "gap": model.dual_gap_ / model.objective_}
    return line


def main(argv=None):
    """Measure, print and write."""
    arguments = make_parser(__doc__, Path(__file__).with_name("results")).parse_args(argv)
    lines = []
    for name in MODELS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        lines.append(in_fresh_process(measure, name))
    local = {line["model"]: line["seconds"] for line in lines}
    for line in lines:
        if (peer := f"local {line['model']}") in local:
            line["ratio"] = line["seconds"] / local[peer]
    print_table(COLUMNS, lines)
    write_csv(arguments.output / "sparse.csv", lines)
    print(f"wrote {arguments.output / 'sparse.csv'}")


if __name__ == "__main__":
    sys.exit(main())
