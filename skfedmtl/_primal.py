"""Newton's method on the smoothed primal problem: a victim that answers small changes fast.

With losses and a regulariser that have second derivatives (`skfedmtl._smoothed`),

    P(W) = sum over rows of weight_i L(y_i, x_i . w_l) + R(W)

is smooth and strictly convex. With ``F = dP/dW``, ``J`` the inverse Hessian of ``R`` and ``E``
the rows ``sqrt(weight_i L''_i) x_i`` the Newton step is::

    dW = -J (F + E' t),        (I + E J E') t = -E J F

shortened until P falls by a share of what its slope promises. Rows beyond the parabolas of
a smoothed kink have no curvature, so that a step may be far too long; the next ones are then
damped, by a multiple of the identity in the Hessian of ``R`` (Levenberg's method).
"""

from __future__ import annotations

import numpy as np

from skfedmtl._losses import Array
from skfedmtl._protocol import Node, Server
from skfedmtl._rows import decisions, moment, scaled_rows, shorten
from skfedmtl._system import DualSystem, is_small

_MAX_PRODUCTS = 300
_SUFFICIENT = 1e-4  #: share of the promised fall that a step must reach
_SHORTENINGS, _LEAST, _MOST = 15, 0.1, 0.5  #: of a step, and by how much at once
_ROUNDING = 1e-15
_SHORT = 0.3  #: a shorter step was drawn too far by what the parabolas do not see
_DAMPING, _LEAST_DAMPING, _CHANGE = 2e-3, 1e-4, 4.0
_NEAR = 0.1  #: the last step's promise, as a share of P, that leads all but to the minimum


class Point:
    """P at weights W, whose decision values may be known, and the dual variables there.

    A `rough` one reads the rows of a large problem in single precision.
    """

    def __init__(
        self,
        server: Server,
        nodes: list[Node],
        W: Array,
        root: float,
        f: list[Array] | None = None,
        *,
        rough: bool = False,
    ) -> None:
        self.rough = rough
        self.W, self.f = W, _margins(nodes, W, rough) if f is None else f
        self.response = server.relationship.respond_at(W, root)
        self.value = self.response.penalty
        for node, own in zip(nodes, self.f, strict=True):
            self.value += float(node.weight @ node.loss.value(node.y, own))
        self._nodes = nodes

    def along(self, step: Array) -> list[Array]:
        """The change of the decision values by a change of the weights."""
        return _margins(self._nodes, step, self.rough)

    def alphas(self) -> list[Array]:
        """The dual variables that belong to these weights."""
        return [
            -node.loss.derivative(node.y, own)
            for node, own in zip(self._nodes, self.f, strict=True)
        ]

    def step(self, accuracy: float, damping: float) -> tuple[Array, float, int]:
        """The Newton step, the slope of P along it, and what every node sent for it."""
        response = self.response.damped(damping) if damping > 0.0 else self.response
        F, rows, rough = self.response.V.copy(), [], not is_small(response)
        for l, (node, own, alpha) in enumerate(
            zip(self._nodes, self.f, self.alphas(), strict=True)
        ):
            X = node.rows(rough=self.rough)
            F[l] -= moment(X, node.weight, alpha)
            scale = np.sqrt(node.weight * node.loss.curvature(node.y, own))
            rows.append(shorten(scaled_rows(X, scale, node.squared_norm, rough=rough)))
        system = DualSystem(rows, response)
        first = system.product(F)
        rhs = -system.push(first)
        t = system.solve(
            np.ones_like(rhs),
            rhs,
            tol=accuracy,
            max_iter=_MAX_PRODUCTS,
            energy=float(np.vdot(F, first)),
        )
        step = -system.product(F + system.pull(t))
        return step, float(np.vdot(F, step)), system.n_numbers


