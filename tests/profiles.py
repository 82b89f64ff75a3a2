"""How thorough a run of the tests is."""

import os
from collections import defaultdict
from itertools import combinations, product

from hypothesis import settings

#: Whether invariants are searched through, and cases repeated that the others imply.
IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"

#: Whether every value of a parametrised test is met once, not every combination.
IS_SHORT = os.environ.get("HYPOTHESIS_PROFILE") == "few"


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


def one_of_each(items):
    """Of collected tests those that are the first with some value of a parameter.

    A test of 4 x 3 x 2 cases keeps between 4 and 7 of them, and each of its 9 values.
    """
    met, kept = defaultdict(set), []
    for item in items:
        case = getattr(item, "callspec", None)
        values = set() if case is None else {(name, id(it)) for name, it in case.params.items()}
        test = item.nodeid.partition("[")[0]
        if not values or values - met[test]:
            kept.append(item)
        met[test] |= values
    return kept
