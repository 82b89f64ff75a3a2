"""The federated protocol: nodes in parallel, one exchange of vectors a round.

In a round every node that takes part receives its weights ``w_l`` and a curvature,
improves its own dual variables as far as its epochs allow, and answers with the change of
its moment ``v_l`` and a few numbers: conjugate sums, losses, and the inner products of
this answer with those that it keeps.

MOCHA [1]_ adds the answers up, which is safe only with curvatures inflated by up to the
number of nodes. Here the nodes are told modest curvatures and keep their last answers,
and the server returns the best combination of them (`skfedmtl._solvers.bundle`): the dual cannot
fall, and the answers of several rounds, those of absent nodes included, work together.
Seen from the primal side this is a bundle method [2]_: an answer is a cutting plane of its
node's loss, the curvature the weight of a proximal term. Near the end, or
when progress is slow, every second round all but drops that term, so that the planes cut
where the weights are.

References
----------
.. [1] V. Smith, C.-K. Chiang, M. Sanjabi, A. Talwalkar, "Federated Multi-Task Learning",
   NeurIPS 2017.
.. [2] C. H. Teo, S. V. N. Vishwanathan, A. J. Smola, Q. V. Le, "Bundle Methods for
   Regularized Risk Minimization", JMLR 11, 2010.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.utils.parallel import Parallel, delayed

from skfedmtl._protocol import (
    AVERAGING,
    MEMORY,
    NOBODY,
    Answer,
    Greeted,
    Greeting,
    Mixture,
    Nodes,
    Order,
    Server,
    Solution,
    Watch,
)
from skfedmtl._solvers.bundle import Answers, combine, is_as_good
from skfedmtl._solvers.progress import Log
from skfedmtl._solvers.schedule import Draws, Schedule, heard
from skfedmtl._typing import Array

_BRAVER, _WARIER = 1.0 / 1.3, 1.3  #: change of a node's curvature after a good, a poor answer
_CUTTING = (1e-3, 1e-9)  #: shares of the curvature left in rounds that cut, in turn,
_BLUNT = 1e-5  #: gap below which the bound may tell answers no more apart
_CUTTING_GAP, _SLOW = 1e-3, 0.8  #: below this gap, or when two rounds left more of it than this
_BLOCKS_A_WORKER = 2
_NOISE = 1e-13  #: of the largest inner product of a node: what rounding may have spoilt


class MochaSolver:
    """Fits a server and its nodes by rounds of parallel answers.

    Parameters
    ----------
    tol, max_iter : float, int
        As in `SplittingSolver`; a round is one exchange.
    schedule : Schedule
        Which nodes answer in a round, and how long they work.
    n_jobs : int or None
        Workers, as in joblib.
    """

    def __init__(
        self, *, tol: float, max_iter: int, schedule: Schedule, n_jobs: int | None
    ) -> None:
        self.tol, self.max_iter = tol, max_iter
        self.schedule, self.n_jobs = schedule, n_jobs

    def solve(
        self, server: Server, nodes: Nodes, rng: np.random.Generator, watch: Watch = NOBODY
    ) -> Solution:
        """Improve the nodes' dual variables from where they are."""
        nodes.reseed(int(rng.integers(2**63)))
        log = Log(server, nodes, watch)
        log.offer_nothing(server, nodes)
        greeted = nodes.greet(Greeting(server.response.W))
        kept = KeptAnswers(nodes, server.V, greeted)
        points = _Points(server.response.W, greeted.loss)
        daring, gaps = np.ones(len(nodes)), [np.inf, np.inf]
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            while log.begin_round(self.tol, self.max_iter):
                gaps.append(log.best.gap)
                curvature = _cut(log, gaps) * _curvature(server, daring)
                which, answers = self._ask(server, nodes, curvature, rng, parallel)
                kept.add(which, answers)
                points.add(which, server.response.W, curvature, answers)
                t = kept.combine(server.relationship)
                if log.best.meets(_BLUNT):
                    t = kept.or_newest(server.relationship, which, t)
                kept.settle(t)
                nodes.settle(Mixture(t))
                server.set_moments(kept.V.copy())
                server.count(len(answers), vectors=2, scalars=kept.n_scalars)
                _learn(daring, which, t[which, -1])
                points.enter(log, server, float(kept.conjugate.sum()))
                closed = log.meets(self.tol) or log.rounds == self.max_iter
                if closed:
                    # the nodes' own report has the last word
                    log.close(server, nodes)
                    kept = KeptAnswers(nodes, server.V, nodes.greet(Greeting(points.mean)))
            if log.stopped and not closed:
                log.close(server, nodes)
        return log.solution(self.tol)

    def _ask(
        self,
        server: Server,
        nodes: Nodes,
        curvature: Array,
        rng: np.random.Generator,
        parallel: Any,
    ) -> tuple[NDArray[np.intp], list[Answer]]:
        """A round's answers, and whose they are."""
        draws = self.schedule.draw(rng)
        orders = _orders(server.response.W, curvature, draws)
        return heard(draws.which, nodes.answer(draws.which, orders, self._runner(parallel)))

    def _runner(self, parallel: Any) -> Callable[..., list[Any]]:
        """Runs pieces of work in workers, which get blocks of them, since nodes are small."""

        def run(work: Callable[..., Any], parts: list[tuple[Any, ...]]) -> list[Any]:
            n_blocks = max(1, min(len(parts), _BLOCKS_A_WORKER * effective_n_jobs(self.n_jobs)))
            cuts = np.linspace(0, len(parts), n_blocks + 1).astype(int)
            done = parallel(
                delayed(_run_block)(work, parts[low:high]) for low, high in itertools.pairwise(cuts)
            )
            return [one for block in done for one in block]

        return run


