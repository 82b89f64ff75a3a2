"""The learned relationship: the best covariance of trace one for every ``W``."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import linalg

from skfedmtl._model.curved import LearnedCurved, QuadraticCurved
from skfedmtl._model.regulariser import (
    ExactResponse,
    Proximal,
    ProximalResponse,
    Response,
    Spectral,
)
from skfedmtl._model.rounded_conjugate import RoundedResponse
from skfedmtl._model.shrinkage import (
    conjugate,
    mixing_weights,
    shrink,
    shrunk,
    singular,
    singular_values,
)
from skfedmtl._typing import Array

_ROUND = 0.3  #: squared width, as a share of what makes up the excess
_LEAST_WIDTH = 1e-10  #: of what is rounded off, as a share of the largest singular value
_ROOT = 1e-3  #: what singular values count at least in `majorant`, as a share of their mean
_HELD_ROOT = 1e-5  #: the same in `another`: what no node uses resists so many times as much
_RANK = 1e-12  #: singular values below this share of the largest count as zero


class _LearnedResponse:
    """grad R* by one thin SVD ``V = U diag(nu) Z'``, and its exact derivative."""

    def __init__(self, V: Array, lambda1: float, lambda2: float) -> None:
        self._lambda1, self._lambda2 = lambda1, lambda2
        self._U, nu, self._Zt = linalg.svd(V, full_matrices=False, check_finite=False)
        self.rank, T, omega = shrink(nu, lambda1, lambda2)
        # of degree two: R at W(V) is what R* is at V
        self.value = self.penalty = conjugate(nu, T, omega, lambda1, lambda2)
        self._nu, self._omega = nu, omega
        self._ratio = np.divide(omega, nu, out=np.zeros_like(nu), where=omega > 0)
        self._mixing: tuple[Array, Array] | None = None

    @cached_property
    def W(self) -> Array:
        """W(V); not all who ask for the derivative ask for it."""
        k = self.rank
        W: Array = (self._U[:, :k] * self._omega[:k]) @ self._Zt[:k]
        return W

    def product(self, dV: Array) -> Array:
        """J[dV], the derivative of W(V): Sigma responds. O(m d min(m, d)).

        `dV` may carry leading axes: a stack of directions.
        """
        U, Zt, k = self._U, self._Zt, self.rank
        right = dV @ Zt.T
        left = U.T @ dV
        M = U.T @ right
        ratio = self._ratio[:k]
        right -= U @ M
        outside = right[..., :k] * ratio
        del right  # as large as dV, which is all that is
        above = ratio[:, None] * (left - M @ Zt)[..., :k, :]
        product: Array = U @ (self._inside(M) @ Zt)
        product += outside @ Zt[:k]
        product += U[:, :k] @ above
        return product

    def rounded(self, excess: float) -> Response:
        """The same point, with kinks of R* rounded off that change it by about `excess`."""
        width = float(np.sqrt(_ROUND * self._lambda2 * max(excess, 0.0) / len(self._nu)))
        if not width > _LEAST_WIDTH * self._nu.max():
            return self
        theta = 2.0 * self._lambda1 * float(self._omega.sum())
        lambdas = self._lambda1, self._lambda2
        return RoundedResponse(self._U, self._nu, self._Zt, *lambdas, theta, width)

    def _inside(self, M: Array) -> Array:
        """What J makes of U M Z', in the same bases."""
        k = self.rank
        turned = np.swapaxes(M, -1, -2)
        symmetric, skew = self._mixing_weights()
        Y = 0.5 * (symmetric * (M + turned) + skew * (M - turned))
        slope = self._lambda1 / (2.0 * self._lambda2 + 2.0 * self._lambda1 * k)
        top = np.arange(k)
        diagonal = M[..., top, top]
        trace = diagonal.sum(axis=-1, keepdims=True)
        Y[..., top, top] = (0.5 * diagonal - slope * trace) / self._lambda2
        return Y

    def spectral(self) -> Spectral | None:
        if self._U.shape[0] < self._Zt.shape[1]:
            return None
        return Spectral(self._U, self._Zt, self._ratio, self._inside)

    def _mixing_weights(self) -> tuple[Array, Array]:
        """Weights of the symmetric and the skew part of U' dV Z, off the diagonal."""
        if self._mixing is None:
            self._mixing = mixing_weights(self._nu, self._omega, self.rank, self._lambda2)
        return self._mixing

    def frozen_product(self, dV: Array) -> Array:
        U = self._U[:, : self.rank]
        return (U * self._ratio[: self.rank]) @ (U.T @ dV)

    def curvature(self) -> Array:
        return np.square(self._U) @ self._ratio


