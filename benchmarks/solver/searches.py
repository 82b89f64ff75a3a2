"""CPU seconds of searches for penalties, beside scikit-learn's search at every node.

`FMTLRegressorCV` and `FMTLClassifierCV` over four lambda1 and six lambda2 in three folds, 72 fits
to a gap of 1e-4 along warm paths and one more to all rows; `GridSearchCV` over `Ridge` or
`LinearSVC` (liblinear, the same loss, its own tolerance) at every node in turn, over the six
lambda2 in three folds and once more. Both get three quarters of the rows, on one thread in one
process; errors are those of the others, root mean squared or the share of wrong classes, a mean
over the nodes.

    139x60x27     made rows like School's: 139 nodes of 60 rows and 27 features, numbers
    landmine      classes
    parkinsons    classes: whether a total UPDRS is above the patient's median

How to read the table
    fits, peer fits   that are made, all nodes together and one by one
    ratio             CPU seconds over the peer's

    python benchmarks/solver/searches.py [--data-home DIR] [--output DIR] [--repeats N]
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import at_least_one, load_named, make_parser, print_table, write_csv
from alone import median_cpu_seconds

from skfedmtl import FMTLClassifierCV, FMTLRegressorCV
from skfedmtl.model_selection import train_test_split_nodes

LAMBDA1S, LAMBDA2S, FOLDS = np.logspace(-4, -1, 4), np.logspace(-4, 1, 6), 3
COLUMNS = {
    "data": "s",
    "loss": "s",
    "nodes": "d",
    "fits": "d",
    "seconds": ".3f",
    "peer fits": "d",
    "peer seconds": ".3f",
    "ratio": ".3f",
    "error": ".3f",
    "peer error": ".3f",
}


def above_median(y, nodes):
    """Whether each number is above the median of its node."""
    medians = {node: np.median(y[nodes == node]) for node in np.unique(nodes)}
    return (y > [medians[node] for node in nodes]).astype(int)


def search_alone(loss, X, y, nodes):
    """A fitted search a node."""
    regression = loss == "squared_error"
    searches = {}
    for node in np.unique(nodes):
        mine = nodes == node
        n = mine.sum() * (FOLDS - 1) / FOLDS
        if regression:
            model, grid, folds = Ridge(), {"alpha": n * LAMBDA2S}, KFold(FOLDS)
        else:
            model = LinearSVC(loss=loss, dual=True, random_state=0)
            grid, folds = {"C": 1.0 / (2.0 * n * LAMBDA2S)}, StratifiedKFold(FOLDS)
        searches[node] = GridSearchCV(model, grid, cv=folds).fit(X[mine], y[mine])
    return searches


def error_of(truth, predicted, nodes, regression):
    """The mean over the nodes."""
    wrong = np.square(truth - predicted) if regression else (truth != predicted).astype(float)
    means = np.array([wrong[nodes == node].mean() for node in np.unique(nodes)])
    return float(np.mean(np.sqrt(means) if regression else means))


def measure(data, loss, rows, repeats):
    """A line of the table."""
    regression = loss == "squared_error"
    X, test_X, y, test_y, nodes, test_nodes = train_test_split_nodes(*rows, random_state=0)
    grid = {"lambda1s": LAMBDA1S, "lambda2s": LAMBDA2S, "cv": FOLDS}
    estimator = FMTLRegressorCV if regression else FMTLClassifierCV
    search = estimator(loss=loss, random_state=0, **grid)
    seconds, search = median_cpu_seconds(lambda: search.fit(X, y, nodes=nodes), repeats)
    alone, peers = median_cpu_seconds(lambda: search_alone(loss, X, y, nodes), repeats)
    predicted = np.empty(len(test_y))
    for node, peer in peers.items():
        predicted[test_nodes == node] = peer.predict(test_X[test_nodes == node])
    own = search.predict(test_X, nodes=test_nodes)
    return {
        "data": data,
        "loss": loss,
        "nodes": len(peers),
        "fits": FOLDS * len(LAMBDA1S) * len(LAMBDA2S) + 1,
        "seconds": seconds,
        "peer fits": len(peers) * (FOLDS * len(LAMBDA2S) + 1),
        "peer seconds": alone,
        "ratio": seconds / alone,
        "error": error_of(test_y, own, test_nodes, regression),
        "peer error": error_of(test_y, predicted, test_nodes, regression),
    }


def read(data_home):
    """Data, loss and rows of every line."""
    yield "139x60x27", "squared_error", load_named("139x60x27", regression=True)
    landmine = load_named("landmine", data_home, regression=False)
    X, y, nodes = load_named("parkinsons_total", data_home, regression=True)
    for loss in ("hinge", "squared_hinge"):
        yield "landmine", loss, landmine
        yield "parkinsons", loss, (X, above_median(y, nodes), nodes)


def main(argv=None):
    """Search, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--repeats", type=at_least_one, default=1, help="(default: 1)")
    arguments = parser.parse_args(argv)
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1):
        lines = [measure(*line, arguments.repeats) for line in read(arguments.data_home)]
    print_table(COLUMNS, lines)
    write_csv(arguments.output / "searches.csv", lines)


if __name__ == "__main__":
    main()
