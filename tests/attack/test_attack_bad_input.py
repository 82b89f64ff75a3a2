"""Every wrong argument is an error that names it, before anything is fitted."""

import os

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from estimators import make_rows
from interruptions import never
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.attack import DamageBound
from skfedmtl.defense import PoisonDetector

POISONERS = (PoisoningAttacker, RandomPoisoner)
both = pytest.mark.parametrize("make", POISONERS)
every_poisoner = pytest.mark.parametrize("make", (*POISONERS, LabelFlipPoisoner))

COMMON = [
    ("estimator", LinearRegression()),
    ("estimator", FMTLRegressor),
    ("estimator", None),
    ("attack", "sideways"),
    ("attack", None),
    ("target_nodes", 0.0),
    ("target_nodes", -0.5),
    ("target_nodes", 1.5),
    ("target_nodes", np.nan),
    ("target_nodes", 0),
    ("target_nodes", 1),
    ("target_nodes", 2),
    ("target_nodes", "n0"),
    ("target_nodes", None),
    ("target_nodes", []),
    ("target_nodes", [99]),
    ("target_nodes", [0, 99]),
    ("target_nodes", ["n0"]),
    ("target_nodes", [0, 0]),
    ("target_nodes", [[0]]),
    ("target_nodes", [0.5]),
    ("source_nodes", 0.5),
    ("source_nodes", []),
    ("source_nodes", [99]),
    ("source_nodes", ["n0"]),
    ("source_nodes", [0, 0]),
    ("budget", -0.1),
    ("budget", np.nan),
    ("budget", np.inf),
    ("budget", "all"),
    ("budget", None),
    ("radius", 0),
    ("radius", 0.0),
    ("radius", -1.0),
    ("radius", np.nan),
    ("radius", np.inf),
    ("radius", "min"),
    ("radius", None),
    ("labels", "wrong"),
    ("labels", "flip"),
    ("labels", None),
    ("init", "zero"),
    ("victim_tol", 0.0),
    ("victim_tol", -1e-8),
    ("victim_tol", np.nan),
    ("node_column", 1.5),
    ("node_column", 17),
    ("random_state", "seed"),
    ("random_state", -1),
]

#: what copies of clean rows leave nothing to say about
ROWS = ("radius", "labels", "init")

ATTACKER_ONLY = [
    ("gradient", "numeric"),
    ("smoothing", -1.0),
    ("smoothing", np.nan),
    ("smoothing", np.inf),
    ("smoothing", "much"),
    ("eta", 0.0),
    ("eta", -1.0),
    ("eta", np.nan),
    ("eta", np.inf),
    ("step", "leap"),
    ("line_search", "yes"),
    ("line_search", None),
    ("max_iter", -1),
    ("max_iter", 1.5),
    ("max_iter", "50"),
    ("tol", -1e-4),
    ("tol", np.nan),
]


def check_refused(make, name, params, estimator=FMTLRegressor):
    X, y, nodes = make_rows(estimator)
    model = make(**{"estimator": estimator(random_state=0), **params})
    nodes = None if "node_column" in params else nodes
    with pytest.raises((ValueError, TypeError), match=name):
        model.fit(X, y, nodes=nodes)
    assert not hasattr(model, "estimator_")


@pytest.mark.parametrize("name, value", COMMON)
@every_poisoner
def test_parameters(make, name, value):
    if name in ROWS and make is LabelFlipPoisoner:
        with pytest.raises(TypeError, match=name):
            make(FMTLRegressor(), **{name: value})
        return
    # numpy words its own refusal of a seed
    words = "random_state|Seed|seed" if name == "random_state" else name
    check_refused(make, words, {name: value})


@pytest.mark.parametrize(
    "make",
    (*POISONERS, LabelFlipPoisoner, DamageBound, PoisonDetector),
    ids=lambda make: make.__name__,
)
def test_a_victim_of_another_kind_is_told_what_it_must_be(make):
    X, y, nodes = make_rows(FMTLClassifier)
    with pytest.raises(ValueError, match="FMTLClassifier or an FMTLRegressor") as refused:
        make(SVC()).fit(X, y, nodes=nodes)
    assert str(refused.value).endswith("Got SVC() instead.")
    assert "skfedmtl." not in str(refused.value)


@pytest.mark.parametrize("name, value", ATTACKER_ONLY)
def test_parameters_of_the_ascent(name, value):
    check_refused(PoisoningAttacker, name, {name: value})


