"""Sparse rows: the same fits as dense ones, and nothing of their size."""

import pickle
import tracemalloc
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from estimators import ESTIMATOR_OF, ESTIMATORS, LOSSES
from skfedmtl import FMTLClassifier, FMTLRegressor, from_nodes
from skfedmtl._model.row_algebra import cross, gram, squared_norms
from skfedmtl._model.sparse_rows import SparseRows
from skfedmtl.model_selection import train_test_split_nodes

estimators = pytest.mark.parametrize("estimator", ESTIMATORS)


class Table(NamedTuple):
    """Sparse rows, numbers and classes that depend on them by node, and weights."""

    X: sparse.csr_matrix
    numbers: np.ndarray
    classes: np.ndarray
    nodes: np.ndarray
    weight: np.ndarray


def make_table(seed, n=90, d=12, m=3, density=0.3, n_classes=2):
    rng = np.random.default_rng(seed)
    X = sparse.random(n, d, density=density, format="csr", random_state=seed)
    nodes = rng.integers(0, m, n)
    coef = rng.standard_normal(d) + 0.5 * rng.standard_normal((m, d))
    numbers = np.einsum("ij,ij->i", X.toarray(), coef[nodes]) + 0.3 * rng.standard_normal(n)
    rank = np.argsort(np.argsort(numbers))
    classes = np.array(["a", "b", "c"])[rank * n_classes // n]
    return Table(X, numbers, classes, nodes, rng.choice([0.5, 1.0, 2.0], n))


def fitted(estimator, table, X, **params):
    """The estimator of these rows, solved as far as rounding lets it."""
    model = estimator(random_state=0, **{"tol": 1e-13, "max_iter": 300, **params})
    y = table.classes if estimator is FMTLClassifier else table.numbers
    return model.fit(X, y, nodes=table.nodes, sample_weight=table.weight)


def assert_same_model(sparse_model, dense_model):
    """As near as the gaps certify: ``lambda2 ||W - W*||^2`` is at most the gap of W.

    Nearer where there is no kink, around which an optimum may be flat.
    """
    models = sparse_model, dense_model
    scale = np.abs(dense_model.coef_).max() + np.abs(dense_model.intercept_).max()
    atol = sum(np.sqrt(abs(one.dual_gap_) / one.lambda2) for one in models)
    if dense_model.get_params().get("loss") != "hinge":
        atol = min(atol, 1e-8 * scale)
    atol += 1e-10 * scale  # what rounding makes of a gap of zero
    for name in ("coef_", "intercept_"):
        assert_allclose(*(getattr(one, name) for one in models), rtol=0, atol=atol)
    assert_allclose(sparse_model.objective_, dense_model.objective_, rtol=1e-12)


@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "no intercept"])
@pytest.mark.parametrize("relationship", ["learned", "none"])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_fit_is_that_of_the_dense_rows(loss, relationship, intercept):
    @settings(max_examples=15)
    @given(
        seed=st.integers(0, 2**16),
        n=st.integers(20, 120),
        d=st.sampled_from([1, 5, 40, 200]),
        density=st.sampled_from([0.02, 0.2, 0.9]),
    )
    def check(seed, n, d, density):
        table = make_table(seed, n, d, density=density)
        params = {"loss": loss, "relationship": relationship, "fit_intercept": intercept}
        if loss == "hinge":  # whose last digits rounding may hide
            params["tol"] = 1e-12
        models = [
            fitted(ESTIMATOR_OF[loss], table, X, **params) for X in (table.X, table.X.toarray())
        ]
        assert_same_model(*models)

    check()


def test_more_than_two_classes():
    table = make_table(5, n_classes=3)
    models = [fitted(FMTLClassifier, table, X) for X in (table.X, table.X.toarray())]
    assert_same_model(*models)
    decisions = [
        model.decision_function(X, nodes=table.nodes)
        for model, X in zip(models, (table.X, table.X.toarray()), strict=True)
    ]
    assert_allclose(*decisions, rtol=0, atol=1e-9)


