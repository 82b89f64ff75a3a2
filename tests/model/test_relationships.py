"""The regularisers' conjugates, their derivatives, Sigma, and the builders."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal

from estimators import BUILDERS, ESTIMATORS, KINDS, make_rows
from oracles import regularisers
from oracles.objective import covariance_root, regulariser
from skfedmtl._model.learned import Learned
from skfedmtl._model.quadratic import Fixed, Independent
from skfedmtl.relationships import clustered, graph_laplacian, mean_regularized

kinds = pytest.mark.parametrize("kind", KINDS)
lambdas = st.sampled_from([(0.1, 0.1), (1.0, 0.05), (1e-3, 1.0), (0.3, 1e-3)])
shapes = st.tuples(st.integers(1, 6), st.integers(1, 7))
seeds = st.integers(0, 2**32 - 1)


def make(kind, m, rng, lambda1, lambda2):
    """The package's relationship and the oracle's name for it."""
    if kind == "none":
        return Independent(m, lambda2), "none"
    if kind == "learned":
        return Learned(m, lambda1, lambda2), "learned"
    root = rng.normal(size=(m, m))
    Omega = root @ root.T / m
    return Fixed(Omega, lambda1, lambda2), Omega


def draw_V(shape, rng):
    """A matrix with singular values spread over decades, so that ranks between 0 and full occur."""
    V = rng.normal(size=shape) * 10.0 ** rng.uniform(-2, 1)
    U, nu, Zt = np.linalg.svd(V, full_matrices=False)
    return (U * nu * 10.0 ** rng.uniform(-2, 0, size=len(nu))) @ Zt


@kinds
@given(shape=shapes, lambdas=lambdas, seed=seeds)
def test_value_and_gradient(kind, shape, lambdas, seed):
    """R*(V) and W = grad R*(V), and Fenchel's equality between R, R* and W."""
    rng = np.random.default_rng(seed)
    relationship, name = make(kind, shape[0], rng, *lambdas)
    V = draw_V(shape, rng)
    response = relationship.respond(V)
    oracle = regularisers.conjugate_of(name, *lambdas, shape[0])
    assert_allclose(response.value, oracle.value(V), rtol=1e-9)
    size = np.abs(response.W).max()
    assert_allclose(response.W, oracle.grad(V), atol=1e-9 * size)
    assert_allclose(relationship.penalty(response.W), regulariser(response.W, *lambdas, name))
    equal = np.vdot(V, response.W) - relationship.penalty(response.W)
    assert_allclose(response.value, equal, rtol=1e-9)
    other = response.W + 0.1 * size * rng.normal(size=shape)
    assert np.vdot(V, other) - relationship.penalty(other) <= response.value * (1 + 1e-12)


@given(shape=shapes, lambdas=lambdas, seed=seeds)
def test_the_conjugate_is_its_maximum_over_sigma(shape, lambdas, seed):
    """R*(V) = max (1/4) tr(V' B(Sigma) V) over Sigma of trace one, attained at F F'."""
    rng = np.random.default_rng(seed)
    V = draw_V(shape, rng)
    relationship = Learned(shape[0], *lambdas)
    response = relationship.respond(V)
    assume(response.rank > 0)

    def quadratic(Sigma):
        return 0.25 * np.sum((covariance_root(Sigma, *lambdas).T @ V) ** 2)

    F = relationship.covariance_factor(response.W)
    assert_allclose(np.sum(F**2), 1.0, rtol=1e-12)
    assert_allclose(quadratic(F @ F.T), response.value, rtol=1e-9)
    for rank in range(1, shape[0] + 1):
        root = rng.normal(size=(shape[0], rank))
        Sigma = root @ root.T / np.sum(root**2)
        assert quadratic(Sigma) <= response.value * (1 + 1e-9)
        near = 0.99 * F @ F.T + 0.01 * Sigma
        assert quadratic(near) <= response.value * (1 + 1e-9)


@given(shape=shapes, lambdas=lambdas, seed=seeds)
def test_the_learned_covariance(shape, lambdas, seed):
    """Sigma = (W W')^(1/2) / tr (W W')^(1/2), and W = (1/2) B(Sigma) V."""
    rng = np.random.default_rng(seed)
    V = draw_V(shape, rng)
    relationship = Learned(shape[0], *lambdas)
    response = relationship.respond(V)
    F = relationship.covariance_factor(response.W)
    assert F.shape == (shape[0], response.rank)
    assert np.linalg.matrix_rank(response.W) == response.rank
    U, singular, _ = np.linalg.svd(response.W, full_matrices=False)
    assert_allclose(F @ F.T, (U * (singular / singular.sum())) @ U.T, atol=1e-10)
    S = covariance_root(F @ F.T, *lambdas)
    assert_allclose(0.5 * S @ (S.T @ V), response.W, atol=1e-9 * np.abs(response.W).max())


