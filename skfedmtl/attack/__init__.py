"""Data poisoning attacks on federated multi-task learning."""

from skfedmtl.attack._attacker import PoisoningAttacker
from skfedmtl.attack._baselines import LabelFlipPoisoner, RandomPoisoner
from skfedmtl.attack._constraints import infer_constraints
from skfedmtl.attack._damage_bound import DamageBound

# for other rooms, not for users
from skfedmtl.attack._poisoner import clean_twin as clean_twin
from skfedmtl.attack._poisoner import draw_nodes as draw_nodes
from skfedmtl.attack._poisoner import with_chosen_victim as with_chosen_victim

__all__ = [
    "DamageBound",
    "LabelFlipPoisoner",
    "PoisoningAttacker",
    "RandomPoisoner",
    "infer_constraints",
]
