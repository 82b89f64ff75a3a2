"""The two parties of the fit, and the messages between them.

A `Node` owns its rows and its dual variables, which never leave it. The `Server` owns
the aggregate ``V``, the weights ``W`` that follow from it, and the relationship of the
nodes. Whoever carries the messages, a loop or a network, they are these:

===============================  =======================  ==========================
message                          down to node l           up to the server
===============================  =======================  ==========================
step: take a proximal step       b_l, rho and what t_l    v_l, a loss and a conjugate
                                 is extrapolated by
round: answer in parallel        w_l, a curvature and     dv_l, two conjugates, three
                                 weights of old answers   losses, inner products
report: price the weights        w_l                      v_l, loss, conjugate
factors: a second-order step,    its part of the step     E'E of its free rows, or of
one machine's                                             all with their curvatures
probe: what such a step leaves   row l of J[dV]           row l of the next dV
===============================  =======================  ==========================

====================  =================================================  ========
symbol                variable                                           shape
====================  =================================================  ========
x_i, y_i              ``Node.X``, ``Node.y``                             (n, d), (n,)
s_i / c_l             ``Node.weight``                                    (n,)
a                     ``Node.alpha``                                     (n,)
v_l                   ``Node.moment()`` = sum of weight_i a_i x_i        (d,)
V, W                  ``Server.V``, ``Server.response.W``                (m, d)
====================  =================================================  ========
"""

from __future__ import annotations

import numpy as np

from skfedmtl._model import ExactResponse, Relationship
from skfedmtl._protocol.messages import Certificate
from skfedmtl._protocol.node import Node
from skfedmtl._protocol.node_table import NodeList
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

    def gather(self, nodes: list[Node]) -> None:
        """Rebuild V from the nodes' moments and W from V, free of accumulated rounding."""
        many = _together(nodes)
        self.set_moments(
            np.array([node.moment() for node in nodes]) if many is None else many.moments()
        )
        self.count(len(nodes), vectors=1)

    def restore(self, nodes: list[Node], alphas: list[Array]) -> None:
        """Go back to dual variables of before, if these are others."""
        if all(node.alpha is alpha for node, alpha in zip(nodes, alphas, strict=True)):
            return
        for node, alpha in zip(nodes, alphas, strict=True):
            node.alpha = alpha
        self.gather(nodes)

    def set_moments(self, V: Array) -> None:
        """Take new moments, from which W follows."""
        self.V, self._response = V, None

    def set_response(self, V: Array, response: ExactResponse) -> None:
        """Take new moments, and what has already been found to follow from them."""
        self.set_moments(V)
        self._response = response

    def certify(self, nodes: list[Node]) -> Certificate:
        """Price the current weights against the current dual variables."""
        many = _together(nodes)
        if many is None:
            for node in nodes:
                node.tighten()
        else:
            many.tighten()
        return self.price(nodes)

    def price(self, nodes: list[Node], W: Array | None = None) -> Certificate:
        """Price weights, by default those that belong to the dual variables, against these."""
        self.gather(nodes)
        penalty = self.response.penalty if W is None else self.relationship.penalty(W)
        W = self.response.W if W is None else W
        many, conjugate = _together(nodes), _conjugate(nodes)
        if many is None:
            loss = sum(node.loss_at(w) for node, w in zip(nodes, W, strict=True))
        else:
            loss = many.loss_at(W)
        self.count(len(nodes), vectors=1, scalars=2)
        value = self.response.value
        magnitude = loss + penalty + abs(conjugate) + abs(value)
        return Certificate(loss + penalty, -conjugate - value, magnitude)

    def count(self, n_messages: int, *, vectors: int = 0, scalars: int = 0) -> None:
        """Add the bytes of messages of so many d-vectors and scalars, eight bytes a number."""
        self.bytes += 8 * n_messages * (vectors * self.V.shape[1] + scalars)


def _together(nodes: list[Node]) -> NodeList | None:
    """The nodes, if their rows are dense and lie in one table: they are taken together."""
    return nodes if isinstance(nodes, NodeList) and nodes.are_dense else None


def _conjugate(nodes: list[Node]) -> float:
    """The sum of the nodes' conjugates at their dual variables."""
    many = _together(nodes)
    if many is None:
        return sum(node.conjugate_at(node.alpha) for node in nodes)
    return many.conjugate()
