"""Data sets drawn at random, with nodes that are as related as one likes."""

import numpy as np

from skfedmtl.datasets._base import check_output, make_result
from skfedmtl.datasets._draw import Draw, check_balance

__all__ = ["make_federated_classification", "make_federated_regression"]


def make_federated_classification(
    n_nodes=10,
    *,
    sizes=(50, 150),
    n_features=20,
    rank=1,
    strength=0.5,
    noise=0.1,
    balance=0.5,
    random_state=None,
    as_frame=False,
    return_X_y_nodes=False,
):
    """Draw a binary classification problem whose nodes are related as chosen.

    Every node has a direction ``w``, a vector of length 1. Its rows are standard normal, and those
    with the largest ``x . w + e`` are of class 1, where ``e`` is normal noise.

    The nodes fall into `rank` groups in turn: node ``l`` into group ``l % rank``. The cosine of two
    nodes' directions is `strength` within a group and 0 between groups: exactly if
    ``n_features >= n_nodes + rank``, else in the mean over draws. So 0 makes all nodes unrelated,
    and 1 makes the directions within a group equal.

    Parameters
    ----------
    n_nodes : int, default=10
        Number of nodes, at least 1.

    sizes : int, tuple (low, high) or array-like of shape (n_nodes,), default=(50, 150)
        Rows of a node, at least 1: for all nodes; drawn for each from `low` to `high`; or one by
        one. A tuple is always a range, a list or array always one number a node.

    n_features : int, default=20
        Number of features, at least 1.

    rank : int, default=1
        Number of groups, from 1 to `n_nodes` and to `n_features`: with ``strength=1`` the rank of
        the matrix of all directions.

    strength : float, default=0.5
        How related the nodes of a group are, from 0 to 1.

    noise : float, default=0.1
        Standard deviation of the noise, at least 0; that of ``x . w`` is 1.

    balance : float or array-like of shape (n_nodes,), default=0.5
        Share of the rows of class 1, from 0 to 1: in all nodes or one by one. Counts are rounded,
        halves up, and hold exactly.

    random_state : int, RandomState instance or None, default=None
        Draws everything; the same int gives the same bits.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame, `target` and `nodes` are pandas Series, and `frame`
        holds them all. Needs pandas.

    return_X_y_nodes : bool, default=False
        If True, return `(data, target, nodes)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with these attributes. Rows are sorted by node.

        data : ndarray or DataFrame of shape (n_samples, n_features), dtype float64
            The rows, without unit.
        target : ndarray or Series of shape (n_samples,), dtype int64
            The class, 0 or 1.
        nodes : ndarray or Series of shape (n_samples,), dtype int64
            The node, 0 to ``n_nodes - 1``.
        feature_names : list of n_features str
            `feature_0` and so on.
        coef : ndarray of shape (n_nodes, n_features)
            The directions.
        intercept : ndarray of shape (n_nodes,)
            Without noise, class 1 is where ``x . coef[l] + intercept[l] > 0``.
        frame : DataFrame of shape (n_samples, n_features + 2) or None
            The features, `node` and `target`. None unless `as_frame=True`.
        DESCR : str
            The full description.

    (X, y, nodes) : tuple
        `data`, `target` and `nodes` as above, if `return_X_y_nodes=True`.

    Raises
    ------
    TypeError
        If an argument is of another type than stated.
    ValueError
        If a number is outside of its range, or `sizes` or `balance` has not one entry a node.
    ImportError
        If `as_frame=True` and pandas is not installed.

    See Also
    --------
    make_federated_regression : The same with real targets.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.datasets import make_federated_classification
    >>> made = make_federated_classification(3, sizes=[40, 30, 20], strength=0.8, random_state=0)
    >>> made.data.shape, np.bincount(made.nodes).tolist(), float(made.target.mean())
    ((90, 20), [40, 30, 20], 0.5)
    >>> (made.coef @ made.coef.T).round(6)
    array([[1. , 0.8, 0.8],
           [0.8, 1. , 0.8],
           [0.8, 0.8, 1. ]])
    """
    check_output(as_frame, return_X_y_nodes)
    shares = check_balance(balance, n_nodes)
    draw = Draw(n_nodes, sizes, n_features, rank, strength, noise, random_state)
    y, intercept = draw.classes(np.floor(shares * draw.sizes + 0.5).astype(np.int64))
    return make_result(
        draw.X,
        y,
        draw.nodes,
        feature_names=draw.feature_names,
        target_column="target",
        descr="federated.rst",
        as_frame=as_frame,
        return_X_y_nodes=return_X_y_nodes,
        extra={"coef": draw.coef, "intercept": intercept},
    )


