"""Splits by node: a partition, every node on both sides, the same by routing and by hand."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from packaging.version import Version
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfedmtl.model_selection import NodeKFold, train_test_split_nodes

ignore_single_rows = pytest.mark.filterwarnings("ignore:Nodes with a single row")


class PerNodeMean(ClassifierMixin, BaseEstimator):
    """Answers with its node's most frequent class; an unknown node is an error."""

    __metadata_request__fit = {"nodes": True}
    __metadata_request__predict = {"nodes": True}
    __metadata_request__score = {"nodes": True}

    def __init__(self, offset=0):
        self.offset = offset

    def fit(self, X, y, nodes=None):
        y, nodes = np.asarray(y), np.asarray(nodes)
        self.classes_ = np.unique(y)
        self.answers_ = {
            node: np.bincount(y[nodes == node]).argmax() for node in np.unique(nodes).tolist()
        }
        return self

    def predict(self, X, nodes=None):
        return np.array([self.answers_[node] + self.offset for node in np.asarray(nodes).tolist()])

    def score(self, X, y, sample_weight=None, nodes=None):
        return np.average(self.predict(X, nodes=nodes) == y, weights=sample_weight)


@st.composite
def labelled_rows(draw, max_classes=3):
    """Node and class of up to 40 rows, in any order."""
    row = st.tuples(st.integers(0, 4), st.integers(0, max_classes - 1))
    rows = draw(st.lists(row, min_size=2, max_size=40))
    nodes, y = np.array(rows).T
    return nodes, y


def of_several_rows(nodes):
    """The rows of nodes that have two or more."""
    return np.flatnonzero([(nodes == node).sum() > 1 for node in nodes])


def split(cv, nodes, y=None):
    return list(cv.split(np.zeros((len(nodes), 1)), y, nodes=nodes))


@ignore_single_rows
@given(rows=labelled_rows(), n_splits=st.integers(2, 6), shuffle=st.booleans())
def test_the_folds_partition_the_rows(rows, n_splits, shuffle):
    nodes, y = rows
    several = of_several_rows(nodes)
    assume(n_splits <= len(several))
    cv = NodeKFold(n_splits, shuffle=shuffle)
    folds = split(cv, nodes, y)
    assert len(folds) == n_splits
    assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), several)
    for train, test in folds:
        assert len(test)
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(nodes)))


@ignore_single_rows
@given(rows=labelled_rows(), n_splits=st.integers(2, 6), shuffle=st.booleans())
def test_nodes_and_their_classes_are_spread_evenly(rows, n_splits, shuffle):
    nodes, y = rows
    assume(n_splits <= len(of_several_rows(nodes)))
    folds = split(NodeKFold(n_splits, shuffle=shuffle), nodes, y)
    for node in np.unique(nodes):
        assert all(node in nodes[train] for train, _ in folds)
        parts = [nodes == node] + [(nodes == node) & (y == label) for label in np.unique(y)]
        for part in parts:
            tested = [part[test].sum() for _, test in folds]
            assert max(tested) - min(tested) <= 1
            if part.sum() >= max(n_splits, 2):
                assert min(tested) >= 1
            if part.sum() >= 2:
                assert all(part[train].any() for train, _ in folds)


