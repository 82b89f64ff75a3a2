"""Restarts, and attacks that go on where they were killed."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from estimators import climber, make_rows
from interruptions import fit_in_pieces
from profiles import IS_LONG
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl.attack._bilevel.checkpoint import fingerprint
from skfedmtl.attack._contest.restart import craft

ATTRIBUTES = ("poison_X_", "poison_y_", "poison_nodes_", "objective_history_", "objective_")


def attack(estimator=FMTLRegressor, **params):
    given = {"target_nodes": [0], "max_iter": 12, "tol": 0, "random_state": 0, **params}
    return climber(estimator(random_state=0), **given)


def check_same(one, two):
    for name in ATTRIBUTES:
        assert_array_equal(getattr(one, name), getattr(two, name))
    assert_array_equal(one.estimator_.coef_, two.estimator_.coef_)


@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_the_best_restart_wins_for_any_number_of_workers(estimator):
    X, y, nodes = make_rows(estimator)
    single = attack(estimator).fit(X, y, nodes=nodes)
    several = attack(estimator, n_restarts=4).fit(X, y, nodes=nodes)
    assert several.objective_history_[-1] >= single.objective_history_[-1]
    check_same(several, attack(estimator, n_restarts=4, n_jobs=2).fit(X, y, nodes=nodes))


def test_restarts_are_held_against_each_other_by_the_victim_itself(monkeypatch):
    """Not by the smoothed one that guides them."""
    X, y, nodes = make_rows(FMTLClassifier)
    values = []

    def noting(*args):
        crafted = craft(*args)
        values.append(crafted.verdict.objective)
        return crafted

    monkeypatch.setattr("skfedmtl.attack._attacker.craft", noting)
    for seed in range(4):
        values.clear()
        several = attack(FMTLClassifier, n_restarts=3, smoothing=0.5, random_state=seed)
        several.fit(X, y, nodes=nodes)
        assert several.objective_ == pytest.approx(max(values), rel=1e-3)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"smoothing": 0.0},
        {"step": "plain", "eta": 1.0, "line_search": False},
        {"optimize_labels": True},
        {"n_restarts": 2},
        {"inner_iter": 1},
    ],
)
def test_a_longer_run_goes_on_from_the_file_of_a_shorter_one(params, tmp_path, monkeypatch):
    """Stopped after every step, an attack ends as if it had never been."""
    X, y, nodes = make_rows(FMTLRegressor)
    whole = attack(**params).fit(X, y, nodes=nodes)
    stopped = attack(checkpoint=tmp_path, **params)
    assert fit_in_pieces(stopped, X, y, nodes, monkeypatch, n_stops=19) >= 12
    check_same(whole, stopped)


VICTIM = """
import os, signal, sys, threading
import numpy as np
from skfedmtl import FMTLClassifier, PoisoningAttacker
data = np.load(sys.argv[1])
after = float(sys.argv[3])
attacker = PoisoningAttacker(
    FMTLClassifier(random_state=0), target_nodes=[0], max_iter=600, tol=0, random_state=0,
    init="clean", checkpoint=sys.argv[2],
)
if after > 0:
    killer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGKILL))
    killer.start()
attacker.fit(data["X"], data["y"], nodes=data["nodes"])
if after > 0:
    killer.cancel()
