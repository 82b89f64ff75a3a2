"""The fits of a cell of `engines.py`, in a process of their own: a line of JSON a fit.

    python _engine_fit.py SPECIFICATION

SPECIFICATION is a problem in JSON.
"""

import json
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parent))

from _certificate import Learned, Problem
from _common import load_named
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import skfedmtl
from skfedmtl import FMTLClassifier, FMTLRegressor

__all__ = []


def main():
    """Fit once untimed with one round, then as often as asked for."""
    one = json.loads(sys.argv[1])
    loss, penalties = one["loss"], {key: one[key] for key in ("lambda1", "lambda2")}
    X, y, nodes = load_named(one["data"], one["data_home"], regression=loss == "squared_error")
    problem = Problem(X, y, nodes, loss, Learned(**penalties))
    estimator = FMTLRegressor if loss == "squared_error" else FMTLClassifier
    options = {"loss": loss, "tol": one["tol"], "random_state": 0, **penalties}
    estimator(**options, max_iter=1).fit(X, y, nodes=nodes)
    print(json.dumps({"package": skfedmtl.__file__}), flush=True)
    for _ in range(one["repeats"]):
        model = estimator(**options)
        start = time.perf_counter()
        model.fit(X, y, nodes=nodes)
        seconds = time.perf_counter() - start
        P, gap = problem.gap(model)
        line = {"seconds": seconds, "gap": float(gap / P), "rounds": int(model.n_iter_)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the gap shows it
        main()
