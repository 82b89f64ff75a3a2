"""Second-order steps before and after the splitting, on one machine, where problems are small.

========  ==================================================  ==============================
when      where                                               what
========  ==================================================  ==============================
`BEFORE`  the loss is curved and its system small             `WeightSteps`
          (`weight_newton.applies`); the regulariser is
          quadratic, or the tolerance below `_PRECISE`, or
          the curvature of the loss not constant and the
          regulariser has a majorant; and nodes are few
          (`_has_few_nodes`)
`AFTER`   at most `MAX_WEIGHTS` weights                       `SmoothSteps`, by `InsidePath`
                                                              if the loss is linear, else by
                                                              `SmoothPath`
========  ==================================================  ==============================

Before is where no iterate of an earlier fit leads on. After is when the splitting has made
`PATIENCE` iterations, and as many again while they left less than `ENOUGH` of the gap. Neither
comes where nodes follow a schedule, no gap is asked for or the regulariser cannot be smoothed, nor
once the fit is over; of several methods that apply the first runs.

Each keeps what is best of weights and of dual variables, so that none loses ground, and the
splitting goes on from there.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from skfedmtl._protocol import NodeTable, Server
from skfedmtl._solvers import weight_newton
from skfedmtl._solvers.dense_system import MAX_WEIGHTS
from skfedmtl._solvers.inside_path import InsidePath
from skfedmtl._solvers.pricing import Dual, bound_of
from skfedmtl._solvers.progress import Log, takes_others
from skfedmtl._solvers.smooth_path import SmoothPath
from skfedmtl._typing import Array

PATIENCE = 50  #: iterations of the splitting that come first,
ENOUGH = 0.1  #: and as many again while they leave less of the gap

_PRECISE = 1e-7  #: a tolerance below which exact steps of nodes are no match for Newton's
_MANY_NODES = 128  #: of which the splitting may make more than second-order steps
_FAR = 0.1  #: a relative gap beyond which weights tell nothing
_ALTERNATIONS = 7  #: rounds that hold the relationship, at most; the last makes a Newton step too
_HELPED = 0.7  #: one that leaves less of the gap is followed by another
_STALLED = 0.9  #: what a slow step leaves of the gap
_SLOW_STEPS = 3  #: in a row, and no more are made


class State(NamedTuple):
    """A fit between two methods; the nodes hold the best dual variables."""

    server: Server
    nodes: NodeTable
    log: Log
    tol: float
    max_iter: int
    is_cold: bool  #: whether nothing is known yet

    def begin_round(self) -> bool:
        return self.log.begin_round(self.tol, self.max_iter)


class Finish(Protocol):
    """One method of the table."""

    def applies(self, state: State) -> bool: ...
    def run(self, state: State) -> None: ...


def _has_few_nodes(server: Server) -> bool:
    """Whether second-order steps from the start may pay.

    Of many nodes that share what they learn of few features, the splitting makes more of them.
    """
    shares = not server.relationship.is_quadratic
    return not (shares and len(server.V) >= max(_MANY_NODES, server.V.shape[1]))


def _can_alternate(server: Server) -> bool:
    """Whether the first steps from afar may hold the relationship."""
    return server.relationship.majorant(server.response.W) is not None


class WeightSteps:
    """Newton's method through the weights, for as long as that pays."""

    def applies(self, state: State) -> bool:
        server, nodes = state.server, state.nodes
        return (
            weight_newton.applies(server, nodes)
            and (
                # one step solves what is quadratic as a whole, and the last ones gain many digits;
                # else the splitting's own steps are exact where curvature is constant
                server.relationship.is_quadratic
                or state.tol < _PRECISE
                or (not nodes.loss.constant_curvature and _can_alternate(server))
            )
            and _has_few_nodes(server)
        )

    def run(self, state: State) -> None:
        _WeightRounds(state).run()


