"""Conjugates R* of the regularisers: value, gradient and the dense derivative of the gradient.

R is the function of `objective`; R*(V) = max_W <V, W> - R(W), and W = grad R*(V).

Quadratic.  R(W) = tr(W^T B^+ W), W in the range of B:   R*(V) = tr(V^T B V)/4, grad = B V / 2.

Learned.  R is unitarily invariant, so W shares V's singular vectors and the singular values solve
    max_om  sum nu_i om_i - lambda1 (sum om_i)^2 - lambda2 sum om_i^2,   om >= 0:
    om_i = max(0, nu_i - tau)/(2 lambda2)  with  tau = 2 lambda1 T,  T = sum om_i.
T is found here by bisection (the right side falls in T), not by a formula for the sorted values.

Its derivative is taken on the symmetric matrix [[0, V], [V^T, 0]], with eigenvalues +-nu_i and 0:
for a fixed tau, W is the upper right block of g([[0, V], [V^T, 0]]), with the odd function
g(x) = sign(x) max(|x| - tau, 0)/(2 lambda2), whose derivative is given by divided differences of g
in the eigenbasis. tau moves as well: with P = U_k Z_k^T,  dT = <P, dV>/(2 lambda2 + 2 lambda1 k)
and dW/dtau = -P/(2 lambda2).
"""

import numpy as np
from scipy.optimize import brentq

from oracles.objective import covariance_root


class Quadratic:
    """R* of a relationship that stays as it is, given by its B, (m, m)."""

    def __init__(self, B):
        self.B = B

    def value(self, V):
        """R*(V)."""
        return 0.25 * np.sum(V * (self.B @ V))

    def grad(self, V):
        """W = grad R*(V)."""
        return 0.5 * self.B @ V

    def derivative(self, V):
        """Matrix of dV -> dW, both flattened row by row."""
        return np.kron(0.5 * self.B, np.eye(V.shape[1]))

    def rank(self, V):
        """Not a matter of V here: always None."""
        return None

    def kink(self, V):
        """How far V is from a point where the derivative jumps: there is none."""
        return np.inf


class Learned:
    """R* of the learned relationship, lambda1 > 0."""

    def __init__(self, lambda1, lambda2):
        self.lambda1, self.lambda2 = lambda1, lambda2

    def decompose(self, V):
        """U, nu, Z^T, om and T."""
        U, nu, Zt = np.linalg.svd(V, full_matrices=False)

        def om(T):
            return np.maximum(0.0, nu - 2 * self.lambda1 * T) / (2 * self.lambda2)

        T = nu.sum() / (2 * self.lambda2)
        if T > 0:
            T = brentq(lambda t: om(t).sum() - t, 0.0, T, xtol=1e-300, rtol=1e-15, maxiter=500)
            k = np.count_nonzero(nu > 2 * self.lambda1 * T)
            T = nu[:k].sum() / (2 * self.lambda2 + 2 * self.lambda1 * k)  # the last digits
        return U, nu, Zt, om(T), T

    def value(self, V):
        """R*(V)."""
        _, nu, _, om, T = self.decompose(V)
        return nu @ om - self.lambda1 * T**2 - self.lambda2 * om @ om

    def grad(self, V):
        """W = grad R*(V)."""
        U, _, Zt, om, _ = self.decompose(V)
        return (U * om) @ Zt

    def rank(self, V):
        """Rank of grad R*(V)."""
        return int(np.count_nonzero(self.decompose(V)[3] > 0))

    def kink(self, V):
        """min_i |nu_i - tau|, relative to the largest nu."""
        _, nu, _, _, T = self.decompose(V)
        return float(np.min(np.abs(nu - 2 * self.lambda1 * T)) / nu[0]) if nu[0] > 0 else 0.0

    def covariance(self, V):
        """The best Sigma for W = grad R*(V), of trace 1; None if W = 0."""
        U, _, _, om, T = self.decompose(V)
        return (U * (om / T)) @ U.T if T > 0 else None

    def derivative(self, V):
        """Matrix of dV -> dW, both flattened row by row (see the module docstring)."""
        m, d = V.shape
        U, _, Zt, om, T = self.decompose(V)
        tau, slope, k = 2 * self.lambda1 * T, 1 / (2 * self.lambda2), np.count_nonzero(om)
        dilation = np.block([[np.zeros((m, m)), V], [V.T, np.zeros((d, d))]])
        x, Q = np.linalg.eigh(dilation)
        branch = np.where(x > tau, 1, np.where(x < -tau, -1, 0))
        g = branch * (np.abs(x) - tau) * slope
        same = branch[:, None] == branch[None, :]
        gap = np.where(same, 1.0, x[:, None] - x[None, :])
        quotient = np.where(same, slope * np.abs(branch), (g[:, None] - g[None, :]) / gap)
        columns = []
        for i in range(m):
            for j in range(d):
                mixed = np.outer(Q[i], Q[m + j])
                change = Q @ (quotient * (mixed + mixed.T)) @ Q.T
                columns.append(change[:m, m:].ravel())
        P = (U[:, :k] @ Zt[:k]).ravel()
        moved = np.outer(P, P) * 2 * self.lambda1 * slope / (2 * (self.lambda2 + self.lambda1 * k))
        return np.array(columns).T - moved


def conjugate_of(relationship, lambda1, lambda2, m):
    """R* for "learned", "none", an (m, m) precision matrix Omega, or ("sigma", Sigma).

    Omega:  B = (lambda1 Omega + lambda2 I)^-1.   Sigma = Q diag(t) Q^T, singular or not:
    B = Q diag(t/(lambda1 + lambda2 t)) Q^T, the same matrix without any inverse.
    "learned" with lambda1 = 0 leaves nothing but the ridge, the same as "none".
    """
    if isinstance(relationship, tuple):
        S = covariance_root(relationship[1], lambda1, lambda2)
        return Quadratic(S @ S.T)
    if isinstance(relationship, str):
        if relationship == "learned" and lambda1 > 0:
            return Learned(lambda1, lambda2)
        return Quadratic(np.eye(m) / lambda2)
    return Quadratic(np.linalg.inv(lambda1 * np.asarray(relationship) + lambda2 * np.eye(m)))
