"""What is known of one model a class, as the fitted attributes of a model of them all."""

from __future__ import annotations

from typing import Any

import numpy as np

from skfedmtl._solvers import add_histories
from skfedmtl._typing import Array


def joined(parts: list[Any]) -> dict[str, Any]:
    """The models' attributes on an axis of classes; objectives and gaps add up."""
    attributes: dict[str, Any] = {}
    for name in ("coef_", "intercept_", "dual_coef_", "is_constant_", *parts[0]._more_arrays):
        attributes[name] = np.stack([getattr(part, name) for part in parts], axis=1)
    for name in ("common_coef_", "common_intercept_"):
        values = [getattr(part, name) for part in parts]
        attributes[name] = None if values[0] is None else np.array(values)
    for name in ("objective_", "dual_objective_", "dual_gap_"):
        attributes[name] = float(sum(getattr(part, name) for part in parts))
    attributes["n_iter_"] = max(part.n_iter_ for part in parts)
    attributes["history_"] = add_histories([part.history_ for part in parts])
    attributes["node_covariance_factor_"] = padded([part.node_covariance_factor_ for part in parts])
    return attributes


def padded(factors: list[Array]) -> Array:
    """One factor a class, all with as many columns."""
    rank = max(factor.shape[1] for factor in factors)
    return np.array([np.pad(factor, ((0, 0), (0, rank - factor.shape[1]))) for factor in factors])
