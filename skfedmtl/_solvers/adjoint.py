"""The adjoint of a fit: what a slope with respect to its weights means for its rows.

For a slope ``G`` with respect to ``W`` one ``u``, shape (m, d), with ``(Hess P) u = G`` serves all
rows. It is the iteration of `skfedmtl._solvers.splitting` once more, linearised at rest::

    dZ   = D[dT]                            D: derivative of the server's step
    dw_l = (H_l + rho I)^-1 (g_l + rho (2 dz_l - dt_l))
    dT  <- dT + 1.6 (dW - dZ)               H_l = X_l' diag(s L'' / c_l) X_l

and ``u = dZ`` at rest. No inverse in it knows of lambda2: D is at most 1, and rho positive. Rows of
a hinge on their margin cannot leave it, and the second line becomes a projection on what is
orthogonal to them.

====================  ==================================================  ========
symbol                variable                                            shape
====================  ==================================================  ========
G, u                  ``G``, ``u``                                        (m, d)
T, rho                ``Solved.T``, ``Solved.rho``                        (m, d), scalar
s L'' / c_l           the square of ``scale``                             (n_l,)
answers               how far rows' own terms follow u: ``H_l u = X_l'    (n_l,)
                      answers``
====================  ==================================================  ========
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy import linalg

from skfedmtl._model import PrimalLoss, ProximalResponse, Relationship, row_algebra
from skfedmtl._protocol import NodeTable
from skfedmtl._solvers.anderson import Anderson
from skfedmtl._solvers.iteration import relaxation_of
from skfedmtl._solvers.many_parts import MANY, ManyCurved
from skfedmtl._typing import Array

_MEMORY, _RIDGE = 40, 1e-14  #: of the extrapolation: all steps of a usual solution
_ROUNDING = 1e-14  #: of what u is made of: where u is zero, no residual falls below
_NEGLIGIBLE = 1e-4  #: of the accuracy: rows whose own part of E E'/rho is less are left out
_ROUGH = 1e-3  #: an accuracy for which single precision is enough
_LOST_IN_SINGLE = 1e6  #: a number beside which single precision keeps too little of one
_SOUND = 1.001  #: times what an inverse may have on its diagonal; beyond that it is rounding
_RANK = 1e-10  #: singular values of rows on the margin below this share of the largest are none


class Solved(NamedTuple):
    """A solution of a problem with some loss, and where the splitting rests there."""

    loss: PrimalLoss
    W: Array
    alpha: Array  #: of all rows, node after node
    V: Array  #: their moments
    T: Array
    rho: float

    @classmethod
    def at(cls, nodes: NodeTable, W: Array, rho: float) -> Solved:
        """Of the nodes' own loss, at these weights and the dual variables that they hold."""
        alpha: Array = nodes.alpha
        V = nodes.moments_of(alpha)
        return cls(nodes.loss, W, alpha, V, W + V / rho, rho)

    def stiffness(self, nodes: NodeTable) -> tuple[Array, float]:
        """`Loss.stiffness` of all rows."""
        return self.loss.stiffness(nodes.y, nodes.margins(self.W), self.alpha, nodes.weight)

    def proximal_response(self, relationship: Relationship) -> ProximalResponse:
        """The proximal step at T."""
        return relationship.proximal_response(self.T, self.rho)


