"""Data poisoning attacks on federated multi-task learning."""

from skfedmtl.attack._attacker import PoisoningAttacker
from skfedmtl.attack._baselines import LabelFlipPoisoner, RandomPoisoner

__all__ = ["LabelFlipPoisoner", "PoisoningAttacker", "RandomPoisoner"]
