"""Victims solved to stationarity, so that H can be differenced after refitting.

In terms of the dual variables a, with p_i = s_i/c_l, x'_i the features of row i (for a classifier
with an intercept [x_i, kappa]) and R* of `regularisers`:

    V = sum_i p_i a_i e_l(i) x'_i^T,   W = grad R*(V),   f_i = x'_i . w_l(i) + b_l(i)

    smooth losses   a_i = -L'(y_i, f_i) for every row, and for a free intercept
                    sum_{i in l} p_i a_i = 0 in every node with rows
    hinge           u_i = y_i a_i is 1 where y_i f_i < 1, 0 where y_i f_i > 1, and in between, with
                    y_i f_i = 1 exactly, on the rows of the margin

Both are solved by Newton's method from an interior-point solution (or a neighbour's): for smooth
losses on (a, b), for the hinge on the margin rows' a, with rows changing sets until all signs are
right. E is the map W -> (x'_i . w_l(i))_i as a dense matrix, J the dense derivative of grad R*
(see `system` and `regularisers`).
"""

from dataclasses import dataclass, replace

import numpy as np

from oracles.losses import RECORD_OF
from oracles.objective import interior_point, loss_values, number_of_nodes
from oracles.regularisers import Learned, Quadratic, conjugate_of
from oracles.system import build_system, slopes

RESIDUAL = 1e-11


@dataclass(frozen=True, eq=False)
class Victim:
    """A stationary point.

    Attributes
    ----------
    W, b : (m, d) weights and (m,) intercepts as added to x . w.
    alpha : (n,) dual variables, 0 for rows without weight.
    V : (m, d') sum of p_i a_i x'_i; W' = grad R*(V).
    margin : (n,) bool. hinge: on the margin, 0 < y a < 1. squared_hinge: y f < 1. huber:
        |y - f| < 1. Else all False.
    sides : (n,) int, the sign of 1 - y f for the hinges, 0 on the hinge's margin, and of
        1 - |y - f| for huber; zeros else.
    rank : rank of W for a learned relationship, None for a fixed one.
    kink : distance to the nearest point without derivatives: the smallest of |1 - y f| off the
        margin (huber: of |1 - |y - f||), of u and 1 - u on the margin, and of
        |nu_i - tau|/nu_1 (learned).
    residual : smooth losses: the last Newton correction of W', relative to 1 + ||W'||_F; hinge:
        max |1 - y f| over the margin.
    """

    W: np.ndarray
    b: np.ndarray
    alpha: np.ndarray
    V: np.ndarray
    margin: np.ndarray
    sides: np.ndarray
    rank: int | None
    kink: float
    residual: float


def _newton_smooth(system, a, b):
    """Zero (a, b) of a + L'(f(a, b)) and of the nodes' sums of p a, and W's distance from it.

    The distance is the change of W in the last Newton step computed, relative to 1 + ||W||_F; it
    was too small to matter or did not lower the residual any more.
    """
    E, F, p, n = system.E, system.F, system.p, len(system.y)

    def residual(a, b):
        W = system.conjugate.grad(system.V(a))
        f = E @ W.ravel() + F @ b
        first, second = slopes(system.loss, system.y, f)
        return np.concatenate([a + first, F.T @ (p * a)]), second

    r, second = residual(a, b)
    for _ in range(100):
        V = system.V(a)
        J = system.conjugate.derivative(V)
        K = E @ J @ (E.T * p)
        matrix = np.block(
            [
                [np.eye(n) + second[:, None] * K, second[:, None] * F],
                [F.T * p, np.zeros((F.shape[1], F.shape[1]))],
            ]
        )
        step = np.linalg.solve(matrix, -r)
        change = np.linalg.norm(J @ (E.T @ (p * step[:n])))
        change /= 1 + np.linalg.norm(system.conjugate.grad(V))
        size = np.linalg.norm(r)
        for halvings in range(30):
            t = 0.5**halvings
            a_new, b_new = a + t * step[:n], b + t * step[n:]
            r_new, second_new = residual(a_new, b_new)
            if np.linalg.norm(r_new) < size:
                break
        else:
            break  # no progress: at the floor of rounding, or stuck (the caller checks)
        a, b, r, second = a_new, b_new, r_new, second_new
        if change < 1e-15:
            break
    return a, b, change


