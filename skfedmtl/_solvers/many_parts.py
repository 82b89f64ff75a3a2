"""The adjoint's side of very many small nodes: all at once, where a loop would cost more.

By Woodbury's identity, with ``E_l`` the rows of a node times their scale,

    (H_l + rho I)^-1 q = (q - E_l' (rho I + E_l E_l')^-1 E_l q) / rho

so that of a node nothing but the inverse of a small matrix is kept; rows stay where they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skfedmtl._kernels import _sdca
from skfedmtl._protocol import NodeTable
from skfedmtl._typing import Array

MANY = 200  #: nodes; a loop over fewer takes no time beside their rows
_CHUNK = 2**18  #: numbers of rows that are copied at a time


class ManyCurved:
    """``(H_l + rho I)^-1`` of every node, through its rows, their inverses in single precision.

    Parameters
    ----------
    nodes : NodeTable
        Of dense rows.
    scale : ndarray of shape (n,)
        Square roots of the rows' curvatures.
    rho : float
    kept : ndarray of bool of shape (n,)
        The rows that count; the others' own part of ``E E'/rho`` is negligible.
    """

    is_single = True

    def __init__(self, nodes: NodeTable, scale: Array, rho: float, kept: NDArray[np.bool_]) -> None:
        self._nodes, self._scale, self._rho = nodes, scale, rho
        rows = np.flatnonzero(kept)
        ends = np.searchsorted(rows, nodes.starts)
        counts = np.diff(ends)
        #: rows of nodes with as many of them, and what solves for those
        self._groups: list[tuple[NDArray[np.intp], NDArray[np.float32]]] = []
        for count in np.unique(counts[counts > 0]).tolist():
            firsts = ends[:-1][counts == count]
            index = rows[firsts[:, None] + np.arange(count)]
            self._groups.append((index, self._inverses(index)))

    def _inverses(self, index: NDArray[np.intp]) -> NDArray[np.float32]:
        """Of ``I + E E'/rho`` of nodes whose rows are told, a line each."""
        X, scale = self._nodes.X, self._scale
        n_nodes, count = index.shape
        inverses = np.empty((n_nodes, count, count), dtype=np.float32)
        step = max(1, _CHUNK // (count * X.shape[1]))
        for start in range(0, n_nodes, step):
            rows = index[start : start + step]
            E = X[rows] * scale[rows][:, :, None]
            M = np.matmul(E, E.transpose(0, 2, 1)) / self._rho
            M[:, np.arange(count), np.arange(count)] += 1.0
            inverses[start : start + step] = np.linalg.inv(M)
        return inverses

    def solve(self, q: Array) -> Array:
        """dW, a row each."""
        nodes = self._nodes
        dW: Array = q / self._rho
        margins = self._scale * nodes.margins(dW)
        coefficient = np.zeros_like(margins)
        for index, inverses in self._groups:
            own = margins[index].astype(np.float32)
            coefficient[index] = np.matmul(inverses, own[:, :, None])[:, :, 0]
        coefficient *= -self._scale / self._rho
        _sdca.accumulate_by_node(nodes.X, nodes.starts, coefficient, dW)
        return dW

    def answers(self, u: Array, q: Array) -> list[Array]:
        """s L'' / c_l times x_i . u_l."""
        answers = np.square(self._scale) * self._nodes.margins(u)
        return [answers[part] for part in self._nodes.parts]
