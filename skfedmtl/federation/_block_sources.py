"""What the rows of a block are read from, in the process that keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from skfedmtl._input import as_labels
from skfedmtl._typing import Array
from skfedmtl.federation._blocks import Rows

__all__ = ["Columns", "InHand", "ParquetBlock", "check_names", "find_parquet", "write_predictions"]


class Columns(NamedTuple):
    """Where in a frame what lies; None: nowhere, and of features: in all the others."""

    node: Any = None
    target: Any = None
    weight: Any = None
    features: tuple[Any, ...] | None = None


def check_names(names: Sequence[Any], columns: Columns, where: str) -> list[Any]:
    """The names of the features; names that a frame lacks are refused."""
    for argument, name in (("node_column", columns.node), ("target_column", columns.target)):
        if name is None:
            raise ValueError(f"{argument} is needed for {where}: one of its columns {list(names)}.")
    own = {
        "node_column": [columns.node],
        "target_column": [columns.target],
        "weight_column": [] if columns.weight is None else [columns.weight],
        "features": list(columns.features or ()),
    }
    for argument, wanted in own.items():
        if lacking := [name for name in wanted if name not in names]:
            raise ValueError(
                f"{argument} names {lacking}, which {where} lacks; its columns are {list(names)}."
            )
    if columns.features is not None:
        return list(columns.features)
    taken = [columns.node, columns.target, columns.weight]
    features = [name for name in names if name not in taken]
    if not features:
        raise ValueError(f"{where} has no column beside {taken}; one feature at least is needed.")
    return features


def _names_of(frame: Any) -> list[Any]:
    """Of its columns: pandas', polars', or an Arrow table's."""
    return list(frame.column_names if hasattr(frame, "column_names") else frame.columns)


def _numbers(values: Any, name: Any, where: str) -> Array:
    """A column in double precision; what is none, or lacks some, is refused."""
    array = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"column {name!r} of {where} must hold real numbers and lack none, "
            f"got {array.dtype} entries."
        )
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(
            f"column {name!r} of {where} holds NaN or infinity; finite numbers are allowed."
        )
    return array


def _labels(values: Any, name: Any, where: str) -> Any:
    try:
        return as_labels(np.asarray(values), str(name))
    except ValueError as error:
        raise ValueError(f"column {name!r} of {where}: {error}") from error


def rows_of_frame(frame: Any, columns: Columns, where: str) -> tuple[Rows, tuple[Any, ...]]:
    """Its rows, and the names of their features."""
    features = check_names(_names_of(frame), columns, where)
    X = np.empty((len(frame), len(features)))
    for j, name in enumerate(features):
        X[:, j] = _numbers(frame[name], name, where)
    weight = columns.weight
    rows = Rows(
        X,
        _numbers(frame[columns.target], columns.target, where),
        _labels(frame[columns.node], columns.node, where),
        None if weight is None else _numbers(frame[weight], weight, where),
    )
    return rows, tuple(features)


def _rows_of_arrays(given: tuple[Any, ...], where: str) -> tuple[Rows, tuple[Any, ...]]:
    if len(given) not in (3, 4):
        raise ValueError(
            f"{where} must be (X, y, nodes) or (X, y, nodes, weight), got {len(given)}."
        )
    X = np.asarray(given[0])
    if X.ndim != 2:
        raise ValueError(f"X of {where} must be of shape (n_samples, n_features), got {X.shape}.")
    made = np.empty(X.shape)
    for j, column in enumerate(X.T):
        made[:, j] = _numbers(column, j, where)
    vectors = [_numbers(given[1], "y", where), _labels(given[2], "nodes", where)]
    vectors += [_numbers(weight, "weight", where) for weight in given[3:] if weight is not None]
    if any(vector.shape != (len(X),) for vector in vectors):
        shapes = [X.shape, *(vector.shape for vector in vectors)]
        raise ValueError(
            f"X, y, nodes and weight of {where} must have the same rows, got {shapes}."
        )
    return Rows(made, *vectors), tuple(range(X.shape[1]))


