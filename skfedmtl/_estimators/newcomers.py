"""What is found for nodes that come, and what those that leave have changed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._estimators.constant import constant_models
from skfedmtl._model import Anchored
from skfedmtl._protocol import Certificate, solver_weights
from skfedmtl._solvers import SplittingSolver
from skfedmtl._typing import Array


class Added(NamedTuple):
    """What was found for new nodes, by one model of two classes or of numbers."""

    coef_: Array
    intercept_: Array
    is_constant_: NDArray[np.bool_]
    factor: Array  #: of the covariance of all nodes
    certificate: Certificate
    converged: bool


def fit_added(
    part: Any,
    n_fitted: int,
    X: Any,
    y: Array,
    codes: NDArray[np.int64],
    labels: NDArray[Any],
    weight: Array,
) -> Added:
    """The models of new nodes, by one model of the fitted ones."""

    def weights(coef: Array, intercept: Array) -> Array:
        kind, size = part._intercept_of_solver
        return solver_weights(coef, intercept, kind, size)

    W = weights(part.coef_, part.intercept_)
    u = np.zeros(W.shape[1])
    if part.common_coef_ is not None:
        u = weights(part.common_coef_[None], np.array([part.common_intercept_]))[0]
    tied = part._make_tie(part.nodes_[:n_fitted])
    metric, anchor = tied.another(W[:n_fitted] - u)
    relationship = Anchored(len(labels), metric, u + anchor)
    problem = part._problem(X, y, codes, labels, weight, relationship=relationship)
    solver = SplittingSolver(tol=float(part.tol), max_iter=part.max_iter, n_jobs=part.n_jobs)
    solution = problem.solve(solver, np.random.default_rng(0))
    classify = hasattr(part, "classes_")
    constant = constant_models(problem, solution, X, float(part.lambda2), classify=classify)
    factor = part._make_tie(np.arange(len(W) + len(labels))).covariance_factor(
        np.concatenate([W, solution.W]) - u
    )
    coef, intercept = problem.coefficients(solution.W)
    return Added(coef, intercept, constant, factor, solution.certificate, solution.converged)


def left_of(
    iterate: Any, stays: NDArray[np.bool_], rows: NDArray[np.intp]
) -> dict[str, Array] | None:
    """An iterate of some of the nodes and rows, if there is one."""
    if not isinstance(iterate, dict):
        return None
    return {**iterate, "T": iterate["T"][stays], "alpha": iterate["alpha"][rows]}


def changes(
    before: Any, after: Any, stays: NDArray[np.bool_], X: Any, own: NDArray[Any], nodes: Any
) -> dict[str, Array]:
    """What fits differ by in the nodes of the second, and decisions on its rows."""
    told = [model._decision(*model._check_predict(X, nodes)) for model in (before, after)]
    old, new = before.coef_[stays], after.coef_
    axes = tuple(range(1, old.ndim))
    distance = np.sqrt(np.sum(np.square(new - old), axis=axes))
    size = np.sqrt(np.sum(np.square(old), axis=axes))
    relative = np.divide(distance, size, out=np.where(distance > 0.0, np.inf, 0.0), where=size > 0)
    squares = np.square(told[1] - told[0]).reshape(len(own), -1).sum(axis=1)
    moved = [
        float(np.sqrt(squares[own == l].mean())) if np.any(own == l) else 0.0 for l in after.nodes_
    ]
    return {"distance": distance, "relative": relative, "moved": np.array(moved)}
