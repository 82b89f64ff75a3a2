"""Between what attacks reach and what is certified: the bound over the best attack.

An attack is the default with ``criterion="loss"``; the bound is of the same threat, a fifth of
injected rows. Both speak of the mean loss of a target's rows that are fitted to, the hinge or
squared error. Every cell that is timed has a process of its own; all have one thread.

The columns
    case        "flights", "flights_late", "parkinsons" and "heart": penalties, splits and targets
                of a report's first repetition; the others, victims and draws of `strength.py`, of
                which there are three
    clean, found, bound     that loss, of the victim, of the poisoned one, and at most
    ratio                   bound over attack: 1 where the attack is the strongest there is
    bound s, attack s       seconds of the processor
    bound MB                by how much memory rises at most for the bound

With ``--rows``, the shares of held-out rows whose class no attack changes instead
    rows, of targets        certified, of all rows and of those of targets; direct attacks have a
                            budget of a hundredth there
    turned                  of the certified ones, by the attack: must be 0
    lambda1, lambda2        of the victim
    error                   its share of wrong held-out rows, without attack

With ``--penalties``, the same for direct attacks on heart disease for several pairs of lambdas.

    python benchmarks/attack/brackets.py [--data-home DIR] [--output DIR] [--rows] [--penalties]
                                         [--only CASE ...] [--attack NAME ...] [--draws N ...]
"""

import sys
import time
import warnings
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import is_regression, make_parser, print_table, write_csv
from _strength_fit import TOL, make_victim, split
from _timing import in_fresh_process, peak_bytes
from strength import ATTACKS, LAMBDAS
from strength import Cell as StrengthCell

from skfedmtl import PoisoningAttacker
from skfedmtl.attack import DamageBound

BUDGET, FEW = 0.2, 0.01
SHARP = 1e-6  #: tolerance of squared error, whose bound grows by the root of what victims lack
#: Data, and lambda1 and lambda2, of the splits that reports begin with.
REPORTED = {
    "flights": ("flights", (1e-1, 1e-3)),
    "flights_late": ("flights_late", (1e-2, 1e-3)),
    "parkinsons": ("parkinsons_total", (1e-1, 1e-3)),
    "heart": ("heart_disease", (1.0, 1e-3)),
}
CASES = (*REPORTED, *LAMBDAS)
DRAWS = range(3)
#: Of ``--penalties``.
GRID = ((1e-3, 1e-3), (1e-3, 3e-2), (1e-4, 1e-3), (1e-4, 3e-2), (1e-5, 3e-2))


class Cell(NamedTuple):
    """A line of the table."""

    case: str
    attack: str
    draw: int
    rows: bool = False
    penalties: tuple[float, float] | None = None  #: others than those of the case

    @property
    def data(self):
        """What is read."""
        return REPORTED[self.case][0] if self.case in REPORTED else self.case

    @property
    def lambdas(self):
        """Those of the victim."""
        if self.penalties is not None:
            return self.penalties
        return REPORTED[self.case][1] if self.case in REPORTED else StrengthCell(*self[:3]).lambdas

    @property
    def seeds(self):
        """Of the split, and of targets and sources."""
        if self.case in REPORTED:
            return map(int, np.random.SeedSequence(self.draw).generate_state(2))
        return self.draw, self.draw

    @property
    def exists(self):
        """Whether it is part of a table."""
        if self.rows and is_regression(self.data):
            return False
        return self.draw == 0 or self.case not in REPORTED


