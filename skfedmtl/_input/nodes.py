"""How a row says where it lives: nodes numbered, looked up, taken from a column, stacked.

``labels`` lists the nodes a model knows, ``codes`` are positions in it, -1 an unknown node.
"""

import numbers
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import validate_data

from skfedmtl._input.features import read_features, repeated_text
from skfedmtl._input.labels import (
    as_labels,
    as_unique_labels,
    check_nodes,
    kind_name,
    listing,
)
from skfedmtl._input.polars import is_polars
from skfedmtl._input.sparse import check_stored
from skfedmtl._input.targets import one_column, read_targets
from skfedmtl._tools.spelling import meant

__all__ = [
    "as_table",
    "check_nodes",
    "column_position",
    "encode_nodes",
    "from_nodes",
    "lookup_nodes",
    "split_node_column",
    "take_nodes",
]


def encode_nodes(
    nodes: NDArray[Any], node_labels: Any = "auto", handle_unknown: str = "error"
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Number the checked ``nodes``: sorted, or in the order of ``node_labels``.

    A node that ``node_labels`` lacks is an error, or -1 if ``handle_unknown="mean"``.
    """
    if isinstance(node_labels, str) and node_labels == "auto":
        labels, codes = np.unique(nodes, return_inverse=True)
        return labels, codes.astype(np.int64, copy=False)
    if isinstance(node_labels, str) or node_labels is None:
        raise ValueError(f"`node_labels` must be 'auto' or a list of labels, got {node_labels!r}.")
    labels = as_unique_labels(node_labels, "node_labels")
    if labels.dtype.kind != nodes.dtype.kind:
        raise ValueError(
            f"`node_labels` holds {kind_name(labels)}, but `nodes` holds {kind_name(nodes)}."
        )
    codes = _positions(nodes, labels)
    unknown = codes < 0
    if handle_unknown == "error" and unknown.any():
        lacking = listing(nodes[unknown]) + meant(np.unique(nodes[unknown]), labels)
        raise ValueError(f"`node_labels` lacks labels found in `nodes`: {lacking}.")
    return labels, codes


def lookup_nodes(
    nodes: NDArray[Any], labels: NDArray[Any], handle_unknown: str = "error"
) -> NDArray[np.int64]:
    """Number the checked ``nodes`` by the ``labels`` of a fitted model, at prediction time.

    An unknown node is an error, or -1 if ``handle_unknown="mean"``.
    """
    if labels.dtype.kind != nodes.dtype.kind:
        raise ValueError(
            f"`nodes` holds {kind_name(nodes)}, but the model was fitted on nodes labelled by "
            f"{kind_name(labels)}: {listing(labels)}."
        )
    codes = _positions(nodes, labels)
    unknown = codes < 0
    if handle_unknown == "error" and unknown.any():
        raise ValueError(
            f"`nodes` holds labels not seen in fit: {listing(nodes[unknown])}"
            f"{meant(np.unique(nodes[unknown]), labels)}. "
            "Set handle_unknown='mean' to predict them by the mean model. In a cross-validation, "
            "split by skfedmtl.model_selection.NodeKFold: plain KFold leaves whole nodes out when "
            "the rows are sorted by node."
        )
    return codes


def take_nodes(
    estimator: Any, X: Any, nodes: Any, *, reset: bool, words: bool = False
) -> tuple[Any, Any]:
    """The features and nodes of an estimator's input: its node column taken off, or as given.

    `words`: whether features may be words, which what comes next encodes.
    """
    if estimator.node_column is None:
        check_stored(X)
        if nodes is None:
            return _read_unlabelled(X, words), nodes
        return read_features(X, words=words), nodes
    if nodes is not None:
        raise ValueError(
            "`nodes` was given although `node_column` says that the nodes are a column of X; "
            "allowed is one of the two."
        )
    if hasattr(X, "columns"):
        column_position(X, estimator.node_column, True)
    validate_data(estimator, X, skip_check_array=True, reset=reset)
    X, nodes = split_node_column(X, estimator.node_column)
    if X.shape[1] == 0:
        raise ValueError("`X` holds only the node column; at least one other column is needed.")
    return read_features(X, words=words), nodes


def _read_unlabelled(X: Any, words: bool) -> Any:
    """Rows of which nobody said whose they are; a column of names may be what was forgotten."""
    try:
        return read_features(X, words=words)
    except ValueError as error:
        column = repeated_text(X)
        if column is None:
            raise
        raise ValueError(
            f"{error} You gave no nodes: if {column!r} holds the node of each row, name it as "
            f"`node_column`, or pass it as `nodes` and leave it out of `X`."
        ) from error


def split_node_column(X: Any, node_column: Any) -> tuple[Any, NDArray[Any]]:
    """Take the column ``node_column`` out of ``X``: the other columns, the checked labels."""
    is_frame = hasattr(X, "iloc") or is_polars(X)
    is_sparse: bool = sparse.issparse(X)
    if is_sparse:
        check_stored(X)
        X = X.tocsr()
    elif not is_frame:
        X = as_table(X)
    if len(X.shape) != 2:
        raise ValueError(f"`X` must be 2-d to hold a node column, got {len(X.shape)} dimension(s).")
    column = column_position(X, node_column, is_frame)
    if is_polars(X):
        others, values = X.drop(X.columns[column]), X.to_series(column).to_numpy()
    elif is_frame:
        others = X.iloc[:, np.delete(np.arange(X.shape[1]), column)]
        values = X.iloc[:, column]
    elif is_sparse:
        others = X[:, np.delete(np.arange(X.shape[1]), column)]
        values = X[:, [column]].toarray().ravel()
    else:
        others = np.delete(X, column, axis=1)
        values = X[:, column]
    hint = " An earlier step, a scaler perhaps, has changed the column: keep it out of that step."
    return others, as_labels(values, "node_column", hint)


def from_nodes(pairs: Any, labels: Any = None) -> tuple[Any, Any, NDArray[Any]]:
    """Stack the rows of several nodes into one table.

    Parameters
    ----------
    pairs : list of (X, y) or dict of label to (X, y)
        One pair a node: X of shape (n_rows, n_features), y of shape (n_rows,), at least one row.
        The tables are all arrays, all DataFrames of pandas, all of polars, or all sparse, with the
        same columns.
    labels : array-like of shape (n_nodes,), default=None
        The nodes' labels: distinct integers, strings or booleans. None numbers them from 0.
        A dict has its labels already.

    Returns
    -------
    X : ndarray, DataFrame or CSR matrix of shape (n_samples, n_features)
        The rows, node after node. A DataFrame of pandas is indexed afresh.
    y : ndarray or Series of shape (n_samples,)
        The targets; a Series if each node's is one.
    nodes : ndarray of shape (n_samples,)
        The label of each row's node.

    Raises
    ------
    ValueError
        If a node has no rows, X and y differ in length, the tables differ in columns, or labels
        are missing, repeated or of several types.

    Examples
    --------
    >>> from skfedmtl import from_nodes
    >>> home = [[0.0, 1.0], [2.0, 3.0]], [0, 1]
    >>> away = [[4.0, 5.0]], [1]
    >>> X, y, nodes = from_nodes({"home": home, "away": away})
    >>> X.shape, y.tolist(), nodes.tolist()
    ((3, 2), [0, 1, 1], ['home', 'home', 'away'])
    """
    if isinstance(pairs, Mapping):
        if labels is not None:
            raise ValueError("`labels` must be None for a dict: its keys are the labels.")
        labels, pairs = list(pairs.keys()), list(pairs.values())
    else:
        if not isinstance(pairs, Iterable):
            raise TypeError(
                "`pairs` must be a list of pairs (X, y), or a dict of them by their labels, got "
                f"{pairs!r}."
            )
        pairs = list(pairs)
        labels = range(len(pairs)) if labels is None else labels
    if not pairs:
        raise ValueError("`pairs` is empty: at least one node is needed.")
    labels = as_unique_labels(labels, "labels")
    if len(labels) != len(pairs):
        raise ValueError(f"`labels` has {len(labels)} entries, `pairs` has {len(pairs)}.")
    tables, targets = [], []
    for label, pair in zip(labels.tolist(), pairs, strict=True):
        X, y = _check_pair(pair, label)
        tables.append(X)
        targets.append(y)
        _check_columns(X, tables[0], label)
    nodes = np.repeat(labels, [len(y) for y in targets])
    return _stack(tables), _stack(targets), nodes


def _positions(nodes: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.int64]:
    order = np.argsort(labels)
    rank = np.searchsorted(labels, nodes, sorter=order)
    found = order[np.minimum(rank, len(labels) - 1)]
    return np.where(labels[found] == nodes, found, -1).astype(np.int64, copy=False)


def as_table(X: Any) -> NDArray[Any]:
    """Rows that are no DataFrame as an array."""
    array = np.asarray(X)
    # A list of numbers and labels would have become strings throughout.
    return array if array is X or array.dtype.kind != "U" else np.asarray(X, dtype=object)


def column_position(X: Any, node_column: Any, is_frame: bool) -> int:
    """The position of the column `node_column` in `X`, whether given by name or by index."""
    n_columns = X.shape[1]
    if is_frame:
        _refuse_twins(list(X.columns), node_column)
    if isinstance(node_column, numbers.Integral) and not isinstance(node_column, bool):
        position = int(node_column)
        if not -n_columns <= position < n_columns:
            raise ValueError(
                f"`node_column`={position} is out of range: X has {n_columns} columns."
            )
        return position % n_columns
    if not isinstance(node_column, str):
        raise ValueError(
            f"`node_column` must be a column's name or integer index, got {node_column!r}."
        )
    if not is_frame:
        raise ValueError(f"`node_column`={node_column!r} is a name, but X is not a DataFrame.")
    found = np.flatnonzero([name == node_column for name in X.columns])
    if not len(found):
        raise ValueError(
            f"`node_column`={node_column!r} must name one column: X has {list(X.columns)}."
        )
    return int(found[0])


def _refuse_twins(names: list[Any], node_column: Any) -> None:
    """Refuse columns of one name, among which a node column or a feature cannot be told."""
    twins = [name for name, count in Counter(names).items() if count > 1]
    if isinstance(node_column, str) and node_column in twins:
        raise ValueError(
            f"`node_column`={node_column!r} must name one column: X has several such columns."
        )
    if twins:
        raise ValueError(
            f"`node_column`={node_column!r} needs columns of different names: X has several "
            f"called {twins[0]!r}."
        )


#: containers that know the names of their columns
_PANDAS, _POLARS = "pandas", "polars"


def _container(data: Any) -> str:
    """What holds a table or a column: pandas, polars, sparse, or arrays and what becomes one."""
    if hasattr(data, "iloc"):
        return _PANDAS
    if is_polars(data):
        return _POLARS
    return "sparse" if sparse.issparse(data) else "arrays"


def _check_pair(pair: Any, label: Any) -> tuple[Any, Any]:
    try:
        X, y = pair
    except (TypeError, ValueError) as error:
        raise ValueError(f"`pairs`: node {label!r} needs a pair (X, y).") from error
    X = X if _container(X) != "arrays" else as_table(X)
    y = one_column(y)
    y = y if _container(y) in (_PANDAS, _POLARS) else _as_column(y)
    dimensions = len(X.shape), len(y.shape)
    if dimensions != (2, 1):
        raise ValueError(
            f"`pairs`: node {label!r} needs a 2-d X and a 1-d y, got {dimensions[0]}-d and "
            f"{dimensions[1]}-d."
        )
    if X.shape[0] != len(y):
        raise ValueError(f"`pairs`: node {label!r} has {X.shape[0]} rows in X, {len(y)} in y.")
    if not len(y):
        raise ValueError(f"`pairs`: node {label!r} is empty.")
    return X, y


def _as_column(y: Any) -> NDArray[Any]:
    """Targets that are no Series as an array, and strings of a list with all their characters."""
    array = np.asarray(y)
    return np.asarray(read_targets(y, "y", numeric=False)) if array.dtype.kind == "U" else array


def _check_columns(X: Any, first: Any, label: Any) -> None:
    """Refuse a node whose table does not continue the first one."""
    kinds = _container(X), _container(first)
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"`pairs`: the tables must be all {_PANDAS}, all {_POLARS}, all arrays or all sparse; "
            f"node {label!r} has {kinds[0]}, the first node {kinds[1]}."
        )
    framed = kinds[0] in (_PANDAS, _POLARS)
    have, want = (list(t.columns) if framed else t.shape[1] for t in (X, first))
    if have != want:
        raise ValueError(
            f"`pairs`: every node needs the same columns; node {label!r} has {have}, "
            f"the first node {want}."
        )


def _stack(parts: list[Any]) -> Any:
    """Concatenate the tables, or the targets, of the nodes."""
    kinds = {_container(part) for part in parts}
    if kinds == {_PANDAS}:
        import pandas as pd  # whoever has a DataFrame has pandas

        return pd.concat(parts, ignore_index=True)
    if kinds == {_POLARS}:
        import polars as pl

        if hasattr(parts[0], "columns"):
            return pl.concat(parts, how="vertical_relaxed")
        frames = [part.to_frame(parts[0].name) for part in parts]
        return pl.concat(frames, how="vertical_relaxed").to_series()
    if kinds == {"sparse"}:
        return sparse.vstack(parts, format="csr")
    parts = [np.asarray(part) for part in parts]
    text = [part.dtype.kind == "U" for part in parts]
    if any(text) and not all(text):
        raise ValueError("`pairs`: some nodes hold strings where others hold numbers.")
    return np.concatenate(parts)
