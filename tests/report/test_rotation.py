"""Drawn targets take turns: every node is one before any has to be a second time."""

import re
from html import unescape

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import arguments, small_data_sets
from skfedmtl import FMTLRegressor
from skfedmtl._console import main
from skfedmtl._report.experiment import Settings, Threat, split_seeds
from skfedmtl._report.rotation import rotate
from skfedmtl.attack import PoisoningAttacker


def plan(repeats, seed):
    return Settings("made up", repeats, 0.2, seed, 2, 0.01, 0.01, loss="squared_error")


def rows_of(m, alone=0):
    """Six rows a node, but for the last ones, of a single row."""
    nodes = np.repeat(np.arange(m + alone), [6] * m + [1] * alone)
    return np.ones((len(nodes), 1)), np.arange(len(nodes), dtype=float), nodes


def targets_of(data, repeats, seed):
    """Of every repetition, those that are named and those that an attacker draws itself."""
    X, y, nodes = data
    drawn = rotate(data, plan(repeats, seed), Threat()).drawn
    assert len(drawn) == repeats
    for repeat, named in enumerate(drawn):
        _, threat_seed = split_seeds(plan(repeats, seed), repeat)
        options = {} if named is None else {"target_nodes": list(named)}
        options |= {"attack": "direct", "budget": 0.0, "max_iter": 0, "random_state": threat_seed}
        yield set(
            PoisoningAttacker(FMTLRegressor(), **options).fit(X, y, nodes=nodes).target_nodes_
        )


@settings(max_examples=20, deadline=None)
@given(m=st.integers(2, 11), alone=st.integers(0, 3), seed=st.integers(0, 99))
def test_nobody_is_a_target_twice_before_everybody_was_once(m, alone, seed):
    data = rows_of(m, alone)
    ever = set()
    for targets in targets_of(data, 4, seed):
        assert len(targets) == min((m + alone) // 2, m)
        fresh = set(range(m)) - ever
        assert targets >= fresh or targets <= fresh
        ever |= targets
    assert ever == set(range(m)) or 4 * ((m + alone) // 2) < m


def test_the_first_draw_is_an_attackers_own_and_few_repetitions_begin_as_many():
    data = rows_of(9)
    drawn = [rotate(data, plan(repeats, 3), Threat()).drawn for repeats in (1, 2, 5)]
    assert drawn[0] == (None,) == drawn[2][:1] and drawn[1] == drawn[2][:2]
    assert any(targets is not None for targets in drawn[2])
    again = rotate(data, plan(5, 3), Threat()).drawn
    assert again == drawn[2]


def test_named_targets_stay():
    threat = Threat(targets=(0, 1))
    assert rotate(rows_of(4), plan(3, 0), threat) is threat


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    output = tmp_path_factory.mktemp("rotated")
    quick = ["--repeats", "2", "--no-bound", "--no-remedies", "--attack", "hybrid", "--seed", "1"]
    with small_data_sets():
        assert main(arguments(output, *quick)) == 0
        yield unescape((output / "report.html").read_text(encoding="utf-8"))


def test_two_repetitions_attack_all_of_four_nodes_once(page):
    assert "Never a target" not in page
    table = page[page.index("By node: ") :].partition("</table>")[0]
    assert re.findall("<td>([0-9]) of 2</td>", table) == ["1"] * 4


def test_one_repetition_says_how_to_attack_the_rest(tmp_path):
    quick = ["--no-bound", "--no-remedies", "--attack", "direct"]
    with small_data_sets():
        assert main(arguments(tmp_path, *quick)) == 0
    page = unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    told = re.search(r"To attack them: --targets (\w) (\w) \(in Python, target_nodes\), or", page)
    assert "Never a target: 2 of 4 nodes" in page and "more --repeats, which draw them" in page
    table = page[page.index("By node: ") :].partition("</table>")[0]
    never = re.findall(r"<tr><td>(\w)</td>(?:<td>[^<]*</td>){2}<td>0 of 1</td>", table)
    assert never == list(told.groups())