def measure(cell, data_home):
    """A line of the table, in this process."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _rows(cell, data_home) if cell.rows else _bracket(cell, data_home)


def _bracket(cell, data_home):
    bound, attacker, (X, y, nodes), _ = _sides(cell, data_home, BUDGET)
    start = time.process_time()
    _, peak = peak_bytes(lambda: bound.fit(X, y, nodes=nodes))
    middle = time.process_time()
    attacker.fit(X, y, nodes=nodes)
    end = time.process_time()
    m = len(bound.target_nodes_)
    return {
        "case": cell.case,
        "attack": cell.attack,
        "draw": cell.draw,
        "clean": bound.clean_objective_ / m,
        "found": attacker.objective_ / m,
        "bound": bound.per_target_,
        "ratio": bound.upper_bound_ / attacker.objective_,
        "theorem": bound.theorem_,
        "bound s": middle - start,
        "attack s": end - middle,
        "bound MB": peak / 1e6,
    }


def _rows(cell, data_home):
    budget = FEW if cell.attack == "direct" else BUDGET
    bound, attacker, fitted, held_out = _sides(cell, data_home, budget)
    (X_fitted, y, nodes_fitted), (X, y_test, nodes) = fitted, held_out
    safe = bound.fit(X_fitted, y, nodes=nodes_fitted).certify_rows(X, nodes=nodes)
    attacker.fit(X_fitted, y, nodes=nodes_fitted)
    models = bound.clean_estimator_, attacker.estimator_
    clean, poisoned = (model.predict(X, nodes=nodes) for model in models)
    return {
        "case": cell.case,
        "attack": cell.attack,
        "draw": cell.draw,
        "budget": budget,
        "lambda1": cell.lambdas[0],
        "lambda2": cell.lambdas[1],
        "error": np.mean(clean != y_test),
        "rows": safe.mean(),
        "of targets": safe[np.isin(nodes, bound.target_nodes_)].mean(),
        "turned": int(np.sum(safe & (clean != poisoned))),
    }


def _sides(cell, data_home, budget):
    """Bound and attacker, the rows to fit to, and those held out."""
    of_split, of_threat = cell.seeds
    X, X_test, y, y_test, nodes, nodes_test = split(cell.data, of_split, data_home)
    victim = make_victim(cell.data, cell.lambdas, of_threat)
    threat = {"attack": cell.attack, "budget": budget, "random_state": of_threat}
    tol = SHARP if is_regression(cell.data) else TOL
    bound = DamageBound(victim, tol=tol, **threat)
    attacker = PoisoningAttacker(victim, criterion="loss", victim_tol=tol, **threat)
    return bound, attacker, (X, y, nodes), (X_test, y_test, nodes_test)


def main(argv=None):
    """Attack, certify, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--rows", action="store_true", help="shares of rows that are certified")
    parser.add_argument("--penalties", action="store_true", help="the same by pairs of lambdas")
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--attack", nargs="+", choices=ATTACKS, default=ATTACKS)
    parser.add_argument("--draws", nargs="+", type=int, default=DRAWS, metavar="N")
    arguments = parser.parse_args(argv)
    name = "certified_rows" if arguments.rows else "brackets"
    cells = product(arguments.only, arguments.attack, arguments.draws)
    cells = [Cell(*one, arguments.rows) for one in cells]
    if arguments.penalties:
        name, each = "certified_penalties", product(GRID, arguments.draws)
        cells = [Cell("heart_disease", "direct", draw, True, pair) for pair, draw in each]
    path, lines = arguments.output / f"{name}.csv", []
    for cell in cells:
        if cell.exists:
            run = measure if cell.rows else partial(in_fresh_process, measure)
            lines.append(run(cell, arguments.data_home))
            print(*lines[-1].values(), file=sys.stderr, flush=True)
            write_csv(path, lines, silent=True)
    columns = {"case": "s", "attack": "s", "draw": "d", "budget": "g"}
    columns |= dict.fromkeys(("clean", "found", "bound", "ratio"), ".3f") | {"theorem": "s"}
    columns |= {"bound s": ".1f", "attack s": ".1f", "bound MB": ".0f"}
    columns |= {"lambda1": "g", "lambda2": "g", "error": ".3f", "rows": ".3f", "of targets": ".3f"}
    columns["turned"] = "d"
    print_table(columns, lines)
    print(f"victims solved to {TOL:g}, of numbers to {SHARP:g}; wrote {path}")


if __name__ == "__main__":
    main()
