"""Precision matrices of the nodes: what relationships users know beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np

from skfedmtl._input import MAX_DENSE_NODES, as_labels, labelled, read_square_frame, series_names
from skfedmtl._typing import Array

__all__ = ["clustered", "graph_laplacian", "mean_regularized"]


def _check_node_count(m: object, name: str) -> int:
    if isinstance(m, bool) or not isinstance(m, (int, np.integer)) or m < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {m!r}.")
    if m > MAX_DENSE_NODES:
        raise ValueError(
            f"{name}={m} would make a dense {m} x {m} matrix; at most {MAX_DENSE_NODES} nodes "
            "are allowed."
        )
    return int(m)


def mean_regularized(m: int) -> Array:
    """Precision matrix that pulls every node towards the mean of all nodes.

    ``Omega = I - 11'/m``, so that ``tr(W' Omega W)`` is the sum of squared distances of
    the rows of ``W`` from their mean [1]_. ``relationship="mean"`` is the same without a matrix,
    for any number of nodes.

    Parameters
    ----------
    m : int
        Number of nodes, 1 to 5000.

    Returns
    -------
    precision : ndarray of shape (m, m)
        Symmetric, positive semidefinite.

    Raises
    ------
    ValueError
        If `m` is no whole number between 1 and 5000.

    References
    ----------
    .. [1] T. Evgeniou, M. Pontil, "Regularized multi-task learning", KDD 2004.

    Examples
    --------
    >>> from skfedmtl.relationships import mean_regularized
    >>> mean_regularized(2)
    array([[ 0.5, -0.5],
           [-0.5,  0.5]])
    """
    m = _check_node_count(m, "m")
    return np.eye(m) - np.full((m, m), 1.0 / m)


def graph_laplacian(adjacency: Any) -> Any:
    """Precision matrix of a graph: nodes joined by an edge are pulled together.

    ``Omega = D - A``, so that ``tr(W' Omega W)`` sums ``A_kl ||w_k - w_l||^2`` over the
    edges [1]_.

    Parameters
    ----------
    adjacency : array-like or DataFrame of shape (m, m)
        Symmetric, non-negative edge weights; the diagonal is ignored. A DataFrame of pandas is
        labelled by the same nodes on both axes, in any order.

    Returns
    -------
    precision : ndarray or DataFrame of shape (m, m)
        Symmetric, positive semidefinite. A DataFrame keeps the labels, by which the estimators
        find the nodes; an array is in their order.

    Raises
    ------
    ValueError
        If `adjacency` is not square, not symmetric, negative, or not finite, or its axes differ in
        their labels.
    TypeError
        If it is a DataFrame of polars, whose rows have no labels.

    References
    ----------
    .. [1] T. Evgeniou, C. A. Micchelli, M. Pontil, "Learning multiple tasks with kernel
       methods", JMLR 6, 2005.

    Examples
    --------
    >>> from skfedmtl.relationships import graph_laplacian
    >>> graph_laplacian([[0, 1], [1, 0]])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    adjacency, names = read_square_frame(adjacency, "adjacency")
    try:
        A = np.array(adjacency, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"adjacency must be a matrix of numbers: {error}") from error
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"adjacency must be a square matrix, got shape {A.shape}.")
    _check_node_count(len(A), "the size of adjacency")
    if not np.isfinite(A).all() or (A < 0).any():
        raise ValueError("adjacency must hold finite, non-negative edge weights.")
    if not np.allclose(A, A.T):
        raise ValueError("adjacency must be symmetric.")
    A = 0.5 * (A + A.T)
    np.fill_diagonal(A, 0.0)
    return labelled(np.diag(A.sum(axis=1)) - A, names)


def clustered(labels: Any) -> Any:
    """Precision matrix that pulls every node towards the mean of its cluster.

    Block-diagonal, with the block ``I - 11'/m_c`` of `mean_regularized` for each cluster
    of ``m_c`` nodes [1]_.

    Parameters
    ----------
    labels : array-like or Series of shape (m,)
        The cluster of each node, in the order of the nodes; a Series of pandas is indexed by the
        nodes, in any order.

    Returns
    -------
    precision : ndarray or DataFrame of shape (m, m)
        Symmetric, positive semidefinite. Of a Series a DataFrame labelled by its index on both
        axes, by which the estimators find the nodes; else an array in their order.

    Raises
    ------
    ValueError
        If `labels` is not one-dimensional, empty, or longer than 5000, or its index repeats nodes.

    References
    ----------
    .. [1] L. Jacob, F. Bach, J.-P. Vert, "Clustered multi-task learning: a convex
       formulation", NeurIPS 2008.

    Examples
    --------
    >>> from skfedmtl.relationships import clustered
    >>> clustered(["a", "a", "b"])
    array([[ 0.5, -0.5,  0. ],
           [-0.5,  0.5,  0. ],
           [ 0. ,  0. ,  0. ]])
    """
    names = series_names(labels, "labels")
    kinds = as_labels(labels, "labels")
    m = _check_node_count(len(kinds), "the number of labels")
    same = (kinds[:, None] == kinds).astype(float)
    return labelled(np.eye(m) - same / same.sum(axis=1, keepdims=True), names)
