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
sides move (`skfedmtl._solvers.balance`).

References
----------
.. [1] J. Eckstein, D. P. Bertsekas, "On the Douglas-Rachford splitting method and the proximal
   point algorithm for maximal monotone operators", Mathematical Programming 55, 1992.
"""

from __future__ import annotations

import numpy as np

from skfedmtl._model import Proximal, Relationship
from skfedmtl._protocol import NOBODY, Iterate, NodeList, Server, Solution, Watch, assign, stack
from skfedmtl._solvers.finish import AFTER, BEFORE, ENOUGH, PATIENCE, State, run_first
from skfedmtl._solvers.iteration import Iteration
from skfedmtl._solvers.node_steps import Steps, make_steps
from skfedmtl._solvers.pricing import bound_of
from skfedmtl._solvers.progress import Log
from skfedmtl._solvers.schedule import Schedule
from skfedmtl._solvers.workers import Workers
from skfedmtl._typing import Array

_SCALARS = 15  #: beside the two vectors: rho and the mixture down, a loss and a conjugate up
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
        Where to go on; afterwards, where this one has ended.
    """

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
        self.iterate = iterate

    def solve(
        self, server: Server, nodes: NodeList, rng: np.random.Generator, watch: Watch = NOBODY
    ) -> Solution:
        """Improve weights and dual variables from where they are."""
        log = Log(server, nodes, watch)
        state = self._begin(server, nodes, log)
        is_laboratory = self.schedule is None and self.tol > 0.0
        with Workers(self.n_jobs) as workers:
            if is_laboratory and self.iterate is None:
                run_first(BEFORE, state)
            run = _Run(state, self.iterate or self._first_iterate(state), self, workers)
            if is_laboratory and any(method.applies(state) for method in AFTER):
                self._split_while_it_pays(run, rng)
                run_first(AFTER, state)
            run.go_on(rng, self.max_iter)
        if is_laboratory:
            log.prefer_own(server, nodes, self.tol)
        self.iterate = run.iterate()
        return log.solution(self.tol)

    def _begin(self, server: Server, nodes: NodeList, log: Log) -> State:
        """A state whose log knows weights of zero, and those of the last fit."""
        nothing = np.zeros_like(server.V)
        is_cold = np.array_equal(stack(nodes, "alpha"), nodes.start())
        log.offer(nothing, nodes.loss_of(np.zeros(len(nodes.y))))
        if self.iterate is not None and self.iterate.W is not None:
            W = self.iterate.W
            log.offer(W, nodes.loss_at(W) + server.relationship.penalty(W))
        return State(server, nodes, log, self.tol, self.max_iter, is_cold)

    def _first_iterate(self, state: State) -> Iterate:
        """The state that would lead to the best weights and dual variables."""
        server, nodes, log = state.server, state.nodes, state.log
        rho = server.relationship.own_rho or _first_rho(server.relationship, nodes)
        alpha: Array = stack(nodes, "alpha")
        T = np.zeros_like(server.V)
        if log.rounds > 0 or not state.is_cold:
            T = log.W + nodes.moments_of(alpha) / rho
        return Iterate(T, alpha.copy(), rho, 0, None)

    def _split_while_it_pays(self, run: _Run, rng: np.random.Generator) -> None:
        log, gap = run.state.log, np.inf
        while log.best.gap < ENOUGH * gap and not log.is_last(self.tol, self.max_iter):
            gap = log.best.gap
            run.go_on(rng, PATIENCE)


class _Run:
    """One iteration, step by step."""

    def __init__(
        self, state: State, start: Iterate, solver: SplittingSolver, workers: Workers
    ) -> None:
        self.state = state
        self._server, self._nodes = state.server, state.nodes
        self._steps: Steps = make_steps(
            state.nodes, start.alpha.copy(), state.log.W, solver.schedule, workers
        )
        memory = _LINEAR_MEMORY if state.nodes[0].loss.linear else MEMORY
        in_step = solver.schedule is None or solver.schedule.is_full
        self._at = Iteration(
            state.server.relationship, start.T, start.rho, start.age, memory if in_step else 0
        )
        self._residual = np.inf

    def go_on(self, rng: np.random.Generator, most: int) -> None:
        """At most so many iterations; the nodes end with the best dual variables."""
        server, nodes, log = self._server, self._nodes, self.state.log
        best: Array = stack(nodes, "alpha")
        for _ in range(most):
            if self._at.is_lost or not self.state.begin_round():
                break
            Z = self._advance(rng)
            W, objective = self._price(Z)
            bound = bound_of(server.relationship, nodes, self._steps.alpha, self._steps.V)
            if bound.value > log.best.dual_objective:
                best = bound.alpha
            log.enter(server, W, objective, bound.value, objective + bound.magnitude)
            if log.is_last(self.state.tol, self.state.max_iter):
                assign(nodes, best)
                log.close(server, nodes)
            self._update(Z.W)
        assign(nodes, best)

    def _advance(self, rng: np.random.Generator) -> Proximal:
        """Both proximal steps."""
        at, Z = self._at, self._at.proximal()
        asked = None if at.is_alone else Z.W
        self._steps.run(2.0 * Z.W - at.T, at.rho, self._residual, rng, asked)
        self._server.count(self._steps.n_answers, vectors=2, scalars=_SCALARS)
        return Z

    def _price(self, Z: Proximal) -> tuple[Array, float]:
        """Weights whose losses the nodes have told, and the objective there."""
        W, relationship = self._steps.told, self._server.relationship
        return W, self._steps.loss + (Z.penalty if W is Z.W else relationship.penalty(W))

    def _update(self, Z: Array) -> None:
        """Take the next state."""
        steps = self._steps
        residual = steps.W - Z
        if isinstance(steps.which, np.ndarray):  # who has not answered stays where it is
            residual[np.delete(np.arange(len(Z)), steps.which)] = 0.0
        self._residual = float(np.linalg.norm(residual)) / np.sqrt(len(Z))
        self._at.advance(Z, steps.V, residual)

    def iterate(self) -> Iterate:
        """Where it stands."""
        return Iterate(self._at.T, self._steps.alpha, self._at.rho, self._at.age, None)


def _first_rho(relationship: Relationship, nodes: NodeList) -> float:
    """What the regulariser makes of weights, in series with the losses' own curvature.

    At the optimum ``V`` is the slope of ``R``: that over ``W`` is where `Balance` leads to. A
    strong regulariser has small weights, and rho then need not exceed what the nodes themselves
    resist with: the mean curvature of a node along a feature.
    """
    d = nodes.X.shape[1]
    norms = float(np.sum(nodes.weight * stack(nodes, "squared_norm")))
    curvature = nodes[0].loss.steepness * (norms / (len(nodes) * d) or 1.0)
    return 1.0 / (1.0 / curvature + 1.0 / relationship.stiffness(d))