class Adjoint:
    """Solves ``(Hess P) u = G``, each time from the last solution.

    Parameters
    ----------
    relationship : Relationship
    nodes : NodeTable
        Of dense rows.
    gram : callable or None
        ``gram(l)`` is ``X X'`` of the rows of node ``l``, where that is kept; asked where the rows
        are fewer than the features.
    """

    def __init__(
        self,
        relationship: Relationship,
        nodes: NodeTable,
        gram: Callable[[int], Array] | None = None,
    ) -> None:
        self._relationship, self._nodes = relationship, nodes
        self._gram = gram or nodes.gram
        self.last = np.zeros((len(nodes), nodes.X.shape[1]))  #: dT of the last solution

    def solve(
        self, solved: Solved, G: Array, *, frozen: bool, tol: float, max_iter: int
    ) -> tuple[Array, list[Array]]:
        """u and the answers; those of the least residual, if none is small enough.

        Parameters
        ----------
        solved : Solved
            Where the victim rests.
        G : ndarray of shape (m, d)
            The slope.
        frozen : bool
            Whether the relationship of the nodes is held still.
        tol : float
            Of the residual ``||dW - dZ||``, as a share of ``||dZ||``.
        max_iter : int
            Iterations at most.
        """
        if not G.any():  # no residual is small as a share of zero
            return np.zeros_like(G), self._nodes.nothing()
        response = solved.proximal_response(self._relationship)
        derivative = response.frozen_product if frozen else response.product
        parts = _parts(self._nodes, solved, self._gram, tol)
        iteration = _Linearised(derivative, parts, G, solved.rho)
        # a linear iteration, whose extrapolation is a solution, however far away that lies
        anderson = Anderson(
            _MEMORY,
            relaxation_of(self._relationship),
            _RIDGE,
            longest=np.inf,
            single=parts.is_single,
        )
        strength = float(np.linalg.norm(G)) / solved.rho
        dT = self.last if self.last.any() else G / solved.rho
        nothing_known = np.zeros(G.shape)
        best = _Point(nothing_known, nothing_known, G, np.inf)
        for _ in range(max_iter):
            point = iteration.at(dT)
            if not np.isfinite(point.length):
                break
            if point.length < best.length:
                best, self.last = point, dT
            nothing = _ROUNDING * max(float(np.linalg.norm(dT)), strength)
            if point.length <= max(tol * float(np.linalg.norm(point.dZ)), nothing):
                break
            dT = anderson.advance(dT, point.residual)
        return best.dZ, parts.answers(best.dZ, best.pull)


class _Point(NamedTuple):
    """What follows from a dT."""

    dZ: Array
    pull: Array  #: what the nodes are told: G + rho (2 dZ - dT)
    residual: Array  #: dW - dZ,
    length: float  #: and its norm


class _Linearised(NamedTuple):
    """The iteration for one slope."""

    derivative: Callable[[Array], Array]
    parts: _Parts
    G: Array
    rho: float

    def at(self, dT: Array) -> _Point:
        dZ = self.rho * self.derivative(dT)
        pull = self.G + self.rho * (2.0 * dZ - dT)
        residual = self.parts.solve(pull)
        residual -= dZ
        return _Point(dZ, pull, residual, float(np.linalg.norm(residual)))


class _Parts(Protocol):
    """The nodes' side of the linearised iteration."""

    is_single: bool  #: whether single precision does, of nodes whose states take much room

    def solve(self, q: Array) -> Array: ...  #: dW
    def answers(self, u: Array, q: Array) -> list[Array]: ...  #: of a u, and what led to it


def _parts(nodes: NodeTable, solved: Solved, gram: Callable[[int], Array], tol: float) -> _Parts:
    scale, softness = solved.stiffness(nodes)
    if softness == 0.0:
        return _OnMargin(nodes, scale, solved.rho)
    if len(nodes) >= MANY and nodes.is_wide and tol >= _ROUGH:
        strength = np.square(scale) * nodes.squared_norm / solved.rho
        if 1.0 + float(strength.max()) < _LOST_IN_SINGLE:
            return ManyCurved(nodes, scale, solved.rho, strength > tol * _NEGLIGIBLE)
    return _Curved(nodes, scale, solved.rho, gram, tol)


class _Curved:
    """``(H_l + rho I)^-1`` of every node, through the smaller of its two sides."""

    is_single = False

    def __init__(
        self,
        nodes: NodeTable,
        scale: Array,
        rho: float,
        gram: Callable[[int], Array],
        tol: float,
    ) -> None:
        self._nodes, self._scale, self._rho = nodes, scale, rho
        d = nodes.X.shape[1]
        norms = nodes.squared_norm
        self._by_features: list[int] = []
        self._by_rows: list[tuple[int, Array, Callable[[Array], Array]]] = []
        for l, part in enumerate(nodes.parts):
            strength = np.square(scale[part]) * norms[part] / rho
            kept = np.flatnonzero(strength > tol * _NEGLIGIBLE)
            if len(kept) >= d:
                self._by_features.append(l)
            elif len(kept):
                factored = _factor(
                    nodes.rows(l)[kept],
                    norms[part],
                    scale[part][kept],
                    rho,
                    gram(l)[np.ix_(kept, kept)],
                    tol,
                )
                self._by_rows.append((l, *factored))
        H = nodes.hessians(np.square(scale), self._by_features)
        self._inverses = _inverses(H + rho * np.eye(d), rho)

    def solve(self, q: Array) -> Array:
        """dW, a row each."""
        dW: Array = q / self._rho
        if self._by_features:
            which = self._by_features
            dW[which] = np.matmul(self._inverses, q[which][:, :, None])[:, :, 0]
        for l, E, solve in self._by_rows:
            dW[l] -= (solve(E @ dW[l].astype(E.dtype, copy=False)) @ E) / self._rho
        return dW

    def answers(self, u: Array, q: Array) -> list[Array]:
        """s L'' / c_l times x_i . u_l."""
        answers = np.square(self._scale) * self._nodes.margins(u)
        return [answers[part] for part in self._nodes.parts]


