"""The figures: what is drawn, that it can be read, and that matplotlib is only needed to draw."""

import subprocess
import sys
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from estimators import climber
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    RandomPoisoner,
)
from skfedmtl._tools.figures import COLOURS, MARKERS
from skfedmtl.datasets import make_federated_classification, make_federated_regression
from skfedmtl.federation import FederatedNode, FederatedServer, LocalTransport
from skfedmtl.inspection import (
    ConvergenceDisplay,
    RelationshipDisplay,
    SecurityCurveDisplay,
)
from skfedmtl.inspection._order import places_in_order
from skfedmtl.model_selection import security_curve

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def rows():
    return make_federated_regression(
        5, sizes=(20, 30), n_features=6, random_state=0, return_X_y_nodes=True
    )


@pytest.fixture(scope="module")
def model(rows):
    X, y, nodes = rows
    return FMTLRegressor(random_state=0).fit(X, y, nodes=nodes)


@pytest.fixture(scope="module")
def attack():
    X, y, nodes = make_federated_classification(
        4, sizes=20, n_features=4, random_state=0, return_X_y_nodes=True
    )
    victim = FMTLClassifier(lambda2=0.01, random_state=0)
    return climber(victim, max_iter=5, random_state=0).fit(X, y, nodes=nodes)


@pytest.fixture(scope="module")
def curve(rows):
    X, y, nodes = rows
    return security_curve(
        RandomPoisoner(FMTLRegressor(), random_state=0),
        X,
        y,
        nodes=nodes,
        param_name="budget",
        param_range=[0.0, 0.1, 0.2],
        n_repeats=3,
    )


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def check_readable(figure):
    """Check that axes are named, and that all text lies in the figure and apart from the data."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    for ax in figure.axes:
        assert ax.get_ylabel()
        assert ax.get_xlabel() or ax.get_label() == "<colorbar>"
        box = ax.get_tightbbox(renderer)
        assert box.x0 >= -1 and box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        if ax.get_legend() is not None:
            assert not ax.get_legend().get_window_extent(renderer).overlaps(ax.bbox)
        for axis in (ax.xaxis, ax.yaxis):
            boxes = [
                label.get_window_extent(renderer)
                for label in axis.get_ticklabels()
                if label.get_text()
            ]
            for one, other in pairwise(boxes):
                assert not one.overlaps(other)


def write(display, tmp_path):
    """Write the figure and return its size in bytes."""
    path = tmp_path / "figure.png"
    display.figure_.savefig(path)
    return path.stat().st_size


# -- relationships ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["correlation", "precision"])
def test_the_relationship_of_a_model(kind, model, tmp_path):
    display = RelationshipDisplay.from_estimator(model, kind=kind)
    expected = getattr(model, f"node_{kind}")()
    assert_array_equal(display.matrix, expected)
    assert_array_equal(display.image_.get_array(), expected)
    assert_array_equal(display.labels, model.nodes_)
    low, high = display.image_.get_clim()
    assert low == -high and high == (1.0 if kind == "correlation" else np.abs(expected).max())
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == list("01234")
    assert display.figure_.axes[1].get_ylabel() == f"{kind} of the nodes"
    assert display.text_[1, 1].get_text() == f"{expected[1, 1]:.2f}"
    check_readable(display.figure_)
    assert write(display, tmp_path) > 5000


def test_a_pipeline_and_the_models_of_an_attack(rows, attack):
    X, y, nodes = rows
    pipeline = make_pipeline(StandardScaler(), FMTLRegressor())
    pipeline[:-1].fit(X)
    pipeline[-1].fit(pipeline[:-1].transform(X), y, nodes=nodes)
    display = RelationshipDisplay.from_estimator(pipeline)
    assert_array_equal(display.matrix, pipeline[-1].node_correlation())
    assert RelationshipDisplay.from_estimator(attack.clean_estimator_).matrix.shape == (4, 4)


def test_a_matrix_of_ones_own():
    frame = pd.DataFrame([[1, -0.5], [-0.5, 1]], columns=["here", "there"], index=["here", "there"])
    display = RelationshipDisplay.from_matrix(frame)
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["here", "there"]
    assert display.ax_.get_xticklabels()[0].get_rotation() == 90
    check_readable(display.figure_)
    with pytest.raises(ValueError, match=r"must name the same nodes .* \['there', 'here'\]"):
        RelationshipDisplay.from_matrix(frame.loc[["there", "here"]])
    with pytest.raises(ValueError, match="must name the same nodes"):  # nor by other names
        RelationshipDisplay.from_matrix(frame.loc[["there", "here"]], labels=["A", "B"])
    renamed = RelationshipDisplay.from_matrix(frame, labels=["A", "B"])
    assert renamed.labels.tolist() == ["A", "B"]
    with pytest.raises(TypeError, match="`matrix` is a DataFrame of polars"):
        RelationshipDisplay.from_matrix(pl.DataFrame(frame))
    assert RelationshipDisplay.from_matrix([[2.0]], kind="precision").labels.tolist() == [0]
    assert RelationshipDisplay.from_matrix(np.zeros((2, 2)), kind="precision").image_ is not None


@pytest.mark.parametrize("m", [1, 2, 12, 13, 30, 31, 90, 400])
def test_any_number_of_nodes_can_be_read(m, tmp_path):
    labels = [f"node {k}" for k in range(m)]
    display = RelationshipDisplay.from_matrix(np.eye(m), labels=labels)
    assert (display.text_ is None) == (m > 12)
    ticks = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert len(ticks) <= 30 and set(ticks) <= set(labels)
    check_readable(display.figure_)


def test_large_numbers_are_written_short():
    display = RelationshipDisplay.from_matrix(np.diag([1.0, 31.415, 2718.28]), kind="precision")
    assert display.text_[2, 2].get_text() == "2718"
    assert display.text_[0, 1].get_text() == "0"
    small = RelationshipDisplay.from_matrix([[1.0, -1e-9], [-1e-9, 1.0]])
    assert small.text_[0, 1].get_text() == "0.00"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"matrix": [[1, 2, 3]]}, r"`matrix` must be square, its shape is \(1, 3\)"),
        ({"matrix": [1.0]}, "`matrix` must be square"),
        ({"matrix": np.ones((0, 0))}, "`matrix` must be square"),
        ({"matrix": [["a"]]}, "`matrix` must hold numbers"),
        ({"matrix": [[1, np.nan], [np.nan, 1]]}, "`matrix` must hold finite numbers"),
        ({"matrix": [[1, 0.5], [0, 1]]}, "`matrix` must be symmetric"),
        ({"matrix": [[1, 2], [2, 1]]}, "between -1 and 1 if kind='correlation', .* is 2 in size"),
        ({"matrix": np.eye(2), "labels": ["a"]}, "`labels` must be 2, .* got 1"),
        ({"matrix": np.eye(2), "labels": ["a", "a"]}, "`labels` must not repeat"),
        ({"matrix": np.eye(2), "kind": "covariance"}, "`kind` must be .* got 'covariance'"),
        ({"matrix": np.eye(2), "kind": None}, "`kind` must be .* got None"),
    ],
)
def test_wrong_matrices(arguments, message):
    with pytest.raises(ValueError, match=message):
        RelationshipDisplay.from_matrix(**arguments)
    assert plt.get_fignums() == []


def test_wrong_estimators_of_a_relationship(model):
    with pytest.raises(
        TypeError, match=r"`estimator` must be an FMTLClassifier, .* StandardScaler"
    ):
        RelationshipDisplay.from_estimator(StandardScaler())
    with pytest.raises(NotFittedError):
        RelationshipDisplay.from_estimator(FMTLRegressor())
    with pytest.raises(ValueError, match="`kind`"):
        RelationshipDisplay.from_estimator(model, kind="distance")
    assert plt.get_fignums() == []


# -- the order of nodes -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["correlation", "precision"])
def test_nodes_are_drawn_in_the_order_that_is_asked_for(kind, model, tmp_path):
    order = [3, 0, 4, 1, 2]
    display = RelationshipDisplay.from_estimator(model, kind=kind, order=order)
    matrix = getattr(model, f"node_{kind}")()
    assert_array_equal(display.image_.get_array(), matrix[np.ix_(order, order)])
    assert_array_equal(display.matrix, matrix)
    assert_array_equal(display.order_, order)
    for axis in (display.ax_.xaxis, display.ax_.yaxis):
        assert [text.get_text() for text in axis.get_ticklabels()] == list("30412")
    assert display.text_[0, 1].get_text() == f"{matrix[3, 0]:.2f}"
    assert_array_equal(RelationshipDisplay.from_estimator(model, kind=kind).order_, range(5))
    check_readable(display.figure_)
    assert write(display, tmp_path) > 5000


def test_labels_of_ones_own_are_ordered():
    matrix, labels = np.array([[2.0, -1.0], [-1.0, 3.0]]), ["north", "south"]
    given = {"labels": labels, "kind": "precision"}
    display = RelationshipDisplay.from_matrix(matrix, order=["south", "north"], **given)
    assert_array_equal(display.image_.get_array(), [[3.0, -1.0], [-1.0, 2.0]])
    assert display.plot().order_.tolist() == ["south", "north"]


@given(
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["correlation", "precision"]),
)
def test_nodes_of_a_cluster_are_drawn_beside_each_other(sizes, seed, kind):
    """Whatever order they come in: nodes of one cluster are alike, those of others are not."""
    rng = np.random.default_rng(seed)
    cluster = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    same = cluster[:, None] == cluster
    matrix = np.where(same, rng.uniform(0.5, 0.9, same.shape), rng.uniform(-0.3, 0.3, same.shape))
    matrix = np.tril(matrix, -1) + np.tril(matrix, -1).T
    if kind == "precision":  # of any scales
        scale = 10.0 ** rng.uniform(-3, 3, len(cluster))
        matrix = np.outer(scale, scale) * (np.eye(len(cluster)) - matrix)
    else:
        matrix += np.eye(len(cluster))
    places = places_in_order("cluster", np.arange(len(cluster)), matrix, kind)
    assert_array_equal(np.sort(places), np.arange(len(cluster)))
    met = cluster[places]
    assert 1 + np.count_nonzero(met[1:] != met[:-1]) == len(sizes)


@pytest.mark.parametrize("m", [1, 2, 3, 13, 600])
@pytest.mark.parametrize("kind", ["correlation", "precision"])
def test_any_number_of_nodes_has_an_order_by_cluster(m, kind):
    """Also where nothing is alike, and where a precision prices nothing."""
    matrix = np.eye(m) if kind == "correlation" else np.zeros((m, m))
    display = RelationshipDisplay.from_matrix(matrix, kind=kind, order="cluster")
    assert_array_equal(np.sort(display.order_), np.arange(m))


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("clusters", "`order` must be None, 'cluster' or a list of .*, got 'clusters'"),
        (1, "`order` must be None, 'cluster' or a list of all nodes' labels, got 1"),
        (["a", "b"], "`order` must list all nodes; it lacks 'c'"),
        (["a", "b", "c", "c"], "`order` must not repeat labels: 'c'"),
        ([], "`order` is empty"),
        (
            ["a", "b", "C"],
            r"`order` holds labels of no node: 'C' \(did you mean 'c'\?\); .*'a', 'b'",
        ),
        ([0, 1, 2], "`order` holds labels of no node: 0, 1, 2; the nodes are 'a', 'b', 'c'"),
    ],
)
def test_wrong_orders(order, message):
    with pytest.raises(ValueError, match=message):
        RelationshipDisplay.from_matrix(np.eye(3), labels=list("abc"), order=order)
    assert plt.get_fignums() == []


def test_a_fitted_server_is_drawn_as_its_model(rows, tmp_path):
    X, y, nodes = rows
    parties = {
        label: FederatedNode(X[nodes == label], y[nodes == label], loss="squared_error")
        for label in np.unique(nodes).tolist()
    }
    server = FederatedServer(loss="squared_error", random_state=0)
    with pytest.raises(NotFittedError):
        RelationshipDisplay.from_estimator(server)
    server.fit(LocalTransport(parties))
    display = RelationshipDisplay.from_estimator(server, order="cluster")
    assert_array_equal(display.matrix, server.model_.node_correlation())
    assert_array_equal(display.labels, server.nodes_)
    same = RelationshipDisplay.from_estimator(server.model_, order="cluster")
    assert_array_equal(same.image_.get_array(), display.image_.get_array())
    ended = ConvergenceDisplay.from_estimator(server)
    assert legend(ended.ax_) == ["FederatedServer"]
    assert len(ended.lines_[0].get_ydata()) == server.n_iter_ + 1
    check_readable(display.figure_)
    assert write(display, tmp_path) > 5000


# -- security curves ----------------------------------------------------------------------


def test_a_curve_is_measured_and_drawn(rows, curve, tmp_path):
    X, y, nodes = rows
    display = SecurityCurveDisplay.from_estimator(
        RandomPoisoner(FMTLRegressor(), random_state=0),
        X,
        y,
        nodes=nodes,
        param_name="budget",
        param_range=[0.0, 0.1, 0.2],
        n_repeats=3,
    )
    assert_array_equal(display.scores, curve.scores)
    assert_array_equal(display.line_.get_xdata(), curve.param_range)
    assert_allclose(display.line_.get_ydata(), curve.scores.mean(axis=1))
    assert_allclose(display.clean_line_.get_ydata(), curve.clean_scores.mean(axis=1))
    ends = display.band_.get_paths()[0].vertices[:, 1]
    error = curve.scores.std(axis=1, ddof=1) / np.sqrt(3)
    assert ends.max() == pytest.approx((curve.scores.mean(axis=1) + error).max())
    assert legend(display.ax_) == ["no attack", "attack"]
    assert "RMSE" in display.ax_.get_ylabel() and "3 repetitions" in display.ax_.get_ylabel()
    assert "budget" in display.ax_.get_xlabel()
    check_readable(display.figure_)
    assert write(display, tmp_path) > 5000


def test_several_attacks_on_the_same_axes(curve):
    first = SecurityCurveDisplay.from_curve(curve, name="direct")
    higher = Bunch(**{**curve, "scores": 10 * curve.scores})
    second = SecurityCurveDisplay.from_curve(higher, name="hybrid", ax=first.ax_)
    assert second.ax_ is first.ax_ and second.figure_ is first.figure_
    assert legend(first.ax_) == ["no attack", "direct", "hybrid"]
    assert second.clean_line_ is None
    assert first.line_.get_color() == COLOURS[0] and second.line_.get_color() == COLOURS[1]
    assert first.line_.get_marker() == MARKERS[0] and second.line_.get_marker() == MARKERS[1]
    low, high = first.ax_.get_ylim()
    assert low == 0 and high > second.line_.get_ydata().max()
    check_readable(first.figure_)


def test_many_long_names_leave_the_data_free(curve):
    ax = None
    for name in ("direct attack", "indirect attack", "hybrid attack", "random rows, direct"):
        ax = SecurityCurveDisplay.from_curve(curve, name=name, ax=ax).ax_
    assert len(legend(ax)) == 5
    check_readable(ax.figure)


def test_values_of_all_sizes_are_drawn_logarithmically(curve):
    for values, scale in (
        ([1e-4, 1e-2, 1.0], "log"),
        ([1, 2, 3], "linear"),
        ([0, 1, 99], "linear"),
    ):
        wide = Bunch(**{**curve, "param_name": "eta", "param_range": values})
        display = SecurityCurveDisplay.from_curve(wide)
        assert display.ax_.get_xscale() == scale
        check_readable(display.figure_)


@pytest.mark.parametrize(
    "values", [["direct", "indirect", "hybrid"], ["max", 1.0, 2.0], [True, False, None]]
)
def test_values_that_are_no_numbers_stand_side_by_side(values, curve):
    other = Bunch(**{**curve, "param_name": "radius", "param_range": values})
    display = SecurityCurveDisplay.from_curve(other)
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == [str(v) for v in values]
    assert display.line_.get_linestyle() == "None"
    check_readable(display.figure_)


def test_a_single_value_is_seen(curve):
    """A line through one point shows nothing, nor does a band."""
    single = Bunch(**{key: curve[key] for key in curve})
    single.param_range, single.scores = [0.2], curve.scores[2:]
    single.clean_scores = curve.clean_scores[2:]
    display = SecurityCurveDisplay.from_curve(single)
    assert display.clean_line_.get_marker() == "_"
    (bar,) = display.band_.get_segments()
    assert bar[0, 1] < bar[1, 1]
    check_readable(display.figure_)


def test_a_single_repetition_has_no_band(curve):
    single = Bunch(**{**curve, "scores": curve.scores[:, :1], "clean_scores": None})
    display = SecurityCurveDisplay.from_curve(single)
    assert display.band_ is None and display.clean_line_ is None
    assert "repetition" not in display.ax_.get_ylabel()
    assert legend(display.ax_) == ["attack"]


@pytest.fixture(scope="module")
def certified(curve):
    """The curve with losses, made up, below a bound."""
    clean = np.full((3, 3), 2.0)
    found = np.array([[2.0, 2.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]])
    losses = {"objectives": found, "upper_bounds": found + 2.0, "clean_objectives": clean}
    return Bunch(**{**curve, **losses})


def test_bounds_have_axes_of_their_own_below(certified, curve, tmp_path):
    display = SecurityCurveDisplay.from_curve(certified)
    assert display.figure_.axes == [display.ax_, display.bound_ax_]
    assert_allclose(display.line_.get_ydata(), curve.scores.mean(axis=1))
    assert_allclose(display.objective_line_.get_ydata(), [2.0, 4.0, 7.0])
    assert_allclose(display.bound_line_.get_ydata(), [4.0, 6.0, 9.0])
    assert display.bound_line_.get_color() == display.line_.get_color()
    assert legend(display.bound_ax_) == ["no attack", "attack, found", "attack, certified"]
    assert "loss" in display.bound_ax_.get_ylabel() and "RMSE" in display.ax_.get_ylabel()
    assert "budget" in display.bound_ax_.get_xlabel()
    check_readable(display.figure_)
    assert display.ax_.get_position().y0 > display.bound_ax_.get_position().y1
    assert display.bound_ax_.get_ylim()[0] == 0
    assert write(display, tmp_path) > 5000


def test_several_bounds_on_the_same_axes(certified, curve):
    first = SecurityCurveDisplay.from_curve(certified, name="direct")
    other = SecurityCurveDisplay.from_curve(certified, name="hybrid", ax=first.ax_)
    assert other.bound_ax_ is first.bound_ax_ and len(first.figure_.axes) == 2
    names = [f"{name}, {what}" for name in ("direct", "hybrid") for what in ("found", "certified")]
    assert legend(first.bound_ax_) == ["no attack", *names]
    without = SecurityCurveDisplay.from_curve(curve, name="no bound", ax=first.ax_)
    assert without.bound_ax_ is without.bound_line_ is without.bound_band_ is None
    assert legend(first.ax_) == ["no attack", "direct", "hybrid", "no bound"]
    assert len(first.figure_.axes) == 2
    check_readable(first.figure_)
    again = first.plot()
    assert len(again.figure_.axes) == 2 and again.figure_ is not without.figure_


def test_bounds_of_values_that_are_no_numbers(certified):
    named = Bunch(**{**certified, "param_name": "radius", "param_range": ["max", 1.0, 2.0]})
    display = SecurityCurveDisplay.from_curve(named)
    assert display.bound_line_.get_linestyle() == display.objective_line_.get_linestyle() == "None"
    labels = [text.get_text() for text in display.bound_ax_.get_xticklabels()]
    assert labels == ["max", "1.0", "2.0"]
    ends = [segment[:, 1] for segment in display.bound_band_.get_segments()]
    assert_allclose(ends, [[2.0, 4.0], [4.0, 6.0], [7.0, 9.0]])
    check_readable(display.figure_)


def test_wrong_bounds(certified):
    with pytest.raises(ValueError, match=r"have objectives, .*; `upper_bounds` is None"):
        SecurityCurveDisplay.from_curve({**certified, "upper_bounds": None})
    with pytest.raises(ValueError, match=r"`upper_bounds` must have shape \(3, n_repeats\)"):
        SecurityCurveDisplay.from_curve({**certified, "upper_bounds": [1.0]})
    figure = plt.figure()
    with pytest.raises(ValueError, match="`ax` must be a subplot"):
        SecurityCurveDisplay.from_curve(certified, ax=figure.add_axes((0.1, 0.1, 0.8, 0.8)))


def test_a_curve_with_bounds_is_measured(rows):
    X, y, nodes = rows
    poisoner = RandomPoisoner(FMTLRegressor(lambda1=0.1), random_state=0)
    along = {"param_name": "budget", "param_range": [0.1], "n_repeats": 1}
    display = SecurityCurveDisplay.from_estimator(poisoner, X, y, nodes=nodes, bound=True, **along)
    assert display.clean_objectives < display.objectives < display.upper_bounds
    check_readable(display.figure_)


def test_wrong_curves(curve):
    with pytest.raises(ValueError, match=r"`curve` .* it lacks \['scores'\]"):
        SecurityCurveDisplay.from_curve({k: v for k, v in curve.items() if k != "scores"})
    with pytest.raises(ValueError, match=r"`scores` must have shape \(3, n_repeats\).* \(2, 3\)"):
        SecurityCurveDisplay.from_curve({**curve, "scores": curve.scores[:2]})
    with pytest.raises(ValueError, match=r"`clean_scores` must have shape"):
        SecurityCurveDisplay.from_curve({**curve, "clean_scores": curve.scores[0]})
    assert plt.get_fignums() == []


# -- convergence --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "label"),
    [("round", "round"), ("bytes_communicated", "communicated (MB)"), ("time", "time (s)")],
)
def test_the_gap_of_a_fit(x, label, rows, tmp_path):
    X, y, nodes = rows
    model = FMTLRegressor(solver="mocha", random_state=0).fit(X, y, nodes=nodes)
    display = ConvergenceDisplay.from_estimator(model, x=x)
    (line,) = display.lines_
    history = model.history_
    expected = (history["objective"] - history["dual_objective"]) / history["objective"]
    assert_allclose(line.get_ydata(), expected, atol=1e-15)
    assert_allclose(line.get_xdata(), history[x] / (1e6 if x == "bytes_communicated" else 1.0))
    assert display.ax_.get_yscale() == "log" and display.ax_.get_xlabel() == label
    assert display.ax_.get_ylabel() == "duality gap / objective"
    assert legend(display.ax_) == ["FMTLRegressor"]
    check_readable(display.figure_)
    assert write(display, tmp_path) > 5000


def test_the_objective_and_its_lower_bound(model):
    display = ConvergenceDisplay.from_estimator(model, y="objective", name="fit")
    upper, lower = display.lines_
    assert_array_equal(upper.get_ydata(), model.history_["objective"])
    assert_array_equal(lower.get_ydata(), model.history_["dual_objective"])
    assert legend(display.ax_) == ["fit", "fit: lower bound"]
    assert display.ax_.get_yscale() == "linear"
    check_readable(display.figure_)


def test_the_objective_of_an_attack(attack):
    display = ConvergenceDisplay.from_estimator(attack)
    (line,) = display.lines_
    assert_array_equal(line.get_ydata(), attack.objective_history_)
    assert_array_equal(line.get_xdata(), np.arange(attack.n_iter_ + 1))
    assert display.ax_.get_ylabel() == "objective of the attack"
    _, ax = plt.subplots(subplot_kw={"xscale": "log"})
    ConvergenceDisplay.from_estimator(attack, ax=ax)
    assert all(tick == int(tick) for tick in display.ax_.get_xticks())
    check_readable(display.figure_)


def test_several_fits_on_the_same_axes(rows, model):
    X, y, nodes = rows
    first = ConvergenceDisplay.from_estimator(model, name="splitting")
    other = FMTLRegressor(solver="mocha", random_state=0).fit(X, y, nodes=nodes)
    second = ConvergenceDisplay.from_estimator(other, name="mocha", ax=first.ax_)
    assert legend(first.ax_) == ["splitting", "mocha"]
    assert first.lines_[0].get_color() != second.lines_[0].get_color()
    check_readable(first.figure_)


def test_lines_are_told_apart_without_colours():
    """By the marker and by the stroke, and markers of lines that run together by their places."""
    gaps = {"round": np.arange(61), "objective": np.full(61, 1.0), "dual_objective": np.zeros(61)}
    ax = None
    for number in range(6):
        display = ConvergenceDisplay.from_history(gaps, name=f"fit {number}", ax=ax)
        ax = display.ax_
    pairs = list(combinations(ax.lines, 2))
    assert len(pairs) == 15
    for one, other in pairs:
        assert one.get_marker() != other.get_marker()
        places = [set(range(61)[slice(line.get_markevery()[0], None, 5)]) for line in (one, other)]
        assert one.get_linestyle() != other.get_linestyle() or not places[0] & places[1]
    for one, other in pairwise(ax.lines):
        assert one.get_linestyle() != other.get_linestyle()
    looks = {(line.get_marker(), line.get_linestyle()) for line in ax.lines}
    assert len(looks) == 6
    bounds = ConvergenceDisplay.from_history(gaps, y="objective")
    assert bounds.lines_[0].get_linestyle() == "-" and bounds.lines_[1].get_linestyle() == "--"
    check_readable(ax.figure)


def test_gaps_of_nothing_can_be_drawn(tmp_path):
    history = {"round": [0, 1, 2], "objective": [0.0, 1.0, 1.0], "dual_objective": [0.0, 0.5, 1.0]}
    display = ConvergenceDisplay.from_history(history)
    drawn = display.lines_[0].get_ydata()
    assert np.isnan(drawn[0]) and drawn[1] == 0.5 and 0 < drawn[2] < 1e-15
    assert write(display, tmp_path) > 5000
    single = ConvergenceDisplay.from_history([3.0])
    assert legend(single.ax_) == ["attack"]
    check_readable(single.figure_)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": "rounds"}, "`x` must be 'round', 'bytes_communicated' or 'time', got 'rounds'"),
        ({"y": "dual"}, "`y` must be 'gap' or 'objective', got 'dual'"),
        ({"history": {"round": [0]}}, r"it lacks \['objective', 'dual_objective'\]"),
        ({"history": []}, r"`history` must be .* shape \(0,\)"),
        ({"history": [[1.0]]}, r"`history` must be .* shape \(1, 1\)"),
    ],
)
def test_wrong_histories(change, message, model):
    with pytest.raises(ValueError, match=message):
        ConvergenceDisplay.from_history(**{"history": model.history_, **change})
    assert plt.get_fignums() == []


def test_wrong_estimators_of_a_history(rows):
    X, y, nodes = rows
    with pytest.raises(NotFittedError):
        ConvergenceDisplay.from_estimator(FMTLRegressor())
    poisoner = RandomPoisoner(FMTLRegressor(), random_state=0).fit(X, y, nodes=nodes)
    with pytest.raises(TypeError, match=r"`estimator` must have a history: .* got RandomPoisoner"):
        ConvergenceDisplay.from_estimator(poisoner)


# -- all of them --------------------------------------------------------------------------


def test_given_axes_are_drawn_on_and_plot_draws_again(model, attack, curve):
    figure, axes = plt.subplots(1, 3, figsize=(15, 4), layout="constrained")
    displays = (
        RelationshipDisplay.from_estimator(model, ax=axes[0]),
        SecurityCurveDisplay.from_curve(curve, ax=axes[1]),
        ConvergenceDisplay.from_estimator(attack, ax=axes[2]),
    )
    for display, ax in zip(displays, axes, strict=True):
        assert display.ax_ is ax and display.figure_ is figure
    check_readable(figure)
    assert plt.get_fignums() == [figure.number]
    for display, ax in zip(displays, axes, strict=True):
        assert display.plot() is display and display.ax_ is not ax
        check_readable(display.figure_)


def test_settings_of_matplotlib_are_left_alone(model):
    before = dict(matplotlib.rcParams)
    RelationshipDisplay.from_estimator(model)
    assert dict(matplotlib.rcParams) == before


def test_colours_stay_apart_for_the_colour_blind():
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in COLOURS]) / 255
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    # Machado, Oliveira and Fernandes (2009): no red cones, no green cones
    simulations = (
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    )
    for matrix in simulations:
        seen = linear @ np.array(matrix).T
        distances = np.linalg.norm(seen[:, None] - seen, axis=2)
        assert distances[np.triu_indices(len(seen), k=1)].min() > 0.1
    assert len(COLOURS) == len(set(COLOURS)) == len(set(MARKERS)) == len(MARKERS)


def test_matplotlib_is_needed_to_draw_only(model, curve, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    draw = (
        lambda: RelationshipDisplay.from_estimator(model),
        lambda: SecurityCurveDisplay.from_curve(curve),
        lambda: ConvergenceDisplay.from_estimator(model),
    )
    for function in draw:
        with pytest.raises(ImportError, match=r'Display needs matplotlib.*"skfedmtl\[report\]"'):
            function()


def test_importing_the_module_does_not_import_matplotlib():
    code = "import sys, skfedmtl.inspection, skfedmtl.metrics; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
