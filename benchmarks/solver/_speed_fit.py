"""One of the two processes of `former_speed.py`: fits of one data set and loss, on demand.

    python _speed_fit.py DATA LOSS [DATA_HOME]

Reads a line of JSON a measurement, ``{"problem", "asked", "calls"}``, and answers with one: CPU
seconds of a call, and of ours the gap and the rounds.
"""

import json
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _peers import fit_independent
from sklearn.exceptions import ConvergenceWarning
from speed import Case, load

import skfedmtl

__all__ = []


def measure(case, problem, asked, calls):
    """Seconds, and how the last fit ended; of independent fits `asked` is None."""
    X, y, nodes = case.rows
    if asked is None:
        seconds, _ = cpu_seconds(lambda: fit_independent(X, y, nodes, case.loss), calls)
        return {"seconds": seconds}
    estimator = case.estimator(problem, asked)
    seconds, model = cpu_seconds(lambda: estimator.fit(X, y, nodes=nodes), calls)
    P, gap = case.problems[problem].gap(model)
    return {"seconds": seconds, "gap": float(gap / P), "rounds": int(model.n_iter_)}


def cpu_seconds(call, calls):
    """Of one call, the mean of so many; and the last one's result."""
    start = time.process_time()
    for _ in range(calls):
        result = call()
    return (time.process_time() - start) / calls, result


def main():
    """Answer until there is nothing more to read."""
    name, loss, *data_home = sys.argv[1:]
    case = Case(name, loss, load(name, *data_home or [None]), 1)
    print(json.dumps({"package": skfedmtl.__file__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(case, **json.loads(line))), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)  # the gap shows it
    main()
