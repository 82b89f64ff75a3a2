"""Data poisoning attacks on federated multi-task learning."""

from skfedmtl.attack._attack_setting import AttackSetting
from skfedmtl.attack._attacker import PoisoningAttacker
from skfedmtl.attack._baselines import LabelFlipPoisoner, RandomPoisoner
from skfedmtl.attack._constraints import infer_constraints
from skfedmtl.attack._damage_bound import DamageBound
from skfedmtl.attack._poisoned_victim import with_chosen_victim as with_chosen_victim
from skfedmtl.attack._poisoner import BasePoisoner

# for other rooms, not for users, as `with_chosen_victim` is
from skfedmtl.attack._poisoner import clean_twin as clean_twin
from skfedmtl.attack._poisoner import draw_nodes as draw_nodes

__all__ = [
    "AttackSetting",
    "BasePoisoner",
    "DamageBound",
    "LabelFlipPoisoner",
    "PoisoningAttacker",
    "RandomPoisoner",
    "infer_constraints",
]
