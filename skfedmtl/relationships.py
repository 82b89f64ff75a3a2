"""What ties the nodes together: the regulariser, its conjugate, and precision matrices.

The regulariser ``R(W)`` of the multi-task model couples the rows of ``W``; the solvers
work with its conjugate ``R*`` on the dual side, whose gradient gives the weights back::

    R*(V) = sup over W of ( tr(V' W) - R(W) ),        W(V) = grad R*(V)

====================  ==========================================  =========
symbol                variable                                    shape
====================  ==========================================  =========
W, V                  ``W``, ``V``: one row a node                (m, d)
Omega                 ``precision``                               (m, m)
B                     ``(lambda1 Omega + lambda2 I)^-1``          (m, m)
J                     derivative of W(V): ``Response.product``    (m, d) -> (m, d)
(1/2) B               derivative with Sigma held fixed:           (m, d) -> (m, d)
                      ``Response.frozen_product``
(1/2) B_ll            ``curvature[l]``                            (m,)
====================  ==========================================  =========

Three regularisers are known. `Independent` has ``R = lambda2 ||W||_F^2``. `Fixed` has
``R = lambda1 tr(W' Omega W) + lambda2 ||W||_F^2`` for a given ``Omega``. `Learned` takes
the best covariance ``Sigma = Omega^-1`` of trace one for every ``W``, which makes
``R = lambda1 ||W||_*^2 + lambda2 ||W||_F^2`` with the nuclear norm: jointly convex.

References
----------
.. [1] V. Smith, C.-K. Chiang, M. Sanjabi, A. Talwalkar, "Federated Multi-Task Learning",
   NeurIPS 2017: the model and its relationship matrix.
.. [2] Y. Zhang, D.-Y. Yeung, "A Convex Formulation for Learning Task Relationships in
   Multi-Task Learning", UAI 2010: the trace constraint and its minimiser.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from skfedmtl._blocks import MIN_NODES, BlockModel, first_floor
from skfedmtl._labelled import labelled, read_square_frame, series_names
from skfedmtl._labels import as_labels
from skfedmtl._rounded import RoundedResponse
from skfedmtl._shrinkage import conjugate, shrink, spectrum
from skfedmtl._smoothed import SmoothedResponse
from skfedmtl._woodbury import Spectral

__all__ = ["clustered", "graph_laplacian", "mean_regularized"]

Array = NDArray[np.float64]

#: Dense m-by-m matrices are refused above this many nodes.
MAX_DENSE_NODES = 5000
_ROUND = 0.3  #: squared width, as a share of what makes up the excess
_LEAST_WIDTH = 1e-10  #: of what is rounded off, as a share of the largest singular value
_ROOT = 1e-3  #: what singular values count at least in `majorant`, as a share of their mean
_RANK = 1e-12  #: singular values below this share of the largest count as zero


class Response(Protocol):
    """``W(V)`` and what follows from it at one point ``V``."""

    value: float  #: R*(V)
    rank: int  #: rank of W, decided from V

    @property
    def W(self) -> Array: ...  #: grad R*(V), shape (m, d)
    @property
    def penalty(self) -> float: ...  #: R(W)
    def product(self, dV: Array) -> Array: ...
    def frozen_product(self, dV: Array) -> Array: ...
    def curvature(self) -> Array: ...
    def spectral(self) -> Spectral | None: ...


class DualResponse(Response, Protocol):
    """The same, found from ``V``; kinks of R* can be rounded off."""

    def rounded(self, excess: float) -> Response: ...


class PrimalResponse(Response, Protocol):
    """The same, found from ``W`` for a regulariser that has a second derivative."""

    V: Array  #: gradient of the regulariser at W

    def damped(self, damping: float) -> Response: ...


class Tracker(Protocol):
    """``W(V)`` followed cheaply while ``V`` changes one row at a time."""

    def row(self, node: int) -> Array: ...
    def advance(self, node: int, dv: Array) -> bool: ...


class Relationship(Protocol):
    """A regulariser ``R``, seen through its conjugate."""

    n_nodes: int

    def penalty(self, W: Array) -> float: ...
    def covariance_factor(self, W: Array) -> Array: ...
    def first_curvature(self) -> Array: ...
    def respond(self, V: Array) -> DualResponse: ...
    def respond_at(self, W: Array, root: float) -> PrimalResponse: ...
    def majorant(self, W: Array) -> Array | None: ...
    def track(self, V: Array, curvature: Array) -> Tracker: ...
    def first_caution(self) -> Array: ...
    def takes_blocks(self, n_features: int) -> bool: ...
    def follow(self, V: Array, caution: Array) -> BlockModel: ...


# -- a fixed relationship -----------------------------------------------------------------


class _LinearResponse:
    """R* is the quadratic (1/4) tr(V' B V): W = (1/2) B V and J = (1/2) B."""

    def __init__(self, relationship: _Quadratic, V: Array) -> None:
        self._relationship = relationship
        self.V, self.W = V, relationship.half_inverse(V)
        self.value = self.penalty = 0.5 * float(np.vdot(V, self.W))
        self.rank = int(min(V.shape))

    def product(self, dV: Array) -> Array:
        return self._relationship.half_inverse(dV)

    frozen_product = product

    def rounded(self, excess: float) -> Response:
        """Itself: R* has no kinks."""
        return self

    def damped(self, damping: float) -> Response:
        """Itself: the regulariser is quadratic, and Newton's method needs no damping for it."""
        return self

    def curvature(self) -> Array:
        return self._relationship.first_curvature()

    def spectral(self) -> Spectral | None:
        return None


class _LinearTracker:
    """Keeps W current; the local model is exact, so that every advance is accepted."""

    def __init__(self, relationship: _Quadratic, V: Array) -> None:
        self._relationship = relationship
        self._W = relationship.half_inverse(V)

    def row(self, node: int) -> Array:
        return self._W[node]

    def advance(self, node: int, dv: Array) -> bool:
        self._relationship.add_half_column(self._W, node, dv)
        return True


class _Quadratic(ABC):
    """What the regularisers without a kink have in common: W is linear in V."""

    @abstractmethod
    def half_inverse(self, V: Array) -> Array: ...

    @abstractmethod
    def first_curvature(self) -> Array: ...

    @abstractmethod
    def add_half_column(self, W: Array, node: int, dv: Array) -> None: ...

    def respond(self, V: Array) -> DualResponse:
        return _LinearResponse(self, V)

    def majorant(self, W: Array) -> Array | None:
        """None: the regulariser itself is quadratic."""
        return None

    def track(self, V: Array, curvature: Array) -> Tracker:
        return _LinearTracker(self, V)

    def first_caution(self) -> Array:
        return np.ones(2)

    def takes_blocks(self, n_features: int) -> bool:
        """No: its tracker is exact and costs little."""
        return False

    def follow(self, V: Array, caution: Array) -> BlockModel:
        raise NotImplementedError


class Independent(_Quadratic):
    """R(W) = lambda2 ||W||_F^2: nothing ties the nodes."""

    def __init__(self, n_nodes: int, lambda2: float) -> None:
        self.n_nodes = n_nodes
        self._half = 0.5 / lambda2
        self._lambda2 = lambda2

    def penalty(self, W: Array) -> float:
        return self._lambda2 * float(np.vdot(W, W))

    def respond_at(self, W: Array, root: float) -> PrimalResponse:
        return _LinearResponse(self, 2.0 * self._lambda2 * W)

    def half_inverse(self, V: Array) -> Array:
        return self._half * V

    def first_curvature(self) -> Array:
        return np.full(self.n_nodes, self._half)

    def add_half_column(self, W: Array, node: int, dv: Array) -> None:
        W[node] += self._half * dv

    def covariance_factor(self, W: Array) -> Array:
        """None, of no columns: Sigma is the identity over the number of nodes."""
        return np.zeros((self.n_nodes, 0))


class Fixed(_Quadratic):
    """R(W) = lambda1 tr(W' Omega W) + lambda2 ||W||_F^2 for a given precision Omega."""

    def __init__(self, precision: Array, lambda1: float, lambda2: float) -> None:
        self.n_nodes = len(precision)
        self._precision = precision
        self._lambda1, self._lambda2 = lambda1, lambda2
        values, vectors = linalg.eigh(precision)
        self._values, self._vectors = np.maximum(values, 0.0), vectors
        inverse = (vectors / (lambda1 * self._values + lambda2)) @ vectors.T
        self._half = 0.25 * (inverse + inverse.T)

    def penalty(self, W: Array) -> float:
        tied = float(np.vdot(W, self._precision @ W))
        return self._lambda1 * tied + self._lambda2 * float(np.vdot(W, W))

    def respond_at(self, W: Array, root: float) -> PrimalResponse:
        V = 2.0 * (self._lambda1 * (self._precision @ W) + self._lambda2 * W)
        return _LinearResponse(self, V)

    def half_inverse(self, V: Array) -> Array:
        return self._half @ V

    def first_curvature(self) -> Array:
        return np.ascontiguousarray(np.diag(self._half))

    def add_half_column(self, W: Array, node: int, dv: Array) -> None:
        W += np.outer(self._half[:, node], dv)

    def covariance_factor(self, W: Array) -> Array:
        """F with F F' the (pseudo-)inverse of the precision."""
        kept = self._values > self.n_nodes * np.finfo(float).eps * self._values.max(initial=0.0)
        return self._vectors[:, kept] / np.sqrt(self._values[kept])


# -- the learned relationship -------------------------------------------------------------


class _LearnedResponse:
    """grad R* by one thin SVD ``V = U diag(nu) Z'``, and its exact derivative."""

    def __init__(self, V: Array, lambda1: float, lambda2: float) -> None:
        self._lambda1, self._lambda2 = lambda1, lambda2
        self._U, nu, self._Zt = linalg.svd(V, full_matrices=False, check_finite=False)
        self.rank, T, omega = shrink(nu, lambda1, lambda2)
        # of degree two: R at W(V) is what R* is at V
        self.value = self.penalty = conjugate(nu, T, omega, lambda1, lambda2)
        self.W = (self._U[:, : self.rank] * omega[: self.rank]) @ self._Zt[: self.rank]
        self._nu, self._omega = nu, omega
        self._ratio = np.divide(omega, nu, out=np.zeros_like(nu), where=omega > 0)
        self._mixing: tuple[Array, Array] | None = None

    def product(self, dV: Array) -> Array:
        """J[dV], the derivative of W(V): Sigma responds. O(m d min(m, d)).

        `dV` may carry leading axes: a stack of directions.
        """
        U, Zt, k = self._U, self._Zt, self.rank
        right = dV @ Zt.T
        left = U.T @ dV
        M = U.T @ right
        ratio = self._ratio[:k]
        outside = (right - U @ M)[..., :k] * ratio
        above = ratio[:, None] * (left - M @ Zt)[..., :k, :]
        return U @ (self._inside(M) @ Zt) + outside @ Zt[:k] + U[:, :k] @ above

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
            nu, omega, k = self._nu, self._omega, self.rank
            total = nu[:, None] + nu
            skew = np.divide(
                omega[:, None] + omega, total, out=np.zeros_like(total), where=total > 0
            )
            skew[k:, k:] = 0.0
            symmetric = np.zeros_like(skew)
            symmetric[:k, :k] = 0.5 / self._lambda2
            symmetric[:k, k:] = omega[:k, None] / (nu[:k, None] - nu[k:])
            symmetric[k:, :k] = symmetric[:k, k:].T
            np.fill_diagonal(symmetric, 0.0)
            self._mixing = symmetric, skew
        return self._mixing

    def frozen_product(self, dV: Array) -> Array:
        U = self._U[:, : self.rank]
        return (U * self._ratio[: self.rank]) @ (U.T @ dV)

    def curvature(self) -> Array:
        return np.square(self._U) @ self._ratio


class _LearnedTracker:
    """Follows W(V) by the eigenvectors of the smaller Gram matrix of V.

    A step at one node is kept only if the conjugate stays below the quadratic model that
    the node used, so that the dual cannot fall; otherwise the node is told to try again
    with twice the curvature. The curvature 1/(2 lambda2) is always enough.
    """

    _SHRINK = 0.8  #: after an accepted step the next one dares a smaller curvature

    def __init__(self, V: Array, lambda1: float, lambda2: float, curvature: Array) -> None:
        self._lambda1, self._lambda2 = lambda1, lambda2
        self._most = 0.5 / lambda2
        # the caller's array: what was learned of the curvature outlives the sweep
        self._curvature = curvature
        self._V = V.copy()
        self._wide = V.shape[0] <= V.shape[1]
        self._now = spectrum(V @ V.T if self._wide else V.T @ V, lambda1, lambda2)
        self._ratio = self._now.ratio

    def row(self, node: int) -> Array:
        Q, ratio = self._now.vectors, self._ratio
        if self._wide:
            return ((Q[node] * ratio) @ Q.T) @ self._V
        return ((self._V[node] @ Q) * ratio) @ Q.T

    def advance(self, node: int, dv: Array) -> bool:
        curvature, now = self._curvature[node], self._now
        after = spectrum(self._moved_gram(node, dv), self._lambda1, self._lambda2)
        length = float(dv @ dv)
        bound = now.value + float(self.row(node) @ dv) + 0.5 * curvature * length
        slack = 1e-13 * (abs(now.value) + abs(bound))
        if after.value > bound + slack and curvature < self._most:
            self._curvature[node] = min(2.0 * curvature, self._most)
            return False
        if length > 0.0:
            self._curvature[node] = max(self._SHRINK * curvature, 1e-3 * self._most)
        self._now, self._ratio = after, after.ratio
        self._V[node] += dv
        return True

    def _moved_gram(self, node: int, dv: Array) -> Array:
        gram = self._now.gram.copy()
        if self._wide:
            across = self._V @ dv
            gram[node] += across
            gram[:, node] += across
            gram[node, node] += dv @ dv
        else:
            cross = np.outer(self._V[node], dv)
            gram += cross + cross.T + np.outer(dv, dv)
        return gram


class Learned:
    """R(W) = lambda1 ||W||_*^2 + lambda2 ||W||_F^2: the best Sigma for every W."""

    def __init__(self, n_nodes: int, lambda1: float, lambda2: float) -> None:
        self.n_nodes = n_nodes
        self._lambda1, self._lambda2 = lambda1, lambda2

    def penalty(self, W: Array) -> float:
        nuclear = float(linalg.svdvals(W, check_finite=False).sum())
        return self._lambda1 * nuclear**2 + self._lambda2 * float(np.vdot(W, W))

    def respond(self, V: Array) -> DualResponse:
        return _LearnedResponse(V, self._lambda1, self._lambda2)

    def respond_at(self, W: Array, root: float) -> PrimalResponse:
        return SmoothedResponse(W, self._lambda1, self._lambda2, root)

    def majorant(self, W: Array) -> Array | None:
        """M of shape (d, d) with ``R(U) <= tr(U M U')``, all but equal at ``U = W``.

        The best relationship of the features for W, ``(W' W)^(1/2) / trace``, in the place of
        that of the nodes; made a little better conditioned.
        """
        squares, Z = linalg.eigh(W.T @ W, check_finite=False)
        squares = np.maximum(squares, 0.0)
        root = _ROOT * float(np.sqrt(squares.mean()))
        r = np.sqrt(squares + (root * root or 1.0))
        M: Array = self._lambda1 * r.sum() * ((Z / r) @ Z.T)
        M[np.diag_indices_from(M)] += self._lambda2
        return M

    def covariance_factor(self, W: Array) -> Array:
        """F with F F' = (W W')^(1/2) / trace, the best Sigma for W; of no columns for W = 0."""
        U, singular, _ = linalg.svd(W, full_matrices=False, check_finite=False)
        kept = singular > _RANK * singular.max(initial=0.0)
        if not kept.any():
            return np.zeros((len(W), 0))
        return U[:, kept] * np.sqrt(singular[kept] / singular[kept].sum())

    def first_curvature(self) -> Array:
        """A guess that `Tracker.advance` corrects, in place."""
        return np.full(self.n_nodes, 0.05 / self._lambda2)

    def track(self, V: Array, curvature: Array) -> Tracker:
        return _LearnedTracker(V, self._lambda1, self._lambda2, curvature)

    def first_caution(self) -> Array:
        """Of `follow`, which corrects it in place."""
        return np.array([2.0, first_floor(self.n_nodes, self._lambda1, self._lambda2)])

    def takes_blocks(self, n_features: int) -> bool:
        """Whether the nodes are so many, and of so few features, that `follow` is faster."""
        return self.n_nodes >= max(MIN_NODES, n_features)

    def follow(self, V: Array, caution: Array) -> BlockModel:
        """A model for whole blocks of nodes."""
        return BlockModel(V, self._lambda1, self._lambda2, caution)


# -- builders of precision matrices -------------------------------------------------------


def _check_node_count(m: object, name: str) -> int:
    if isinstance(m, bool) or not isinstance(m, (int, np.integer)) or m < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {m!r}.")
    if m > MAX_DENSE_NODES:
        raise ValueError(
            f"{name}={m} would make a dense {m} x {m} matrix; at most {MAX_DENSE_NODES} nodes "
            "are allowed."
        )
    return int(m)


def mean_regularized(m: int) -> Array:
    """Precision matrix that pulls every node towards the mean of all nodes.

    ``Omega = I - 11'/m``, so that ``tr(W' Omega W)`` is the sum of squared distances of
    the rows of ``W`` from their mean [1]_.

    Parameters
    ----------
    m : int
        Number of nodes, 1 to 5000.

    Returns
    -------
    precision : ndarray of shape (m, m)
        Symmetric, positive semidefinite.

    Raises
    ------
    ValueError
        If `m` is no whole number between 1 and 5000.

    References
    ----------
    .. [1] T. Evgeniou, M. Pontil, "Regularized multi-task learning", KDD 2004.

    Examples
    --------
    >>> from skfedmtl.relationships import mean_regularized
    >>> mean_regularized(2)
    array([[ 0.5, -0.5],
           [-0.5,  0.5]])
    """
    m = _check_node_count(m, "m")
    return np.eye(m) - np.full((m, m), 1.0 / m)


def graph_laplacian(adjacency: Any) -> Any:
    """Precision matrix of a graph: nodes joined by an edge are pulled together.

    ``Omega = D - A``, so that ``tr(W' Omega W)`` sums ``A_kl ||w_k - w_l||^2`` over the
    edges [1]_.

    Parameters
    ----------
    adjacency : array-like or DataFrame of shape (m, m)
        Symmetric, non-negative edge weights; the diagonal is ignored. A DataFrame of pandas is
        labelled by the same nodes on both axes, in any order.

    Returns
    -------
    precision : ndarray or DataFrame of shape (m, m)
        Symmetric, positive semidefinite. A DataFrame keeps the labels, by which the estimators
        find the nodes; an array is in their order.

    Raises
    ------
    ValueError
        If `adjacency` is not square, not symmetric, negative, or not finite, or its axes differ in
        their labels.
    TypeError
        If it is a DataFrame of polars, whose rows have no labels.

    References
    ----------
    .. [1] T. Evgeniou, C. A. Micchelli, M. Pontil, "Learning multiple tasks with kernel
       methods", JMLR 6, 2005.

    Examples
    --------
    >>> from skfedmtl.relationships import graph_laplacian
    >>> graph_laplacian([[0, 1], [1, 0]])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    adjacency, names = read_square_frame(adjacency, "adjacency")
    try:
        A = np.array(adjacency, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"adjacency must be a matrix of numbers: {error}") from error
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"adjacency must be a square matrix, got shape {A.shape}.")
    _check_node_count(len(A), "the size of adjacency")
    if not np.isfinite(A).all() or (A < 0).any():
        raise ValueError("adjacency must hold finite, non-negative edge weights.")
    if not np.allclose(A, A.T):
        raise ValueError("adjacency must be symmetric.")
    A = 0.5 * (A + A.T)
    np.fill_diagonal(A, 0.0)
    return labelled(np.diag(A.sum(axis=1)) - A, names)


def clustered(labels: Any) -> Any:
    """Precision matrix that pulls every node towards the mean of its cluster.

    Block-diagonal, with the block ``I - 11'/m_c`` of `mean_regularized` for each cluster
    of ``m_c`` nodes [1]_.

    Parameters
    ----------
    labels : array-like or Series of shape (m,)
        The cluster of each node, in the order of the nodes; a Series of pandas is indexed by the
        nodes, in any order.

    Returns
    -------
    precision : ndarray or DataFrame of shape (m, m)
        Symmetric, positive semidefinite. Of a Series a DataFrame labelled by its index on both
        axes, by which the estimators find the nodes; else an array in their order.

    Raises
    ------
    ValueError
        If `labels` is not one-dimensional, empty, or longer than 5000, or its index repeats nodes.

    References
    ----------
    .. [1] L. Jacob, F. Bach, J.-P. Vert, "Clustered multi-task learning: a convex
       formulation", NeurIPS 2008.

    Examples
    --------
    >>> from skfedmtl.relationships import clustered
    >>> clustered(["a", "a", "b"])
    array([[ 0.5, -0.5,  0. ],
           [-0.5,  0.5,  0. ],
           [ 0. ,  0. ,  0. ]])
    """
    names = series_names(labels, "labels")
    kinds = as_labels(labels, "labels")
    m = _check_node_count(len(kinds), "the number of labels")
    same = (kinds[:, None] == kinds).astype(float)
    return labelled(np.eye(m) - same / same.sum(axis=1, keepdims=True), names)