@pytest.mark.parametrize("name, _", ATTACKER_ONLY)
@pytest.mark.parametrize("make", [RandomPoisoner, LabelFlipPoisoner])
def test_other_attacks_have_no_ascent(make, name, _):
    with pytest.raises(TypeError, match=name):
        make(FMTLRegressor(), **{name: 1})


@pytest.mark.parametrize(
    "estimator, labels", [(FMTLRegressor, "flip"), (FMTLClassifier, "extreme")]
)
@both
def test_labels_of_the_other_kind(make, estimator, labels):
    words = f"labels='{labels}'.*victim is an {estimator.__name__}"
    check_refused(make, words, {"labels": labels}, estimator)


@pytest.mark.parametrize(
    "name, params",
    [
        (
            "source_nodes.*pass attack='indirect' or attack='hybrid'",
            {"attack": "direct", "target_nodes": [0], "source_nodes": [1]},
        ),
        (
            "source_nodes.*pass attack='hybrid'",
            {"attack": "direct", "target_nodes": [0], "source_nodes": [0, 1]},
        ),
        ("source_nodes", {"attack": "indirect", "target_nodes": [0], "source_nodes": [0]}),
        ("source_nodes", {"attack": "indirect", "target_nodes": [0, 1], "source_nodes": [1, 2]}),
        ("source_nodes", {"attack": "indirect", "source_nodes": [0, 1, 2]}),
        ("target_nodes", {"attack": "indirect", "target_nodes": [2, 1, 0]}),
        ("target_nodes", {"attack": "indirect", "target_nodes": 1.0}),
    ],
)
@every_poisoner
def test_targets_and_sources_that_do_not_fit(make, name, params):
    check_refused(make, name, params)


@every_poisoner
def test_a_wrong_threat_is_refused_before_the_victim_is_fitted(make, monkeypatch):
    monkeypatch.setattr(FMTLRegressor, "fit", never)
    X, y, nodes = make_rows(FMTLRegressor)
    for params in ({"target_nodes": [99]}, {"attack": "direct", "source_nodes": [99]}):
        with pytest.raises(ValueError, match=r"_nodes` holds labels that no row has: \[99\]"):
            make(FMTLRegressor(), **params).fit(X, y, nodes=nodes)


@every_poisoner
def test_a_fit_in_vain_leaves_the_former_one(make, monkeypatch):
    X, y, nodes = make_rows(FMTLRegressor)
    model = make(FMTLRegressor(), target_nodes=[0], random_state=0).fit(X, y, nodes=nodes)
    before = dict(vars(model))
    model.set_params(target_nodes=[1])

    def fail(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(make, "_inject", fail)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y, nodes=nodes)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before if name.endswith("_"))


@every_poisoner
def test_an_indirect_attack_needs_a_second_node(make):
    X, y, _ = make_rows(FMTLRegressor)
    with pytest.raises(ValueError, match="target_nodes"):
        make(FMTLRegressor(), attack="indirect").fit(X, y)


@every_poisoner
def test_a_listed_node_without_rows_is_no_target(make):
    X, y, nodes = make_rows(FMTLRegressor)
    victim = FMTLRegressor(node_labels=[0, 1, 2, 3])
    for name in ("target_nodes", "source_nodes"):
        with pytest.raises(ValueError, match=name):
            make(victim, **{name: [3]}).fit(X, y, nodes=nodes)


@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
@every_poisoner
def test_data(make, estimator):
    X, y, nodes = make_rows(estimator)
    hole, gap = X.copy(), y.astype(float)
    hole[3, 1], gap[4] = np.nan, np.nan
    cases = {
        "X contains NaN": (hole, y, nodes),
        "X contains infinity": (np.where(np.isnan(hole), np.inf, hole), y, nodes),
        "y contains NaN": (X, gap, nodes),
        "inconsistent numbers of samples": (X, y[:-1], nodes),
        "`nodes`": (X, y, nodes[:-1]),
        "`X` is sparse": (csr_array(X), y, nodes),
    }
    for words, (rows, target, where) in cases.items():
        model = make(estimator())
        with pytest.raises((ValueError, TypeError), match=words):
            model.fit(rows, target, nodes=where)
        with pytest.raises((ValueError, TypeError), match=words):
            model.poison(rows, target, nodes=where)
        assert not hasattr(model, "poison_X_")


@every_poisoner
def test_classes(make):
    X, y, nodes = make_rows(FMTLClassifier)
    for target in (np.zeros_like(y), np.linspace(0.0, 1.0, len(y))):
        with pytest.raises(ValueError, match=r"class|target"):
            make(FMTLClassifier()).fit(X, target, nodes=nodes)


