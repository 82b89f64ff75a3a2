"""What improves weights and dual variables: the splitting, its finishes, mocha, the adjoint."""

from skfedmtl._solvers import weight_newton
from skfedmtl._solvers.adjoint import Adjoint, Solved
from skfedmtl._solvers.blocks import BlockedNodes, NodeBlock
from skfedmtl._solvers.follower import Follower, first_rho
from skfedmtl._solvers.iteration import Iteration
from skfedmtl._solvers.line_search import backtrack
from skfedmtl._solvers.mocha import KeptAnswers, MochaSolver
from skfedmtl._solvers.progress import add_histories
from skfedmtl._solvers.schedule import make_schedule
from skfedmtl._solvers.splitting import SplittingSolver
from skfedmtl._solvers.workers import Workers

__all__ = [
    "Adjoint",
    "BlockedNodes",
    "Follower",
    "Iteration",
    "KeptAnswers",
    "MochaSolver",
    "NodeBlock",
    "Solved",
    "SplittingSolver",
    "Workers",
    "add_histories",
    "backtrack",
    "first_rho",
    "make_schedule",
    "weight_newton",
]