class _WeightRounds:
    """The rounds of `WeightSteps`.

    From a cold start the first ones alternate: they solve every node with the relationship held.
    The others are Newton steps.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._start = state.nodes.alpha
        self._least = state.log.best.dual_objective
        server = state.server
        u = np.zeros_like(server.V) if state.is_cold else server.response.W
        self._newton = weight_newton.WeightNewton(server, state.nodes, u)
        self._alternations = _ALTERNATIONS if state.is_cold else 0  #: that may follow
        self._slow_steps = 0

    def run(self) -> None:
        """All rounds; the last one is closed, as is the one in which whoever watches ends it."""
        state = self._state
        goes_on = True
        is_closed = True
        while goes_on and state.begin_round():
            goes_on = self._step()
            is_closed = not goes_on or state.log.is_last(state.tol, state.max_iter)
            if is_closed:
                self._close()
        if not is_closed:
            self._close()

    def _step(self) -> bool:
        """One round; whether another one is worth it."""
        newton, log = self._newton, self._state.log
        before = log.best.gap
        goes_on = True
        has_risen = self._alternations > 0 and newton.alternate()
        self._alternations = self._alternations - 1 if has_risen else 0
        if self._alternations == 0:
            goes_on = newton.step(before)
        newton.enter(log, self._state.tol)
        is_slow = self._alternations == 0 and log.best.gap > _STALLED * before
        self._slow_steps = self._slow_steps + 1 if is_slow else 0
        if log.best.gap >= _HELPED * before:
            self._alternations = 0
        return goes_on and self._slow_steps < _SLOW_STEPS

    def _close(self) -> None:
        state, newton = self._state, self._newton
        server, nodes, log, tol = state.server, state.nodes, state.log, state.tol
        better = newton.dual_objective >= self._least
        # who asks for the last digits of the objective looks at those of the weights
        exact = better and log.meets(tol) and not takes_others(tol)
        if exact and newton.step(log.best.gap):
            newton.adopt()
            log.close(server, nodes)
        else:
            if not better:
                nodes.alpha = self._start
                server.gather(nodes)
            log.confirm(server, nodes)
        log.settle(server, nodes, tol)


class SmoothSteps:
    """Newton's method on a smoothed primal; the last resort."""

    def applies(self, state: State) -> bool:
        server = state.server
        return server.relationship.is_smoothable and server.V.size <= MAX_WEIGHTS

    def run(self, state: State) -> None:
        nodes, log = state.nodes, state.log
        incumbent: Array = nodes.alpha
        path = _path(state)
        goes_on = True
        while goes_on and state.begin_round():
            goes_on = path.advance()
            bound = _best_bound(state, path)
            if bound.value > log.best.dual_objective:
                incumbent = bound.alpha
            _enter(state, path.W, bound)
            if log.is_last(state.tol, state.max_iter):
                nodes.alpha = incumbent
                log.confirm(state.server, nodes)
        nodes.alpha = incumbent
        log.confirm(state.server, nodes)
        log.settle(state.server, nodes, state.tol)


def _best_bound(state: State, path: SmoothPath | InsidePath) -> Dual:
    """The best of the bounds that a path's dual variables give."""
    relationship, nodes = state.server.relationship, state.nodes
    bounds = (
        bound_of(relationship, nodes, alpha, nodes.moments_of(alpha)) for alpha in path.duals()
    )
    return max(bounds, key=lambda bound: bound.value)


def _enter(state: State, W: Array, bound: Dual) -> None:
    """End a round with these weights, or with those of the bound if they are better."""
    server, nodes = state.server, state.nodes
    exact = server.relationship.respond(nodes.moments_of(bound.alpha))
    objective = nodes.loss_at(W) + server.relationship.penalty(W)
    of_exact = nodes.loss_at(exact.W) + exact.penalty
    if of_exact < objective:
        W, objective = exact.W, of_exact
    server.count(len(nodes), vectors=4, scalars=server.V.shape[1] ** 2)
    state.log.enter(server, W, objective, bound.value, objective + bound.magnitude)


def _path(state: State) -> SmoothPath | InsidePath:
    """The path that suits the loss, from the best weights if they are worth something."""
    log, nodes = state.log, state.nodes
    gap = log.best.relative_gap
    W = log.W if gap < _FAR else np.zeros_like(log.W)
    begin = state.server.relationship, nodes, W, gap
    return InsidePath(*begin, state.tol) if nodes.loss.linear else SmoothPath(*begin)


BEFORE: tuple[Finish, ...] = (WeightSteps(),)
AFTER: tuple[Finish, ...] = (SmoothSteps(),)


def run_first(methods: tuple[Finish, ...], state: State) -> None:
    """Run the first of the methods that applies, if one does and the fit is not over."""
    if state.log.is_last(state.tol, state.max_iter):  # preparing a method costs as much as steps
        return
    for method in methods:
        if method.applies(state):
            method.run(state)
            return
