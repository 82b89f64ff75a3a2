"""Figure 4 of Sun et al. (2020): test errors of the targets by the share of injected rows.

The paper's protocol (see ``table2.py``) and 0, 5, 10, 20, 30 and 40 % injected rows. Above: the
``optimised`` attack of the table. Below: its ``ascent``, but of forty steps. By `security_curve`:
three repetitions, whose splits, targets and sources are the same for all shares, but not those of
the table. Bands are one standard error to both sides; the dashed line is the victim without
injected rows.

``figure4.csv`` holds every repetition. Finished cells are kept and not computed again.

    python benchmarks/paper/figure4.py [--data-home DIR] [--output DIR] [--draws N] [--steps N]
        [--data NAME ...] [--attack NAME ...] [--n-jobs N]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _curves import draw_curves, measure_curves
from _plots import figure_parser

TITLES = {"optimised": "default attack", "ascent": "plain ascent"}
BUDGETS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)


def main(argv=None):
    """Measure, write and draw."""
    arguments = figure_parser(__doc__, draws=3, steps=40).parse_args(argv)
    cells = [
        (data, series, attack, "budget", budget, steps, arguments.draws)
        for data in arguments.data
        for series, steps in (("optimised", 0), ("ascent", arguments.steps))
        for attack in arguments.attack
        for budget in BUDGETS
    ]
    path = arguments.output / "figure4.csv"
    series = {name: {} for name in TITLES}
    rows = measure_curves(path, cells, series, arguments.data_home, arguments.n_jobs)
    draw_curves(rows, TITLES, path.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
