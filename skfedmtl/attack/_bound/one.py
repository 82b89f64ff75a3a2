"""One of the bounds of a fit, of which the least is taken; runs in any process."""

from __future__ import annotations

from copy import deepcopy

from skfedmtl._typing import Array
from skfedmtl.attack._bound.bound import damage_bound
from skfedmtl.attack._bound.gap import with_gap
from skfedmtl.attack._bound.setting import Bound, Setting

__all__ = ["bound_of_times"]


def bound_of_times(
    settings: list[Setting], norms: Array, max_iter: int, tol: float, place: int, times: float
) -> tuple[Bound, bool]:
    """That of so many times the rows of a setting, and whether its seconds were over."""
    setting = settings[place].with_times(times, norms)
    setting = setting._replace(model=deepcopy(setting.model))  # which remembers common parts
    return with_gap(damage_bound(setting, max_iter, tol), setting, tol), setting.clock.stopped
