"""Errors node by node, what an attack adds to them, and scorers that know where rows live."""

from skfedmtl.metrics._compare import compare

# for other rooms, not for users
from skfedmtl.metrics._resampling import resampled_errors as resampled_errors
from skfedmtl.metrics._resampling import row_losses as row_losses
from skfedmtl.metrics._scores import (
    certified_scorer,
    make_node_scorer,
    node_errors,
    robustness_scorer,
)

__all__ = [
    "certified_scorer",
    "compare",
    "make_node_scorer",
    "node_errors",
    "robustness_scorer",
]
