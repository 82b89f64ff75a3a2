"""Node labels: what is accepted, what is refused and how the refusal reads."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from skfedmtl import FMTLRegressor, PoisoningAttacker
from skfedmtl._input.nodes import (
    check_nodes,
    encode_nodes,
    from_nodes,
    lookup_nodes,
    split_node_column,
)

INTEGERS = np.array([3, 1, 2])
STRINGS = np.array(["c", "a", "b"])
BOOLEANS = np.array([True, False, True])


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([3, 1, 2], INTEGERS),
        ((3.0, 1.0, 2.0), INTEGERS),
        ([3, 1.0, np.int8(2)], INTEGERS),
        (np.array([3, 1, 2], dtype=np.uint8), INTEGERS),
        (np.array([3, 1, 2], dtype=object), INTEGERS),
        (pd.Series([3, 1, 2], dtype="Int64"), INTEGERS),
        (pd.Series([3, 1, 2], dtype="category"), INTEGERS),
        (pd.Index([3, 1, 2]), INTEGERS),
        (["c", "a", "b"], STRINGS),
        (np.array(["c", "a", "b"], dtype=object), STRINGS),
        (pd.Series(["c", "a", "b"]), STRINGS),
        (pd.Series(["c", "a", "b"], dtype="string"), STRINGS),
        (pd.Series(["c", "a", "b"], dtype="category"), STRINGS),
        ([True, False, True], BOOLEANS),
        (np.array([True, False, True], dtype=object), BOOLEANS),
        (pd.Series([True, False, True], dtype="boolean"), BOOLEANS),
    ],
)
def test_labels_of_one_kind_are_accepted(nodes, expected):
    checked = check_nodes(nodes, 3)
    assert type(checked) is np.ndarray
    assert checked.dtype.kind == expected.dtype.kind
    assert_array_equal(checked, expected)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([1, None, 2], "missing"),
        (["a", None, "b"], "missing"),
        ([1.0, np.nan, 2.0], "missing"),
        (["a", np.nan, "b"], "missing"),
        (pd.Series([1, None, 2], dtype="Int64"), "missing"),
        (pd.Series(["a", None, "b"]), "missing"),
        (pd.Series(["a", None, "b"], dtype="category"), "missing"),
        (np.ma.array([1, 2, 3], mask=[0, 1, 0]), "missing"),
        ([1, "a", 2], "int, str"),
        ([True, 2, 3], "bool, int"),
        ([True, "a", "b"], "bool, str"),
        ([b"a", b"b", b"c"], "bytes"),
        ([1j, 2, 3], "complex"),
        (np.array(["2020", "2021", "2022"], dtype="M8[Y]"), "date"),
        ([1.5, 2.0, 3.0], "whole; it holds 1.5"),
        ([1.0, np.inf, 2.0], "whole; it holds inf"),
        ([1.0, 1e300, 2.0], "whole; it holds 1e"),
        ([2**70, 1, 2], "64 bits"),
        (np.array([2**63, 1, 2], dtype=np.uint64), "64 bits"),
        ([[1], [2], [3]], "1-d"),
        (np.ones((3, 1)), "1-d"),
        ("abc", "1-d"),
        (7, "1-d"),
        (csr_array(np.ones((1, 3))), "sparse"),
        ([1, 2], "2 entries, `X` has 3 rows"),
    ],
)
def test_anything_else_is_an_error_that_names_nodes(nodes, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_nodes(nodes, 3)
    assert "`nodes`" in str(caught.value)


def test_an_error_names_the_argument_it_was_told():
    with pytest.raises(ValueError, match="`nodes_target`"):
        check_nodes([None], 1, name="nodes_target")


@pytest.mark.parametrize("nodes", [INTEGERS, STRINGS, BOOLEANS])
def test_nodes_are_numbered_in_sorted_order(nodes):
    labels, codes = encode_nodes(nodes)
    assert_array_equal(labels, np.unique(nodes))
    assert_array_equal(labels[codes], nodes)
    assert codes.dtype == np.int64


def test_nodes_are_numbered_in_the_given_order():
    labels, codes = encode_nodes(STRINGS, ["b", "longer", "a", "c"])
    assert_array_equal(labels, ["b", "longer", "a", "c"])
    assert_array_equal(codes, [3, 2, 0])


def test_a_node_that_node_labels_lacks():
    with pytest.raises(ValueError, match=r"`node_labels` lacks .*: 2, 3\."):
        encode_nodes(INTEGERS, [1, 9])
    _, codes = encode_nodes(INTEGERS, [1, 9], handle_unknown="mean")
    assert_array_equal(codes, [-1, 0, -1])


@pytest.mark.parametrize(
    ("node_labels", "message"),
    [
        ("sorted", "'auto' or a list"),
        (None, "'auto' or a list"),
        ([], "empty"),
        ([1, 2, 3, 1], "repeat labels: 1"),
        ([1, 2, None], "missing"),
        ([1.5, 2, 3], "whole"),
        (["1", "2", "3"], "holds strings, but `nodes` holds integers"),
        ([[1, 2, 3]], "1-d"),
        (3, "1-d"),
    ],
)
def test_wrong_node_labels(node_labels, message):
    with pytest.raises(ValueError, match=message) as caught:
        encode_nodes(INTEGERS, node_labels)
    assert "`node_labels`" in str(caught.value)


def test_lookup_follows_the_order_of_the_fitted_labels():
    fitted = np.array(["z", "a", "m"])
    assert_array_equal(lookup_nodes(np.array(["m", "z", "z"]), fitted), [2, 0, 0])


def test_an_unknown_node_is_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match="not seen in fit: 7") as caught:
        lookup_nodes(np.array([1, 7]), INTEGERS)
    for word in ("`nodes`", "handle_unknown='mean'", "NodeKFold", "plain KFold"):
        assert word in str(caught.value)
    assert_array_equal(lookup_nodes(np.array([1, 7]), INTEGERS, "mean"), [1, -1])


def test_many_unknown_nodes_are_not_all_listed():
    with pytest.raises(ValueError, match=r"0, 1, 2, 3, 4 and 95 more\."):
        lookup_nodes(np.arange(100), np.array([-1]))


@pytest.mark.parametrize("handle_unknown", ["error", "mean"])
def test_labels_of_another_kind_are_never_taken_for_unknown_nodes(handle_unknown):
    with pytest.raises(ValueError, match=r"`nodes` holds strings, .* integers: 1, 2, 3"):
        lookup_nodes(np.array(["1"]), INTEGERS, handle_unknown)


@pytest.mark.parametrize("node_column", [1, -2, np.int64(1), "site"])
def test_the_node_column_of_a_frame(node_column):
    frame = pd.DataFrame({"a": [0.5, 1.5], "site": ["x", "y"], "b": [2.0, 3.0]}, index=[7, 8])
    others, nodes = split_node_column(frame, node_column)
    pd.testing.assert_frame_equal(others, frame[["a", "b"]])
    assert_array_equal(nodes, ["x", "y"])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, object])
def test_the_node_column_of_an_array(dtype):
    X = np.array([[4, 5, 1], [6, 7, 0]], dtype=dtype)
    others, nodes = split_node_column(X, -1)
    assert_array_equal(others, [[4, 5], [6, 7]])
    assert others.dtype == dtype
    assert_array_equal(nodes, [1, 0])
    assert nodes.dtype == np.int64


def test_the_node_column_of_a_list_of_numbers_and_strings():
    others, nodes = split_node_column([["x", 1.5], ["y", 2.5]], 0)
    assert_array_equal(nodes, ["x", "y"])
    assert_array_equal(others.astype(float), [[1.5], [2.5]])


@pytest.mark.parametrize("scaled", [[[0.5, 1.0]], np.array([[0.5, "x"]], dtype=object)])
def test_a_scaled_node_column_is_recognised(scaled):
    with pytest.raises(ValueError, match=r"`node_column`.* 0\.5\. An earlier step"):
        split_node_column(np.asarray(scaled), 0)


@pytest.mark.parametrize(
    ("X", "node_column", "message"),
    [
        (np.ones((2, 3)), 3, "out of range: X has 3 columns"),
        (np.ones((2, 3)), -4, "out of range"),
        (np.ones((2, 3)), "site", "not a DataFrame"),
        (np.ones((2, 3)), True, "name or integer index, got True"),
        (np.ones((2, 3)), 1.0, "name or integer index"),
        (np.ones((2, 3)), None, "name or integer index"),
        (pd.DataFrame(np.ones((2, 2)), columns=["a", "b"]), "site", r"X has \['a', 'b'\]"),
        (pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]), "a", "several such columns"),
        (np.full((2, 3), np.nan), 0, "missing"),
        (np.ones(3), 0, "node column"),
    ],
)
def test_wrong_node_columns(X, node_column, message):
    with pytest.raises(ValueError, match=message):
        split_node_column(X, node_column)


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    n_features=st.integers(0, 3),
    data=st.data(),
)
def test_from_nodes_round_trip(sizes, n_features, data):
    names = st.text(max_size=4).filter(lambda name: not name.endswith("\0"))  # which is refused
    labels = data.draw(st.lists(names, min_size=len(sizes), max_size=len(sizes), unique=True))
    numbers = st.floats(-1e6, 1e6)
    pairs = {
        label: (
            data.draw(hnp.arrays(np.float64, (size, n_features), elements=numbers)),
            data.draw(hnp.arrays(np.float64, size, elements=numbers)),
        )
        for label, size in zip(labels, sizes, strict=True)
    }
    X, y, nodes = from_nodes(pairs)
    assert_array_equal(check_nodes(nodes, len(X)), nodes)
    for label, (X_node, y_node) in pairs.items():
        assert_array_equal(X[nodes == label], X_node)
        assert_array_equal(y[nodes == label], y_node)


def test_nodes_without_labels_are_numbered():
    pair = np.ones((2, 1)), np.ones(2)
    assert_array_equal(from_nodes([pair, pair])[2], [0, 0, 1, 1])
    assert_array_equal(from_nodes([pair, pair], labels=["b", "a"])[2], ["b", "b", "a", "a"])


def test_frames_stay_frames():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["u", "v"]})
    X, y, nodes = from_nodes([(frame, pd.Series([1, 2])), (frame[:1], pd.Series([3]))])
    pd.testing.assert_frame_equal(X, pd.concat([frame, frame[:1]], ignore_index=True))
    pd.testing.assert_series_equal(y, pd.Series([1, 2, 3]))
    assert_array_equal(nodes, [0, 0, 1])


def test_frames_with_plain_targets():
    X, y, _ = from_nodes([(pd.DataFrame({"a": [1.0]}), [1]), (pd.DataFrame({"a": [2.0]}), [2])])
    assert isinstance(X, pd.DataFrame)
    assert_array_equal(y, [1, 2])


PAIR = np.ones((2, 1)), np.ones(2)


@pytest.mark.parametrize(
    ("pairs", "labels", "message"),
    [
        ([], None, "`pairs` is empty"),
        ({}, None, "`pairs` is empty"),
        ([PAIR, (np.ones((0, 1)), [])], None, "node 1 is empty"),
        ([PAIR, (np.ones((2, 2)), [0, 1])], None, "same columns; node 1 has 2, the first node 1"),
        ([(np.ones((2, 1)), [0])], None, "node 0 has 2 rows in X, 1 in y"),
        ([(np.ones(2), [0, 1])], None, "2-d X and a 1-d y"),
        ([(np.ones((2, 1)), np.ones((2, 1)))], None, "2-d X and a 1-d y"),
        ([PAIR, 3], None, "node 1 needs a pair"),
        ([PAIR, PAIR], [0], "`labels` has 1 entries, `pairs` has 2"),
        ([PAIR, PAIR], [0, 0], "`labels` must not repeat"),
        ([PAIR, PAIR], [0, "a"], "`labels` must hold"),
        ({0: PAIR}, [0], "`labels` must be None"),
        ({0: PAIR, "a": PAIR}, None, "`labels` must hold"),
        ([PAIR, (np.ones((2, 1)), ["u", "v"])], None, "strings where others hold numbers"),
        ([PAIR, (pd.DataFrame(np.ones((2, 1))), [0, 1])], None, "all polars, all arrays"),
    ],
)
def test_wrong_pairs(pairs, labels, message):
    with pytest.raises(ValueError, match=message):
        from_nodes(pairs, labels)


def test_frames_with_other_columns():
    with pytest.raises(ValueError, match=r"node 'v' has \['b'\], the first node \['a'\]"):
        from_nodes({"u": (pd.DataFrame({"a": [1.0]}), [1]), "v": (pd.DataFrame({"b": [1.0]}), [1])})


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_forgotten_column_of_nodes_is_named(library):
    frame = pytest.importorskip(library).DataFrame
    X = frame({"age": np.arange(9.0), "site": ["north", "south", "west"] * 3})
    message = r"You gave no nodes: if 'site' holds .* `node_column`, or pass it as `nodes`"
    for estimator in (FMTLRegressor(), PoisoningAttacker(FMTLRegressor())):
        with pytest.raises(ValueError, match=message):
            estimator.fit(X, np.arange(9.0))
    with pytest.raises(ValueError, match="column 'site'") as error:
        FMTLRegressor().fit(X, np.arange(9.0), nodes=["a", "b", "c"] * 3)
    assert "no nodes" not in str(error.value)


def test_words_that_hardly_repeat_are_taken_for_no_nodes():
    X = pd.DataFrame({"age": np.arange(4.0), "name": list("abcd")})
    with pytest.raises(ValueError, match="column 'name'") as error:
        FMTLRegressor().fit(X, np.arange(4.0))
    assert "no nodes" not in str(error.value)


def test_an_indirect_attack_needs_to_be_told_of_nodes():
    X, y = np.arange(8.0).reshape(4, 2), np.arange(4.0)
    with pytest.raises(ValueError, match="All rows are of one node: say whose they are by `nodes`"):
        PoisoningAttacker(FMTLRegressor(), attack="indirect").fit(X, y)
