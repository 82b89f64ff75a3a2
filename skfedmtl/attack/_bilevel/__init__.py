"""The bilevel problem: H, its gradient, the victims that follow, and the ascent."""

from skfedmtl.attack._bilevel.ascent import STEPS
from skfedmtl.attack._bilevel.checkpoint import Checkpoint, check_folder, fingerprint
from skfedmtl.attack._bilevel.gradient_check import CHECK_TOL, ExactBilevel, compare
from skfedmtl.attack._bilevel.objective import GRADIENTS
from skfedmtl.attack._bilevel.one_vs_rest import make_game, upper_value
from skfedmtl.attack._bilevel.restart import Settings, craft
from skfedmtl.attack._bilevel.upper_loss import UPPER_LOSSES

__all__ = [
    "CHECK_TOL",
    "GRADIENTS",
    "STEPS",
    "UPPER_LOSSES",
    "Checkpoint",
    "ExactBilevel",
    "Settings",
    "check_folder",
    "compare",
    "craft",
    "fingerprint",
    "make_game",
    "upper_value",
]
