"""Federated multi-task learning with certified optima, and how poisoned nodes can hurt it."""

from importlib.metadata import version

from skfedmtl._classifier import FMTLClassifier
from skfedmtl._nodes import from_nodes
from skfedmtl._regressor import FMTLRegressor
from skfedmtl.attack import LabelFlipPoisoner, PoisoningAttacker, RandomPoisoner

__version__ = version("skfedmtl")

__all__ = [
    "FMTLClassifier",
    "FMTLRegressor",
    "LabelFlipPoisoner",
    "PoisoningAttacker",
    "RandomPoisoner",
    "from_nodes",
]
