"""The methods of `systems.py`, and the clock that prices their rounds.

A `Plan` draws, round by round, which nodes take part and how fast each of them is. A method
turns that into work: those with a deadline let a slow node do less, CoCoA waits for it. A
`Run` keeps, for every round, the seconds of the slowest node, the bytes of one node, and the
primal objective, so that any network can be priced afterwards.
"""

from typing import NamedTuple

import numpy as np
from _protocol_peers import LAMBDA1, LAMBDA2, plain_round, safe_curvature

from skfedmtl._solvers.mocha import MochaSolver
from skfedmtl._solvers.schedule import Draws

__all__ = ["METHODS", "NETWORKS", "Plan", "run"]

SPEED = 1e7  #: flops a second of a node at full speed
NETWORKS = {"3G": (0.3, 1e6), "LTE": (0.07, 6e6), "WiFi": (0.02, 2e7)}  #: seconds, bits a second
STEP = 4  #: flops a feature of a coordinate step or of a row's gradient: x.w, then w + c x
REPORT = 8  #: flops a row and feature that our node adds: losses at three points, and its dv
_ENDED = 2e-3  #: runs end at this sub-optimality
_RUNAWAY = 1e100  #: or when a step was too long for good


class Plan:
    """Who takes part in a round, and how fast.

    Parameters
    ----------
    sizes : ndarray of shape (m,)
        Rows of each node.
    low, high : float
        Between which each node's share of full speed is drawn anew every round.
    participation : float
        Share of the nodes that take part.
    """

    def __init__(self, sizes, low=1.0, high=1.0, participation=1.0):
        self.sizes, self.low, self.high = sizes, low, high
        self.count = max(1, round(participation * len(sizes)))

    def draw(self, rng):
        """Positions of the nodes, their shares of full speed."""
        which = np.sort(rng.permutation(len(self.sizes))[: self.count])
        return which, rng.uniform(self.low, self.high, len(self.sizes))[which]

    def deadline(self, which, speed, epochs):
        """Epochs that each node has time for while a mean node at full speed does `epochs`."""
        return epochs * speed * self.sizes.mean() / self.sizes[which]


class Run(NamedTuple):
    """One line a round: seconds of the slowest node, bytes of one node, best objective so far.

    ``objective`` has one line more: the start.
    """

    compute: np.ndarray
    size: np.ndarray
    objective: np.ndarray

    def clock(self, network):
        """Simulated seconds after every round, the start included."""
        latency, bandwidth = NETWORKS[network]
        return np.append(0.0, np.cumsum(self.compute + latency + 8 * self.size / bandwidth))


def run(method, choice, problem, plan, *, max_rounds, least):
    """Run a method of `METHODS` until it is near the objective `least` or out of rounds."""
    return METHODS[method][0](choice, problem, plan, max_rounds, least)


def _seconds(flops, speed):
    return float(np.max(flops / (SPEED * speed)))


def _objective(problem, W):
    return problem.nodes.loss_at(W) + problem.server.relationship.penalty(W)


def _loop(one_round, problem, max_rounds, least):
    """Rounds of a method; `one_round` returns weights, seconds and numbers sent a node."""
    W = problem.server.response.W
    compute, size, objective = [], [], [_objective(problem, W)]
    while len(compute) < max_rounds and objective[-1] > (1.0 + _ENDED) * least:
        W, seconds, numbers = one_round(len(compute) + 1)
        if not np.abs(W).max() < _RUNAWAY:
            break
        compute.append(seconds)
        size.append(8 * numbers)
        objective.append(min(objective[-1], _objective(problem, W)))
    return Run(np.array(compute), np.array(size), np.array(objective))


# -- the protocol of the package ----------------------------------------------------------


class _Recorder:
    """A schedule of the solver that lets nodes work until the plan's deadline."""

    def __init__(self, plan, epochs):
        self.plan, self.epochs, self.drawn = plan, epochs, []

    def draw(self, rng):
        which, speed = self.plan.draw(rng)
        epochs = self.plan.deadline(which, speed, self.epochs)
        self.drawn.append((which, speed, epochs))
        return Draws(which, epochs.tolist())


def _ours(epochs, problem, plan, max_rounds, least):
    recorder = _Recorder(plan, epochs)
    # the gap bounds the sub-optimality: this ends no sooner than the other methods
    solver = MochaSolver(tol=_ENDED, max_iter=max_rounds, schedule=recorder, n_jobs=None)
    history = problem.solve(solver, np.random.default_rng(0)).history
    d = problem.server.V.shape[1]
    compute = [
        _seconds((STEP * passes + REPORT) * plan.sizes[which] * d, speed)
        for which, speed, passes in recorder.drawn
    ]
    # the last line counts a closing certificate as well; the first but one does not
    size = (history["bytes_communicated"][1] - history["bytes_communicated"][0]) / plan.count
    return Run(np.array(compute), np.full(len(compute), size), history["objective"])


