"""Certified damage: bounds that no attack of a threat model exceeds."""

from skfedmtl.attack._bound.bound import damage_bound, damage_cap
from skfedmtl.attack._bound.clock import Clock
from skfedmtl.attack._bound.gap import with_gap
from skfedmtl.attack._bound.injection import Injection
from skfedmtl.attack._bound.one import bound_of_times
from skfedmtl.attack._bound.regions import regions
from skfedmtl.attack._bound.setting import Bound, Setting

__all__ = [
    "Bound",
    "Clock",
    "Injection",
    "Setting",
    "bound_of_times",
    "damage_bound",
    "damage_cap",
    "regions",
    "with_gap",
]
