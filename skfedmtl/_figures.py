"""The one style of all figures; matplotlib is imported when something is drawn."""

from contextlib import contextmanager

# Okabe and Ito, without the yellow that is too light for lines: apart for colour-blind readers
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
SKY, ORANGE = "#56b4e9", "#e69f00"
INK, GREY = "#000000", "#5f5f5f"
COLOURS = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")
STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
ONE_ROW = 75  # letters of the names, and eight for each sample
FRAMED = {"axes.spines.top": True, "axes.spines.right": True}


def import_pyplot(owner):
    """Import matplotlib's pyplot, or say what needs it."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"{owner} needs matplotlib, which could not be imported: "
            'pip install "skfedmtl[report]".'
        ) from error
    return pyplot


@contextmanager
def drawing(display, ax, size, layout="constrained", **style):
    """Give axes to draw on, those given or new ones, and note them in the display."""
    pyplot = import_pyplot(type(display).__name__)
    with pyplot.rc_context({**STYLE, **style}):
        if ax is None:
            _, ax = pyplot.subplots(figsize=size, layout=layout)
        yield ax
    display.ax_, display.figure_ = ax, ax.figure


def next_look(ax):
    """Colour and marker for one more line."""
    number = sum(line.get_marker() in MARKERS for line in ax.lines)
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def legend_above(ax):
    """Put the legend above the axes, where it covers no data."""
    names = ax.get_legend_handles_labels()[1]
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.02),
        borderaxespad=0.0,
        ncols=len(names) if len("".join(names)) + 8 * len(names) < ONE_ROW else 2,
        frameon=False,
    )
