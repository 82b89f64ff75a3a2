"""One of the bounds of a fit, of which the least is taken; runs in any process."""

from __future__ import annotations

from copy import deepcopy

from skfedmtl._typing import Array
from skfedmtl.attack._bound.bound import damage_bound, of_fewer_rows
from skfedmtl.attack._bound.gap import with_gap
from skfedmtl.attack._bound.setting import Bound, Setting

__all__ = ["bound_of_times"]


def bound_of_times(
    settings: list[Setting], norms: Array, max_iter: int, tol: float, place: int, times: float
) -> tuple[Bound, bool]:
    """That of so many times the rows of a setting, and whether its seconds were over."""
    own = settings[place]
    own = own._replace(model=deepcopy(own.model))  # which remembers common parts
    setting = own.with_times(times, norms)
    found = damage_bound(setting, max_iter, tol)
    bounds = [with_gap(found, setting, tol)]
    if times != 1.0:
        fewer = of_fewer_rows(found, own)
        bounds += [] if fewer is None else [with_gap(fewer, own, tol)]
    return min(bounds, key=lambda bound: bound.value), own.clock.stopped
