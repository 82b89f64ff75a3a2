"""Rows in a file beside the same rows in memory."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skfedmtl._kernels import _sdca
from skfedmtl._model import LOSSES, StoredRows, row_algebra
from skfedmtl._tools.stored_tables import open_table

X = np.random.default_rng(0).normal(size=(53, 3))


@pytest.fixture(params=["C", "F", "parquet"])
def stored(request, tmp_path):
    if request.param == "parquet":
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        table = pa.table(dict(zip("abc", X.T, strict=True)))
        pq.write_table(table, tmp_path / "a.parquet", row_group_size=20)
        return StoredRows(open_table(tmp_path / "a.parquet", None, {}, 6), np.array([2.0]))
    np.save(tmp_path / "a.npy", np.asarray(X, order=request.param))
    return StoredRows(open_table(tmp_path / "a.npy", None, {}, 6), np.array([2.0]))


def test_products_have_the_bits_of_an_array(stored):
    rows = np.column_stack([X, np.full(53, 2.0)])
    w, c = np.array([0.3, -1.0, 2.0, 0.5]), X[:, 0].copy()
    assert stored.shape == rows.shape
    assert len(stored) == 53
    for name, with_ in (("margins", w), ("accumulate", c)):
        algebra = getattr(row_algebra, name)
        assert_array_equal(algebra(stored, with_), algebra(rows, with_))
    assert_allclose(row_algebra.squared_norms(stored), np.square(rows).sum(axis=1), rtol=1e-14)


def test_chunks_are_drawn_and_each_of_them_visited_once(stored):
    listed = np.random.default_rng(1).permutation(53)[:40]
    groups, ends, first = stored.drawn(listed)
    assert_array_equal(np.sort(groups), np.sort(listed))
    table = stored._table
    for part, low, high in zip(table.chunks, ends[:-1], ends[1:], strict=True):
        inside = (listed >= part.start) & (listed < part.stop)
        assert_array_equal(groups[low:high], listed[inside])
    for block, place in zip(table.blocks, first, strict=True):
        low, high = table.chunks[block[0]].start, table.chunks[block[-1]].stop
        inside = np.flatnonzero((listed >= low) & (listed < high))
        assert place == (inside[0] if len(inside) else 40)


@pytest.mark.parametrize("loss", ["hinge", "logistic", "squared_hinge", "squared_error"])
def test_passes_have_the_bits_of_an_array_in_the_same_order(stored, loss):
    rows = np.column_stack([X, np.full(53, 2.0)])
    y, weight = np.where(X[:, 0] > 0.0, 1.0, -1.0), np.full(53, 1 / 53)
    norms = np.einsum("ij,ij->i", rows, rows)
    listed = np.random.default_rng(1).permutation(53)[:40]
    groups, ends, first = stored.drawn(listed)
    table = stored._table
    order = [
        groups[ends[place] : ends[place + 1]]
        for block in np.argsort(first, kind="stable")
        for place in table.blocks[block]
    ]
    kernel = LOSSES[loss]().kernel
    alpha = [LOSSES[loss]().start(y) for _ in range(2)]
    w = [np.zeros(4) for _ in range(2)]
    numbers = kernel, rows, y, weight, norms
    _sdca.visit(*numbers, np.concatenate(order), 30.0, 1, alpha[0], w[0])
    shown = []
    stored.visit(
        kernel,
        y,
        weight,
        norms,
        listed,
        30.0,
        1,
        alpha[1],
        w[1],
        lambda part, _: shown.append(part),
    )
    assert_array_equal(alpha[1], alpha[0])
    assert_array_equal(w[1], w[0])
    assert sorted(part.start for part in shown) == [part.start for part in table.chunks]
