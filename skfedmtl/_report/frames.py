"""Rows, targets and nodes in whatever containers, as frames of a table."""

from typing import Any

import numpy as np

from skfedmtl._input import check_dense, from_polars, refuse_lazy
from skfedmtl._report.data import TableError
from skfedmtl._tools.frames import import_pandas


def read_frames(X: Any, y: Any, nodes: Any) -> tuple[Any, Any, Any]:
    """A DataFrame whose columns are called by words, and two Series as long.

    Parameters
    ----------
    X : array-like or frame
        Columns without names are called by their positions.
    y, nodes : array-like or Series
        Those without a name are called target and node.

    Raises
    ------
    TableError
        If shapes do not fit together, or two columns have the same name.
    """
    pandas = import_pandas("attack_report")
    refuse_lazy(X, "X")
    X = from_polars(check_dense(X))
    frame = X.reset_index(drop=True) if hasattr(X, "iloc") else pandas.DataFrame(_array(X, 2, "X"))
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    if not frame.columns.is_unique:
        raise TableError("`X` must have columns whose names differ")
    target, node = _series(y, "y", "target"), _series(nodes, "nodes", "node")
    for name, one in (("y", target), ("nodes", node)):
        if len(one) != len(frame):
            raise TableError(f"`{name}` has {len(one)} entries, `X` has {len(frame)} rows")
    if not len(frame):
        raise TableError("`X` has no rows")
    return frame, target, node


def _array(values: Any, n_axes: int, name: str) -> Any:
    array = np.asarray(values)
    if array.ndim != n_axes:
        raise TableError(f"`{name}` must be {n_axes}-d, got {array.ndim} dimension(s)")
    return array


def _series(values: Any, name: str, other: str) -> Any:
    import pandas

    called = getattr(values, "name", None)
    values = from_polars(values)
    if not (hasattr(values, "iloc") and values.ndim == 1):
        values = pandas.Series(_array(values, 1, name))
    return values.reset_index(drop=True).rename(other if called is None else str(called))