@kinds
@given(shape=shapes, lambdas=lambdas, seed=seeds)
def test_the_derivative_of_the_weights(kind, shape, lambdas, seed):
    """`product` = finite differences of W(V) = the oracle's dense J; symmetric and PSD."""
    rng = np.random.default_rng(seed)
    relationship, name = make(kind, shape[0], rng, *lambdas)
    V = draw_V(shape, rng)
    oracle = regularisers.conjugate_of(name, *lambdas, shape[0])
    nu = np.linalg.svd(V, compute_uv=False)
    assume(oracle.kink(V) > 1e-3)
    response = relationship.respond(V)
    units = np.eye(V.size).reshape(V.size, *shape)
    J = response.product(units).reshape(V.size, V.size)
    scale = np.abs(J).max()
    assert_allclose(J, J.T, atol=1e-9 * scale)
    assert np.linalg.eigvalsh(J + J.T).min() >= -1e-8 * scale
    assert_allclose(J, oracle.derivative(V), atol=1e-7 * scale)
    dV, h = rng.normal(size=shape), 1e-5 * nu[0]
    W_up, W_down = (relationship.respond(V + sign * h * dV).W for sign in (1, -1))
    assert_allclose(response.product(dV), (W_up - W_down) / (2 * h), atol=1e-3 * scale)


@kinds
@given(shape=shapes, lambdas=lambdas, seed=seeds)
def test_the_frozen_derivative_holds_sigma(kind, shape, lambdas, seed):
    """(1/2) B of the covariance at V, and its diagonal is `curvature`."""
    rng = np.random.default_rng(seed)
    relationship, name = make(kind, shape[0], rng, *lambdas)
    V, dV = draw_V(shape, rng), rng.normal(size=shape)
    response = relationship.respond(V)
    if kind == "learned":
        F = relationship.covariance_factor(response.W)
        name = ("sigma", F @ F.T)
    B = regularisers.conjugate_of(name, *lambdas, shape[0]).B
    scale = np.abs(B).max()
    assert_allclose(response.frozen_product(dV), 0.5 * B @ dV, atol=1e-8 * scale)
    assert_allclose(response.frozen_product(V), response.W, atol=1e-8 * np.abs(response.W).max())
    assert_allclose(response.curvature(), 0.5 * np.diag(B), atol=1e-8 * scale)
    if kind != "learned":
        assert_allclose(relationship.first_curvature(), 0.5 * np.diag(B), rtol=1e-9)


@kinds
def test_no_aggregate_means_no_weights(kind):
    """V = 0: W = 0, R* = 0, and the learned covariance is the identity over m."""
    relationship, _ = make(kind, 3, np.random.default_rng(0), 0.1, 0.1)
    response = relationship.respond(np.zeros((3, 2)))
    assert response.value == 0.0
    assert_array_equal(response.W, np.zeros((3, 2)))
    assert np.isfinite(response.product(np.ones((3, 2)))).all()
    if kind != "omega":
        assert relationship.covariance_factor(response.W).shape == (3, 0)


def test_a_singular_precision_has_a_pseudo_inverse():
    Omega = mean_regularized(4)
    F = Fixed(Omega, 0.1, 0.1).covariance_factor(np.zeros((len(Omega), 1)))
    assert F.shape == (4, 3)
    assert_allclose(F @ F.T, np.linalg.pinv(Omega), atol=1e-12)


def test_nothing_dense_for_many_nodes():
    m = 10**6
    for relationship in (Learned(m, 0.1, 0.1), Independent(m, 0.1)):
        assert relationship.covariance_factor(np.zeros((m, 1))).shape == (m, 0)


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("m", [1, 2, 5])
def test_builders_make_precisions(name, m):
    Omega = BUILDERS[name](m)
    assert Omega.shape == (m, m)
    assert_array_equal(Omega, Omega.T)
    assert np.linalg.eigvalsh(Omega).min() >= -1e-12
    assert_allclose(Omega @ np.ones(m), 0, atol=1e-12)  # equal models cost nothing


def test_builders_price_what_they_promise():
    W = np.random.default_rng(0).normal(size=(4, 3))

    def cost(Omega):
        return np.trace(W.T @ Omega @ W)

    spread = np.sum((W - W.mean(axis=0)) ** 2)
    assert_allclose(cost(mean_regularized(4)), spread)
    A = np.array([[5, 2, 0, 0], [2, 0, 0, 1], [0, 0, 0, 3], [0, 1, 3, 0]])  # the 5 is ignored
    edges = sum(A[k, l] * np.sum((W[k] - W[l]) ** 2) for k in range(4) for l in range(k))
    assert_allclose(cost(graph_laplacian(A)), edges)
    within = np.sum((W[:3] - W[:3].mean(axis=0)) ** 2)
    assert_allclose(cost(clustered(["u", "u", "u", "v"])), within)
    assert_allclose(clustered([7, 7, 7, 7]), mean_regularized(4))


