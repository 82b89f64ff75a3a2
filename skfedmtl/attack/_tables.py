"""Rows in the containers users keep them in: arrays and data frames, with a node column or not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._nodes import split_node_column


def as_rows(X: Any, node_column: Any) -> tuple[NDArray[np.float64], np.dtype[Any]]:
    """The features as float64, and the coarsest float dtype that injected rows must survive."""
    features = X if node_column is None else split_node_column(X, node_column)[0]
    rows = np.asarray(features, dtype=np.float64)
    kinds = list(features.dtypes) if hasattr(features, "iloc") else [np.asarray(X).dtype]
    floats = [np.dtype(kind) for kind in kinds if getattr(kind, "kind", "O") == "f"]
    return rows, min(floats, key=lambda kind: kind.itemsize, default=np.dtype(np.float64))


def put_node_column(rows: NDArray[Any], labels: NDArray[Any], X: Any, node_column: Any) -> Any:
    """The injected rows laid out as `X`: its columns, and the node column in its place."""
    if hasattr(X, "iloc"):
        return _as_frame(rows, labels, X, node_column)
    if node_column is None:
        return rows
    clean = np.asarray(X)
    # whole numbers stay whole in the node column only: the crafted rows have fractions
    kind = np.result_type(clean.dtype, rows.dtype) if clean.dtype.kind in "biuf" else clean.dtype
    position = node_column % clean.shape[1]
    return np.insert(rows.astype(kind), position, labels.astype(kind), axis=1)


def _as_frame(rows: NDArray[Any], labels: NDArray[Any], X: Any, node_column: Any) -> Any:
    """A frame like `X`; float columns and the node column keep their dtypes."""
    names = list(X.columns)
    place = None if node_column is None else _position(X, node_column)
    features = [j for j in range(len(names)) if j != place]
    columns: list[Any] = [None] * len(names)
    for values, j in zip(rows.T, features, strict=True):
        kind = X.dtypes.iloc[j]
        columns[j] = values.astype(kind) if getattr(kind, "kind", "O") == "f" else values
    if place is not None:
        columns[place] = _like(labels, X.iloc[:, place])
    frame = type(X)({j: values for j, values in enumerate(columns)})
    frame.columns = X.columns
    return frame


def _position(frame: Any, node_column: Any) -> int:
    if isinstance(node_column, str):
        return int(frame.columns.get_loc(node_column))
    return int(node_column) % frame.shape[1]


def _like(values: Any, clean: Any) -> Any:
    """One column of injected values in the dtype of the clean column, which holds them all."""
    import pandas as pd

    return pd.Series(values).astype(clean.dtype)


def concatenate(clean: Any, injected: Any) -> Any:
    """Clean entries, then injected ones, in the container and dtype of the clean ones."""
    if hasattr(clean, "iloc"):
        import pandas as pd

        if clean.ndim == 1:
            injected = _like(injected, clean).rename(clean.name)
        return pd.concat([clean, injected], ignore_index=True)
    clean = np.asarray(clean)
    if len(injected) == 0:
        return clean.copy()
    injected = np.asarray(injected)
    if clean.ndim == 1 and clean.dtype.kind != "U":
        injected = injected.astype(clean.dtype)
    return np.concatenate([clean, injected.reshape(len(injected), *clean.shape[1:])])
