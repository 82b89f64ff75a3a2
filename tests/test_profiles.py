"""Which cases a run leaves out: none that would be the only one of its kind."""

from itertools import combinations, product
from types import SimpleNamespace

import pytest

import profiles
from profiles import covering, one_of_each

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


def test_a_short_run_meets_every_value():
    def item(test, **values):
        case = SimpleNamespace(params=values) if values else None
        return SimpleNamespace(nodeid=f"{test}[{values}]", callspec=case)

    items = [item("pairs", first=a, second=b) for a in "abcd" for b in (1, 2, 3)]
    items += [item("listed", first=a, second=b) for a, b in (("a", 1), ("a", 2), ("b", 2))]
    items += [item("alone")]
    kept = one_of_each(items)
    assert kept == [one for one in items if one in kept]
    pairs = [one.callspec.params for one in kept if one.nodeid.startswith("pairs")]
    assert {one["first"] for one in pairs} == set("abcd")
    assert {one["second"] for one in pairs} == {1, 2, 3}
    assert len(pairs) == 6
    assert len(kept) == 6 + 3 + 1
