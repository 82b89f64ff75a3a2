"""Tables in files that are read by chunks: NumPy's .npy, and Parquet by row groups.

A file consists of blocks, which can be read in any order, and a block of chunks, which are read one
after another: of an .npy every chunk is a block, of Parquet a row group is one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from numbers import Integral
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_CHUNK = 2**18  #: numbers that are read at a time, which a cache holds


class StoredTable(Protocol):
    """Rows of numbers that lie in a file."""

    shape: tuple[int, int]
    names: list[str] | None  #: of the features, where columns have names
    chunks: list[slice]  #: the rows of each, in their order
    blocks: list[range]  #: the places in `chunks` of what is read together

    def read(self, block: int) -> Iterator[Array]:
        """The rows of a block, chunk by chunk."""

    def column(self, which: Any, name: str) -> NDArray[Any]:
        """A whole column, which the argument `name` asks for."""


def open_table(
    path: Any, features: Any, others: Mapping[str, Any], chunk_rows: int | None
) -> StoredTable:
    """The table of a file, as its name says; `others` are columns, by arguments, if not None."""
    if chunk_rows is not None and (not isinstance(chunk_rows, Integral) or int(chunk_rows) < 1):
        raise ValueError(
            f"chunk_rows must be None or a whole number of at least 1, got {chunk_rows!r}."
        )
    try:
        file = Path(os.fspath(path))
    except TypeError as error:
        raise ValueError(f"path must name a file, got {path!r}.") from error
    kinds: dict[str, Any] = {".npy": NpyTable, ".parquet": ParquetTable}
    if file.suffix not in kinds:
        raise ValueError(f"path must name an .npy or .parquet file, got {str(path)!r}.")
    if not file.is_file():
        raise FileNotFoundError(f"path must name a file; there is no {file}.")
    others = {name: one for name, one in others.items() if one is not None}
    made: StoredTable = kinds[file.suffix](file, features, others, chunk_rows)
    return made


def _step(n_columns: int, chunk_rows: int | None) -> int:
    return int(chunk_rows or max(1, _CHUNK // max(1, n_columns)))


class NpyTable:
    """Columns of an array of shape (n, k).

    A mapping lasts as long as it takes to copy a chunk: what was read counts as memory else.
    """

    names = None  #: of the features

    def __init__(
        self, path: Path, features: Any, others: Mapping[str, Any], chunk_rows: int | None
    ) -> None:
        self._path = path
        stored = self._map()
        if stored.ndim != 2 or stored.dtype.kind not in "fiub":
            raise ValueError(
                f"path must name an array of real numbers of shape (n_samples, n_columns), {path} "
                f"holds {stored.dtype} of shape {stored.shape}."
            )
        n, k = stored.shape
        self._n_columns = k
        taken = [self._place(one, name) for name, one in others.items()]
        rest = [place for place in range(k) if place not in taken]
        given = rest if features is None else [self._place(one, "features") for one in features]
        self._columns: Any = slice(None) if given == list(range(k)) else np.array(given, np.intp)
        self.shape = n, len(given)
        step = _step(len(given), chunk_rows)
        self.chunks = [slice(start, min(start + step, n)) for start in range(0, n, step)]
        self.blocks = [range(place, place + 1) for place in range(len(self.chunks))]

    def _map(self) -> NDArray[Any]:
        stored: NDArray[Any] = np.load(self._path, mmap_mode="r", allow_pickle=False)
        return stored

    def _place(self, one: Any, name: str) -> int:
        if not isinstance(one, Integral) or not 0 <= int(one) < self._n_columns:
            raise ValueError(
                f"{name} must name columns of an .npy by their places, from 0 to "
                f"{self._n_columns - 1}, got {one!r}."
            )
        return int(one)

    def read(self, block: int) -> Iterator[Array]:
        """The rows of a block, chunk by chunk."""
        rows = self._map()[self.chunks[block]]
        yield np.array(rows[:, self._columns], dtype=np.float64, order="C")

    def column(self, which: Any, name: str) -> NDArray[Any]:
        """A whole column, which the argument `name` asks for."""
        return np.array(self._map()[:, self._place(which, name)])


class ParquetTable:
    """Columns of a Parquet file."""

    def __init__(
        self, path: Path, features: Any, others: Mapping[str, Any], chunk_rows: int | None
    ) -> None:
        if find_spec("pyarrow") is None:
            raise ImportError('Parquet needs pyarrow: pip install "skfedmtl[parquet]"')
        self._path, self._metadata = path, None
        file = self._open()
        self._metadata = file.metadata
        schema = file.schema_arrow
        self._known = list(schema.names)
        rest = [name for name in self._known if name not in others.values()]
        self.names = rest if features is None else list(features)
        wanted = [("features", name) for name in self.names]
        for argument, name in (*wanted, *others.items()):
            self._check(name, argument)
        for name in self.names:
            kind = str(schema.field(name).type)
            if not kind.startswith(("float", "double", "halffloat", "int", "uint", "bool")):
                raise ValueError(
                    f"features must be columns of numbers, {name!r} of {path} holds {kind}."
                )
        step = _step(len(self.names), chunk_rows)
        self.chunks: list[slice] = []
        self.blocks: list[range] = []
        self._groups: list[int] = []  #: the row group of each block
        self._step, first = step, 0
        for group in range(file.num_row_groups):
            last = first + file.metadata.row_group(group).num_rows
            parts = [slice(start, min(start + step, last)) for start in range(first, last, step)]
            if parts:
                self.blocks.append(range(len(self.chunks), len(self.chunks) + len(parts)))
                self._groups.append(group)
            self.chunks += parts
            first = last
        self.shape = first, len(self.names)

    def _check(self, column: Any, argument: str) -> None:
        if column not in self._known:
            raise ValueError(
                f"{argument} must name columns of {self._path}, {_some(self._known)}, "
                f"got {column!r}."
            )

    def _open(self) -> Any:
        from pyarrow.parquet import ParquetFile

        return ParquetFile(self._path, metadata=self._metadata, pre_buffer=False)

    def read(self, block: int) -> Iterator[Array]:
        """The rows of a block, chunk by chunk."""
        with self._open() as file:
            batches = file.iter_batches(
                self._step,
                row_groups=[self._groups[block]],
                columns=self.names,
                use_threads=False,
            )
            for place, batch in zip(self.blocks[block], batches, strict=True):
                part = self.chunks[place]
                if batch.num_rows != part.stop - part.start:
                    raise OSError(f"{self._path} has changed since it was opened.")
                rows = np.empty((batch.num_rows, len(self.names)))
                for j, name in enumerate(self.names):
                    rows[:, j] = self._numbers(batch.column(name), name)
                yield rows

    def column(self, which: Any, name: str) -> NDArray[Any]:
        """A whole column, which the argument `name` asks for."""
        self._check(which, name)
        with self._open() as file:
            return self._numbers(file.read([which], use_threads=False).column(0), which)

    def _numbers(self, column: Any, name: str) -> NDArray[Any]:
        if column.null_count:
            raise ValueError(f"path must have no missing values, column {name!r} has some.")
        made: NDArray[Any] = np.asarray(column)
        return made


def _some(names: list[str]) -> str:
    """These names, or the first of them."""
    return repr(names) if len(names) <= 10 else f"{names[:10]} and {len(names) - 10} more"
