"""Names of nodes, attacks, features and units are text: shown letter for letter, told apart."""

import csv
import html
import io

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from estimators import any_range
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl._report.choices import ATTACKS
from skfedmtl._report.experiment import BASELINES, CERTIFIED, KINDS, Result, Settings
from skfedmtl._report.figure import draw
from skfedmtl._report.printed import print_tables
from skfedmtl._report.tables import summarise, to_csv
from skfedmtl._tools.figures import as_drawn
from skfedmtl.inspection import (
    ConvergenceDisplay,
    RelationshipDisplay,
    SecurityCurveDisplay,
)
from skfedmtl.model_selection import security_curve

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

NAMES = [
    "$$",
    "a$b$c",
    "US$",
    r"$\frac$",
    "_x",
    "_",
    "__nolegend__",
    "C:\\temp",
    r"\alpha",
    "50%",
    "a\nb",
    "[red]x[/red]",
    ":smile:",
    "<b>",
    "&amp;\"'",
    "{0}",
    "x^2_1",
    "#~",
    "Ελλάς Жизнь né",
    "שלום",
    "a",
    "a ",
    " a",
    "",
    "long " * 30,
]
names = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def check_drawn(figure, texts, expected):
    """Check that these texts are what was expected, read as text, inside the figure."""
    figure.canvas.draw()
    assert [text.get_text() for text in texts] == expected
    for text in texts:
        assert not text.get_parse_math() and not text.get_usetex()
        if text.get_text():
            box = text.get_window_extent()
            assert box.x0 >= -1 and box.y0 >= -1
            assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1


def attack_of(name):
    """A curve with this name everywhere."""
    scores = np.array([[1.0, 2.0, 1.5], [2.0, 3.0, 2.5]])
    return Bunch(
        param_name=name,
        param_range=[name, [name, "other"]],
        scores=scores,
        clean_scores=scores - 0.5,
        score_name=name,
    )


# -- figures ------------------------------------------------------------------------------


def test_nodes_of_a_relationship():
    m = len(NAMES)
    display = RelationshipDisplay.from_matrix(np.eye(m), labels=NAMES)
    for axis in (display.ax_.xaxis, display.ax_.yaxis):
        check_drawn(display.figure_, axis.get_ticklabels(), NAMES)
    assert display.ax_.bbox.width > 300


def test_nodes_of_a_model():
    rng = np.random.default_rng(0)
    X, nodes = rng.normal(size=(4 * len(NAMES), 2)), np.repeat(NAMES, 4)
    model = FMTLRegressor(random_state=0).fit(X, X[:, 0], nodes=nodes)
    display = RelationshipDisplay.from_estimator(model, kind="precision")
    check_drawn(display.figure_, display.ax_.get_yticklabels(), sorted(NAMES))


@names
def test_every_name_has_room(name):
    """A name alone, which the figure must be large enough for."""
    display = ConvergenceDisplay.from_history([2.0, 1.0], name=name)
    check_drawn(display.figure_, display.ax_.get_legend().get_texts(), [name])


def test_fits():
    history = {"round": [0, 1], "objective": [2.0, 1.0], "dual_objective": [0.0, 0.9]}
    ax, expected = None, []
    for name in NAMES[:-1]:
        display = ConvergenceDisplay.from_history(history, y="objective", name=name, ax=ax)
        ax = display.ax_
        expected += [name, f"{name}: lower bound"]
    display.figure_.set_figheight(14)
    check_drawn(display.figure_, ax.get_legend().get_texts(), expected)


@pytest.mark.parametrize("name", ["a", "$$", "#~", "", "Wide", "_" * 30, "$" * 50])
def test_the_legend_of_two_fits_stays_inside(name):
    history = {"round": [0, 1], "objective": [2.0, 1.0], "dual_objective": [0.0, 0.9]}
    first = ConvergenceDisplay.from_history(history, y="objective", name=name)
    second = ConvergenceDisplay.from_history(history, y="objective", name="_other", ax=first.ax_)
    expected = [name, f"{name}: lower bound", "_other", "_other: lower bound"]
    check_drawn(first.figure_, second.ax_.get_legend().get_texts(), expected)


def test_security_curves():
    ax = None
    for name in NAMES[:-1]:
        display = SecurityCurveDisplay.from_curve(attack_of(name), name=name, ax=ax)
        ax = display.ax_
        labels = [ax.xaxis.label, ax.yaxis.label]
        note = "\n(± standard error of 3 repetitions)"
        assert [text.get_text() for text in labels] == [name, name + note]
        assert not any(text.get_parse_math() for text in labels)
    display.figure_.set_figheight(14)
    check_drawn(display.figure_, ax.get_legend().get_texts(), ["no attack", *NAMES[:-1]])


