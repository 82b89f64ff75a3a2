"""Primal and dual objectives from fitted attributes alone: the judge of every method.

::

    P(W) = sum_l (1/n_l) sum_i loss(y_i, f_i) + R(W)
    D(a) = - sum_l (1/n_l) sum_i conj(-a_i) - R*(V),    v_l = (1/n_l) sum_i a_i x_i

``D`` of any ``a`` is at most ``P`` of any ``W``, so that a mistake could only widen the gap. No
code of the package has a part in it.
"""

import numpy as np
from _common import LAMBDA1, LAMBDA2
from scipy.special import entr

__all__ = ["Fixed", "Learned", "Problem"]


class Learned:
    """R = lambda1 ||W||_*^2 + lambda2 ||W||_F^2: the best relationship for every W. ::

        R*(V) <= lambda1 t^2 + sum_i max(0, nu_i - 2 lambda1 t)^2 / (4 lambda2)   for every t >= 0

    with ``nu`` the singular values of ``V`` and equality at the least right-hand side, where ``t``
    is the nuclear norm of the optimal ``W``.
    """

    def __init__(self, lambda1=LAMBDA1, lambda2=LAMBDA2):
        self.lambda1, self.lambda2 = lambda1, lambda2

    def penalty(self, W):
        nuclear, frobenius = np.linalg.norm(W, "nuc"), np.linalg.norm(W)
        return self.lambda1 * nuclear**2 + self.lambda2 * frobenius**2

    def conjugate(self, V):
        """R*(V), or a little more should rounding misplace t."""
        nu = np.linalg.svd(V, compute_uv=False)
        ranks = np.arange(1, len(nu) + 1)
        # t = sum_i max(0, nu_i - 2 lambda1 t) / (2 lambda2), solved for each number of terms
        candidates = np.cumsum(nu) / (2 * self.lambda2 + 2 * self.lambda1 * ranks)
        excess = np.maximum(0.0, nu - 2 * self.lambda1 * candidates[:, None])
        ridge = (excess**2).sum(axis=1) / (4 * self.lambda2)
        return float(np.min(self.lambda1 * candidates**2 + ridge))


class Fixed:
    """R = tr(W' A W) with A = lambda1 Omega + lambda2 I, whose conjugate is tr(V' A^-1 V) / 4."""

    def __init__(self, precision):
        self.A = LAMBDA1 * precision + LAMBDA2 * np.eye(len(precision))

    def penalty(self, W):
        return float(np.vdot(W, self.A @ W))

    def conjugate(self, V):
        return 0.25 * float(np.vdot(V, np.linalg.solve(self.A, V)))


class Problem:
    """P and D for the rows of all nodes.

    The intercept of a classifier is the penalised weight of a feature of ones; that of least
    squares is free, which makes its dual that of rows and targets less their node's means.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,)
        Numbers, or two classes of which the larger counts as +1 and the other as -1.
    nodes : ndarray of shape (n,)
    loss : {"squared_error", "hinge", "squared_hinge", "logistic"}
    regulariser : Learned or Fixed

    Attributes
    ----------
    parts : list of (X_l, y_l)
        Rows of every node with the feature of ones, or centred, and their targets.
    shape : (m, number of weights of a node)
    """

    def __init__(self, X, y, nodes, loss, regulariser):
        self.loss, self.regulariser = loss, regulariser
        self._own = [np.flatnonzero(nodes == label) for label in np.unique(nodes)]
        if loss != "squared_error":
            y = np.where(y == y.max(), 1.0, -1.0)
        self._rows = [(X[own], y[own]) for own in self._own]
        if loss == "squared_error":
            self.parts = [(X - X.mean(axis=0), y - y.mean()) for X, y in self._rows]
        else:
            self.parts = [(np.column_stack([X, np.ones(len(X))]), y) for X, y in self._rows]
        self.shape = len(self.parts), self.parts[0][0].shape[1]

    def split(self, W):
        """``coef_`` and ``intercept_`` of weights of `parts`."""
        if self.loss != "squared_error":
            return W[:, :-1], W[:, -1]
        return W, np.array(
            [y.mean() - X.mean(axis=0) @ w for (X, y), w in zip(self._rows, W, strict=True)]
        )

    def objective(self, coef, intercept):
        """P of ``coef_`` and ``intercept_``."""
        risk = 0.0
        for (X, y), w, b in zip(self._rows, coef, intercept, strict=True):
            risk += _value(self.loss, y, X @ w + b).mean()
        free = self.loss == "squared_error"
        return risk + self.regulariser.penalty(coef if free else np.column_stack([coef, intercept]))

    def bound(self, dual_coef):
        """D of ``dual_coef_``, which is first moved into the domain of the conjugate."""
        V, total = np.zeros(self.shape), 0.0
        for l, (own, (X, y)) in enumerate(zip(self._own, self.parts, strict=True)):
            a = dual_coef[own]
            if self.loss != "squared_error":
                a = y * np.clip(y * a, 0.0, np.inf if self.loss == "squared_hinge" else 1.0)
            total -= _conjugate(self.loss, y, a).mean()
            V[l] = a @ X / len(own)
        return total - self.regulariser.conjugate(V)

    def gap(self, model):
        """P and P - D of a fitted estimator."""
        P = self.objective(model.coef_, model.intercept_)
        return P, P - self.bound(model.dual_coef_)


def _value(loss, y, f):
    if loss == "squared_error":
        return np.square(f - y)
    if loss == "logistic":
        return np.logaddexp(0.0, -y * f)
    short = np.maximum(0.0, 1.0 - y * f)
    return short if loss == "hinge" else np.square(short)


def _conjugate(loss, y, a):
    """sup over f of -a f - loss(y, f)."""
    if loss.startswith("squared"):
        return a**2 / 4 - a * y
    return -y * a if loss == "hinge" else -entr(y * a) - entr(1.0 - y * a)
