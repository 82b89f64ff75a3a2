"""Proximal steps by the nodes' kernels, where rows are fewer than features and fits are many.

With ``K = X X'`` a coordinate step changes ``f = X w`` by a column of ``K``: n_l numbers in the
place of d. The kernels pay where problems follow each other that differ in few rows.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._kernels import _sdca
from skfedmtl._model import PrimalLoss
from skfedmtl._protocol import Moved, NodeTable
from skfedmtl._solvers.node_steps import effort_of
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
        self._grams = [nodes.gram(l) for l in range(len(nodes))]
        self.V = nodes.moments_of(alpha)
        self.W = np.zeros_like(self.V)
        self._settle()

    def gram(self, l: int) -> Array:
        """The kernel of a node."""
        return self._grams[l]

    def refresh(self, moved: Moved) -> None:
        """Take note of rows of these nodes that have changed, or of dual variables."""
        for l, rows in moved.items():
            X, K = self._nodes.rows(l), self._grams[l]
            products = X[rows] @ X.T
            K[rows] = products
            K[:, rows] = products.T
        self.V = self._nodes.moments_of(self.alpha)
        self._settle()

    def _settle(self) -> None:
        """What follows from the dual variables, free of accumulated rounding."""
        nodes = self._nodes
        coefficient = nodes.weight * self.alpha
        self._pulls = [
            K @ coefficient[part] for K, part in zip(self._grams, nodes.parts, strict=True)
        ]
        self._orders = [np.flatnonzero(nodes.weight[part] > 0.0) for part in nodes.parts]

    def run(self, base: Array, rho: float, residual: float, rng: np.random.Generator) -> None:
        """Improve the dual variables until the weights rest; no losses are told."""
        nodes, loss = self._nodes, self.curve
        effort = effort_of(loss, residual)
        seeds = rng.integers(2**63, size=len(nodes)).tolist()
        margins = nodes.margins(base)
        for l, part in enumerate(nodes.parts):
            f = margins[part] + self._pulls[l] / rho
            _sdca.relax_in_kernel(
                loss.kernel,
                self._grams[l],
                nodes.y[part],
                nodes.weight[part],
                self._orders[l],
                seeds[l],
                1.0 / rho,
                *effort,
                self.alpha[part],
                f,
            )
            self._pulls[l] = (f - margins[part]) * rho
        self.V = nodes.moments_of(self.alpha)
        self.W = base + self.V / rho
