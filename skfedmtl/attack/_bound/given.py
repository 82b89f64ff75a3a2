"""The exact response, for squared error and a quadratic regulariser, with a common part or not.

The poisoned optimum answers what the injected rows exert linearly: with W0 the optimum and C the
inverse Hessian of ``sum of theta f + R``, in all weights and intercepts,
``W = W0 + C U``, where U_s is ``-rho_s`` times the mean of ``L' [x, 1]`` and zero off the sources.
So H is a quadratic ``c0 + g.U + U'M U``, and every source on its own obeys, for every v_s,
``<U_s, (W - v)_s> <= rho_s kappa_s(v_s)``. With multipliers tau_s, D their diagonal, K the part of
C between sources and ``Z_s = tau_s (v - W0)_s``, the worst U has::

    H <= c0 + sum of tau_s rho_s kappa_s(v_s) + (1/4) (g + Z)' ((D K + K D)/2 - M)^-1 (g + Z)

wherever the matrix is positive. Jointly convex in tau and Z.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from skfedmtl._typing import Array
from skfedmtl.attack._bound.descent import Limits, descend
from skfedmtl.attack._bound.injection import Pull
from skfedmtl.attack._bound.setting import Bound, Setting

MOST_WEIGHTS = 2000  #: of all nodes, up to which their Hessian is inverted
_FIRST = 1.5  #: multipliers to begin with, over their limit
#: Of the descent: whether all have one multiplier, and how much kinks are rounded off and limits
#: of multipliers kept away from.
_ROUNDS = (
    (True, 1e-1),
    (True, 1e-2),
    (False, 1e-1),
    (False, 1e-2),
    (False, 1e-3),
    (False, 1e-4),
)
_WITHIN = 5.0  #: by which the logarithm of a multiplier changes in a round
_FAR = 10.0  #: how much worse than the best a place counts where there is no bound, at least

Point = tuple[Array, Array]  #: logarithms of multipliers, references


class Given:
    """The response of a setting."""

    def __init__(self, setting: Setting) -> None:
        rows, model = setting.rows, setting.model
        m, self._n_slopes = model.relationship.n_nodes, rows.X.shape[1]
        more = {"feature": model.intercept_scaling, "centred": 1.0}.get(model.intercept)
        X = rows.X if more is None else np.column_stack([rows.X, np.full(len(rows.X), more)])
        self.setting, self._constant = setting, more
        self._pull = Pull(model.loss, setting.injection)
        self._d = d = X.shape[1]
        total = np.bincount(rows.codes, rows.weight, minlength=m)
        share = rows.weight / np.where(total > 0.0, total, 1.0)[rows.codes]
        parts = [rows.codes == l for l in range(m)]
        self._Q = np.array([X[own].T @ (share[own, None] * X[own]) for own in parts])
        self._h = np.array([X[own].T @ (share[own] * rows.y[own]) for own in parts])
        self._square = np.array([share[own] @ np.square(rows.y[own]) for own in parts])
        penalised = np.ones(d)
        if model.intercept == "centred":
            penalised[-1] = 0.0
        bend = model.relationship.curved(np.eye(m), 0.0).slope
        hessian = np.kron(bend, np.diag(penalised))
        left = setting.left
        for l in range(m):
            at = slice(l * d, (l + 1) * d)
            hessian[at, at] += 2.0 * left[l] * self._Q[l]
        C = linalg.inv(hessian)
        self.W0 = (C @ (2.0 * left[:, None] * self._h).ravel()).reshape(m, d)
        self._size = float(np.abs(self.W0[:, : self._n_slopes]).mean())
        self._respond(0.5 * (C + C.T))

    def _respond(self, C: Array) -> None:
        """H as a quadratic of what the sources exert."""
        d, codes = self._d, self.setting.injection.codes
        on = np.concatenate([np.arange(s * d, (s + 1) * d) for s in codes])
        self._K = C[np.ix_(on, on)]
        self._M, self._g, self._c0 = np.zeros_like(self._K), np.zeros(len(on)), 0.0
        for l in self.setting.targets:
            B, w, Q = C[l * d : (l + 1) * d, on], self.W0[l], self._Q[l]
            self._M += B.T @ Q @ B
            self._g += 2.0 * B.T @ (Q @ w - self._h[l])
            self._c0 += float(w @ Q @ w - 2.0 * self._h[l] @ w + self._square[l])

    def judge(self, log_tau: Array, V: Array, rounded: float = 0.0) -> tuple[float, Array, Array]:
        """The bound at multipliers and references of the sources, and its slopes.

        Kinks of kappa are rounded off by such a share of what weights and targets are like: at them
        the best references lie, and there a descent by slopes ends too soon.
        """
        injection, tau = self.setting.injection, np.exp(log_tau)
        rho, rest = injection.share, V - self.W0[injection.codes]
        constant = self._constant or 0.0
        b = constant * V[:, -1] if constant else np.zeros(len(V))
        pulls = self._pull.at(
            V[:, : self._n_slopes], b, rounded * self._size, rounded * self._pull.half
        )
        D = np.repeat(tau, self._d)
        g = self._g + (tau[:, None] * rest).ravel()
        try:
            factor = linalg.cho_factor(0.5 * (D[:, None] + D) * self._K - self._M)
        except linalg.LinAlgError:
            return np.inf, np.zeros_like(tau), np.zeros_like(V)
        x = linalg.cho_solve(factor, g)
        value = self._c0 + float(tau * rho @ pulls.value) + 0.25 * float(g @ x)
        by_kappa = np.zeros_like(V)
        by_kappa[:, : self._n_slopes] = pulls.by_v
        by_kappa[:, self._n_slopes :] = pulls.by_b[:, None] * constant
        by_V = tau[:, None] * (rho[:, None] * by_kappa + 0.5 * x.reshape(V.shape))
        by_tau = rho * pulls.value + 0.5 * np.sum(x.reshape(V.shape) * rest, axis=1)
        by_tau -= 0.25 * np.sum((x * (self._K @ x)).reshape(V.shape), axis=1)
        return value, tau * by_tau, by_V

    def first(self) -> tuple[Array, Array]:
        """One multiplier for all, and half of the optimum."""
        k = len(self.setting.injection.codes)
        largest = float(linalg.eigh(self._M, self._K, eigvals_only=True)[-1])
        tau = np.full(k, np.log(_FIRST * max(largest, 1e-9)))
        return tau, 0.5 * self.W0[self.setting.injection.codes]

    def descend(self, max_iter: int) -> Bound:
        """The best bound of so many steps: first with one multiplier for all."""
        here, found = self.first(), [self.first()]
        for together, rounded in _ROUNDS:
            here, best = self._descend_from(here, max_iter // len(_ROUNDS), together, rounded)
            found.append(best)
        best = min(found, key=lambda point: self.judge(*point)[0])
        return self._bound(*best, self.judge(*best)[0])

    def _descend_from(
        self, middle: Point, max_iter: int, together: bool, rounded: float
    ) -> tuple[Point, Point]:
        """Where steps lead that keep from the limits of multipliers, and the best on the way."""
        k, shape = len(middle[0]), middle[1].shape
        best, least = middle, self.judge(*middle)[0]
        scale, turned = self._metric(middle[0], least)
        barrier = rounded * abs(least) / len(self._g)

        def place(z: Array) -> Point:
            return middle[0] + scale * z[:k], middle[1] + (turned @ z[k:]).reshape(shape)

        def judge(z: Array) -> tuple[float, Array]:
            nonlocal best, least
            point = place(z)
            value, by_tau, by_V = self.judge(*point, rounded)
            if not np.isfinite(value):
                return _FAR * abs(least) * (1.0 + float(z @ z)), 2.0 * _FAR * abs(least) * z
            if value < least:
                least, best = value, point
            wall, by_wall = self._wall(point[0])
            by_tau = by_tau + barrier * by_wall
            by_tau = np.full(k, by_tau.mean()) if together else by_tau
            slope = np.concatenate([scale * by_tau, turned.T @ by_V.ravel()])
            return float(value + barrier * wall), slope

        within = (-_WITHIN / scale, _WITHIN / scale)
        limits: Limits = [*[within] * k, *[(None, None)] * len(turned)]
        start, clock = np.zeros(k + len(turned)), self.setting.clock
        return place(descend(judge, start, max_iter, clock, limits)), best

    def _wall(self, log_tau: Array) -> tuple[float, Array]:
        """What rises without end where multipliers reach their limits, and its slope."""
        D = np.repeat(np.exp(log_tau), self._d)
        inverse = linalg.inv(0.5 * (D[:, None] + D) * self._K - self._M)
        by_D = D * np.sum(inverse * self._K, axis=1)
        _, logarithm = np.linalg.slogdet(inverse)
        return float(logarithm), -by_D.reshape(len(log_tau), -1).sum(axis=1)

    def _metric(self, log_tau: Array, value: float) -> tuple[float, Array]:
        """Units of multipliers and references in which curvatures are about alike."""
        injection = self.setting.injection
        D = np.repeat(np.exp(log_tau), self._d)
        matrix = 0.5 * (D[:, None] + D) * self._K - self._M
        bend = 0.5 * D[:, None] * linalg.inv(matrix) * D
        pull = np.full((len(log_tau), self._d), self._constant or 1.0) ** 2
        pull[:, : self._n_slopes] = np.square(injection.radii[:, None] * injection.scale)
        bend[np.diag_indices_from(bend)] += D * (injection.share[:, None] * pull).ravel()
        root = linalg.cholesky(0.5 * (bend + bend.T), lower=True)
        turned = linalg.solve_triangular(root, np.eye(len(root)), lower=True).T
        return 1.0 / np.sqrt(max(abs(value), 1e-12)), turned

    def _bound(self, log_tau: Array, V: Array, value: float) -> Bound:
        whole = self.W0.copy()
        whole[self.setting.injection.codes] = V
        constant = self._constant or 0.0
        b = constant * whole[:, -1] if constant else np.zeros(len(whole))
        if self.setting.model.intercept == "centred":
            whole = whole[:, :-1]
        return Bound(value, "T3", whole, b, np.exp(log_tau), 0.0)