@ignore_single_rows
@given(nodes=labelled_rows().map(lambda rows: rows[0]), seed=st.integers(0, 2**32 - 1))
def test_the_same_seed_gives_the_same_folds(nodes, seed):
    assume(len(of_several_rows(nodes)))
    first, second = (split(NodeKFold(2, shuffle=True, random_state=seed), nodes) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        for rows, again in zip(one, other, strict=True):
            assert_array_equal(rows, again)


@given(n_nodes=st.integers(1, 30), n_splits=st.integers(2, 5))
def test_small_nodes_do_not_leave_a_class_out_of_training(n_nodes, n_splits):
    nodes = np.repeat(np.arange(n_nodes), 2)
    y = np.tile([0, 1], n_nodes)
    assume(n_splits <= n_nodes)
    tested = np.array(
        [np.bincount(y[test], minlength=2) for _, test in split(NodeKFold(n_splits), nodes, y)]
    )
    assert np.ptp(tested, axis=0).max() <= 2


def test_unshuffled_folds_are_consecutive_rows_of_a_node():
    nodes = np.repeat(["a", "b"], [6, 4])
    tests = [test for _, test in split(NodeKFold(2), nodes)]
    assert_array_equal(tests[0], [0, 1, 2, 6, 7])
    assert_array_equal(tests[1], [3, 4, 5, 8, 9])


def test_a_continuous_target_is_not_stratified():
    nodes = np.repeat([0, 1], 10)
    y = np.random.default_rng(0).normal(size=20)
    for with_y, without in zip(
        split(NodeKFold(5), nodes, y), split(NodeKFold(5), nodes), strict=True
    ):
        assert_array_equal(with_y[1], without[1])


def test_a_target_of_many_whole_numbers_raises_no_warning():
    folds = split(NodeKFold(3), np.repeat([0, 1], 30), np.arange(60))
    assert [len(test) for _, test in folds] == [20, 20, 20]


def test_a_node_with_a_single_row_is_warned_of():
    with pytest.warns(UserWarning, match="single row: 'b'.*handle_unknown='mean'"):
        split(NodeKFold(2), np.array(["a", "a", "b", "a"]))


def test_a_single_row_moves_no_other(recwarn):
    nodes = np.repeat(["a", "b"], [7, 5])
    y = np.tile([0, 1, 1], 4)
    alone = [2, 9]
    more, rows = np.insert(nodes, alone, ["c", "d"]), np.delete(np.arange(14), [2, 10])
    for (_, test), (train, with_alone) in zip(
        split(NodeKFold(3), nodes, y),
        split(NodeKFold(3), more, np.insert(y, alone, 1)),
        strict=True,
    ):
        assert_array_equal(rows[test], with_alone)
        assert {"c", "d"} <= set(more[train])


def test_rows_that_cannot_be_tested_are_refused():
    X, nodes = np.ones(5), np.array(["a", "b", "c", "d", "d"])
    with pytest.raises(ValueError, match=r"`n_splits`=3 exceeds the 2 rows .*: 'a', 'b', 'c'"):
        split(NodeKFold(3), nodes)
    for cut in (split, lambda cv, nodes: train_test_split_nodes(X[:3], X[:3], nodes)):
        with pytest.raises(ValueError, match="Every node has a single row"):
            cut(NodeKFold(2), nodes[:3])


def test_cross_val_predict_needs_a_partition(sorted_rows):
    X, y, nodes = (np.append(values, values[:1], axis=0) for values in sorted_rows)
    nodes[-1] = "d"
    table = np.c_[X, np.unique(nodes, return_inverse=True)[1]]
    with pytest.warns(UserWarning, match="single row: 'd'.*cross_val_predict"):
        cv = list(NodeKFold(3).split(X, y, nodes=nodes))
    with pytest.raises(ValueError, match="partition"):
        cross_val_predict(ByColumn(), table, y, cv=cv)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_splits": 1}, ValueError, "`n_splits`"),
        ({"n_splits": 2.0}, ValueError, "`n_splits`"),
        ({"n_splits": True}, ValueError, "`n_splits`"),
        ({"shuffle": 1}, TypeError, "`shuffle`"),
        ({"random_state": 0}, ValueError, "`random_state`=0 has no effect"),
    ],
)
def test_wrong_parameters(arguments, error, message):
    with pytest.raises(error, match=message):
        NodeKFold(**arguments)


