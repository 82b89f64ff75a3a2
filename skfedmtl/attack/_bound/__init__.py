"""Certified damage: bounds that no attack of a threat model exceeds."""

from skfedmtl.attack._bound.bound import damage_bound
from skfedmtl.attack._bound.injection import Injection
from skfedmtl.attack._bound.setting import Bound, Setting

__all__ = ["Bound", "Injection", "Setting", "damage_bound"]