@pytest.mark.parametrize("values", [NAMES, ["$$", ["_x", "a$b$c"]], ["x" * 80, "_"]])
def test_values_of_a_curve(values):
    scores = np.ones((len(values), 1))
    display = SecurityCurveDisplay(param_name="source_nodes", param_range=values, scores=scores)
    display.plot()
    expected = [", ".join(value) if isinstance(value, list) else value for value in values]
    check_drawn(display.figure_, display.ax_.get_xticklabels(), expected)


def test_settings_of_users_do_not_matter():
    with plt.rc_context({"text.usetex": True, "text.parse_math": True}):
        relationship = RelationshipDisplay.from_matrix(np.eye(2), labels=["50%", "$"])
        curve = SecurityCurveDisplay.from_curve(attack_of("_$x$"), name="50%")
    texts = [*relationship.ax_.get_xticklabels(), *curve.ax_.get_legend().get_texts()]
    assert not any(text.get_usetex() or text.get_parse_math() for text in texts)


def test_what_users_drew_keeps_its_own_names():
    figure, ax = plt.subplots()
    ax.plot([0, 1], [0, 1], label="$x^2$")
    ax.plot([0, 1], [1, 0], label="_hidden")
    size = tuple(figure.get_size_inches())
    display = ConvergenceDisplay.from_history([2.0, 1.0], name="_x" * 60, ax=ax)
    texts = display.ax_.get_legend().get_texts()
    assert [text.get_text() for text in texts] == ["$x^2$", "_x" * 60]
    assert [text.get_parse_math() for text in texts] == [True, False]
    assert tuple(figure.get_size_inches()) == size


def test_what_has_no_shape_is_written_as_in_python():
    assert as_drawn("a\tb\x00\x1b[31m\x85\r\n") == r"a\tb\x00\x1b[31m\x85\r" + "\n"
    assert as_drawn("\ud800") == r"\ud800"
    display = ConvergenceDisplay.from_history([2.0, 1.0], name="a\tb\x1b")
    check_drawn(display.figure_, display.ax_.get_legend().get_texts(), [r"a\tb\x1b"])


def test_labels_of_frames():
    pair = ["$a$", "_"]
    for frame, labels in (
        (pd.DataFrame(np.eye(2), columns=pair, index=pair), None),
        (pl.DataFrame(np.eye(2), schema=pair), pair),  # its rows have no labels
    ):
        display = RelationshipDisplay.from_matrix(frame, labels=labels)
        check_drawn(display.figure_, display.ax_.get_xticklabels(), pair)


@pytest.mark.parametrize(
    "pair", [("a", "a\0"), ("a", "a "), ("a", " a"), ("", " "), ("é", "e\u0301"), ("a", "A")]
)
def test_names_that_look_alike_stay_two_or_are_refused(pair):
    matrix = [[1.0, 0.5], [0.5, 1.0]]
    for given in (
        {"matrix": matrix, "labels": list(pair)},
        {"matrix": pd.DataFrame(matrix, index=list(pair), columns=list(pair))},
    ):
        try:
            display = RelationshipDisplay.from_matrix(**given)
        except ValueError as error:
            assert "\0" in pair[1] and "`labels`" in str(error)
        else:
            texts = [text.get_text() for text in display.ax_.get_xticklabels()]
            assert texts == [as_drawn(name) for name in pair]
    display = RelationshipDisplay(matrix=np.eye(2), labels=list(pair)).plot()
    texts = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert texts == [as_drawn(name) for name in pair] and texts[0] != texts[1]


# -- the report ---------------------------------------------------------------------------


def report_rows(name):
    """The rows of a report on a data set whose unit has this name."""
    models = [(attack, "baseline") for attack in BASELINES] + [("none", "clean")]
    models += [(attack, kind) for attack in ATTACKS for kind in (*KINDS, CERTIFIED)]
    results = []
    for attack, kind in models:
        targets = np.array([True, False]) if attack in ATTACKS else None
        scores = {} if kind == CERTIFIED else {"rmse": np.array([1.0, 2.0])}
        results.append(Result(0, attack, kind, scores, targets, 0.1, 3.0, 1.0))
    return summarise(results, Settings(name, 1, 0.2, 0, 15, 0.1, 0.1, "squared_error"), name)


@pytest.mark.parametrize("name", ["$$", "a$b$c", "{0}", "a\nb"])
def test_the_figure_of_a_report(name):
    figure = draw(report_rows(name), [f"Data: {name}", f"nodes: {name}"])
    figure.savefig(io.BytesIO())
    label, below = (axes.yaxis.label for axes in figure.axes)
    texts = [text for text in figure.texts if name in text.get_text()]
    assert [text.get_text() for text in texts] == [f"Data: {name}", f"nodes: {name}"]
    assert label.get_text() == f"target nodes' test RMSE ({name})"
    assert below.get_text() == f"target nodes' training loss, as a root ({name})"
    assert not any(text.get_parse_math() for text in (*texts, label, below))


