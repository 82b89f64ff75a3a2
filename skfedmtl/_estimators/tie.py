"""What ties the nodes of an estimator: a regulariser of the model, by a name, a matrix or users."""

from __future__ import annotations

from typing import Any, cast

from skfedmtl._estimators.node_covariance import ties_to_mean
from skfedmtl._estimators.precision import check_precision
from skfedmtl._model import (
    CommonLearned,
    CommonQuadratic,
    Fixed,
    Independent,
    Learned,
    MeanTied,
    OwnRelationship,
    Relationship,
    is_own,
)


class TieMixin:
    """Of estimators with these parameters."""

    lambda0: Any
    lambda1: Any
    lambda2: Any
    relationship: Any

    def _make_relationship(self, labels: Any) -> Relationship:
        """The regulariser of the weights."""
        tied = self._make_tie(labels)
        if self.lambda0 is None:
            return tied
        lambda0 = float(self.lambda0)
        if isinstance(tied, Learned):
            return cast(Relationship, CommonLearned(tied, lambda0))  # its `last` is never None
        if isinstance(tied, OwnRelationship):
            raise ValueError(
                f"lambda0 must be None beside a `relationship` of your own, "
                f"{type(self.relationship).__name__}, got {self.lambda0!r}: its step in a common "
                "part is not known."
            )
        return CommonQuadratic(tied, lambda0)

    def _make_tie(self, labels: Any) -> Independent | Learned | Fixed | MeanTied | OwnRelationship:
        """That of what is not common."""
        m, lambda1, lambda2 = len(labels), float(self.lambda1), float(self.lambda2)
        if ties_to_mean(self.relationship):
            return MeanTied(m, lambda1, lambda2)
        if isinstance(self.relationship, str):
            if self.relationship == "none" or lambda1 == 0.0:
                return Independent(m, lambda2)
            return Learned(m, lambda1, lambda2)
        if is_own(self.relationship):
            return self._make_own(m, lambda1, lambda2)
        return Fixed(check_precision(self.relationship, labels), lambda1, lambda2)

    def _make_own(self, m: int, lambda1: float, lambda2: float) -> Independent | OwnRelationship:
        """One of users, whose members are looked at even where it has no strength."""
        own = OwnRelationship(self.relationship, m, lambda1, lambda2)
        return Independent(m, lambda2) if lambda1 == 0.0 else own
