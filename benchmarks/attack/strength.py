"""How strong attacks are: by the present package's starts, and by a former commit's defaults.

The former commit is taken from the git history of this clone, compiled and installed in a temporary
folder; the present package is the one that is installed. Every attack has a process of its own,
with one thread. All draw the same targets and sources, have the same budget (a fifth) and radius,
and meet the same victim: the hinge, or squared error, and an intercept, at the lambdas of the cell.
A quarter of every node's rows is held out and never seen by the attack.

The columns
    cell        data, attack, and number of draws
    clean %     error of the targets' held-out rows before the attack, in percent; RMSE of numbers
    "former"    the former commit's default: 50 steps from clean rows
    "steps"     ``init="clean"``
    "auto"      the default
    "loss"      the default with ``criterion="loss"``
of each: error, H (mean loss of a target's rows that are fitted to) and seconds of the processor,
means over the draws

    python benchmarks/attack/strength.py [--data-home DIR] [--output DIR] [--commit COMMIT]
                                         [--only NAME ...] [--attack NAME ...] [--draws N ...]
                                         [--by NAME ...]
"""

import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import is_regression, make_parser, print_table, write_csv
from _former import COMMIT, check_package, environment, install
from _strength_fit import TOL, make_victim, split

WORKER = Path(__file__).with_name("_strength_fit.py")
#: lambda1 and lambda2 by draw; the last one for all others
LAMBDAS = {
    "landmine": [(1e-4, 1e-3), (1e-4, 1e-4), (1e-4, 1e-3)],
    "heart_disease": [(1e-3, 1e-3)],
    "ten_volunteers": [(1e-3, 1e-3)],
    "parkinsons_total": [(1e-4, 0.1), (1e-2, 1e-2), (1e-2, 0.1)],
}
TIED = (1e-2, 1e-3)  #: of ten volunteers where the attack is indirect
ATTACKS = ("direct", "hybrid", "indirect")
BY = {
    "former": {},
    "steps": {"init": "clean"},
    "auto": {},
    "loss": {"criterion": "loss"},
}


class Cell(NamedTuple):
    """One attack."""

    data: str
    attack: str
    draw: int

    @property
    def lambdas(self):
        """Those of the victim."""
        if self.data == "ten_volunteers" and self.attack == "indirect":
            return TIED
        given = LAMBDAS[self.data]
        return given[min(self.draw, len(given) - 1)]


def attack(cell, by, data_home, site, folder):
    """What a process has told, with the damage that its rows do."""
    told = {**cell._asdict(), "lambdas": cell.lambdas, "options": BY[by]}
    told["data_home"] = data_home and str(data_home)
    path = Path(folder) / "rows.npz"
    command = [sys.executable, WORKER, json.dumps(told), path]
    site = site if by == "former" else None
    options = {"env": environment(site), "stdout": subprocess.PIPE, "check": True}
    found = json.loads(subprocess.run(command, **options).stdout)
    check_package(found["package"], site)
    with np.load(path) as rows:
        return {**found, **damage(cell, dict(rows), data_home)}


def damage(cell, rows, data_home):
    """Errors of held-out rows before and after, and H a target."""
    X, X_test, y, y_test, nodes, nodes_test = split(cell.data, cell.draw, data_home)
    victim = make_victim(cell.data, cell.lambdas, cell.draw).fit(X, y, nodes=nodes)
    clean = error(cell, victim, X_test, y_test, nodes_test, rows["targets"])
    pairs = zip((X, y, nodes), (rows["X"], rows["y"], rows["nodes"]), strict=True)
    X_all, y_all, nodes_all = (np.concatenate(pair) for pair in pairs)
    victim.fit(X_all, y_all, nodes=nodes_all)
    losses = []
    for target in rows["targets"]:
        own = nodes == target
        if is_regression(cell.data):
            values = np.square(victim.predict(X[own], nodes=nodes[own]) - y[own])
        else:
            sign = np.where(y[own] == victim.classes_[1], 1.0, -1.0)
            decision = victim.decision_function(X[own], nodes=nodes[own])
            values = np.maximum(0.0, 1.0 - sign * decision)
        losses.append(values.mean())
    hurt = error(cell, victim, X_test, y_test, nodes_test, rows["targets"])
    return {"clean": clean, "error": hurt, "H": float(np.mean(losses))}


def error(cell, victim, X, y, nodes, targets):
    """Percent of wrong rows, or RMSE; the mean over targets."""
    errors = []
    for target in targets:
        own = nodes == target
        told = victim.predict(X[own], nodes=nodes[own])
        if is_regression(cell.data):
            errors.append(np.sqrt(np.mean(np.square(told - y[own]))))
        else:
            errors.append(100.0 * np.mean(told != y[own]))
    return float(np.mean(errors))


def summary(rows, every):
    """A line a data set and attack, means over draws."""
    lines = []
    for data, kind in dict.fromkeys((row["data"], row["attack"]) for row in rows):
        mine = [row for row in rows if (row["data"], row["attack"]) == (data, kind)]
        line = {"data": data, "attack": kind, "draws": len({row["draw"] for row in mine})}
        line["clean"] = np.mean([row["clean"] for row in mine])
        for by in every:
            own = [row for row in mine if row["by"] == by]
            for key in ("error", "H", "seconds"):
                line[f"{by} {key}"] = np.mean([row[key] for row in own])
        lines.append(line)
    return lines


def main(argv=None):
    """Install, attack, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--commit", default=COMMIT, help=f"the former one (default: {COMMIT})")
    parser.add_argument("--only", nargs="+", choices=LAMBDAS, default=list(LAMBDAS))
    parser.add_argument("--attack", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--by", nargs="+", choices=BY, default=list(BY))
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    arguments = parser.parse_args(argv)
    rows = []
    cells = [Cell(*one) for one in product(arguments.only, arguments.attack, arguments.draws)]
    with tempfile.TemporaryDirectory() as folder:
        site = install(arguments.commit, Path(folder)) if "former" in arguments.by else None
        for cell, by in product(cells, arguments.by):
            found = attack(cell, by, arguments.data_home, site, folder)
            del found["package"]
            rows.append({**cell._asdict(), "by": by, **found})
            print(*rows[-1].values(), file=sys.stderr, flush=True)
            write_csv(arguments.output / "strength.csv", rows, silent=True)
    columns = {"data": "s", "attack": "s", "draws": "d", "clean": ".2f"}
    for by in arguments.by:
        columns |= {f"{by} error": ".2f", f"{by} H": ".4f", f"{by} seconds": ".1f"}
    print_table(columns, summary(rows, arguments.by))
    print(f"victims solved to {TOL:g}; wrote {arguments.output / 'strength.csv'}")


if __name__ == "__main__":
    main()
