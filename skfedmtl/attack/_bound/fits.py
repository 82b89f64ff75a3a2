"""Weighted fits that are known from below: by a dual value, wherever they stop.

`fit_quadratic` splits a sum of `Quadratic` and a regulariser R. Of any weights W the slope
``V = 2 b - 2 a W`` gives, as quadratic and R lie above their tangents, with R* the conjugate::

    min over W of sum a w^2 - 2 b w + R(W)  >=  - sum a w^2 - R*(V)

`fit_losses` asks the estimators' own solver, whose dual variables do the same for any loss.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np

from skfedmtl._model import Relationship
from skfedmtl._protocol import FederatedProblem, Solution
from skfedmtl._solvers import Iteration, SplittingSolver
from skfedmtl._typing import Array
from skfedmtl.attack._bound.moments import Quadratic, turn, turn_back
from skfedmtl.attack._sought import CleanRows, Model

_MEMORY = 5  #: of the extrapolation
_MOST = 1000  #: iterations
_EVERY = 3  #: iterations that are priced


class Start(NamedTuple):
    """Where a fit like the one before goes on."""

    T: Array
    rho: float


class Fit(NamedTuple):
    """A fit, and what is certain of it."""

    bound: float  #: the minimum is not below this,
    value: float  #: and not above that
    W: Array  #: (m, d)
    start: Start | None


def fit_quadratic(
    quadratic: Quadratic, relationship: Relationship, tol: float, start: Start | None = None
) -> Fit:
    """Stops at a gap of `tol` times the size of what is summed."""
    a, b = quadratic.a, quadratic.b
    if start is None:
        stiffness = relationship.stiffness(a.shape[1])
        rho = relationship.own_rho or 1.0 / (1.0 / max(2.0 * a.mean(), 1e-12) + 1.0 / stiffness)
        start = Start(np.zeros_like(b), rho)
    at = Iteration(relationship, *start, 0, _MEMORY)
    bound, value, best = -np.inf, np.inf, np.zeros_like(b)
    for count in range(_MOST):
        Z = at.proximal()
        base = turn(quadratic.basis, 2.0 * Z.W - at.T)
        W = (2.0 * b + at.rho * base) / (2.0 * a + at.rho)
        V = turn_back(quadratic.basis, 2.0 * (b - a * W))
        if count % _EVERY == 0 or at.is_alone:
            own = float(np.sum(a * np.square(W)))
            bound = max(bound, -own - relationship.conjugate(V))
            turned = turn(quadratic.basis, Z.W)
            price = float(np.sum(turned * (a * turned - 2.0 * b))) + Z.penalty
            if price < value:
                value, best = price, Z.W
            if value - bound <= tol * (own + abs(value)):
                break
        at.advance(Z.W, V, turn_back(quadratic.basis, W) - Z.W)
        if at.is_lost:
            break
    last = None if at.is_lost else Start(at.T, at.rho)
    return Fit(bound + quadratic.const, value + quadratic.const, best, last)


def fit_losses(
    rows: CleanRows, model: Model, node_weight: Array, tol: float, max_iter: int = 1000
) -> Fit:
    """``min over W of sum of node_weight f + R(W)``; of no free intercept."""
    _, solution = solve_losses(rows, model, node_weight, tol, max_iter)
    certificate = solution.certificate
    return Fit(certificate.dual_objective, certificate.objective, solution.W, None)


def solve_losses(
    rows: CleanRows, model: Model, node_weight: Array, tol: float, max_iter: int
) -> tuple[FederatedProblem, Solution]:
    """The same as the problem that was solved, with its dual variables, and the solution."""
    problem = FederatedProblem(
        rows.X,
        rows.y,
        rows.codes,
        rows.weight,
        loss=model.loss,
        relationship=model.relationship,
        intercept=cast(Any, model.intercept),
        intercept_scaling=model.intercept_scaling,
        node_weight=node_weight,
    )
    solver = SplittingSolver(tol=tol, max_iter=max_iter)
    solution = problem.solve(solver, np.random.default_rng(0))
    return problem, solution
