"""Figures: how nodes resemble each other, what attacks do, how fits converge.

They need matplotlib, which ``pip install "skfedmtl[report]"`` brings.
"""

from skfedmtl._convergence_display import ConvergenceDisplay
from skfedmtl._relationship_display import RelationshipDisplay
from skfedmtl._security_display import SecurityCurveDisplay

__all__ = ["ConvergenceDisplay", "RelationshipDisplay", "SecurityCurveDisplay"]
