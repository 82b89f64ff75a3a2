"""A common part: ``w_l = u + z_l``, of which a regulariser sees the ``z_l`` alone.

With a ridge on what is common, the regulariser of ``W`` is that of the best parts::

    R0(W) = min over u of  lambda0 ||u||^2 + R(W - 1 u')

and its conjugate is a sum, whose gradient is one too::

    R0*(V) = R*(V) + ||1'V||^2 / (4 lambda0),     u = 1'V / (2 lambda0),     W(V) = Z(V) + 1 u'

So whoever works with conjugates adds a rank of one between nodes, and nothing else. A proximal step
looks for ``u`` first: what it leaves of ``T`` is what R's own step is given. If R is quadratic, so
is R0, and ``u`` is a weighted sum of the nodes. For a learned relationship see
`skfedmtl._model.common_learned`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from skfedmtl._model.curved import QuadraticCurved
from skfedmtl._model.quadratic import Fixed, Independent, MeanTied
from skfedmtl._model.regulariser import (
    Curved,
    ExactResponse,
    Proximal,
    ProximalResponse,
    Relationship,
    Response,
    Spectral,
)
from skfedmtl._typing import Array


def least_ridge(lambda2: float, lambda0: float, n_nodes: int) -> float:
    """The most of ``||W||_F^2`` that lambda2 and a common part charge of any W.

    ``min over u of lambda0 ||u||^2 + lambda2 ||W - 1 u'||_F^2`` is that where all nodes agree.
    """
    return 1.0 / (1.0 / lambda2 + n_nodes / lambda0)


class _Sum:
    """A response and what is common, at one ``V``."""

    def __init__(self, tied: Response, total: Array, lambda0: float) -> None:
        self._tied, self._total, self._lambda0 = tied, total, lambda0
        common = total / (2.0 * lambda0)
        self.W = tied.W + common
        self._own = lambda0 * float(common @ common)  #: what is common adds to R and to R*
        self.value = tied.value + self._own

    def product(self, dV: Array) -> Array:
        common = dV.sum(axis=-2, keepdims=True) / (2.0 * self._lambda0)
        return self._tied.product(dV) + common

    def spectral(self) -> Spectral | None:
        """None: what is common is of no such form."""
        return None


class _ExactSum(_Sum):
    def __init__(self, tied: ExactResponse, total: Array, lambda0: float) -> None:
        super().__init__(tied, total, lambda0)
        self._exact = tied
        self.penalty = tied.penalty + self._own
        self.rank = min(tied.rank + 1, *self.W.shape)

    def frozen_product(self, dV: Array) -> Array:
        return self._exact.frozen_product(dV) + dV.sum(axis=0) / (2.0 * self._lambda0)

    def curvature(self) -> Array:
        return self._exact.curvature() + 0.5 / self._lambda0

    def rounded(self, excess: float) -> Response:
        """Kinks are those of what is tied."""
        tied = self._exact.rounded(excess)
        return self if tied is self._exact else _Sum(tied, self._total, self._lambda0)


class JointResponse:
    """A proximal step in both parts, and its derivative with respect to ``rho T``.

    Parameters
    ----------
    tied : ProximalResponse
        Of R, at what the common part leaves of T.
    u : ndarray of shape (d,)
    rho, lambda0 : float
    solve : callable
        Divides by the second derivative, in ``u``, of what the step minimises.
    """

    def __init__(
        self,
        tied: ProximalResponse,
        u: Array,
        rho: float,
        lambda0: float,
        solve: Callable[[Array], Array],
    ) -> None:
        self._tied, self._rho, self._lambda0, self._solve = tied, rho, lambda0, solve
        self.W = tied.W + u
        self.rank = tied.rank + 1

    def product(self, dV: Array) -> Array:
        tied = self._tied.product(dV)
        du = self._solve((dV - self._rho * tied).sum(axis=-2))
        common = np.broadcast_to(du[..., None, :], dV.shape)
        return common + tied - self._rho * self._tied.product(common)

    def frozen_product(self, dV: Array) -> Array:
        tied = self._tied.frozen_product(dV)
        left = 1.0 - self._rho * self._tied.frozen_product(np.ones((len(dV), 1)))
        bend = 2.0 * self._lambda0 + self._rho * float(left.sum())
        du = (dV - self._rho * tied).sum(axis=0) / bend
        return tied + left * du


class WithCommon(ABC):
    """R0: what the kinds of R have in common."""

    own_rho: float | None = None
    last: Array | None = None
    is_homogeneous = True
    is_smoothable = True

    def __init__(self, tied: Relationship, lambda0: float) -> None:
        self._tied, self.lambda0 = tied, lambda0
        self.n_nodes, self.is_quadratic = tied.n_nodes, tied.is_quadratic

    @abstractmethod
    def common_part(self, W: Array) -> Array: ...

    def penalty(self, W: Array) -> float:
        """That of the best parts."""
        u = self.common_part(W)
        return self.lambda0 * float(u @ u) + self._tied.penalty(W - u)

    def conjugate(self, V: Array) -> float:
        """R0*(V)."""
        total = V.sum(axis=0)
        return self._tied.conjugate(V) + float(total @ total) / (4.0 * self.lambda0)

    def respond(self, V: Array) -> ExactResponse:
        return _ExactSum(self._tied.respond(V), V.sum(axis=0), self.lambda0)

    def majorant(self, W: Array) -> Array | None:
        """None: what is common ties the nodes."""
        return None

    def stiffness(self, n_features: int) -> float:
        """That of what is tied: nodes that agree are held by their losses."""
        return self._tied.stiffness(n_features)

    def first_curvature(self) -> Array:
        return self._tied.first_curvature() + 0.5 / self.lambda0

    def covariance_factor(self, W: Array) -> Array:
        """That of what is tied."""
        return self._tied.covariance_factor(W - self.common_part(W))


class CommonQuadratic(WithCommon):
    """R0 of a quadratic R.

    Parameters
    ----------
    tied : Independent, Fixed or MeanTied
    lambda0 : float
        Above 0.
    """

    def __init__(self, tied: Independent | Fixed | MeanTied, lambda0: float) -> None:
        super().__init__(tied, lambda0)
        self._quadratic = tied
        self._ones = np.ones((tied.n_nodes, 1))

    def common_part(self, W: Array) -> Array:
        return self._weighted(self._ones, W)

    def _common_step(self, T: Array, rho: float) -> Array:
        return self._weighted(self._tied.proximal(self._ones, rho).W, T)

    def proximal(self, T: Array, rho: float, close: float = 0.0) -> Proximal:
        u = self._common_step(T, rho)
        Z, penalty = self._tied.proximal(T - u, rho)
        return Proximal(Z + u, penalty + self.lambda0 * float(u @ u))

    def _weighted(self, alike: Array, T: Array) -> Array:
        """What resists where nodes move alike says how much they count."""
        pull = self._quadratic.slope(alike)[:, 0]
        u: Array = pull @ T / (2.0 * self.lambda0 + float(pull.sum()))
        return u

    def proximal_response(self, T: Array, rho: float) -> ProximalResponse:
        pull = self._quadratic.slope(self._tied.proximal(self._ones, rho).W)
        bend = 2.0 * self.lambda0 + float(pull.sum())
        u = self._common_step(T, rho)
        tied = self._tied.proximal_response(T - u, rho)
        return JointResponse(tied, u, rho, self.lambda0, lambda g: g / bend)

    def curved(self, W: Array, root: float) -> Curved:
        """The regulariser itself."""
        pull = self._quadratic.slope(self._ones)
        share = 2.0 * self.lambda0 + float(pull.sum())
        return QuadraticCurved(self._quadratic.bend() - pull @ pull.T / share, W)
