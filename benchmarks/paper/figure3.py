"""Figure 3 of Sun et al. (2020): how nodes resemble each other, before and after an attack.

The correlation of the learned relationship, targets first; the lines part them from the others. The
paper's protocol and the ``optimised`` attacks of ``table2.py``, its first seed only, whatever
``--draws`` and ``--steps`` are: targets and split are the same for all panels.

``figure3.csv`` holds every matrix, an entry a row. Finished panels are kept and not computed again.

    python benchmarks/paper/figure3.py [--data-home DIR] [--output DIR] [--data NAME ...]
        [--attack NAME ...] [--n-jobs N]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from _cells import cell_of, run_cells
from _plots import figure_parser, new_sheet, paper_attack, save
from _protocols import NAMES, split, stamp_of

from skfedmtl._tools.figures import GREY
from skfedmtl.inspection import RelationshipDisplay

CELL = ("dataset", "attack")
KEPT = {"whole": ("row", "column"), "real": ("correlation",)}
STAMP = stamp_of("paper", "optimised")


def compute(cell, data_home):
    """The matrix of one panel, an entry a row; for ``none`` that of the clean victim."""
    data, attack = cell
    train, _, radius = split("paper", data, 0, data_home)
    if attack == "none":
        poisoner = paper_attack(data, "direct", 0, radius, kind="none")
    else:
        poisoner = paper_attack(data, attack, 0, radius, kind="optimised")
    poisoner.fit(train.X, train.y, nodes=train.nodes)
    model = poisoner.estimator_
    is_target = np.isin(model.nodes_, poisoner.target_nodes_)
    order = np.argsort(~is_target, kind="stable")
    matrix, labels = model.node_correlation()[np.ix_(order, order)], model.nodes_[order]
    own = dict(zip(CELL, cell, strict=True)) | STAMP
    return [
        own
        | {"row": row, "column": column, "node": labels[row], "other": labels[column]}
        | {"target": str(is_target[order[row]]), "correlation": matrix[row, column]}
        for row, column in np.ndindex(matrix.shape)
    ]


def draw(rows, cells, path):
    """A row of panels a data set, a column an attack."""
    datasets = list(dict.fromkeys(cell[0] for cell in cells))
    attacks = list(dict.fromkeys(cell[1] for cell in cells))
    figure, axes = new_sheet(len(datasets), len(attacks), (4.6, 4.2))
    for data, attack in cells:
        own = [row for row in rows if cell_of(row, CELL) == (data, attack)]
        m = 1 + max(row["row"] for row in own)
        matrix, labels = np.zeros((m, m)), [None] * m
        for row in own:
            matrix[row["row"], row["column"]] = row["correlation"]
            labels[row["row"]] = row["node"]
        targets = len({row["row"] for row in own if row["target"] == "True"})
        axis = axes[datasets.index(data), attacks.index(attack)]
        # numbers may leave -1 to 1 by rounding
        RelationshipDisplay.from_matrix(np.clip(matrix, -1.0, 1.0), labels=labels, ax=axis)
        for line in (axis.axhline, axis.axvline):
            line(targets - 0.5, color=GREY, lw=1.2)
        axis.set_title(f"{NAMES[data]}, {attack if attack != 'none' else 'no attack'}", fontsize=11)
        axis.tick_params(labelsize=6)
        axis.tick_params("x", rotation=90)
    save(figure, path)


def main(argv=None):
    """Compute what is missing, write and draw."""
    arguments = figure_parser(__doc__, draws=1).parse_args(argv)
    attacks = ("none", *arguments.attack)
    cells = [(data, attack) for data in arguments.data for attack in attacks]
    path = arguments.output / "figure3.csv"
    options = {"kept": KEPT, "stamp": STAMP, "n_jobs": arguments.n_jobs}
    rows = run_cells(compute, cells, CELL, path, arguments.data_home, **options)
    draw(rows, cells, path.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
