"""The figure of how nodes resemble each other."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skfedmtl._input import as_unique_labels, is_labelled, refuse_half_labelled
from skfedmtl._tools.figures import FRAMED, LETTER, drawing, letters, name_ticks
from skfedmtl._tools.sklearn import last_step
from skfedmtl.federation import FederatedServer
from skfedmtl.inspection._order import check_order, places_in_order

__all__ = ["RelationshipDisplay"]

KINDS = ("correlation", "precision")
MOST_NUMBERS = 12  # nodes up to which the numbers are written
MOST_TICKS = 30
MOST_LETTERS = 12  # of a name, for which the figure need not grow


class RelationshipDisplay:
    """The matrix that ties the nodes, as an image (Fig. 3 of [1]_).

    Use `from_estimator` or `from_matrix`; `plot` draws it again.

    Parameters
    ----------
    matrix : ndarray of shape (n_nodes, n_nodes)
        The matrix.
    labels : ndarray of shape (n_nodes,)
        The nodes, in the order of its rows.
    kind : {"correlation", "precision"}, default="correlation"
        What it is. Colours of a correlation span -1 to 1, those of a precision as much as it needs,
        with 0 in the middle.
    order : {"cluster"}, list of labels or None, default=None
        In which order the nodes are drawn: as in `from_estimator`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        The figure of the axes.
    image_ : matplotlib AxesImage
        The image.
    order_ : ndarray of shape (n_nodes,)
        The nodes' labels in the order drawn, from the left and from above.
    text_ : ndarray of shape (n_nodes, n_nodes) or None
        The numbers written, in the order drawn, if there are at most 12 nodes.

    References
    ----------
    .. [1] G. Sun, Y. Cong, J. Dong, Q. Wang, J. Liu, "Data Poisoning Attacks on Federated
       Machine Learning", 2020.

    Examples
    --------
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.datasets import make_federated_regression
    >>> from skfedmtl.inspection import RelationshipDisplay
    >>> X, y, nodes = make_federated_regression(4, random_state=0, return_X_y_nodes=True)
    >>> model = FMTLRegressor().fit(X, y, nodes=nodes)
    >>> display = RelationshipDisplay.from_estimator(model)
    >>> display.matrix.shape
    (4, 4)
    >>> RelationshipDisplay.from_estimator(model, order=[3, 1, 0, 2]).order_
    array([3, 1, 0, 2])
    """

    def __init__(self, *, matrix, labels, kind="correlation", order=None):
        self.matrix = matrix
        self.labels = labels
        self.kind = kind
        self.order = order

    @classmethod
    def from_estimator(cls, estimator, *, kind="correlation", order=None, ax=None):
        """Draw the relationship that a fitted model found or was given.

        Parameters
        ----------
        estimator : FMTLClassifier, FMTLRegressor, FederatedServer or Pipeline
            A fitted model, a fitted server, or a Pipeline that ends in a model. Of a poisoner pass
            `clean_estimator_` or `estimator_`.
        kind : {"correlation", "precision"}, default="correlation"
            The correlation of the covariance Sigma, or the precision Omega, its (pseudo-)inverse.
        order : {"cluster"}, list of labels or None, default=None
            In which order the nodes are drawn: by a tree of average distances (hierarchical
            clustering), so that nodes that are alike lie beside each other; as listed, all of
            them; or None, as they come.
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : RelationshipDisplay
            What was drawn.

        Raises
        ------
        TypeError
            If `estimator` has no relationship.
        ValueError
            If `kind` is neither of the two, `order` is no order of the nodes, there are more than
            5000 of them, or more than two classes, each of which has a relationship of its own.
        ImportError
            If matplotlib is not installed.
        """
        _check_kind(kind)
        check_order(order)
        model = last_step(estimator)
        if isinstance(model, FederatedServer):
            check_is_fitted(model)
            model = model.model_
        if not hasattr(model, f"node_{kind}"):
            raise TypeError(
                "`estimator` must be an FMTLClassifier, an FMTLRegressor, a FederatedServer or a "
                f"Pipeline that ends in a model, got {type(estimator).__name__}."
            )
        check_is_fitted(model)
        matrix = getattr(model, f"node_{kind}")()
        if matrix.ndim == 3:
            raise ValueError(
                f"`estimator` has one relationship for each of its {len(matrix)} classes; draw one "
                f"of them by RelationshipDisplay.from_matrix(model.node_{kind}()[0], "
                f"labels=model.nodes_, kind={kind!r})."
            )
        return cls(matrix=matrix, labels=model.nodes_, kind=kind, order=order).plot(ax)

    @classmethod
    def from_matrix(cls, matrix, *, labels=None, kind="correlation", order=None, ax=None):
        """Draw a matrix of one's own.

        Parameters
        ----------
        matrix : array-like of shape (n_nodes, n_nodes)
            Finite numbers, symmetric; a correlation between -1 and 1. A DataFrame of pandas names
            its nodes alike, and in the same order, on both axes.
        labels : array-like of shape (n_nodes,), default=None
            The nodes, all different; None: the columns of a DataFrame, else numbers from 0.
        kind : {"correlation", "precision"}, default="correlation"
            What it is.
        order : {"cluster"}, list of labels or None, default=None
            In which order the nodes are drawn, as in `from_estimator`.
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : RelationshipDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If `matrix` is no such matrix, there are not as many labels, or `order` is no order of
            them.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from skfedmtl.inspection import RelationshipDisplay
        >>> from skfedmtl.relationships import mean_regularized
        >>> display = RelationshipDisplay.from_matrix(
        ...     mean_regularized(3), labels=["a", "b", "c"], kind="precision"
        ... )
        >>> display.ax_.get_xlabel()
        'node'
        """
        _check_kind(kind)
        check_order(order)
        if labels is None:
            refuse_half_labelled(matrix, "matrix")
        if is_labelled(matrix):
            _check_axes(matrix, labels)
            labels = matrix.columns if labels is None else labels
        matrix = _as_matrix(matrix, kind)
        labels = np.arange(len(matrix)) if labels is None else as_unique_labels(labels, "labels")
        if len(labels) != len(matrix):
            raise ValueError(
                f"`labels` must be {len(matrix)}, one for each row of `matrix`, got {len(labels)}."
            )
        return cls(matrix=matrix, labels=labels, kind=kind, order=order).plot(ax)

    def plot(self, ax=None):
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on; None makes a new figure.

        Returns
        -------
        display : RelationshipDisplay
            This display, its attributes set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        given = self.labels  # arrays of strings, made of a list, would merge some
        labels = given if isinstance(given, np.ndarray) else np.asarray(given, dtype=object)
        places = places_in_order(self.order, labels, self.matrix, self.kind)
        matrix, labels = self.matrix[np.ix_(places, places)], labels[places]
        m = len(matrix)
        limit = 1.0 if self.kind == "correlation" else np.abs(matrix).max() or 1.0
        side = float(np.clip(2.4 + 0.42 * m, 4.2, 7.5))
        ticks = np.arange(0, m, -(-m // MOST_TICKS))
        names = labels.astype(object)[ticks].tolist()
        side += LETTER * max(0, max(map(letters, names)) - MOST_LETTERS)
        with drawing(self, ax, (side + 1.1, side), "compressed", **FRAMED) as ax:
            self.image_ = ax.imshow(
                matrix, cmap="RdBu", vmin=-limit, vmax=limit, interpolation="nearest"
            )
            _name_nodes(ax, ticks, names)
            ax.set_xlabel("node")
            ax.set_ylabel("node")
            bar = ax.figure.colorbar(self.image_, ax=ax, fraction=0.046, pad=0.04)
            bar.set_label(f"{self.kind} of the nodes")
            bar.outline.set_visible(False)
            self.text_ = _write_numbers(ax, matrix, limit) if m <= MOST_NUMBERS else None
        self.order_ = labels
        return self


def _write_numbers(ax, matrix, limit):
    """Write every number, with fewer digits the larger they get; 0.0 turns -0 into 0."""
    digits = 2 if limit < 10 else 1 if limit < 100 else 0
    text = np.empty(matrix.shape, dtype=object)
    for (row, column), value in np.ndenumerate(matrix):
        dark = abs(value) > 0.6 * limit
        text[row, column] = ax.text(
            column,
            row,
            f"{round(value, digits) + 0.0:.{digits}f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "black",
        )
    return text


def _name_nodes(ax, ticks, names):
    long = max(map(letters, names)) > 3
    name_ticks(ax.xaxis, ticks, names, rotation=90 if long else 0)
    name_ticks(ax.yaxis, ticks, names)


def _check_axes(frame, labels):
    """Refuse a frame whose axes differ, or only in their order if other labels were given."""
    columns = frame.columns.tolist()
    index = frame.index.tolist()
    if columns != index and (labels is None or set(columns) == set(index)):
        raise ValueError(
            "`matrix` must name the same nodes in the same order on both axes; its columns "
            f"are {columns}, its index {index}."
        )


def _as_matrix(matrix, kind):
    """The numbers of a symmetric matrix of that kind."""
    try:
        matrix = np.array(matrix, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`matrix` must hold numbers: {error}") from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"`matrix` must be square, its shape is {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise ValueError("`matrix` must hold finite numbers.")
    if not np.allclose(matrix, matrix.T, atol=1e-8 * np.abs(matrix).max()):
        raise ValueError("`matrix` must be symmetric.")
    if kind == "correlation" and np.abs(matrix).max() > 1.0 + 1e-8:
        raise ValueError(
            "`matrix` must be between -1 and 1 if kind='correlation', its largest entry is "
            f"{np.abs(matrix).max():.3g} in size."
        )
    return matrix


def _check_kind(kind):
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"`kind` must be 'correlation' or 'precision', got {kind!r}.")
