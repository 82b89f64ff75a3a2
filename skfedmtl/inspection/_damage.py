"""The figure of what an attack does to every node."""

import numpy as np

from skfedmtl._tools.figures import (
    BLUE,
    GREEN,
    GREY,
    LETTER,
    PLAIN,
    VERMILION,
    as_drawn,
    drawing,
    grow,
    legend_above,
    letters,
    name_line,
    name_ticks,
)
from skfedmtl.metrics import compare

__all__ = ["DamageDisplay"]

COLUMNS = ("n_test", "is_target", "clean", "random", "optimised", "local", "low", "high")
FEW = 30  #: test rows, below which an error tells little
#: from below to above; the names of what is drawn, and how
LOOKS = {
    "local": {"label": "each node alone", "color": GREEN, "marker": "D", "mfc": "white", "ms": 5},
    "clean": {"label": "no attack", "color": GREY, "marker": "o", "mfc": "white", "ms": 6},
    "random": {"label": "random attack", "color": BLUE, "marker": "s", "ms": 4.5},
    "optimised": {"label": "attack", "color": VERMILION, "marker": "o", "ms": 6},
}
TARGET = "target node"
HEIGHT = 0.27  # inches a node


class DamageDisplay:
    """Errors of every node without an attack, under a random one, and under the attack.

    Use `from_attacker` or `from_comparison`; `plot` draws it again. The names of nodes with fewer
    than 30 test rows say how many there are.

    Parameters
    ----------
    comparison : DataFrame
        What `skfedmtl.metrics.compare` returns: a row a node.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        The figure of the axes.
    lines_ : dict of matplotlib Line2D
        The dots, by the column of the comparison.
    interval_ : matplotlib LineCollection
        The intervals of the errors under attack.

    See Also
    --------
    skfedmtl.metrics.compare : Measures what is drawn.
    PoisonedRowsDisplay : What was injected.

    Examples
    --------
    >>> from skfedmtl import FMTLRegressor, RandomPoisoner
    >>> from skfedmtl.datasets import make_federated_regression
    >>> from skfedmtl.inspection import DamageDisplay
    >>> X, y, nodes = make_federated_regression(5, random_state=0, return_X_y_nodes=True)
    >>> poisoner = RandomPoisoner(FMTLRegressor(), target_nodes=[1], random_state=0)
    >>> display = DamageDisplay.from_attacker(poisoner, X, y, nodes=nodes)
    >>> display.ax_.get_xlabel()
    'RMSE on test rows'
    """

    def __init__(self, *, comparison):
        self.comparison = comparison

    @classmethod
    def from_attacker(cls, attacker, X, y, *, nodes=None, test_size=0.25, ax=None):
        """Compare with and without an attack by `compare` and draw it.

        Parameters
        ----------
        attacker : PoisoningAttacker or other BasePoisoner
            The attack; it is cloned.
        X : array-like of shape (n_samples, n_features)
            Clean rows of all nodes.
        y : array-like of shape (n_samples,)
            Their targets.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.
        test_size : float, default=0.25
            The share of a node's rows to test.
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : DamageDisplay
            What was drawn.

        Raises
        ------
        TypeError, ValueError
            As `compare` does.
        ImportError
            If pandas or matplotlib is not installed.
        """
        return cls.from_comparison(compare(attacker, X, y, nodes=nodes, test_size=test_size), ax=ax)

    @classmethod
    def from_comparison(cls, comparison, *, ax=None):
        """Draw what `compare` returned.

        Parameters
        ----------
        comparison : DataFrame
            A row a node; some of its rows, or the same in another order, are drawn so.
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : DamageDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If `comparison` lacks a column or has no rows.
        ImportError
            If matplotlib is not installed.
        """
        return cls(comparison=comparison).plot(ax)

    def plot(self, ax=None):
        """Draw the errors.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : DamageDisplay
            This display, its attributes set.

        Raises
        ------
        ValueError
            If `comparison` lacks a column or has no rows.
        ImportError
            If matplotlib is not installed.
        """
        frame = self.comparison
        missing = [name for name in COLUMNS if name not in getattr(frame, "columns", ())]
        if missing:
            raise ValueError(f"`comparison` must be what compare returns; it lacks {missing}.")
        if not len(frame):
            raise ValueError("`comparison` has no rows; at least one node is needed.")
        names = [_name(node, n) for node, n in zip(frame.index, frame["n_test"], strict=True)]
        places = np.arange(len(frame))
        height = 1.4 + HEIGHT * len(frame)
        with drawing(self, ax, (6.0, height)) as ax:
            for number, place in enumerate(places[frame["is_target"].to_numpy(dtype=bool)]):
                label = None if number else TARGET
                ax.axhspan(place - 0.5, place + 0.5, color=GREY, alpha=0.13, lw=0, label=label)
            ends = frame["low"], frame["high"]
            self.interval_ = ax.hlines(places, *ends, color=VERMILION, lw=1.6, alpha=0.6)
            self.lines_ = {}
            for column, look in LOOKS.items():
                style = {name: value for name, value in look.items() if name != "label"}
                (self.lines_[column],) = ax.plot(frame[column], places, ls="", **style)
                name_line(self.lines_[column], look["label"])
            name_ticks(ax.yaxis, places, names)
            ax.set_ylim(len(frame) - 0.5, -0.5)
            ax.set_xlim(0.0, None)
            ax.set_ylabel("node")
            ax.set_xlabel(as_drawn(f"{frame.attrs.get('error', 'error')} on test rows"), **PLAIN)
            legend_above(ax)
            grow(ax.figure, 4.0 + LETTER * max(map(letters, names)), height)
        return self


def _name(node, n_test):
    """The name of a node, and of how many rows its errors are, if those are few."""
    return str(node) if n_test >= FEW else f"{node} ({n_test} test row{'s' * (n_test != 1)})"
