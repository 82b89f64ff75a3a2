"""Following a solution while rows move: the splitting, warm from one problem to the next.

No weights are priced on the way: the iteration ends by its residual. At rest ``W = Z``, and

    rho (T - Z) - V = rho (Z - W)

so that ``||(W - Z) D|| / ||Z D||`` and ``rho ||W - Z|| / ||V||`` are how far weights and moments
may be off. D holds the sizes of the features: a large weight of a small feature, an intercept
beside features in the thousands, would hide the others.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._model import PrimalLoss, Relationship
from skfedmtl._protocol import Moved, NodeTable
from skfedmtl._solvers.adjoint import Solved
from skfedmtl._solvers.iteration import Iteration
from skfedmtl._solvers.kernel_steps import KernelPasses
from skfedmtl._solvers.many_parts import MANY
from skfedmtl._solvers.node_steps import ExactSteps, Passes, is_cheap
from skfedmtl._solvers.splitting import MEMORY
from skfedmtl._solvers.workers import Workers
from skfedmtl._typing import Array


class Follower:
    """Solves a problem again and again.

    Parameters
    ----------
    relationship : Relationship
    nodes : NodeTable
        Of dense rows; they hold the dual variables to begin with.
    loss : PrimalLoss
        In the place of the nodes' own; it may be exchanged between solutions.
    W : ndarray of shape (m, d)
        Weights near the first solution.
    """

    def __init__(
        self, relationship: Relationship, nodes: NodeTable, loss: PrimalLoss, W: Array
    ) -> None:
        self._nodes, self._steps = nodes, _make_steps(nodes, loss)
        self._sizes = _sizes(nodes.X)
        rho = first_rho(relationship, W, self._steps.V)
        self._at = Iteration(relationship, W + self._steps.V / rho, rho, 0, MEMORY)
        self.is_near = True  #: whether the last solution is as near as was asked,
        self.n_iter = 0  #: and how many iterations it took

    @property
    def loss(self) -> PrimalLoss:
        return self._steps.curve

    @loss.setter
    def loss(self, loss: PrimalLoss) -> None:
        self._steps.curve = loss

    @property
    def alpha(self) -> Array:
        """The dual variables of all rows, node after node."""
        return self._steps.alpha

    def gram(self, l: int) -> Array:
        """``X X'`` of a node's rows."""
        if isinstance(self._steps, KernelPasses):
            return self._steps.gram(l)
        return self._nodes.gram(l)

    def refresh(self, moved: Moved) -> None:
        """Take note of rows that have changed."""
        self._steps.refresh(moved)

    @property
    def T(self) -> Array:
        return self._at.T

    @property
    def rho(self) -> float:
        return self._at.rho

    def place(self, T: Array, alpha: Array, rho: float, moved: Moved) -> Solved:
        """Stand where a former solution was, after rows have changed to those of that time."""
        self._at.T, self._at.rho = T, rho
        self._at.settle()
        self._steps.alpha[:] = alpha
        self.refresh(moved)
        return self._standing()

    def solve(self, tol: float, max_iter: int, rng: np.random.Generator) -> Solved:
        """Go on until the residual is at most `tol`, or for so many iterations.

        rho follows both sides in the first solution, and rests in the others, which begin near.
        """
        at, steps = self._at, self._steps
        spread, self.is_near, self.n_iter = np.inf, False, 0
        for _ in range(max_iter):
            self.n_iter += 1
            Z = at.proximal().W
            steps.run(2.0 * Z - at.T, at.rho, spread, rng)
            residual = steps.W - Z
            length = float(np.linalg.norm(residual))
            spread = length / np.sqrt(len(Z))
            off = float(np.linalg.norm(residual * self._sizes))
            self.is_near = (
                off <= tol * float(np.linalg.norm(Z * self._sizes))
                and length <= tol * float(np.linalg.norm(steps.V)) / at.rho
            )
            if self.is_near or at.is_lost:
                break
            at.advance(Z, steps.V, residual)
        at.settle()
        return self._standing()

    def _standing(self) -> Solved:
        at, steps = self._at, self._steps
        return Solved(steps.curve, at.proximal().W, steps.alpha.copy(), steps.V, at.T, at.rho)


def first_rho(relationship: Relationship, W: Array, V: Array) -> float:
    """What scales weights against moments where a solution is near."""
    if relationship.own_rho is not None:
        return relationship.own_rho
    size, strength = float(np.linalg.norm(W)), float(np.linalg.norm(V))
    return strength / size if size > 0.0 and strength > 0.0 else 1.0


def _sizes(X: Array) -> Array:
    """Root mean squares of the features; 1 where there is nothing but zeros."""
    sizes: Array = np.sqrt(np.einsum("ij,ij->j", X, X) / max(len(X), 1))
    return np.where(sizes > 0.0, sizes, 1.0)


def _make_steps(nodes: NodeTable, loss: PrimalLoss) -> ExactSteps | KernelPasses | Passes:
    alpha: Array = nodes.alpha
    if loss.constant_curvature and is_cheap(nodes):
        return ExactSteps(nodes, alpha, tells=False)
    if nodes.is_wide and len(nodes) < MANY:  # the kernels of very many take as much room as rows
        return KernelPasses(nodes, alpha, loss)
    return Passes(nodes, alpha, Workers(None), loss)
