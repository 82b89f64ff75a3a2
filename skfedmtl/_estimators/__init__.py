"""The estimators, and what they share."""

from skfedmtl._estimators.base import BaseFMTL
from skfedmtl._estimators.classifier import FMTLClassifier
from skfedmtl._estimators.regressor import FMTLRegressor
from skfedmtl._estimators.whole import whole_or_not_at_all

__all__ = [
    "BaseFMTL",
    "FMTLClassifier",
    "FMTLRegressor",
    "whole_or_not_at_all",
]
