"""The way of a fit: its best weights and bound so far, one line of history a round.

A node whose answer is NaN, at home or over a network, makes an objective or a bound that is none:
`Log.enter` takes it for no news.
"""

from __future__ import annotations

import time

import numpy as np

from skfedmtl._protocol import NOBODY, Certificate, Nodes, Server, Solution, Watch
from skfedmtl._tools.task import NO_TASK
from skfedmtl._typing import Array

_TIGHT = 1e-9  #: a tolerance at which objectives no longer tell good weights from better ones


def add_histories(histories: list[dict[str, Array]]) -> dict[str, Array]:
    """The sum of several fits' histories, round by round; one that has ended stays as it ended."""
    length = max(len(history["round"]) for history in histories)
    added = {"round": np.arange(length, dtype=float)}
    for name in histories[0]:
        if name != "round":
            padded = [
                np.pad(history[name], (0, length - len(history[name])), mode="edge")
                for history in histories
            ]
            added[name] = np.sum(padded, axis=0)
    return added


def takes_others(tol: float) -> bool:
    """Whether weights that do not belong to dual variables may be the result.

    Where the objectives differ by little more than rounding hides, they may be worse all the same.
    """
    return tol > _TIGHT


class Log:
    """Weights and lower bound, each kept at its best; begins with a certificate."""

    def __init__(self, server: Server, nodes: Nodes, watch: Watch = NOBODY) -> None:
        self._watch, self._round, self.stopped = watch, NO_TASK, False
        self._clock = time.perf_counter()
        self._lines: list[tuple[float, ...]] = []
        self.best = server.certify(nodes)
        # of the terms of the objective and of the bound, each of the point that it was found at
        self._magnitudes = [
            self.best.objective,
            self.best.magnitude - self.best.objective,
        ]
        self.W = server.response.W
        self._record(server)

    def offer(self, W: Array, objective: float) -> None:
        """Begin with these weights if they are better than those of the dual variables."""
        if objective < self.best.objective:
            self.W, self._magnitudes[0] = W, objective
            self.best = self.best._replace(objective=objective, magnitude=sum(self._magnitudes))
            self._lines[-1] = objective, *self._lines[-1][1:]

    def offer_nothing(self, server: Server, nodes: Nodes) -> None:
        """Begin with weights of zero if they are better."""
        nothing = np.zeros(server.V.shape)
        self.offer(nothing, server.loss_at(nodes, nothing))

    @property
    def rounds(self) -> int:
        """Rounds entered so far."""
        return len(self._lines) - 1

    def meets(self, tol: float) -> bool:
        """Whether the gap is small enough; never for a tolerance of 0."""
        return tol > 0.0 and self.best.meets(tol)

    def is_last(self, tol: float, max_iter: int) -> bool:
        """Whether there is no round after the last one entered, unless closing changes it."""
        return self.meets(tol) or self.rounds >= max_iter

    def begin_round(self, tol: float, max_iter: int) -> bool:
        """End the round before, and begin another; False if that was the last.

        Whoever watches is told of both, and may end the fit.
        """
        if self._round is not NO_TASK:
            attributes = self._watch.attributes
            make = None if attributes is None else lambda: attributes(self.solution(tol))
            self.stopped, self._round = self._round.end(make), NO_TASK
        if self.stopped or self.is_last(tol, max_iter):
            return False
        self._round = self._watch.task.subtask("round")
        return True

    def certify(
        self, server: Server, nodes: Nodes, W: Array | None = None, tol: float = 0.0
    ) -> None:
        """End a round with the server's certificate of its weights.

        Other weights `W` take their place if those miss the tolerance and these are better.
        """
        now, weights = server.certify(nodes), server.response.W
        if W is not None and takes_others(tol) and not now.meets(tol):
            other = server.price(nodes, W)
            if other.objective < now.objective:
                now, weights = other, W
        self.enter(server, weights, now.objective, now.dual_objective, now.magnitude)
        if weights is W:
            self.settle(server, nodes, tol)

    def close(self, server: Server, nodes: Nodes) -> None:
        """Replace the line of the last round by the nodes' own report at its end.

        It has the last word: where rounding made the server reckon a higher bound than the
        nodes bear out, that bound is lowered to theirs.
        """
        del self._lines[-1]
        now = self.confirm(server, nodes)
        self.enter(server, server.response.W, now.objective, now.dual_objective, now.magnitude)

    def confirm(self, server: Server, nodes: Nodes) -> Certificate:
        """Let the nodes' own report have the last word on the bound, and return it."""
        now = server.certify(nodes)
        bound = min(self.best.dual_objective, now.dual_objective)
        self.best = self.best._replace(dual_objective=bound)
        self._lines = [(p, min(d, bound), *rest) for p, d, *rest in self._lines]
        return now

    def prefer_own(self, server: Server, nodes: Nodes, tol: float) -> None:
        """End with the weights of the dual variables where no others can be held to the tolerance.

        That is at the last digits, if these weights meet it.
        """
        if takes_others(tol) or not self.meets(tol) or self.rounds == 0:
            return
        now = server.certify(nodes)
        if now.meets(tol):
            self.W, self.best = server.response.W, now
            del self._lines[-1]
            self._record(server)

    def settle(self, server: Server, nodes: Nodes, tol: float) -> None:
        """Replace the best weights by their part of the rank that the dual variables tell of.

        Weights that were not made of dual variables have what is left of singular values that
        will be zero. They keep it if without it the gap would be too wide, or the objective
        higher than a round before.
        """
        if not takes_others(tol) or self.rounds == 0:
            return
        U, singular, Zt = np.linalg.svd(self.W, full_matrices=False)
        k = server.response.rank
        if not np.any(singular[k:] > 0.0):
            return
        W = (U[:, :k] * singular[:k]) @ Zt[:k]
        now = server.price(nodes, W)
        best = self.best._replace(objective=now.objective)
        line = self._lines.pop()
        # within the tolerance itself: what rounding may hide is no reason to take worse weights
        known = min(self._lines[-1][0], np.inf if best.relative_gap <= tol else line[0])
        if now.objective > known:
            self._lines.append(line)
            return
        self.W, self.best, self._magnitudes[0] = W, best, now.objective
        self._record(server)

    def enter(
        self, server: Server, W: Array, objective: float, dual_objective: float, magnitude: float
    ) -> None:
        """End a round with these weights, which nobody changes, their objective and this bound.

        What is no number, where something has outgrown the arithmetic, is no news.
        """
        objective = objective if np.isfinite(objective) else np.inf
        if not np.isfinite(dual_objective):
            dual_objective = -np.inf
        if objective <= self.best.objective:
            self.W, self._magnitudes[0] = W, objective
        if dual_objective >= self.best.dual_objective:
            self._magnitudes[1] = magnitude - objective
        # of the terms that are kept: those of a round far off would hide any gap
        self.best = Certificate(
            min(objective, self.best.objective),
            max(dual_objective, self.best.dual_objective),
            sum(self._magnitudes),
        )
        self._record(server)

    def _record(self, server: Server) -> None:
        seconds = time.perf_counter() - self._clock
        self._lines.append(
            (self.best.objective, self.best.dual_objective, float(server.bytes), seconds)
        )

    def solution(self, tol: float) -> Solution:
        """The end of the fit."""
        columns = np.array(self._lines).T
        # rounding may put a bound above the objective that it bounds
        least = self.best.objective
        columns[1] = np.minimum(columns[1], least)
        best = self.best._replace(dual_objective=min(self.best.dual_objective, least))
        names = ("objective", "dual_objective", "bytes_communicated", "time")
        history = {"round": np.arange(len(self._lines), dtype=float)}
        history.update(zip(names, columns, strict=True))
        return Solution(self.W, best, self.meets(tol), self.stopped, history)
