"""The figures of an attack: its damage by node, and the rows it injects."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from estimators import make_rows
from skfedmtl import FMTLRegressor, RandomPoisoner
from skfedmtl.inspection import DamageDisplay, PoisonedRowsDisplay
from skfedmtl.metrics import compare

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

NAMES = np.array(["a$b$c", "St. Mary's", "_Köln\n2"])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def setting():
    X, y, nodes = make_rows(FMTLRegressor, (140, 12, 160))
    poisoner = RandomPoisoner(FMTLRegressor(), target_nodes=[NAMES[1]], init="ball", random_state=0)
    return poisoner, X, y, NAMES[nodes]


def check_all_inside(figure):
    figure.canvas.draw()
    for ax in figure.axes:
        box = ax.get_tightbbox(figure.canvas.get_renderer())
        assert box.x0 >= -1 and box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert not ax.get_legend().get_window_extent().overlaps(ax.bbox)


def test_the_damage_by_node(setting):
    poisoner, X, y, nodes = setting
    frame = compare(poisoner, X, y, nodes=nodes)
    display = DamageDisplay.from_attacker(poisoner, X, y, nodes=nodes)
    pd.testing.assert_frame_equal(display.comparison, frame)
    assert set(display.lines_) == {"clean", "random", "optimised", "local"}
    for column, line in display.lines_.items():
        assert_array_equal(line.get_xdata(), frame[column])
    ends = np.array(display.interval_.get_segments())[:, :, 0]
    assert_allclose(ends, frame[["low", "high"]])
    # a node of few rows says so, letter for letter
    few = "St. Mary's (3 test rows)"
    assert [tick.get_text() for tick in display.ax_.get_yticklabels()] == [few, NAMES[2], NAMES[0]]
    assert display.ax_.get_xlabel() == "RMSE on test rows"
    assert [patch.get_y() for patch in display.ax_.patches] == [-0.5]  # the target, which is first
    check_all_inside(display.figure_)


def test_some_nodes_in_another_order_on_given_axes(setting):
    poisoner, X, y, nodes = setting
    frame = compare(poisoner, X, y, nodes=nodes).iloc[[2, 1]]
    _, ax = plt.subplots()
    display = DamageDisplay.from_comparison(frame, ax=ax)
    assert display.ax_ is ax and len(ax.patches) == 0
    assert_array_equal(display.lines_["clean"].get_xdata(), frame["clean"])


def test_what_is_no_comparison(setting):
    with pytest.raises(ValueError, match=r"`comparison` must be .* it lacks \['n_test', "):
        DamageDisplay.from_comparison(pd.DataFrame({"clean": [1.0]}))
    with pytest.raises(ValueError, match="`comparison` must be what compare returns"):
        DamageDisplay.from_comparison([1, 2])
    frame = compare(*setting[:3], nodes=setting[3])
    with pytest.raises(ValueError, match="`comparison` has no rows"):
        DamageDisplay.from_comparison(frame.iloc[:0])


@pytest.mark.parametrize("fitted", [False, True])
def test_injected_rows_of_two_features(setting, fitted):
    poisoner, X, y, nodes = setting
    attacked = clone(poisoner).fit(X, y, nodes=nodes)
    given = attacked if fitted else poisoner
    display = PoisonedRowsDisplay.from_attacker(given, X, y, nodes=nodes, features=[2, -3])
    assert_array_equal(display.injected_line_.get_xydata(), attacked.poison_X_[:, [2, 0]])
    assert_array_equal(display.clean_line_.get_xydata(), X[nodes == NAMES[1]][:, [2, 0]])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("feature 2", "feature 0")
    assert not hasattr(poisoner, "poison_X_")
    check_all_inside(display.figure_)


def test_the_node_column_is_no_feature(setting):
    poisoner, X, y, nodes = setting
    table = pd.DataFrame(X, columns=["$a", "b", "c"])
    table.insert(1, "site", nodes)
    column = clone(poisoner).set_params(node_column="site", feature_range="clean")
    display = PoisonedRowsDisplay.from_attacker(column, table, y, features=["$a", "c"])
    assert_array_equal(display.clean_line_.get_xydata(), X[nodes == NAMES[1]][:, [0, 2]])
    assert display.ax_.get_xlabel() == "$a"
    display.figure_.canvas.draw()


def test_the_plane_of_largest_variance(setting):
    from sklearn.decomposition import PCA

    poisoner, X, y, nodes = setting
    attacked = clone(poisoner).fit(X, y, nodes=nodes)
    display = PoisonedRowsDisplay.from_attacker(attacked, X, y, nodes=nodes)
    own = X[nodes == NAMES[1]]
    middle, spread = own.mean(axis=0), own.std(axis=0)
    plane = PCA(2).fit((own - middle) / spread)
    wanted = plane.transform((attacked.poison_X_ - middle) / spread)
    found = display.injected_line_.get_xydata()
    assert_allclose(found * np.sign(found[0] * wanted[0]), wanted)
    share = f"({100 * plane.explained_variance_ratio_[0]:.0f} % of the variance)"
    assert share in display.ax_.get_xlabel()


@pytest.mark.parametrize("features", ["ab", 3, [0], [0, 1, 2], [0, 3], ["a", "b"], [0, 1.5]])
def test_what_are_no_two_features(setting, features):
    poisoner, X, y, nodes = setting
    with pytest.raises(ValueError, match="`features` must be two columns of X"):
        PoisonedRowsDisplay.from_attacker(poisoner, X, y, nodes=nodes, features=features)


def test_other_refusals(setting):
    poisoner, X, y, nodes = setting
    with pytest.raises(ValueError, match="a single feature"):
        PoisonedRowsDisplay.from_attacker(poisoner, X[:, :1], y, nodes=nodes)
    with pytest.raises(TypeError, match="`attacker` must be a poisoner"):
        PoisonedRowsDisplay.from_attacker(FMTLRegressor(), X, y, nodes=nodes)
    with pytest.raises(ValueError, match=r"`clean` must have shape \(n, 2\), got \(3,\)"):
        PoisonedRowsDisplay(clean=[1, 2, 3], injected=[[1, 2]], names=["a", "b"]).plot()
