"""Figure 5 of Sun et al. (2020): test errors of the targets by the step size eta.

Twenty steps with eta from 0.01 to 1000, 20 % injected rows, the paper's protocol and the ``ascent``
of ``table2.py``. Above: Eq. 4 of the paper, rows that move by eta times the gradient and are
projected, every step taken. Below: the package's default step, momentum with per-coordinate
scaling, where eta is thousandths of the radius. The gradient is the exact one in both; the paper's
own is ``gradient="dual"``.

Three repetitions by `security_curve`, whose splits, targets and sources are the same for all eta,
but not those of the table. Bands are one standard error to both sides.

``figure5.csv`` holds every repetition. Finished cells are kept and not computed again.

    python benchmarks/paper/figure5.py [--data-home DIR] [--output DIR] [--draws N] [--steps N]
        [--data NAME ...] [--attack NAME ...] [--n-jobs N]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _curves import draw_curves, measure_curves
from _plots import figure_parser

ETAS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
SERIES = {
    "plain": {"step": "plain", "line_search": False},
    "default": {"step": "adaptive"},
}
TITLES = {"plain": "plain steps", "default": "default steps"}


def main(argv=None):
    """Measure, write and draw."""
    arguments = figure_parser(__doc__, draws=3, steps=20).parse_args(argv)
    cells = [
        (data, series, attack, "eta", eta, arguments.steps, arguments.draws)
        for data in arguments.data
        for series in SERIES
        for attack in arguments.attack
        for eta in ETAS
    ]
    path = arguments.output / "figure5.csv"
    rows = measure_curves(path, cells, SERIES, arguments.data_home, arguments.n_jobs)
    draw_curves(rows, TITLES, path.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
