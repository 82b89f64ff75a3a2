"""The figure of what an attack does, by one of its parameters."""

import numbers
from weakref import WeakKeyDictionary

import numpy as np

from skfedmtl._tools.figures import (
    GREY,
    LETTER,
    ONE_ROW,
    PLAIN,
    as_drawn,
    drawing,
    grow,
    legend_above,
    legend_names,
    letters,
    name_line,
    name_ticks,
    next_look,
)
from skfedmtl.model_selection import security_curve

__all__ = ["SecurityCurveDisplay"]

CLEAN = "no attack"
X_NAMES = {
    "budget": "budget: injected rows as a share of a source's clean rows",
    "target_nodes": "share of the nodes that are targets",
    "eta": "eta: longest step",
    "radius": "radius: largest norm of injected rows",
}
LOSSES = ("objectives", "upper_bounds", "clean_objectives")
LOGARITHMIC = 30.0  # ratio of the largest to the least value from which the axis is logarithmic

_below: WeakKeyDictionary = WeakKeyDictionary()  # axes of losses, by those of errors above them


class SecurityCurveDisplay:
    """Errors of the attacked nodes by a parameter of the attack or its victim (Fig. 4, 5 of [1]_).

    Use `from_estimator` or `from_curve`; `plot` draws it again. Several attacks go on the same
    axes: hand the next one the `ax_` of the first.

    Parameters
    ----------
    param_name : str
        The parameter.
    param_range : list of n_values
        Its values.
    scores : ndarray of shape (n_values, n_repeats)
        Errors under attack.
    clean_scores : ndarray of shape (n_values, n_repeats) or None, default=None
        Errors without it.
    score_name : str, default="mean error of the target nodes"
        What the errors are.
    objectives : ndarray of shape (n_values, n_repeats) or None, default=None
        Clean training losses of a target under attack. They and the next two, all or none, are
        drawn below, on axes with a unit of their own.
    upper_bounds : ndarray of shape (n_values, n_repeats) or None, default=None
        What these losses never exceed.
    clean_objectives : ndarray of shape (n_values, n_repeats) or None, default=None
        The losses without an attack.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        The figure of the axes.
    line_ : matplotlib Line2D
        Means under attack.
    band_ : matplotlib Collection or None
        One standard error to both sides, if there are several repetitions.
    clean_line_ : matplotlib Line2D or None
        Means without attack, if this display drew them.
    bound_ax_ : matplotlib Axes or None
        The axes below, for losses, if there are any.
    bound_line_, objective_line_ : matplotlib Line2D or None
        Means of the certified and of the found losses.
    bound_band_ : matplotlib Collection or None
        The room between them.

    See Also
    --------
    skfedmtl.model_selection.security_curve : Measures what is drawn.

    References
    ----------
    .. [1] G. Sun, Y. Cong, J. Dong, Q. Wang, J. Liu, "Data Poisoning Attacks on Federated
       Machine Learning", 2020.

    Examples
    --------
    >>> from skfedmtl import FMTLRegressor, LabelFlipPoisoner, RandomPoisoner
    >>> from skfedmtl.datasets import make_federated_regression
    >>> from skfedmtl.inspection import SecurityCurveDisplay
    >>> X, y, nodes = make_federated_regression(5, random_state=0, return_X_y_nodes=True)
    >>> settings = {"param_name": "budget", "param_range": [0.0, 0.1, 0.2], "n_repeats": 3}
    >>> poisoner = RandomPoisoner(FMTLRegressor(), random_state=0)
    >>> display = SecurityCurveDisplay.from_estimator(
    ...     poisoner, X, y, nodes=nodes, name="direct", **settings
    ... )
    >>> poisoner.set_params(attack="indirect")
    RandomPoisoner(attack='indirect', ...)
    >>> other = SecurityCurveDisplay.from_estimator(
    ...     poisoner, X, y, nodes=nodes, name="indirect", ax=display.ax_, **settings
    ... )
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['no attack', 'direct', 'indirect']
    """

    def __init__(
        self,
        *,
        param_name,
        param_range,
        scores,
        clean_scores=None,
        score_name="mean error of the target nodes",
        objectives=None,
        upper_bounds=None,
        clean_objectives=None,
    ):
        self.param_name = param_name
        self.param_range = param_range
        self.scores = scores
        self.clean_scores = clean_scores
        self.score_name = score_name
        self.objectives = objectives
        self.upper_bounds = upper_bounds
        self.clean_objectives = clean_objectives

    @classmethod
    def from_estimator(
        cls,
        attacker,
        X,
        y,
        *,
        sample_weight=None,
        nodes=None,
        param_name,
        param_range,
        n_repeats=5,
        test_size=0.25,
        bound=False,
        bound_params=None,
        n_jobs=None,
        verbose=0,
        name=None,
        ax=None,
    ):
        """Measure an attack by `security_curve` and draw it.

        Parameters
        ----------
        attacker : PoisoningAttacker or other BasePoisoner
            The attack; it is cloned.
        X : array-like of shape (n_samples, n_features)
            Clean rows of all nodes.
        y : array-like of shape (n_samples,)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows within their node.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row.
        param_name : str
            The parameter.
        param_range : array-like of shape (n_values,)
            Its values.
        n_repeats : int, default=5
            Number of repetitions.
        test_size : float, default=0.25
            The share of a node's rows to test.
        bound : bool, default=False
            Whether to certify what no attack exceeds, and to draw that below.
        bound_params : dict or None, default=None
            With `bound`: `max_iter`, `max_seconds` or `tol` of every bound.
        n_jobs : int or None, default=None
            Attacks that run at a time, as in joblib.
        verbose : int, default=0
            How often joblib tells how many values and repetitions are done.
        name : str or None, default=None
            What the legend calls the attack; None: "attack".
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : SecurityCurveDisplay
            What was drawn.

        Raises
        ------
        TypeError, ValueError
            As `security_curve` does.
        ImportError
            If matplotlib is not installed.
        """
        curve = security_curve(
            attacker,
            X,
            y,
            sample_weight=sample_weight,
            nodes=nodes,
            param_name=param_name,
            param_range=param_range,
            n_repeats=n_repeats,
            test_size=test_size,
            bound=bound,
            bound_params=bound_params,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        return cls.from_curve(curve, name=name, ax=ax)

    @classmethod
    def from_curve(cls, curve, *, name=None, ax=None):
        """Draw what `security_curve` returned.

        Parameters
        ----------
        curve : Bunch
            With `param_name`, `param_range`, `scores`, `clean_scores` and `score_name`; of a curve
            with bounds `objectives`, `upper_bounds` and `clean_objectives` as well.
        name : str or None, default=None
            What the legend calls the attack; None: "attack".
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : SecurityCurveDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If `curve` lacks one of these, or the lengths differ.
        ImportError
            If matplotlib is not installed.
        """
        keys = ("param_name", "param_range", "scores", "clean_scores", "score_name")
        missing = [key for key in keys if key not in curve]
        if missing:
            raise ValueError(f"`curve` must be what security_curve returns; it lacks {missing}.")
        keys += tuple(key for key in LOSSES if key in curve)
        return cls(**{key: curve[key] for key in keys}).plot(ax, name=name)

    def plot(self, ax=None, *, name=None):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure. Where there are bounds its place, a subplot,
            is shared with the axes of losses, and further attacks find those.
        name : str or None, default=None
            What the legend calls the attack; None: "attack".

        Returns
        -------
        display : SecurityCurveDisplay
            This display, its attributes set.

        Raises
        ------
        ValueError
            If scores and values differ in length, some losses are missing, or there are losses and
            `ax` is no subplot.
        ImportError
            If matplotlib is not installed.
        """
        scores, clean = self._checked("scores"), self._checked("clean_scores")
        losses = self._checked_losses(ax)
        with drawing(self, ax, (6.0, 4.0) if losses is None else (6.0, 7.0)) as ax:
            x, joined = self._set_scale(ax)
            self.clean_line_ = self._draw_clean(ax, x, clean, joined)
            look = next_look(ax)
            style = {"ls": "-" if joined else "", "lw": 1.6, "ms": 5, **look}
            (self.line_,) = ax.plot(x, scores.mean(axis=1), **style)
            name = "attack" if name is None else name
            name_line(self.line_, name)
            self.band_ = self._draw_band(ax, x, scores, joined, look["color"])
            ax.set_ylim(0.0, None, auto=True)  # further attacks may reach higher
            repeats = f"\n(± standard error of {scores.shape[1]} repetitions)"
            measured = as_drawn(self.score_name) + (repeats if self.band_ is not None else "")
            ax.set_ylabel(measured, **PLAIN)
            legend_above(ax)
            self._draw_losses(ax, losses, style, name)
        return self

    def _draw_clean(self, ax, x, values, joined):
        """What there is without an attack, once on every axes."""
        if values is None or CLEAN in legend_names(ax).values():
            return None
        look = {"ls": "--", "lw": 1.2} if joined else {"ls": "", "marker": "_", "ms": 24}
        (line,) = ax.plot(x, values.mean(axis=1), color=GREY, **look)
        name_line(line, CLEAN)
        return line

    def _draw_losses(self, ax, losses, style, name):
        """On the axes below: what was found, what is certified, and the room between them."""
        self.bound_ax_ = self.bound_line_ = self.objective_line_ = self.bound_band_ = None
        if losses is None:
            return
        if ax not in _below:
            _below[ax] = _make_room(ax)
        below = self.bound_ax_ = _below[ax]
        x, joined = self._set_scale(below)
        found, certified = (losses[key].mean(axis=1) for key in ("objectives", "upper_bounds"))
        self._draw_clean(below, x, losses["clean_objectives"], joined)
        (self.objective_line_,) = below.plot(x, found, **style)
        name_line(self.objective_line_, f"{name}, found")
        hollow = {**style, "ls": ":" if joined else "", "markerfacecolor": "white"}
        (self.bound_line_,) = below.plot(x, certified, **hollow)
        name_line(self.bound_line_, f"{name}, certified")
        ends = x, found, certified
        if joined:
            self.bound_band_ = below.fill_between(*ends, color=style["color"], alpha=0.12, lw=0)
        else:
            self.bound_band_ = below.vlines(*ends, color=style["color"], lw=1.0, ls=":")
        below.set_ylim(0.0, None, auto=True)
        below.set_ylabel("clean training loss of a target\n(the victim's loss)")
        legend_above(below)

    def _draw_band(self, ax, x, scores, joined, colour):
        """One standard error to both sides; None if there is a single repetition."""
        n_repeats = scores.shape[1]
        if n_repeats == 1:
            return None
        mean, error = scores.mean(axis=1), scores.std(axis=1, ddof=1) / np.sqrt(n_repeats)
        ends = x, mean - error, mean + error
        if joined:
            return ax.fill_between(*ends, color=colour, alpha=0.2, lw=0)
        return ax.vlines(*ends, color=colour, lw=1.6)

    def _checked_losses(self, ax):
        """The losses by name; None if there are none."""
        missing = [name for name in LOSSES if getattr(self, name) is None]
        if len(missing) == len(LOSSES):
            return None
        if missing:
            raise ValueError(
                f"Curves with bounds have {', '.join(LOSSES)}; `{missing[0]}` is None."
            )
        if ax is not None and ax not in _below and ax.get_subplotspec() is None:
            raise ValueError("`ax` must be a subplot, whose place can be shared with the bounds.")
        return {name: self._checked(name) for name in LOSSES}

    def _checked(self, name):
        """The scores of this name as an array; None if there are none."""
        if name == "clean_scores" and self.clean_scores is None:
            return None
        values = np.asarray(getattr(self, name), dtype=float)
        if values.ndim != 2 or len(values) != len(self.param_range) or not values.size:
            raise ValueError(
                f"`{name}` must have shape ({len(self.param_range)}, n_repeats), one row a value "
                f"of `param_range`, got {values.shape}."
            )
        return values

    def _set_scale(self, ax):
        """Where the values lie, and whether a line joins them: several numbers, nothing else."""
        ax.set_xlabel(as_drawn(X_NAMES.get(self.param_name, self.param_name)), **PLAIN)
        values = list(self.param_range)
        if all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in values):
            if min(values) > 0 and max(values) >= LOGARITHMIC * min(values):
                ax.set_xscale("log")
            return np.array(values, dtype=float), len(values) > 1
        _name_values(ax, [_written(value) for value in values])
        ax.set_xlim(-0.5, len(values) - 0.5)
        return np.arange(len(values), dtype=float), False


def _make_room(ax):
    """New axes in the lower half of a subplot's place, which keeps the upper one."""
    upper, lower = ax.get_subplotspec().subgridspec(2, 1)
    ax.set_subplotspec(upper)
    return ax.figure.add_subplot(lower)


def _written(value):
    """A value as text; of a list, of nodes for one, its entries."""
    listed = isinstance(value, list | tuple | np.ndarray) and np.ndim(value) == 1
    return ", ".join(map(str, value)) if listed else str(value)


def _name_values(ax, names):
    longest = max(map(letters, names))
    crowded = len(names) * longest > ONE_ROW
    name_ticks(ax.xaxis, range(len(names)), names, rotation=90 if crowded else 0)
    if crowded:
        grow(ax.figure, 0.0, 3.5 + LETTER * longest)