@estimators
def test_the_protocol_of_a_federation(estimator):
    """Answers of sparse nodes: certified, and the same bits in one process and in two."""
    table = make_table(7)
    params = {"solver": "mocha", "local_epochs": 10, "tol": 1e-8}
    one, two = (fitted(estimator, table, table.X, n_jobs=n_jobs, **params) for n_jobs in (1, 2))
    assert_array_equal(one.coef_, two.coef_)
    assert one.dual_gap_ <= 1e-8 * one.objective_
    central = fitted(estimator, table, table.X)
    assert_allclose(one.objective_, central.objective_, rtol=2e-8)


def in_two_parts(X):
    """Every entry stored twice, as halves."""
    parts = np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), 2 * X.indptr
    return sparse.csr_matrix(parts, shape=X.shape)


def backwards(X):
    """The entries of a row in the order of falling columns."""
    X = X.copy()
    for start, end in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[start:end] = X.indices[start:end][::-1].copy()
        X.data[start:end] = X.data[start:end][::-1].copy()
    X.has_sorted_indices = False
    return X


def with_large_indices(X):
    X = X.copy()
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def read_only(X):
    X = X.copy()
    for part in (X.data, X.indices, X.indptr):
        part.flags.writeable = False
    return X


def with_stored_zeros(X):
    X = X.copy()
    X.data[::3] = 0.0
    return X


@pytest.mark.parametrize(
    "contain",
    [
        sparse.csc_matrix,
        sparse.coo_matrix,
        sparse.csr_array,
        in_two_parts,
        backwards,
        with_large_indices,
        read_only,
        with_stored_zeros,
        lambda X: X.astype(np.float32),
    ],
)
@estimators
def test_every_container(estimator, contain):
    table = make_table(3)
    X = contain(table.X)
    rows, before = X.toarray(), X.copy()
    got, want = fitted(estimator, table, X), fitted(estimator, table, rows)
    assert_same_model(got, want)
    method = "predict" if estimator is FMTLRegressor else "decision_function"
    answers = [getattr(got, method)(one, nodes=table.nodes) for one in (X, rows)]
    assert_allclose(*answers, rtol=0, atol=1e-12)
    assert X.nnz == before.nnz
    assert (X != before).nnz == 0


@estimators
def test_node_column_and_stacked_nodes(estimator):
    table = make_table(11)
    order = np.argsort(table.nodes, kind="stable")
    parts = [table.nodes == node for node in range(3)]
    X, y, nodes = from_nodes([(table.X[part], table.numbers[part]) for part in parts])
    assert sparse.issparse(X)
    assert_array_equal(X.toarray(), table.X.toarray()[order])
    assert_array_equal(y, table.numbers[order])
    assert_array_equal(nodes, table.nodes[order])
    column = sparse.hstack([sparse.csr_matrix(table.nodes[:, None]), table.X])
    y = table.classes if estimator is FMTLClassifier else table.numbers
    named = estimator(node_column=0, random_state=0).fit(column, y)
    routed = estimator(random_state=0).fit(table.X, y, nodes=table.nodes)
    assert_array_equal(named.coef_, routed.coef_)
    assert_array_equal(named.predict(column), routed.predict(table.X, nodes=table.nodes))


def test_sparse_beside_dense_nodes():
    with pytest.raises(ValueError, match="all arrays or all sparse"):
        from_nodes([(np.eye(2), [0, 1]), (sparse.eye(2), [0, 1])])


