"""Visits to many nodes between two looks at the relationship.

With many nodes, each of which moves ``V`` by little, a decomposition of ``V`` for every
visit costs more than the visits. A block of nodes is visited by a model of ``R*`` instead,
around the ``V`` before the block::

    R*(V + dV) ~ R*(V) + <W, dV> + (1/2) (caution <dV, (B/2) dV> + floor ||dV||^2)

``B/2 = U diag(omega / nu) U'`` is the derivative of W(V) with Sigma held fixed, so that a node
sees what the others of its block have done. The block is kept if R* is no larger than the
model says, hence the dual no lower; otherwise caution and floor are doubled and its nodes are
visited anew. Since ``R*`` has a curvature of at most 1/(2 lambda2), that ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._kernels import _sdca
from skfedmtl._shrinkage import spectrum

Array = NDArray[np.float64]

MIN_NODES = 128  #: with fewer, every visit has its own decomposition
N_BLOCKS = 64  #: in a round

_CALMER = 0.8  #: what an accepted block leaves of caution above 1, and of the floor
_LEAST_FLOOR = 1e-3  #: as a share of the first


class BlockModel:
    """Follows W(V) of a learned relationship, more nodes than features, block by block.

    Parameters
    ----------
    V : ndarray of shape (m, d)
    lambda1, lambda2 : float
    caution : ndarray of shape (2,)
        Caution and floor; what is learned of them outlives the model.
    """

    def __init__(self, V: Array, lambda1: float, lambda2: float, caution: Array) -> None:
        self._lambdas = lambda1, lambda2
        self._V, self._caution = V.copy(), caution
        self._least_floor = _LEAST_FLOOR * first_floor(len(V), lambda1, lambda2)
        self._now = spectrum(V.T @ V, lambda1, lambda2)

    def begin(self, nodes: NDArray[np.intp]) -> None:
        """Begin a block, or begin it anew."""
        self._nodes, now = nodes, self._now
        U = self._V[nodes] @ now.vectors / now.nu
        self._W = (U * now.omega) @ now.vectors.T
        self._U, self._pull = U, self._caution[0] * U * now.ratio
        self._curvature = np.einsum("ij,ij->i", U, self._pull) + self._caution[1]
        self._S = np.zeros((U.shape[1], self._V.shape[1]))
        self._dV = np.zeros((len(nodes), self._V.shape[1]))

    def row(self, place: int) -> Array:
        """The weights that the model gives the node at this place of the block."""
        row: Array = self._W[place] + self._pull[place] @ self._S
        return row

    def curvature(self, place: int) -> float:
        return float(self._curvature[place])

    def add(self, place: int, dv: Array) -> None:
        """Note the change of the node at this place."""
        self._dV[place] = dv
        self._S += np.multiply.outer(self._U[place], dv)

    def visit(
        self,
        kernel: Any,
        tables: tuple[Array, Array, Array, Array],
        order: NDArray[np.intp],
        ends: NDArray[np.intp],
        n_passes: int,
        before: Array,
        alpha: Array,
    ) -> None:
        """Visits to all nodes of the block, whose dense rows lie in one table with others.

        The tables are X, y, weights and squared lengths; ``order`` lists the rows to visit, node
        after node, up to ``ends``; ``alpha``, so far equal to ``before``, changes in place.
        """
        W = self._W.copy()
        model = self._curvature, W, self._U, self._pull, self._S, self._dV
        _sdca.visit_in_turn(kernel, *tables, order, ends, n_passes, before, alpha, *model)

    def accept(self) -> bool:
        """Keep the block's changes, if R* is no larger than the model says."""
        (caution, floor), now = self._caution, self._now
        dV, V, most = self._dV, self._V[self._nodes], 0.5 / self._lambdas[1]
        bend = float(now.ratio @ np.einsum("ij,ij->i", self._S, self._S))
        bend = caution * bend + floor * float(np.vdot(dV, dV))
        bound = now.value + float(np.vdot(self._W, dV)) + 0.5 * bend
        cross = V.T @ dV
        after = spectrum(now.gram + cross + cross.T + dV.T @ dV, *self._lambdas)
        slack = 1e-13 * (abs(after.value) + abs(bound))
        if after.value > bound + slack and floor < most:
            self._caution[:] = 2.0 * caution, min(2.0 * floor, most)
            return False
        self._caution[0] = 1.0 + _CALMER * (caution - 1.0)
        self._caution[1] = max(_CALMER * floor, self._least_floor)
        self._V[self._nodes] += dV
        self._now = after
        return True


def first_floor(n_nodes: int, lambda1: float, lambda2: float) -> float:
    """The curvature of a node that is tied to no other: (1/2) B for Sigma = I/m."""
    return 0.5 / (lambda1 * n_nodes + lambda2)
