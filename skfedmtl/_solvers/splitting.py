"""Spectral splitting: the loss to the nodes, the spectrum to the server.

The model is ``F(W) + R(W)``: losses that know nothing of each other, and a regulariser that knows
nothing of rows. Each has an exact proximal step of its own, which no size of lambda2 makes hard,
and Douglas-Rachford splitting [1]_ needs nothing else. From a state ``T`` of shape (m, d)::

    Z   = argmin R(Z) + (rho/2) ||Z - T||_F^2                          the server
    b_l = 2 z_l - t_l                                                  to node l
    w_l = argmin F_l(w) + (rho/2) ||w - b_l||^2 = b_l + v_l/rho        every node
    t_l <- t_l + 1.6 (w_l - z_l)                                       the server

At rest ``W = Z``, and the nodes' dual variables, of moments ``V``, are those of the optimum. In
between, ``Z`` is priced by the nodes, and ``V`` by the conjugate of ``R``: the best of both are the
certificate. ``T`` is extrapolated (`skfedmtl._solvers.anderson`), and rho follows how far both
sides move (`skfedmtl._solvers.balance`). Where the last digits of the objective are asked for, the
iteration goes on by its own residual, beside which a gap is blind (`_Run.sharpen`).

References
----------
.. [1] J. Eckstein, D. P. Bertsekas, "On the Douglas-Rachford splitting method and the proximal
   point algorithm for maximal monotone operators", Mathematical Programming 55, 1992.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skfedmtl._model import Loss, Proximal, Relationship
from skfedmtl._protocol import (
    NOBODY,
    Greeting,
    Iterate,
    Nodes,
    NodeTable,
    Server,
    Solution,
    Watch,
)
from skfedmtl._solvers.blocks import BlockedNodes
from skfedmtl._solvers.exchanges import BlockSteps, Exchanges
from skfedmtl._solvers.finish import AFTER, BEFORE, ENOUGH, PATIENCE, State, run_first
from skfedmtl._solvers.iteration import Iteration
from skfedmtl._solvers.node_steps import Steps, make_steps
from skfedmtl._solvers.progress import Log, takes_others
from skfedmtl._solvers.schedule import Schedule
from skfedmtl._solvers.workers import Workers
from skfedmtl._typing import Array

_SCALARS = 6  #: beside vectors: rho, epochs and a share down; a loss and two sums up
_SHARPENING, _SHARP = 200, 1e-13  #: iterations for the last digits, and the residual that ends them
_ACCURACY = 0.01  #: of the last residual, to which the server's weights are found
MEMORY, _LINEAR_MEMORY = 5, 10  #: of the extrapolation, for curved losses and for kinks


class SplittingSolver:
    """Fits a server and its nodes by splitting.

    Parameters
    ----------
    tol : float
        Stop when the gap is at most ``tol * objective`` or the floor of rounding; 0 runs
        exactly `max_iter` iterations.
    max_iter : int
        Iterations at most.
    schedule : Schedule or None
        Which nodes answer in an iteration, and how long they work; None: all, as long as pays, and
        second-order steps where they do (`skfedmtl._solvers.finish`).
    n_jobs : int or None
        Workers among which the nodes are shared.
    iterate : Iterate or None
        Where to go on.

    Attributes
    ----------
    iterate : Iterate
        Where the last solution has ended, and the next one goes on.
    """

    iterate: Iterate

    def __init__(
        self,
        *,
        tol: float,
        max_iter: int,
        schedule: Schedule | None = None,
        n_jobs: int | None = None,
        iterate: Iterate | None = None,
    ) -> None:
        self.tol, self.max_iter = tol, max_iter
        self.schedule, self.n_jobs = schedule, n_jobs
        self._start = iterate

    def solve(
        self, server: Server, nodes: Any, rng: np.random.Generator, watch: Watch = NOBODY
    ) -> Solution:
        """Improve weights and dual variables from where they are.

        Without a schedule nodes are a `NodeTable` or `BlockedNodes`, else `Nodes` of any kind.
        """
        log = Log(server, nodes, watch)
        self._offer_known(log, server, nodes)
        with Workers(self.n_jobs) as workers:
            if isinstance(nodes, BlockedNodes):
                run = self._split_in_blocks(server, nodes, log, rng)
            elif self.schedule is None:
                run = self._split_at_once(server, nodes, log, workers, rng)
            else:
                run = self._split_in_exchanges(server, nodes, log, self.schedule, workers, rng)
        self._start = self.iterate = run.iterate()
        return log.solution(self.tol)

    def _offer_known(self, log: Log, server: Server, nodes: Nodes) -> None:
        """Let the log know weights of zero, and those of the last fit."""
        log.offer_nothing(server, nodes)
        if self._start is not None and self._start.W is not None:
            W = self._start.W
            log.offer(W, server.loss_at(nodes, W) + server.relationship.penalty(W))

    def _split_at_once(
        self,
        server: Server,
        nodes: NodeTable,
        log: Log,
        workers: Workers,
        rng: np.random.Generator,
    ) -> _Run:
        """In the laboratory, second-order steps where they pay."""
        is_cold = np.array_equal(nodes.alpha, nodes.start())
        state = State(server, nodes, log, self.tol, self.max_iter, is_cold)
        if self.tol > 0.0 and self._start is None:
            run_first(BEFORE, state)
        start = self._start
        if start is None:
            squares = float(np.sum(nodes.weight * nodes.squared_norm))
            warm = log.rounds > 0 or not is_cold
            V = nodes.moments_of(nodes.alpha) if warm else None
            start = _first_iterate(server, nodes.loss, log.W, V, squares)
            start = start._replace(alpha=nodes.alpha)
        steps = make_steps(nodes, start.alpha.copy(), workers)
        run = _Run(server, nodes, log, self, start, steps, _memory(nodes.loss))
        if self.tol > 0.0 and any(method.applies(state) for method in AFTER):
            self._split_while_it_pays(run, rng)
            run_first(AFTER, state)
        run.go_on(rng, self.max_iter)
        if log.meets(self.tol) and not takes_others(self.tol):
            # who asks for the last digits of the objective looks at those of the weights
            run.sharpen(rng)
            log.prefer_own(server, nodes, self.tol)
        return run

    def _split_in_exchanges(
        self,
        server: Server,
        nodes: Nodes,
        log: Log,
        schedule: Schedule,
        workers: Workers,
        rng: np.random.Generator,
    ) -> _Run:
        """By messages, to nodes that a schedule draws."""
        nodes.reseed(int(rng.integers(2**63)))
        start = self._start
        if start is not None and isinstance(nodes, NodeTable):
            nodes.draft = start.alpha.copy()
        greeted = nodes.greet(Greeting(log.W, resume=start is not None))
        if start is None:
            squares = float(np.sum(greeted.squared_norm))
            V = None if np.all(greeted.is_cold) else greeted.v
            start = _first_iterate(server, nodes.loss, log.W, V, squares)
        steps = Exchanges(nodes, greeted, log.W, schedule, workers)
        # without some of the nodes an iteration is another one each time
        memory = _memory(nodes.loss) if schedule.is_full else 0
        run = _Run(server, nodes, log, self, start, steps, memory)
        run.go_on(rng, self.max_iter)
        return run

    def _split_in_blocks(
        self, server: Server, nodes: BlockedNodes, log: Log, rng: np.random.Generator
    ) -> _Run:
        """By messages, to blocks of nodes that pass over their rows as long as pays."""
        begun = nodes.begin()
        V = None if all(block.is_cold for block in begun) else server.V
        squares = sum(block.squares for block in begun)
        start = _first_iterate(server, nodes.loss, log.W, V, squares)
        steps = BlockSteps(nodes, begun, server.V)
        # what blocks are made for leaves no room for more arrays of this size
        run = _Run(server, nodes, log, self, start, steps, MEMORY)
        run.go_on(rng, self.max_iter)
        return run

    def _split_while_it_pays(self, run: _Run, rng: np.random.Generator) -> None:
        log, gap = run.log, np.inf
        while log.best.gap < ENOUGH * gap and not log.is_last(self.tol, self.max_iter):
            gap = log.best.gap
            run.go_on(rng, PATIENCE)


class _Run:
    """One iteration, step by step."""

    def __init__(
        self,
        server: Server,
        nodes: Any,
        log: Log,
        solver: SplittingSolver,
        start: Iterate,
        steps: Steps,
        memory: int,
    ) -> None:
        self.log = log
        self._server, self._nodes, self._steps = server, nodes, steps
        self._tol, self._max_iter = solver.tol, solver.max_iter
        self._at = Iteration(server.relationship, start.T, start.rho, start.age, memory)
        self._residual = np.inf
        server.forget_response()  # nothing asks for it on the way

    def go_on(self, rng: np.random.Generator, most: int) -> None:
        """At most so many iterations; the nodes end with the best dual variables."""
        server, steps, log = self._server, self._steps, self.log
        steps.hold()
        for _ in range(most):
            if self._at.is_lost or not log.begin_round(self._tol, self._max_iter):
                break
            Z = self._advance(rng)
            W, objective = self._price(Z)
            bound = steps.bound(server.relationship)
            if bound.value > log.best.dual_objective:
                steps.keep()
            log.enter(server, W, objective, bound.value, objective + bound.magnitude)
            if log.is_last(self._tol, self._max_iter):
                steps.settle()
                log.close(server, self._nodes)
            self._update(Z.W)
        steps.settle()

    def sharpen(self, rng: np.random.Generator) -> None:
        """Go on until no residual is left: that of a gap which rounding hides may be.

        The nodes end with the last dual variables, if these meet the tolerance.
        """
        server, nodes, steps = self._server, self._nodes, self._steps
        before = nodes.alpha
        for _ in range(_SHARPENING):
            Z = self._advance(rng)
            self._update(Z.W)
            size = float(np.linalg.norm(Z.W)) / np.sqrt(len(Z.W))
            if self._at.is_lost or self._residual <= _SHARP * size:
                break
        steps.bound(server.relationship)
        steps.keep()
        steps.settle()
        if self._at.is_lost or not server.certify(nodes).meets(self._tol):
            nodes.alpha = before

    def _advance(self, rng: np.random.Generator) -> Proximal:
        """Both proximal steps."""
        close = _ACCURACY * self._residual if np.isfinite(self._residual) else 0.0
        at, Z = self._at, self._at.proximal(close)
        asked = None if at.is_alone else Z.W
        self._steps.run(2.0 * Z.W - at.T, at.rho, self._residual, rng, asked)
        vectors = 2 if asked is None else 3
        self._server.count(self._steps.n_answers, vectors=vectors, scalars=_SCALARS)
        return Z

    def _price(self, Z: Proximal) -> tuple[Array, float]:
        """Weights whose losses the nodes have told, and the objective there."""
        W, relationship = self._steps.told, self._server.relationship
        return W, self._steps.loss + (Z.penalty if W is Z.W else relationship.penalty(W))

    def _update(self, Z: Array) -> None:
        """Take the next state."""
        steps = self._steps
        residual, is_whole = steps.W - Z, True
        if isinstance(steps.which, np.ndarray):  # who has not answered stays where it is
            residual[np.delete(np.arange(len(Z)), steps.which)] = 0.0
            is_whole = len(steps.which) == len(Z)
        self._residual = float(np.linalg.norm(residual)) / np.sqrt(len(Z))
        self._at.advance(Z, steps.V, residual, is_whole=is_whole)

    def iterate(self) -> Iterate:
        """Where it stands."""
        return Iterate(self._at.T, self._steps.alpha, self._at.rho, self._at.age, None)


def _memory(loss: Loss) -> int:
    """Of the extrapolation."""
    return _LINEAR_MEMORY if loss.linear else MEMORY


def _first_iterate(
    server: Server, loss: Loss, W: Array, V: Array | None, squares: float
) -> Iterate:
    """The state that leads to weights and dual variables, these of moments ``V`` if not of none."""
    relationship = server.relationship
    rho = relationship.own_rho or _first_rho(relationship, loss, W.shape, squares)
    T = np.zeros(W.shape) if V is None else W + V / rho
    return Iterate(T, np.zeros(0), rho, 0, None)


def _first_rho(
    relationship: Relationship, loss: Loss, shape: tuple[int, ...], squares: float
) -> float:
    """What the regulariser makes of weights, in series with the losses' own curvature.

    At the optimum ``V`` is the slope of ``R``: that over ``W`` is where `Balance` leads to. A
    strong regulariser has small weights, and rho then need not exceed what the nodes themselves
    resist with: the mean curvature of a node along a feature.
    """
    m, d = shape
    curvature = loss.steepness * (squares / (m * d) or 1.0)
    return 1.0 / (1.0 / curvature + 1.0 / relationship.stiffness(d))