def _inverses(systems: Array, least: float) -> Array:
    """Inverses of symmetric matrices whose eigenvalues are at least that, if not for rounding."""
    try:
        inverses = np.asarray(np.linalg.inv(systems), dtype=np.float64)
    except np.linalg.LinAlgError:
        inverses = np.full_like(systems, np.nan)
    diagonals = np.diagonal(inverses, axis1=1, axis2=2)
    sound = (diagonals > 0.0) & (diagonals <= _SOUND / least)
    for place in np.flatnonzero(~sound.all(axis=1)):
        values, Q = linalg.eigh(systems[place])
        inverses[place] = (Q / np.maximum(values, least)) @ Q.T
    return inverses


def _factor(
    X: Array, squared_norm: Array, scale: Array, rho: float, K: Array, tol: float
) -> tuple[Array, Callable[[Array], Array]]:
    """E of some rows, and the solver of ``I + E E'/rho``; in single precision if that will do."""
    E = X * scale[:, None]
    M = K * (scale[:, None] * (scale / rho))
    M[np.diag_indices(len(scale))] += 1.0
    if tol >= _ROUGH and float(np.diagonal(M).max()) < _LOST_IN_SINGLE:
        solve = _cholesky(row_algebra.in_single(M, np.diagonal(M)))
        if solve is not None:
            return row_algebra.in_single(E, squared_norm), solve
    return E, _cholesky(M) or _spectral(M)


def _cholesky(M: Array) -> Callable[[Array], Array] | None:
    """The solver of a definite system in its precision; None where rounding makes it another."""
    functions: Any = linalg.get_lapack_funcs(("potrf", "potrs"), (M,))
    potrf, potrs = functions
    factor, failure = potrf(M, lower=True)
    if failure:
        return None

    def solve(t: Array) -> Array:
        solution: Array = potrs(factor, t.astype(M.dtype, copy=False), lower=True)[0]
        return solution.astype(t.dtype, copy=False)

    return solve


def _spectral(M: Array) -> Callable[[Array], Array]:
    """The solver of ``I`` and what rows alike have added to it, which rounding made indefinite."""
    values, Q = linalg.eigh(M)
    scaled = Q / np.maximum(values, 1.0)
    return lambda t: scaled @ (t @ Q)


class _OnMargin:
    """The projection of ``q / rho`` on what is orthogonal to the rows on their margin."""

    is_single = False

    def __init__(self, nodes: NodeTable, scale: Array, rho: float) -> None:
        self._nodes, self._rho = nodes, rho
        self._held = []
        for l, part in enumerate(nodes.parts):
            rows = np.flatnonzero(scale[part] > 0.0)
            if len(rows):
                U, s, Q = linalg.svd(nodes.rows(l)[rows], full_matrices=False)
                some = s > _RANK * s[0]
                self._held.append((l, rows, U[:, some] / s[some], Q[some]))

    def solve(self, q: Array) -> Array:
        """dW, a row each."""
        dW: Array = q / self._rho
        for l, _, _, Q in self._held:
            dW[l] -= ((Q @ q[l]) @ Q) / self._rho
        return dW

    def answers(self, u: Array, q: Array) -> list[Array]:
        """What holds the rows on the margin."""
        answers = self._nodes.nothing()
        for l, rows, U, Q in self._held:
            answers[l][rows] = U @ (Q @ q[l])
        return answers
