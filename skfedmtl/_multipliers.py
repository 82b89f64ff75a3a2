"""Proximal steps on the dual of a loss without curvature: the method of multipliers.

Coordinate ascent finds the dual variables ``a_k`` to a few digits soon, but the weights
``W(V)`` that belong to them are far off: they follow every error of ``V``, enlarged by up to
``1 / (2 lambda2)``. The dual with a proximal term, in the metric of the row weights,

    max over a of   D(a) - (width / 2) sum over rows of weight_i (a_i - a_k,i)^2,

is the dual of a primal problem with a smooth loss: a parabola in the place of the kink,
where the dual variable says it should be. Newton's method solves it (`skfedmtl._primal`);
its weights are good, and its dual variables the centre of the next step. Each is solved to
a share of what the proximal term has come to [1]_, and the centres are extrapolated [2]_.

References
----------
.. [1] R. T. Rockafellar, "Augmented Lagrangians and Applications of the Proximal Point
   Algorithm in Convex Programming", Mathematics of Operations Research 1(2), 1976.
.. [2] O. Gueler, "New Proximal Point Algorithms for Convex Minimization", SIAM J.
   Optimization 2(4), 1992.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._losses import Array
from skfedmtl._primal import Point, PrimalSolver
from skfedmtl._protocol import Certificate, Node, Server

_WIDTH = 1.0  #: of the first parabola, in units of the decision values
_NARROWER, _LEAST_WIDTH = 0.7, 0.1  #: of the next ones, as a share of the last, and the least
_ROOT = 1e-3  #: smoothing of singular values, as a share of the mean square length of W's rows
_SHARE = 0.1  #: of the proximal term, to which a step is solved
_ACCURACY = 0.01  #: of a Newton step
_NEWTON_STEPS = 25
_PRECISION = 1e-9  #: relative, where Newton's method stops at any rate


class _ProximalSolver(PrimalSolver):
    """Stops at a share of what the dual variables pay for their distance from the centre."""

    def __init__(self) -> None:
        super().__init__(tol=_PRECISION, max_iter=_NEWTON_STEPS, accuracy=_ACCURACY)

    def _enough(self, nodes: list[Node], point: Point) -> float:
        paid = sum(
            float(node.weight @ node.loss.distance(node.y * alpha))
            for node, alpha in zip(nodes, point.alphas(), strict=True)
        )
        return max(_SHARE * paid, super()._enough(nodes, point))


class Multipliers:
    """Proximal steps, each from the weights and the centre of the last."""

    def __init__(self) -> None:
        self._solver = _ProximalSolver()
        self._last: list[Array] | None = None
        self._count = 0

    def step(
        self, server: Server, nodes: list[Node], W: Array, gap: float
    ) -> tuple[Array, Certificate, bool]:
        """Move the dual variables; the weights, their price, and whether the step succeeded."""
        width = max(_WIDTH * _NARROWER**self._count, _LEAST_WIDTH)
        centres = self._centres(nodes)
        loss = nodes[0].loss
        try:
            for node, centre in zip(nodes, centres, strict=True):
                node.loss = loss.smoothed(width, centre)
            root = min(_ROOT, gap) * float(np.sqrt(np.vdot(W, W) / len(W)))
            point, reached = self._solver.minimise(server, nodes, W, root)
            alphas = point.alphas()
        finally:
            for node in nodes:
                node.loss = loss
        for node, alpha in zip(nodes, alphas, strict=True):
            node.alpha = np.where(node.weight > 0.0, alpha, 0.0)
        return point.W, server.price(nodes, point.W), reached

    def _centres(self, nodes: list[Node]) -> list[Array]:
        now = [node.y * node.alpha for node in nodes]
        last = now if self._last is None else self._last
        ahead = self._count / (self._count + 3.0)
        self._last, self._count = now, self._count + 1
        return [b + ahead * (b - old) for b, old in zip(now, last, strict=True)]
