"""Defences against data poisoning: rows and nodes that stand out, fits that leave rows out."""

from skfedmtl.defense._detector import PoisonDetector
from skfedmtl.defense._trimmed_classifier import TrimmedFMTLClassifier
from skfedmtl.defense._trimmed_regressor import TrimmedFMTLRegressor

__all__ = ["PoisonDetector", "TrimmedFMTLClassifier", "TrimmedFMTLRegressor"]
