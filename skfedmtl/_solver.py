"""Rounds of the sequential solver: visits, second-order steps, certificate, history.

Small problems do without visits, for as long as that pays: a curved loss takes Newton steps
in the weights, one without curvature one interior-point run. Otherwise, and where rounding ends
those, a round visits the nodes one after another, in a drawn order, with ``W`` kept current
(MOCHA's method with one machine, [1]_). Coordinate ascent is quick to find which rows matter
and slow to settle their values. What settles them depends on the problem:

* a projected Newton step on the joint dual ends each round, once few rows change sides;
* where the box of the loss makes the problem degenerate and it has few features, one
  interior-point run breaks the tie;
* where it has many, the rounds are extrapolated [2]_, and when they gain little, proximal
  steps take their place until Newton steps can.

Every step of a visiting round keeps or raises the dual; proximal steps may lower it, but
the best dual variables are kept. The duality gap is the only judge of success.

References
----------
.. [1] V. Smith, C.-K. Chiang, M. Sanjabi, A. Talwalkar, "Federated Multi-Task Learning",
   NeurIPS 2017.
.. [2] Y. Nesterov, "A method of solving a convex programming problem with convergence rate
   O(1/k^2)", Soviet Mathematics Doklady 27(2), 1983.
"""

from __future__ import annotations

import numpy as np

from skfedmtl import _interior
from skfedmtl._finish import CentralPath, State, WeightSteps, run_first
from skfedmtl._layout import Layout
from skfedmtl._log import NOBODY, Log, Solution, Watch
from skfedmtl._losses import Array
from skfedmtl._multipliers import Multipliers
from skfedmtl._newton import Anchor, NewtonStepper
from skfedmtl._node_list import NodeList, assign, stack
from skfedmtl._protocol import Node, Server
from skfedmtl._system import is_small

_LOCAL_PASSES = 10  #: passes over its moving rows that a node makes in one visit
_SETTLED = 0.02  #: Newton steps begin when a smaller share of rows changes sides
_NEWTON_EVERY = 10  #: and are tried once in so many rounds all the same
_PAID = 0.2  #: a second-order step that leaves less of the gap is followed by another at once
_INTERIOR_ROUND = 4  #: the round that ends with an interior-point run
_SLOW = 1e-4  #: proximal steps begin when a round raises the dual by a smaller share
_STALLED = 0.9  #: and leaves more of the gap,
_PATIENCE = 3  #: so many times in a row
_ROUGH = 1e-4  #: and end when the gap, relative, is smaller,
_STUCK = 0.9  #: or when they leave more of it, as many times in a row

