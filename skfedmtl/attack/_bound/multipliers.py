"""The numbers that the joint and the conditional inequality are summed with, without limits.

From x of any sign: ``t1 = low + e^x0`` of the joint one, low its limit where a source is a target;
``t2 = e^x1`` of the conditional one and what t1 lacks of `whole`, the limit of their sum where a
target is none; and c, a share between 0 and 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._typing import Array

_ROUND = 0.02  #: by how much a corner is rounded off
_MARGIN = 1e-4  #: relative, from a limit
_LARGEST_SHARE = 0.9999


class Multipliers(NamedTuple):
    """At a point x, with what a step in x changes."""

    t1: float
    t2: float
    c: float
    by_x: Array  #: (3, 3): of t1, t2 and c


def multipliers(x: Array, low: float, whole: float) -> Multipliers:
    """Of any x, of three numbers."""
    grown = np.exp(np.clip(x[:2], -30.0, 30.0))
    t1 = low * (1.0 + _MARGIN) + grown[0]
    lack = whole * (1.0 + _MARGIN) - t1
    size = np.hypot(lack, _ROUND)
    c = _LARGEST_SHARE / (1.0 + np.exp(-x[2]))
    by_x = np.zeros((3, 3))
    by_x[0, 0] = grown[0]
    by_x[1, 0] = -0.5 * (1.0 + lack / size) * grown[0]
    by_x[1, 1] = grown[1]
    by_x[2, 2] = c * (1.0 - c / _LARGEST_SHARE)
    return Multipliers(float(t1), float(grown[1] + 0.5 * (lack + size)), float(c), by_x)


def first_multipliers(low: float, whole: float) -> Array:
    """Where a search begins."""
    return np.array([np.log(0.2 * whole), np.log(0.2 * whole), 1.5])
