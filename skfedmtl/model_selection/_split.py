"""Splits that keep every node on both sides."""

import numbers
import warnings

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from skfedmtl._input import check_nodes, listing, n_rows, take
from skfedmtl.model_selection._strata import (
    check_test_size,
    deal,
    draw,
    refuse_single_rows,
    single_rows,
    strata,
)

__all__ = ["NodeKFold", "train_test_split_nodes"]


class NodeKFold(BaseCrossValidator):
    """K folds, each with rows of every node.

    Rows usually come sorted by node, so that plain ``KFold`` leaves whole nodes out of training.
    Here the rows of a node, and of each class within it, are spread evenly: their numbers in any
    two folds differ by at most one for a node and by at most one for a class in a node. Classes
    as a whole and the folds' sizes are balanced as far as that allows.

    Every node is in every training fold, and one of at least `n_splits` rows in every test fold.
    Each row is tested exactly once, but for those of nodes with a single row: these are trained
    on in every fold and never tested, as by `train_test_split_nodes`. Without such nodes the test
    folds are a partition, which `sklearn.model_selection.cross_val_predict` asks for.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Draw the rows of a fold at random. If False, a fold takes consecutive rows of each class
        in each node.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling; only with ``shuffle=True``.

    Warns
    -----
    UserWarning
        If nodes have a single row: it is never tested. To test such rows all the same, by a model
        that has not seen their nodes, split by plain ``KFold(shuffle=True)`` and set
        ``handle_unknown="mean"``.

    See Also
    --------
    train_test_split_nodes : One split into training and test rows.

    Notes
    -----
    The splitter requests ``nodes`` by default. With metadata routing enabled
    (``sklearn.set_config(enable_metadata_routing=True)``) the search or `cross_validate` that was
    given `nodes` passes it on. Without routing, hand over the folds themselves:
    ``cv=list(NodeKFold().split(X, y, nodes=nodes))``.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.model_selection import NodeKFold
    >>> X = np.zeros((6, 1))
    >>> y = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    >>> nodes = np.array(["home", "home", "home", "away", "away", "away"])
    >>> for train, test in NodeKFold(n_splits=3).split(X, y, nodes=nodes):
    ...     print(train, test)
    [1 2 4 5] [0 3]
    [0 2 3 5] [1 4]
    [0 1 3 4] [2 5]
    """

    __metadata_request__split = {"nodes": True}

    def __init__(self, n_splits=5, *, shuffle=False, random_state=None):
        if not _is_int(n_splits) or n_splits < 2:
            raise ValueError(f"`n_splits` must be an integer of at least 2, got {n_splits!r}.")
        if not isinstance(shuffle, bool | np.bool_):
            raise TypeError(f"`shuffle` must be True or False, got {shuffle!r}.")
        if not shuffle and random_state is not None:
            raise ValueError(
                f"`random_state`={random_state!r} has no effect with shuffle=False: "
                "leave it at None or set shuffle=True."
            )
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(self, X=None, y=None, groups=None, nodes=None):
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups, nodes : object
            Ignored.

        Returns
        -------
        int
            ``n_splits``.
        """
        return self.n_splits

    # `groups` stays in the signature: metadata routing looks for it.
    def split(self, X, y=None, groups=None, nodes=None):
        """Generate the training and test rows of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows; only their number matters.
        y : array-like of shape (n_samples,), default=None
            The targets. Classes are spread evenly within each node; a continuous target is not
            looked at. Whole numbers count as classes.
        groups : object
            Ignored.
        nodes : array-like of shape (n_samples,)
            Each row's node: integers, strings or booleans.

        Yields
        ------
        train : ndarray
            Indices of the training rows, ascending.
        test : ndarray
            Indices of the test rows, ascending.
        """
        if nodes is None:
            raise ValueError(
                "NodeKFold needs `nodes`, the node of each row. With metadata routing enabled, "
                "pass it to the search's fit or by cross_validate(..., params={'nodes': nodes}); "
                "else use cv=list(NodeKFold().split(X, y, nodes=nodes))."
            )
        n_samples = n_rows(X, "X")
        if self.n_splits > n_samples:
            raise ValueError(f"`n_splits`={self.n_splits} exceeds the {n_samples} rows of `X`.")
        nodes = check_nodes(nodes, n_samples)
        refuse_single_rows(nodes)
        alone = single_rows(nodes)
        self._check_tested(n_samples - len(alone), alone)
        rng = check_random_state(self.random_state) if self.shuffle else None
        fold = deal(strata(nodes, y), n_samples, self.n_splits, rng)
        for k in range(self.n_splits):
            yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)

    def _check_tested(self, n_tested, alone):
        """Refuse more folds than there are rows to test, and say which are not tested."""
        if self.n_splits > n_tested:
            raise ValueError(
                f"`n_splits`={self.n_splits} exceeds the {n_tested} rows of nodes that have two or "
                f"more; those of a single row are never tested: {listing(alone)}."
            )
        if len(alone):
            warnings.warn(
                f"Nodes with a single row: {listing(alone)}. It is trained on in every fold and "
                "never tested. To test it, by a model that has not seen its node, split by "
                "KFold(shuffle=True) and set handle_unknown='mean'; so for cross_val_predict, "
                "which refuses folds that leave rows out.",
                UserWarning,
                stacklevel=3,
            )


def train_test_split_nodes(X, y, nodes, *, test_size=0.25, random_state=None):
    """Split the rows of every node into training and test rows.

    Each node gives `test_size` of its rows, rounded, at least one; so does each class in it where
    the counts allow. At least one row of each node stays for training: a node with a single row
    is trained on and not tested, as by `NodeKFold`.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        The rows: array, list, DataFrame or sparse matrix.
    y : array-like of shape (n_samples,)
        The targets. A continuous target is split by node alone; whole numbers count as classes.
    nodes : array-like of shape (n_samples,)
        Each row's node: integers, strings or booleans.
    test_size : float, default=0.25
        The share of a node's rows to test, between 0 and 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.

    Returns
    -------
    X_train, X_test : same type as X
        The rows, in the order of the input.
    y_train, y_test : same type as y
        Their targets.
    nodes_train, nodes_test : same type as nodes
        Their nodes.

    Raises
    ------
    ValueError
        If `X`, `y` and `nodes` differ in length, `nodes` holds anything but labels,
        `test_size` is not between 0 and 1, or every node has a single row.

    See Also
    --------
    NodeKFold : Several splits, for cross-validation.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.model_selection import train_test_split_nodes
    >>> X, y = np.arange(16.0).reshape(8, 2), np.linspace(0.1, 0.8, 8)
    >>> nodes = ["home"] * 4 + ["away"] * 4
    >>> *_, nodes_train, nodes_test = train_test_split_nodes(X, y, nodes, random_state=0)
    >>> nodes_train
    ['home', 'home', 'home', 'away', 'away', 'away']
    >>> nodes_test
    ['home', 'away']
    """
    check_test_size(test_size)
    n_samples = n_rows(X, "X")
    n_rows(y, "y")  # here y is needed, not optional
    labels = check_nodes(nodes, n_samples)
    groups = strata(labels, y)
    refuse_single_rows(labels)
    is_test = draw(groups, n_samples, test_size, check_random_state(random_state))
    parts = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    return tuple(take(values, rows) for values in (X, y, nodes) for rows in parts)


def _is_int(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