# -- answers that are added up ------------------------------------------------------------


def _added(epochs, problem, plan, max_rounds, least, *, waits):
    server, rng = problem.server, np.random.default_rng(0)
    d = server.V.shape[1]

    def one_round(_):
        which, speed = plan.draw(rng)
        passes = np.full(len(which), float(epochs))
        if not waits:
            passes = plan.deadline(which, speed, epochs)
        plain_round(server, problem.nodes, which, passes.tolist(), rng)
        seconds = _seconds(STEP * passes * plan.sizes[which] * d, speed)
        return server.response.W, seconds, 2 * d + 1

    return _loop(one_round, problem, max_rounds, least)


def _mocha(*arguments):
    return _added(*arguments, waits=False)


def _cocoa(*arguments):
    return _added(*arguments, waits=True)


# -- mini-batches -------------------------------------------------------------------------


def _batches(plan, which, speed, share, rng):
    """Rows that each node draws: as many as it has time for."""
    for l, part in zip(which, plan.deadline(which, speed, share), strict=True):
        n = plan.sizes[l]
        yield l, rng.permutation(n)[: int(np.clip(round(part * n), 1, n))]


def _best_steps(loss, y, a, f, q):
    """The exact coordinate step of every row by itself, for the weights received."""
    if loss.linear:  # hinge
        return y * np.clip(y * a + (1.0 - y * f) / q, 0.0, 1.0)
    return a + (y - f - 0.5 * a) / (0.5 + q)


def _overlap(node):
    """The largest eigenvalue of the Gram matrix of the rows, each scaled to length one."""
    length = np.linalg.norm(node.X, axis=1)
    unit = node.X / np.where(length > 0, length, 1.0)[:, None]
    return float(np.linalg.norm(unit, 2) ** 2)


def _mini_batch_sdca(share, problem, plan, max_rounds, least):
    server, nodes, rng = problem.server, problem.nodes, np.random.default_rng(0)
    d = server.V.shape[1]
    alpha = nodes.alpha
    overlap = np.array([_overlap(node) for node in nodes.each()])

    def one_round(_):
        which, speed = plan.draw(rng)
        W, V = server.response.W, server.V.copy()
        curvature = dict(zip(which, safe_curvature(server, which), strict=True))
        batches = list(_batches(plan, which, speed, share, rng))
        for l, rows in batches:
            own, n = nodes.parts[l].start + rows, plan.sizes[l]
            X, weight = nodes.X[own], nodes.weight[own]
            # how much rows drawn together may add to one another, Takac et al.
            safe = 1.0 + (len(rows) - 1) * (overlap[l] - 1.0) / max(1, n - 1)
            q = np.maximum(safe * curvature[l] * weight * nodes.squared_norm[own], 1e-300)
            best = _best_steps(nodes.loss, nodes.y[own], alpha[own], X @ W[l], q)
            change = best - alpha[own]
            alpha[own] = best
            V[l] += (weight * change) @ X
        nodes.alpha = alpha
        server.set_moments(V)
        work = np.array([len(rows) for _, rows in batches])
        return server.response.W, _seconds(STEP * work * d, speed), 2 * d + 1

    return _loop(one_round, problem, max_rounds, least)


def _mini_batch_sgd(choice, problem, plan, max_rounds, least):
    share, step = choice
    nodes, rng = problem.nodes, np.random.default_rng(0)
    W = np.zeros_like(problem.server.V)
    d = W.shape[1]

    def one_round(count):
        nonlocal W
        which, speed = plan.draw(rng)
        # 2 lambda1 Omega W with the best Omega for W is 2 lambda1 ||W||_* U Z'
        U, singular, Zt = np.linalg.svd(W, full_matrices=False)
        kept = singular > 1e-12 * max(singular.max(), 1e-300)
        slope = 2 * LAMBDA1 * singular.sum() * (U[:, kept] @ Zt[kept]) + 2 * LAMBDA2 * W
        batches = list(_batches(plan, which, speed, share, rng))
        for l, rows in batches:
            X, y = nodes.rows(l)[rows], nodes.y[nodes.parts[l]][rows]
            slope[l] += nodes.loss.derivative(y, X @ W[l]) @ X / len(rows)
        W = W - step / np.sqrt(count) * slope
        work = np.array([len(rows) for _, rows in batches])
        return W, _seconds(STEP * work * d, speed), 2 * d

    return _loop(one_round, problem, max_rounds, least)


_SHARES = (0.1, 1.0)
_STEPS = (0.03, 0.1, 0.3, 1.0, 3.0)

#: what runs, and the settings among which the best is taken
METHODS = {
    "skfedmtl": (_ours, (10,)),
    "MOCHA": (_mocha, (1, 10)),
    "CoCoA": (_cocoa, (1, 10)),
    "mini-batch SDCA": (_mini_batch_sdca, _SHARES),
    "mini-batch SGD": (_mini_batch_sgd, tuple((1.0, step) for step in _STEPS)),
}