def test_behind_an_encoder():
    """A ColumnTransformer hands sparse columns and the nodes' column on as one table."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 3, 80), rng.integers(0, 30, (80, 2))])
    y = np.isin(X[:, 1], range(10)).astype(int)
    encode = make_column_transformer(
        ("passthrough", [0]), (OneHotEncoder(), [1, 2]), sparse_threshold=1.0
    )
    model = make_pipeline(encode, FMTLClassifier(node_column=0, random_state=0)).fit(X, y)
    assert sparse.issparse(model[0].transform(X))
    assert model.score(X, y) > 0.95


@estimators
def test_what_a_model_learned_goes_on(estimator):
    table = make_table(13)
    y = table.classes if estimator is FMTLClassifier else table.numbers
    model = estimator(warm_start=True, random_state=0, tol=1e-9)
    n_iter = model.fit(table.X, y, nodes=table.nodes).n_iter_
    assert model.fit(table.X, y, nodes=table.nodes).n_iter_ < n_iter
    again = pickle.loads(pickle.dumps(model))
    answers = [one.predict(table.X, nodes=table.nodes) for one in (model, again)]
    assert_array_equal(*answers)


# -- large tables -----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_memory_and_certificate_of_wide_rows(loss):
    """A table that would take 240 MB if it were dense; coef_ and the rows take 0.8 MB each."""
    estimator = ESTIMATOR_OF[loss]
    rng = np.random.default_rng(0)
    n, d = 1500, 20_000
    X = sparse.random(n, d, density=2e-3, format="csr", random_state=0)
    nodes = rng.integers(0, 5, n)
    numbers = X @ rng.standard_normal(d)
    y = numbers if estimator is FMTLRegressor else numbers > 0
    tracemalloc.start()
    try:
        model = estimator(loss=loss, lambda2=0.01, tol=1e-4, random_state=0)
        model.fit(X, y, nodes=nodes)
        model.predict(X, nodes=nodes)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.dual_gap_ <= 1e-4 * model.objective_
    assert peak < 20e6, peak


# -- the rows themselves ----------------------------------------------------------------------


@st.composite
def sparse_rows(draw):
    """Scaled sparse rows of one node with and without a mean, and the same rows dense."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    dense = rng.standard_normal((n, d)) * (rng.random((n, d)) < draw(st.sampled_from([0.1, 0.6])))
    matrix = sparse.csr_array(dense)
    rows = SparseRows(matrix.data, matrix.indices, matrix.indptr, d)
    if draw(st.booleans()):
        share = rng.dirichlet(np.ones(n))
        mean = rows.centre(share)
        assert_allclose(mean, share @ dense, atol=1e-14)
        dense = dense - mean
    scale = rng.standard_normal((n, 1))
    return rng, rows * scale, dense * scale


@given(sparse_rows())
def test_every_product_is_that_of_the_dense_rows(case):
    rng, rows, dense = case
    n, d = dense.shape
    assert (len(rows), rows.shape) == (n, (n, d))
    w, c, factor = rng.standard_normal(d), rng.standard_normal(n), rng.uniform(0.5, 2.0, (n, 1))
    index = rng.permutation(n)[: rng.integers(0, n + 1)]
    for got, want in (
        (rows @ w, dense @ w),
        (c @ rows, c @ dense),
        (rows[index] @ w, dense[index] @ w),
        (c @ (rows / factor), c @ (dense / factor)),
        (squared_norms(rows), squared_norms(dense)),
        (gram(rows), gram(dense)),
        (cross(rows, factor * rows), cross(dense, factor * dense)),
    ):
        assert_allclose(got, want, rtol=0, atol=1e-12)


@estimators
def test_not_finite(estimator):
    table = make_table(1)
    X = table.X.copy()
    X.data[4] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        fitted(estimator, table, X)


def test_a_node_without_rows_and_a_node_of_equal_rows():
    X = sparse.csr_array(np.array([[1.0, 0, 2], [1, 0, 2], [1, 0, 2], [0, 3, 0], [0, 1, 1]]))
    y, nodes = np.array([1.0, 2.0, 3.0, 1.0, -1.0]), np.array([0, 0, 0, 2, 2])
    params = {"node_labels": [0, 1, 2], "random_state": 0, "tol": 1e-12}
    models = [FMTLRegressor(**params).fit(rows, y, nodes=nodes) for rows in (X, X.toarray())]
    assert_same_model(*models)


