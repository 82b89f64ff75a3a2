"""The estimators, and what they share."""

from skfedmtl._estimators.base import BaseFMTL, whole_or_not_at_all
from skfedmtl._estimators.classifier import FMTLClassifier
from skfedmtl._estimators.regressor import FMTLRegressor

__all__ = [
    "BaseFMTL",
    "FMTLClassifier",
    "FMTLRegressor",
    "whole_or_not_at_all",
]
