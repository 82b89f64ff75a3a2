"""Between what attacks reach and what is certified: the bound over the best attack.

The victims, draws and rows are those of `strength.py`. An attack is the default with
``criterion="loss"``; the bound is of the same threat, a fifth of injected rows. Both speak of the
mean loss of a target's rows that are fitted to.

The columns
    clean, found, bound     that loss, of the victim, of the poisoned one, and at most
    ratio                   bound over attack: 1 where the attack is the strongest there is
    bound s, attack s       seconds of the processor

With ``--rows``, the shares of held-out rows whose class no attack changes instead
    rows, of targets        certified, of all rows and of those of targets; direct attacks have a
                            budget of a hundredth there
    turned                  of the certified ones, by the attack: must be 0

    python benchmarks/attack/brackets.py [--data-home DIR] [--output DIR] [--rows]
                                         [--only NAME ...] [--attack NAME ...] [--draws N ...]
"""

import sys
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import is_regression, make_parser, print_table, write_csv
from _strength_fit import TOL, make_victim, split
from strength import ATTACKS, LAMBDAS, Cell

from skfedmtl import PoisoningAttacker
from skfedmtl.attack import DamageBound

BUDGET, FEW = 0.2, 0.01


def measure(cell, data_home, *, rows):
    """A line of the table."""
    X, X_test, y, _, nodes, nodes_test = split(cell.data, cell.draw, data_home)
    victim = make_victim(cell.data, cell.lambdas, cell.draw)
    budget = FEW if rows and cell.attack == "direct" else BUDGET
    threat = {"attack": cell.attack, "budget": budget, "random_state": cell.draw}
    start = time.process_time()
    bound = DamageBound(victim, tol=TOL, **threat).fit(X, y, nodes=nodes)
    middle = time.process_time()
    attacker = PoisoningAttacker(victim, criterion="loss", victim_tol=TOL, **threat)
    attacker.fit(X, y, nodes=nodes)
    end = time.process_time()
    line = {"data": cell.data, "attack": cell.attack, "draw": cell.draw, "budget": budget}
    if rows:
        safe = bound.certify_rows(X_test, nodes=nodes_test)
        of_targets = np.isin(nodes_test, bound.target_nodes_)
        clean, poisoned = (
            model.predict(X_test, nodes=nodes_test)
            for model in (bound.clean_estimator_, attacker.estimator_)
        )
        shares = {"rows": safe.mean(), "of targets": safe[of_targets].mean()}
        return {**line, **shares, "turned": int(np.sum(safe & (clean != poisoned)))}
    m = len(bound.target_nodes_)
    return {
        **line,
        "clean": bound.clean_objective_ / m,
        "found": attacker.objective_ / m,
        "bound": bound.per_target_,
        "ratio": bound.upper_bound_ / attacker.objective_,
        "theorem": bound.theorem_,
        "bound s": middle - start,
        "attack s": end - middle,
    }


def main(argv=None):
    """Attack, certify, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--rows", action="store_true", help="shares of rows that are certified")
    parser.add_argument("--only", nargs="+", choices=LAMBDAS, default=list(LAMBDAS))
    parser.add_argument("--attack", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    arguments = parser.parse_args(argv)
    name = "certified_rows.csv" if arguments.rows else "brackets.csv"
    lines = []
    for one in product(arguments.only, arguments.attack, arguments.draws):
        cell = Cell(*one)
        if arguments.rows and is_regression(cell.data):
            continue
        lines.append(measure(cell, arguments.data_home, rows=arguments.rows))
        print(*lines[-1].values(), file=sys.stderr, flush=True)
        write_csv(arguments.output / name, lines, silent=True)
    columns = {"data": "s", "attack": "s", "draw": "d", "budget": "g"}
    columns |= dict.fromkeys(("clean", "found", "bound", "ratio"), ".3f") | {"theorem": "s"}
    columns |= {"bound s": ".1f", "attack s": ".1f"}
    columns |= {"rows": ".3f", "of targets": ".3f", "turned": "d"}
    print_table(columns, lines)
    print(f"victims solved to {TOL:g}; wrote {arguments.output / name}")


if __name__ == "__main__":
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        main()
