"""The console command: exit codes, the numbers it writes, files that are whole or untouched."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from reports import FILES, arguments, read, regression_rows, small_data_sets
from skfedmtl import FMTLRegressor, PoisoningAttacker, __version__
from skfedmtl._console import main
from skfedmtl._report import command
from skfedmtl._report.choices import DATASET_NAMES
from skfedmtl._report.command import write_files
from skfedmtl._report.data import DATASETS, is_classification
from skfedmtl._report.experiment import Settings, split_rows, split_seeds
from skfedmtl._report.figure import draw, spread
from skfedmtl.attack import DamageBound
from skfedmtl.model_selection import train_test_split_nodes

ATTACKS = ["direct", "indirect", "hybrid"]
KINDS = ["random", "optimised"]


@pytest.fixture(scope="module", autouse=True)
def small():
    with small_data_sets():
        yield


def select(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


@pytest.fixture(scope="module")
def two_repeats(small, tmp_path_factory):
    """The folder of a run over two repetitions, which had to be made."""
    output = tmp_path_factory.mktemp("reports") / "made" / "report"
    assert main(arguments(output, "--repeats", "2", "--bounds-of", "all")) == 0
    return output


# -- what is written ----------------------------------------------------------------------


def test_every_model_has_its_repetitions_and_their_mean(two_repeats):
    rows = read(two_repeats)
    names = [(attack, "baseline") for attack in ("constant", "local", "global")]
    tested = [(*name, nodes, "rmse") for name in names for nodes in ("all", "targets")]
    tested += [("none", "clean", "all", "rmse")]
    names = [("none", "clean")]
    names += [(attack, kind) for attack in ATTACKS for kind in (*KINDS, "found")]
    both = [(*name, "targets", metric) for name in names for metric in ("rmse", "root_loss")]
    certified = [(attack, "certified", "targets", "root_loss") for attack in ATTACKS]
    models = tested + both + certified
    assert len(rows) == 3 * len(models)
    for attack, kind, nodes, metric in models:
        model = select(rows, attack=attack, kind=kind, nodes=nodes, metric=metric)
        repeats, (mean,) = select(model, level="repeat"), select(model, level="aggregate")
        values = [row["mean"] for row in repeats]
        assert [row["repeat"] for row in repeats] == ["0", "1"]
        np.testing.assert_allclose(mean["mean"], np.mean(values))
        np.testing.assert_allclose(mean["se"], np.std(values, ddof=1) / np.sqrt(2))
        np.testing.assert_allclose(mean["seconds"], np.mean([row["seconds"] for row in repeats]))


@pytest.mark.parametrize("level", ["repeat", "aggregate"])
def test_ratios_are_to_the_clean_model_on_the_same_nodes(two_repeats, level):
    rows = select(read(two_repeats), level=level)
    for row in rows:
        same = {key: row[key] for key in ("nodes", "repeat", "metric")}
        (clean,) = select(rows, kind="clean", **same)
        np.testing.assert_allclose(row["ratio"], row["mean"] / clean["mean"])


def test_every_row_says_what_was_run(two_repeats):
    for row in read(two_repeats):
        assert row["dataset"] == "small"
        assert row["metric"] in ("rmse", "root_loss") and row["unit"] == "grams"
        assert (row["repeats"], row["seed"], row["max_iter"]) == ("2", "0", "2")
        assert (row["bound_iter"], row["loss"]) == ("1", "squared_error")
        assert [float(row[key]) for key in ("budget", "lambda1", "lambda2")] == [0.2, 0.01, 0.01]
        assert row["version"] == __version__


def test_the_figure_is_a_picture(two_repeats):
    image = imread(two_repeats / "report.png")
    assert image.ndim == 3 and min(image.shape[:2]) > 500
    assert len(np.unique(image[..., :3].reshape(-1, 3), axis=0)) > 10


def test_the_tables_hold_the_numbers_of_the_file(tmp_path, capsys):
    assert main(arguments(tmp_path)) == 0
    out, err = capsys.readouterr()
    rows = select(read(tmp_path), level="aggregate")
    for words in ("own mean", "local ridge", "global ridge", "federated MTL", "4 boxes, 2 of them"):
        assert words in out
    for attack in ATTACKS:
        for kind in KINDS:
            (row,) = select(rows, attack=attack, kind=kind, metric="rmse")
            (line,) = (line for line in out.splitlines() if f"{kind} {attack}" in line)
            assert f"{row['mean']:.2f}" in line and f"{row['ratio']:.2f}" in line
        found, certified = (select(rows, attack=attack, kind=k) for k in ("found", "certified"))
        (line,) = (line for line in out.splitlines() if line.startswith(f"│ {attack} "))
        (tested,), (found,) = (select(found, metric=m) for m in ("rmse", "root_loss"))
        numbers = [found["mean"], certified[0]["mean"], certified[0]["mean"] / found["mean"]]
        assert line.split()[3::2] == [f"{value:.2f}" for value in (*numbers, tested["mean"])]
    (caption,) = (line for line in out.splitlines() if line.startswith("found, certified: "))
    assert "root of the mean squared error" in caption and "training rows" in caption
    assert out.splitlines()[-3:] == [
        str(tmp_path / name) for name in ("report.csv", "report.png", "report.html")
    ]
    assert err == ""


def test_classification_reports_error_and_auc(tmp_path, capsys):
    assert main(arguments(tmp_path, "--dataset", "classes")) == 0
    rows = read(tmp_path)
    assert {row["metric"] for row in rows} == {"error", "auc", "loss"}
    for row in select(rows, metric="error"):
        assert 0.0 <= row["mean"] <= 100.0
    for row in select(rows, metric="auc"):
        assert 0.0 <= row["mean"] <= 1.0 and np.isnan(row["ratio"])
    assert {row["mean"] for row in select(rows, metric="auc", attack="constant")} == {0.5}
    out = capsys.readouterr().out
    assert "own majority" in out and "found, certified: hinge loss, training rows" in out
    assert imread(tmp_path / "report.png").ndim == 3


# -- what is certified --------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["small", "classes"])
def test_nothing_found_exceeds_what_is_certified(dataset, two_repeats, tmp_path):
    if dataset == "classes":
        assert main(arguments(tmp_path, "--dataset", dataset)) == 0
    rows = read(two_repeats if dataset == "small" else tmp_path)
    losses = [row for row in rows if row["metric"] in ("root_loss", "loss")]
    (clean,) = select(losses, kind="clean", level="aggregate")
    for attack in ATTACKS:
        for repeat in {row["repeat"] for row in losses}:
            mine = select(losses, attack=attack, repeat=repeat)
            loss = {row["kind"]: row["mean"] for row in mine}
            if repeat:  # the best of each repetition; a mean of them is as large as any mean
                assert loss["found"] == max(loss["random"], loss["optimised"])
            assert loss["optimised"] <= loss["found"] < loss["certified"]
    (certified,) = select(losses, attack="direct", kind="certified", level="aggregate")
    assert certified["mean"] > 1.5 * clean["mean"]


def test_losses_are_those_of_attackers_and_bounds_of_the_same_draws(two_repeats):
    """Of `poison`, that is, from the outside: the split, the seeds, and roots of means."""
    split_seed, seed = np.random.SeedSequence(0).generate_state(4)[:2].tolist()
    X, y, nodes = regression_rows()
    X, _, y, _, nodes, _ = train_test_split_nodes(X, y, nodes, random_state=split_seed)
    X = StandardScaler().fit_transform(X)
    victim = FMTLRegressor(lambda1=0.01, lambda2=0.01, tol=1e-8, random_state=0)
    rows = select(read(two_repeats), metric="root_loss", repeat="0")
    for attack in ATTACKS:
        threat = {"attack": attack, "budget": 0.2, "random_state": seed}
        attacker = PoisoningAttacker(victim, max_iter=2, **threat).fit(X, y, nodes=nodes)
        bound = DamageBound(victim, max_iter=1, **threat).fit(X, y, nodes=nodes)
        mine = {row["kind"]: row["mean"] for row in select(rows, attack=attack)}
        (clean,) = select(rows, kind="clean")
        np.testing.assert_allclose(mine["optimised"] ** 2, attacker.objective_ / 2)
        np.testing.assert_allclose(mine["certified"] ** 2, bound.per_target_)
        np.testing.assert_allclose(clean["mean"] ** 2, bound.clean_objective_ / 2)
        squares = np.square(y - attacker.predict(X, nodes=nodes))
        means = [squares[nodes == target].mean() for target in attacker.target_nodes_]
        np.testing.assert_allclose(mine["optimised"] ** 2, np.mean(means))


def test_bounds_of_one_repetition_are_compared_with_it_alone(two_repeats, tmp_path, capsys):
    assert main(arguments(tmp_path, "--repeats", "2")) == 0
    out = capsys.readouterr().out
    some, every = read(tmp_path), read(two_repeats)
    kinds = ("clean", *KINDS, "found", "certified")
    losses = select(some, metric="root_loss")
    assert {row["kind"] for row in losses} == set(kinds)
    for kind in ("clean", "certified"):
        assert {row["repeat"] for row in select(losses, kind=kind)} == {"0", ""}
    of_found = select(some, kind="found", metric="rmse")
    for row in select(losses + of_found, level="aggregate"):
        same = {key: row[key] for key in ("attack", "kind", "nodes", "metric")}
        (first,) = select(every, repeat="0", **same)
        np.testing.assert_equal([row["mean"], row["se"]], [first["mean"], np.nan])
    # all else is of both
    for row in select(some, level="aggregate", metric="rmse"):
        if row["kind"] != "found":
            same = {key: row[key] for key in ("attack", "kind", "nodes", "level", "metric")}
            (other,) = select(every, **same)
            assert row["mean"] == other["mean"]
    assert "training rows of the first of 2 repetitions; no attack" in " ".join(out.split())
    (clean,) = select(some, kind="clean", metric="rmse", repeat="0", nodes="targets")
    _, worst = out.split("Worst case")
    line = next(line for line in worst.splitlines() if "│ clean " in line)
    assert f"{clean['mean']:.2f}" in line and "±" not in worst.split("found, certified")[0]


def test_bounds_that_ran_out_of_seconds_say_so_and_hold(tmp_path, capsys):
    late = ["--bound-iter", "40", "--bound-seconds", "1e-9", "--attack", "direct", "hybrid"]
    assert main(arguments(tmp_path, *late)) == 0
    note = "bounds: the 1e-09 seconds were over (direct and hybrid); what is certified holds"
    assert note in capsys.readouterr().out
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert note in text
    assert "The seconds and the certified bounds, whose time was over, aside, the numbers" in text
    losses = select(read(tmp_path), metric="root_loss", level="aggregate")
    for attack in ("direct", "hybrid"):
        kinds = {row["kind"]: row["mean"] for row in select(losses, attack=attack)}
        assert kinds["found"] < kinds["certified"]


def test_bounds_are_lower_after_more_steps(two_repeats, tmp_path):
    assert main(arguments(tmp_path, "--bound-iter", "40")) == 0
    wanted = {"kind": "certified", "repeat": "0"}
    few, many = (select(read(folder), **wanted) for folder in (two_repeats, tmp_path))
    lower = [two["mean"] < one["mean"] for one, two in zip(few, many, strict=True)]
    assert len(lower) == 3 and any(lower)


def test_the_figure_brackets_the_worst_case(two_repeats):
    rows = read(two_repeats)
    tested, worst = draw(rows, ["title", "line"]).axes
    assert "test RMSE (grams)" in tested.get_ylabel()
    assert worst.get_ylabel() == "target nodes' training loss, as a root (grams)"
    losses = select(rows, metric="root_loss", level="aggregate")
    texts = {text.get_text() for text in worst.texts}
    limits = [line.get_ydata()[0] for line in worst.lines if len(set(line.get_ydata())) == 1]
    tops = [bar.get_y() + bar.get_height() for bar in worst.patches]
    for kind, drawn in (("found", tops), ("certified", tops), ("certified", limits)):
        for row in select(losses, kind=kind):
            assert f"{row['mean']:.2f}" in texts and np.isclose(drawn, row["mean"]).any()
    (clean,) = select(losses, kind="clean")
    assert "no attack" in texts and clean["mean"] in limits


# -- what is run --------------------------------------------------------------------------


def test_processes_change_nothing_but_the_seconds(two_repeats, tmp_path):
    assert main(arguments(tmp_path, "--repeats", "2", "--bounds-of", "all", "--n-jobs", "2")) == 0
    for one, two in zip(read(two_repeats), read(tmp_path), strict=True):
        assert list(one) == list(two)
        for key in one.keys() - {"seconds"}:
            np.testing.assert_equal(one[key], two[key])


def test_repetitions_differ_and_do_not_depend_on_their_number(two_repeats, tmp_path):
    assert main(arguments(tmp_path)) == 0
    rows, alone = (select(read(folder), level="repeat") for folder in (two_repeats, tmp_path))
    assert [row["mean"] for row in select(rows, repeat="0")] == [row["mean"] for row in alone]
    assert [row["mean"] for row in select(rows, repeat="1")] != [row["mean"] for row in alone]


def test_random_and_optimised_attacks_share_targets_and_sources(tmp_path):
    assert main(arguments(tmp_path, "--max-iter", "0")) == 0
    rows = select(read(tmp_path), level="aggregate")
    for attack in ATTACKS:
        random, optimised = (select(rows, attack=attack, kind=kind) for kind in KINDS)
        assert [row["mean"] for row in random] == [row["mean"] for row in optimised]


def test_no_budget_does_no_harm(tmp_path):
    assert main(arguments(tmp_path, "--budget", "0")) == 0
    rows = [row for row in read(tmp_path) if row["kind"] in KINDS]
    assert len(select(rows, metric="rmse")) == len(select(rows, metric="root_loss")) == 12
    assert {row["ratio"] for row in select(rows, metric="rmse")} == {1.0}
    # the clean loss is of the victim that bounds were made for, with an attacker's to the last bits
    assert all(row["ratio"] == pytest.approx(1.0, abs=1e-12) for row in rows)


def test_intervals_of_nodes_are_those_of_resampled_rows(tmp_path):
    """Of the local ridge, which is easily fitted again; rows are drawn for both splits."""
    options = ["--repeats", "2", "--targets", "b", "--no-bound", "--no-remedies"]
    assert main(arguments(tmp_path, *options)) == 0
    X, y, nodes = regression_rows()
    own = np.flatnonzero(nodes == "b")
    squares = np.full((len(own), 2), np.nan)
    for repeat in range(2):
        settings = Settings("small", 2, 0.2, 0, 2, 0.01, 0.01)
        split = split_rows(X, y, nodes, split_seeds(settings, repeat)[0])
        mine, test = split.nodes == "b", split.nodes_test == "b"
        local = Ridge().fit(split.X[mine], split.y[mine])
        rows = np.searchsorted(own, split.rows_test[test])
        squares[rows, repeat] = np.square(split.y_test[test] - local.predict(split.X_test[test]))
    squares = squares[~np.isnan(squares).all(axis=1)]
    rng, errors = np.random.default_rng(0), []
    for _ in range(1000):
        drawn = squares[rng.integers(len(squares), size=len(squares))]
        each = [np.nanmean(column) for column in drawn.T if not np.isnan(column).all()]
        errors.append(np.mean(np.sqrt(each)))
    rows = read(tmp_path, by_node=True)
    (row,) = select(rows, node="b", attack="local")
    found = [float(row[end]) for end in ("low", "high")]
    np.testing.assert_allclose(found, np.quantile(errors, [0.025, 0.975]), rtol=1e-9)
    for row in rows:
        assert 0.0 <= float(row["low"]) <= row["mean"] <= float(row["high"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert ". The seconds aside, the numbers do not depend on" in page
    assert f"{found[0]:.2f} to {found[1]:.2f}" in page
    assert all(row["low"] == "" for row in read(tmp_path))


def test_intervals_of_classes_are_shares_and_areas_have_none(tmp_path):
    options = ["--dataset", "classes", "--no-bound", "--no-remedies", "--attack", "hybrid"]
    assert main(arguments(tmp_path, *options)) == 0
    for row in read(tmp_path, by_node=True):
        if row["metric"] == "auc":
            assert row["low"] == row["high"] == ""
        else:
            assert 0.0 <= float(row["low"]) <= row["mean"] <= float(row["high"]) <= 100.0


@pytest.fixture(scope="module")
def with_remedies(small, tmp_path_factory):
    """The lines of the table of what reduces the damage, by their first cells."""
    output = tmp_path_factory.mktemp("remedies")
    assert main(arguments(output, "--attack", "hybrid", "direct")) == 0
    page = (output / "report.html").read_text(encoding="utf-8")
    table = page[page.index("What reduces the damage") :].partition("</table>")[0]
    lines = re.findall("<tr>(<td>.*?)</tr>", table, re.DOTALL)
    cells = [re.findall("<td>(.*?)</td>", line) for line in lines]
    return {name: rest for name, *rest in cells}


@pytest.mark.parametrize(
    "name, options",
    [
        ("as it is", []),
        ("a tenth of the tie", ["--lambda1", "0.001"]),
        ("no tie", ["--lambda1", "0"]),
        ("ten times lambda2", ["--lambda2", "0.1"]),
        ("half the budget", ["--budget", "0.1"]),
    ],
)
def test_what_reduces_the_damage_is_what_a_report_of_it_says(
    name, options, with_remedies, tmp_path
):
    left_out = ["--attack", "hybrid", "--no-remedies"]
    assert main(arguments(tmp_path, *left_out, *options)) == 0
    rows = select(read(tmp_path), nodes="targets", level="aggregate")
    kept = select(rows, metric="root_loss")
    losses = [f"{select(kept, kind=kind)[0]['mean']:.2f}" for kind in ("optimised", "certified")]
    rows = select(rows, metric="rmse")
    errors = [f"{select(rows, kind=kind)[0]['mean']:.2f}" for kind in ("clean", "optimised")]
    used = [float(rows[0][key]) for key in ("lambda1", "lambda2")]
    budget = f"{100 * float(rows[0]['budget']):g} %"
    *found, said, before, after, reached, limit = with_remedies[name]
    assert [float(one) for one in found] == used
    assert (said, [before, after], [reached, limit]) == (budget, errors, losses)
    assert "What reduces" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_changes_nothing_is_not_tried(tmp_path):
    assert main(arguments(tmp_path, "--lambda1", "0", "--budget", "0", "--attack", "direct")) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "ten times lambda2" in page and "optimised\ndirect" in page
    assert "training loss\ncertified" in page
    assert not any(name in page for name in ("tenth of the tie", "no tie", "half the budget"))


def test_remedies_without_bounds_promise_nothing(tmp_path):
    assert main(arguments(tmp_path, "--no-bound", "--attack", "direct", "--max-iter", "0")) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    table = page[page.index("What reduces the damage") :].partition("</section>")[0]
    assert "certified</th>" not in table and "a low number is no promise" in table


def test_an_error_that_falls_is_not_called_an_improvement(tmp_path):
    """The bottom line says that no attack raised it, and not that one did, 0.98 times."""
    quick = ["--budget", "0", "--no-remedies", "--max-iter", "7"]
    assert main(arguments(tmp_path, *quick, "--repeats", "2")) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    bottom, rest = page.split("<h2>Bottom line</h2>")[1].split("</section>", 1)
    assert "no attack of at most 7 steps raised the mean test RMSE" in bottom
    assert "times" not in bottom and "Certified: no attack" in bottom
    assert "optimised attacks of at most 7 steps" in rest and "found took at most 7 steps" in rest


def test_penalties_can_be_given(tmp_path):
    assert main(arguments(tmp_path, "--lambda1", "0", "--lambda2", "0.5")) == 0
    assert {(row["lambda1"], row["lambda2"]) for row in read(tmp_path)} == {("0.0", "0.5")}


def test_a_common_part(tmp_path, capsys):
    """Of the victims that are attacked and bounded."""
    assert main(arguments(tmp_path, "--lambda0", "0.1", "--bound-iter", "2")) == 0
    assert "lambda0 = 0.1, lambda1 = " in capsys.readouterr().out
    rows = read(tmp_path)
    assert {row["lambda0"] for row in rows} == {"0.1"}
    losses = (select(rows, metric="root_loss", kind=kind) for kind in ("found", "certified"))
    pairs = list(zip(*losses, strict=True))
    assert pairs
    for found, certified in pairs:
        assert found["attack"] == certified["attack"]
        assert float(found["mean"]) < float(certified["mean"])


def test_warnings_of_the_fits_are_said_once(tmp_path, capsys, monkeypatch):
    def run(*args):
        for done in original(*args):
            yield [result._replace(warnings=("slow",)) for result in done]

    original = command.run
    monkeypatch.setattr(command, "run", run)
    assert main(arguments(tmp_path)) == 0
    assert capsys.readouterr().err == "warning: slow\n"


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_data_sets_can_be_read(name, shared_data):
    X, y, nodes = DATASETS[name].load(str(shared_data))
    assert X.dtype == np.float64 and len(X) == len(y) == len(nodes)
    assert is_classification(y) == (DATASETS[name].unit is None)
    if is_classification(y):
        assert set(y) == {0, 1}


def test_missing_values_are_filled(tmp_path, shared_data):
    options = ["--dataset", "heart", "--data-home", str(shared_data), "--max-iter", "0"]
    assert main(arguments(tmp_path, *options)) == 0
    assert not any(np.isnan(row["mean"]) for row in read(tmp_path))


# -- what goes wrong ----------------------------------------------------------------------


@pytest.fixture
def no_work(monkeypatch):
    """Fail if the command starts to work."""

    def work(*args):
        raise AssertionError("the command started to work")

    monkeypatch.setattr(command, "_run", work)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--repeats", "0", "at least 1"),
        ("--repeats", "2.5", "whole number"),
        ("--budget", "-0.1", "at least 0"),
        ("--budget", "nan", "finite"),
        ("--budget", "inf", "finite"),
        ("--budget", "10", "must be a share of at most 1, where 0.1 is 10 %, got '10'"),
        ("--budget", "1.001", "a share of at most 1"),
        ("--seed", "-1", "from 0 to"),
        ("--seed", str(2**32), "from 0 to"),
        ("--max-iter", "-1", "at least 0"),
        ("--bound-iter", "0", "at least 1"),
        ("--lambda1", "-1", "at least 0"),
        ("--lambda2", "0", "above 0"),
        ("--n-jobs", "0", "other than 0"),
        ("--dataset", "unknown", "flights"),
        ("--data-home", "", "empty"),
        ("--output", "", "empty"),
        ("--output", __file__, "is a file"),
        ("--output", str(Path(__file__) / "below"), "is a file"),
    ],
)
def test_wrong_options_are_named(option, value, allowed, no_work, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments(tmp_path, f"{option}={value}"))
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert f"argument {option}: " in error and allowed in error and repr(value)[1:-1] in error


def test_output_must_leave_room_for_the_files(no_work, tmp_path, capsys):
    (tmp_path / "report.png").mkdir()
    with pytest.raises(SystemExit) as stop:
        main(arguments(tmp_path))
    assert stop.value.code == 2
    assert "--output: must have no folder 'report.png'" in capsys.readouterr().err


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that takes no files")
def test_output_is_tried_before_the_work(no_work, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments("/proc/x"))
    assert stop.value.code == 2
    assert "nothing can be written to /proc" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_output_must_be_writable(no_work, tmp_path, capsys):
    tmp_path.chmod(0o500)
    with pytest.raises(SystemExit):
        main(arguments(tmp_path / "report"))
    assert "--output: must be a writable folder" in capsys.readouterr().err


def test_the_options_name_every_data_set():
    assert DATASET_NAMES == tuple(DATASETS)[: len(DATASET_NAMES)]
    assert set(DATASETS) - set(DATASET_NAMES) == {"small", "classes"}


@pytest.mark.parametrize("package", ["matplotlib", "rich"])
def test_a_missing_extra_says_how_to_get_it(package, no_work, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(arguments(tmp_path / "report")) == 2
    error = capsys.readouterr().err
    assert package in error and 'pip install "skfedmtl[report]"' in error
    assert not (tmp_path / "report").exists()


def test_the_package_needs_neither_extra():
    code = (
        "import sys; sys.modules.update(matplotlib=None, rich=None); "
        "from skfedmtl._console import main; sys.exit(main(['report']))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 2
    assert "pip install" in run.stderr and "Traceback" not in run.stderr


def test_missing_data_say_where_they_belong(no_work, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("skfedmtl.datasets._download.time.sleep", lambda seconds: None)
    options = ["--dataset", "landmine", "--data-home", str(tmp_path)]
    assert main(arguments(tmp_path / "report", *options)) == 2
    error = capsys.readouterr().err
    assert "landmine.npz" in error and str(tmp_path) in error and "--data-home" in error
    assert not (tmp_path / "report").exists()


def full_disk(monkeypatch, name):
    """Fail when the file `name` has been written in part."""
    write = command._write

    def write_half(content, file):
        if name in file.name:
            write(content[: len(content) // 2], file)
            raise OSError("no space left")
        write(content, file)

    monkeypatch.setattr(command, "_write", write_half)


@pytest.mark.parametrize("name", ["report.csv", "report.png", "report.html"])
def test_a_failed_write_leaves_the_old_files(name, tmp_path, capsys, monkeypatch):
    for old in FILES:
        (tmp_path / old).write_text("old")
    full_disk(monkeypatch, name)
    assert main(arguments(tmp_path)) == 1
    assert "--output: no space left" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert all(path.read_text() == "old" for path in tmp_path.iterdir())


def test_old_files_are_replaced(tmp_path):
    (tmp_path / "a").write_text("old")
    assert write_files(tmp_path, {"a": b"new"}) == [tmp_path / "a"]
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize("wrong", [[], ["unknown"]])
def test_a_command_is_needed(wrong, capsys):
    with pytest.raises(SystemExit) as stop:
        main(wrong)
    assert stop.value.code == 2
    assert "command" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"skfedmtl {__version__}\n"


# -- the figure's labels ------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [[1.0], [3.0, 3.0, 3.0], [0.0, 0.1, 9.0], [2.0, 2.5, 3.2, 3.3], [0.0] * 4]
)
def test_labels_are_spread(values):
    places = spread(values, 1.0)
    assert np.all(np.diff(places) >= 1.0 - 1e-12) and places[0] >= 0.5
    assert np.all(np.abs(places - values) <= len(values))


def test_a_baseline_far_above_the_bars_is_named_but_not_drawn(two_repeats):
    rows = read(two_repeats)
    for row in select(rows, attack="global"):
        row["mean"] = 1234.0
    axes, _ = draw(rows, ["title", "line"]).axes
    assert axes.get_ylim()[1] < 100.0
    assert "global ridge: 1.23e+03 ↑" in {text.get_text() for text in axes.texts}
    assert "local ridge" in {text.get_text() for text in axes.texts}


def test_labels_that_are_apart_stay():
    assert len(spread([], 1.0)) == 0
    np.testing.assert_array_equal(spread([1.0, 3.0, 7.0], 1.0), [1.0, 3.0, 7.0])
