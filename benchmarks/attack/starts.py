"""Where attacks begin: the rows that are found, and the damage over the seconds it takes.

Landmine, direct, a draw of `strength.py`. The left panel has the rows of one source, clean and
injected, along the poisoned victim's weights and across; the right one the targets' mean loss by
each ``init``, with more steps or restarts from left to right.

    python benchmarks/attack/starts.py [--data-home DIR] [--output DIR] [--draw N]
"""

import sys
import time
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
from threadpoolctl import threadpool_limits

mpl.use("agg")
import matplotlib.pyplot as plt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import make_parser, write_csv
from _strength_fit import TOL, make_victim, split
from sklearn.exceptions import ConvergenceWarning
from strength import LAMBDAS

from skfedmtl import PoisoningAttacker

DATA = "landmine"
EFFORTS = {
    "clean": [{"max_iter": steps} for steps in (10, 20, 50, 100, 200)],
    "weights": [{"n_restarts": restarts} for restarts in (1, 2, 4)],
    "auto": [{"max_iter": 50}],
}


def main(argv=None):
    """Attack, write the table and draw."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--draw", type=int, default=0)
    arguments = parser.parse_args(argv)
    draw = arguments.draw
    X, _, y, _, nodes, _ = split(DATA, draw, arguments.data_home)
    victim = make_victim(DATA, LAMBDAS[DATA][draw], draw)
    rows, found = [], {}
    for init, efforts in EFFORTS.items():
        for effort in efforts:
            attacker = PoisoningAttacker(
                victim, init=init, victim_tol=TOL, random_state=draw, **effort
            )
            start = time.process_time()
            attacker.fit(X, y, nodes=nodes)
            seconds = time.process_time() - start
            H = attacker.objective_ / len(attacker.target_nodes_)
            rows.append({"init": init, **effort, "seconds": seconds, "H": H})
            rows[-1]["criterion"] = attacker.criterion_
            found[init] = attacker
            print(rows[-1], flush=True)
    fields = ("init", "max_iter", "n_restarts", "seconds", "H", "criterion")
    write_csv(arguments.output / "starts.csv", [{k: row.get(k) for k in fields} for row in rows])
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    draw_rows(left, found["weights"], X, y, nodes)
    for init in EFFORTS:
        own = [row for row in rows if row["init"] == init]
        right.plot(
            [row["seconds"] for row in own], [row["H"] for row in own], "o-", label=f'"{init}"'
        )
    right.set(xlabel="seconds of the processor", ylabel="H, mean loss of a target", xlim=(0, None))
    right.legend(title="init")
    figure.savefig(arguments.output / "starts.png", dpi=120)
    print(f"wrote {arguments.output / 'starts.png'}")


def draw_rows(ax, attacker, X, y, nodes):
    """The rows of the source with the most mines."""
    mines = [np.sum(y[nodes == node]) for node in attacker.source_nodes_]
    node = attacker.source_nodes_[int(np.argmax(mines))]
    own, injected = nodes == node, attacker.poison_nodes_ == node
    w = attacker.estimator_.coef_[attacker.estimator_.nodes_ == node][0]
    along = w / np.linalg.norm(w)
    rest = X[own] - np.outer(X[own] @ along, along)
    across = np.linalg.svd(rest - rest.mean(axis=0), full_matrices=False)[2][0]
    for label, name, style in ((0, "clutter", "."), (1, "mines", "^")):
        part = X[own][y[own] == label]
        ax.plot(part @ along, part @ across, style, alpha=0.6, label=f"{name}, clean")
    points = attacker.poison_X_[injected]
    places, counts = np.unique(
        np.column_stack([points @ along, points @ across]).round(9), axis=0, return_counts=True
    )
    ax.scatter(*places.T, s=90.0, color="crimson", marker="X", zorder=3, label="injected")
    for place, count in zip(places, counts, strict=True):
        ax.annotate(f"{count} rows", place, xytext=(0, 10), textcoords="offset points", ha="center")
    ax.set(xlabel="along the poisoned weights", ylabel="across", title=f"field {node}")
    ax.legend()


if __name__ == "__main__":
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        main()
