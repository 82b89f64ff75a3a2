"""The nodes' side of the splitting by messages: to nodes that a schedule draws, or to blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Relationship
from skfedmtl._protocol import Greeted, Nodes, NodeTable, Share, StepOrder
from skfedmtl._solvers.blocks import Begun, BlockAnswer, BlockedNodes
from skfedmtl._solvers.pricing import Bound, best_bound
from skfedmtl._solvers.schedule import Schedule, heard
from skfedmtl._solvers.workers import Workers
from skfedmtl._typing import Array

_NOT_ASKED = np.zeros(0)


class _ByMessages:
    """What steps by messages know of the best dual variables: the nodes hold them themselves."""

    _nodes: Any
    V: Array
    _linear: Array  #: one number an answer,
    _conjugate: Array  #: of what waits at home
    _share = 1.0

    def hold(self) -> None:
        """The nodes hold the best dual variables themselves."""

    def bound(self, relationship: Relationship) -> Bound:
        """What the dual variables promise."""
        sums = float(self._linear.sum()), float(self._conjugate.sum())
        bound = best_bound(self._nodes.loss, relationship, self.V, *sums)
        self._share = bound.share
        return bound

    def keep(self) -> None:
        """Those of the last bound are the best ones."""
        self._nodes.keep(Share(self._share))

    def settle(self) -> None:
        """The nodes have the best ones."""


class Exchanges(_ByMessages):
    """Proximal steps by messages; nodes that are not drawn keep what they have answered last.

    Parameters
    ----------
    nodes : Nodes
    greeted : Greeted
        What they have said in the beginning.
    known : ndarray of shape (m, d)
        Weights that they were greeted with; those stand for nodes that have yet to answer.
    schedule : Schedule
    workers : Workers
    """

    def __init__(
        self,
        nodes: Nodes,
        greeted: Greeted,
        known: Array,
        schedule: Schedule,
        workers: Workers,
    ) -> None:
        self._nodes, self._schedule, self._workers = nodes, schedule, workers
        self.V = np.array(greeted.v)
        self.W = np.zeros_like(self.V)
        self.told = known
        self.which: NDArray[np.intp] | slice = np.arange(len(nodes))
        self.n_answers = len(nodes)
        self._losses = np.array(greeted.loss)
        self.loss = float(self._losses.sum())
        self._conjugate = np.array(greeted.conjugate)
        self._linear = np.array(greeted.linear)

    @property
    def alpha(self) -> Array:
        """The dual variables that the next step goes on from; the laboratory's privilege."""
        return self._nodes.draft if isinstance(self._nodes, NodeTable) else np.zeros(0)

    def run(
        self,
        base: Array,
        rho: float,
        residual: float,
        rng: np.random.Generator,
        asked: Array | None,
    ) -> None:
        """One exchange."""
        draws = self._schedule.draw(rng)
        self.n_answers = len(draws.which)
        orders = [
            StepOrder(base[l], _NOT_ASKED if asked is None else asked[l], rho, epochs)
            for l, epochs in zip(*draws, strict=True)
        ]
        replies = self._nodes.step(draws.which, orders, self._workers.map)
        which, answers = heard(draws.which, replies)
        self.which = which
        for l, answer in zip(which, answers, strict=True):
            self.V[l] = answer.v
            self.W[l] = base[l] + answer.v / rho
            self._losses[l] = answer.loss
            self._conjugate[l] = answer.conjugate
            self._linear[l] = answer.linear
        self.told = self.told.copy()  # whose last one others may keep
        self.told[which] = (self.W if asked is None else asked)[which]
        self.loss = float(self._losses.sum())


class BlockSteps(_ByMessages):
    """Proximal steps of all nodes of all blocks.

    Parameters
    ----------
    nodes : BlockedNodes
    begun : list of Begun
        What the blocks have said in the beginning.
    V : ndarray of shape (m, d)
        The nodes' moments.
    """

    alpha = _NOT_ASKED  #: which no block tells

    def __init__(self, nodes: BlockedNodes, begun: list[Begun], V: Array) -> None:
        self._nodes = nodes
        self.V = V.copy()
        self.W = np.zeros_like(V)
        self.told = self.W
        self.which: NDArray[np.intp] | slice = slice(None)
        self.n_answers = len(nodes)
        self._note(begun)

    def _note(self, answers: Sequence[Begun | BlockAnswer]) -> None:
        self.loss = float(sum(answer.loss for answer in answers))
        self._conjugate = np.array([answer.conjugate for answer in answers])
        self._linear = np.array([answer.linear for answer in answers])

    def run(
        self,
        base: Array,
        rho: float,
        residual: float,
        rng: np.random.Generator,
        asked: Array | None,
    ) -> None:
        """One exchange."""
        seed = int(rng.integers(2**63))
        self.V, answers = self._nodes.step(base, asked, rho, residual, seed)
        self.W = base + self.V / rho
        self.told = self.W if asked is None else asked
        self._note(answers)