_BEFORE = WeightSteps(any_curved=True), CentralPath()


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

    def layout(self) -> Layout:
        """What a `memory` is."""
        return self._newton.layout()

    def solve(
        self, server: Server, nodes: NodeList, rng: np.random.Generator, watch: Watch = NOBODY
    ) -> Solution:
        """Improve the nodes' dual variables from where they are."""
        # where W was before the rows were changed, if this is not the first solution
        anchor = Anchor(server.V, server.response) if server.V.any() else None
        log = Log(server, nodes, watch)
        if not log.meets(self.tol):
            self._begin(server, nodes, log, anchor)
        kept = [node.alpha for node in nodes]
        # after a small change of a solved problem a second-order step is all it takes, and
        # after one that paid the next is likely to do more than visits would
        second_order = not log.meets(self.tol) and any(node.alpha.any() for node in nodes)
        ahead, multipliers = _Extrapolation(nodes), _multipliers_for(server, nodes)
        rough, proximal, slow_rounds = not is_small(server.response), False, 0
        while log.begin_round(self.tol, self.max_iter):
            best = log.best
            if multipliers is not None and proximal:
                W, price, goes_on = multipliers.step(server, nodes, log.W, best.relative_gap)
                log.enter(server, W, *price)
                slow_rounds = slow_rounds + 1 if log.best.gap > _STUCK * best.gap else 0
                rough = rough and slow_rounds < _PATIENCE
            else:
                before = np.empty(0) if rough or second_order else _sides(nodes)
                if not second_order:
                    server.sweep(nodes, _LOCAL_PASSES, rng)
                    if rough:
                        ahead.move(server, nodes)
                full, found = False, None
                if second_order or not rough:
                    settled = second_order or _settled(before, nodes)
                    full, found = self._second_order(server, nodes, log, settled, anchor)
                anchor = None
                log.certify(server, nodes, found, self.tol)
                second_order = full and log.best.gap < _PAID * best.gap
                rise = log.best.dual_objective - best.dual_objective
                slow = rise < _SLOW * abs(log.best.dual_objective)
                slow_rounds = slow_rounds + 1 if slow and log.best.gap > _STALLED * best.gap else 0
                goes_on = slow_rounds >= _PATIENCE
                slow_rounds = 0 if goes_on else slow_rounds
            if log.best.dual_objective > best.dual_objective:
                kept = [node.alpha for node in nodes]
            rough = rough and log.best.relative_gap > _ROUGH
            if proximal and not (goes_on and rough):
                server.restore(nodes, kept)
            # weights of zero have no size that the step could take its own from
            proximal = goes_on and rough and multipliers is not None and bool(log.W.any())
            rough = rough and (proximal or not goes_on)
        if proximal:
            server.restore(nodes, kept)
        return log.solution(self.tol)

    def _begin(self, server: Server, nodes: NodeList, log: Log, anchor: Anchor | None) -> None:
        """Rounds without visits, where the problem is small enough to do without."""
        cold = all(np.array_equal(node.alpha, node.start()) for node in nodes)
        u = np.zeros_like(server.V) if cold else server.response.W
        u = u if anchor is None else anchor.response.W
        run_first(_BEFORE, State(server, nodes, log, self.tol, self.max_iter, cold, u))

    def _second_order(
        self, server: Server, nodes: list[Node], log: Log, settled: bool, anchor: Anchor | None
    ) -> tuple[bool, Array | None]:
        """A Newton step or an interior-point run, if it is time: whether it was full, and weights
        that were found on the way."""
        round_ = log.rounds + 1
        if round_ == _INTERIOR_ROUND and _interior.applies(server, nodes):
            # attacks ask which rows lie on the margin: that takes more than the gap
            found = _interior.run(server, nodes, tol=0.1 * self.tol)
            return found is not None, found
        if settled or round_ % _NEWTON_EVERY == 0:
            accuracy = float(np.clip(log.best.relative_gap, 1e-9, 1e-2))
            return self._newton.step(server, nodes, tol=accuracy, anchor=anchor), None
        return False, None


def _multipliers_for(server: Server, nodes: list[Node]) -> Multipliers | None:
    """Proximal steps, if the loss needs them; with many nodes visits are worth more."""
    few = not server.visits_blocks()
    return Multipliers() if nodes[0].loss.linear and few else None


class _Extrapolation:
    """Moves the dual variables of a loss without curvature on, as far as the dual rises."""

    def __init__(self, nodes: list[Node]) -> None:
        self._y, self._last = stack(nodes, "y"), stack(nodes, "alpha")
        self._count = 0

    def move(self, server: Server, nodes: list[Node]) -> None:
        """Go on in the direction of the last round."""
        kept, now = [node.alpha for node in nodes], stack(nodes, "alpha")
        share = self._count / (self._count + 3.0)
        self._count += 1
        if share > 0.0:
            reached = server.dual_objective(nodes)
            assign(nodes, nodes[0].loss.clip(self._y, now + share * (now - self._last)))
            if server.dual_objective(nodes) < reached:
                server.restore(nodes, kept)
                self._count = 0
        self._last = now


def _sides(nodes: list[Node]) -> Array:
    """-1, 0 or 1 a row: at the lower bound of its dual variable, between, at the upper."""
    low, high = nodes[0].loss.bounds
    inner = nodes[0].loss.sign(stack(nodes, "y")) * stack(nodes, "alpha")
    return (inner >= high).astype(float) - (inner <= low)


def _settled(before: Array, nodes: list[Node]) -> bool:
    changed = int(np.sum(before != _sides(nodes)))
    return changed <= _SETTLED * len(before)
