"""What the figures share: options, the paper's rows, the sheet that panels are drawn on."""

from pathlib import Path

import matplotlib as mpl
from _common import at_least_one, make_parser
from _protocols import ATTACKS, DATA, LAMBDAS, make_attack

from skfedmtl._tools.figures import STYLE

__all__ = ["figure_parser", "new_sheet", "paper_attack", "save", "share_legend"]


def figure_parser(doc, draws, steps=None):
    """The options of a figure; no steps are those of the table."""
    parser = make_parser(doc, Path(__file__).with_name("results"))
    parser.add_argument("--draws", type=at_least_one, default=draws, help="repetitions")
    parser.add_argument("--steps", type=at_least_one, default=steps)
    parser.add_argument("--data", nargs="+", choices=DATA, default=("landmine", "parkinsons_total"))
    parser.add_argument("--attack", nargs="+", choices=ATTACKS, default=ATTACKS)
    parser.add_argument("--n-jobs", type=int, default=2)
    return parser


def paper_attack(data, attack, seed, radius, steps=0, *, kind="ascent", **more):
    """An attack of the protocol ``paper``; `steps` are those of an ascent."""
    options = {"radius": radius, "lambdas": LAMBDAS["fmtl"], "steps": steps, **more}
    return make_attack("paper", data, attack, kind, seed, **options)


def new_sheet(n_rows, n_columns, size, **options):
    """A figure and its axes, an array of `n_rows` times `n_columns`."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    height, width = n_rows * size[1], n_columns * size[0]
    with plt.rc_context(STYLE):
        return plt.subplots(
            n_rows,
            n_columns,
            figsize=(width, height),
            layout="constrained",
            squeeze=False,
            **options,
        )


def share_legend(figure, axes):
    """One legend above all panels, which cover none of it, in place of theirs."""
    entries = {}
    for axis in axes.flat:
        entries |= dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
        if axis.get_legend() is not None:
            axis.get_legend().remove()
    figure.legend(
        entries.values(), entries, loc="outside upper center", ncols=len(entries), frameon=False
    )


def save(figure, path):
    """Write the figure, and close it."""
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"wrote {path}")
