"""One epoch of coordinate ascent at one node, in plain Python.

Node l holds rows x_i with shares p_i = s_i / c_l and dual variables a_i; w is its weight vector as
the server sent it, and `kappa_l` = g_l B_ll / 2 says how much of its own change it may count on.
With dv = sum_i p_i (a_i - a_i^start) x_i the node maximises

    - sum_i p_i L*(-a_i) - dv . w - (kappa_l / 2) ||dv||^2

one coordinate after another. Along coordinate i, divided by p_i, with f = x_i . (w + kappa_l dv)
at the current point and q = kappa_l p_i ||x_i||^2, the gain of a new value a' is

    h(a') = - L*(-a') - (a' - a) f - (q / 2) (a' - a)^2.

`coordinate_step` returns its maximiser; both are written out for every loss in `oracles.losses`.
"""

import numpy as np

from oracles.losses import RECORD_OF
from oracles.objective import loss_values


def conjugate(loss, y, a):
    """L*(-a), infinite outside its domain."""
    record = RECORD_OF[loss]
    low, high = record.bounds
    return record.conjugate(y, a) if low <= record.sign(y) * a <= high else np.inf


def gain(loss, y, f, a, q, new):
    """h(new): what the local problem gains, per unit of p_i, up to a constant."""
    return -conjugate(loss, y, new) - (new - a) * f - 0.5 * q * (new - a) ** 2


def coordinate_step(loss, y, f, a, q):
    """The a' that maximises `gain`."""
    return RECORD_OF[loss].step(y, f, a, q)


def epoch(X, y, share, alpha, w, kappa_l, order, loss):
    """Visit the rows in `order` (which may repeat or leave out rows).

    Parameters
    ----------
    X, y : (n, d) and (n,) rows and targets; targets are +-1 for classification.
    share : (n,) s_i / c_l, 0 for rows that do not count (they are skipped).
    alpha : (n,) dual variables at the start; not changed.
    w : (d,) the node's weights at the start; not changed.
    kappa_l : g_l B_ll / 2.
    order : row indices.

    Returns
    -------
    alpha : (n,) new dual variables.
    w_local : (d,) w + kappa_l * dv.
    dv : (d,) sum_i share_i (alpha_i - start_i) x_i, computed from the totals at the end.
    """
    X = np.asarray(X, dtype=float)
    start, alpha = np.array(alpha, dtype=float), np.array(alpha, dtype=float)
    view = np.array(w, dtype=float)
    for i in order:
        if share[i] == 0:
            continue
        q = kappa_l * share[i] * (X[i] @ X[i])
        new = coordinate_step(loss, y[i], X[i] @ view, alpha[i], q)
        view = view + kappa_l * share[i] * (new - alpha[i]) * X[i]
        alpha[i] = new
    dv = X.T @ (share * (alpha - start))
    return alpha, np.asarray(w, dtype=float) + kappa_l * dv, dv


def local_objective(X, y, share, start, alpha, w, kappa_l, loss):
    """The local problem's value of the module docstring; an epoch never lowers it."""
    dv = X.T @ (share * (alpha - start))
    conjugates = sum(
        p * conjugate(loss, target, a)
        for p, target, a in zip(share, y, alpha, strict=True)
        if p > 0
    )
    return float(-conjugates - dv @ w - 0.5 * kappa_l * dv @ dv)


def proximal_gap(X, y, share, alpha, w, base, rho, loss):
    """How far `w` is from a node's proximal step: a bound of (rho/2) ||w - w*||^2, at least 0.

    The step minimises  sum_i share_i L(y_i, x_i.w) + (rho/2) ||w - base||^2,  whose dual is
    - sum_i share_i L*(-a_i) - v.base - ||v||^2/(2 rho)  with  v = sum_i share_i a_i x_i.
    """
    v = X.T @ (share * alpha)
    conjugates = sum(
        p * conjugate(loss, target, a)
        for p, target, a in zip(share, y, alpha, strict=True)
        if p > 0
    )
    value = share @ loss_values(loss, y, X @ w) + 0.5 * rho * np.sum((w - base) ** 2)
    return float(value + conjugates + v @ base + v @ v / (2 * rho))
