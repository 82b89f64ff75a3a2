"""An interior-point run on the joint dual, for small problems with a boxed loss.

When most rows lie on the margin (rare positives, few features), coordinate ascent and
projected Newton steps keep exchanging rows between the bounds. The central path does not
care which rows are bound. With ``b = y a`` in (0, 1) and multipliers ``zl, zu > 0`` of the
two bounds, the optimality conditions per row are::

    dL*/db + y f - zl + zu = 0,      zl b = mu,      zu (1 - b) = mu

Each step solves a `DualSystem` with ``theta = zl/b + zu/(1-b)`` twice: a predictor step shows
which ``mu`` to aim at and, by its products, what the corrector step has to make up for [1]_. It
goes no further than the barrier function falls. The kinks of ``W`` at changes of its rank are
rounded off by a small share of what ``mu`` leaves of the gap (`skfedmtl._rounded`).
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
from skfedmtl._regulariser import Response
from skfedmtl._rows import slices
from skfedmtl._system import DualSystem, is_small

_TO_BOUNDARY = 0.995
_ROUNDING = 1e-11  #: a relative gap below which rounding rules
_ON_BOUND = 1e-12
_MARGIN, _MULTIPLIER = 0.01, 0.5  #: what slacks and multipliers have at least at the start
_ROUNDED = 0.03  #: of the gap of mu, what kinks are rounded off by
_MATCH = 0.01  #: of what the slope is off by, the least mu


def applies(server: Server, nodes: list[Node]) -> bool:
    """Whether rows rest at bounds and the problem is small enough."""
    return nodes[0].loss.linear and is_small(server.response)


def run(server: Server, nodes: list[Node], *, tol: float, max_iter: int = 100) -> Array | None:
    """Follow the central path to a relative gap of `tol`; keep the result if it is better.

    The best weights that were met are returned, None if the result is no better.
    """
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
    return path.W if better else None


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
        margin = _MARGIN * (self.high - self.low)
        self._excess = 0.0
        self._move(np.clip(inner, self.low + margin, self.high - margin))
        self._round()
        residual = self._slope()
        self.lower = np.maximum(residual, 0.0) + _MULTIPLIER
        self.upper = np.maximum(-residual, 0.0) + _MULTIPLIER
        self.W, self._least = self.response.W, np.inf
        self._follow()

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

    def _move(self, b: Array) -> None:
        """Take these dual variables."""
        self.b = b
        pieces = self._split(self.root * b)
        V = np.array([piece @ E for piece, E in zip(pieces, self.rows, strict=True)])
        self._exact = self.server.relationship.respond(V)
        self.server.count(len(self.nodes), vectors=2, scalars=2)

    def _round(self) -> None:
        """Find the weights that belong to them, and their margins."""
        self.response = self._exact.rounded(self._excess)
        self.system = DualSystem(self.rows, self.response)
        self.margins = self.system.push(self.response.W) / self.root

    def _follow(self) -> None:
        """Let mu say how far kinks are rounded off."""
        below, above = self.b - self.low, self.high - self.b
        self._gap = float(self.weight @ (below * self.lower + above * self.upper))
        self._excess = _ROUNDED * self._gap
        self._round()

    def _slope(self) -> Array:
        """Derivative of the negative dual with respect to b, a row's weight taken out."""
        alpha = self.sign * self.b
        return self.sign * self.loss.conjugate_slope(self.y, alpha) + self.margins

    def relative_gap(self) -> float:
        """Of the present dual variables and the best weights so far."""
        value = self.loss.value(self.y, self.sign * self.margins)
        primal = float(self.weight @ value) + self.response.penalty
        if primal < self._least:
            self.W, self._least = self.response.W, primal
        dual = -self._conjugate() - self._exact.value
        return (self._least - dual) / max(self._least, np.finfo(float).tiny)

    def _conjugate(self) -> float:
        return float(self.weight @ self.loss.conjugate(self.y, self.sign * self.b))

    def is_at_a_wall(self) -> bool:
        """Whether a row is so near a bound that the next system would be singular."""
        return float(min((self.b - self.low).min(), (self.high - self.b).min())) < _ON_BOUND

    def advance(self) -> bool:
        """One predictor-corrector step; False when the step became too short to matter."""
        below, above = self.b - self.low, self.high - self.b
        slope, lower, upper = self._slope(), self.lower, self.upper
        solve = self.system.factor(lower / below + upper / above)
        total = 2.0 * self.weight.sum()
        mu = self._gap / total

        def direction(at_low: Array | float, at_high: Array | float) -> tuple[Array, Array, Array]:
            """The step to these products of slacks and multipliers."""
            rhs = at_low / below - at_high / above - slope
            db = solve(self.root * rhs) / self.root
            d_lower = (at_low - lower * db) / below - lower
            return db, d_lower, (at_high + upper * db) / above - upper

        db, d_lower, d_upper = direction(0.0, 0.0)
        step = self._longest(below, above, db, d_lower, d_upper)
        ahead = (below + step * db) * (lower + step * d_lower)
        ahead += (above - step * db) * (upper + step * d_upper)
        shrink = (float(self.weight @ ahead) / total / mu) ** 3
        # R* is no quadratic: while the slope is not yet matched, stay where mu is
        mismatch = float(self.weight @ np.abs(slope - lower + upper)) / total
        target = mu * max(shrink, min(1.0, _MATCH * mismatch / mu))
        db, d_lower, d_upper = direction(target - db * d_lower, target + db * d_upper)
        if self.weight * (slope - target / below + target / above) @ db >= 0.0:
            # no way down the barrier; without the products there always is one
            db, d_lower, d_upper = direction(target, target)
        step = self._longest(below, above, db, d_lower, d_upper)
        self.server.count(len(self.nodes), scalars=self.system.n_numbers)
        if not np.isfinite(step * db).all():  # the system has outgrown the arithmetic
            return False
        step = self._search(step, db, target)
        self.lower = lower + step * d_lower
        self.upper = upper + step * d_upper
        self._follow()
        return step > 1e-8

    def _search(self, step: float, db: Array, target: float) -> float:
        """Shorten the step until the barrier function of `target` falls; move there, or stay."""
        start = self.b
        before = self._barrier(target, self.response)
        for _ in range(20):
            self._move(start + step * db)
            now = self._barrier(target, self._exact.rounded(self._excess))
            if now <= before + 1e-12 * abs(before):
                return step
            step *= 0.5
        self._move(start)
        return 0.0

    def _barrier(self, target: float, response: Response) -> float:
        # rounding may put a row on its bound, or beyond: no progress
        with np.errstate(divide="ignore", invalid="ignore"):
            walls = np.log((self.b - self.low) * (self.high - self.b))
        return self._conjugate() - target * float(self.weight @ walls) + response.value

    def _longest(
        self, below: Array, above: Array, db: Array, d_lower: Array, d_upper: Array
    ) -> float:
        """The longest step that keeps every slack and multiplier positive."""
        pairs = ((below, db), (above, -db), (self.lower, d_lower), (self.upper, d_upper))
        fastest = max(float(np.max(-change / value)) for value, change in pairs)
        return min(1.0, _TO_BOUNDARY / fastest) if fastest > 0.0 else 1.0
