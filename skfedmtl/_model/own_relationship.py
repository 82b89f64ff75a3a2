"""Relationships that users bring: a value and a proximal step become all that solvers ask for.

Beside the ridge penalty a convex ``Q`` makes a regulariser whose conjugate has a derivative::

    R(W) = lambda1 Q(W) + lambda2 ||W||_F^2
    W(V) = argmin (lambda1 / (2 lambda2)) Q(W) + (1/2) ||W - V / (2 lambda2)||_F^2

That is a proximal step of Q, and one of R is the same with ``lambda2 + rho/2`` and ``rho T``. With
``G = (V - 2 lambda2 W) / lambda1``, a slope of Q at ``W = W(V)``::

    R*(V) = <V, W> - R(W) = lambda1 Q*(G) + lambda2 ||W||_F^2

The first form is that of an exact step. The second is at least R*(V) for any W, so that a
certificate holds however rough the step is, and is taken where users tell Q*.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skfedmtl._model.regulariser import (
    Curved,
    ExactResponse,
    Proximal,
    ProximalResponse,
    Response,
    Spectral,
)
from skfedmtl._typing import Array

REQUIRED = ("value", "proximal")
_STEP = 1e-6  #: of difference quotients, as a share of what is stepped from
_FIRST = 0.05  #: of ``1 / lambda2``: a tenth of what no curvature exceeds


class OwnRelationship:
    """A `skfedmtl.protocols.Relationship` of some strength, as a `Relationship` of the solvers.

    Parameters
    ----------
    given : object
        The users' Q.
    n_nodes : int
    lambda1, lambda2 : float
        Above 0.
    """

    own_rho: float | None = None
    last: Array | None = None
    is_quadratic = False
    is_homogeneous = False
    is_smoothable = False

    def __init__(self, given: Any, n_nodes: int, lambda1: float, lambda2: float) -> None:
        check_members(given, n_nodes)
        self.n_nodes, self.lambda1, self.lambda2 = n_nodes, lambda1, lambda2
        self._given = given
        self._conjugate = getattr(given, "conjugate", None)

    def penalty(self, W: Array) -> float:
        tied = _number(self._given.value(W.copy()), "value")
        return self.lambda1 * tied + self.lambda2 * float(np.vdot(W, W))

    def weights(self, V: Array, ridge: float) -> Array:
        """argmin ``lambda1 Q(W) + ridge ||W||_F^2 - <V, W>``."""
        T = V / (2.0 * ridge)
        W = np.array(self._given.proximal(T, self.lambda1 / (2.0 * ridge)), dtype=np.float64)
        if W.shape != V.shape:
            raise ValueError(
                f"`proximal` of `relationship` must keep the shape {V.shape}, got {W.shape}."
            )
        if not np.isfinite(W).all() and np.isfinite(V).all():
            raise ValueError("`proximal` of `relationship` must be finite.")
        return W

    def conjugate_at(self, V: Array, W: Array, penalty: float) -> float:
        """R*(V), which W and its penalty belong to."""
        if self._conjugate is None:
            return float(np.vdot(V, W)) - penalty
        G = (V - 2.0 * self.lambda2 * W) / self.lambda1
        tied = _number(self._conjugate(G), "conjugate")
        return self.lambda1 * tied + self.lambda2 * float(np.vdot(W, W))

    def conjugate(self, V: Array) -> float:
        """R*(V)."""
        return self.respond(V).value

    def respond(self, V: Array) -> ExactResponse:
        return _OwnExactResponse(self, V)

    def proximal(self, T: Array, rho: float, close: float = 0.0) -> Proximal:
        W = self.weights(rho * T, self.lambda2 + 0.5 * rho)
        return Proximal(W, self.penalty(W))

    def proximal_response(self, T: Array, rho: float) -> ProximalResponse:
        return _OwnResponse(self, rho * T, self.lambda2 + 0.5 * rho)

    def common_part(self, W: Array) -> Array | None:
        return None

    def curved(self, W: Array, root: float) -> Curved:
        """Never asked: there is no second derivative."""
        raise NotImplementedError

    def majorant(self, W: Array) -> Array | None:
        return None

    def stiffness(self, n_features: int) -> float:
        """Twice R over the square, of weights without a preference."""
        unit = np.eye(self.n_nodes, n_features)
        return 2.0 * self.penalty(unit) / float(unit.sum())

    def first_curvature(self) -> Array:
        return np.full(self.n_nodes, _FIRST / self.lambda2)

    def covariance_factor(self, W: Array) -> Array:
        """Of no columns: there is no covariance."""
        return np.zeros((self.n_nodes, 0))


class _OwnResponse:
    """W(V), and its derivative by difference quotients."""

    def __init__(self, of: OwnRelationship, V: Array, ridge: float) -> None:
        self._of, self._V, self._ridge = of, V, ridge
        self.W = of.weights(V, ridge)
        self.rank = int(min(V.shape))

    def product(self, dV: Array) -> Array:
        """J[dV], the mean of both sides where there is a kink; `dV` may be a stack."""
        if dV.ndim > 2:
            return np.array([self.product(one) for one in dV])
        size = float(np.linalg.norm(dV))
        if size == 0.0:
            return np.zeros_like(self.W)
        step = _STEP * (float(np.linalg.norm(self._V)) or 1.0) / size
        ahead, behind = (
            self._of.weights(self._V + sign * step * dV, self._ridge) for sign in (1.0, -1.0)
        )
        quotient: Array = (ahead - behind) / (2.0 * step)
        return quotient

    def frozen_product(self, dV: Array) -> Array:
        """The same: nothing is learned."""
        return self.product(dV)


class _OwnExactResponse(_OwnResponse):
    """With the values of R and R*."""

    def __init__(self, of: OwnRelationship, V: Array) -> None:
        super().__init__(of, V, of.lambda2)
        self.penalty = of.penalty(self.W)
        self.value = of.conjugate_at(V, self.W, self.penalty)

    def curvature(self) -> Array:
        """How far every node's weights have followed its own moments."""
        V, W = self._V, self.W
        squares = np.einsum("md,md->m", V, V)
        along = np.einsum("md,md->m", V, W)
        ratio = np.divide(along, squares, out=np.zeros_like(squares), where=squares > 0.0)
        return np.asarray(np.clip(ratio, 0.0, 0.5 / self._ridge), dtype=np.float64)

    def rounded(self, excess: float) -> Response:
        """Itself: where the kinks are is not known."""
        return self

    def spectral(self) -> Spectral | None:
        return None


def _number(value: Any, name: str) -> float:
    """What a member has returned, if it is a finite number."""
    if np.ndim(value) != 0 or not np.isfinite(value):
        raise ValueError(f"`{name}` of `relationship` must be a finite number, got {value!r}.")
    return float(value)


def is_own(relationship: Any) -> bool:
    """Whether this is none of the package's names and no matrix."""
    return hasattr(relationship, "proximal")


def check_members(given: Any, n_nodes: int) -> None:
    """Refuse what is no relationship of so many nodes."""
    if isinstance(given, type):
        raise TypeError(f"`relationship` must be an instance, got the class {given.__name__}.")
    name = type(given).__name__
    if lacking := [member for member in REQUIRED if not hasattr(given, member)]:
        raise TypeError(
            "`relationship` must have all members of skfedmtl.protocols.Relationship; "
            f"{name} lacks {', '.join(lacking)}."
        )
    own = getattr(given, "n_nodes", n_nodes)
    if own != n_nodes:
        raise ValueError(
            f"`relationship` must be of as many nodes as there are, {n_nodes}; {name} is of {own}."
        )
