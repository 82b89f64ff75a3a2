"""Proximal steps by the nodes' kernels, where rows are fewer than features and fits are many.

With ``K = X X'`` a coordinate step changes ``f = X w`` by a column of ``K``: n_l numbers in the
place of d. The kernels pay where problems follow each other that differ in few rows.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._kernels import _sdca
from skfedmtl._model import PrimalLoss
from skfedmtl._protocol import Moved, NodeTable
from skfedmtl._solvers.node_steps import effort_of, live_ends
from skfedmtl._typing import Array


class KernelPasses:
    """`_node_steps.Passes` in the space of the rows.

    Parameters
    ----------
    nodes : NodeTable
        Of dense rows.
    alpha : ndarray of shape (n,)
        Where to begin; changed in place.
    curve : PrimalLoss
        The loss.
    """

    def __init__(self, nodes: NodeTable, alpha: Array, curve: PrimalLoss) -> None:
        self._nodes, self.curve, self.alpha = nodes, curve, alpha
        counts = np.diff(nodes.starts)
        self._places = np.concatenate([np.zeros(1, dtype=np.intp), np.cumsum(counts * counts)])
        self._kernels = np.empty(self._places[-1])
        for l in range(len(nodes)):
            self.gram(l)[:] = nodes.gram(l)
        self.V = nodes.moments_of(alpha)
        self.W = np.zeros(self.V.shape)
        self._settle()

    def gram(self, l: int) -> Array:
        """The kernel of a node: a view."""
        n = len(self._nodes.rows(l))
        return self._kernels[self._places[l] : self._places[l + 1]].reshape(n, n)

    def refresh(self, moved: Moved) -> None:
        """Take note of rows of these nodes that have changed, or of dual variables."""
        for l, rows in moved.items():
            X, K = self._nodes.rows(l), self.gram(l)
            products = X[rows] @ X.T
            K[rows] = products
            K[:, rows] = products.T
        self.V = self._nodes.moments_of(self.alpha)
        self._settle()

    def _settle(self) -> None:
        """What follows from the dual variables, free of accumulated rounding."""
        nodes = self._nodes
        self._pulls = nodes.margins(self.V)
        heavy = np.flatnonzero(nodes.weight > 0.0)
        first = np.repeat(nodes.starts[:-1], np.diff(nodes.starts))
        self._order, self._ends = heavy - first[heavy], live_ends(nodes)

    def run(self, base: Array, rho: float, residual: float, rng: np.random.Generator) -> None:
        """Improve the dual variables until the weights rest; no losses are told."""
        nodes, loss = self._nodes, self.curve
        seeds = rng.integers(2**63, size=len(nodes)).astype(np.uint64)
        margins = nodes.margins(base)
        f = margins + self._pulls / rho
        _sdca.relax_in_kernel(
            loss.kernel,
            self._kernels,
            self._places,
            nodes.y,
            nodes.weight,
            nodes.starts,
            self._ends,
            self._order,
            seeds,
            1.0 / rho,
            *effort_of(loss, residual),
            self.alpha,
            f,
        )
        self._pulls = (f - margins) * rho
        self.V = nodes.moments_of(self.alpha)
        self.W = base + self.V / rho