def _solve_smooth(system, a, b):
    a = np.where(system.p > 0, a, 0.0)
    a, b, residual = _newton_smooth(system, a, b[system.free_nodes])
    intercept = np.zeros(system.m)
    intercept[system.free_nodes] = b
    V = system.V(a)
    W = system.conjugate.grad(V)
    f = system.E @ W.ravel() + intercept[system.codes]
    sides, kink = np.zeros(len(f), dtype=int), system.conjugate.kink(V)
    side = RECORD_OF[system.loss].side
    if side is not None:
        off = side(system.y, f)
        sides = np.where(system.p > 0, np.sign(off), 0).astype(int)
        kink = min(kink, np.abs(off)[system.p > 0].min())
    # rounding must not leave the conjugate's domain
    a = RECORD_OF[system.loss].clip(system.y, np.where(system.p > 0, a, 0.0))
    return a, V, W, intercept, sides > 0, sides, kink, residual


def _newton_margin(system, a, N):
    """Changes a on the rows N until they have y f = 1; None if that fails."""
    E, best = system.E, np.inf
    for _ in range(60):
        V = system.V(a)
        f = E @ system.conjugate.grad(V).ravel()
        error = (f - system.y)[N]
        size = np.abs(error).max(initial=0.0)
        if size == 0 or (size < 1e-10 and size >= best):
            return a
        best = min(best, size)
        K = E[N] @ system.conjugate.derivative(V) @ (E[N].T * system.p[N])
        if np.linalg.cond(K) > 1e12:
            return None
        a = a.copy()
        a[N] -= np.linalg.solve(K, error)
        if np.abs(a[N]).max() > 1e6:
            return None
    return a if best < 1e-12 else None


def _solve_hinge(system, a):
    """Active sets: `state` is 1 for u = 1, -1 for u = 0 and 0 for the margin."""
    y, counts = system.y, system.p > 0
    u = y * a
    f = system.E @ system.conjugate.grad(system.V(a)).ravel()
    near = np.where(u > 0.5, 1 - u, u) > np.abs(1 - y * f)
    state = np.where(near & counts, 0, np.where(u > 0.5, 1, -1))
    for _ in range(40):
        N = np.flatnonzero((state == 0) & counts)
        u = np.where(state == 0, u, (state == 1) * 1.0) * counts
        a = _newton_margin(system, y * u, N)
        if a is None:
            return None
        u = y * a
        V = system.V(a)
        W = system.conjugate.grad(V)
        slack = 1 - y * (system.E @ W.ravel())
        new = state.copy()
        new[(state == 0) & (u < 0)] = -1
        new[(state == 0) & (u > 1)] = 1
        new[(state == 1) & (slack < 0)] = 0
        new[(state == -1) & (slack > 0)] = 0
        new[~counts] = state[~counts]
        if np.array_equal(new, state):
            break
        state = new
    else:
        return None
    on = (state == 0) & counts
    sides = np.where(counts & ~on, np.sign(slack), 0).astype(int)
    distances = np.where(on, np.minimum(u, 1 - u), np.abs(slack))[counts]
    kink = min(system.conjugate.kink(V), distances.min())
    residual = np.abs(slack[on]).max(initial=0.0)
    return a, V, W, np.zeros(system.m), on, sides, kink, residual


def solve_victim(
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
    start=None,
):
    """The stationary point of P, or None if it was not reached or is degenerate.

    Parameters
    ----------
    relationship : "learned", "none", Omega (m, m) positive semidefinite, or ("sigma", Sigma), the
        same and possibly singular.
    kappa : the constant feature of an intercept that is not free.
    start : a `Victim` of a nearby problem with as many rows, instead of an interior-point solution.
    """
    system = build_system(
        X, y, codes, weight, lambda1, lambda2, loss, relationship, m, fit_intercept, kappa
    )
    b = np.zeros(system.m)
    if start is not None:
        a, b = start.alpha, start.b
    elif RECORD_OF[loss].is_square and isinstance(system.conjugate, Quadratic):
        a = np.zeros(len(system.y))  # linear equations: Newton needs no start
    else:
        solved = interior_point(
            X,
            y,
            codes,
            weight,
            lambda1,
            lambda2,
            loss,
            relationship,
            m=system.m,
            fit_intercept=fit_intercept,
            kappa=kappa,
        )
        if solved is None:
            return None
        _, W, b, a = solved
        if a is None:
            a = -slopes(loss, y, np.sum(X * W[codes], axis=1) + b[codes])[0]
    smooth = RECORD_OF[loss].is_smooth
    solution = _solve_smooth(system, a, b) if smooth else _solve_hinge(system, a)
    if solution is None or solution[-1] > RESIDUAL:
        return None
    a, V, W, intercept, margin, sides, kink, residual = solution
    d = np.shape(X)[1]
    if W.shape[1] > d:
        W, intercept = W[:, :d], kappa * W[:, d]
    return Victim(
        W=W,
        b=intercept,
        alpha=a,
        V=V,
        margin=margin,
        sides=sides,
        rank=system.conjugate.rank(V),
        kink=float(kink),
        residual=float(residual),
    )


