"""Figures: how nodes resemble each other, what attacks do, how fits converge.

They need matplotlib, which ``pip install "skfedmtl[report]"`` brings.
"""

from skfedmtl.inspection._convergence import ConvergenceDisplay
from skfedmtl.inspection._relationship import RelationshipDisplay
from skfedmtl.inspection._security_curve import SecurityCurveDisplay

__all__ = ["ConvergenceDisplay", "RelationshipDisplay", "SecurityCurveDisplay"]
