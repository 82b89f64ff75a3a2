"""Weights of rows as users give them."""

from __future__ import annotations

from typing import Any

import numpy as np

from skfedmtl._input.polars import as_array
from skfedmtl._input.targets import is_time, refuse_masked
from skfedmtl._tools.sklearn import _check_sample_weight
from skfedmtl._typing import Array


def read_weights(sample_weight: Any, X: Any) -> Array:
    """One weight a row of `X`, of at least 0; ones for None."""
    refuse_masked(sample_weight=sample_weight)
    try:
        if sample_weight is not None and _holds_times(as_array(sample_weight)):
            raise TypeError("dates and times are no weights; numbers are allowed")
        weight: Array = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
    except (TypeError, ValueError) as error:  # not all of them name the argument
        raise type(error)(f"sample_weight: {error}") from error
    return weight


def _holds_times(array: Any) -> bool:
    kind = array.dtype.kind
    return kind in "mM" or (kind == "O" and any(map(is_time, array.flat)))
