"""dH/dx_i of an injected row in closed form, with dense matrices.

u is an (m, d') matrix, one row a node; s(i) is row i's node, p_i = s_i/c_l, G = dH/dW' at the
victim and J the dense derivative of grad R* (kron(B/2, I) while the relationship stays).

    dual       a stays:    dW' = J dV,  dV = p_i a_i dx_i  =>  grad_i = p_i a_i (J G)_s
    otherwise  a responds: stationarity, differentiated, gives one adjoint system for u.

Smooth losses: V = -sum_j p_j L'_j x'_j, so dW' = J (dV_i - Hess_f dW') with
Hess_f = sum_j p_j L''_j x'_j x'_j^T; with u = (J^-1 + Hess_f)^-1 G = (I + J Hess_f)^-1 J G,

    grad_i = -p_i [ L'_i u_s + L''_i (x'_i . u_s) w_s ].

Hinge: the margin rows N keep x'_j . w = y_j while their a_j move. With u = J (G - N b), N^T u = 0,

    grad_i = p_i a_i u_s - [i in N] b_i w_s.

Free intercept (squared error, r = f - y): x~ = x - xbar and b = ybar - xbar . w turn H into a
function of W with gradient G~ = (2/h) sum s_j r_j x~_j, while xbar moves with x_i:
db_s = -p_i w_s . dx_i, worth -p_i Gb_s w_s with Gb = (2/h) sum s_j r_j over clean target rows.
"""

import numpy as np

from oracles.losses import RECORD_OF
from oracles.regularisers import Learned, conjugate_of
from oracles.system import build_system, slopes
from oracles.victim import solve_victim


def _upper_gradient(system, f, weight, clean, targets, centre, skip):
    """G, (m, d'), and Gb, (m,)."""
    G, Gb = np.zeros((system.m, system.X.shape[1])), np.zeros(system.m)
    first, _ = slopes(system.loss, system.y, f)
    for t in targets:
        mine = clean & (system.codes == t)
        part = np.where(skip, 0.0, weight * first)[mine] / weight[mine].sum()
        G[t] = part @ (system.X - centre)[mine]
        Gb[t] = part.sum()
    return G, Gb


def dense_gradient(
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
):
    """The gradient that `victim.fd_gradient` differences: same arguments, same conventions.

    None if the victim could not be solved, is degenerate, or (not "total") has W = 0. For the hinge
    a victim with a learned relationship can be degenerate once that is held: Sigma of rank k leaves
    W only k d' dimensions, and more margin rows than that cannot all be kept on the margin.
    """
    args = (X, y, codes, weight, lambda1, lambda2, loss, relationship)
    v = solve_victim(*args, m=m, fit_intercept=fit_intercept, kappa=kappa)
    if v is None:
        return None
    system = build_system(*args, m, fit_intercept, kappa)
    conjugate, d = system.conjugate, np.shape(X)[1]
    if mode != "total" and isinstance(conjugate, Learned):
        Sigma = conjugate.covariance(v.V)
        if Sigma is None:
            return None
        conjugate = conjugate_of(("sigma", Sigma), lambda1, lambda2, system.m)
    J = conjugate.derivative(v.V)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    p, w = system.p, v.W[codes]
    f = np.sum(X * w, axis=1) + v.b[codes]
    first, second = slopes(loss, system.y, f)

    free = len(system.free_nodes) > 0
    means = np.zeros((system.m, system.X.shape[1]))
    if free:
        np.add.at(means, codes, p[:, None] * system.X)
    features = system.X - means[codes]  # x' or, with a free intercept, x~
    E = np.zeros((len(p), *means.shape))
    E[np.arange(len(p)), codes] = features
    E = E.reshape(len(p), -1)

    clean = np.ones(len(p), dtype=bool)
    clean[rows] = False
    smooth = RECORD_OF[loss].is_smooth
    skip = np.zeros(len(p), dtype=bool) if smooth else v.margin
    G, Gb = _upper_gradient(system, f, weight, clean, targets, means[codes], skip)
    if not free:
        Gb[:] = 0.0

    b = np.zeros(len(p))
    if mode == "dual":
        u = J @ G.ravel()
    elif not smooth:
        N = E[v.margin].T
        if N.shape[1] and np.linalg.cond(N.T @ J @ N) > 1e10:
            return None
        b[v.margin] = np.linalg.solve(N.T @ J @ N, N.T @ J @ G.ravel())
        u = J @ (G.ravel() - N @ b[v.margin])
    else:
        Hess_f = E.T @ ((p * second)[:, None] * E)
        u = np.linalg.solve(np.eye(len(J)) + J @ Hess_f, J @ G.ravel())
    u = u.reshape(means.shape)[codes]

    if mode == "dual":
        gradient = (p * v.alpha)[:, None] * u[:, :d]
    elif not smooth:
        gradient = (p * v.alpha)[:, None] * u[:, :d] - b[:, None] * w
    else:
        bend = second * np.sum(features * u, axis=1)
        gradient = -p[:, None] * (first[:, None] * u[:, :d] + bend[:, None] * w)
    gradient -= (p * Gb[codes])[:, None] * w
    return gradient[rows]
