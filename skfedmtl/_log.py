"""The way of a fit: its best weights and bound so far, one line of history a round."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from skfedmtl._losses import Array
from skfedmtl._protocol import Certificate, Node, Server


class Solution(NamedTuple):
    """The best weights found, their certificate, and the way there."""

    W: Array
    certificate: Certificate
    converged: bool
    history: dict[str, Array]


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


class Log:
    """Weights and lower bound, each kept at its best; begins with a certificate."""

    def __init__(self, server: Server, nodes: list[Node]) -> None:
        self._clock = time.perf_counter()
        self._lines: list[tuple[float, ...]] = []
        self.best = server.certify(nodes)
        self.W = server.response.W
        self._record(server)

    @property
    def rounds(self) -> int:
        """Rounds entered so far."""
        return len(self._lines) - 1

    def meets(self, tol: float) -> bool:
        """Whether the gap is small enough; never for a tolerance of 0."""
        return tol > 0.0 and self.best.meets(tol)

    def certify(self, server: Server, nodes: list[Node]) -> None:
        """End a round with the server's certificate of its weights."""
        now = server.certify(nodes)
        self.enter(server, server.response.W, now.objective, now.dual_objective, now.magnitude)

    def close(self, server: Server, nodes: list[Node]) -> None:
        """Replace the line of the last round by the nodes' own report at its end.

        It has the last word: where rounding made the server reckon a higher bound than the
        nodes bear out, that bound is lowered to theirs.
        """
        del self._lines[-1]
        now = server.certify(nodes)
        bound = min(self.best.dual_objective, now.dual_objective)
        self.best = self.best._replace(dual_objective=bound)
        self._lines = [(p, min(d, bound), *rest) for p, d, *rest in self._lines]
        self.enter(server, server.response.W, now.objective, now.dual_objective, now.magnitude)

    def enter(
        self, server: Server, W: Array, objective: float, dual_objective: float, magnitude: float
    ) -> None:
        """End a round with these weights, their objective and this bound."""
        if objective <= self.best.objective:
            self.W = W.copy()
        self.best = Certificate(
            min(objective, self.best.objective),
            max(dual_objective, self.best.dual_objective),
            magnitude,
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
        names = ("objective", "dual_objective", "bytes_communicated", "time")
        history = {"round": np.arange(len(self._lines), dtype=float)}
        history.update(zip(names, columns, strict=True))
        return Solution(self.W, self.best, self.meets(tol), history)
