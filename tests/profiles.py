"""How thorough a run of the tests is."""

import os
from collections import defaultdict
from itertools import combinations, product

from hypothesis import settings

#: Whether invariants are searched through, and cases repeated that the others imply.
IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"

#: How many values of a test's parameters meet in every combination; None: all.
STRENGTH = {"few": 1, "long": None}.get(os.environ.get("HYPOTHESIS_PROFILE"), 2)


def examples(share):
    """This share of the examples that the profile asks of a test; 2 are twice as many."""
    return max(1, round(share * settings().max_examples))


def covering(strength, *axes):
    """Cases, a value of each axis, among which any values of so many axes meet.

    Of 4 x 3 x 3 x 2 x 2 cases 12 or so are enough for all pairs to meet. Under the long profile
    there are all of them.
    """
    cases = list(product(*(range(len(axis)) for axis in axes)))
    meetings = {case: set(combinations(enumerate(case), strength)) for case in cases}
    wanted, kept = set().union(*meetings.values()), []
    while wanted and not IS_LONG:
        kept.append(max(cases, key=lambda case: len(meetings[case] & wanted)))
        wanted -= meetings[kept[-1]]
    chosen = cases if IS_LONG else sorted(kept)
    return [tuple(axis[i] for axis, i in zip(axes, case, strict=True)) for case in chosen]


def some_of(items, strength):
    """Of collected tests those that are the first in which so many values of parameters meet.

    A test of 4 x 3 x 2 cases keeps 7 of them with strength 1, each of its 9 values, and 18 with
    strength 2, every pair of values. With more than one, parameters that are listed together are
    one: what is listed is kept.
    """
    met, kept = defaultdict(set), []
    for item in items:
        values = _values(item, together=strength > 1)
        meetings = set(combinations(values, min(strength, len(values))))
        test = item.nodeid.partition("[")[0]
        if not values or meetings - met[test]:
            kept.append(item)
        met[test] |= meetings
    return kept


def _values(item, *, together):
    """What tells the values of a test's parameters from others."""
    if not hasattr(item, "callspec"):
        return []
    place = {name: name for name in item.callspec.params}
    for mark in item.iter_markers("parametrize") if together else ():
        names = mark.args[0]
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
        place.update(dict.fromkeys(names, ",".join(names)))
    values = defaultdict(tuple)
    for name, value in sorted(item.callspec.params.items()):
        values[place[name]] += (id(value),)
    return sorted(values.items())
