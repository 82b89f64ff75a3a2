"""Fits that leave out the rows that fit worst, in every node and class alike."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import LOSSES
from skfedmtl._tools.sklearn import Interval
from skfedmtl._tools.task import Task
from skfedmtl._typing import Array

_DIGITS = 9  #: of shares: what rounding leaves of a row is no part of it


class TrimmingMixin:
    """Before an FMTL estimator: every model goes by the rows of least loss alone."""

    trim: float
    max_trim: int
    max_iter: int
    loss: str
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
        solutions: list[Any] = []
        one: Any = super()
        own: Any = self

        def fit(weight: Array) -> Array:
            options = {"whole": whole, "again": len(solutions) > 0}
            solutions.append(one._fit_rows(X, signed_y, codes, labels, weight, task, **options))
            return LOSSES[self.loss]().value(signed_y, own._decision(X, codes))

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
        strata = codes if LOSSES[self.loss].is_regression else 2 * codes + (signed_y > 0.0)
        kept = np.ones(len(codes))
        for last in range(self.max_trim, -1, -1):
            losses = fit(sample_weight * kept)
            better = kept_shares(losses, strata, sample_weight, float(self.trim))
            if last == 0 or np.array_equal(better, kept):
                break
            kept = better
        return kept


def kept_shares(losses: Array, strata: NDArray[np.int64], weight: Array, trim: float) -> Array:
    """Shares of the rows, those of least loss first, with ``1 - trim`` of every stratum's weight.

    The last of a stratum counts in part, so that a row of weight two is that row twice.
    """
    order = np.lexsort((losses, strata))
    own, heavy = strata[order], weight[order]
    ends = np.cumsum(heavy)
    first = np.searchsorted(own, own)
    before = ends - heavy - (ends - heavy)[first]
    room = (1.0 - trim) * np.bincount(strata, weights=weight)[own] - before
    shares = np.divide(room, heavy, out=(room > 0.0).astype(float), where=heavy > 0.0)
    kept = np.empty(len(losses))
    kept[order] = np.round(np.clip(shares, 0.0, 1.0), _DIGITS)
    return kept
