"""Problems and MOCHA's aggregation, for `rounds`, `systems`, `exchanges` and `seconds`.

MOCHA [1]_ adds up the nodes' answers. With A = lambda1 Omega + lambda2 I and B = A^-1 at the
current relationship, a node works on ``w_l`` with the curvature ``g (1/2) B_ll``, where ::

    g = max over l of  sum_k |B_lk| / B_ll        (l and k among the nodes that take part)

makes the sum safe as long as the relationship stays. It is learned anew after every round, so
that the dual may fall all the same; histories keep the best primal and dual value so far, and
count the falls. In the first rounds a B_ll may be next to nothing, and the rule runs wild: then
1/(2 lambda2) takes its place for all nodes, which is safe whatever the relationship.

Everything is built from the package's own nodes, server and compiled coordinate steps: the
methods differ in what is sent and how answers are combined, in nothing else.

References
----------
.. [1] V. Smith, C.-K. Chiang, M. Sanjabi, A. Talwalkar, "Federated Multi-Task Learning",
   NeurIPS 2017.
"""

import math
import time

import numpy as np
from _common import LAMBDA1, LAMBDA2, is_regression, load_scaled

from skfedmtl._model.learned import Learned
from skfedmtl._model.losses import LOSSES
from skfedmtl._protocol.messages import MEMORY, Greeting, Mixture, Order
from skfedmtl._protocol.problem import FederatedProblem
from skfedmtl._solvers.splitting import SplittingSolver
from skfedmtl._tools.task import Task

__all__ = [
    "LAMBDA1",
    "LAMBDA2",
    "OURS",
    "PLAIN",
    "Deadline",
    "least_objective",
    "load_scaled",
    "make_problem",
    "plain_history",
    "plain_round",
    "safe_curvature",
]

OURS, PLAIN = "skfedmtl", "plain"  #: names of two methods in tables and figures

_TINY = 1e-4  #: share of 1/(2 lambda2) below which (1/2) B_ll says nothing yet


class Deadline(Task):
    """Ends a fit after so many seconds."""

    def __init__(self, seconds):
        self._until = time.perf_counter() + seconds

    def end(self, attributes=None, metadata=None):
        return time.perf_counter() > self._until


def make_problem(name, X, y, nodes, *, loss=None, lambda1=LAMBDA1, lambda2=LAMBDA2):
    """The problem that the estimators solve for these rows, not yet solved.

    `loss` is the estimators' default where it is None.
    """
    labels, codes = np.unique(nodes, return_inverse=True)
    regression = is_regression(name)
    loss = loss or ("squared_error" if regression else "hinge")
    return FederatedProblem(
        X,
        y.astype(float) if regression else np.where(y == 1, 1.0, -1.0),
        codes,
        np.ones(len(X)),
        loss=LOSSES[loss](),
        relationship=Learned(len(labels), lambda1, lambda2),
        intercept="centred" if regression else "feature",
    )


def least_objective(problem):
    """Solve it to a relative gap of 1e-6; the objective there."""
    solver = SplittingSolver(tol=1e-6, max_iter=1000)
    return problem.solve(solver, np.random.default_rng(0)).certificate.objective


def safe_curvature(server, which, *, capped=False):
    """g (1/2) B_ll of the nodes `which`; 1/(2 lambda2) while a B_ll is next to nothing.

    The gradient of R* is Lipschitz with constant 1/(2 lambda2), so that no node ever needs a
    higher curvature than this; ``capped=True`` lets none exceed it.
    """
    most = 0.5 / server.relationship.lambda2
    half = server.response.frozen_product(np.eye(len(server.V)))[np.ix_(which, which)]
    own = np.diag(half)
    if own.min() <= _TINY * most:
        return np.full(len(which), most)
    curvature = own * (np.abs(half).sum(axis=1) / own).max()
    return np.minimum(curvature, most) if capped else curvature


def plain_round(server, nodes, which, epochs, rng, *, capped=False):
    """The nodes `which` answer, each after its own `epochs`; the server adds up their dv."""
    W, V = server.response.W, server.V.copy()
    curvature = safe_curvature(server, which, capped=capped).tolist()
    # as `MochaSolver` asks nodes, but what they answer is adopted whole
    nodes.reseed(int(rng.integers(2**63)))
    nodes.greet(Greeting(W))
    orders = [Order(W[l], c, passes) for l, c, passes in zip(which, curvature, epochs, strict=True)]
    answers = nodes.answer(which, orders, lambda work, parts: [work(*part) for part in parts])
    t = np.zeros((len(nodes), MEMORY))
    t[which, -1] = 1.0
    nodes.settle(Mixture(t))
    for l, answer in zip(which, answers, strict=True):
        V[l] += answer.dv
    server.set_moments(V)


def plain_history(problem, *, epochs, max_rounds, tol, capped=False, limit=math.inf):
    """Rounds of plain MOCHA, all nodes in each; keys as in ``history_``, and ``falls`` so far.

    None begins after `limit` seconds.
    A round costs a node two vectors and three numbers: the curvature, and for the certificate
    its loss and conjugate.
    """
    server, nodes, rng = problem.server, problem.nodes, np.random.default_rng(0)
    m, d = server.V.shape
    now = server.certify(nodes)
    lines, falls = [(0, now.objective, now.dual_objective, 0, 0)], 0
    which, start = np.arange(m), time.perf_counter()
    for count in range(1, max_rounds + 1):
        if time.perf_counter() - start > limit:
            break
        plain_round(server, nodes, which, [epochs] * m, rng, capped=capped)
        before, now = now.dual_objective, server.certify(nodes)
        falls += now.dual_objective < before - 1e-12 * abs(before)
        objective = min(lines[-1][1], now.objective)
        dual = max(lines[-1][2], now.dual_objective)
        lines.append((count, objective, dual, 8 * count * m * (2 * d + 3), falls))
        if objective - dual <= tol * objective:
            break
    names = ("round", "objective", "dual_objective", "bytes_communicated", "falls")
    return dict(zip(names, np.array(lines, dtype=float).T, strict=True))