"""


def test_a_killed_attack_resumes_to_the_same_bits(tmp_path):
    """Killed at random moments, one after another, and then left to its end."""
    X, y, nodes = make_rows(FMTLClassifier, (40, 30, 35), n_features=5)
    np.savez(tmp_path / "data.npz", X=X, y=y, nodes=nodes)
    whole = attack(FMTLClassifier, max_iter=600).fit(X, y, nodes=nodes)
    folder, rng, killed = tmp_path / "files", np.random.default_rng(0), 0
    for moment in rng.uniform(0.02, 0.6, size=10 if IS_LONG else 4):
        command = [sys.executable, "-c", VICTIM, str(tmp_path / "data.npz"), str(folder)]
        done = subprocess.run([*command, str(moment)], check=False, env=dict(os.environ))
        assert done.returncode in (0, -signal.SIGKILL)
        killed += done.returncode != 0
        files = [name for name in os.listdir(folder) if name[0] != "."] if folder.exists() else []
        assert len(files) <= 1
    assert killed >= 1
    resumed = attack(FMTLClassifier, max_iter=600, checkpoint=folder).fit(X, y, nodes=nodes)
    check_same(whole, resumed)


def test_a_search_does_not_mix_up_its_clones(tmp_path):
    X, y, nodes = make_rows(FMTLRegressor, (20, 20, 20))
    table = np.column_stack([X, nodes])
    plain = attack(node_column=3, max_iter=3)
    kept = attack(node_column=3, max_iter=3, checkpoint=tmp_path)
    grid = {"eta": [1.0, 100.0], "estimator__lambda1": [1e-3, 1.0]}
    rng = np.random.default_rng(0)
    folds = rng.permutation(np.arange(60) % 2)
    cv = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in (0, 1)]
    scores = [
        GridSearchCV(attacker, grid, cv=cv, error_score="raise", n_jobs=n_jobs)
        .fit(table, y)
        .cv_results_["mean_test_score"]
        for attacker, n_jobs in ((plain, 1), (kept, 2), (kept, 1))
    ]
    assert len(set(scores[0])) == 4
    assert_array_equal(scores[0], scores[1])
    assert_array_equal(scores[0], scores[2])


def test_a_fingerprint_tells_apart_what_differs():
    """To the last bit of an array, wherever it hides; not what has no effect."""
    low = np.linspace(-1.0, 0.0, 3)
    nudged = low + np.array([0.0, 1e-12, 0.0])
    series = pd.Series(low, index=["a", "b", "c"])
    told = [
        attack(feature_range=(low, 1.0)),
        attack(feature_range=(nudged, 1.0)),
        attack(feature_range=(series, 1.0)),
        attack(feature_range=(series.set_axis(["a", "c", "b"]), 1.0)),
        attack(one_hot_groups=[[0, 1], [2]]),
        attack(one_hot_groups=[[0], [1, 2]]),
        attack(FMTLClassifier),
        make_pipeline(StandardScaler(), FMTLRegressor()),
        make_pipeline(MinMaxScaler(), FMTLRegressor()),
        make_pipeline(MinMaxScaler(), FMTLRegressor(lambda1=0.2)),
        np.array(["ab", "c"], dtype=object),
        np.array(["a", "bc"], dtype=object),
    ]
    names = [fingerprint(thing) for thing in told]
    assert len(set(names)) == len(names)
    for name, thing in zip(names, told, strict=True):
        again = clone(thing) if hasattr(thing, "get_params") else thing.copy()
        assert fingerprint(again) == name
    quiet = attack(feature_range=(low, 1.0), verbose=1, n_jobs=2, checkpoint="elsewhere")
    assert fingerprint(quiet) == names[0]


@pytest.mark.parametrize("damage", ["not a zip file", "PK\x03\x04 neither", "half", "empty"])
def test_a_file_of_something_else_is_refused(damage, tmp_path):
    X, y, nodes = make_rows(FMTLRegressor)
    attack(checkpoint=tmp_path, max_iter=1).fit(X, y, nodes=nodes)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    kinds = {"half": content[: len(content) // 2], "empty": b""}
    file.write_bytes(kinds.get(damage, damage.encode()))
    with pytest.raises(ValueError, match=r"checkpoint.*remove it"):
        attack(checkpoint=tmp_path, max_iter=1).fit(X, y, nodes=nodes)


def test_a_step_is_a_log_line(caplog, capsys):
    X, y, nodes = make_rows(FMTLRegressor)
    with caplog.at_level("INFO", logger="skfedmtl.attack"):
        attack(max_iter=3).fit(X, y, nodes=nodes)
        assert not caplog.messages
        attack(max_iter=3, verbose=1).fit(X, y, nodes=nodes)
    assert len(caplog.messages) == 3
    assert "H = " in caplog.messages[0]
    assert not capsys.readouterr().out