class InHand:
    """A frame, or a tuple of arrays, that the cluster holds.

    Parameters
    ----------
    columns : Columns
        Of a frame.
    where : str
        What messages call it.
    """

    def __init__(self, columns: Columns, where: str) -> None:
        self._columns, self._where = columns, where

    def read(self, given: Any) -> tuple[Rows, tuple[Any, ...]]:
        """The rows, and what their features are called."""
        if isinstance(given, tuple | list):
            return _rows_of_arrays(tuple(given), self._where)
        if not hasattr(given, "columns"):
            raise ValueError(
                f"{self._where} must be a frame or a tuple (X, y, nodes), got {type(given)}."
            )
        return rows_of_frame(given, self._columns, self._where)


class ParquetBlock:
    """Files, or a part of one.

    Parameters
    ----------
    fragments : list
        Of a dataset of pyarrow.
    schema : pyarrow.Schema
        That of the dataset: columns that folders are named after are in it.
    columns : Columns
    where : str
        What messages call it.
    """

    def __init__(self, fragments: list[Any], schema: Any, columns: Columns, where: str) -> None:
        self._fragments, self._schema = fragments, schema
        self._columns, self._where = columns, where

    def read(self, given: None = None) -> tuple[Rows, tuple[Any, ...]]:
        """The rows, and what their features are called."""
        import pyarrow

        columns = self._columns
        features = check_names(self._schema.names, columns, self._where)
        wanted = [columns.node, columns.target, *features]
        wanted += [] if columns.weight is None else [columns.weight]
        tables = [
            fragment.to_table(schema=self._schema, columns=wanted, use_threads=False)
            for fragment in self._fragments
        ]
        read = rows_of_frame(pyarrow.concat_tables(tables), columns, self._where)
        del tables
        pyarrow.default_memory_pool().release_unused()
        return read


class Found(NamedTuple):
    """What lies under a path."""

    names: list[str]  #: of the columns
    parts: list[tuple[list[Any], str, int]]  #: of each block fragments, a name, and rows
    schema: Any


def find_parquet(path: str, max_blocks: int) -> Found:
    """The blocks of a file, by row groups, or of a folder, by files."""
    from pyarrow import dataset

    table = dataset.dataset(path, format="parquet", partitioning="hive")
    fragments = list(table.get_fragments())
    if len(fragments) == 1:
        (whole,) = fragments
        named = [
            (group, f"row group {number} of {whole.path}")
            for number, group in enumerate(whole.split_by_row_group())
        ]
    else:
        named = [(fragment, fragment.path) for fragment in fragments]
    counted = [(fragment, name, fragment.count_rows()) for fragment, name in named]
    return Found(table.schema.names, _together(counted, max_blocks), table.schema)


def _together(
    counted: list[tuple[Any, str, int]], max_blocks: int
) -> list[tuple[list[Any], str, int]]:
    """Neighbours put together where there are too many, so that blocks have about the same rows."""
    counted = [part for part in counted if part[2]]
    if len(counted) <= max_blocks:
        return [([fragment], name, rows) for fragment, name, rows in counted]
    ends = np.cumsum([rows for _, _, rows in counted])
    place = (ends - 1) * max_blocks // ends[-1]
    made = []
    for block in np.unique(place):
        own = [counted[i] for i in np.flatnonzero(place == block)]
        name = own[0][1] if len(own) == 1 else f"{own[0][1]} to {own[-1][1]}"
        made.append(([fragment for fragment, _, _ in own], name, sum(rows for _, _, rows in own)))
    return made


def write_predictions(path: str, nodes: Any, predicted: Array) -> str:
    """A Parquet file of the node, the place in the block and the prediction of every row."""
    import pyarrow
    from pyarrow import parquet

    columns = {"node": nodes, "row": np.arange(len(nodes)), "prediction": predicted}
    parquet.write_table(pyarrow.table(columns), path)
    return path
