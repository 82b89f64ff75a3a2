"""The nodes' side of the splitting as a schedule draws it: some nodes, so many passes each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Relationship
from skfedmtl._protocol import Greeted, Nodes, NodeTable, Share, StepOrder
from skfedmtl._solvers.pricing import Bound, best_bound
from skfedmtl._solvers.schedule import Schedule, heard
from skfedmtl._solvers.workers import Workers
from skfedmtl._typing import Array

_NOT_ASKED = np.zeros(0)


class Exchanges:
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
        self.told = known.copy()
        self.which: NDArray[np.intp] | slice = np.arange(len(nodes))
        self.n_answers = len(nodes)
        self._losses = np.array(greeted.loss)
        self.loss = float(self._losses.sum())
        self._conjugate = np.array(greeted.conjugate)
        self._linear = np.array(greeted.linear)
        self._share = 1.0

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
        self.told[which] = (self.W if asked is None else asked)[which]
        self.loss = float(self._losses.sum())

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
