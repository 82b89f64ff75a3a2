"""Rows moved by chance, kept where a hard victim suffers more: the last word on small problems.

What a search among weights promises it realises by whole rows of two or three kinds, and what it
raises is smooth. Where a node injects a row or two, and a target has few rows to be wrong on, both
are coarse; and a victim is fitted in milliseconds. Three (1 + 1) evolution strategies, from the
best attempt, from rows drawn at random and from one row repeated, find what chance alone would;
the one that has come farthest has as many victims again as all before it. Steps alone hardly leave
a place where the criterion is flat: some moves put one row into another place altogether.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._typing import Array
from skfedmtl.attack._contest.attempts import Attempt, Judge
from skfedmtl.attack._contest.case import Case
from skfedmtl.attack._setting import Start, as_targets, target_ranges

_MOST_INJECTED, _MOST_CLEAN = 20, 1000  #: rows of a problem that is small
_NAME = "mutated"
#: victims for every step of an ascent: draws of a start, moves of each, and moves of the best
_N_DRAWS, _N_MUTATIONS, _N_LAST = 0.5, 1, 4
_REPLACED = 0.3  #: share of the moves that put one row elsewhere, in place of steps of some
_MOVED, _TOLD_OTHERWISE = 0.3, 0.2  #: shares of the rows that move, and of these in their targets
_STRIDE = 0.6  #: of the first move, in units of the ascents; then within
_LEAST_STRIDE, _MOST_STRIDE = 0.02, 1.0
_WIDER, _NARROWER = 1.5, 0.93  #: after a move that did more damage, and after another


def is_small(case: Case, start: Start) -> bool:
    """Whether chance may be tried."""
    return 0 < len(start.codes) <= _MOST_INJECTED and len(case.clean.codes) <= _MOST_CLEAN


def mutate(
    case: Case, judge: Judge, best: Attempt, unit: Array, n_steps: int, rng: np.random.Generator
) -> list[Attempt]:
    """Attempts of chance, rows and targets, those that did more; `n_steps` are an ascent's."""
    chance = _Chance(case, judge, unit, rng)
    starts = [best]
    for alike in (False, True):
        n_draws = max(1, int(_N_DRAWS * n_steps))
        drawn = [chance.draw(best.start, alike=alike) for _ in range(n_draws)]
        tried = [judge.attempt(_NAME, one, []) for one in drawn]
        starts.append(max(tried, key=lambda one: one.verdict))
    found = [chance.raise_from(start, _N_MUTATIONS * n_steps) for start in starts]
    farthest = max(found, key=lambda one: one.verdict)
    last = chance.raise_from(farthest, _N_LAST * n_steps)
    found = [last, *(one for one in found if one is not farthest)]
    return [one for one in found if one is not best]


class _Chance:
    """Draws and moves rows; `unit` is that of each row's moves."""

    def __init__(self, case: Case, judge: Judge, unit: Array, rng: np.random.Generator) -> None:
        self._case, self._judge, self._unit, self._rng = case, judge, unit, rng
        self._spread = np.asarray(case.spread)

    def raise_from(self, best: Attempt, n_moves: int) -> Attempt:
        """What moves lead to that did more damage than what they moved."""
        stride = _STRIDE
        for _ in range(n_moves):
            replaces = self._rng.random() < _REPLACED
            moved = self._replace(best.start) if replaces else self._move(best.start, stride)
            other = self._judge.attempt(_NAME, moved, [])
            if other.verdict > best.verdict:
                best, stride = other, min(_WIDER * stride, _MOST_STRIDE)
            else:
                stride = max(_NARROWER * stride, _LEAST_STRIDE)
        return best

    def draw(self, start: Start, *, alike: bool) -> Start:
        """Rows from all over the feasible set, half told otherwise; or all of them alike."""
        X = start.feasible.sample(self._rng, start.X.shape[1])
        if alike:
            one = X[self._rng.integers(len(X))]
            X = start.feasible.project(np.tile(one, (len(X), 1)))
        turned = self._rng.random(len(X)) < 0.5
        nowhere = np.full_like(start.origin, -1)
        told = _told_otherwise(self._case, start, turned, self._rng)
        return start._replace(X=X, y=told, origin=nowhere)

    def _move(self, start: Start, stride: float) -> Start:
        """Some of the rows, at least one, about so far away, and a few of those told otherwise."""
        n, d = start.X.shape
        moving = self._rng.random(n) < _MOVED
        moving[self._rng.integers(n)] = True
        direction = self._spread * self._rng.normal(size=(n, d)) / np.sqrt(d)
        length = moving * (stride * self._unit)
        X = start.feasible.project(start.X + length[:, None] * direction)
        turned = moving & (self._rng.random(n) < _TOLD_OTHERWISE)
        origin = np.where(turned, -1, start.origin)  # what it is told may be what the clean row is
        told = _told_otherwise(self._case, start, turned, self._rng)
        return start._replace(X=X, y=told, origin=origin)

    def _replace(self, start: Start) -> Start:
        """One row told otherwise, or in the place of another, or of a clean one told otherwise."""
        X, y, origin = start.X.copy(), start.y.copy(), start.origin.copy()
        n = len(X)
        place = self._rng.integers(n)
        origin[place] = -1
        kind = self._rng.integers(3 if n > 1 else 2)
        if kind == 2:
            other = (place + self._rng.integers(1, n)) % n
            X[place] = X[other]
            if self._case.is_classification:  # numbers of another node may be out of range
                y[place] = y[other]
        else:
            if kind == 1:
                clean = self._case.clean
                row = self._rng.choice(np.flatnonzero(clean.codes == start.codes[place]))
                X[place], y[place] = clean.X[row], clean.y[row]
            turned = np.arange(n) == place
            y = _told_otherwise(self._case, start._replace(y=y), turned, self._rng)
        return start._replace(X=start.feasible.project(X), y=y, origin=origin)


def _told_otherwise(case: Case, start: Start, turned: Array, rng: np.random.Generator) -> Array:
    """Targets of which these are others: another class, or the farther end of the node's range."""
    y = start.y.copy()
    if not turned.any():
        return y
    codes = start.codes[turned]
    if case.is_classification:
        step = rng.integers(1, len(case.classes), size=len(codes))
        place = np.searchsorted(case.classes, y[turned])
        y[turned] = case.classes[(place + step) % len(case.classes)]
        return y
    low, high = target_ranges(case.clean, codes)
    is_high = y[turned].astype(float) > 0.5 * (low + high)
    y[turned] = as_targets(case.clean, codes, np.where(is_high, low, high))
    return y
