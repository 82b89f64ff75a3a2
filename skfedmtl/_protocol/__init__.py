"""Nodes with walls, the server, and the messages between them."""

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
    Share,
    Solution,
    StepOrder,
    Weights,
)
from skfedmtl._protocol.node_table import Nodes, NodeTable
from skfedmtl._protocol.problem import LARGEST, NOBODY, FederatedProblem, Iterate, Moved, Watch
from skfedmtl._protocol.server import Server

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
    "Iterate",
    "Mixture",
    "Moved",
    "NodeTable",
    "Nodes",
    "Order",
    "Server",
    "Share",
    "Solution",
    "StepOrder",
    "Watch",
    "Weights",
]
