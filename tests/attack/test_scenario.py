"""The setting of an attack: read once, drawn in one order, and no mark left by a mere look."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimators import make_rows
from skfedmtl import FMTLRegressor, LabelFlipPoisoner, PoisoningAttacker, RandomPoisoner
from skfedmtl._input import labels as label_reader
from skfedmtl._input import nodes as node_reader
from skfedmtl.attack import draw_nodes
from skfedmtl.attack._setting import start

POISONERS = (PoisoningAttacker, RandomPoisoner, LabelFlipPoisoner)
every_poisoner = pytest.mark.parametrize("make", POISONERS)


def attack_on(kind, make=PoisoningAttacker, **params):
    """An attack, and its data: with `nodes`, or with a last column, scaled behind it or not."""
    X, y, nodes = make_rows(FMTLRegressor)
    if make is PoisoningAttacker:
        params.setdefault("max_iter", 2)
    victim = FMTLRegressor(node_column=-1 if kind == "column" else None)
    if kind == "pipeline":
        victim = make_pipeline(StandardScaler(), victim)
        params["node_column"] = -1
    attack = make(victim, **{"random_state": 0, **params})
    if kind == "nodes":
        return attack, (X, y), {"nodes": nodes}
    return attack, (np.column_stack([X, nodes]), y), {}


@pytest.fixture
def calls(monkeypatch):
    """How often nodes are taken out of a table, and the labels of its rows read.

    Targets and sources are labels too, but few.
    """
    counts, n_nodes = Counter(), len(np.unique(make_rows(FMTLRegressor)[2]))

    def count(module, name):
        plain = getattr(module, name)

        def counting(*args, **kwargs):
            counts[name] += len(args[0]) > n_nodes
            return plain(*args, **kwargs)

        monkeypatch.setattr(module, name, counting)

    count(node_reader, "split_node_column")
    count(start, "split_node_column")
    count(node_reader, "as_labels")
    count(label_reader, "as_labels")
    return counts


@pytest.mark.parametrize(
    "kind, n_splits", [("nodes", 0), ("column", 1 + 2), ("pipeline", 1)], ids=str
)
@every_poisoner
def test_nodes_are_read_once(make, kind, n_splits, calls):
    """By the attack; its two victims are fitted by their public `fit`, which reads for itself.

    Behind a Pipeline victims have no node column, and get the labels that have been read.
    """
    attack, data, nodes = attack_on(kind, make, target_nodes=0.5)
    attack.fit(*data, **nodes)
    assert calls["split_node_column"] == n_splits
    assert calls["as_labels"] == 1 + 2


@pytest.mark.parametrize("kind, n_splits", [("column", 1 + 1), ("pipeline", 1)])
def test_rows_to_be_judged_are_read_once(kind, n_splits, calls):
    """By the attack; a victim with a node column looks up the nodes of a table for itself."""
    attack, (table, y), _ = attack_on(kind, target_nodes=0.5)
    attack.fit(table, y)
    clean = calls.copy()
    attack.fit(table, y, X_target=table, y_target=y)
    more = calls - clean - clean
    assert more["split_node_column"] == n_splits


@pytest.mark.parametrize("kind", ["nodes", "column", "pipeline"])
def test_a_check_of_the_gradient_leaves_no_mark(kind):
    attack, data, nodes = attack_on(kind, target_nodes=[0])
    before = dict(vars(attack))
    attack.check_gradient(*data, **nodes, n_points=1)
    assert vars(attack) == before


def test_a_check_of_the_gradient_keeps_the_fit(tmp_path):
    attack, data, nodes = attack_on("column", target_nodes=[0], checkpoint=tmp_path / "files")
    attack.fit(*data, **nodes)
    before, files = dict(vars(attack)), sorted((tmp_path / "files").iterdir())
    attack.check_gradient(*data, **nodes, n_points=1)
    assert {name: value is before[name] for name, value in vars(attack).items()} == dict.fromkeys(
        before, True
    )
    assert sorted((tmp_path / "files").iterdir()) == files


@pytest.mark.parametrize("n_points", [0, 1])
def test_a_check_of_the_gradient_refuses_what_a_fit_does(n_points):
    attack, data, nodes = attack_on("nodes", budget=-1.0)
    with pytest.raises(ValueError, match="budget" if n_points else "n_points"):
        attack.check_gradient(*data, **nodes, n_points=n_points)


@given(
    seed=st.integers(0, 2**31 - 1),
    attack=st.sampled_from(["direct", "indirect", "hybrid"]),
    share=st.sampled_from([0.2, 0.5, 1 / 3]),
)
def test_nodes_drawn_for_a_curve_are_those_of_a_fit(seed, attack, share):
    X, y, nodes = make_rows(FMTLRegressor, (4, 3, 5, 4, 3))
    poisoner = LabelFlipPoisoner(
        FMTLRegressor(tol=1e-2), attack=attack, target_nodes=share, random_state=seed
    )
    drawn = draw_nodes(poisoner, nodes, np.unique(nodes))
    poisoner.fit(X, y, nodes=nodes)
    assert_array_equal(drawn[0], poisoner.target_nodes_)
    assert_array_equal(drawn[1], poisoner.source_nodes_)


def test_nodes_drawn_for_a_curve_are_judged():
    nodes = np.repeat(np.arange(6), 3)
    poisoner = RandomPoisoner(FMTLRegressor(), target_nodes=1.0, random_state=0)
    assert draw_nodes(poisoner, nodes, np.array([1, 4]))[0].tolist() == [1, 4]
    poisoner.set_params(budget=-1.0)
    with pytest.raises(ValueError, match="budget"):
        draw_nodes(poisoner, nodes, np.array([1, 4]))