class PrimalSolver:
    """Minimises P from weights at hand.

    Parameters
    ----------
    tol : float
        Stop when a step promises to lower P by less than this, relative.
    max_iter : int
        Newton steps at most.
    accuracy : float
        Of a Newton step, as a share of its own length.
    rough : bool
        Whether single precision will do for the rows of a large problem.
    patience : int
        How many times `max_iter` steps there may be while they promise to lower P by much.
    """

    def __init__(
        self,
        *,
        tol: float,
        max_iter: int,
        accuracy: float = 0.1,
        rough: bool = False,
        patience: int = 1,
    ) -> None:
        self.tol, self.max_iter, self.accuracy = tol, max_iter, accuracy
        self._rough, self._patience = rough, patience
        self.damping = 0.0  #: what the last step left; part of what a next solution depends on
        self.is_near = True  #: whether the last solution is all but the minimum

    def solve(self, server: Server, nodes: list[Node], W: Array, root: float) -> Array:
        """Leave the response and the dual variables of the minimum, and return its weights."""
        point, _ = self.minimise(server, nodes, W, root)
        self.settle(server, nodes, point.W, root)
        return point.W

    def settle(self, server: Server, nodes: list[Node], W: Array, root: float) -> None:
        """Give server and nodes what belongs to these weights, whatever way led to them."""
        point = self._point(server, nodes, W, root)
        server.set_response(point.response.V, point.response)
        for node, alpha in zip(nodes, point.alphas(), strict=True):
            node.alpha = alpha

    def _point(self, server: Server, nodes: list[Node], W: Array, root: float) -> Point:
        rough = self._rough and not is_small(server.response)
        return Point(server, nodes, W, root, rough=rough)

    def minimise(
        self, server: Server, nodes: list[Node], W: Array, root: float
    ) -> tuple[Point, bool]:
        """The minimum, and whether it was reached."""
        point = self._point(server, nodes, W, root)
        self.is_near = True
        for count in range(self._patience * self.max_iter):
            if count >= self.max_iter and self.is_near:
                break
            step, slope, n_numbers = point.step(self.accuracy, self.damping)
            server.count(len(nodes), vectors=2, scalars=n_numbers)
            # a slope that rises is what rounding has left of a step
            self.is_near = abs(slope) <= _NEAR * abs(point.value)
            if -slope <= self._enough(nodes, point):
                return point, True
            found = self._search(server, root, nodes, point, step, slope)
            if found is point:  # no shorter step is better: rounding rules
                return point, True
            point = found
        return point, False

    def _enough(self, nodes: list[Node], point: Point) -> float:
        """The promise that is no longer worth a step."""
        return self.tol * abs(point.value)

    def _search(
        self,
        server: Server,
        root: float,
        nodes: list[Node],
        point: Point,
        step: Array,
        slope: float,
    ) -> Point:
        along = point.along(step)
        length = 1.0
        for _ in range(_SHORTENINGS):
            f = [own + length * change for own, change in zip(point.f, along, strict=True)]
            trial = Point(server, nodes, point.W + length * step, root, f, rough=point.rough)
            allowed = point.value + _SUFFICIENT * length * slope
            if trial.value <= allowed + _ROUNDING * abs(point.value):
                self._adapt(length)
                return trial
            # the least of the parabola through what is known, not too near either end
            bend = trial.value - point.value - length * slope
            known = np.isfinite(bend)
            length *= np.clip(-0.5 * length * slope / bend, _LEAST, _MOST) if known else _LEAST
        return point

    def _adapt(self, length: float) -> None:
        """Damp the next step more after one that was too long, less after a full one."""
        if length < _SHORT:
            self.damping = max(_CHANGE * self.damping, _DAMPING)
        elif length == 1.0:
            self.damping = self.damping / _CHANGE if self.damping > _LEAST_DAMPING else 0.0


def _margins(nodes: list[Node], W: Array, rough: bool) -> list[Array]:
    return [decisions(node.rows(rough=rough), w) for node, w in zip(nodes, W, strict=True)]
