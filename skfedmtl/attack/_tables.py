"""Rows in the containers users keep them in: arrays and data frames, with a node column or not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._nodes import split_node_column


def as_rows(X: Any, node_column: Any) -> tuple[NDArray[np.float64], np.dtype[Any]]:
    """The features as float64, and the dtype in which injected rows are stored."""
    features = X if node_column is None else split_node_column(X, node_column)[0]
    kind = np.asarray(X).dtype
    rows = np.asarray(features, dtype=np.float64)
    return rows, kind if kind.kind == "f" else np.dtype(np.float64)


def put_node_column(rows: NDArray[Any], labels: NDArray[Any], X: Any, node_column: Any) -> Any:
    """The injected rows laid out as `X`: its columns, and the node column in its place."""
    if hasattr(X, "iloc"):
        frame = X.iloc[:0].copy()
        columns = list(frame.columns)
        if node_column is None:
            return type(X)(rows, columns=columns)
        position = _position(frame, node_column)
        table = {name: rows[:, j] for j, name in enumerate(np.delete(columns, position))}
        table[columns[position]] = labels
        return type(X)(table, columns=columns)
    if node_column is None:
        return rows
    position = node_column % np.asarray(X).shape[1]
    column = labels.astype(np.asarray(X).dtype)
    return np.insert(rows.astype(column.dtype), position, column, axis=1)


def _position(frame: Any, node_column: Any) -> int:
    if isinstance(node_column, str):
        return int(frame.columns.get_loc(node_column))
    return int(node_column) % frame.shape[1]


def concatenate(clean: Any, injected: Any) -> Any:
    """Clean entries, then injected ones, in the container of the clean ones."""
    if hasattr(clean, "iloc"):
        import pandas as pd

        if clean.ndim == 1:
            injected = pd.Series(injected, name=clean.name)
        return pd.concat([clean, injected], ignore_index=True)
    clean = np.asarray(clean)
    return np.concatenate([clean, np.asarray(injected)]) if len(injected) else clean.copy()
