"""One attack of `former.py`, in a process of its own: a line of JSON, and a file of its rows.

    python _attack_fit.py SPECIFICATION FILE

SPECIFICATION is a cell in JSON.
"""

import json
import resource
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from _common import load_named, save_rows
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import skfedmtl
from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker

__all__ = []


def main():
    """Attack, and tell how long it took."""
    cell, path = json.loads(sys.argv[1]), sys.argv[2]
    numbers = cell["loss"] == "squared_error"
    X, y, nodes = load_named(cell["data"], cell["data_home"], regression=numbers)
    victim = (FMTLRegressor if numbers else FMTLClassifier)(loss=cell["loss"])
    attacker = PoisoningAttacker(
        victim,
        attack=cell["attack"],
        init="clean",
        max_iter=cell["steps"],
        random_state=cell["seed"],
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    attacker.fit(X, y, nodes=nodes)
    seconds = time.process_time() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    save_rows(attacker, path)
    line = {"package": skfedmtl.__file__, "seconds": seconds, "MB": (after - before) / 1024}
    print(json.dumps(line))


if __name__ == "__main__":
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        main()
