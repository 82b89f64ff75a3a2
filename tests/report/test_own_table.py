"""Tables of users: what is read, what injected rows hold, what the page says, what is refused."""

import csv
import re
import shlex
import sys
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from skfedmtl._console import main
from skfedmtl._report import command
from skfedmtl._report.experiment import Threat, _reach, split_rows
from skfedmtl._report.own_table import read_column, read_nodes, read_table
from skfedmtl._report.plan import check_threat
from skfedmtl._report.prepared import Asked, fill_missing, prepare, split_table
from skfedmtl.report import attack_report

SITES = ["St. Mary's", "Köln Süd", "<script>alert(1)</script>", "=cmd()|x", "NA"]
NAMES = ["Ålder (år)", "bmi", "visits", "<b>ward", "smoker"]
KINDS = ("random", "optimised")
QUICK = ["--repeats", "1", "--max-iter", "2", "--n-jobs", "1", "--lambda1", "0.1"]
QUICK += ["--lambda2", "0.01"]


def hospitals():
    rng = np.random.default_rng(0)
    n = 200
    table = pd.DataFrame(
        {
            "site": np.array(SITES)[np.arange(n) % 5],
            "Ålder (år)": rng.integers(18, 95, n),
            "bmi": rng.normal(27.0, 4.0, n).round(1),
            "visits": rng.poisson(2.0, n),
            "<b>ward": rng.choice(["A", "B", "=C()"], n),
            "smoker": rng.choice(["yes", "no"], n),
        }
    )
    risk = 0.05 * (table["Ålder (år)"] - 55) + (table["<b>ward"] == "B") + rng.normal(size=n)
    table["outcome"] = np.where(risk > 0.3, "died", "alive")
    table["cost"] = (1000.0 + 300.0 * risk).round(2)
    for name in ("Ålder (år)", "bmi", "<b>ward", "outcome"):
        known = rng.random(n) > 0.05
        values = table[name].tolist()
        table[name] = pd.Series([v if k else None for v, k in zip(values, known, strict=True)])
    return table


def write(folder, table):
    path = folder / "hospitals.csv"
    table.to_csv(path, index=False)
    return str(path)


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """The folder of a report on a binary outcome in words."""
    folder = tmp_path_factory.mktemp("classes")
    path = write(folder, hospitals())
    options = ["--target", "outcome", "--node", "site", "--drop", "cost", "--poisoned", *QUICK]
    options += ["--frozen", "smoker", "--bound-iter", "1", "--attack", "direct", "hybrid"]
    options += ["--output", str(folder / "out")]
    assert main(["report", path, *options]) == 0
    return folder / "out"


# -- the rows that are injected -----------------------------------------------------------


def test_injected_rows_could_be_rows_of_the_table(classes):
    table, poisoned = hospitals(), read(classes / "poisoned.csv")
    assert {row["attack"] for row in poisoned} == {"direct", "hybrid"}
    for row in poisoned:
        assert row["is_poison"] == "True" and row["outcome"] in ("died", "alive")
        mine = table[table["site"] == row["site"].removeprefix("'")]
        for name in ("Ålder (år)", "bmi", "visits"):
            known = mine[name].dropna().astype(float)
            middle = table[name].dropna().astype(float).median()
            low, high = min(known.min(), middle), max(known.max(), middle)
            assert low <= float(row[name]) <= high
        assert re.fullmatch(r"\d+", row["Ålder (år)"]) and re.fullmatch(r"\d+", row["visits"])
        assert re.fullmatch(r"\d+\.\d", row["bmi"])
        assert row["<b>ward"].removeprefix("'") in ("A", "B", "=C()")
        origin = int(row["origin"])
        if origin >= 0:
            assert table["site"][origin] == row["site"].removeprefix("'")
            assert table["smoker"][origin] == row["smoker"]


