"""Attacks by the present package and by a former commit's, in turn: seconds, and how much they do.

The former commit is taken from the git history of this clone, compiled and installed in a temporary
folder; the present package is the one that is installed. Every attack has a process of its own,
with one thread; seconds are those of the processor, from clean rows to the fitted attacker. Both
draw the same targets, sources and first rows. H is that of the present package's victim, fitted to
the clean and the injected rows to a gap of 1e-6, on the clean rows of the targets.

The rows
    wide      human activity, direct, 30 steps, three losses: many features
    few       Parkinson's (total), landmine and heart disease, all losses, direct, indirect and
              hybrid, 50 steps

How to read the table
    former s, s     seconds, mean over the seeds
    ratio           present over former seconds, in the sum
    former H, H     means over the seeds
    worst           the least present H over the former one of the same seed
    former MB, MB   what the largest fit has added to the memory of its process

    python benchmarks/attack/former.py [--data-home DIR] [--output DIR] [--commit COMMIT]
                                       [--part NAME ...] [--seeds N]
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

from _common import at_least_one, load_named, make_parser, print_table, write_csv
from _former import COMMIT, check_package, environment, install

from skfedmtl import FMTLClassifier, FMTLRegressor

WORKER = Path(__file__).with_name("_attack_fit.py")
CLASSES = ("hinge", "squared_hinge", "logistic")
ATTACKS = ("direct", "indirect", "hybrid")
TOL = 1e-6  #: of the victims that H is that of
COLUMNS = {
    "data": "s",
    "loss": "s",
    "attack": "s",
    "steps": "d",
    "seeds": "d",
    "former s": ".2f",
    "s": ".2f",
    "ratio": ".3f",
    "former H": ".4f",
    "H": ".4f",
    "worst": ".3f",
    "former MB": ".0f",
    "MB": ".0f",
}


class Cell(NamedTuple):
    """One kind of attack."""

    data: str
    loss: str
    attack: str
    steps: int


PARTS = {
    "wide": [Cell("human_activity", loss, "direct", 30) for loss in CLASSES],
    "few": [
        *(Cell("parkinsons_total", "squared_error", attack, 50) for attack in ATTACKS),
        *(
            Cell(data, loss, attack, 50)
            for data, loss, attack in product(("landmine", "heart_disease"), CLASSES, ATTACKS)
        ),
    ],
}


def attack(cell, seed, data_home, site, folder):
    """What a process has told, with H of its rows."""
    specification = {**cell._asdict(), "seed": seed, "data_home": data_home and str(data_home)}
    path = Path(folder) / "rows.npz"
    command = [sys.executable, WORKER, json.dumps(specification), path]
    options = {"env": environment(site), "stdout": subprocess.PIPE, "check": True}
    found = json.loads(subprocess.run(command, **options).stdout)
    check_package(found["package"], site)
    with np.load(path) as rows:
        return {**found, "H": damage(cell, dict(rows), data_home)}


def damage(cell, rows, data_home):
    """The targets' mean losses by a victim of clean and injected rows, summed."""
    numbers = cell.loss == "squared_error"
    X, y, nodes = load_named(cell.data, data_home, regression=numbers)
    victim = (FMTLRegressor if numbers else FMTLClassifier)(loss=cell.loss, tol=TOL)
    pairs = zip((X, y, nodes), (rows["X"], rows["y"], rows["nodes"]), strict=True)
    X_all, y_all, nodes_all = (np.concatenate(pair) for pair in pairs)
    victim.fit(X_all, y_all, nodes=nodes_all)
    total = 0.0
    for target in rows["targets"]:
        own = nodes == target
        if numbers:
            values = np.square(victim.predict(X[own], nodes=nodes[own]) - y[own])
        else:
            sign = np.where(y[own] == victim.classes_[1], 1.0, -1.0)
            margin = sign * victim.decision_function(X[own], nodes=nodes[own])
            values = LOSS[cell.loss](margin)
        total += float(values.mean())
    return total


LOSS = {
    "hinge": lambda margin: np.maximum(0.0, 1.0 - margin),
    "squared_hinge": lambda margin: np.square(np.maximum(0.0, 1.0 - margin)),
    "logistic": lambda margin: np.logaddexp(0.0, -margin),
}


def compare(cell, seeds, data_home, site, folder):
    """A row of the table."""
    pairs = [
        [attack(cell, seed, data_home, where, folder) for where in (site, None)]
        for seed in range(seeds)
    ]
    former, present = (
        {key: np.array([pair[side][key] for pair in pairs]) for key in ("seconds", "H", "MB")}
        for side in (0, 1)
    )
    return {
        **cell._asdict(),
        "seeds": seeds,
        "former s": former["seconds"].mean(),
        "s": present["seconds"].mean(),
        "ratio": present["seconds"].sum() / former["seconds"].sum(),
        "former H": former["H"].mean(),
        "H": present["H"].mean(),
        "worst": (present["H"] / former["H"]).min(),
        "former MB": former["MB"].max(),
        "MB": present["MB"].max(),
    }


def main(argv=None):
    """Install, attack, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--commit", default=COMMIT, help=f"the former one (default: {COMMIT})")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS), metavar="NAME")
    parser.add_argument("--seeds", type=at_least_one, default=3, help="of every cell (default: 3)")
    arguments = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        site = install(arguments.commit, Path(folder))
        for cell in (cell for part in arguments.part for cell in PARTS[part]):
            print("attacking", *cell, "...", file=sys.stderr, flush=True)
            rows.append(compare(cell, arguments.seeds, arguments.data_home, site, folder))
            write_csv(arguments.output / "former.csv", rows, silent=True)
    print_table(COLUMNS, rows)
    former, present = (sum(row[key] for row in rows) for key in ("former s", "s"))
    print(f"{present:.1f} s in all, {former:.1f} s by {arguments.commit}")
    print(f"wrote {arguments.output / 'former.csv'}")


if __name__ == "__main__":
    main()
