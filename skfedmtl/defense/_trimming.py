"""Fits that leave out the rows that fit worst, in every node and class alike."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from skfedmtl._estimators import taken
from skfedmtl._tools.sklearn import Interval
from skfedmtl._tools.task import Task
from skfedmtl._typing import Array

_TIED = 1e-9  #: of the loss of a constant: what the rounding of fits leaves of a loss is less
_DIGITS = 9  #: of shares: what rounding leaves of a row is no part of it


class TrimmingMixin:
    """Before an FMTL estimator: every model goes by the rows of least loss alone."""

    trim: float
    max_trim: int
    max_iter: int
    warm_start: bool
    _more_arrays: ClassVar = ("inlier_",)
    _keeps_iterate = True  # for the fits that follow one another

    _trimming_constraints: ClassVar[dict[str, list[Any]]] = {
        "trim": [Interval(Real, 0, 1, closed="left")],
        "max_trim": [Interval(Integral, 1, None, closed="left")],
    }

    @property
    def _goes_by_all(self) -> bool:
        return self.trim == 0

    @property
    def _most_rounds(self) -> int:
        return (1 + self.max_trim) * self.max_iter

    def _fit_rows(
        self,
        X: Any,
        signed_y: Array,
        codes: NDArray[np.int64],
        labels: NDArray[Any],
        sample_weight: Array,
        task: Task,
        *,
        whole: bool = True,
    ) -> Any:
        """As without trimming, but to the rows that are kept."""
        X = taken(X)
        solutions: list[Any] = []
        one: Any = super()
        own: Any = self

        def fit(weight: Array) -> Array:
            options = {"whole": whole, "again": len(solutions) > 0}
            solutions.append(one._fit_rows(X, signed_y, codes, labels, weight, task, **options))
            return np.asarray(own._make_loss().value(signed_y, own._decision(X, codes)))

        self.inlier_ = self._select(fit, signed_y, codes, sample_weight) > 0.0
        if not self.warm_start:
            own._iterate = None
        return solutions[-1]

    def _select(
        self,
        fit: Callable[[Array], Array],
        signed_y: Array,
        codes: NDArray[np.int64],
        sample_weight: Array,
    ) -> Array:
        """Fit, and keep the rows of least loss, until they stay; the share that counts of each."""
        own: Any = self
        loss, mean = own._make_loss(), np.average(signed_y, weights=sample_weight)
        strata = codes if loss.is_regression else 2 * codes + (signed_y > 0.0)
        constant = np.average(
            loss.value(signed_y, np.full(len(codes), mean)), weights=sample_weight
        )
        unit = _TIED * constant if constant > 0.0 else 1.0
        kept = np.ones(len(codes))
        for last in range(self.max_trim, -1, -1):
            losses = np.asarray(np.round(fit(sample_weight * kept) / unit), dtype=np.float64)
            better = kept_shares(losses, strata, sample_weight, float(self.trim))
            if last == 0 or np.array_equal(better, kept):
                break
            kept = better
        return kept


def kept_shares(losses: Array, strata: NDArray[np.int64], weight: Array, trim: float) -> Array:
    """Shares of the rows, those of least loss first, with ``1 - trim`` of every stratum's weight.

    Equal losses have equal shares, in part where not all fit in: no order of rows decides, and a
    row of weight two is that row twice.
    """
    pairs = np.column_stack([strata, losses])
    groups, members = np.unique(pairs, axis=0, return_inverse=True)
    members = members.ravel()
    heavy = np.bincount(members, weights=weight)
    before = np.cumsum(heavy) - heavy
    first = np.searchsorted(groups[:, 0], groups[:, 0])
    whole = np.bincount(strata, weights=weight)[groups[:, 0].astype(np.int64)]
    room = (1.0 - trim) * whole - (before - before[first])
    shares = np.divide(room, heavy, out=(room > 0.0).astype(float), where=heavy > 0.0)
    return np.round(np.clip(shares, 0.0, 1.0), _DIGITS)[members]