@pytest.mark.parametrize(("offset", "spread"), [(1e7, 1.0), (1.7e9, 60.0), (1e9, 10.0)])
def test_a_mean_far_from_zero(offset, spread):
    """A column that every row stores, of a large mean beside its spread: as with dense rows."""
    rng = np.random.default_rng(0)
    nodes, signal = np.repeat([0, 1, 2], 40), rng.standard_normal(120)
    X = np.column_stack([offset + spread * signal, rng.integers(0, 2, 120)])
    y = 3.0 * signal + X[:, 1]
    sample_weight = np.where(np.arange(120) % 7 == 0, 0.0, 1.0)
    rows = sparse.csr_array(X)
    before = rows.data.copy()
    options = {"lambda1": 1e-6, "lambda2": 1e-6, "tol": 1e-10, "max_iter": 1000, "random_state": 0}
    dense = FMTLRegressor(**options).fit(X, y, nodes=nodes, sample_weight=sample_weight)
    model = FMTLRegressor(**options).fit(rows, y, nodes=nodes, sample_weight=sample_weight)
    assert_array_equal(rows.data, before)
    assert model.score(rows, y, nodes=nodes) > 0.999
    assert_allclose(model.coef_, dense.coef_, rtol=1e-6, atol=1e-9)
    assert_allclose(model.objective_, dense.objective_, rtol=1e-8)


DAMAGES = {
    "a column beyond": lambda X: X.indices.__setitem__(0, max(X.shape)),
    "a column far beyond": lambda X: X.indices.__setitem__(-1, 10**6),
    "a column before": lambda X: X.indices.__setitem__(0, -1),
    "rows that overlap": lambda X: X.indptr.__setitem__(5, 10**6),
    "a late start": lambda X: X.indptr.__setitem__(0, 1),
    "a late end": lambda X: X.indptr.__setitem__(-1, 10**6),
    "a row too few": lambda X: setattr(X, "indptr", X.indptr[:-1]),
    "numbers too few": lambda X: setattr(X, "data", X.data[:5]),
}


@estimators
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, sparse.bsr_array])
def test_damaged_matrices(estimator, damage, kind):
    """None of them is followed where it leads."""
    table = make_table(3)
    X = kind(table.X.copy())
    damage(X)
    with pytest.raises(ValueError, match="X is a damaged sparse matrix"):
        fitted(estimator, table, X)
    with pytest.raises(ValueError, match="X is a damaged sparse matrix"):
        y = table.classes if estimator is FMTLClassifier else table.numbers
        estimator(node_column=0).fit(X, y)
    model = fitted(estimator, table, table.X)
    with pytest.raises(ValueError, match="X is a damaged sparse matrix"):
        model.predict(X, nodes=table.nodes)


@pytest.mark.parametrize("value", [-1, 10**6])
def test_damaged_matrices_of_other_formats(value):
    table = make_table(3)
    pairs, lists = sparse.coo_matrix(table.X), sparse.lil_array(table.X)
    pairs.row[0] = value
    lists.rows[0] = [value] * len(lists.rows[0])
    for X in (pairs, lists):
        with pytest.raises(ValueError, match="X is a damaged sparse matrix"):
            fitted(FMTLRegressor, table, X)


@pytest.mark.parametrize("format", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])
def test_every_format(format):
    table = make_table(3)
    models = [fitted(FMTLRegressor, table, X) for X in (table.X.asformat(format), table.X)]
    assert_array_equal(models[0].coef_, models[1].coef_)
    parts = train_test_split_nodes(table.X.asformat(format), table.numbers, table.nodes)
    assert parts[0].format == parts[1].format == format
    assert parts[0].shape[0] + parts[1].shape[0] == table.X.shape[0]
