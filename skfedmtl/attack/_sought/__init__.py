"""Weights first: the attack that looks for the victim's weights, and then for rows to match."""

from skfedmtl.attack._sought.budget import Sources
from skfedmtl.attack._sought.clean_rows import CleanRows, Model, Space, Wanted
from skfedmtl.attack._sought.penalty import SmoothedPenalty
from skfedmtl.attack._sought.seek import Candidate, seek

__all__ = [
    "Candidate",
    "CleanRows",
    "Model",
    "SmoothedPenalty",
    "Sources",
    "Space",
    "Wanted",
    "seek",
]
