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

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl import _rows
from skfedmtl._losses import Array, Loss
from skfedmtl._node_list import NodeList
from skfedmtl._regulariser import ExactResponse, Relationship

AVERAGING = 0.3  #: share of the newest local weights in their running mean
ROUNDING = 100.0 * float(np.finfo(float).eps)  #: what rounding may hide of a gap


class Certificate(NamedTuple):
    """A primal and a dual value at one point, and the size of the terms they sum."""

    objective: float
    dual_objective: float
    magnitude: float

    @property
    def gap(self) -> float:
        return self.objective - self.dual_objective

    @property
    def relative_gap(self) -> float:
        return self.gap / max(self.objective, float(np.finfo(float).tiny))

    def meets(self, tol: float) -> bool:
        """Whether the gap is within ``tol``, relative, or within what rounding can resolve."""
        if not np.isfinite(self.objective):
            return False
        return self.gap <= max(tol * self.objective, ROUNDING * self.magnitude)


class Order(NamedTuple):
    """What a node is told: weights, their running mean, curvature, passes, seed."""

    w: Array
    mean: Array  #: the node keeps it itself; it need not be sent
    curvature: float
    epochs: float
    seed: int


class Answer(NamedTuple):
    """What a node has found in a round: `alpha` stays at home, the rest is sent."""

    alpha: Array
    dv: Array  #: change of the node's moment
    conjugates: tuple[float, float]  #: before and after
    losses: tuple[float, ...]  #: at the weights received, the local model's, and their mean


class Node:
    """Rows, targets, weights and dual variables of one node.

    Who makes many nodes hands over what to begin with, and the rows' squared lengths.
    """

    __slots__ = (
        "X",
        "_live",
        "alpha",
        "centred",
        "loss",
        "squared_norm",
        "weight",
        "y",
    )

    def __init__(
        self,
        X: Any,
        y: Array,
        weight: Array,
        loss: Loss,
        *,
        centred: bool,
        alpha: Array | None = None,
        squared_norm: Array | None = None,
    ) -> None:
        self.X, self.y, self.weight, self.loss = X, y, weight, loss
        self.centred = centred
        self.alpha = self.start() if alpha is None else alpha
        self._live: NDArray[np.intp] | None = None
        self.squared_norm = _rows.squared_norms(X) if squared_norm is None else squared_norm

    def start(self) -> Array:
        """The dual variables to begin with."""
        return np.where(self.weight > 0, self.loss.start(self.y), 0.0)

    def refresh(self) -> None:
        """Take note of rows or weights that were changed from outside."""
        self._live = None
        self.squared_norm = _rows.squared_norms(self.X)

    @property
    def live(self) -> NDArray[np.intp]:
        """The rows of some weight."""
        if self._live is None:
            self._live = (self.weight > 0).nonzero()[0]
        return self._live

    def relax(self, rows: NDArray[np.intp], curvature: float, alpha: Array, w: Array) -> int:
        """One pass over these rows of a sparse node, those that move listed first; their number."""
        parts = self.y, self.weight, self.squared_norm, rows, curvature, 1, alpha, w
        n_moved: int = self.X.visit(self.loss.kernel, *parts)
        return n_moved

    def pass_over(self, curvature: float, epochs: float, seed: int, alpha: Array, w: Array) -> None:
        """So many passes over the rows, in drawn orders; `alpha` and `w` change in place."""
        rng = np.random.default_rng(seed)
        whole = int(epochs)
        part = int(np.ceil((epochs - whole) * len(self.live)))
        for count, n_passes in ((part, 1), (len(self.live), whole)):
            rows = rng.permutation(self.live)[:count].copy()
            self._visit(rows, curvature, n_passes, alpha, w)

    def _visit(
        self, rows: NDArray[np.intp], curvature: float, n_passes: int, alpha: Array, w: Array
    ) -> None:
        """Coordinate steps on `rows`, which change `alpha` and the local view `w` in place."""
        _rows.visit(
            self.X,
            self.loss.kernel,
            self.y,
            self.weight,
            self.squared_norm,
            rows,
            curvature,
            n_passes,
            alpha,
            w,
        )

    def answer(self, order: Order) -> Answer:
        """Improve the dual of the local model, for so many passes over the rows.

        Changes nothing, and uses no BLAS: the same bits in any worker.
        """
        w, mean, curvature, epochs, seed = order
        alpha, local = self.alpha.copy(), np.array(w)
        self.pass_over(curvature, epochs, seed, alpha, local)
        dv = _rows.accumulate(self.X, self.weight * (alpha - self.alpha))
        if self.centred and len(self.live):
            alpha -= np.sum(self.weight * alpha)
            alpha[self.weight == 0] = 0.0
        before, after = (self._sum(self.loss.conjugate(self.y, a)) for a in (self.alpha, alpha))
        local = w + curvature * dv  # as the server reckons it
        points = (w, local, mean + AVERAGING * (local - mean))
        losses = tuple(self._sum(self.loss.value(self.y, _rows.margins(self.X, v))) for v in points)
        return Answer(alpha, dv, (before, after), losses)

    def _sum(self, values: Array) -> float:
        return float(np.sum(self.weight * values))

    def moment(self) -> Array:
        """Sum of weight_i a_i x_i."""
        return _rows.moment(self.X, self.weight, self.alpha)

    def tighten(self) -> None:
        """Raise the dual at no cost: on centred rows a shift of ``alpha`` leaves v_l alone."""
        if self.centred and len(self.live):
            self.alpha = self.alpha - self.weight @ self.alpha
            self.alpha[self.weight == 0] = 0.0

    def loss_at(self, w: Array) -> float:
        return float(self.weight @ self.loss.value(self.y, self.X @ w))

    def conjugate_at(self, alpha: Array) -> float:
        return float(self.weight @ self.loss.conjugate(self.y, alpha))


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