@pytest.mark.parametrize(
    ("y", "nodes", "message"),
    [
        (None, None, "needs `nodes`"),
        (None, [0, 0, 1], "`nodes` has 3 entries, `X` has 4 rows"),
        ([0, 1], [0, 0, 1, 1], "`y` has 2 entries, `X` has 4 rows"),
        (None, [0, None, 1, 1], "`nodes` must hold"),
        (None, [0, 0, 0, 0], "`n_splits`=5 exceeds the 4 rows"),
    ],
)
def test_wrong_arguments_of_split(y, nodes, message):
    with pytest.raises(ValueError, match=message):
        list(
            NodeKFold(5 if message.startswith("`n_splits`") else 2).split(
                np.ones(4), y, None, nodes
            )
        )


def test_repr_and_number_of_folds():
    cv = NodeKFold(3, shuffle=True, random_state=0)
    assert repr(cv) == "NodeKFold(n_splits=3, random_state=0, shuffle=True)"
    assert cv.get_n_splits() == cv.get_n_splits(None, None, nodes=[1]) == 3


@pytest.fixture
def sorted_rows():
    """Rows sorted by node, each node with its own majority: plain KFold would leave nodes out."""
    nodes = np.repeat(["a", "b", "c"], 20)
    y = np.concatenate([np.tile([0, 0, 0, 1], 5), np.tile([1, 1, 1, 0], 5), np.zeros(20, int)])
    return np.arange(60.0).reshape(-1, 1), y, nodes


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (PerNodeMean(), "offset"),
        pytest.param(
            make_pipeline(StandardScaler(), PerNodeMean()),
            "pernodemean__offset",
            marks=pytest.mark.skipif(
                Version(sklearn.__version__) < Version("1.8"),
                reason="before 1.8 a search's default scorer passes nothing to a pipeline",
            ),
        ),
    ],
)
def test_searches_route_nodes(sorted_rows, estimator, name):
    X, y, nodes = sorted_rows
    search = GridSearchCV(estimator, {name: [0, 1]}, cv=NodeKFold(4), error_score="raise")
    search.fit(X, y, nodes=nodes)
    assert search.best_params_ == {name: 0}
    assert search.best_score_ == pytest.approx(50 / 60)


@pytest.mark.usefixtures("routing")
def test_cross_validate_routes_nodes(sorted_rows):
    X, y, nodes = sorted_rows
    scores = cross_validate(
        PerNodeMean(),
        X,
        y,
        cv=NodeKFold(4),
        params={"nodes": nodes},
        error_score="raise",
    )["test_score"]
    by_hand = [
        PerNodeMean().fit(X[a], y[a], nodes=nodes[a]).score(X[b], y[b], nodes=nodes[b])
        for a, b in split(NodeKFold(4), nodes, y)
    ]
    assert_array_equal(scores, by_hand)


@pytest.mark.usefixtures("routing")
def test_learning_curve_routes_nodes(sorted_rows):
    X, y, nodes = sorted_rows
    *_, scores = learning_curve(
        PerNodeMean(),
        X,
        y,
        cv=NodeKFold(4, shuffle=True, random_state=0),
        shuffle=True,
        random_state=0,
        train_sizes=[1.0],
        params={"nodes": nodes},
        error_score="raise",
    )
    assert np.isfinite(scores).all()


def test_without_routing_the_folds_are_handed_over(sorted_rows):
    X, y, nodes = sorted_rows
    cv = list(NodeKFold(4).split(X, y, nodes=nodes))
    scores = cross_val_score(
        ByColumn(), np.c_[X, np.unique(nodes, return_inverse=True)[1]], y, cv=cv
    )
    assert np.mean(scores) == pytest.approx(50 / 60)


class ByColumn(PerNodeMean):
    """The same, its node the last column."""

    def fit(self, X, y):
        return super().fit(X, y, X[:, -1])

    def predict(self, X):
        return super().predict(X, X[:, -1])

    def score(self, X, y):
        return np.mean(self.predict(X) == y)