@every_poisoner
def test_nodes_twice(make):
    X, y, nodes = make_rows(FMTLRegressor)
    with pytest.raises(ValueError, match="`node_column`"):
        make(FMTLRegressor(), node_column=0).fit(np.insert(X, 0, nodes, axis=1), y, nodes=nodes)


@pytest.mark.parametrize("value", ["a", None, -1.0])
@every_poisoner
def test_a_wrong_tol_of_the_victim(make, value):
    X, y, nodes = make_rows(FMTLRegressor)
    with pytest.raises((ValueError, TypeError), match="tol"):
        make(FMTLRegressor(tol=value)).fit(X, y, nodes=nodes)


@every_poisoner
def test_prediction_without_nodes(make):
    X, y, nodes = make_rows(FMTLRegressor)
    model = make(FMTLRegressor(random_state=0), budget=0, random_state=0).fit(X, y, nodes=nodes)
    for call in (lambda: model.predict(X), lambda: model.score(X, y)):
        with pytest.raises(ValueError, match="`nodes`"):
            call()
    with pytest.raises(ValueError, match="`nodes`"):
        model.predict(X, nodes=nodes + 50)


@every_poisoner
def test_score_of_lengths_that_differ(make):
    X, y, nodes = make_rows(FMTLRegressor)
    model = make(FMTLRegressor(random_state=0), budget=0, random_state=0).fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match=r"\by\b|inconsistent numbers of samples"):
        model.score(X, y[:-1], nodes=nodes)


@every_poisoner
def test_score_looks_at_targets_alone(make):
    X, y, nodes = make_rows(FMTLRegressor)
    model = make(FMTLRegressor(), target_nodes=[0], random_state=0).fit(X, y, nodes=nodes)
    elsewhere = np.where(nodes == 0, 0, 50)
    assert model.score(X, y, nodes=elsewhere) == model.score(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="`sample_weight` holds zeros only for the target node 0"):
        model.score(X, y, sample_weight=(nodes != 0).astype(float), nodes=nodes)
    assert model.estimator_.handle_unknown == "error"


# -- other rows of the targets ----------------------------------------------------------------


def gap(values, value=np.nan):
    values = np.array(values, dtype=object)
    values[4] = value
    return values


@pytest.mark.parametrize("estimator", [FMTLRegressor, FMTLClassifier])
def test_evaluation_rows_with_gaps(estimator):
    X, y, nodes = make_rows(estimator)
    hole = X.copy()
    hole[3, 1] = np.nan
    cases = {
        "Input X_target contains NaN": (hole, y),
        "Input y_target contains NaN": (X, gap(y)),
        "Input y_target contains NaN.": (X, list(gap(y, None))),
        "`X_target` has masked entries": (np.ma.masked_invalid(hole), y),
        "`y_target` has masked entries": (X, np.ma.masked_less(y, 0.5)),
        "inconsistent numbers of samples": (X, y[:-1]),
        "X_target.*5 features": (np.ones((len(X), 5)), y),
    }
    for words, (rows, target) in cases.items():
        model = PoisoningAttacker(estimator(), random_state=0, max_iter=1)
        with pytest.raises(ValueError, match=words):
            model.fit(X, y, nodes=nodes, X_target=rows, y_target=target, nodes_target=nodes)
        assert not hasattr(model, "estimator_")


def test_evaluation_targets_of_another_kind():
    X, y, nodes = make_rows(FMTLRegressor)
    attack = PoisoningAttacker(FMTLRegressor(), random_state=0, max_iter=1)
    for target, words in (
        (np.where(y > 0, np.inf, y), "Input y_target contains infinity"),
        (np.arange(len(y)).astype("datetime64[D]"), "y_target holds dates"),
        (["much"] * len(y), "y_target must hold real numbers"),
    ):
        with pytest.raises(ValueError, match=words):
            attack.fit(X, y, nodes=nodes, X_target=X, y_target=target, nodes_target=nodes)
    X, y, nodes = make_rows(FMTLClassifier)
    attack = PoisoningAttacker(FMTLClassifier(), random_state=0, max_iter=1)
    for target, words in (
        (np.where(y, "p", "q"), r"y_target holds \['q', 'p'\]|y_target holds \['p', 'q'\]"),
        (gap(y, "p"), r"y_target holds \['p'\]; known classes are \[0, 1\]"),
    ):
        with pytest.raises(ValueError, match=words):
            attack.fit(X, y, nodes=nodes, X_target=X, y_target=target, nodes_target=nodes)