@pytest.mark.parametrize("target", ["outcome", "cost"])
def test_limits_hold_in_the_numbers_that_models_see(target):
    asked = Asked(drop=["cost" if target == "outcome" else "outcome"])
    prepared = prepare(*split_table(hospitals(), target, "site", asked), asked)
    X, y, nodes, own = prepared
    assert own.limits["one_hot_groups"] == [[3, 4, 5], [6, 7]]
    assert own.limits["integer_features"] == [0, 2]
    split = split_rows(X, y, nodes, 1, own)
    assert not np.isnan(split.raw).any()
    assert (split.raw[:, [0, 2]] == np.rint(split.raw[:, [0, 2]])).all()
    assert (split.raw[:, 3:6].sum(axis=1) == 1).all() and (split.raw[:, 6:].sum(axis=1) == 1).all()
    # no corner of any node's ranges, with any ward, is beyond the ball of the certificate
    mean, scale = split.raw.mean(axis=0), split.raw.std(axis=0)
    for label in split.labels:
        mine = split.raw[split.nodes == label]
        for ward in np.eye(3):
            for smoker in np.eye(2):
                for end in (mine.min(axis=0), mine.max(axis=0)):
                    row = np.r_[end[:3], ward, smoker]
                    assert np.linalg.norm((row - mean) / scale) <= _reach(split, own)


def test_missing_values_are_what_training_rows_have_in_the_middle():
    X = pd.DataFrame({"a": [1.0, 2.0, 9.0, None, 4.0], "b": ["x", "x", "y", None, "y"]})
    given = X, pd.Series([1.0, 2.0, 3.0, 4.0, 5.0]), pd.Series(list("ppqqq"))
    prepared = prepare(*given, Asked(task="regression"))
    train, test = fill_missing(prepared.X[:3], prepared.X[3:], prepared.own)
    np.testing.assert_array_equal(train, prepared.X[:3])
    np.testing.assert_array_equal(test, [[2.0, 1.0, 0.0], [4.0, 0.0, 1.0]])


# -- what is written ----------------------------------------------------------------------


class Texts(HTMLParser):
    """What a page shows, and the tags that it has."""

    def __init__(self):
        super().__init__()
        self.texts, self.tags, self.links = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for key, value in attrs if key in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_shows_names_as_they_are_and_asks_for_nothing(classes):
    text = (classes / "report.html").read_text(encoding="utf-8")
    page = Texts()
    page.feed(text)
    assert {"script", "b", "link"}.isdisjoint(page.tags)
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "url(" not in text and "@import" not in text
    for name in (*SITES, "<b>ward", "Ålder (år)"):
        assert name in page.texts
    assert "5 nodes (site), 2 of them attacked; " in "".join(page.texts)
    assert any(
        one.startswith("skfedmtl report ") and "--frozen smoker" in one for one in page.texts
    )
    assert any("†" in one for one in page.texts)  # ten test rows a node
    for title in ("Worst case", "Injected rows beside clean ones", "By node", "Under attack"):
        assert any(one.startswith(title) for one in page.texts)


def test_every_node_has_its_rows(classes):
    table = hospitals().dropna(subset=["outcome"])
    rows = [row for row in read(classes / "report.csv") if row["level"] == "node"]
    clean = [row for row in rows if row["kind"] == "clean" and row["metric"] == "error"]
    assert len(clean) == 5
    for row in clean:
        count = int((table["site"] == row["node"].removeprefix("'")).sum())
        assert int(row["n_train"]) + int(row["n_test"]) == count
    means = {row["node"]: float(row["mean"]) for row in clean}
    wanted = {"attack": "none", "level": "aggregate", "metric": "error", "nodes": "all"}
    (mean,) = (
        float(row["mean"])
        for row in read(classes / "report.csv")
        if all(row[key] == value for key, value in wanted.items())
    )
    np.testing.assert_allclose(np.mean(list(means.values())), mean)
    attacked = {row["node"] for row in rows if row["kind"] == "optimised"}
    assert len(attacked) == 2 and attacked <= means.keys()


