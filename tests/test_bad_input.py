"""Every wrong argument is an error before any work is done, and the message names it."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.exceptions import NotFittedError

from estimators import ESTIMATORS, make_rows
from skfedmtl import FMTLClassifier, FMTLRegressor, RandomPoisoner, from_nodes
from skfedmtl._input.labels import MAX_DENSE_NODES, listing, with_article
from skfedmtl.relationships import clustered, graph_laplacian, mean_regularized

estimators = pytest.mark.parametrize("estimator", ESTIMATORS)
BAD_NUMBERS = [np.nan, np.inf, -np.inf, "1", None]

PARAMETERS = {
    "lambda1": [-1e-9, *BAD_NUMBERS],
    "lambda2": [0, -1.0, *BAD_NUMBERS],
    "loss": ["logit", None, 1],
    "relationship": ["learn", None, 1.0, 3],
    "node_labels": ["sorted", None, 3],
    "fit_intercept": ["yes", None, 2],
    "max_iter": [0, -1, 1.5, "1", None],
    "tol": [-1e-9, *BAD_NUMBERS],
    "node_column": [1.5, ["a"]],
    "handle_unknown": ["ignore", None],
    "warm_start": ["no", None],
    "random_state": [-1, 1.5, "seed"],
}


@estimators
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in PARAMETERS.items() for value in values]
)
def test_parameters(estimator, name, value):
    X, y, nodes = make_rows(estimator)
    model = estimator(**{name: value})
    with pytest.raises((ValueError, TypeError), match=name):
        model.fit(X, y, nodes=nodes)
    assert not [key for key in vars(model) if key.endswith("_")]


@pytest.mark.parametrize("value", [0, -1.0, *BAD_NUMBERS])
def test_intercept_scaling(value):
    X, y, nodes = make_rows(FMTLClassifier)
    with pytest.raises(ValueError, match="intercept_scaling"):
        FMTLClassifier(intercept_scaling=value).fit(X, y, nodes=nodes)


def spoilt(array, value):
    """A copy whose first entry is `value`."""
    array = np.array(array, dtype=float)
    array.flat[0] = value
    return array


@estimators
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
def test_numbers_that_are_none(estimator, name, value):
    X, y, nodes = make_rows(estimator)
    data = {"X": X, "y": y, "sample_weight": np.ones(len(y))}
    data[name] = spoilt(data[name], value)
    with pytest.raises(ValueError, match=f"(?i){name}.*(nan|inf)"):
        estimator().fit(nodes=nodes, **data)


@estimators
@pytest.mark.parametrize("name", ["X", "y", "nodes", "sample_weight"])
def test_lengths_that_differ(estimator, name):
    X, y, nodes = make_rows(estimator)
    data = {"X": X, "y": y, "nodes": nodes, "sample_weight": np.ones(len(y))}
    data[name] = data[name][:-1]
    with pytest.raises(ValueError, match=r"inconsistent|sample_weight|equally long"):
        estimator().fit(**data)


@estimators
@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"X": np.empty((28, 0))}, ValueError, "0 feature"),
        ({"X": np.empty((0, 3)), "y": [], "nodes": []}, ValueError, "0 sample"),
        ({"X": np.ones(28)}, ValueError, "2D array"),
        ({"X": np.full((28, 1), "a")}, ValueError, "could not convert"),
        ({"X": np.ones((28, 1), dtype=complex)}, ValueError, "[Cc]omplex"),
        ({"y": np.ones((28, 2))}, ValueError, "y should be a 1d array"),
        ({"y": None}, ValueError, "y cannot be None|requires y"),
        ({"sample_weight": np.full(28, -1.0)}, ValueError, "[Nn]egative.*sample_weight"),
        ({"sample_weight": np.ones((28, 1))}, ValueError, "[Ss]ample.weight"),
        ({"sample_weight": "balanced"}, ValueError, "could not convert|sample_weight"),
        ({"nodes": [None] * 28}, ValueError, "`nodes`.*missing"),
        ({"nodes": np.full(28, np.nan)}, ValueError, "`nodes`.*missing"),
        ({"nodes": [0, "a"] * 14}, ValueError, "`nodes`.*int, str"),
        ({"nodes": np.full(28, 0.5)}, ValueError, r"`nodes`.*0\.5"),
        ({"nodes": np.zeros((28, 1))}, ValueError, "`nodes`.*1-d"),
        ({"nodes": "one"}, ValueError, "`nodes`"),
    ],
)
def test_data(estimator, data, error, message):
    X, y, nodes = make_rows(estimator)
    with pytest.raises(error, match=message):
        estimator().fit(**{"X": X, "y": y, "nodes": nodes, **data})


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(28), r"only one class: 0\.0\.$"),
        (np.zeros(28, dtype=int), r"only one class: 0\.$"),
        (["a"] * 28, r"only one class: 'a'\.$"),
        (np.linspace(0, 1, 28), "label type"),
    ],
)
def test_classes(y, message):
    X, _, nodes = make_rows(FMTLClassifier)
    with pytest.raises(ValueError, match=message):
        FMTLClassifier().fit(X, y, nodes=nodes)


def frame(labels, columns=None):
    """An identity labelled on both axes."""
    return pd.DataFrame(np.eye(len(labels)), index=labels, columns=columns or labels)


@estimators
@pytest.mark.parametrize(
    ("relationship", "message"),
    [
        (np.eye(2), r"matrix of shape \(3, 3\).*3 nodes.*\(2, 2\)"),
        (np.eye(3) + 0j, "complex"),
        ([[1 + 1j, 0, 0], [0, 1, 0], [0, 0, 1]], "complex"),
        (pd.DataFrame(np.eye(3) + 0j), "complex"),
        (np.ma.array(np.eye(3), mask=np.eye(3)), "masked"),
        (np.ones((3, 2)), "shape"),
        (np.ones(3), "shape"),
        ([[1, 2], [3]], "matrix of real numbers"),
        ([["a"] * 3] * 3, "matrix of real numbers"),
        (spoilt(np.eye(3), np.nan), "NaN or infinity"),
        (spoilt(np.eye(3), np.inf), "NaN or infinity"),
        (np.triu(np.ones((3, 3))), "symmetric"),
        (np.eye(3) - 0.5, "semidefinite.*eigenvalue is -0.5"),
        (-np.eye(3), "semidefinite"),
        (frame([0, 1]), "index.*node_labels"),
        (frame([0, 1, 3]), "index.*"),
        (frame([0, 1, 2], [0, 1, 3]), "columns"),
        (frame([0, 1, 1]), "index"),
        (frame(["0", "1", "2"]), "index"),
    ],
)
def test_relationships(estimator, relationship, message):
    X, y, nodes = make_rows(estimator)
    with pytest.raises(ValueError, match=message) as caught:
        estimator(relationship=relationship).fit(X, y, nodes=nodes)
    assert "relationship" in str(caught.value)


@estimators
@pytest.mark.parametrize(
    ("node_labels", "nodes", "message"),
    [
        ([0, 1], "rows", "`node_labels` lacks.*2"),
        ([0, 1, 2, 2], "rows", "`node_labels` must not repeat"),
        (["0", "1", "2"], "rows", "`node_labels` holds strings.*`nodes` holds integers"),
        ([], "rows", "`node_labels` is empty"),
        ([0, 1, 2], None, "`node_labels`.*`nodes`.*`node_column`"),
    ],
)
def test_node_labels(estimator, node_labels, nodes, message):
    X, y, rows = make_rows(estimator)
    nodes = rows if nodes == "rows" else None
    with pytest.raises(ValueError, match=message):
        estimator(node_labels=node_labels).fit(X, y, nodes=nodes)


@estimators
@pytest.mark.parametrize(
    ("node_column", "message"),
    [(4, "out of range"), (-5, "out of range"), ("site", "not a DataFrame"), (0, "whole")],
)
def test_node_columns(estimator, node_column, message):
    X, y, nodes = make_rows(estimator)
    with pytest.raises(ValueError, match=f"`node_column`.*{message}"):
        estimator(node_column=node_column).fit(np.column_stack([X, nodes]), y)


@estimators
def test_the_nodes_are_given_once(estimator):
    X, y, nodes = make_rows(estimator)
    table = np.column_stack([X, nodes])
    with pytest.raises(ValueError, match=r"`nodes` was given.*`node_column`"):
        estimator(node_column=3).fit(table, y, nodes=nodes)
    model = estimator(node_column=3).fit(table, y)
    with pytest.raises(ValueError, match=r"`nodes` was given.*`node_column`"):
        model.predict(table, nodes=nodes)


def methods(model):
    """Every method that takes rows and the nodes they live in."""
    names = ("predict", "decision_function")
    return [getattr(model, name) for name in names if hasattr(model, name)]


@estimators
@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (None, "`nodes` is missing.*node_column"),
        ([0, 1, 7], "`nodes`.*not seen in fit: 7.*NodeKFold"),
        (["a", "b", "c"], "`nodes` holds strings"),
        ([0, 1], "`nodes` and `X`.*2 entries.*3 rows"),
        ([0, 1, None], "`nodes`.*missing"),
    ],
)
def test_nodes_at_prediction(estimator, nodes, message):
    X, y, rows = make_rows(estimator)
    model = estimator().fit(X, y, nodes=rows)
    for method in methods(model):
        with pytest.raises(ValueError, match=message):
            method(X[:3], nodes=nodes)
    with pytest.raises(ValueError, match=message):
        model.score(X[:3], y[:3], nodes=nodes)


@estimators
def test_rows_at_prediction(estimator):
    X, y, nodes = make_rows(estimator)
    for method in methods(estimator()):
        with pytest.raises(NotFittedError):
            method(X, nodes=nodes)
    for method in methods(estimator().fit(X, y, nodes=nodes)):
        with pytest.raises(ValueError, match=r"2 features.*3 features"):
            method(X[:, :2], nodes=nodes)
        with pytest.raises(ValueError, match="NaN"):
            method(spoilt(X, np.nan), nodes=nodes)


@pytest.mark.parametrize(
    ("builder", "argument", "message"),
    [
        (mean_regularized, 0, "m must be a whole number.*0"),
        (mean_regularized, -1, "m must"),
        (mean_regularized, 2.0, "m must"),
        (mean_regularized, True, "m must"),
        (mean_regularized, "3", "m must"),
        (mean_regularized, MAX_DENSE_NODES + 1, "m=5001.*at most 5000"),
        (graph_laplacian, np.ones((2, 3)), "adjacency.*square"),
        (graph_laplacian, np.ones(3), "adjacency.*square"),
        (graph_laplacian, np.empty((0, 0)), "adjacency"),
        (graph_laplacian, [[0, -1], [-1, 0]], "adjacency.*non-negative"),
        (graph_laplacian, [[0, np.nan], [np.nan, 0]], "adjacency.*finite"),
        (graph_laplacian, [[0, 1], [2, 0]], "adjacency.*symmetric"),
        (graph_laplacian, [[0, "a"], ["a", 0]], "adjacency"),
        (graph_laplacian, np.zeros((MAX_DENSE_NODES + 1, 1)), "adjacency"),
        (clustered, [], "labels"),
        (clustered, [[0, 1]], "labels"),
        (clustered, 3, "labels"),
        (clustered, [0.0, np.nan], "labels"),
        (clustered, np.zeros(MAX_DENSE_NODES + 1), "labels.*5000"),
    ],
)
def test_builders(builder, argument, message):
    with pytest.raises((ValueError, TypeError), match=message):
        builder(argument)


def test_dense_matrices_of_many_nodes_are_refused():
    m = MAX_DENSE_NODES + 1
    X, y = np.ones((2, 1)), np.array([0.0, 1.0])
    model = FMTLRegressor(node_labels=np.arange(m), relationship="none")
    model.fit(X, y, nodes=[0, 1])
    for method in (model.node_covariance, model.node_precision, model.node_correlation):
        with pytest.raises(ValueError, match="5000"):
            method()


def test_class_weights_that_leave_nothing():
    X, y, nodes = make_rows(FMTLClassifier)
    first = y == y[0]
    model = FMTLClassifier(class_weight={y[0]: 0.0})
    with pytest.raises(ValueError, match=r"class_weight=.* leaves no row a weight above zero"):
        model.fit(X, y, sample_weight=first.astype(float), nodes=nodes)


def test_a_given_matrix_of_too_many_nodes():
    m = MAX_DENSE_NODES + 1
    model = FMTLRegressor(relationship=np.eye(m))
    with pytest.raises(ValueError, match=f"relationship is a dense matrix of {m} nodes; at most"):
        model.fit(np.ones((m, 1)), np.ones(m), nodes=np.arange(m))


# -- targets with gaps, of other kinds, masked ------------------------------------------------


def with_gap(y, value):
    """The targets in a list, one of them replaced."""
    y = list(y)
    y[3] = value
    return y


def as_text(y):
    return [str(value) for value in y]


NA = pd.NA
GAPS = {
    "list": lambda y: with_gap(y, None),
    "list of NaN": lambda y: with_gap(y, np.nan),
    "objects": lambda y: np.array(with_gap(y, None), dtype=object),
    "objects with NaN": lambda y: np.array(with_gap(y, np.nan), dtype=object),
    "Float64": lambda y: pd.Series(with_gap(y, NA), dtype="Float64"),
    "string": lambda y: pd.Series(with_gap(as_text(y), NA), dtype="string"),
    "category": lambda y: pd.Series(with_gap(as_text(y), NA), dtype="category"),
    "str": lambda y: pd.Series(with_gap(as_text(y), None)),
}


@estimators
@pytest.mark.parametrize("make", GAPS.values(), ids=GAPS)
@pytest.mark.parametrize("relationship", ["learned", "none"])
def test_targets_with_gaps(estimator, make, relationship):
    X, y, nodes = make_rows(estimator)
    model = estimator(relationship=relationship)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        model.fit(X, make(y), nodes=nodes)
    model.fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        model.score(X, make(y), nodes=nodes)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nan", "Input y contains NaN"),
        ("inf", "Input y contains infinity"),
        ("much", "y must hold real numbers.*much"),
    ],
)
@pytest.mark.parametrize("dtype", [str, object])
def test_strings_that_are_no_numbers(value, message, dtype):
    X, y, nodes = make_rows(FMTLRegressor)
    y = np.array(with_gap(as_text(y), value), dtype=dtype)
    with pytest.raises(ValueError, match=message):
        FMTLRegressor().fit(X, y, nodes=nodes)


@pytest.mark.parametrize("dtype", [str, object])
def test_targets_in_other_containers_are_the_same_numbers(dtype):
    X, y, nodes = make_rows(FMTLRegressor)
    models = [
        FMTLRegressor(random_state=0).fit(X, given, nodes=nodes) for given in (y, y.astype(dtype))
    ]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)
    assert models[0].score(X, y, nodes=nodes) == models[1].score(X, y.astype(dtype), nodes=nodes)


DAYS = np.arange(28).astype("datetime64[D]")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (DAYS, "y holds dates"),
        (DAYS - DAYS[0], "y holds dates or times"),
        (list(DAYS), "y holds dates"),
        (pd.Series(DAYS), "y holds dates"),
        (np.array([*DAYS, None][:28], dtype=object), "y must hold real|y holds dates"),
        (pd.Series(DAYS).dt.tz_localize("UTC"), "y must hold real numbers.*Timestamp"),
        (np.full(28, 1j, dtype=object), "y must hold real numbers.*complex"),
        (np.array([10**400] * 28, dtype=object), "y must hold real numbers.*too large"),
    ],
)
def test_targets_that_are_no_numbers(y, message):
    X, _, nodes = make_rows(FMTLRegressor)
    with pytest.raises(ValueError, match=message):
        FMTLRegressor().fit(X, y, nodes=nodes)


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="numpy 2 brought them")
@estimators
def test_strings_of_numpy(estimator):
    X, y, nodes = make_rows(estimator)
    y = np.array(as_text(y), dtype=np.dtypes.StringDType())
    with pytest.raises(TypeError, match=r"y has numpy's dtype StringDType.*astype"):
        estimator().fit(X, y, nodes=nodes)


@estimators
@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
def test_masked_entries(estimator, name):
    X, y, nodes = make_rows(estimator)
    data = {"X": X, "y": y, "sample_weight": np.ones(len(y))}
    whole = {**data, name: np.ma.array(data[name])}
    model = estimator(random_state=0).fit(nodes=nodes, **whole)
    data[name] = whole[name].copy()
    data[name][0] = np.ma.masked
    with pytest.raises(ValueError, match=f"`{name}` has masked entries"):
        estimator().fit(nodes=nodes, **data)
    if name == "X":
        for method in methods(model):
            with pytest.raises(ValueError, match="`X` has masked entries"):
                method(data["X"], nodes=nodes)
        with pytest.raises(ValueError, match="`X` has masked entries"):
            estimator(node_column=0).fit(np.ma.column_stack([nodes, data["X"]]), y)


# -- tables, and what is said of them ---------------------------------------------------------


@estimators
def test_a_table_of_nodes_only(estimator):
    _, y, nodes = make_rows(estimator)
    for table, column in (
        (pd.DataFrame({"node": nodes}), "node"),
        (nodes[:, None], 0),
        (csr_matrix(nodes[:, None]), 0),
    ):
        with pytest.raises(ValueError, match="`X` holds only the node column"):
            estimator(node_column=column).fit(table, y)


@pytest.mark.parametrize("pairs", [None, 3])
def test_pairs_that_are_none(pairs):
    with pytest.raises(TypeError, match=f"`pairs` must be a list of pairs.*got {pairs}"):
        from_nodes(pairs)


def test_nodes_in_half_precision():
    """Every warning is an error here."""
    X, y, nodes = make_rows(FMTLRegressor)
    half = nodes.astype(np.float16)
    assert FMTLRegressor().fit(X, y, nodes=half).nodes_.tolist() == [0, 1, 2]
    for value in (0.5, np.inf):
        half[2] = value
        with pytest.raises(ValueError, match=f"floats only if whole; it holds {value}"):
            FMTLRegressor().fit(X, y, nodes=half)


def test_lists_of_labels_end_no_sentence_midway():
    assert listing(np.array(["b", "a"])) == "'a', 'b'"
    assert listing(np.arange(7)) == "0, 1, 2, 3, 4 and 2 more"
    X, y, nodes = make_rows(FMTLRegressor, strings=True)
    with pytest.raises(ValueError, match=r"got sources 'n1' and targets 'n0'; for such"):
        RandomPoisoner(FMTLRegressor(), target_nodes=["n0"], source_nodes=["n1"]).fit(
            X, y, nodes=nodes
        )
    model = FMTLRegressor().fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match=r"not seen in fit: 'n7'\. Set"):
        model.predict(X[:1], nodes=["n7"])
    with pytest.raises(ValueError, match=r"strings: 'n0', 'n1', 'n2'\.$"):
        model.predict(X[:1], nodes=[7])


def test_articles():
    for name in ("FMTLClassifier", "OneHotEncoder"):
        assert with_article(name) == f"an {name}"
    assert with_article("StandardScaler") == "a StandardScaler"