# -- labels -----------------------------------------------------------------------------------


NAMES = ["c", "a", "b"]


def edges():
    """A graph in which a and b are joined; labelled in an order that is not sorted."""
    frame = pd.DataFrame(0.0, index=NAMES, columns=NAMES)
    frame.loc["a", "b"] = frame.loc["b", "a"] = 2.0
    return frame


def test_a_labelled_graph_keeps_its_labels():
    plain = graph_laplacian(edges().to_numpy())
    expected = pd.DataFrame(plain, index=NAMES, columns=NAMES)
    assert_frame_equal(graph_laplacian(edges()), expected)
    for columns in (["a", "b", "c"], ["b", "c", "a"]):  # axes in different orders
        assert_frame_equal(graph_laplacian(edges()[columns]), expected)
    sparse = edges().astype(pd.SparseDtype(float))
    assert_frame_equal(graph_laplacian(sparse), expected)


def test_labelled_clusters_keep_their_labels():
    expected = pd.DataFrame(clustered([1, 0, 0]), index=NAMES, columns=NAMES)
    assert_frame_equal(clustered(pd.Series([1, 0, 0], index=NAMES)), expected)
    text = pd.Series(["x", "y", "y"], index=pd.Index(NAMES, name="node"), dtype="category")
    assert_frame_equal(clustered(text), expected)
    assert type(clustered(pl.Series([1, 0, 0]))) is np.ndarray  # no labels to keep


@pytest.mark.parametrize(
    ("build", "given", "error", "message"),
    [
        (graph_laplacian, edges().rename(columns={"c": "d"}), ValueError, r"only one .*'c', 'd'"),
        (graph_laplacian, edges().iloc[:2], ValueError, "`adjacency`.* 2 rows and 3 columns"),
        (graph_laplacian, edges().set_axis(["a", "a", "b"]), ValueError, "repeat labels: .'a'"),
        (graph_laplacian, edges().set_axis(["a", "a", "b"], axis=1), ValueError, "same labels"),
        (graph_laplacian, pl.DataFrame(edges()), TypeError, "`adjacency` is a DataFrame of polars"),
        (clustered, pd.Series([1, 0], index=["a", "a"]), ValueError, "`labels` must not repeat"),
        (clustered, pd.DataFrame({"k": [1, 0]}), ValueError, "1-d"),
        (clustered, pl.DataFrame({"k": [1, 0]}), ValueError, "1-d"),
        (mean_regularized, pd.Series([3, 4]), ValueError, "m must be a whole number"),
    ],
)
def test_labels_that_do_not_fit(build, given, error, message):
    with pytest.raises(error, match=message):
        build(given)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("make", [str, int, bool], ids=["text", "numbers", "booleans"])
def test_ties_join_the_nodes_that_they_name(estimator, make):
    X, y, codes = make_rows(estimator, sizes=(9, 8) if make is bool else (9, 8, 7))
    labels = [make(code) for code in range(codes.max() + 1)]
    order = labels[::-1]
    A = np.diag(np.arange(1.0, len(labels)), 1)
    A += A.T
    plain = estimator(relationship=graph_laplacian(A), lambda1=1.0, random_state=0)
    plain.fit(X, y, nodes=codes)
    frame = pd.DataFrame(A[::-1], index=order, columns=labels)
    named = estimator(relationship=graph_laplacian(frame), lambda1=1.0, random_state=0)
    named.fit(X, y, nodes=np.array(labels)[codes])
    assert_array_equal(named.coef_, plain.coef_)
    clusters = [0] * (len(labels) - 1) + [1]
    plain = plain.set_params(relationship=clustered(clusters)).fit(X, y, nodes=codes)
    series = pd.Series(clusters[::-1], index=order)
    named.set_params(relationship=clustered(series)).fit(X, y, nodes=np.array(labels)[codes])
    assert_array_equal(named.coef_, plain.coef_)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_frames_of_polars_are_no_relationship(estimator):
    X, y, nodes = make_rows(estimator)
    frame = pl.DataFrame(np.eye(3), schema=["2", "0", "1"])
    with pytest.raises(TypeError, match="`relationship` is a DataFrame of polars"):
        estimator(relationship=frame).fit(X, y, nodes=nodes)