class Learned:
    """R(W) = lambda1 ||W||_*^2 + lambda2 ||W||_F^2: the best Sigma for every W."""

    own_rho: float | None = None
    last: Array | None = None
    is_quadratic = False
    is_homogeneous = True
    is_smoothable = True

    def __init__(self, n_nodes: int, lambda1: float, lambda2: float) -> None:
        self.n_nodes = n_nodes
        self.lambda1, self.lambda2 = lambda1, lambda2

    def proximal_response(self, T: Array, rho: float) -> ProximalResponse:
        """A response with ``rho/2`` added to lambda2."""
        return _LearnedResponse(rho * T, self.lambda1, self.lambda2 + 0.5 * rho)

    def common_part(self, W: Array) -> Array | None:
        return None

    def penalty(self, W: Array) -> float:
        nuclear = float(linalg.svdvals(W, check_finite=False).sum())
        return self.lambda1 * nuclear**2 + self.lambda2 * float(np.vdot(W, W))

    def proximal(self, T: Array, rho: float, close: float = 0.0) -> Proximal:
        """grad R* at ``rho T``, with ``lambda2 + rho/2`` in the place of lambda2."""
        U, nu, Zt = singular(T)
        _, _, omega = shrink(rho * nu, self.lambda1, self.lambda2 + 0.5 * rho)
        penalty = self.lambda1 * float(omega.sum()) ** 2 + self.lambda2 * float(omega @ omega)
        return Proximal(shrunk(T, U, nu, Zt, omega), penalty)

    def curved(self, W: Array, root: float) -> LearnedCurved | QuadraticCurved:
        """Singular values counted as at least about `root`; 0: Sigma held at I/m."""
        if root == 0.0:
            bend = 2.0 * (self.lambda1 * self.n_nodes + self.lambda2)
            return QuadraticCurved(bend * np.eye(self.n_nodes), W)
        return LearnedCurved(W, self.lambda1, self.lambda2, root)

    def conjugate(self, V: Array) -> float:
        """R*(V)."""
        nu = singular_values(V)
        _, T, omega = shrink(nu, self.lambda1, self.lambda2)
        return conjugate(nu, T, omega, self.lambda1, self.lambda2)

    def respond(self, V: Array) -> ExactResponse:
        return _LearnedResponse(V, self.lambda1, self.lambda2)

    def majorant(self, W: Array) -> Array | None:
        """M of shape (d, d) with ``R(U) <= tr(U M U')``, all but equal at ``U = W``.

        The best relationship of the features for W, ``(W' W)^(1/2) / trace``, in the place of
        that of the nodes; made a little better conditioned.
        """
        return self._metric(W, _ROOT)

    def another(self, Z: Array) -> tuple[Array, Array]:
        """Metric and anchor of a node more, what these weights have learned of features held."""
        return self._metric(Z, _HELD_ROOT), np.zeros(Z.shape[1])

    def _metric(self, W: Array, share: float) -> Array:
        """``lambda1 D^-1 + lambda2 I``, singular values counted as at least a share of their size.

        Of weights of zero D is the identity over d.
        """
        squares, Z = linalg.eigh(W.T @ W, check_finite=False)
        squares = np.maximum(squares, 0.0)
        root = share * float(np.sqrt(squares.mean()))
        r = np.sqrt(squares + (root * root or 1.0))
        M: Array = self.lambda1 * r.sum() * ((Z / r) @ Z.T)
        M[np.diag_indices_from(M)] += self.lambda2
        return M

    def covariance_factor(self, W: Array) -> Array:
        """F with F F' = (W W')^(1/2) / trace, the best Sigma for W; of no columns for W = 0."""
        U, singular, _ = linalg.svd(W, full_matrices=False, check_finite=False)
        kept = singular > _RANK * singular.max(initial=0.0)
        if not kept.any():
            return np.zeros((len(W), 0))
        return U[:, kept] * np.sqrt(singular[kept] / singular[kept].sum())

    def stiffness(self, n_features: int) -> float:
        """Where all singular values are alike."""
        return 2.0 * (self.lambda1 * min(self.n_nodes, n_features) + self.lambda2)

    def first_curvature(self) -> Array:
        """A tenth of what no curvature exceeds."""
        return np.full(self.n_nodes, 0.05 / self.lambda2)