@ignore_single_rows
@given(rows=labelled_rows(), test_size=st.floats(0.01, 0.99), seed=st.integers(0, 2**32 - 1))
def test_every_node_is_on_both_sides(rows, test_size, seed):
    nodes, y = rows
    assume(len(of_several_rows(nodes)))  # else refused, see above
    index = np.arange(len(nodes))
    train, test, y_train, y_test, nodes_train, nodes_test = train_test_split_nodes(
        index, y, nodes, test_size=test_size, random_state=seed
    )
    assert_array_equal(np.sort(np.concatenate([train, test])), index)
    assert_array_equal(y_train, y[train])
    assert_array_equal(y_test, y[test])
    assert_array_equal(nodes_train, nodes[train])
    assert_array_equal(nodes_test, nodes[test])
    for node in np.unique(nodes):
        n_rows, n_test = (nodes == node).sum(), (nodes_test == node).sum()
        assert n_test < n_rows
        assert n_test >= (n_rows > 1)
        assert abs(n_test - test_size * n_rows) <= 1
        if n_test >= len(np.unique(y)) and test_size <= 0.5:
            for label in np.unique(y[nodes == node]):
                n_class = ((nodes == node) & (y == label)).sum()
                n_class_test = ((nodes_test == node) & (y_test == label)).sum()
                assert n_class < 2 or 0 < n_class_test < n_class


def test_classes_are_drawn_in_proportion():
    nodes = np.repeat([0, 1], [80, 40])
    y = np.r_[np.repeat([0, 1], [60, 20]), np.repeat([0, 1], [4, 36])]
    *_, y_test, _, nodes_test = train_test_split_nodes(y, y, nodes, random_state=0)
    assert_array_equal(np.bincount(2 * nodes_test + y_test), [15, 5, 1, 9])


def test_ties_do_not_favour_a_class():
    nodes, y = np.repeat(np.arange(200), 4), np.tile([0, 0, 1, 1], 200)
    *_, y_test, _, _ = train_test_split_nodes(y, y, nodes, random_state=0)
    assert 70 < y_test.sum() < 130


def test_the_same_seed_draws_the_same_rows():
    nodes, X = np.repeat([0, 1], 50), np.arange(100)
    draws = [train_test_split_nodes(X, X / 7, nodes, random_state=seed)[1] for seed in (3, 3, 4)]
    assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_containers_are_kept():
    frame = pd.DataFrame({"a": np.arange(8.0)}, index=list("stuvwxyz"))
    y = pd.Series(np.tile(["no", "yes"], 4), index=frame.index)
    nodes = ["p"] * 4 + ["q"] * 4
    X_train, X_test, y_train, y_test, nodes_train, nodes_test = train_test_split_nodes(
        frame, y, nodes, test_size=0.5, random_state=0
    )
    assert isinstance(X_train, pd.DataFrame) and isinstance(y_test, pd.Series)
    assert_array_equal(X_test.index, y_test.index)
    assert_array_equal(X_train.index, y_train.index)
    assert nodes_train == nodes_test == ["p", "p", "q", "q"]
    assert sorted(y_test[:2]) == ["no", "yes"]


@pytest.mark.parametrize("test_size", [0, 1, 1.0, -0.1, 3, np.nan, "0.25", None, True])
def test_wrong_test_size(test_size):
    with pytest.raises(ValueError, match="`test_size`"):
        train_test_split_nodes(np.ones(4), np.ones(4), [0, 0, 1, 1], test_size=test_size)


def test_wrong_arguments_of_train_test_split_nodes():
    X = np.ones(4)
    with pytest.raises(ValueError, match="`nodes` has 3 entries, `X` has 4 rows"):
        train_test_split_nodes(X, X, [0, 0, 1])
    with pytest.raises(ValueError, match="`y` has 3 entries, `X` has 4 rows"):
        train_test_split_nodes(X, X[:3], [0, 0, 1, 1])
    with pytest.raises(TypeError, match="`y` must be array-like"):
        train_test_split_nodes(X, None, [0, 0, 1, 1])
    with pytest.raises(TypeError, match="`X` must be array-like"):
        train_test_split_nodes(None, X, [0, 0, 1, 1])
