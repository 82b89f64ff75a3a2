"""Nodes with walls, the server, and the messages between them."""

from skfedmtl._protocol import messages
from skfedmtl._protocol.messages import (
    AVERAGING,
    MEMORY,
    ROUNDING,
    Answer,
    Certificate,
    Greeted,
    Greeting,
    Mixture,
    Order,
    Price,
    Question,
    Share,
    Solution,
    StepAnswer,
    StepOrder,
    Told,
    Weights,
)
from skfedmtl._protocol.node import Node
from skfedmtl._protocol.node_table import Nodes, NodeTable
from skfedmtl._protocol.problem import (
    LARGEST,
    NOBODY,
    FederatedProblem,
    Intercept,
    Iterate,
    Moved,
    Watch,
    solver_weights,
)
from skfedmtl._protocol.server import Server
from skfedmtl._protocol.stored_problem import StoredProblem

__all__ = [
    "AVERAGING",
    "LARGEST",
    "MEMORY",
    "NOBODY",
    "ROUNDING",
    "Answer",
    "Certificate",
    "FederatedProblem",
    "Greeted",
    "Greeting",
    "Intercept",
    "Iterate",
    "Mixture",
    "Moved",
    "Node",
    "NodeTable",
    "Nodes",
    "Order",
    "Price",
    "Question",
    "Server",
    "Share",
    "Solution",
    "StepAnswer",
    "StepOrder",
    "StoredProblem",
    "Told",
    "Watch",
    "Weights",
    "messages",
    "solver_weights",
]
