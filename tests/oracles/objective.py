"""The primal objective, written out plainly, and its optimum by an interior-point method.

With c_l = sum of the weights s_i in node l and f_i = x_i . w_l + b_l,

    P(W, b) = sum_l (1/c_l) sum_{i in l} s_i L(y_i, f_i) + R(W'),

    R(W') = lambda2 ||W'||_F^2                                       relationship="none"
          = lambda1 tr(W'^T Omega W') + lambda2 ||W'||_F^2           relationship=Omega, (m, m)
          = lambda1 ||W'||_*^2 + lambda2 ||W'||_F^2                  relationship="learned"
          = sum_i (lambda1/t_i + lambda2) ||q_i^T W'||^2             relationship=("sigma", Sigma)

Omega need only be positive semidefinite.
"learned" is the minimum over Sigma >= 0, tr Sigma = 1 of lambda1 tr(W'^T Sigma^-1 W') + ....
With a fixed Sigma = sum_i t_i q_i q_i^T, directions where t_i = 0 are forbidden: W' = S Z with
S = [q_i sqrt(t_i / (lambda1 + lambda2 t_i))] over t_i > 0, and then R = ||Z||_F^2.
W' = W for regression, whose intercept is free. For the classification losses the intercept is the
weight of a constant feature `kappa`, so W' = [W, b / kappa] while f = x . w + b.

`b` is always the number that is added to x . w (scikit-learn's `intercept_`). A node without rows
(or whose rows weigh nothing) adds nothing to the loss; its free intercept is returned as 0.
"""

import warnings

import cvxpy as cp
import numpy as np

from oracles.losses import RECORD_OF


def loss_values(loss, y, f):
    """L(y_i, f_i) row by row."""
    return RECORD_OF[loss].value(y, f)


def row_weights(codes, weight, m):
    """s_i / c_l of every row, c_l the total weight of the row's node; 0 where c_l = 0."""
    totals = np.zeros(m)
    np.add.at(totals, codes, weight)
    return np.asarray(weight, dtype=float) / np.where(totals > 0, totals, 1.0)[codes]


def penalised(W, b, loss, kappa):
    """W' of the module docstring."""
    if b is None or RECORD_OF[loss].has_free_intercept:
        return W
    return np.column_stack([W, np.asarray(b) / kappa])


def covariance_root(Sigma, lambda1, lambda2):
    """S of the module docstring, one column for each eigenvalue above 1e-12 of the largest."""
    values, vectors = np.linalg.eigh(np.asarray(Sigma, dtype=float))
    keep = values > 1e-12 * max(values.max(), 0.0)
    values, vectors = values[keep], vectors[:, keep]
    return vectors * np.sqrt(values / (lambda1 + lambda2 * values))


def regulariser(W, lambda1, lambda2, relationship):
    """R(W) for one of the kinds of relationship; infinite for a W outside the range of Sigma."""
    ridge = lambda2 * np.sum(W**2)
    if isinstance(relationship, str):
        if relationship == "none":
            return ridge
        if relationship == "learned":
            return ridge + lambda1 * np.linalg.svd(W, compute_uv=False).sum() ** 2
        raise ValueError(f"relationship={relationship!r}")
    if isinstance(relationship, tuple):
        S = covariance_root(relationship[1], lambda1, lambda2)
        Z = np.linalg.lstsq(S, W, rcond=None)[0]
        return np.sum(Z**2) if np.allclose(S @ Z, W, rtol=1e-8, atol=1e-8) else np.inf
    return ridge + lambda1 * np.trace(W.T @ np.asarray(relationship) @ W)


def primal(W, b, X, y, codes, weight, lambda1, lambda2, loss, relationship, *, kappa=1.0):
    """P(W, b). `weight=None` counts every row once; `b=None` means no intercept."""
    W = np.asarray(W, dtype=float)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    f = np.sum(X * W[codes], axis=1) + (0.0 if b is None else np.asarray(b)[codes])
    risk = row_weights(codes, weight, len(W)) @ loss_values(loss, y, f)
    return float(risk + regulariser(penalised(W, b, loss, kappa), lambda1, lambda2, relationship))


