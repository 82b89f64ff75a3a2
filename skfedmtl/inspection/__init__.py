"""Figures: how nodes resemble each other, what attacks do and inject, how fits converge.

They need matplotlib, which ``pip install "skfedmtl[report]"`` brings.
"""

from skfedmtl.inspection._convergence import ConvergenceDisplay
from skfedmtl.inspection._damage import DamageDisplay
from skfedmtl.inspection._poisoned_rows import PoisonedRowsDisplay
from skfedmtl.inspection._relationship import RelationshipDisplay
from skfedmtl.inspection._security_curve import SecurityCurveDisplay

__all__ = [
    "ConvergenceDisplay",
    "DamageDisplay",
    "PoisonedRowsDisplay",
    "RelationshipDisplay",
    "SecurityCurveDisplay",
]