def make_federated_regression(
    n_nodes=10,
    *,
    sizes=(50, 150),
    n_features=20,
    rank=1,
    strength=0.5,
    noise=0.1,
    random_state=None,
    as_frame=False,
    return_X_y_nodes=False,
):
    """Draw a regression problem whose nodes are related as chosen.

    Every node has weights ``w``, a vector of length 1. Its rows are standard normal, and their
    targets are ``x . w + e``, where ``e`` is normal noise.

    The nodes fall into `rank` groups in turn: node ``l`` into group ``l % rank``. The cosine of two
    nodes' weights is `strength` within a group and 0 between groups: exactly if
    ``n_features >= n_nodes + rank``, else in the mean over draws. So 0 makes all nodes unrelated,
    and 1 makes the weights within a group equal.

    Parameters
    ----------
    n_nodes : int, default=10
        Number of nodes, at least 1.

    sizes : int, tuple (low, high) or array-like of shape (n_nodes,), default=(50, 150)
        Rows of a node, at least 1: for all nodes; drawn for each from `low` to `high`; or one by
        one. A tuple is always a range, a list or array always one number a node.

    n_features : int, default=20
        Number of features, at least 1.

    rank : int, default=1
        Number of groups, from 1 to `n_nodes` and to `n_features`: with ``strength=1`` the rank of
        the matrix of all weights.

    strength : float, default=0.5
        How related the nodes of a group are, from 0 to 1.

    noise : float, default=0.1
        Standard deviation of the noise, at least 0; that of ``x . w`` is 1.

    random_state : int, RandomState instance or None, default=None
        Draws everything; the same int gives the same bits.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame, `target` and `nodes` are pandas Series, and `frame`
        holds them all. Needs pandas.

    return_X_y_nodes : bool, default=False
        If True, return `(data, target, nodes)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with these attributes. Rows are sorted by node.

        data : ndarray or DataFrame of shape (n_samples, n_features), dtype float64
            The rows, without unit.
        target : ndarray or Series of shape (n_samples,), dtype float64
            The targets, without unit.
        nodes : ndarray or Series of shape (n_samples,), dtype int64
            The node, 0 to ``n_nodes - 1``.
        feature_names : list of n_features str
            `feature_0` and so on.
        coef : ndarray of shape (n_nodes, n_features)
            The weights.
        frame : DataFrame of shape (n_samples, n_features + 2) or None
            The features, `node` and `target`. None unless `as_frame=True`.
        DESCR : str
            The full description.

    (X, y, nodes) : tuple
        `data`, `target` and `nodes` as above, if `return_X_y_nodes=True`.

    Raises
    ------
    TypeError
        If an argument is of another type than stated.
    ValueError
        If a number is outside of its range, or `sizes` has not one entry a node.
    ImportError
        If `as_frame=True` and pandas is not installed.

    See Also
    --------
    make_federated_classification : The same with two classes.

    Examples
    --------
    >>> from skfedmtl import FMTLRegressor
    >>> from skfedmtl.datasets import make_federated_regression
    >>> made = make_federated_regression(3, sizes=(50, 90), strength=1.0, random_state=0)
    >>> model = FMTLRegressor().fit(made.data, made.target, nodes=made.nodes)
    >>> bool(abs(model.coef_ - made.coef).max() < 0.1)
    True
    """
    check_output(as_frame, return_X_y_nodes)
    draw = Draw(n_nodes, sizes, n_features, rank, strength, noise, random_state)
    return make_result(
        draw.X,
        draw.values,
        draw.nodes,
        feature_names=draw.feature_names,
        target_column="target",
        descr="federated.rst",
        as_frame=as_frame,
        return_X_y_nodes=return_X_y_nodes,
        extra={"coef": draw.coef},
    )
