"""The figure of how fits and attacks come to an end."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skfedmtl._tools.figures import (
    PLAIN,
    as_drawn,
    drawing,
    legend_above,
    name_line,
    next_look,
    next_stroke,
)
from skfedmtl._tools.sklearn import last_step

__all__ = ["ConvergenceDisplay"]

X_NAMES = {
    "round": "round",
    "bytes_communicated": "communicated (MB)",
    "time": "time (s)",
    "step": "step of the attack",
}
GAP = "duality gap / objective"
ATTACK = "objective of the attack"


class ConvergenceDisplay:
    """How a fit or an attack converges (Fig. 6 of [1]_).

    Use `from_estimator` or `from_history`; `plot` draws it again. Several fits go on the same axes:
    hand the next one the `ax_` of the first. Their lines differ in markers and strokes, too, not by
    colour alone.

    Parameters
    ----------
    x : ndarray of shape (n_points,)
        Rounds, bytes, seconds or steps.
    curves : dict of str to ndarray of shape (n_points,)
        What is drawn over them, by what the legend calls it.
    x_name, y_name : str
        What the axes are called.
    logarithmic : bool, default=False
        Whether the vertical axis is logarithmic.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        The figure of the axes.
    lines_ : list of matplotlib Line2D
        One line a curve.

    References
    ----------
    .. [1] G. Sun, Y. Cong, J. Dong, Q. Wang, J. Liu, "Data Poisoning Attacks on Federated
       Machine Learning", 2020.

    Examples
    --------
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.datasets import make_federated_regression
    >>> from skfedmtl.inspection import ConvergenceDisplay
    >>> X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
    >>> model = FMTLRegressor(solver="mocha", random_state=0).fit(X, y, nodes=nodes)
    >>> display = ConvergenceDisplay.from_estimator(model, x="bytes_communicated", name="MOCHA")
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('communicated (MB)', 'duality gap / objective')
    """

    def __init__(self, *, x, curves, x_name, y_name, logarithmic=False):
        self.x = x
        self.curves = curves
        self.x_name = x_name
        self.y_name = y_name
        self.logarithmic = logarithmic

    @classmethod
    def from_estimator(cls, estimator, *, x="round", y="gap", name=None, ax=None):
        """Draw the history of a fitted model or attack.

        Parameters
        ----------
        estimator : FMTLClassifier, FMTLRegressor, FederatedServer, Pipeline or PoisoningAttacker
            A fitted model, a fitted server, a Pipeline that ends in a model, or a fitted attack,
            whose objective is drawn over its steps.
        x : {"round", "bytes_communicated", "time"}, default="round"
            Over what a model's history is drawn; without effect on an attack.
        y : {"gap", "objective"}, default="gap"
            What of a model's history is drawn: the duality gap as a share of the objective,
            logarithmic, or the objective and its lower bound; without effect on an attack.
        name : str or None, default=None
            What the legend calls the fit; None: its class.
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : ConvergenceDisplay
            What was drawn.

        Raises
        ------
        TypeError
            If `estimator` has no history.
        ValueError
            If `x` or `y` is another.
        ImportError
            If matplotlib is not installed.
        """
        model = last_step(estimator)
        check_is_fitted(model)
        name = type(model).__name__ if name is None else name
        for attribute in ("history_", "objective_history_"):
            if hasattr(model, attribute):
                return cls.from_history(getattr(model, attribute), x=x, y=y, name=name, ax=ax)
        raise TypeError(
            "`estimator` must have a history: a fitted FMTLClassifier, FMTLRegressor or "
            f"PoisoningAttacker, got {type(model).__name__}."
        )

    @classmethod
    def from_history(cls, history, *, x="round", y="gap", name=None, ax=None):
        """Draw a history.

        Parameters
        ----------
        history : dict of ndarray, or array-like of shape (n_points,)
            `history_` of a model, or `objective_history_` of an attack.
        x : {"round", "bytes_communicated", "time"}, default="round"
            Over what a model's history is drawn; without effect on an attack.
        y : {"gap", "objective"}, default="gap"
            What of a model's history is drawn, as in `from_estimator`.
        name : str or None, default=None
            What the legend calls it; None: "fit" or "attack".
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : ConvergenceDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If `x` or `y` is another, or `history` is neither.
        ImportError
            If matplotlib is not installed.
        """
        if x not in ("round", "bytes_communicated", "time"):
            raise ValueError(f"`x` must be 'round', 'bytes_communicated' or 'time', got {x!r}.")
        if y not in ("gap", "objective"):
            raise ValueError(f"`y` must be 'gap' or 'objective', got {y!r}.")
        if isinstance(history, dict):
            made = cls._of_model(history, x, y, "fit" if name is None else name)
        else:
            made = cls._of_attack(history, "attack" if name is None else name)
        return made.plot(ax)

    @classmethod
    def _of_model(cls, history, x, y, name):
        missing = [key for key in (x, "objective", "dual_objective") if key not in history]
        if missing:
            raise ValueError(f"`history` must be that of a model; it lacks {missing}.")
        where, upper, lower = (
            np.asarray(history[key], dtype=float) for key in (x, "objective", "dual_objective")
        )
        if x == "bytes_communicated":
            where = where / 1e6
        if y == "objective":
            curves = {name: upper, f"{name}: lower bound": lower}
            return cls(x=where, curves=curves, x_name=X_NAMES[x], y_name="objective")
        # a gap below what rounding resolves is drawn there, a gap of an objective of 0 not at all
        scale = np.where(upper == 0.0, np.nan, np.abs(upper))
        gap = np.maximum((upper - lower) / scale, np.finfo(float).eps)
        return cls(x=where, curves={name: gap}, x_name=X_NAMES[x], y_name=GAP, logarithmic=True)

    @classmethod
    def _of_attack(cls, history, name):
        values = np.asarray(history, dtype=float)
        if values.ndim != 1 or not len(values):
            raise ValueError(
                "`history` must be a model's history_ or an attack's objective_history_, got an "
                f"array of shape {values.shape}."
            )
        steps = np.arange(len(values))
        return cls(x=steps, curves={name: values}, x_name=X_NAMES["step"], y_name=ATTACK)

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : ConvergenceDisplay
            This display, its attributes set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        with drawing(self, ax, (6.0, 4.0)) as ax:
            self.lines_ = []
            for name, values in self.curves.items():
                look = {"lw": 1.6, "ms": 5, **next_look(ax), **next_stroke(ax, len(values))}
                (line,) = ax.plot(self.x, values, **look)
                name_line(line, name)
                self.lines_.append(line)
            if self.logarithmic:
                ax.set_yscale("log")
            ax.set_xlabel(as_drawn(self.x_name), **PLAIN)
            ax.set_ylabel(as_drawn(self.y_name), **PLAIN)
            counted = self.x_name in (X_NAMES["round"], X_NAMES["step"])
            if counted and ax.get_xscale() == "linear":
                ax.locator_params("x", integer=True)
            legend_above(ax)
        return self
