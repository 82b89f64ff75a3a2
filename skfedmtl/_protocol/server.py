"""The server of a fit: the aggregate ``V``, the weights ``W`` that follow from it, and their price.

====================  =================================================  ========
symbol                variable                                           shape
====================  =================================================  ========
V                     ``Server.V``                                       (m, d)
W                     ``Server.response.W``                              (m, d)
====================  =================================================  ========
"""

from __future__ import annotations

import numpy as np

from skfedmtl._model import ExactResponse, Relationship
from skfedmtl._protocol.messages import Certificate, Question, Weights
from skfedmtl._protocol.node_table import Nodes
from skfedmtl._typing import Array


class Server:
    """The aggregate, the weights, and the certificate that prices them together."""

    def __init__(self, relationship: Relationship, n_features: int) -> None:
        self.relationship = relationship
        self.V = np.zeros((relationship.n_nodes, n_features))
        self._response: ExactResponse | None = None
        self.bytes = 0

    @property
    def response(self) -> ExactResponse:
        """What follows from V, once it is asked for."""
        if self._response is None:
            self._response = self.relationship.respond(self.V)
        return self._response

    def set_moments(self, V: Array) -> None:
        """Take new moments, from which W follows."""
        self.V, self._response = V, None

    def forget_response(self) -> None:
        """Hold the moments alone: what follows from them takes as much memory twice."""
        self._response = None

    def set_response(self, V: Array, response: ExactResponse) -> None:
        """Take new moments, and what has already been found to follow from them."""
        self.set_moments(V)
        self._response = response

    def gather(self, nodes: Nodes) -> float:
        """Rebuild V from the nodes' moments and W from V; the sum of their conjugates."""
        return self._gather(nodes, Question(tighten=False))

    def certify(self, nodes: Nodes) -> Certificate:
        """Price the weights of the nodes' dual variables against these, tightened before."""
        return self._certificate(nodes, self._gather(nodes, Question(tighten=True)), None)

    def price(self, nodes: Nodes, W: Array | None = None) -> Certificate:
        """Price weights, by default those that belong to the dual variables, against these."""
        return self._certificate(nodes, self.gather(nodes), W)

    def _gather(self, nodes: Nodes, question: Question) -> float:
        told = nodes.tell(question)
        self.set_moments(told.v)
        self.count(len(nodes), vectors=1)
        return float(np.sum(told.conjugate))

    def _certificate(self, nodes: Nodes, conjugate: float, W: Array | None) -> Certificate:
        penalty = self.response.penalty if W is None else self.relationship.penalty(W)
        W = self.response.W if W is None else W
        loss = self.loss_at(nodes, W)
        self.count(len(nodes), vectors=1, scalars=2)
        value = self.response.value
        magnitude = loss + penalty + abs(conjugate) + abs(value)
        return Certificate(loss + penalty, -conjugate - value, magnitude)

    def loss_at(self, nodes: Nodes, W: Array) -> float:
        """What the nodes say that weights cost."""
        return float(np.sum(nodes.price(Weights(W)).loss))

    def count(self, n_messages: int, *, vectors: int = 0, scalars: int = 0) -> None:
        """Add the bytes of messages of so many d-vectors and scalars, eight bytes a number."""
        self.bytes += 8 * n_messages * (vectors * self.V.shape[1] + scalars)
