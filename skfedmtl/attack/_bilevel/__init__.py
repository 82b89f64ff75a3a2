"""The bilevel problem: H, its gradient, the victims that follow, and the ascent."""

from skfedmtl.attack._bilevel.ascent import STEPS, Ascent, Game
from skfedmtl.attack._bilevel.checkpoint import Checkpoint, check_checkpoint, checkpoint_of
from skfedmtl.attack._bilevel.continuation import FollowedBilevel
from skfedmtl.attack._bilevel.gradient_check import CHECK_TOL, ExactBilevel, compare
from skfedmtl.attack._bilevel.lower_level import Bilevel, WithTargets
from skfedmtl.attack._bilevel.objective import GRADIENTS
from skfedmtl.attack._bilevel.one_vs_rest import OneVsRest, make_game, parts_of

__all__ = [
    "CHECK_TOL",
    "GRADIENTS",
    "STEPS",
    "Ascent",
    "Bilevel",
    "Checkpoint",
    "ExactBilevel",
    "FollowedBilevel",
    "Game",
    "OneVsRest",
    "WithTargets",
    "check_checkpoint",
    "checkpoint_of",
    "compare",
    "make_game",
    "parts_of",
]
