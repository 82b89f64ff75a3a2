"""One attack of `strength.py`, in a process of its own: a line of JSON, and a file of its rows.

    python _strength_fit.py SPECIFICATION FILE

SPECIFICATION is a cell, a draw and options of the attacker in JSON. Also what `strength.py` reads
its rows with: both see the same.
"""

import json
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import numpy as np
from _common import is_regression, load_rows, make_scaler, save_rows
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import skfedmtl
from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker
from skfedmtl.model_selection import train_test_split_nodes

__all__ = ["TOL", "make_victim", "split"]

TOL = 1e-4  #: of every victim
VOLUNTEERS = 10  #: of human activity, for "ten_volunteers"


def split(data, draw, data_home):
    """Rows to fit to, and rows held out, a quarter of every node; z-scores of the former ones."""
    X, y, nodes = load_rows("human_activity" if data == "ten_volunteers" else data, data_home)
    if data == "ten_volunteers":
        some = np.isin(nodes, np.unique(nodes)[:VOLUNTEERS])
        X, y, nodes = X[some], y[some], nodes[some]
    X, X_test, *others = train_test_split_nodes(X, y, nodes, test_size=0.25, random_state=draw)
    scaler = make_scaler().fit(X)
    return scaler.transform(X), scaler.transform(X_test), *others


def make_victim(data, lambdas, draw):
    """The victim of a cell."""
    kind = FMTLRegressor if is_regression(data) else FMTLClassifier
    return kind(lambda1=lambdas[0], lambda2=lambdas[1], tol=TOL, random_state=draw)


def main():
    """Attack, and tell how long it took."""
    told, path = json.loads(sys.argv[1]), sys.argv[2]
    X, _, y, _, nodes, _ = split(told["data"], told["draw"], told["data_home"])
    victim = make_victim(told["data"], told["lambdas"], told["draw"])
    attacker = PoisoningAttacker(
        victim,
        attack=told["attack"],
        victim_tol=TOL,
        random_state=told["draw"],
        **told["options"],
    )
    start = time.process_time()
    attacker.fit(X, y, nodes=nodes)
    seconds = time.process_time() - start
    save_rows(attacker, path)
    print(json.dumps({"package": skfedmtl.__file__, "seconds": seconds}))


if __name__ == "__main__":
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        main()
