"""The same rows by other solvers: scikit-learn node by node, L-BFGS, an interior-point method."""

import time

import numpy as np
from _common import LAMBDA1, LAMBDA2
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

__all__ = ["fit_clarabel", "fit_independent", "fit_lbfgs"]


def fit_independent(X, y, nodes, loss, *, lambda2=LAMBDA2, tol=1e-4):
    """``coef_`` and ``intercept_`` of one scikit-learn model a node, unrelated to the others.

    ``LinearSVC(loss=loss)``, ``LogisticRegression(solver="liblinear")`` or ``Ridge``, their
    penalties those of lambda2: all minimise the same objective as ``relationship="none"``. `tol` is
    liblinear's.
    """
    models = []
    for label in np.unique(nodes):
        own = nodes == label
        C = 1.0 / (2.0 * lambda2 * own.sum())
        options = {"C": C, "tol": tol, "max_iter": 100_000, "random_state": 0}
        if loss == "squared_error":
            model = Ridge(alpha=lambda2 * own.sum())
        elif loss.endswith("hinge"):
            model = LinearSVC(loss=loss, dual=True, intercept_scaling=1.0, **options)
        else:
            model = LogisticRegression(solver="liblinear", intercept_scaling=1.0, **options)
        models.append(model.fit(X[own], y[own]))
    coef = np.array([np.ravel(model.coef_) for model in models])
    return coef, np.array([np.ravel(model.intercept_)[0] for model in models])


def fit_lbfgs(problem, least, tol):
    """Weights and iterations of scipy's L-BFGS-B on the primal of a `Fixed` regulariser.

    It starts at zero and is stopped where ``(P - least) / P`` is `tol`: told the optimum, it
    never makes an iteration too many.
    """
    A, shape = problem.regulariser.A, problem.shape
    squared = problem.loss == "squared_error"

    def fun(flat):
        W = flat.reshape(shape)
        slope = A @ W
        value = float(np.vdot(W, slope))
        slope *= 2.0
        for l, (X, y) in enumerate(problem.parts):
            f = X @ W[l]
            if squared:
                value += np.square(f - y).mean()
                slope[l] += 2.0 / len(y) * ((f - y) @ X)
            else:
                value += np.logaddexp(0.0, -y * f).mean()
                slope[l] -= (y * expit(-y * f)) @ X / len(y)
        return value, slope.ravel()

    def stop(intermediate_result):
        if intermediate_result.fun - least <= tol * intermediate_result.fun:
            raise StopIteration

    options = {"maxiter": 100_000, "maxfun": 200_000, "ftol": 0.0, "gtol": 0.0}
    start = np.zeros(np.prod(shape))
    found = minimize(fun, start, jac=True, method="L-BFGS-B", callback=stop, options=options)
    return found.x.reshape(shape), found.nit


def fit_clarabel(problem, tol, limit):
    """Weights, iterations, and Clarabel's own seconds, through cvxpy; the relationship is learned.

    Raises
    ------
    RuntimeError
        If it does not call the result optimal, within `limit` seconds.
    """
    import cvxpy as cp

    W = cp.Variable(problem.shape)
    penalty = LAMBDA1 * cp.square(cp.normNuc(W)) + LAMBDA2 * cp.sum_squares(W)
    f = cp.hstack([X @ W[l] for l, (X, _) in enumerate(problem.parts)])
    y = np.concatenate([y for _, y in problem.parts])
    share = np.concatenate([np.full(len(y), 1.0 / len(y)) for _, y in problem.parts])
    if problem.loss == "squared_error":
        risk = cp.sum_squares(cp.multiply(np.sqrt(share), f - y))
    elif problem.loss == "hinge":
        risk = share @ cp.pos(1 - cp.multiply(y, f))
    else:
        risk = share @ cp.logistic(-cp.multiply(y, f))
    program = cp.Problem(cp.Minimize(risk + penalty))
    tolerances = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), tol)
    start = time.perf_counter()
    try:
        program.solve(solver=cp.CLARABEL, time_limit=float(limit), **tolerances)
    except cp.SolverError as error:
        raise RuntimeError(str(error)) from error
    if program.status != cp.OPTIMAL:
        seconds = time.perf_counter() - start
        raise RuntimeError(f"Clarabel ended as {program.status!r} after {seconds:.0f} s")
    stats = program.solver_stats
    return W.value, stats.num_iters, stats.solve_time
