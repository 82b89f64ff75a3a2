"""Following a solution while rows move: the splitting, warm from one problem to the next.

No weights are priced on the way: the iteration ends by its residual. At rest ``W = Z``, and

    rho (T - Z) - V = rho (Z - W)

so that ``||W - Z|| max(1 / ||Z||, rho / ||V||)`` is how far weights and moments may be off.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._adjoint import Solved
from skfedmtl._anderson import Anderson
from skfedmtl._balance import Balance
from skfedmtl._kernel_steps import KernelPasses
from skfedmtl._losses import Array, Loss, SmoothLoss
from skfedmtl._node_list import NodeList
from skfedmtl._node_steps import ExactSteps, Moved, Passes, is_cheap
from skfedmtl._regulariser import Relationship
from skfedmtl._splitting import relaxation_of
from skfedmtl._workers import Workers

_MEMORY = 5


class Follower:
    """Solves a problem again and again.

    Parameters
    ----------
    relationship : Relationship
    nodes : NodeList
        Of dense rows; they hold the dual variables to begin with.
    loss : Loss or SmoothLoss
        In the place of the nodes' own; it may be exchanged between solutions.
    W : ndarray of shape (m, d)
        Weights near the first solution.
    """

    def __init__(
        self, relationship: Relationship, nodes: NodeList, loss: Loss | SmoothLoss, W: Array
    ) -> None:
        self._relationship, self._nodes = relationship, nodes
        self._steps = _make_steps(nodes, loss)
        self.rho = first_rho(relationship, W, self._steps.V)
        self.T = W + self._steps.V / self.rho
        self.is_near = True  #: whether the last solution is as near as was asked
        self._balance = Balance() if relationship.own_rho is None else None

    @property
    def loss(self) -> Loss | SmoothLoss:
        return self._steps.curve

    @loss.setter
    def loss(self, loss: Loss | SmoothLoss) -> None:
        self._steps.curve = loss

    @property
    def alpha(self) -> Array:
        """The dual variables of all rows, node after node."""
        return self._steps.alpha

    def gram(self, l: int) -> Array:
        """``X X'`` of a node's rows."""
        return self._steps.gram(l)

    def refresh(self, moved: Moved) -> None:
        """Take note of rows that have changed."""
        self._steps.refresh(moved)

    def place(self, T: Array, alpha: Array, rho: float, moved: Moved) -> Solved:
        """Stand where a former solution was, after rows have changed to those of that time."""
        self.T, self.rho, self._balance = T, rho, None
        self._steps.alpha[:] = alpha
        self.refresh(moved)
        return self._standing()

    def solve(self, tol: float, max_iter: int, rng: np.random.Generator) -> Solved:
        """Go on until the residual is at most `tol`, or for so many iterations.

        rho follows both sides in the first solution, and rests in the others, which begin near.
        """
        anderson = Anderson(_MEMORY, relaxation_of(self._relationship))
        balance, self._balance = self._balance, None
        steps, spread, self.is_near = self._steps, np.inf, False
        for count in range(1, max_iter + 1):
            Z = self._relationship.proximal(self.T, self.rho).W
            steps.run(2.0 * Z - self.T, self.rho, spread, rng)
            residual = steps.W - Z
            length = float(np.linalg.norm(residual))
            spread = length / np.sqrt(len(Z))
            sizes = np.linalg.norm(Z), np.linalg.norm(steps.V) / self.rho
            self.is_near = length <= tol * min(sizes)
            if self.is_near:
                break
            self.T = anderson.advance(self.T, residual)
            factor = 1.0 if balance is None else balance.factor(count, self.rho, Z, steps.V)
            if factor != 1.0:
                self.T = Z + (self.T - Z) / factor
                self.rho *= factor
                anderson.forget()
        self.n_iter = count
        return self._standing()

    def _standing(self) -> Solved:
        Z, steps = self._relationship.proximal(self.T, self.rho).W, self._steps
        return Solved(steps.curve, Z, steps.alpha.copy(), steps.V, self.T, self.rho)


def first_rho(relationship: Relationship, W: Array, V: Array) -> float:
    """What scales weights against moments where a solution is near."""
    if relationship.own_rho is not None:
        return relationship.own_rho
    size, strength = float(np.linalg.norm(W)), float(np.linalg.norm(V))
    return strength / size if size > 0.0 and strength > 0.0 else 1.0


def _make_steps(nodes: NodeList, loss: Loss | SmoothLoss) -> ExactSteps | KernelPasses | Passes:
    alpha = np.concatenate([node.alpha for node in nodes])
    if loss.constant_curvature and is_cheap(nodes):
        return ExactSteps(nodes, alpha)
    if np.diff(nodes.starts).max() < nodes.X.shape[1]:
        return KernelPasses(nodes, alpha, loss)
    return Passes(nodes, alpha, Workers(None), loss)
