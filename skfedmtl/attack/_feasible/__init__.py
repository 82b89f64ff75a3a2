"""Where a poisoned row may lie: limits of features, balls, what is stored."""

from skfedmtl.attack._feasible.boxes import row_bounds
from skfedmtl.attack._feasible.feasible_set import FeasibleSet
from skfedmtl.attack._feasible.limits import Limits, no_limits, read_limits
from skfedmtl.attack._feasible.own_constraint import NarrowedSet, refuse_beside_constraint
from skfedmtl.attack._feasible.projection import SeenThroughScalers
from skfedmtl.attack._feasible.storage import Storage

__all__ = [
    "FeasibleSet",
    "Limits",
    "NarrowedSet",
    "SeenThroughScalers",
    "Storage",
    "no_limits",
    "read_limits",
    "refuse_beside_constraint",
    "row_bounds",
]
