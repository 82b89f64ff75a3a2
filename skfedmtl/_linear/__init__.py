"""Linear systems of second-order steps."""

from skfedmtl._linear.weight_system import is_small, solve_through_weights

__all__ = [
    "is_small",
    "solve_through_weights",
]
