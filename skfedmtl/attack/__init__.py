"""Data poisoning attacks on federated multi-task learning."""

from skfedmtl.attack._attacker import PoisoningAttacker
from skfedmtl.attack._baselines import LabelFlipPoisoner, RandomPoisoner
from skfedmtl.attack._poisoner import clean_twin as clean_twin  # for other rooms, not for users

__all__ = ["LabelFlipPoisoner", "PoisoningAttacker", "RandomPoisoner"]
