"""Who injects, how much, and with which targets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array
from skfedmtl.attack._sought.clean_rows import CleanRows, Model


class Sources(NamedTuple):
    """What each source may inject."""

    codes: NDArray[np.int64]  #: (k,) nodes
    counts: NDArray[np.int64]  #: (k,) rows
    radii: Array  #: (k,) of their balls, around zero, as users store rows
    row_weight: Array  #: (k,) of each injected row


class Budget(NamedTuple):
    """The same for the sources that are sought, with the range of their targets."""

    codes: NDArray[np.int64]  #: (k,) nodes
    counts: Array  #: (k,) rows
    radii: Array  #: (k,)
    row_weight: Array  #: (k,) of each injected row
    clean: Array  #: (k,) weight of the clean rows, in units of `row_weight`
    middle: Array  #: (k,) of the targets; 0 for classes
    half: Array  #: (k,) of their range; 1 for classes
    side: NDArray[np.int64]  #: (k,) sign of the rows where the intercept leaves it open

    def less_middle(self, theta: Array) -> Array:
        """The weights ``[w, b - mid]`` of ``f - mid``, from ``[w, b]``."""
        moved = theta.copy()
        moved[:, -1] -= self.middle
        return moved


def read_budget(
    rows: CleanRows, model: Model, targets: NDArray[np.int64], sources: Sources
) -> Budget:
    """Of the sources that can be sought."""
    ranges = np.array([_range(rows, model, code) for code in sources.codes]).reshape(-1, 3)
    able = (sources.counts > 0) & (sources.row_weight > 0.0) & (sources.radii > 0.0)
    able &= np.isin(sources.codes, rows.codes[rows.weight > 0.0])
    able &= ranges[:, 1] > 0.0
    if model.loss.is_regression:
        able &= np.isin(sources.codes, targets)
    codes, row_weight = sources.codes[able], sources.row_weight[able]
    total = np.bincount(rows.codes, weights=rows.weight, minlength=int(codes.max(initial=-1)) + 1)
    middle, half, side = ranges[able].T
    return Budget(
        codes,
        sources.counts[able].astype(float),
        sources.radii[able],
        row_weight,
        total[codes] / row_weight,
        middle,
        half,
        side.astype(np.int64),
    )


def _range(rows: CleanRows, model: Model, code: int) -> tuple[float, float, float]:
    """Middle, half and side of a node's targets.

    Without an intercept pulls need not cancel: all rows get the target farthest from zero.
    """
    if not model.loss.is_regression:
        return 0.0, 1.0, 1.0
    y = rows.y[rows.codes == code]
    if not len(y):
        return 0.0, 0.0, 1.0
    low, high = float(y.min()), float(y.max())
    if model.balanced:
        return 0.5 * (low + high), 0.5 * (high - low), 1.0
    return 0.0, max(-low, high), 1.0 if high >= -low else -1.0
