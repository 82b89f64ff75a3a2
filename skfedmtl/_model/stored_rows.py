"""Rows of a node that lie in a file, of which a chunk is in memory at a time.

A product reads them once, in their order. Coordinate passes draw theirs: blocks of the file in a
drawn order, and the rows of each chunk in a drawn order, so that every row is visited as often as
in memory, and none is read twice in a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._kernels import _sdca
from skfedmtl._tools.stored_tables import StoredTable
from skfedmtl._typing import Array

#: what is shown a chunk while it is in memory: its rows' places, and the rows
Seen = Callable[[slice, Array], None]


class StoredRows:
    """Rows of one node, in the places of an array in products with vectors and in passes.

    Parameters
    ----------
    table : StoredTable
    more : ndarray of shape (k,)
        The same numbers at the end of each row.
    """

    __slots__ = ("_lengths", "_more", "_starts", "_table", "shape")

    __array_ufunc__ = None  # an array leaves ``array @ rows`` to the rows

    def __init__(self, table: StoredTable, more: Array) -> None:
        self._table, self._more = table, more
        self._starts = np.array([part.start for part in table.chunks], dtype=np.intp)
        self._lengths = np.array([len(block) for block in table.blocks], dtype=np.intp)
        self.shape = table.shape[0], table.shape[1] + len(more)

    def __len__(self) -> int:
        return self.shape[0]

    def chunks(self) -> Iterator[tuple[slice, Array]]:
        """All rows, a chunk at a time."""
        for block in range(len(self._table.blocks)):
            for place, rows in self._read(block):
                yield self._table.chunks[place], rows

    def _read(self, block: int) -> Iterator[tuple[int, Array]]:
        d = self._table.shape[1]
        for place, rows in zip(self._table.blocks[block], self._table.read(block), strict=True):
            if not len(self._more):
                yield place, rows
                continue
            whole = np.empty((len(rows), self.shape[1]))
            whole[:, :d], whole[:, d:] = rows, self._more
            yield place, whole

    def __matmul__(self, w: Array) -> Array:
        out = np.zeros(len(self))
        for part, rows in self.chunks():
            _sdca.margins(rows, w, out[part])
        return out

    def __rmatmul__(self, coefficient: Array) -> Array:
        out = np.zeros(self.shape[1])
        for part, rows in self.chunks():
            _sdca.accumulate(rows, coefficient[part], out)
        return out

    def squared_norms(self) -> Array:
        """Squared length of every row."""
        out = np.zeros(len(self))
        for part, rows in self.chunks():
            out[part] = np.einsum("ij,ij->i", rows, rows)
        return out

    def visit(
        self,
        kernel: Any,
        y: Array,
        weight: Array,
        squared_norm: Array,
        rows: NDArray[np.intp],
        curvature: float,
        n_passes: int,
        alpha: Array,
        w: Array,
        seen: Seen | None = None,
    ) -> None:
        """Coordinate steps, as `_sdca.visit` takes them, in the order of `drawn`.

        With `seen` there is one pass, over every chunk, which is shown after its steps.
        """

        def step(part: slice, X: Array, order: NDArray[np.intp]) -> NDArray[np.intp]:
            """Those of a chunk's rows that have moved."""
            own = alpha[part]
            before = own.copy()
            order = order - part.start
            numbers = y[part], weight[part], squared_norm[part]
            _sdca.visit(kernel, X, *numbers, order, curvature, 1, own, w)
            return order[: np.count_nonzero(own != before)] + part.start

        for _ in range(n_passes if seen is None else 1):
            moved = [np.zeros(0, dtype=np.intp)]
            for place, X, order in self._drawn(rows, every=seen is not None):
                part = self._table.chunks[place]
                if len(order):
                    moved.append(step(part, X, order))
                if seen is not None:
                    seen(part, X)
            rows = np.concatenate(moved)

    def _drawn(
        self, rows: NDArray[np.intp], *, every: bool
    ) -> Iterator[tuple[int, Array, NDArray[np.intp]]]:
        """Chunks, and which rows of each are listed, for blocks in the order of their first rows.

        Of `every` block, or of those of which rows are listed.
        """
        groups, ends, first = self.drawn(rows)
        last = np.add.reduceat(np.diff(ends), np.cumsum(self._lengths) - self._lengths)
        for block in np.argsort(first, kind="stable").tolist():
            if not every and last[block] == 0:
                continue
            for place, X in self._read(block):
                yield place, X, groups[ends[place] : ends[place + 1]]

    def drawn(
        self, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """These rows by chunks, where each chunk's begin, and where each block is first listed."""
        chunk = np.searchsorted(self._starts, rows, side="right") - 1
        if len(self._starts) < 2**16:
            chunk = chunk.astype(np.uint16)  # which is sorted in linear time
        by_chunk = np.argsort(chunk, kind="stable")
        counts = np.bincount(chunk, minlength=len(self._starts))
        ends = np.concatenate([np.zeros(1, dtype=np.intp), np.cumsum(counts)])
        first = np.full(len(counts), len(rows), dtype=np.intp)
        some = counts > 0
        first[some] = by_chunk[ends[:-1][some]]
        begins = np.cumsum(self._lengths) - self._lengths
        return rows[by_chunk], ends, np.minimum.reduceat(first, begins)