def upper_H(W, b, X_clean, y_clean, codes_clean, weight_clean, targets, loss, *, skip=None):
    """H = sum_{t in targets} (1/h_t) sum_{j clean in t} s_j L(y_j, f_j), h_t the sum of s_j.

    Rows in the mask `skip` add nothing to the inner sum but still count in h_t.
    """
    weight = np.ones(len(y_clean)) if weight_clean is None else np.asarray(weight_clean)
    f = np.sum(X_clean * W[codes_clean], axis=1) + np.asarray(b)[codes_clean]
    values = weight * loss_values(loss, y_clean, f)
    if skip is not None:
        values = np.where(skip, 0.0, values)
    total = 0.0
    for t in targets:
        mine = codes_clean == t
        total += values[mine].sum() / weight[mine].sum()
    return float(total)


def fd_gradient(
    mode,
    X,
    y,
    codes,
    weight,
    rows,
    targets,
    lambda1,
    lambda2,
    loss,
    relationship,
    *,
    m=None,
    fit_intercept=False,
    kappa=1.0,
    step=1e-5,
):
    """Central differences of H over the entries of the injected `rows`, refitting every time.

    All other rows are clean. Returns (len(rows), d), or None if a solve failed or a kink lies
    within the step: a change of the margin set, of a row's side of the margin, or of the rank.

    mode
        "total": everything responds.
        "implicit": the relationship stays as it is at the solution; W, b and alpha respond.
        "dual": alpha stays too. W = B V(alpha)/2, and a free intercept follows from the means,
        b_l = sum_i p_i (y_i - x_i . w_l). For the hinge the clean rows on the margin are left out
        of H: alpha is not allowed to hold them there, so H would have a kink at the solution.
    """
    X, y, codes = np.asarray(X, dtype=float), np.asarray(y, dtype=float), np.asarray(codes)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    model = {"m": number_of_nodes(codes, relationship, m), "kappa": kappa}
    model["fit_intercept"] = fit_intercept
    base = solve_victim(X, y, codes, weight, lambda1, lambda2, loss, relationship, **model)
    if base is None:
        return None
    learned = conjugate_of(relationship, lambda1, lambda2, model["m"])
    if mode != "total" and isinstance(learned, Learned):
        Sigma = learned.covariance(base.V)
        if Sigma is None:  # W = 0
            return None
        relationship = ("sigma", Sigma)
    clean = np.ones(len(y), dtype=bool)
    clean[rows] = False
    here = clean & np.isin(codes, targets)
    skip = (base.margin & (mode == "dual") & (not RECORD_OF[loss].is_smooth))[clean]

    def refit(moved):
        if mode != "dual":
            return solve_victim(
                moved, y, codes, weight, lambda1, lambda2, loss, relationship, start=base, **model
            )
        system = build_system(
            moved, y, codes, weight, lambda1, lambda2, loss, relationship, **model
        )
        W, b = system.conjugate.grad(system.V(base.alpha)), np.zeros(system.m)
        f = system.E @ W.ravel()
        if len(system.free_nodes):
            np.add.at(b, codes, system.p * (y - f))
        elif fit_intercept:
            W, b = W[:, :-1], kappa * W[:, -1]
        sides, side = base.sides, RECORD_OF[loss].side
        if side is not None:
            new = np.sign(side(y, np.sum(moved * W[codes], axis=1) + b[codes])).astype(int)
            sides = np.where(here & (sides != 0), new, sides)  # only H's kinks matter
        return replace(base, W=W, b=b, sides=sides)

    gradient = np.zeros((len(rows), X.shape[1]))
    for place, i in enumerate(rows):
        for j in range(X.shape[1]):
            values = []
            for sign in (1, -1):
                moved = X.copy()
                moved[i, j] += sign * step
                v = refit(moved)
                if v is None or not np.array_equal(v.sides, base.sides):
                    return None
                if mode == "total" and v.rank != base.rank:
                    return None
                values.append(
                    upper_H(
                        v.W,
                        v.b,
                        X[clean],
                        y[clean],
                        codes[clean],
                        weight[clean],
                        targets,
                        loss,
                        skip=skip,
                    )
                )
            gradient[place, j] = (values[0] - values[1]) / (2 * step)
    return gradient
