"""Nodes that come later: what the others share is known, and pulls each of them on its own.

With a positive definite metric ``M`` of the weights, of shape (d, d), and an anchor ``a``::

    R(W) = sum_l (w_l - a)' M (w_l - a),     R*(V) = sum_l ( v_l' a + (1/4) v_l' M^-1 v_l )
    W(V) = a + (1/2) M^-1 v_l in every row

Where a relationship was learned, M holds the best one of the features: of all M of that form with a
``D`` of trace one it is the one that its nodes themselves are penalised by [1]_::

    lambda1 ||Z||_*^2 = min over D of  lambda1 tr(Z D^-1 Z'),     D = (Z'Z)^(1/2) / trace

References
----------
.. [1] A. Argyriou, T. Evgeniou, M. Pontil, "Convex multi-task feature learning", Machine
   Learning 73(3), 2008.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from skfedmtl._model.quadratic import Kinkless, KinklessResponse
from skfedmtl._model.regulariser import Curved, ExactResponse, Proximal, ProximalResponse
from skfedmtl._typing import Array


class _AnchoredCurved:
    """R itself at ``W``, given by where it stands and the slope there."""

    def __init__(self, metric: Array, offset: Array) -> None:
        self._metric, self._n_nodes = metric, len(offset)
        self.slope: Array = 2.0 * (offset @ metric)
        self.value = 0.5 * float(np.vdot(offset, self.slope))

    def hessian(self) -> Array:
        """Of shape (m d, m d)."""
        return np.asarray(np.kron(np.eye(self._n_nodes), 2.0 * self._metric), dtype=np.float64)


class _AnchoredResponse(KinklessResponse):
    """``W = a + (1/2) V M^-1``, with ``rho/2`` more in M if it is a proximal step's."""

    def __init__(self, relationship: Anchored, V: Array, anchor: Array, more: float = 0.0) -> None:
        super().__init__(relationship)
        self._relationship, self._more = relationship, more
        offset = relationship.half_inverse(V, more)
        self.W = anchor + offset
        self.penalty = 0.5 * float(np.vdot(V, offset))
        self.value = float(V.sum(axis=0) @ anchor) + self.penalty
        self.rank = int(min(V.shape))

    def product(self, dV: Array) -> Array:
        return self._relationship.half_inverse(dV, self._more)


class Anchored(Kinkless):
    """R(W) = sum_l (w_l - a)' M (w_l - a).

    Parameters
    ----------
    n_nodes : int
    metric : ndarray of shape (d, d)
        M, symmetric and positive definite.
    anchor : ndarray of shape (d,)
    """

    def __init__(self, n_nodes: int, metric: Array, anchor: Array) -> None:
        self.n_nodes, self._metric, self._anchor = n_nodes, metric, anchor
        self._values, self._vectors = linalg.eigh(metric)
        self.is_homogeneous = not anchor.any()

    def half_inverse(self, V: Array, more: float = 0.0) -> Array:
        """``(1/2) V (M + more I)^-1``; `V` may be a stack."""
        half: Array = ((V @ self._vectors) * (0.5 / (self._values + more))) @ self._vectors.T
        return half

    def penalty(self, W: Array) -> float:
        return self.curved(W, 0.0).value

    def conjugate(self, V: Array) -> float:
        """R*(V)."""
        return self.respond(V).value

    def respond(self, V: Array) -> ExactResponse:
        return _AnchoredResponse(self, V, self._anchor)

    def proximal(self, T: Array, rho: float, close: float = 0.0) -> Proximal:
        W = self.proximal_response(T, rho).W
        return Proximal(W, self.penalty(W))

    def proximal_response(self, T: Array, rho: float) -> ProximalResponse:
        """Offsets from the anchor are those of a proximal step from that of T."""
        return _AnchoredResponse(self, rho * (T - self._anchor), self._anchor, 0.5 * rho)

    def curved(self, W: Array, root: float) -> Curved:
        """The regulariser itself."""
        return _AnchoredCurved(self._metric, W - self._anchor)

    def stiffness(self, n_features: int) -> float:
        """Of the directions that resist least, in which weights are large."""
        return 2.0 / float(np.mean(1.0 / self._values))

    def first_curvature(self) -> Array:
        """What no curvature along a feature exceeds."""
        return np.full(self.n_nodes, 0.5 / float(self._values[0]))

    def covariance_factor(self, W: Array) -> Array:
        """Of no columns: nothing ties the nodes to one another."""
        return np.zeros((self.n_nodes, 0))
