"""Newton's method through the weights, for small problems whose loss is curved.

Weights ``u`` give dual variables ``a_i = -dL(y_i, x_i . u_l)/df``, these give ``V(u)``, and that
``W(V)``; at the optimum ``u = W(V)``. With the Hessian of the losses, one d-by-d block a node,
``G_l = X_l' diag(s L'' / c_l) X_l``, the moments change by ``-G du``, so that Newton's step is::

    (I + J G) du = W - u

The dual rises along it, for its slope is ``(W - u)' G (I + J G)^-1 (W - u) >= 0``; the step is
halved until the dual does.

W(V) has a kink wherever its rank changes; those are rounded off by as much as the gap allows
(`skfedmtl._model.rounded_conjugate`). Far from the optimum that does not help, and from zero the
way there is made with the relationship of the features held fixed, which leaves every node a
problem of its own: ``R(u) <= tr(u M u')`` with equality where ``M`` was made [1]_, and::

    (G_l + 2 M) u_l = v_l + G_l u_l

The work of a round is one matrix a node and one small system: where rounding takes that over, as
with weights of many decades, the splitting goes on.

References
----------
.. [1] A. Argyriou, T. Evgeniou, M. Pontil, "Convex multi-task feature learning", Machine
   Learning 73(3), 2008.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._linear import is_small, solve_through_weights
from skfedmtl._model import ExactResponse, row_algebra
from skfedmtl._protocol import ROUNDING, NodeTable, Server
from skfedmtl._solvers.line_search import SUFFICIENT, backtrack
from skfedmtl._solvers.progress import Log, takes_others
from skfedmtl._typing import Array

_TRIALS = 12  #: lengths of a step
_MAX_FEATURES = 100  #: more make the nodes' own systems slow


def applies(server: Server, nodes: NodeTable) -> bool:
    """Whether the loss is curved, the problem small, and kinks of R* can be rounded off."""
    if nodes.loss.linear or not server.relationship.is_smoothable:
        return False
    if server.V.shape[1] > _MAX_FEATURES:
        return False
    return is_small(server.response)


class _Point(NamedTuple):
    """Weights and their decision values, all rows stacked, and what follows from them."""

    u: Array
    f: Array
    loss: float
    alpha: Array
    conjugate: float
    V: Array
    response: ExactResponse

    @property
    def dual_objective(self) -> float:
        return -self.conjugate - self.response.value

    def rounded_objective(self, excess: float) -> float:
        """The dual objective, kinks rounded off."""
        return -self.conjugate - self.response.rounded(excess).value

    @property
    def rounding(self) -> float:
        return ROUNDING * (abs(self.conjugate) + abs(self.response.value))


class _Rise(NamedTuple):
    """Whether the dual, kinks rounded off by `excess`, rises along a step."""

    excess: float
    before: float
    promise: float
    rounding: float

    def is_enough(self, length: float, candidate: _Point) -> bool:
        least = length * self.promise
        # where a step promises less than rounding hides, the values cannot judge it
        limit = SUFFICIENT * least if least > self.rounding else -self.rounding
        return candidate.rounded_objective(self.excess) - self.before >= limit


class WeightNewton:
    """Improves weights ``u`` and the dual variables that belong to them."""

    def __init__(self, server: Server, nodes: NodeTable, u: Array) -> None:
        self._server, self._nodes = server, nodes
        self._loss = nodes.loss
        self._y = nodes.y
        self._weight = nodes.weight
        self._bend = np.empty(0)
        self._G = np.empty((0, 0, 0))
        self._now = self._point(u, self._margins(u))

    @property
    def dual_objective(self) -> float:
        return self._now.dual_objective

    def alternate(self) -> bool:
        """Solve every node with the relationship held fixed; whether the dual has risen."""
        now, G = self._now, self._hessian()
        M = self._server.relationship.majorant(now.u)
        if M is None:
            return False
        try:
            rhs = (now.V + _apply(G, now.u))[:, :, None]
            u: Array = np.linalg.solve(G + 2.0 * M, rhs)[:, :, 0]  # type: ignore[assignment]
        except np.linalg.LinAlgError:
            return False
        candidate = self._point(u, self._margins(u))
        if not candidate.dual_objective > now.dual_objective:
            return False
        self._now = candidate
        return True

    def step(self, gap: float) -> bool:
        """Take a Newton step, kinks rounded off by less than the `gap`; whether it was worth it."""
        now, G = self._now, self._hessian()
        response = now.response.rounded(gap)
        du = solve_through_weights(response, G, response.W - now.u)
        if du is None:
            return False
        df = self._margins(du)
        promise = float(np.vdot(_apply(G, du), response.W - now.u))
        rise = _Rise(gap, -now.conjugate - response.value, promise, now.rounding)
        trial = backtrack(
            lambda length: self._point(now.u + length * du, now.f + length * df),
            rise.is_enough,
            n_trials=_TRIALS,
        )
        if not trial.is_enough:
            return False
        self._now = trial.point
        return promise > now.rounding

    def adopt(self) -> None:
        """Give server and nodes the incumbent."""
        self._server.set_response(self._now.V, self._now.response)
        self._nodes.alpha = self._now.alpha

    def enter(self, log: Log, tol: float) -> None:
        """Adopt it, and end a round with W(V), or with ``u`` if that is better."""
        self.adopt()
        server, now = self._server, self._now
        W = now.response.W
        objective = self._loss_at(self._margins(W)) + now.response.penalty
        server.count(len(self._nodes), vectors=1, scalars=2)
        if takes_others(tol) and not objective - now.dual_objective <= tol * objective:
            at_u = now.loss + server.relationship.penalty(now.u)
            W, objective = (now.u, at_u) if at_u < objective else (W, objective)
        magnitude = objective + abs(now.conjugate) + abs(now.response.value)
        log.enter(server, W, objective, now.dual_objective, magnitude)

    def _point(self, u: Array, f: Array) -> _Point:
        """What follows from weights and their decision values."""
        loss, y = self._loss, self._y
        alpha = np.where(self._weight > 0, loss.clip(y, -loss.derivative(y, f)), 0.0)
        V = np.array(
            [
                row_algebra.moment(self._nodes.rows(l), self._weight[part], alpha[part])
                for l, part in enumerate(self._nodes.parts)
            ]
        )
        self._server.count(len(V), vectors=2, scalars=2)
        value = self._loss_at(f)
        # where a = -L', its conjugate is what Young's inequality leaves of the loss
        conjugate = -float(self._weight @ (alpha * f)) - value
        return _Point(u, f, value, alpha, conjugate, V, self._server.relationship.respond(V))

    def _loss_at(self, f: Array) -> float:
        return float(self._weight @ self._loss.value(self._y, f))

    def _hessian(self) -> Array:
        """One matrix a node; of a loss of constant curvature it is made once."""
        bend = self._weight * self._loss.curvature(self._y, self._now.f)
        if not np.array_equal(bend, self._bend):
            self._G = self._nodes.hessians(bend)
            self._bend = bend
            d = self._G.shape[1]
            self._server.count(len(self._G), scalars=d * (d + 1) // 2)
        return self._G

    def _margins(self, W: Array) -> Array:
        return np.concatenate([self._nodes.rows(l) @ w for l, w in enumerate(W)])


def _apply(G: Array, u: Array) -> Array:
    """G u: every node's block times its row."""
    return np.matmul(G, u[:, :, None])[:, :, 0]
