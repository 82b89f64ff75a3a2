"""Seconds of attacks, whole and in parts, of restarts in parallel, and of imports.

Attacks are those of ``real_data.py``: z-scores, lambda1 = lambda2 = 1e-3, three quarters of every
node's rows, half the nodes as targets, 20 % injected rows, victims to a relative gap of 1e-4. All
seconds are wall clock, on one thread unless said otherwise.

``one``
    A direct attack of 60 steps (``--steps``) on all thirty volunteers of human activity, in its
    parts: seconds in a part but not in another one below it. The victim fitted to the clean rows
    and to all rows in the end; on the way victims that follow every step, gradients of H and
    projections onto what rows may hold; real victims that judge start and end; and the rest.
    Twice: as above, and as in ``paper/``, with features in [0, 1], no intercept, the largest
    norm of all rows as the radius and victims to a gap of 1e-3. The error is the targets' test
    error after the attack.
``all``
    Ten draws (``--draws``) of the six attacks, random and optimised rows, direct, indirect and
    hybrid, on landmine and both targets of Parkinson's, thirty steps each (or ``--steps``),
    ``--n-jobs`` draws at a time. Seconds of the fits, summed; the last row is the time of it all,
    with loading, splits and scores.
``jobs``
    A direct attack on landmine with eight restarts, one and two of them at a time
    (``n_jobs``): medians of ``--repeats`` after a warm-up, and whether all results have equal
    bits. ``ratio`` is the time with two workers over that with one; 0.5 would be perfect.
``start``
    Medians over ``--processes`` fresh processes: an import of scikit-learn's modules that every
    estimator needs, of the package, of the package after those (what it adds to them), after
    scikit-learn's own linear models, and after all modules of others that it loads (its own
    part); and the first and the second small fit of a process, as a pair. An editable install
    looks for changed sources at import: install a wheel for this part.

The CSV file holds the parts that were run last.

    python benchmarks/attack/speed.py [--data-home DIR] [--output DIR] [--part NAME ...]
        [--data NAME] [--steps N] [--draws N] [--repeats N] [--processes N] [--n-jobs N]
"""

import json
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import at_least_one, make_parser, print_table, write_csv
from _timing import median_seconds, watched
from real_data import ATTACKS, DATA, compute, prepare

from skfedmtl._solvers.follower import Follower
from skfedmtl.attack._bilevel.lower_level import Bilevel
from skfedmtl.attack._feasible.feasible_set import FeasibleSet
from skfedmtl.attack._setting.victim import Victim

OPTIONS = {"init": "clean", "optimize_labels": False}
WATCHED = {
    "victim of the clean rows": (Victim, "fit"),
    "victims that follow": (Follower, "solve"),
    "gradients": (Bilevel, "gradient"),
    "projections": (FeasibleSet, "project"),
    "victims that judge": (Bilevel, "_solve"),
    "victim of all rows": (Victim, "fit_behind"),
}
MANY = ("landmine", "parkinsons_total", "parkinsons_motor")
GAPS = {"z-scores": 1e-4, "min-max": 1e-3}  #: relative, of the victims of `one`
STEPS = {"one": 60, "all": 30, "jobs": 30}
RESTARTS = 8
BASIS = ["sklearn.base", "sklearn.utils.validation"]
ESTIMATORS = "sklearn.linear_model"  #: of scikit-learn, with all that they load
COLUMNS = {
    "part": "s",
    "data": "s",
    "scaling": "s",
    "what": "s",
    "calls": "d",
    "seconds": ".3f",
    "ms": ".1f",
    "ratio": ".2f",
    "error": ".4f",
    "equal bits": "s",
}
#: prints milliseconds of an import after others, and the modules of others that it loads
IMPORT = """
import importlib, json, sys, time
name, *before = sys.argv[1:]
for module in before:
    importlib.import_module(module)
start = time.perf_counter()
for module in name.split(","):
    importlib.import_module(module)
seconds = time.perf_counter() - start
others = [m for m in sys.modules if m.split(".")[0] in ("joblib", "numpy", "scipy", "sklearn")]
print(json.dumps([1e3 * seconds, others]))
"""
#: prints milliseconds of two fits
FITS = """
import json, time
import numpy as np
from skfedmtl import FMTLClassifier
rng = np.random.default_rng(0)
X, nodes = rng.standard_normal((1000, 10)), np.repeat(np.arange(10), 100)
y = (X.sum(axis=1) + rng.standard_normal(1000) > 0).astype(int)
milliseconds = []
for _ in range(2):
    start = time.perf_counter()
    FMTLClassifier(random_state=0).fit(X, y, nodes=nodes)
    milliseconds.append(1e3 * (time.perf_counter() - start))
print(json.dumps(milliseconds))
"""


def cell_of(data, attack, kind, draw, steps, scaling="z-scores"):
    """A cell of ``real_data.py``."""
    return scaling, data, attack, kind, draw, steps