def _run_block(work: Callable[..., Any], parts: list[tuple[Any, ...]]) -> list[Any]:
    """One piece of work after another."""
    return [work(*part) for part in parts]


def _orders(W: Array, curvature: Array, draws: Draws) -> list[Order]:
    """What the nodes that take part are told."""
    return [
        Order(W[l].copy(), float(curvature[l]), epochs) for l, epochs in zip(*draws, strict=True)
    ]


def _cut(log: Log, gaps: list[float]) -> float:
    """What is left of the curvatures: less in every other round, where the gap falls slowly."""
    slow = gaps[-1] > _SLOW * gaps[-3] or log.best.meets(_CUTTING_GAP)
    return _CUTTING[log.rounds // 2 % 2] if slow and log.rounds % 2 else 1.0


def _curvature(server: Server, daring: Array) -> Array:
    """What each node is told: its share of the tie, and no more than it dares."""
    first = server.relationship.first_curvature()
    modest = np.maximum(server.response.curvature(), 0.2 * first)
    return np.clip(daring * modest, 1e-3 * first, 10.0 * first)


def _learn(daring: Array, which: NDArray[np.intp], newest: Array) -> None:
    """Answers that were taken whole allow longer steps, those left aside ask for shorter ones."""
    factor = np.where(newest > 0.9, _BRAVER, np.where(newest < 0.3, _WARIER, 1.0))
    daring[which] = np.clip(daring[which] * factor, 0.1, 50.0)


class KeptAnswers:
    """What the server knows of the answers that the nodes keep.

    Of `nodes` it reads the loss alone.
    """

    def __init__(self, nodes: Any, V: Array, greeted: Greeted) -> None:
        m, d = V.shape
        self.V = V.copy()
        self.conjugate = np.array(greeted.conjugate)
        self._answers = Answers(
            np.zeros((m, MEMORY, d)), np.zeros((m, MEMORY)), np.zeros((m, MEMORY, MEMORY))
        )
        self._noise = np.zeros(m)
        self._modulus = nodes.loss.modulus
        self._free = not np.isfinite(nodes.loss.bounds).any()

    @property
    def n_scalars(self) -> int:
        """Numbers beside the two vectors of an exchange."""
        # down: a curvature and the weights; up: two conjugates, three losses, inner products
        return 1 + MEMORY + 5 + (MEMORY if self._modulus > 0.0 else 0)

    def add(self, which: NDArray[np.intp], answers: list[Answer]) -> None:
        """Take the answers of these nodes."""
        for l, answer in zip(which, answers, strict=True):
            self._add(l, answer)

    def _add(self, l: int, answer: Answer) -> None:
        """Put a new answer in the place of the oldest one."""
        before, after = answer.conjugates
        moments, conjugates, gram = (part[l] for part in self._answers)
        # the bound that stood for the node's conjugate gives way to its value
        conjugates += self.conjugate[l] - before
        self.conjugate[l] = before
        for part in (moments, conjugates, gram):
            part[:-1] = part[1:]
        gram[:, :-1] = gram[:, 1:]
        moments[-1], conjugates[-1] = answer.dv, after - before
        if self._modulus > 0.0:
            gram[-1] = gram[:, -1] = answer.products
            self._noise[l] = max(self._noise[l], _NOISE * gram[-1, -1])

    def combine(self, relationship: Any) -> Array:
        """The best weights of the kept answers."""
        known = self._known()
        return combine(relationship, self.V, known, modulus=self._modulus, free=self._free)

    def or_newest(self, relationship: Any, which: NDArray[np.intp], t: Array) -> Array:
        """These weights, or the newest answers whole, if the bound cannot tell them apart.

        Near the optimum of a loss with a kink the bound is flat where weights still have digits to
        win, which nodes find by themselves.
        """
        if self._modulus > 0.0:
            return t
        newest = np.zeros_like(t)
        newest[which, -1] = 1.0
        return newest if is_as_good(relationship, self.V, self._known(), newest, t) else t

    def _known(self) -> Answers:
        """The answers, their inner products no smaller than rounding allows."""
        moments, conjugates, gram = self._answers
        return Answers(moments, conjugates, gram + self._noise[:, None, None] * np.eye(MEMORY))

    def settle(self, t: Array) -> None:
        """The combination becomes the present state of every node."""
        moments, conjugates, gram = self._answers
        change = self._known().change(t, self._modulus)
        dV = np.einsum("mk,mkd->md", t, moments)
        bent = np.einsum("mjk,mk->mj", gram, t)
        self.conjugate += change
        self.V += dV
        conjugates -= change[:, None]
        moments -= dV[:, None]
        square = np.einsum("mj,mj->m", t, bent)[:, None, None]
        gram += square - bent[:, :, None] - bent[:, None, :]


class _Points:
    """Weights whose loss the answers bring along: one of them is the round's result."""

    def __init__(self, W: Array, losses: Array) -> None:
        self._sent, self._local, self.mean = W.copy(), W.copy(), W.copy()
        self._losses = np.repeat(losses[:, None], 3, axis=1)

    def add(
        self, which: NDArray[np.intp], W: Array, curvature: Array, answers: list[Answer]
    ) -> None:
        """Note the losses of these nodes' answers, and the weights that they belong to."""
        for l, answer in zip(which, answers, strict=True):
            self._sent[l], self._local[l] = W[l], W[l] + curvature[l] * answer.dv
            self.mean[l] += AVERAGING * (self._local[l] - self.mean[l])
            self._losses[l] = answer.losses

    def enter(self, log: Log, server: Server, conjugate: float) -> None:
        """End the round with the best of the points and the dual objective."""
        points = (self._sent, self._local, self.mean)
        values = [
            loss + server.relationship.penalty(W)
            for loss, W in zip(self._losses.sum(axis=0), points, strict=True)
        ]
        best = int(np.argmin(values))
        value, bound = float(values[best]), server.response.value
        magnitude = value + abs(conjugate) + abs(bound)
        log.enter(server, points[best].copy(), value, -conjugate - bound, magnitude)
