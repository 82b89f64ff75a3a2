"""Slopes of a regulariser whose kinks are rounded off: they lead descents and enter no bound."""

from __future__ import annotations

from skfedmtl._model import CommonLearned, Relationship
from skfedmtl._typing import Array
from skfedmtl.attack._sought import SmoothedPenalty


class Slopes:
    """Of R, singular values counted as at least about a `root`."""

    def __init__(self, relationship: Relationship) -> None:
        self._relationship = relationship
        self._smoothed = SmoothedPenalty(relationship)

    def at(self, V: Array, root: float) -> Array:
        """The slope at V; without Hessians where a common part is looked for."""
        if isinstance(self._relationship, CommonLearned):
            return self._smoothed.at(V, root).slope
        return self._relationship.curved(V, root).slope
