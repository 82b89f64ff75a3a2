"""Rounds of the sequential solver: visits, second-order steps, certificate, history.

A round visits the nodes one after another, in a drawn order, with ``W`` kept current
(MOCHA's method with one machine, [1]_). Coordinate ascent is quick to find which rows
matter and slow to settle their values; once few rows change sides in a round, a projected
Newton step on the joint dual ends each round. Where the box of the loss makes the whole
problem degenerate and it is small, one interior-point run breaks the tie.

Every step keeps or raises the dual, and the duality gap is the only judge of success.

References
----------
.. [1] V. Smith, C.-K. Chiang, M. Sanjabi, A. Talwalkar, "Federated Multi-Task Learning",
   NeurIPS 2017.
"""

from __future__ import annotations

import numpy as np

from skfedmtl import _interior
from skfedmtl._log import Log, Solution
from skfedmtl._losses import Array
from skfedmtl._newton import Anchor, NewtonStepper
from skfedmtl._protocol import Node, Server

_LOCAL_PASSES = 10  #: passes over its moving rows that a node makes in one visit
_SETTLED = 0.02  #: Newton steps begin when a smaller share of rows changes sides
_NEWTON_EVERY = 10  #: and are tried once in so many rounds all the same
_PAID = 0.2  #: a second-order step that leaves less of the gap is followed by another at once
_INTERIOR_ROUND = 8  #: the round that ends with an interior-point run


class SequentialSolver:
    """Fits a server and its nodes to a relative duality gap.

    Parameters
    ----------
    tol : float
        Stop when the gap is at most ``tol * objective`` or the floor of rounding; 0 runs
        exactly `max_iter` rounds.
    max_iter : int
        Rounds at most.
    """

    def __init__(self, *, tol: float, max_iter: int) -> None:
        self.tol = tol
        self.max_iter = max_iter
        self._newton = NewtonStepper()

    def memory(self) -> dict[str, Array]:
        """What former solutions have taught."""
        return self._newton.memory()

    def remember(self, memory: dict[str, Array]) -> None:
        """Know what a `memory` knows."""
        self._newton.remember(memory)

    def solve(self, server: Server, nodes: list[Node], rng: np.random.Generator) -> Solution:
        """Improve the nodes' dual variables from where they are."""
        # where W was before the rows were changed, if this is not the first solution
        anchor = Anchor(server.V, server.response) if server.V.any() else None
        log = Log(server, nodes)
        converged = log.meets(self.tol)
        # after a small change of a solved problem a second-order step is all it takes, and
        # after one that paid the next is likely to do more than visits would
        second_order = not converged and any(node.alpha.any() for node in nodes)
        while not converged and log.rounds < self.max_iter:
            before, gap = _sides(nodes), log.best.gap
            if not second_order:
                for index in rng.permutation(len(nodes)):
                    server.visit(int(index), nodes[index], _LOCAL_PASSES, rng)
            settled = second_order or _settled(before, nodes)
            full = self._second_order(server, nodes, log, settled, anchor)
            anchor = None
            log.certify(server, nodes)
            second_order = full and log.best.gap < _PAID * gap
            converged = log.meets(self.tol)
        return log.solution(self.tol)

    def _second_order(
        self, server: Server, nodes: list[Node], log: Log, settled: bool, anchor: Anchor | None
    ) -> bool:
        """A Newton step or an interior-point run, if it is time; whether it was full."""
        round_ = log.rounds + 1
        if round_ == _INTERIOR_ROUND and _interior.applies(server, nodes):
            return _interior.run(server, nodes, tol=0.1 * self.tol)
        if settled or round_ % _NEWTON_EVERY == 0:
            best = log.best
            relative = best.gap / max(best.objective, float(np.finfo(float).tiny))
            accuracy = float(np.clip(relative, 1e-9, 1e-2))
            return self._newton.step(server, nodes, tol=accuracy, anchor=anchor)
        return False


def _sides(nodes: list[Node]) -> list[Array]:
    """-1, 0 or 1 a row: at the lower bound of its dual variable, between, at the upper."""
    out = []
    for node in nodes:
        low, high = node.loss.bounds
        inner = node.loss.sign(node.y) * node.alpha
        out.append((inner >= high).astype(float) - (inner <= low))
    return out


def _settled(before: list[Array], nodes: list[Node]) -> bool:
    after = _sides(nodes)
    changed = sum(int((old != new).sum()) for old, new in zip(before, after, strict=True))
    return changed <= _SETTLED * sum(len(side) for side in after)
