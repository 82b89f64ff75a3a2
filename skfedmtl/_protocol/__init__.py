"""Nodes with walls, the server, and the messages between them."""

from skfedmtl._protocol.messages import AVERAGING, ROUNDING, Answer, Certificate, Order, Solution
from skfedmtl._protocol.node import Node
from skfedmtl._protocol.node_table import NodeList, assign, stack
from skfedmtl._protocol.problem import LARGEST, NOBODY, FederatedProblem, Iterate, Moved, Watch
from skfedmtl._protocol.server import Server

__all__ = [
    "AVERAGING",
    "LARGEST",
    "NOBODY",
    "ROUNDING",
    "Answer",
    "Certificate",
    "FederatedProblem",
    "Iterate",
    "Moved",
    "Node",
    "NodeList",
    "Order",
    "Server",
    "Solution",
    "Watch",
    "assign",
    "stack",
]