def test_columns_of_a_node_are_of_the_same_repetitions(tmp_path):
    """Of those in which it was a target, if it was one: the ratio is that of the means shown."""
    options = ["--target", "cost", "--node", "site", "--drop", "outcome", "--no-bound", *QUICK]
    options += ["--attack", "direct", "--repeats", "4", "--no-remedies", "--output", str(tmp_path)]
    assert main(["report", write(tmp_path, hospitals()), *options]) == 0
    rows = [row for row in read(tmp_path / "report.csv") if row["level"] == "node"]
    clean = {row["node"]: float(row["mean"]) for row in rows if row["kind"] == "clean"}
    attacked = [row for row in rows if row["attack"] == "direct"]
    assert 0 < len(attacked) < 2 * 4 * len(clean)
    for row in attacked:
        np.testing.assert_allclose(
            float(row["ratio"]), float(row["mean"]) / clean[row["node"]], rtol=1e-9
        )


def test_nodes_of_one_class_each_have_a_report(tmp_path):
    """No area under any curve is defined."""
    table = hospitals().dropna(subset=["outcome"])
    table["outcome"] = np.where(table["site"].isin(SITES[:2]), "died", "lived")
    options = ["--target", "outcome", "--node", "site", "--drop", "cost", "--positive", "died"]
    options += ["--no-bound", "--no-remedies", "--attack", "direct", *QUICK]
    path = write(tmp_path, table)
    assert main(["report", path, *options, "--output", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").exists() and (tmp_path / "report.png").exists()


def test_nothing_found_exceeds_what_is_certified(classes):
    rows = [row for row in read(classes / "report.csv") if row["metric"] == "loss"]
    losses = {(row["attack"], row["kind"]): float(row["mean"]) for row in rows if not row["node"]}
    for attack in ("direct", "hybrid"):
        assert losses["none", "clean"] < losses[attack, "found"] < losses[attack, "certified"]


def test_no_cell_is_run_by_a_spreadsheet(classes):
    for name in ("report.csv", "poisoned.csv"):
        with open(classes / name, newline="", encoding="utf-8") as file:
            cells = [cell for line in csv.reader(file) for cell in line]
        wrong = [cell for cell in cells if cell.startswith(("=", "+", "@", "-"))]
        assert all(float(cell) < 0 for cell in wrong)
        assert "'=cmd()|x" in cells


def test_attacks_and_nodes_can_be_chosen_and_the_bound_left_out(tmp_path, capsys):
    options = ["--target", "cost", "--node", "site", "--drop", "outcome", "--no-bound", *QUICK]
    options += ["--attack", "indirect", "--targets", "NA", "Köln Süd", "--sources", "St. Mary's"]
    path = write(tmp_path, hospitals())
    assert main(["report", path, *options, "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "cost in hospitals.csv" in out and "Worst case" not in out and "RMSE (cost)" in out
    assert not (tmp_path / "poisoned.csv").exists()
    rows = read(tmp_path / "report.csv")
    assert {row["attack"] for row in rows} == {"constant", "local", "global", "none", "indirect"}
    attacked = {row["node"] for row in rows if row["attack"] == "indirect" and row["node"]}
    assert attacked == {"NA", "Köln Süd"}


def test_named_sources_are_tried_on_all_others(tmp_path, capsys):
    options = ["--target", "cost", "--node", "site", "--drop", "outcome", "--no-bound", *QUICK]
    options += ["--sources", "NA", "Köln Süd", "--no-remedies", "--max-iter", "0"]
    path = write(tmp_path, hospitals())
    assert main(["report", path, *options, "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "targets: all nodes but the sources, 'Köln Süd', 'NA'" in out
    rows = read(tmp_path / "report.csv")
    for attack in ("direct", "indirect", "hybrid"):
        hurt = {row["node"].removeprefix("'") for row in rows if row["attack"] == attack} - {""}
        assert hurt == set(SITES) - {"NA", "Köln Süd"}
    asked = Threat(("direct",), None, ("NA",))
    assert check_threat(asked, np.array(SITES)).targets is None
    everyone = Threat(("direct", "hybrid"), None, tuple(SITES))
    assert check_threat(everyone, np.array(SITES)).targets is None


def test_the_function_says_what_the_command_says(classes, tmp_path):
    table = hospitals()
    options = {"bound": False, "repeats": 1, "max_iter": 2, "lambda1": 0.1, "lambda2": 0.01}
    given = table[NAMES], table["outcome"], table["site"]
    report = attack_report(*given, frozen=["smoker"], attack=["hybrid", "direct"], **options)
    rows = [row for row in read(classes / "report.csv") if row["level"] == "aggregate"]
    rows = [row for row in rows if row["kind"] in KINDS and row["metric"] != "loss"]
    np.testing.assert_array_equal(report.attacks["mean"], [float(row["mean"]) for row in rows])
    assert set(report.nodes["node"]) == set(SITES)
    assert report.clean["model"].unique().tolist() == ["constant", "local", "global", "none"]
    page = report.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "attack_report(X, y, nodes, frozen=[&#x27;smoker&#x27;], attack=" in page
    assert len(report.plot().axes) == 2


def test_penalties_are_chosen_on_training_rows(tmp_path, capsys):
    options = ["--target", "cost", "--node", "site", "--drop", "outcome", "--no-bound"]
    options += ["--attack", "direct", "--max-iter", "0", "--repeats", "1", "--n-jobs", "1"]
    path = write(tmp_path, hospitals())
    assert main(["report", path, *options, "--output", str(tmp_path)]) == 0
    assert "penalties chosen by 3-fold cross-validation" in capsys.readouterr().out
    (pair,) = {(row["lambda1"], row["lambda2"]) for row in read(tmp_path / "report.csv")}
    assert float(pair[0]) > 0 and float(pair[1]) > 0


# -- what is read -------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_and_marks_of_byte_order(mark, encoding, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(mark.join(["é", "b", "c"]).encode(encoding) + f"\n1{mark}2{mark}\n".encode())
    frame = read_table(str(path))
    assert frame.columns.tolist() == ["é", "b", "c"] and frame.values.tolist() == [["1", "2", ""]]


def test_parquet_is_read_by_pandas(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"")
    monkeypatch.setattr(pd, "read_parquet", lambda path: hospitals())
    assert read_table(str(path)).columns.tolist() == hospitals().columns.tolist()

    def lacking(path):
        raise ImportError

    monkeypatch.setattr(pd, "read_parquet", lacking)
    with pytest.raises(ValueError, match="pip install pyarrow"):
        read_table(str(path))


def test_a_node_may_be_called_na_and_a_number():
    assert read_nodes(pd.Series(["NA", " a ", "", None])).tolist() == ["NA", "a", None, None]
    assert read_nodes(pd.Series([1.0, 2.0, None])).tolist() == ["1", "2", None]
    assert read_column("x", pd.Series(["1", " 2.5", "n/a", "?"])).tolist()[:2] == [1.0, 2.5]
    assert read_column("x", pd.Series([True, False])).tolist() == ["True", "False"]


# -- what is refused ----------------------------------------------------------------------


def changed(**columns):
    return lambda: hospitals().assign(**columns)


def text_of(text, encoding="utf-8"):
    return lambda: text.encode(encoding)


N = 200
WRONG = [
    (hospitals, ["--target", "nothing"], "target: no column 'nothing' among"),
    (hospitals, ["--node", "nothing"], "node: no column 'nothing' among"),
    (hospitals, ["--node", "outcome"], "the same column, 'outcome'"),
    (hospitals, ["--drop", "nothing"], "drop: no column 'nothing'"),
    (hospitals, ["--frozen", "nothing"], "frozen: no column 'nothing'"),
    (hospitals, ["--integer", "bmi"], "integer: column 'bmi' holds"),
    (hospitals, ["--integer", "smoker"], "integer: column 'smoker' holds categories"),
    (hospitals, ["--positive", "ill"], "positive: no class 'ill' among 'alive', 'died'"),
    (hospitals, ["--task", "regression"], "target: a regression needs numbers, got"),
    (hospitals, ["--target", "visits"], "or the task regression"),
    (hospitals, ["--target", "<b>ward"], "3 classes, '=C()', 'A', 'B'"),
    (hospitals, ["--targets", "nowhere"], "targets: no node 'nowhere' among"),
    (hospitals, ["--sources", "St Marys"], '(did you mean "St. Mary\'s"?)'),
    (hospitals, ["--drop", "Smoker"], "(did you mean 'smoker'?)"),
    (hospitals, ["--sources", *SITES], "sources: all nodes are, which leaves no target"),
    (hospitals, ["--targets", *SITES], "an indirect attack needs a node that is no target"),
    (hospitals, ["--targets", "NA", "--sources", "NA"], "sources: 'NA' is a target"),
    (changed(site="one"), [], "node: all rows have the same, 'one'; two are needed"),
    (changed(site=np.arange(N)), [], "node: every row has another"),
    (changed(site=""), [], "node: no row has one"),
    (changed(outcome="died"), [], "target: all rows have the same, 'died'"),
    (changed(outcome=""), [], "target: no row has one"),
    (changed(name=[f"p{i}" for i in range(N)]), [], "different words; at most 50 can be"),
    (changed(day="2020-01-31"), [], "column 'day' holds dates"),
    (changed(size=[f"{i},5" for i in range(N)]), [], "numbers with a comma, such as '0,5'"),
    (changed(size=["some", *range(N - 1)]), [], "column 'size' holds numbers, but 'some' among"),
    (changed(size=np.inf), [], "column 'size' holds infinity"),
    (text_of(""), [], "the file is empty"),
    (text_of("a,b\n1,2\n"), [], "the table has 2 column(s), 'a', 'b'"),
    (text_of("a,b,c\n"), [], "the table has no rows"),
    (text_of("a,b,a\n1,2,3\n"), [], "names that differ; twice: 'a'"),
    (text_of("a,,c\n1,2,3\n"), [], "column 2 has no name"),
    (text_of("a,b,c\n1,2,3,4\n"), [], "not a table that can be read"),
    (text_of("ä,b,c\n1,2,3\n", "latin-1"), [], "is no UTF-8"),
    (text_of("a\0b,c,d\n"), [], "zero bytes"),
]


@pytest.mark.parametrize(("make", "options", "message"), WRONG)
def test_bad_tables_are_refused_before_any_work(
    make, options, message, tmp_path, capsys, monkeypatch
):
    def work(*args):
        raise AssertionError("the command started to work")

    monkeypatch.setattr(command, "_run", work)
    made = make()
    path = tmp_path / "table.csv"
    if isinstance(made, bytes):
        path.write_bytes(made)
    else:
        made.to_csv(path, index=False)
    common = ["--target", "outcome", "--node", "site", *QUICK, "--output", str(tmp_path / "out")]
    assert main(["report", str(path), *common, *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("skfedmtl report: error: ") and message in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["table.csv", "--target", "y"], "argument --node: a TABLE needs it"),
        (["table.csv", "--node", "y"], "argument --target: a TABLE needs it"),
        (["table.csv", "--dataset", "flights"], "not allowed with argument"),
        (["--target", "y"], "argument --target: needs a TABLE"),
        (["--poisoned"], "argument --poisoned: needs a TABLE"),
        (["--drop", "a", "table.csv"], "argument --drop: needs a TABLE"),
        (["table.csv", "--attack", "other"], "invalid choice: 'other'"),
    ],
)
def test_options_that_do_not_go_together(options, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["report", *options])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_targets_without_test_rows_leave_an_empty_report(tmp_path):
    """A node of one row is for training: what it suffers on test rows is not known."""
    table = hospitals()
    table.loc[0, "site"] = "alone"
    asked = [write(tmp_path, table), "--target", "outcome", "--node", "site"]
    asked += ["--targets", "alone", "--attack", "direct", "--no-bound", "--no-remedies"]
    assert main(["report", *asked, *QUICK, "--output", str(tmp_path / "out")]) == 0
    rows = read(tmp_path / "out" / "report.csv")
    errors = [row["mean"] for row in rows if row["nodes"] == "targets" and row["unit"] == "%"]
    assert errors and set(errors) == {""}


def test_a_table_needs_pandas(tmp_path, capsys, monkeypatch):
    path = write(tmp_path, hospitals())
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert main(["report", path, "--target", "outcome", "--node", "site"]) == 2
    error = capsys.readouterr().err
    assert "the report needs pandas" in error and "pip install" in error
    with pytest.raises(ImportError, match="pip install pandas"):
        attack_report(np.eye(4), np.arange(4.0), list("aabb"))


def test_a_file_that_is_not_there(tmp_path, capsys):
    path = str(tmp_path / "none.csv")
    assert main(["report", path, "--target", "a", "--node", "b"]) == 2
    assert "there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.ones(3)}, "`y` has 3 entries, `X` has 4 rows"),
        ({"nodes": np.ones((4, 2))}, "`nodes` must be 1-d"),
        ({"X": np.ones(4)}, "`X` must be 2-d"),
        ({"attack": "other"}, "'attack' parameter of attack_report"),
        ({"attack": ["other"]}, "`attack` must be of direct, indirect, hybrid"),
        ({"budget": -1.0}, "'budget' parameter of attack_report"),
        ({"budget": 10}, "`budget` must be a share of at most 1, where 0.1 is 10 %, got 10"),
        ({"random_state": None}, "'random_state' parameter of attack_report"),
    ],
)
def test_wrong_arguments_of_the_function(change, message):
    given = {"X": np.eye(4), "y": np.arange(4.0), "nodes": list("aabb")} | change
    with pytest.raises(ValueError, match=re.escape(message)):
        attack_report(**given)


def test_dummies_with_gaps_are_told(tmp_path, capsys):
    rng = np.random.default_rng(0)
    ward = pd.Series(rng.choice(["A", "B", "C"], 90)).mask(np.arange(90) % 10 == 0)
    table = pd.get_dummies(pd.DataFrame({"ward": ward}), dtype=int)
    table["days"] = rng.normal(size=90)
    table["site"] = np.repeat(["n", "s", "w"], 30)
    options = ["--target", "days", "--node", "site", "--no-bound", "--no-remedies", *QUICK]
    options += ["--attack", "direct", "--output", str(tmp_path)]
    assert main(["report", write(tmp_path, table), *options]) == 0
    told = (
        "columns 'ward_A', 'ward_B', 'ward_C' never hold two 1 in a row, and no 1 in 9 of 90 rows"
    )
    assert told in capsys.readouterr().out


# -- the page -----------------------------------------------------------------------------


def test_the_bottom_line_is_that_of_the_tables(tmp_path, capsys):
    options = ["--target", "cost", "--node", "site", "--drop", "outcome", "--targets", "NA", *QUICK]
    options += ["--bound-iter", "1", "--no-remedies", "--output", str(tmp_path), "--poisoned"]
    assert main(["report", write(tmp_path, hospitals()), *options]) == 0
    text = unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    bottom, rest = text.split("<h2>Bottom line</h2>")[1].split("</section>", 1)
    assert "What was done" in rest
    rows = [row for row in read(tmp_path / "report.csv") if row["level"] == "aggregate"]
    errors = [
        float(row["mean"]) for row in rows if row["metric"] == "rmse" and row["kind"] in KINDS
    ]
    limits = [float(row["mean"]) for row in rows if row["kind"] == "certified"]
    assert f"to {max(errors):.2f}" in bottom and f"above {max(limits):.2f}, where" in bottom
    assert "node NA, whose test RMSE (cost) the" in bottom
    assert "Never a target: 4 of 5 nodes" in bottom
    others = " ".join(shlex.quote(site) for site in sorted(SITES) if site != "NA")
    assert f"To attack them: --targets {others} (in Python, target_nodes)." in bottom
    assert "20 % of what each" in bottom
    shown = rest.split("Injected rows beside")[1]
    ages = re.findall(r"<td>Ålder.*?</tr>", shown)
    sizes = re.findall(r"<td>bmi</td>.*?</tr>", shown)
    assert ages and all(re.search(r"<td>\d+ to \d+</td><td>\d+ to \d+</td>", row) for row in ages)
    assert sizes and all(len(re.findall(r"\d+\.\d to \d+\.\d<", row)) == 2 for row in sizes)


def test_a_page_without_bounds_says_that_nothing_is_certified(tmp_path):
    options = ["--target", "outcome", "--node", "site", "--no-bound", "--no-remedies", *QUICK]
    options += ["--drop", "cost", "--attack", "direct", "--output", str(tmp_path)]
    assert main(["report", write(tmp_path, hospitals()), *options]) == 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Nothing is certified: a stronger attack may do more." in text
