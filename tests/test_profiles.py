"""Which cases a run leaves out: none that would be the only one of its kind."""

from itertools import combinations, product
from types import SimpleNamespace

import pytest

import profiles
from profiles import covering, some_of

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


@pytest.mark.parametrize(("strength", "n_kept"), [(1, 7 + 3 + 1), (2, 18 + 5 + 1), (3, 24 + 5 + 1)])
def test_a_run_meets_every_value_or_pair(strength, n_kept):
    def item(test, *marks, **values):
        found = SimpleNamespace(nodeid=f"{test}[{values}]", iter_markers=lambda name: marks)
        found.callspec = SimpleNamespace(params=values)
        return found

    axes = {"first": "abcd", "second": (1, 2, 3), "third": (True, False)}
    every = [dict(zip(axes, case, strict=True)) for case in product(*axes.values())]
    items = [item("crossed", **case) for case in every]
    together = SimpleNamespace(args=("first, second, third",))
    listed = ("a", 1, "x"), ("a", 2, "y"), ("b", 1, "y"), ("b", 2, "x"), ("b", 2, "y")
    for case in listed:
        items.append(item("listed", together, **dict(zip(axes, case, strict=True))))
    items.append(SimpleNamespace(nodeid="alone"))
    kept = some_of(items, strength)
    assert kept == [one for one in items if one in kept]
    crossed = [one.callspec.params for one in kept if one.nodeid.startswith("crossed")]
    for names in combinations(axes, strength):
        found = {tuple(case[name] for name in names) for case in crossed}
        assert found == set(product(*(axes[name] for name in names)))
    assert len(kept) == n_kept
