"""How thorough a run of the tests is."""

import os

from hypothesis import settings

#: Whether invariants are searched through, and cases repeated that the others imply.
IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def examples(share):
    """This share of the examples that the profile asks of a test; 2 are twice as many."""
    return max(1, round(share * settings().max_examples))
