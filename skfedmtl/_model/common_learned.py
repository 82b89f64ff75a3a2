"""A common part beside a learned relationship.

The proximal step is the least, over ``u`` of shape (d,), of ::

    lambda0 ||u||^2 + min over Z of  R(Z) + (rho/2) ||Z - X||_F^2,     X = T - 1 u'

which has a Lipschitz gradient and, but where the rank of Z changes, a second derivative: Newton's
method finds it in few steps [1]_. In the basis of the right singular vectors of X they need no more
of the left ones than the sums ``a = U'1``.

The best parts of given weights are those of a proximal step from ``T = W + V/rho`` that leads to W
itself; V follows by the method of multipliers [2]_.

References
----------
.. [1] L. Qi, J. Sun, "A nonsmooth version of Newton's method", Mathematical Programming 58, 1993.
.. [2] R. T. Rockafellar, "Augmented Lagrangians and applications of the proximal point algorithm
   in convex programming", Mathematics of Operations Research 1(2), 1976.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from skfedmtl._model.common import JointResponse, WithCommon
from skfedmtl._model.learned import Learned
from skfedmtl._model.regulariser import Curved, ExactResponse, Proximal, ProximalResponse
from skfedmtl._model.shrinkage import mixing_weights, shrink, shrunk, singular
from skfedmtl._typing import Array

_STEPS = 60  #: of Newton's method
_TRIALS = 30  #: lengths of a step
_FALL = 1e-4  #: of what a step promises
_ENOUGH = 1e-13  #: relative slope that ends it
_NOISE = 1e-15  #: what rounding may move a sum by, as a share of its terms
_MULTIPLIERS = 40  #: rounds of the method of multipliers
_GROWTH = 10.0  #: of rho, from one to the next
_FIRST = 10.0  #: rho, as a multiple of the stiffness
_APART = 1e-13  #: relative distance from W that ends them
_KNOWN = 4  #: weights whose common part is remembered


class _Point:
    """One ``u`` of a proximal step, and how what it minimises changes there."""

    def __init__(self, tied: Learned, lambda0: float, T: Array, rho: float, u: Array) -> None:
        self._tied, self._rho = tied, rho
        self.u, self._n_nodes = u, len(T)
        self._whole = 2.0 * lambda0 + rho * len(T)
        X = T - u
        U, nu, self._Zt = singular(X)
        self._decomposed = X, U, nu
        inner = self._Zt @ X.sum(axis=0)
        if U is None:
            self._a = np.divide(inner, nu, out=np.zeros_like(nu), where=nu > 0.0)
        else:
            self._a = U.sum(axis=0)
        self._ridge = tied.lambda2 + 0.5 * rho
        self._nu = rho * nu
        self._rank, _, self._omega = shrink(self._nu, tied.lambda1, self._ridge)
        omega, left = self._omega, nu - self._omega
        self.penalty = tied.lambda1 * float(omega.sum()) ** 2 + tied.lambda2 * float(omega @ omega)
        self.penalty += lambda0 * float(u @ u)
        self.value = self.penalty + 0.5 * rho * float(left @ left)
        own = 2.0 * lambda0 * u
        self.slope: Array = own - rho * ((inner - omega * self._a) @ self._Zt)
        self.steepness = float(np.linalg.norm(self.slope))
        sums = np.sqrt(len(T)) * float(np.linalg.norm(T))
        self._noise = _ENOUGH * float(np.linalg.norm(own)) + _NOISE * rho * sums

    def weights(self) -> Array:
        """``Z + 1 u'``."""
        return self.u + shrunk(*self._decomposed, self._Zt, self._omega)

    @property
    def is_least(self) -> bool:
        """As far as rounding can tell."""
        return self.steepness <= self._noise

    def follows(self, before: _Point, promise: float) -> bool:
        """Whether it is enough below another one, from where so much was promised."""
        if promise <= _NOISE * before.value:  # values cannot tell
            return self.steepness <= 0.5 * before.steepness
        return self.value <= before.value - _FALL * promise

    def divide(self, g: Array) -> Array:
        """By the second derivative; `g` may be a stack."""
        Zt, whole = self._Zt, self._whole
        ratio = np.divide(
            self._omega, self._nu, out=np.zeros_like(self._nu), where=self._omega > 0.0
        )
        H = -self._rho * self._rho * self._inside(ratio)
        H[np.diag_indices_from(H)] += whole * (1.0 + _NOISE)
        within = g @ Zt.T
        beyond = whole - self._rho * self._rho * float(ratio @ np.square(self._a))
        solved = np.linalg.solve(H, np.atleast_2d(within).T).T.reshape(within.shape)
        return np.asarray(solved @ Zt + (g - within @ Zt) / beyond, dtype=np.float64)

    def _inside(self, ratio: Array) -> Array:
        """What nodes that move alike make of ``1'J[1 c']``, in the basis of Z."""
        a, k, ridge = self._a, self._rank, self._ridge
        symmetric, skew = mixing_weights(self._nu, self._omega, k, ridge)
        np.fill_diagonal(skew, 0.0)
        J: Array = 0.5 * np.outer(a, a) * (symmetric - skew)
        diagonal = 0.5 * np.square(a) @ (symmetric + skew)
        diagonal[:k] += np.square(a[:k]) / (2.0 * ridge)
        diagonal += max(self._n_nodes - float(a @ a), 0.0) * ratio
        lambda1 = self._tied.lambda1
        J[:k, :k] -= lambda1 / (2.0 * ridge * (ridge + lambda1 * k)) * np.outer(a[:k], a[:k])
        J[np.diag_indices_from(J)] += diagonal
        return J


