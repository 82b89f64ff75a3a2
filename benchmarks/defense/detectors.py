"""How well `PoisonDetector` tells injected rows from clean ones, and sources from other nodes.

Rows of four data sets, three quarters of every node, with the penalties and losses of the report,
are poisoned by the default `PoisoningAttacker` at full radius and at a fifth of it (of the median
node's largest norm): a fifth as many rows as each of its sources has. Detectors know neither.

The columns
    pull, loss, isolation   area under the ROC curve of the scores among the rows of sources,
                            ranked within their node: chance is 0.5
    ... by class            the same of `negative_outlier_factor_`, ranked within node and class:
                            where injected rows are most of a class, the clean ones stand out
    effect, parting         area under the ROC curve of `node_scores_` among nodes; only where
                            attacks are indirect, for a target that was hurt stands out too
    seconds                 of the processor, for the three detectors

    python benchmarks/defense/detectors.py [--data-home DIR] [--output DIR] [--only NAME ...]
                                           [--attack NAME ...] [--draws N ...]
"""

import sys
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _cells import run_cells
from _common import make_parser, print_table
from _reported import reported_rows, reported_victim
from scipy.stats import rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score

from skfedmtl import PoisoningAttacker
from skfedmtl.defense import PoisonDetector

DATA = ("flights", "parkinsons", "heart", "landmine")
ATTACKS = ("direct", "indirect")
RADII = (1.0, 0.2)
SCORES = ("pull", "loss", "isolation")
AREAS = tuple(name for score in SCORES for name in (score, f"{score} by class"))
TOL = 1e-5  #: of every fit
COLUMNS = ("data", "attack", "radius", "draw")


def measure(cell, data_home):
    """A row of the table."""
    data, attack, radius, draw = cell
    (X, y, nodes), _ = reported_rows(data, draw, data_home)
    victim = reported_victim(data, y, tol=TOL, random_state=draw)
    longest = [np.linalg.norm(X[nodes == label], axis=1).max() for label in np.unique(nodes)]
    limit = "max" if radius == 1.0 else radius * float(np.median(longest))
    attacker = PoisoningAttacker(victim, attack=attack, radius=limit, random_state=draw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of detectors' and attackers' fits
        poisoned = attacker.poison(X, y, nodes=nodes)
        start = time.process_time()
        found = detect(victim, poisoned, attacker.source_nodes_, draw, attack == "indirect")
    return {
        **dict(zip(COLUMNS, cell, strict=True)),
        **found,
        "seconds": time.process_time() - start,
    }


def detect(victim, poisoned, sources, seed, score_nodes):
    """Areas under the curves of all scores."""
    X, y, nodes, is_poison = (poisoned[name] for name in ("X", "y", "nodes", "is_poison"))
    within, areas = np.isin(nodes, sources), {}
    for score in SCORES:
        last = score == SCORES[-1]
        detector = PoisonDetector(
            victim, row_score=score, score_nodes=score_nodes and last, random_state=seed
        )
        detector.fit(X, y, nodes=nodes)
        ranks = np.empty(len(y))
        for label in sources:
            own = nodes == label
            ranks[own] = rankdata(detector.scores_[own]) / own.sum()
        areas[score] = roc_auc_score(is_poison[within], ranks[within])
        by_class = -detector.negative_outlier_factor_
        areas[f"{score} by class"] = roc_auc_score(is_poison[within], by_class[within])
    if score_nodes:
        is_source = np.isin(detector.nodes_, sources)
        for name, values in detector.node_scores_.items():
            areas[name] = roc_auc_score(is_source, values)
    return areas


def summary(rows):
    """Means over the draws."""
    lines = []
    for cell in dict.fromkeys(tuple(row[name] for name in COLUMNS[:3]) for row in rows):
        own = [row for row in rows if tuple(row[name] for name in COLUMNS[:3]) == cell]
        line = {**dict(zip(COLUMNS, cell, strict=False)), "draws": len(own)}
        names = [name for name in own[0] if name not in COLUMNS and own[0][name] != ""]
        line |= {name: float(np.mean([float(row[name]) for row in own])) for name in names}
        lines.append(line)
    return lines


def main(argv=None):
    """Attack, detect, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--only", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--attack", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    arguments = parser.parse_args(argv)
    cells = list(product(arguments.only, arguments.attack, RADII, arguments.draws))
    path = arguments.output / "detectors.csv"
    kept = {"whole": ["draw"], "real": ["radius", *AREAS, "effect", "parting", "seconds"]}
    rows = run_cells(measure, cells, COLUMNS, path, arguments.data_home, kept=kept)
    columns = {"data": "s", "attack": "s", "radius": "g", "draws": "d"}
    columns |= {**dict.fromkeys([*AREAS, "effect", "parting"], ".2f"), "seconds": ".1f"}
    print_table(columns, summary(rows))


if __name__ == "__main__":
    main()
