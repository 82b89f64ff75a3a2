"""The one style of all figures, and how they write names; matplotlib is imported to draw.

Names are of users: of nodes, attacks, fits, parameters, data. They are written as they are, never
read as formulas, and none is left out, whatever it begins with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unicodedata import east_asian_width
from weakref import WeakKeyDictionary, WeakSet

# Okabe and Ito, without the yellow that is too light for lines: apart for colour-blind readers
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
SKY, ORANGE = "#56b4e9", "#e69f00"
INK, GREY = "#000000", "#5f5f5f"
COLOURS = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")
STROKES = ("-", "--", ":", "-.")
STYLE: dict[Any, Any] = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
ONE_ROW = 70  # letters of the names, and eight for each sample
LETTER = 0.085  # inches, of a name
FRAMED = {"axes.spines.top": True, "axes.spines.right": True}
PLAIN = {"parse_math": False, "usetex": False}  # no dollar sign begins a formula
# controls and halves of pairs have no shape, and are written as in Python; a newline ends a line
SHAPELESS = {*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)} - {ord("\n")}
ESCAPES = {code: repr(chr(code))[1:-1] for code in SHAPELESS}

_made: WeakSet[Any] = WeakSet()  # figures, which may grow
_names: WeakKeyDictionary[Any, str] = WeakKeyDictionary()  # what legends call the lines


def import_pyplot(owner: str) -> Any:
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
def drawing(
    display: Any, ax: Any, size: tuple[float, float], layout: str = "constrained", **style: Any
) -> Iterator[Any]:
    """Give axes to draw on, those given or new ones, and note them in the display."""
    pyplot = import_pyplot(type(display).__name__)
    with pyplot.rc_context({**STYLE, **style}):
        if ax is None:
            figure, ax = pyplot.subplots(figsize=size, layout=layout)
            _made.add(figure)
        yield ax
    display.ax_, display.figure_ = ax, ax.figure


def next_look(ax: Any) -> dict[str, str]:
    """Colour and marker for one more line."""
    number = _count(ax)
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def next_stroke(ax: Any, n_points: int) -> dict[str, Any]:
    """How one more line of many points is stroked, and at which of them it has its marker.

    Lines that run upon each other have their markers at points of their own.
    """
    number, every = _count(ax), max(1, n_points // 12)
    return {
        "linestyle": STROKES[number % len(STROKES)],
        "markevery": (number * every // len(MARKERS) % every, every),
    }


def _count(ax: Any) -> int:
    """How many lines there are that `next_look` has given their looks."""
    return sum(line.get_marker() in MARKERS for line in ax.lines)


def as_drawn(name: Any) -> str:
    """A name as figures write it: letter for letter, with `PLAIN`."""
    return str(name).translate(ESCAPES)


def letters(name: Any) -> int:
    """The number of letters in the longest line of a name; wide ones count twice."""
    wide = (
        sum(1 + (east_asian_width(letter) in "WF") for letter in line)
        for line in as_drawn(name).split("\n")
    )
    return max(wide)


def name_ticks(axis: Any, places: Any, names: Any, **style: Any) -> None:
    """Write these names at these places of an axis."""
    axis.set_ticks(places, [as_drawn(name) for name in names], **style, **PLAIN)


def name_line(line: Any, name: Any) -> None:
    """Call a line by this name in the legend."""
    line.set_label(as_drawn(name))
    _names[line] = as_drawn(name)


def legend_names(ax: Any) -> dict[Any, str]:
    """The lines and whatever else the legend explains, by what it calls them."""
    labelled = dict(zip(*ax.get_legend_handles_labels(), strict=True))
    lines = [line for line in ax.lines if line in _names or line in labelled]
    named = {line: _names[line] if line in _names else labelled[line] for line in lines}
    return named | {artist: name for artist, name in labelled.items() if artist not in named}


def legend_above(ax: Any) -> None:
    """Put the legend above the axes, where it covers no data."""
    named = legend_names(ax)
    names = list(named.values())
    legend = ax.legend(
        list(named),
        names,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.02),
        borderaxespad=0.0,
        ncols=_columns(names),
        frameon=False,
    )
    for artist, text in zip(named, legend.get_texts(), strict=True):
        if artist in _names:
            text.set(**PLAIN)
    grow(ax.figure, 1.5 + LETTER * max(map(letters, names)), 0.0)


def grow(figure: Any, width: float, height: float) -> None:
    """Make a figure at least that large, in inches, if it is none of the user's."""
    if figure in _made:
        size = figure.get_size_inches()
        figure.set_size_inches(max(width, size[0]), max(height, size[1]))


def _columns(names: Sequence[str]) -> int:
    """How many columns the legend has: one row of them all, or two columns, if they fit."""
    if sum(map(letters, names)) + 8 * len(names) < ONE_ROW:
        return len(names)
    return 2 if 2 * max(map(letters, names)) < ONE_ROW else 1