class SmoothedSum(ABC):
    """A smoothed R0 at ``W``: its best parts, by Newton's method from a first ``u``."""

    def __init__(self, lambda0: float, W: Array, u: Array) -> None:
        self._lambda0, self._W = lambda0, W
        self._place(u)
        for _ in range(_STEPS):
            step = self._divide(self._slope_of_u())
            promise = float(self._slope_of_u() @ step)
            if not promise > _NOISE * self.value or not self._search(step, promise):
                break

    @abstractmethod
    def _tied_at(self, Z: Array) -> tuple[float, Array]:
        """The smoothed R and its slope, once `_divide` is ready for the same Z."""

    @abstractmethod
    def _divide(self, g: Array) -> Array:
        """By the second derivative in u."""

    def _place(self, u: Array) -> None:
        self.u = u
        value, self.slope = self._tied_at(self._W - u)
        self.value = value + self._lambda0 * float(u @ u)

    def _slope_of_u(self) -> Array:
        own: Array = 2.0 * self._lambda0 * self.u - self.slope.sum(axis=0)
        return own

    def _search(self, step: Array, promise: float) -> bool:
        u, before, length = self.u, self.value, 1.0
        for _ in range(_TRIALS):
            self._place(u - length * step)
            if self.value <= before - _FALL * length * promise:
                return True
            length *= 0.5
        self._place(u)
        return False


class _DenseSum(SmoothedSum):
    """With a Hessian as a dense matrix."""

    def __init__(self, tied: Learned, lambda0: float, W: Array, root: float, u: Array) -> None:
        self._tied, self._root = tied, root
        super().__init__(lambda0, W, u)

    def _tied_at(self, Z: Array) -> tuple[float, Array]:
        self._here = self._tied.curved(Z, self._root)
        return self._here.value, self._here.slope

    def _divide(self, g: Array) -> Array:
        step: Array = np.linalg.solve(self._between(), g)  # type: ignore[assignment]
        return step

    def _between(self) -> Array:
        H = self._here.hessian_alike()
        H[np.diag_indices_from(H)] += 2.0 * self._lambda0
        return H

    def hessian(self) -> Array:
        """Of shape (m d, m d)."""
        H = self._here.hessian()
        alike = H.reshape(*self._W.shape, -1).sum(axis=0)
        return H - alike.T @ np.linalg.solve(self._between(), alike)


class CommonLearned(WithCommon):
    """R0 of a learned relationship.

    Parameters
    ----------
    tied : Learned
    lambda0 : float
        Above 0.
    """

    last: Array

    def __init__(self, tied: Learned, lambda0: float) -> None:
        super().__init__(tied, lambda0)
        self.learned = tied
        self.last = np.zeros(0)
        self._smooth = np.zeros(0)  #: of the last smoothed one
        self._known: tuple[tuple[Array, Array], ...] = ()  #: weights and their u, the last ones

    def common_part(self, W: Array) -> Array:
        """By the method of multipliers, where no step has told it."""
        for weights, u in self._known:
            if np.array_equal(weights, W):
                return u
        u = self._find_common(W)
        self._remember(W, u)
        return u

    def _remember(self, W: Array, u: Array) -> None:
        self._known = ((W, u), *self._known[: _KNOWN - 1])

    def _find_common(self, W: Array) -> Array:
        V, rho = np.zeros_like(W), _FIRST * self.stiffness(W.shape[1])
        u = np.zeros(W.shape[1])
        size, least = float(np.linalg.norm(W)), np.inf
        for _ in range(_MULTIPLIERS):
            now = self._least(W + V / rho, rho, u)
            left = W - now.weights()
            apart = float(np.linalg.norm(left))
            if not apart < least:  # no step can be told from rounding, and a larger rho adds to it
                break
            u, least = now.u, apart
            if apart <= _APART * size:
                break
            V += rho * left
            rho *= _GROWTH
        return u

    def proximal(self, T: Array, rho: float, close: float = 0.0) -> Proximal:
        begin = self.last if self.last.shape == T.shape[1:] else 0.0 * T[0]
        now = self._least(T, rho, begin, close)
        self.last = now.u
        W = now.weights()
        self._remember(W, now.u)
        return Proximal(W, now.penalty)

    def respond(self, V: Array) -> ExactResponse:
        response = super().respond(V)
        self._remember(response.W, V.sum(axis=0) / (2.0 * self.lambda0))
        return response

    def proximal_response(self, T: Array, rho: float) -> ProximalResponse:
        now = self._least(T, rho, np.zeros(T.shape[1]))
        tied = self._tied.proximal_response(T - now.u, rho)
        return JointResponse(tied, now.u, rho, self.lambda0, now.divide)

    def _least(self, T: Array, rho: float, u: Array, close: float = 0.0) -> _Point:
        """The proximal step's, from a first ``u``, to where the next step is about `close`."""
        now = _Point(self.learned, self.lambda0, T, rho, u)
        for _ in range(_STEPS):
            if now.is_least:
                break
            step = now.divide(now.slope)
            size = float(np.linalg.norm(step))
            if size <= close:
                break
            promise, length = float(now.slope @ step), 1.0
            for _ in range(_TRIALS):
                after = _Point(self.learned, self.lambda0, T, rho, now.u - length * step)
                if after.follows(now, length * promise):
                    break
                length *= 0.5
            else:
                break
            # so many times as long as this step is the next one
            ratio, now = after.steepness / now.steepness, after
            if size * ratio <= close:
                break
        return now

    def curved(self, W: Array, root: float) -> Curved:
        """R smoothed, and the best parts for it."""
        begin = self._smooth if self._smooth.shape == W.shape[1:] else self.common_part(W)
        smoothed = _DenseSum(self.learned, self.lambda0, W, root, begin)
        self._smooth = smoothed.u
        return smoothed
