"""The objective with a common part, w_l = u + z_l, and its optimum by an interior-point method.

    P(u, Z) = sum_l (1/c_l) sum_{i in l} s_i L(y_i, x_i . (u + z_l) + b_l)
              + lambda0 ||u'||^2 + R(Z')

with R and the primes of `oracles.objective`: of a classifier the intercept has a part in each.
Its dual bound gives R*(V) the company of ||sum_l v_l||^2 / (4 lambda0).
"""

import warnings

import cvxpy as cp
import numpy as np

from oracles.losses import RECORD_OF
from oracles.objective import (
    _weights_and_regulariser,
    penalised,
    primal,
    regulariser,
    row_weights,
)


class SumConjugate:
    """R* with a common part."""

    def __init__(self, tied, lambda0):
        self.tied, self.lambda0 = tied, lambda0

    def value(self, V):
        total = V.sum(axis=0)
        return self.tied.value(V) + total @ total / (4.0 * self.lambda0)


def price(u, common_b, W, b, lambda0, task, kappa):
    """P at weights and intercepts and what these have in common; `task` as of `primal`."""
    *_, lambda1, lambda2, loss, relationship = task
    own = penalised(W, b, loss, kappa)
    shared = penalised(u[None], None if b is None else np.array([common_b]), loss, kappa)[0]
    whole = regulariser(own, lambda1, lambda2, relationship)
    parts = regulariser(own - shared, lambda1, lambda2, relationship) + lambda0 * shared @ shared
    return primal(W, b, *task, kappa=kappa) - whole + parts


def optimum(lambda0, task, m, *, fit_intercept, kappa):
    """P*, or None unless the solver calls it optimal."""
    X, y, codes, weight, lambda1, lambda2, loss, relationship = task
    share = row_weights(codes, weight, m)
    extra = fit_intercept and not RECORD_OF[loss].has_free_intercept
    features = np.column_stack([X, np.full(len(y), kappa)]) if extra else X
    d = features.shape[1]
    Z, penalty = _weights_and_regulariser(m, d, lambda1, lambda2, relationship)
    u = cp.Variable(d)
    f = cp.sum(cp.multiply(features, Z[codes]), axis=1) + features @ u
    if fit_intercept and not extra:
        f = f + cp.Variable(m)[codes]
    risk, of_margins = RECORD_OF[loss].risk(y, f, share)
    program = cp.Problem(cp.Minimize(risk + penalty + lambda0 * cp.sum_squares(u)), of_margins)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
        except cp.SolverError:
            return None
    return float(program.value) if program.status == cp.OPTIMAL else None