@pytest.mark.parametrize("name", [name for name in NAMES if "\n" not in name])
def test_the_tables_of_a_report(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "800")
    print_tables(report_rows(name), [f"Data: {name}", "nodes"], False)
    out = capsys.readouterr().out
    assert out.startswith(f"Data: {name}\nnodes\n")
    assert out.count(f"RMSE ({name})" if name else "RMSE ") == 4


def test_a_table_cuts_no_name(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    print_tables(report_rows("Q" * 120), ["\x1b[31mred", "nodes"], False)
    out = capsys.readouterr().out
    assert out.count("Q") == 6 * 120 and "…" not in out
    assert out.startswith(r"\x1b[31mred")


@pytest.mark.parametrize("name", [*NAMES, "a\rb", "a\r\nb", 'a,"b"', "a\0", "=1+1"])
def test_the_csv_of_a_report(name):
    rows = report_rows(name)
    found = list(csv.DictReader(io.StringIO(to_csv(rows).decode(), newline="")))
    assert len(found) == len(rows)
    written = f"'{name}" if name.startswith("=") else name  # or a spreadsheet would run it
    for one, other in zip(found, rows, strict=True):
        assert one["unit"] == written and one["dataset"] == written
        assert float(one["mean"]) == other["mean"]


# -- HTML ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["<b>&", "</script><script>", "\"'>", "&lt;"])
def test_html(name):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(20, 2)), columns=[name, "other"])
    nodes = np.repeat([name, "node"], 10)
    model = FMTLRegressor(node_labels=[name, "node"], random_state=0)
    attacker = PoisoningAttacker(
        model, target_nodes=[name], frozen_features=[name], init="clean", max_iter=1, random_state=0
    )
    model.fit(X, X["other"], nodes=nodes)
    attacker.fit(X, X["other"], nodes=nodes)
    for one in (model, attacker, make_pipeline(StandardScaler(), model)):
        plain = type(one)(model) if one is attacker else FMTLRegressor()
        text = one._repr_html_()
        marks = [text.count(f"{sign}script") for sign in ("<", "</")]
        assert marks == [plain._repr_html_().count(f"{sign}script") for sign in ("<", "</")]
        assert "<b>&" not in text
        assert "\"'>," not in text
        assert html.escape(name) in text or html.escape(repr(name)) in text


# -- columns of one name ------------------------------------------------------------------

MODELS = [
    lambda **params: FMTLRegressor(**params),
    lambda **params: FMTLClassifier(**params),
    lambda **params: PoisoningAttacker(FMTLRegressor(**params), max_iter=1, random_state=0),
    lambda **params: RandomPoisoner(FMTLRegressor(), random_state=0, **params),
    lambda **params: LabelFlipPoisoner(FMTLClassifier(), random_state=0, **params),
]
COLUMNS = [
    ("node", ["a", "node", "node"], "`node_column`='node' must name one column"),
    (2, ["a", "node", "node"], "`node_column`=2 needs columns of different names: .* 'node'"),
    ("node", ["a", "a", "node"], "`node_column`='node' needs columns of different names: .* 'a'"),
    (-1, [1, 1, 2], "`node_column`=-1 needs columns of different names: .* 1"),
]


def twin_rows(columns):
    rng = np.random.default_rng(0)
    nodes = np.repeat([0.0, 1.0], 10)
    X = pd.DataFrame(np.column_stack([rng.normal(size=20), nodes[::-1], nodes]), columns=columns)
    return X, np.tile([0, 1], 10)


@any_range
@pytest.mark.parametrize(
    "make", MODELS, ids=["regressor", "classifier", "attacker", "random", "flip"]
)
@pytest.mark.parametrize(("column", "columns", "message"), COLUMNS)
def test_a_column_name_twice(make, column, columns, message):
    X, y = twin_rows(columns)
    model = make(node_column=column)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert vars(model) == before
    if hasattr(model, "poison"):
        with pytest.raises(ValueError, match=message):
            model.poison(X, y)
    sound = X.set_axis(["a", "b", "node"], axis=1)
    model.set_params(**{name: "node" for name in model.get_params() if "node_column" in name})
    model.fit(sound, y)
    for method in (model.predict, lambda X: model.score(X, y)):
        with pytest.raises(ValueError, match="`node_column`='node'"):
            method(X.set_axis(["node", "a", "node"], axis=1))


def test_a_column_name_twice_in_a_curve():
    X, y = twin_rows(["a", "node", "node"])
    poisoner = RandomPoisoner(FMTLRegressor(node_column="node"), random_state=0)
    with pytest.raises(ValueError, match="`node_column`='node' must name one column"):
        security_curve(poisoner, X, y, param_name="budget", param_range=[0.1])


def test_column_names_of_any_kind():
    X, y = twin_rows(["$a$", "_b", "node "])
    model = FMTLRegressor(node_column="node ").fit(X, y)
    assert_array_equal(model.feature_names_in_, ["$a$", "_b", "node "])
    with pytest.raises(ValueError, match=r"`node_column`='node' must name one column: X has"):
        FMTLRegressor(node_column="node").fit(X, y)
