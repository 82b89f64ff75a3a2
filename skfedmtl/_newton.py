"""Second-order steps on the dual of the whole problem.

At dual variables ``a`` with weights ``W = grad R*(V(a))`` the dual of the whole problem
has, in the metric of the row weights, the gradient and the curvature::

    g_i = -dL*(-a_i)/da_i - x_i . w_l
    H   = L*'' + E J E',       row i of E = sqrt(s_i / c_l) x_i in the block of its node

Rows that rest at a bound and are pushed against it stay; the step of the others solves
``(H + damping) t = sqrt(weight) g`` (`DualSystem`). The step is then clipped to the box and
shortened until the dual rises (projected Newton, [1]_); ``damping`` is that of a
proximal point step and falls while full steps succeed; a loss whose conjugate is curved
needs none.

References
----------
.. [1] D. P. Bertsekas, "Projected Newton methods for optimization problems with simple
   constraints", SIAM J. Control and Optimization 20(2), 1982.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._losses import Array
from skfedmtl._protocol import Node, Server
from skfedmtl._system import DualSystem

_SUFFICIENT = 1e-4  #: share of the predicted rise that a step must reach
_HALVINGS = 12
_DAMPING = 1e-3  #: first damping of a loss without curvature, as a share of the rows' mean
_LEAST_DAMPING = 1e-5  #: least one: with less, rounding moves dual variables that are not unique


class _FreeRows:
    """The rows of one node that a second-order step may move."""

    def __init__(self, node: Node, w: Array) -> None:
        low, high = node.loss.bounds
        sign = node.loss.sign(node.y)
        slope = -node.loss.conjugate_slope(node.y, node.alpha) - node.X @ w
        inner, push = sign * node.alpha, sign * slope
        stuck = ((inner <= low) & (push <= 0.0)) | ((inner >= high) & (push >= 0.0))
        scale = np.where(stuck, 0.0, np.sqrt(node.weight))
        self.index = np.flatnonzero(scale)
        self.root = scale[self.index]
        self.E = node.X[self.index] * self.root[:, None]
        self.gradient = self.root * slope[self.index]
        self.bend = node.loss.conjugate_curvature(node.y, node.alpha)[self.index]


class NewtonStepper:
    """Takes projected Newton steps and remembers how much damping they needed."""

    def __init__(self) -> None:
        self.damping: float | None = None
        self._scale = 1.0

    def step(self, server: Server, nodes: list[Node]) -> None:
        """Move every node's dual variables, if that raises the dual."""
        before = server.rounded_dual(nodes)
        pairs = zip(nodes, server.response.W, strict=True)
        rows = [_FreeRows(node, w) for node, w in pairs]
        gradient = np.concatenate([part.gradient for part in rows])
        if gradient.size == 0:
            return
        system = DualSystem([part.E for part in rows], server.response)
        linear = nodes[0].loss.linear
        self._scale = float(system.diagonal().mean())
        if self.damping is None:
            self.damping = _DAMPING * self._scale if linear else 0.0
        damping = max(self.damping, _LEAST_DAMPING * self._scale) if linear else self.damping
        theta = np.concatenate([part.bend for part in rows]) + damping
        if not theta.min() > 0.0:  # W answers no row, and nothing bounds a step
            return
        t = system.factor(theta)(gradient)
        server.count(len(nodes), scalars=system.n_numbers)
        if not np.isfinite(t).all():  # the system has outgrown the arithmetic
            self._damp()
            return
        moves = [piece / part.root for piece, part in zip(system.split(t), rows, strict=True)]
        self._search(server, nodes, rows, moves, *before)

    def _search(
        self,
        server: Server,
        nodes: list[Node],
        rows: list[_FreeRows],
        moves: list[Array],
        before: float,
        rounding: float,
    ) -> None:
        """Backtrack along the projected step on the true dual, and adopt the first success."""
        assert self.damping is not None
        start = [node.alpha for node in nodes]
        length = 1.0
        for _ in range(_HALVINGS):
            promise = 0.0
            for node, part, move, old in zip(nodes, rows, moves, start, strict=True):
                alpha = old.copy()
                alpha[part.index] += length * move
                alpha = node.loss.limit(node.y, old, alpha)
                promise += float(
                    (part.root * part.gradient) @ (alpha[part.index] - old[part.index])
                )
                node.alpha = alpha
            rise = server.dual_objective(nodes) - before
            # where a step promises less than rounding hides, the values cannot judge it
            if rise >= (_SUFFICIENT * promise if promise > rounding else -rounding):
                self._adapt(length)
                return
            length *= 0.5
        server.restore(nodes, start)
        self._damp()

    def _damp(self) -> None:
        """Damp the next step more, after one that failed."""
        assert self.damping is not None
        self.damping = max(8.0 * self.damping, _DAMPING * self._scale)

    def _adapt(self, length: float) -> None:
        assert self.damping is not None
        if length == 1.0:
            self.damping *= 0.25
        elif length < 0.2:
            self.damping = max(4.0 * self.damping, 0.01 * _DAMPING * self._scale)
