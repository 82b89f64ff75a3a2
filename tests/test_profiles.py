"""Which cases a run leaves out: none that would be the only one of its kind."""

from itertools import combinations, product

import pytest

import profiles
from profiles import covering

AXES = ("abcd", "xyz", (1, 2, 3), (True, False), (0.1, 0.2))


@pytest.mark.parametrize("strength", [1, 2, 3])
def test_any_values_meet(strength):
    cases = covering(strength, *AXES)
    for chosen in combinations(range(len(AXES)), strength):
        wanted = set(product(*(AXES[i] for i in chosen)))
        assert {tuple(case[i] for i in chosen) for case in cases} == wanted
    assert len(cases) == len(set(cases)) < 144 / 2 ** (4 - strength)


def test_a_long_run_has_every_case(monkeypatch):
    monkeypatch.setattr(profiles, "IS_LONG", True)
    assert covering(2, *AXES) == list(product(*AXES))