def number_of_nodes(codes, relationship, m):
    """`m` if given, else the size of Omega, else the largest code + 1."""
    if m is not None:
        return m
    if isinstance(relationship, str):
        return int(np.max(codes)) + 1
    return len(relationship[1] if isinstance(relationship, tuple) else relationship)


def _weights_and_regulariser(m, d, lambda1, lambda2, relationship):
    """cvxpy's W, an (m, d) expression, and R(W)."""
    if isinstance(relationship, tuple):
        S = covariance_root(relationship[1], lambda1, lambda2)
        Z = cp.Variable((S.shape[1], d))
        return S @ Z, cp.sum_squares(Z)
    W = cp.Variable((m, d))
    ridge = lambda2 * cp.sum_squares(W)
    if isinstance(relationship, str):
        if relationship == "none" or lambda1 == 0:
            return W, ridge
        return W, ridge + lambda1 * cp.square(cp.normNuc(W))
    values, vectors = np.linalg.eigh(np.asarray(relationship, dtype=float))
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    return W, ridge + lambda1 * cp.sum_squares(root @ W)


def interior_point(
    X,
    y,
    codes,
    weight,
    lambda1,
    lambda2,
    loss,
    relationship,
    *,
    m=None,
    fit_intercept=False,
    kappa=1.0,
):
    """(value, W, b, a) of the convex program, or None unless the solver calls it optimal.

    `a` is y times the multiplier of 1 - y f <= slack, divided by s_i/c_l, for a loss whose risk
    brings that constraint (the hinge), else None.
    """
    X, y, codes = np.asarray(X, dtype=float), np.asarray(y, dtype=float), np.asarray(codes)
    m = number_of_nodes(codes, relationship, m)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    share = row_weights(codes, weight, m)
    d, extra = X.shape[1], fit_intercept and not RECORD_OF[loss].has_free_intercept
    W, penalty = _weights_and_regulariser(m, d + extra, lambda1, lambda2, relationship)
    features = np.column_stack([X, np.full(len(y), kappa)]) if extra else X
    f = cp.sum(cp.multiply(features, W[codes]), axis=1)
    constraints = []
    if fit_intercept and not extra:
        b = cp.Variable(m)
        f = f + b[codes]
        constraints += [b[node] == 0 for node in range(m) if not share[codes == node].any()]
    risk, of_margins = RECORD_OF[loss].risk(y, f, share)
    constraints = [*of_margins, *constraints]
    program = cp.Problem(cp.Minimize(risk + penalty), constraints)
    for tol in (1e-10, 1e-8):
        try:
            with warnings.catch_warnings():
                # "solution may be inaccurate": the status below says so too
                warnings.simplefilter("ignore", UserWarning)
                program.solve(
                    solver=cp.CLARABEL, tol_gap_abs=tol, tol_gap_rel=tol, tol_feas=tol, max_iter=200
                )
        except cp.SolverError:
            continue
        if program.status == cp.OPTIMAL:
            break
    else:
        return None
    intercept = np.zeros(m)
    if extra:
        intercept = kappa * W.value[:, d]
    elif fit_intercept:
        intercept = b.value
    a = None
    if of_margins:
        with np.errstate(invalid="ignore", divide="ignore"):
            a = y * np.where(share > 0, np.clip(of_margins[0].dual_value / share, 0, 1), 0.0)
    return float(program.value), W.value[:, :d], intercept, a


def optimum(
    X,
    y,
    codes,
    weight,
    lambda1,
    lambda2,
    loss,
    relationship,
    *,
    m=None,
    fit_intercept=False,
    kappa=1.0,
):
    """(P*, W*, b*), or None when the solver stopped short: discard such a draw and count it.

    P* is `primal` at (W*, b*), hence never below the true minimum; it is only returned when it and
    the solver's own value agree to 1e-7. `m` is needed when the last nodes have no rows.
    """
    solved = interior_point(
        X,
        y,
        codes,
        weight,
        lambda1,
        lambda2,
        loss,
        relationship,
        m=m,
        fit_intercept=fit_intercept,
        kappa=kappa,
    )
    if solved is None:
        return None
    value, W, b, _ = solved
    here = b if fit_intercept else None
    best = primal(W, here, X, y, codes, weight, lambda1, lambda2, loss, relationship, kappa=kappa)
    if abs(best - value) > 1e-7 * (1.0 + abs(best)):
        return None
    return best, W, b