@every_poisoner
def test_masked_rows(make):
    X, y, nodes = make_rows(FMTLRegressor)
    masked = np.ma.masked_less(X, 0.0)
    for victim in (FMTLRegressor(), make_pipeline(StandardScaler(), FMTLRegressor())):
        model = make(victim, budget=0, random_state=0)
        for name, data in (("X", (masked, y)), ("y", (X, np.ma.masked_less(y, 0.0)))):
            with pytest.raises(ValueError, match=f"`{name}` has masked entries"):
                model.fit(*data, nodes=nodes)
        model.fit(X, y, nodes=nodes)
        with pytest.raises(ValueError, match="`X` has masked entries"):
            model.predict(masked, nodes=nodes)


# -- score ------------------------------------------------------------------------------------


@every_poisoner
def test_score_of_what_are_no_targets(make):
    X, y, nodes = make_rows(FMTLRegressor)
    model = make(FMTLRegressor(), budget=0, random_state=0).fit(X, y, nodes=nodes)
    assert model.score(X, y.astype(str), nodes=nodes) == model.score(X, y, nodes=nodes)
    for target, words in (
        (gap(y), "Input y contains NaN"),
        (list(gap(y, None)), "Input y contains NaN"),
        (np.where(y > 0, np.nan, y), "Input y contains NaN"),
        (np.where(y > 0, "p", "q"), "y must hold real numbers"),
        (np.ma.masked_less(y, 0.0), "`y` has masked entries"),
    ):
        with pytest.raises(ValueError, match=words):
            model.score(X, target, nodes=nodes)


@every_poisoner
def test_score_of_what_are_no_classes(make):
    X, y, nodes = make_rows(FMTLClassifier)
    model = make(FMTLClassifier(), budget=0, random_state=0).fit(X, y, nodes=nodes)
    for target, words in (
        (np.where(y, "p", "q"), "Mix of label input types"),
        (y + 0.5, "mix of continuous and binary"),
        (np.where(y, np.nan, 0.0), "Input y contains NaN"),
        (gap(y, None), "Input y contains NaN"),
    ):
        with pytest.raises(ValueError, match=words):
            model.score(X, target, nodes=nodes)
    # as the victim's own score, which counts classes that it does not know as errors
    assert model.score(X, y + 5, nodes=nodes) == 1.0
    assert FMTLClassifier().fit(X, y, nodes=nodes).score(X, y + 5, nodes=nodes) == 0.0


@every_poisoner
def test_score_with_weights_below_zero(make):
    X, y, nodes = make_rows(FMTLRegressor)
    model = make(FMTLRegressor(), budget=0, random_state=0).fit(X, y, nodes=nodes)
    weight = np.ones(len(y))
    weight[2] = -1.0
    with pytest.raises(ValueError, match=r"Negative.*`sample_weight`"):
        model.score(X, y, sample_weight=weight, nodes=nodes)
    with pytest.raises(ValueError, match="`sample_weight` has masked"):
        model.score(X, y, sample_weight=np.ma.masked_less(weight, 0.0), nodes=nodes)


# -- checkpoint -------------------------------------------------------------------------------


def test_folders_that_take_no_files(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    X, y, nodes = make_rows(FMTLRegressor)
    monkeypatch.setattr(FMTLRegressor, "fit", never)  # refused before
    cases = [("", "empty"), (str(file), "is a file"), (file / "below", "is a file")]
    cases += [(tmp_path / ("x" * 300), "too long")] * (os.name == "posix")
    cases += [("/proc/x", "nothing can be written to /proc")] * os.path.isdir("/proc/self")
    for folder, words in cases:
        attack = PoisoningAttacker(FMTLRegressor(), checkpoint=folder, random_state=0)
        with pytest.raises(ValueError, match=f"`checkpoint` must be a folder.*{words}"):
            attack.fit(X, y, nodes=nodes)
    assert os.listdir(tmp_path) == ["file"]


def test_nodes_without_rows_are_not_said_to_be_allowed():
    X, nodes = np.arange(8.0)[:, None], np.repeat(["a", "b"], 4)
    victim = FMTLRegressor(node_labels=["a", "b", "empty"])
    attacker = PoisoningAttacker(victim, target_nodes=["empty"])
    with pytest.raises(ValueError, match=r"\['empty'\]; allowed are 'a', 'b'\.$"):
        attacker.fit(X, X[:, 0], nodes=nodes)
