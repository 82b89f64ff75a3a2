"""Regularisers that are quadratic: no relationship, a given one, or a pull to the mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy

import numpy as np
from scipy import linalg

from skfedmtl._model.curved import QuadraticCurved
from skfedmtl._model.regulariser import (
    Curved,
    ExactResponse,
    Proximal,
    ProximalResponse,
    Response,
    Spectral,
)
from skfedmtl._typing import Array


class KinklessResponse(ABC):
    """Where R* is a quadratic: W moves as V does, whatever V."""

    W: Array
    value: float

    def __init__(self, relationship: Kinkless) -> None:
        self._of = relationship

    @abstractmethod
    def product(self, dV: Array) -> Array: ...

    def frozen_product(self, dV: Array) -> Array:
        """The same: no Sigma is learned."""
        return self.product(dV)

    def rounded(self, excess: float) -> Response:
        """Itself: R* has no kinks."""
        return self

    def curvature(self) -> Array:
        return self._of.first_curvature()

    def spectral(self) -> Spectral | None:
        return None


class Kinkless(ABC):
    """What the regularisers without a kink, of no common part, have in common."""

    own_rho: float | None = None
    last: Array | None = None
    is_quadratic = True
    is_homogeneous = True
    is_smoothable = True

    @abstractmethod
    def first_curvature(self) -> Array: ...

    def common_part(self, W: Array) -> Array | None:
        return None

    def majorant(self, W: Array) -> Array | None:
        """None: the regulariser itself is quadratic."""
        return None


class _LinearResponse(KinklessResponse):
    """R* is the quadratic (1/4) tr(V' B V): W = (1/2) B V and J = (1/2) B."""

    def __init__(self, relationship: _Quadratic, V: Array) -> None:
        super().__init__(relationship)
        self._relationship = relationship
        self.W = relationship.half_inverse(V)
        self.value = self.penalty = 0.5 * float(np.vdot(V, self.W))
        self.rank = int(min(V.shape))

    def product(self, dV: Array) -> Array:
        return self._relationship.half_inverse(dV)


class _Quadratic(Kinkless):
    """R(W) is a quadratic form: W is linear in V."""

    @abstractmethod
    def half_inverse(self, V: Array) -> Array: ...

    @abstractmethod
    def bend(self) -> Array: ...  #: of R, between nodes

    @abstractmethod
    def slope(self, W: Array) -> Array: ...  #: of R

    @abstractmethod
    def ridged(self, more: float) -> _Quadratic: ...  #: the same with that added to lambda2

    def respond(self, V: Array) -> ExactResponse:
        return _LinearResponse(self, V)

    def proximal_response(self, T: Array, rho: float) -> ProximalResponse:
        return _LinearResponse(self.ridged(0.5 * rho), rho * T)

    def curved(self, W: Array, root: float) -> Curved:
        """The regulariser itself."""
        return QuadraticCurved(self.bend(), W)

    def conjugate(self, V: Array) -> float:
        """R*(V)."""
        return 0.5 * float(np.vdot(V, self.half_inverse(V)))


class Independent(_Quadratic):
    """R(W) = lambda2 ||W||_F^2: nothing ties the nodes."""

    def __init__(self, n_nodes: int, lambda2: float) -> None:
        self.n_nodes = n_nodes
        self._half = 0.5 / lambda2
        self.own_rho = 2.0 * lambda2
        self._lambda2 = lambda2

    def ridged(self, more: float) -> Independent:
        return Independent(self.n_nodes, self._lambda2 + more)

    def penalty(self, W: Array) -> float:
        return self._lambda2 * float(np.vdot(W, W))

    def proximal(self, T: Array, rho: float, close: float = 0.0) -> Proximal:
        W = T / (1.0 + 2.0 * self._lambda2 / rho)
        return Proximal(W, self.penalty(W))

    def bend(self) -> Array:
        return 2.0 * self._lambda2 * np.eye(self.n_nodes)

    def slope(self, W: Array) -> Array:
        return 2.0 * self._lambda2 * W

    def half_inverse(self, V: Array) -> Array:
        return self._half * V

    def first_curvature(self) -> Array:
        return np.full(self.n_nodes, self._half)

    def stiffness(self, n_features: int) -> float:
        return 2.0 * self._lambda2

    def another(self, Z: Array) -> tuple[Array, Array]:
        """Metric and anchor of a node more."""
        d = Z.shape[1]
        return self._lambda2 * np.eye(d), np.zeros(d)

    def covariance_factor(self, W: Array) -> Array:
        """Of no columns: Sigma is the identity over the number of nodes."""
        return np.zeros((self.n_nodes, 0))


class Fixed(_Quadratic):
    """R(W) = lambda1 tr(W' Omega W) + lambda2 ||W||_F^2 for a given precision Omega."""

    def __init__(self, precision: Array, lambda1: float, lambda2: float) -> None:
        self.n_nodes = len(precision)
        self._precision = precision
        self._lambda1, self._lambda2 = lambda1, lambda2
        values, vectors = linalg.eigh(precision)
        self._values, self._vectors = np.maximum(values, 0.0), vectors
        self._half = self._half_inverse()

    def _half_inverse(self) -> Array:
        """(1/2) (lambda1 Omega + lambda2 I)^-1."""
        vectors = self._vectors
        inverse = (vectors / (self._lambda1 * self._values + self._lambda2)) @ vectors.T
        return 0.25 * (inverse + inverse.T)

    def ridged(self, more: float) -> Fixed:
        other = copy(self)
        other._lambda2 = self._lambda2 + more
        other._half = other._half_inverse()
        return other

    def penalty(self, W: Array) -> float:
        tied = float(np.vdot(W, self._precision @ W))
        return self._lambda1 * tied + self._lambda2 * float(np.vdot(W, W))

    def proximal(self, T: Array, rho: float, close: float = 0.0) -> Proximal:
        bend = 2.0 * (self._lambda1 * self._values + self._lambda2)
        turned = (self._vectors.T @ T) / (1.0 + bend / rho)[:, None]
        squares = np.einsum("ij,ij->i", turned, turned)
        return Proximal(self._vectors @ turned, 0.5 * float(bend @ squares))

    def bend(self) -> Array:
        return 2.0 * (self._lambda1 * self._precision + self._lambda2 * np.eye(self.n_nodes))

    def slope(self, W: Array) -> Array:
        return 2.0 * (self._lambda1 * (self._precision @ W) + self._lambda2 * W)

    def half_inverse(self, V: Array) -> Array:
        return self._half @ V

    def first_curvature(self) -> Array:
        return np.ascontiguousarray(np.diag(self._half))

    def stiffness(self, n_features: int) -> float:
        return 2.0 * (self._lambda1 * float(self._values.mean()) + self._lambda2)

    def covariance_factor(self, W: Array) -> Array:
        """F with F F' the (pseudo-)inverse of the precision."""
        kept = self._values > self.n_nodes * np.finfo(float).eps * self._values.max(initial=0.0)
        return self._vectors[:, kept] / np.sqrt(self._values[kept])


class MeanTied(_Quadratic):
    """``R(W) = lambda1 sum_l ||w_l - mean||^2 + lambda2 ||W||_F^2``, the mean that of all rows.

    As `Fixed` with ``Omega = I - 11'/m``, whose two eigenvalues part the mean from the deviations::

        (1/2) B V = mean / (2 lambda2) + (V - mean) / (2 lambda1 + 2 lambda2)

    No matrix between nodes is made, but by `bend`.
    """

    def __init__(self, n_nodes: int, lambda1: float, lambda2: float) -> None:
        self.n_nodes = n_nodes
        self._lambda1, self._lambda2 = lambda1, lambda2

    def ridged(self, more: float) -> MeanTied:
        return MeanTied(self.n_nodes, self._lambda1, self._lambda2 + more)

    def penalty(self, W: Array) -> float:
        apart = W - W.mean(axis=0)
        tied = float(np.vdot(apart, apart))
        return self._lambda1 * tied + self._lambda2 * float(np.vdot(W, W))

    def proximal(self, T: Array, rho: float, close: float = 0.0) -> Proximal:
        W = self.ridged(0.5 * rho).half_inverse(rho * T)
        return Proximal(W, self.penalty(W))

    def bend(self) -> Array:
        """As a dense matrix, for problems of few weights."""
        return self.slope(np.eye(self.n_nodes))

    def slope(self, W: Array) -> Array:
        return 2.0 * (self._lambda1 * (W - W.mean(axis=0)) + self._lambda2 * W)

    def half_inverse(self, V: Array) -> Array:
        mean = V.mean(axis=-2, keepdims=True)
        half: Array = (V - mean) * (0.5 / (self._lambda1 + self._lambda2))
        half += mean * (0.5 / self._lambda2)
        return half

    def first_curvature(self) -> Array:
        apart, alike = 0.5 / (self._lambda1 + self._lambda2), 0.5 / self._lambda2
        return np.full(self.n_nodes, apart + (alike - apart) / self.n_nodes)

    def stiffness(self, n_features: int) -> float:
        return 2.0 * (self._lambda1 * (1.0 - 1.0 / self.n_nodes) + self._lambda2)

    def covariance_factor(self, W: Array) -> Array:
        """Of no columns: there are as many directions as nodes, but for one."""
        return np.zeros((self.n_nodes, 0))

    def another(self, Z: Array) -> tuple[Array, Array]:
        """Metric and anchor of a node more, the mean of these weights held."""
        whole = self._lambda1 + self._lambda2
        return whole * np.eye(Z.shape[1]), Z.mean(axis=0) * (self._lambda1 / whole)
