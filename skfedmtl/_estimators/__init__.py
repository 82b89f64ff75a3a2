"""The estimators, and what they share."""

from skfedmtl._estimators.base import BaseFMTL
from skfedmtl._estimators.classifier import FMTLClassifier
from skfedmtl._estimators.handed import taken
from skfedmtl._estimators.node_covariance import NodeCovarianceMixin
from skfedmtl._estimators.probabilities import ProbabilityMixin
from skfedmtl._estimators.regressor import FMTLRegressor
from skfedmtl._estimators.short import what_helps
from skfedmtl._estimators.whole import whole_or_not_at_all

__all__ = [
    "BaseFMTL",
    "FMTLClassifier",
    "FMTLRegressor",
    "NodeCovarianceMixin",
    "ProbabilityMixin",
    "taken",
    "what_helps",
    "whole_or_not_at_all",
]
