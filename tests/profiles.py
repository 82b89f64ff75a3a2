"""How thorough a run of the tests is."""

import os

#: Whether invariants are searched through, and cases repeated that the others imply.
IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
