"""Federated multi-task learning with certified optima, and how poisoned nodes can hurt it."""

from importlib.metadata import version

from skfedmtl._estimators import FMTLClassifier, FMTLRegressor
from skfedmtl._input import from_nodes
from skfedmtl.attack import LabelFlipPoisoner, PoisoningAttacker, RandomPoisoner
from skfedmtl.model_selection import FMTLClassifierCV, FMTLRegressorCV

__version__ = version("skfedmtl")

__all__ = [
    "FMTLClassifier",
    "FMTLClassifierCV",
    "FMTLRegressor",
    "FMTLRegressorCV",
    "LabelFlipPoisoner",
    "PoisoningAttacker",
    "RandomPoisoner",
    "from_nodes",
]
