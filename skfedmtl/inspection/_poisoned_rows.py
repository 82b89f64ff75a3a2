"""The figure of injected rows among clean ones."""

from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skfedmtl._input import column_position, from_polars, read_features, split_node_column
from skfedmtl._tools.figures import (
    GREY,
    PLAIN,
    VERMILION,
    as_drawn,
    drawing,
    legend_above,
    name_line,
)
from skfedmtl._tools.sklearn import last_step
from skfedmtl.attack._setting import Words
from skfedmtl.model_selection import check_attacker, row_nodes

__all__ = ["PoisonedRowsDisplay"]


class PoisonedRowsDisplay:
    """Clean rows of the nodes that inject, and the injected rows among them, in the plane.

    Use `from_attacker`; `plot` draws it again.

    Parameters
    ----------
    clean : ndarray of shape (n, 2)
        Clean rows.
    injected : ndarray of shape (n_injected, 2)
        Injected rows.
    names : pair of str
        What the axes are called.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        The figure of the axes.
    clean_line_, injected_line_ : matplotlib Line2D
        The dots.

    See Also
    --------
    DamageDisplay : What they do.

    Examples
    --------
    >>> from skfedmtl import FMTLRegressor, RandomPoisoner
    >>> from skfedmtl.datasets import make_federated_regression
    >>> from skfedmtl.inspection import PoisonedRowsDisplay
    >>> X, y, nodes = make_federated_regression(5, random_state=0, return_X_y_nodes=True)
    >>> poisoner = RandomPoisoner(FMTLRegressor(), init="ball", random_state=0)
    >>> display = PoisonedRowsDisplay.from_attacker(poisoner, X, y, nodes=nodes, features=[0, 1])
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('feature 0', 'feature 1')
    """

    def __init__(self, *, clean, injected, names):
        self.clean = clean
        self.injected = injected
        self.names = names

    @classmethod
    def from_attacker(cls, attacker, X, y, *, nodes=None, features=None, ax=None):
        """Draw the rows that an attack injects.

        Parameters
        ----------
        attacker : PoisoningAttacker or other BasePoisoner
            The attack. One that is not fitted is cloned and fitted to the rows.
        X : array-like of shape (n_samples, n_features)
            Clean rows of all nodes.
        y : array-like of shape (n_samples,)
            Their targets.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row; None: the column `node_column` of the attacker or its victim.
        features : pair of int or str or None, default=None
            Two columns of `X`, by position or name. None: the two directions in which the clean
            rows drawn vary most, each feature in units of its standard deviation; columns of words
            are left out.
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : PoisonedRowsDisplay
            What was drawn.

        Raises
        ------
        TypeError
            If `attacker` is no poisoner.
        ValueError
            If `features` are not two columns of numbers of `X`, or `X` has a single feature; and
            as `fit` of the attacker does.
        ImportError
            If matplotlib is not installed.
        """
        check_attacker(attacker)
        X, where = from_polars(X), row_nodes(attacker, X, nodes)
        chosen = None if features is None else _columns(X, features)
        attacker = _fitted(attacker, X, y, nodes)
        clean, injected, wordy = _matrices(attacker, X)
        clean = clean[np.isin(where, attacker.source_nodes_)]
        if chosen is None:
            planes, names = _principal(clean, injected)
        else:
            if told := [j for j in chosen if j in wordy]:
                raise ValueError(
                    f"`features` must be two columns of numbers, got {features!r}, but column "
                    f"{told[0]} of X holds words."
                )
            frame = hasattr(X, "iloc")
            names = [str(X.columns[j]) if frame else f"feature {j}" for j in chosen]
            planes = clean[:, chosen], injected[:, chosen]
        return cls(clean=planes[0], injected=planes[1], names=names).plot(ax)

    def plot(self, ax=None):
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : PoisonedRowsDisplay
            This display, its attributes set.

        Raises
        ------
        ValueError
            If the rows have not two columns.
        ImportError
            If matplotlib is not installed.
        """
        clean, injected = (np.asarray(rows, dtype=float) for rows in (self.clean, self.injected))
        for name, rows in (("clean", clean), ("injected", injected)):
            if rows.ndim != 2 or rows.shape[1] != 2:
                raise ValueError(f"`{name}` must have shape (n, 2), got {rows.shape}.")
        with drawing(self, ax, (6.0, 4.5)) as ax:
            dots = {"ls": "", "ms": 5.5, "mew": 0}
            (self.clean_line_,) = ax.plot(*clean.T, marker="o", color=GREY, alpha=0.35, **dots)
            dots["mew"] = 0.5
            (self.injected_line_,) = ax.plot(
                *injected.T, marker="X", color=VERMILION, alpha=0.8, mec="white", **dots
            )
            name_line(self.clean_line_, f"{len(clean)} clean rows of the sources")
            name_line(self.injected_line_, f"{len(injected)} injected rows")
            ax.set_xlabel(as_drawn(self.names[0]), **PLAIN)
            ax.set_ylabel(as_drawn(self.names[1]), **PLAIN)
            legend_above(ax)
        return self


def _fitted(attacker, X, y, nodes):
    """The attacker if it is fitted, else a clone of it that is."""
    try:
        check_is_fitted(attacker)
    except NotFittedError:
        return clone(attacker).fit(X, y, nodes=nodes)
    return attacker


def _node_column(attacker):
    column = attacker.node_column
    return last_step(attacker.estimator).node_column if column is None else column


def _features(attacker, X):
    """The columns of features, and the position of the node column, None without one."""
    column = _node_column(attacker)
    if column is None:
        return read_features(X, words=True), None
    place = column_position(X, column, hasattr(X, "iloc"))
    return read_features(split_node_column(X, column)[0], words=True), place


def _matrices(attacker, X):
    """Clean and injected rows in numbers, zeros for nodes and for words, and where those are."""
    clean, place = _features(attacker, X)
    words = Words.held(clean)
    rows = []
    for features in (clean, _features(attacker, attacker.poison_X_)[0]):
        numbers = np.array(words.code(features))
        numbers[:, list(words.of)] = 0.0
        rows.append(numbers if place is None else np.insert(numbers, place, 0.0, axis=1))
    return *rows, [j + (place is not None and j >= place) for j in words.of]


def _columns(X, features):
    """The positions of two columns."""
    single = isinstance(features, str) or not hasattr(features, "__len__")
    found = [] if single else [_position(X, entry) for entry in features]
    if len(found) != 2 or None in found:
        raise ValueError(
            f"`features` must be two columns of X, by position or name, got {features!r}."
        )
    return found


def _position(X, entry):
    """That of a column; None if there is no such column."""
    count = np.shape(X)[1]
    if isinstance(entry, Integral) and -count <= entry < count:
        return int(entry) % count
    names = list(getattr(X, "columns", ()))
    return names.index(entry) if isinstance(entry, str) and names.count(entry) == 1 else None


def _principal(clean, injected):
    """Both in the plane in which the clean rows vary most, and the names of its axes."""
    middle, spread = clean.mean(axis=0), clean.std(axis=0)
    spread[spread == 0.0] = 1.0
    rows = (clean - middle) / spread
    if rows.shape[1] < 2:
        raise ValueError("`X` has a single feature; two are drawn.")
    _, sizes, directions = np.linalg.svd(rows, full_matrices=False)
    shares = 100.0 * sizes**2 / max(float(np.sum(sizes**2)), np.finfo(float).tiny)
    plane = directions[:2].T
    names = [f"principal component {j + 1} ({shares[j]:.0f} % of the variance)" for j in range(2)]
    return (rows @ plane, (injected - middle) / spread @ plane), names
