"""Backtracking: the first of ever shorter steps that is good enough.

The search knows lengths alone. Where a step leads, and whether that is enough, the method says that
searches; so does what becomes of it if no length will do:

=======================  ===========================================  ========================
method                   enough                                       no length
=======================  ===========================================  ========================
`weight_newton`          the dual rises by a share of the promise,    Newton's steps end
                         or what is promised is less than rounding
`smooth_path`            `SufficientFall` of the smoothed objective   it is smoothed less
`inside_path`            `SufficientFall`, but for rounding           the path ends
`bundle`, with bounds    the barrier function rises no more than by   the shortest is taken
                         rounding
the ascent of an attack  H exceeds the least of its last values, for  the shortest is taken, and
                         it has edges that no step goes up            the next begins with it
=======================  ===========================================  ========================

What changes the direction in the place of the length is no line search: `bundle` without bounds
damps the system instead.

References
----------
.. [1] L. Armijo, "Minimization of functions having Lipschitz continuous first partial
   derivatives", Pacific J. Mathematics 16(1), 1966.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

SUFFICIENT = 1e-4  #: share of the promised change that a step must reach

Point = TypeVar("Point")


class Trial(NamedTuple, Generic[Point]):
    """A step of some length, and where it leads."""

    length: float
    point: Point
    is_enough: bool


class Valued(Protocol):
    """A point with a value that should fall."""

    @property
    def value(self) -> float: ...


class SufficientFall(NamedTuple):
    """Armijo's rule: a value falls by a share of what its slope promises [1]_."""

    value: float  #: where the step begins
    slope: float  #: how fast it falls there; 0: it need not fall
    noise: float = 0.0  #: by which it may rise all the same

    def is_met(self, length: float, point: Valued) -> bool:
        return point.value <= self.value - SUFFICIENT * length * self.slope + self.noise


def backtrack(
    evaluate: Callable[[float], Point],
    is_enough: Callable[[float, Point], bool],
    *,
    n_trials: int,
    longest: float = 1.0,
) -> Trial[Point]:
    """The first trial that is enough, each half as long as the one before; else the last one."""
    length = longest
    point = evaluate(length)
    for _ in range(n_trials - 1):
        if is_enough(length, point):
            return Trial(length, point, True)
        length *= 0.5
        point = evaluate(length)
    return Trial(length, point, is_enough(length, point))