def one(arguments):
    """A direct attack in its parts, in either scaling."""
    steps = arguments.steps or STEPS["one"]
    for scaling, tol in GAPS.items():
        cell = cell_of(arguments.data, "direct", "total", 0, steps, scaling)
        poisoner, (X, y, nodes), test = prepare(cell, arguments.data_home, OPTIONS)
        poisoner.set_params(victim_tol=tol, estimator__tol=tol)
        start = time.perf_counter()
        with watched(WATCHED) as parts:
            poisoner.fit(X, y, nodes=nodes)
        seconds = time.perf_counter() - start
        rows = [(name, part.calls, part.seconds) for name, part in parts.items()]
        rows += [("the rest", None, seconds - sum(part.seconds for part in parts.values()))]
        same = {"data": arguments.data, "scaling": scaling}
        for what, calls, part in rows:
            row = {**same, "what": what, "seconds": part, "ratio": part / seconds}
            yield row if calls is None else {**row, "calls": calls}
        error = poisoner.score(test[0], test[1], nodes=test[2])
        what = f"{poisoner.n_iter_} steps in all"
        yield {**same, "what": what, "calls": 1, "seconds": seconds, "ratio": 1.0, "error": error}


def several(arguments):
    """The six attacks, some draws of each, one after the other or in processes."""
    steps, parallel = arguments.steps or STEPS["all"], Parallel(n_jobs=arguments.n_jobs)
    start = time.perf_counter()
    for data in MANY:
        for attack in ATTACKS:
            for kind in ("random", "total"):
                cells = [
                    cell_of(data, attack, kind, draw, steps if kind == "total" else 0)
                    for draw in range(arguments.draws)
                ]
                calls = (delayed(compute)(cell, arguments.data_home, OPTIONS) for cell in cells)
                seconds = [row["seconds"] for row in parallel(calls)]
                what = f"{attack}, {'optimised' if kind == 'total' else kind}"
                yield {"data": data, "what": what, "calls": len(cells), "seconds": sum(seconds)}
    what = f"all, with loading, n_jobs={arguments.n_jobs}"
    yield {"what": what, "seconds": time.perf_counter() - start}


def jobs(arguments):
    """Restarts one and two at a time."""
    steps = arguments.steps or STEPS["jobs"]
    cell = cell_of("landmine", "direct", "total", 0, steps)
    poisoner, (X, y, nodes), _ = prepare(cell, arguments.data_home, OPTIONS)
    times, bits = [], []
    for n_jobs in (1, 2):
        poisoner.set_params(n_restarts=RESTARTS, n_jobs=n_jobs)
        seconds, _ = median_seconds(lambda: poisoner.fit(X, y, nodes=nodes), arguments.repeats)
        times.append(seconds)
        bits.append(bits_of(poisoner))
        row = {"data": "landmine", "what": f"{RESTARTS} restarts, n_jobs={n_jobs}"}
        row.update({"seconds": seconds, "ratio": seconds / times[0]})
        yield {**row, "equal bits": "yes" if bits[0] == bits[-1] else "NO"}


def bits_of(poisoner):
    """All that an attack finds, as bytes."""
    model = poisoner.estimator_
    found = [poisoner.poison_X_, poisoner.poison_y_, poisoner.objective_history_]
    found += [model.coef_, model.intercept_, model.dual_coef_]
    return [values.tobytes() for values in found]


def start_up(arguments):
    """Imports, and the first fit beside the second."""
    package, basis = "skfedmtl", ",".join(BASIS)
    others = run(IMPORT, package)[1]
    for what, command in {
        f"import {', '.join(BASIS)}": (basis,),
        f"import {package}": (package,),
        f"import {package} after those": (package, *BASIS),
        f"import {package} after {ESTIMATORS}": (package, ESTIMATORS),
        f"import {package} after all of others": (package, *others),
    }.items():
        measured = [run(IMPORT, *command)[0] for _ in range(arguments.processes)]
        yield {"what": what, "calls": len(measured), "ms": statistics.median(measured)}
    pairs = [run(FITS) for _ in range(arguments.processes)]
    for what, values in zip(("first", "second"), zip(*pairs, strict=True), strict=True):
        row = {"what": f"{what} fit of a process", "calls": len(values)}
        yield {**row, "ms": statistics.median(values)}


def run(code, *arguments):
    """What a fresh interpreter prints, whatever folder it starts in."""
    command = [sys.executable, "-P", "-c", code, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


PARTS = {"one": one, "all": several, "jobs": jobs, "start": start_up}


def main(argv=None):
    """Time, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--data", choices=DATA, default="human_activity", help="of the part `one`")
    parser.add_argument("--steps", type=at_least_one, help=f"of all parts (default: {STEPS})")
    parser.add_argument("--draws", type=at_least_one, default=10, help="(default: 10)")
    parser.add_argument("--repeats", type=at_least_one, default=3, help="(default: 3)")
    parser.add_argument("--n-jobs", type=int, default=2, help="of the part `all` (default: 2)")
    parser.add_argument("--processes", type=at_least_one, default=9, help="(default: 9)")
    arguments = parser.parse_args(argv)
    warnings.simplefilter("ignore", ConvergenceWarning)
    table = []
    for part in arguments.part:
        print(f"timing {part} ...", file=sys.stderr, flush=True)
        table += ({"part": part, **row} for row in PARTS[part](arguments))
    print_table(COLUMNS, table)
    write_csv(arguments.output / "speed.csv", table)


if __name__ == "__main__":
    main()
