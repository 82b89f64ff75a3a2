"""An interior-point run on the joint dual, for small problems with a boxed loss.

When most rows lie on the margin (rare positives, few features), coordinate ascent and
projected Newton steps keep exchanging rows between the bounds. The central path does not
care which rows are bound. With ``b = y a`` in (0, 1) and multipliers ``zl, zu > 0`` of the
two bounds, the optimality conditions per row are::

    dL*/db + y f - zl + zu = 0,      zl b = mu,      zu (1 - b) = mu

Each step solves a `DualSystem` with ``theta = zl/b + zu/(1-b)``, aiming at the ``mu`` that a
predictor step allows [1]_, and no further than the barrier function falls.
Afterwards the rows whose multiplier won are put on their bound, and the result is kept
only if the dual rose.

References
----------
.. [1] S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM
   J. Optimization 2(4), 1992.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._losses import Array
from skfedmtl._protocol import Certificate, Node, Server
from skfedmtl._system import DualSystem, is_small, slices

_TO_BOUNDARY = 0.995
_ROUNDING = 1e-11  #: a relative gap below which rounding rules
_ON_BOUND = 1e-12


def applies(server: Server, nodes: list[Node]) -> bool:
    """Whether rows rest at bounds and the problem is small enough."""
    return nodes[0].loss.linear and is_small(server.response)


def run(server: Server, nodes: list[Node], *, tol: float, max_iter: int = 100) -> bool:
    """Follow the central path to a relative gap of `tol`; keep the result if it is better."""
    before = [node.alpha for node in nodes]
    path = _CentralPath(server, nodes)
    for _ in range(max_iter):
        if path.relative_gap() <= max(tol, _ROUNDING) or path.is_at_a_wall() or not path.advance():
            break
    # on their bounds the rows have the better dual, but maybe weights that are far off
    least = _certificate(server, nodes, before).dual_objective
    ends = [(alphas, _certificate(server, nodes, alphas)) for alphas in path.ends()]
    better = [(alphas, end) for alphas, end in ends if end.dual_objective > least]
    better.sort(key=lambda pair: (not pair[1].meets(tol), -pair[1].dual_objective))
    _certificate(server, nodes, better[0][0] if better else before)
    return bool(better)


def _certificate(server: Server, nodes: list[Node], alphas: list[Array]) -> Certificate:
    """Set the dual variables and price them."""
    for node, alpha in zip(nodes, alphas, strict=True):
        node.alpha = alpha
    return server.certify(nodes)


class _CentralPath:
    """The rows of positive weight of all nodes, stacked, and a point on their path."""

    def __init__(self, server: Server, nodes: list[Node]) -> None:
        self.server, self.nodes = server, nodes
        self.loss = nodes[0].loss
        self.low, self.high = self.loss.bounds
        self.live = [node.live for node in nodes]
        self.parts = slices([len(index) for index in self.live])
        self.y = self._stack([node.y for node in nodes])
        self.sign = self._stack([node.loss.sign(node.y) for node in nodes])
        self.weight = self._stack([node.weight for node in nodes])
        self.root = np.sqrt(self.weight)
        # rows times sign and root of the weight: b stands for the dual variable
        scales = self._split(self.root * self.sign)
        self.rows = [
            node.X[index] * scale[:, None]
            for node, index, scale in zip(nodes, self.live, scales, strict=True)
        ]
        inner = self.sign * self._stack([node.alpha for node in nodes])
        margin = 0.01 * (self.high - self.low)
        self.b = np.clip(inner, self.low + margin, self.high - margin)
        self._evaluate()
        residual = self._slope()
        self.lower = np.maximum(residual, 0.0) + 0.02
        self.upper = np.maximum(-residual, 0.0) + 0.02

    def _stack(self, parts: list[Array]) -> Array:
        return np.concatenate([part[index] for part, index in zip(parts, self.live, strict=True)])

    def _split(self, values: Array) -> list[Array]:
        return [values[part] for part in self.parts]

    def alphas(self, b: Array) -> list[Array]:
        """The dual variables of every node at ``b``."""
        signed = self._split(self.sign * b)
        out = []
        for node, index, piece in zip(self.nodes, self.live, signed, strict=True):
            alpha = np.zeros(len(node.y))
            alpha[index] = piece
            out.append(alpha)
        return out

    def ends(self) -> tuple[list[Array], list[Array]]:
        """The dual variables with every row on the bound whose multiplier is larger than its
        slack, and as they are."""
        b = np.where(self.lower > self.b - self.low, self.low, self.b)
        b = np.where(self.upper > self.high - self.b, self.high, b)
        return self.alphas(b), self.alphas(self.b)

    def _evaluate(self) -> None:
        pieces = self._split(self.root * self.b)
        V = np.array([piece @ E for piece, E in zip(pieces, self.rows, strict=True)])
        self.response = self.server.relationship.respond(V)
        self.server.count(len(self.nodes), vectors=2, scalars=2)
        self.system = DualSystem(self.rows, self.response)
        self.margins = self.system.push(self.response.W) / self.root

    def _slope(self) -> Array:
        """Derivative of the negative dual with respect to b, a row's weight taken out."""
        alpha = self.sign * self.b
        return self.sign * self.loss.conjugate_slope(self.y, alpha) + self.margins

    def relative_gap(self) -> float:
        W = self.response.W
        value = self.loss.value(self.y, self.sign * self.margins)
        primal = float(self.weight @ value) + self.server.relationship.penalty(W)
        conjugate = self.loss.conjugate(self.y, self.sign * self.b)
        dual = -float(self.weight @ conjugate) - self.response.value
        return (primal - dual) / max(primal, np.finfo(float).tiny)

    def is_at_a_wall(self) -> bool:
        """Whether a row is so near a bound that the next system would be singular."""
        return float(min((self.b - self.low).min(), (self.high - self.b).min())) < _ON_BOUND

    def advance(self) -> bool:
        """One predictor-corrector step; False when the step became too short to matter."""
        below, above = self.b - self.low, self.high - self.b
        slope = self._slope()
        theta = self.lower / below + self.upper / above
        solve = self.system.factor(theta)
        total = 2.0 * self.weight.sum()
        mu = float(self.weight @ (below * self.lower + above * self.upper)) / total

        def direction(target: float) -> tuple[Array, Array, Array]:
            rhs = target / below - target / above - slope
            db = solve(self.root * rhs) / self.root
            d_lower = target / below - self.lower - self.lower / below * db
            d_upper = target / above - self.upper + self.upper / above * db
            return db, d_lower, d_upper

        db, d_lower, d_upper = direction(0.0)
        step = self._longest(below, above, db, d_lower, d_upper)
        ahead = (below + step * db) * (self.lower + step * d_lower)
        ahead += (above - step * db) * (self.upper + step * d_upper)
        shrink = (float(self.weight @ ahead) / total / mu) ** 3
        # R* is no quadratic: while the slope is not yet matched, stay where mu is
        mismatch = float(self.weight @ np.abs(slope - self.lower + self.upper)) / total
        target = mu * max(shrink, min(1.0, 0.1 * mismatch / mu))
        db, d_lower, d_upper = direction(target)
        step = self._longest(below, above, db, d_lower, d_upper)
        self.server.count(len(self.nodes), scalars=self.system.n_numbers)
        step = self._search(step, db, target)
        self.lower = self.lower + step * d_lower
        self.upper = self.upper + step * d_upper
        return step > 1e-8

    def _search(self, step: float, db: Array, target: float) -> float:
        """Shorten the step until the barrier function of `target` falls; move there."""
        start = self.b
        before = self._barrier(target)
        for _ in range(20):
            self.b = start + step * db
            self._evaluate()
            if self._barrier(target) <= before + 1e-12 * abs(before):
                break
            step *= 0.5
        return step

    def _barrier(self, target: float) -> float:
        conjugate = self.loss.conjugate(self.y, self.sign * self.b)
        with np.errstate(divide="ignore"):  # rounding may put a row on its bound: no progress
            walls = np.log(self.b - self.low) + np.log(self.high - self.b)
        return float(self.weight @ (conjugate - target * walls)) + self.response.value

    def _longest(
        self, below: Array, above: Array, db: Array, d_lower: Array, d_upper: Array
    ) -> float:
        """The longest step that keeps every slack and multiplier positive."""
        pairs = ((below, db), (above, -db), (self.lower, d_lower), (self.upper, d_upper))
        return min(1.0, *(_TO_BOUNDARY * _ratio(value, change) for value, change in pairs))


def _ratio(value: Array, change: Array) -> float:
    falling = change < 0.0
    if not falling.any():
        return np.inf
    return float((-value[falling] / change[falling]).min())
