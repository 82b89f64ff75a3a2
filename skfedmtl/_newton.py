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

from typing import NamedTuple

import numpy as np

from skfedmtl._layout import Layout, like
from skfedmtl._losses import Array
from skfedmtl._protocol import Node, Server
from skfedmtl._regulariser import Response
from skfedmtl._rows import scaled_rows
from skfedmtl._system import DualSystem, is_small

_SUFFICIENT = 1e-4  #: share of the predicted rise that a step must reach
_HALVINGS = 12
_DAMPING = 1e-3  #: first damping of a loss without curvature, as a share of the rows' mean
_LEAST_DAMPING = 1e-5  #: least one: with less, rounding moves dual variables that are not unique
_UNKNOWN = -1.0  #: what stands in a memory for a damping before the first step
_ROUGH = 1e-3  #: tolerance from which single precision is enough


class Anchor(NamedTuple):
    """A point at which W(V) is linearised."""

    V: Array
    response: Response


class _FreeRows:
    """The rows of one node that a second-order step may move."""

    def __init__(self, node: Node, w: Array, *, rough: bool) -> None:
        low, high = node.loss.bounds
        sign = node.loss.sign(node.y)
        slope = -node.loss.conjugate_slope(node.y, node.alpha) - node.X @ w
        inner, push = sign * node.alpha, sign * slope
        stuck = ((inner <= low) & (push <= 0.0)) | ((inner >= high) & (push >= 0.0))
        scale = np.where(stuck, 0.0, np.sqrt(node.weight))
        self.index = np.flatnonzero(scale)
        self.root = scale[self.index]
        self.E = scaled_rows(node.X, scale, node.squared_norm, rough=rough)
        self.gradient = self.root * slope[self.index]
        self.bend = node.loss.conjugate_curvature(node.y, node.alpha)[self.index]


class NewtonStepper:
    """Takes projected Newton steps and remembers how much damping they needed."""

    def __init__(self) -> None:
        self.damping: float | None = None
        self._scale = 1.0

    def memory(self) -> dict[str, Array]:
        """The damping, -1 before the first step, and the scale of the rows."""
        damping = _UNKNOWN if self.damping is None else self.damping
        return {"damping": np.array([damping, self._scale])}

    def remember(self, memory: dict[str, Array]) -> None:
        """Know what a `memory` knows."""
        damping, self._scale = memory["damping"].tolist()
        self.damping = None if damping == _UNKNOWN else damping

    def layout(self) -> Layout:
        """What a `memory` is."""
        return {"damping": like(self.memory()["damping"], low=_UNKNOWN)}

    def step(
        self,
        server: Server,
        nodes: list[Node],
        *,
        tol: float,
        max_iter: int = 200,
        anchor: Anchor | None = None,
    ) -> bool:
        """Move every node's dual variables; whether the step was taken at full length.

        With an `anchor`, the weights are linearised there instead of at the present dual
        variables: after rows were moved under a solved problem these are far off, while the
        old weights are still near the new ones.
        """
        before = server.rounded_dual(nodes)
        response, W = server.response, server.response.W
        if anchor is not None:
            response = anchor.response
            W = response.W + response.product(server.V - anchor.V)
        rough = tol >= _ROUGH and not is_small(response)
        rows = [_FreeRows(node, w, rough=rough) for node, w in zip(nodes, W, strict=True)]
        gradient = np.concatenate([part.gradient for part in rows])
        if gradient.size == 0:
            return False
        system = DualSystem([part.E for part in rows], response)
        linear = nodes[0].loss.linear
        self._scale = float(system.diagonal().mean())
        if self.damping is None:
            self.damping = _DAMPING * self._scale if linear else 0.0
        damping = max(self.damping, _LEAST_DAMPING * self._scale) if linear else self.damping
        theta = np.concatenate([part.bend for part in rows]) + damping
        t = system.solve(theta, gradient, tol=tol, max_iter=max_iter)
        server.count(len(nodes), scalars=system.n_numbers)
        if not np.isfinite(t).all():  # the system has outgrown the arithmetic
            self._damp()
            return False
        moves = [piece / part.root for piece, part in zip(system.split(t), rows, strict=True)]
        return self._search(server, nodes, rows, moves, *before)

    def _search(
        self,
        server: Server,
        nodes: list[Node],
        rows: list[_FreeRows],
        moves: list[Array],
        before: float,
        rounding: float,
    ) -> bool:
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
                return length == 1.0
            length *= 0.5
        server.restore(nodes, start)
        self._damp()
        return False

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
