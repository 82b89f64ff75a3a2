"""Nodes of one owner in blocks, each in a process of its own, and how a server reaches them.

Blocks trust their server: they are told how to fit and hide nothing but what is too large to be
sent. What is asked of them is counted by no one, and what they answer is not doubted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import LOSSES, Independent
from skfedmtl._protocol import FederatedProblem
from skfedmtl._solvers import BlockedNodes, NodeBlock, Workers
from skfedmtl._typing import Array
from skfedmtl.federation._block_scores import decisions, node_scores, predictions
from skfedmtl.federation._checks import check_rows, intercept_of
from skfedmtl.federation._messages import Concluded
from skfedmtl.federation._remote_nodes import Restarted

__all__ = [
    "BlockHost",
    "BlockTransport",
    "BlocksLost",
    "Intercepts",
    "LocalBlocks",
    "RemoteBlocks",
    "Rows",
]


class Rows(NamedTuple):
    """The rows of a block, in any order."""

    X: Any  #: (n, d)
    y: Any  #: (n,)
    nodes: Any  #: (n,) the label of each row's node
    weight: Any = None  #: (n,)


class Intercepts(NamedTuple):
    """Of the nodes of all blocks, as in `FederatedNode`."""

    fit_intercept: bool = True
    intercept_scaling: float | None = 1.0


class BlockHost:
    """Where a block lives: reads its rows, and answers for its nodes.

    Parameters
    ----------
    read : callable
        Returns the `Rows`; called when they are needed and not at hand.
    intercepts : Intercepts
    """

    def __init__(self, read: Callable[[], Rows], intercepts: Intercepts) -> None:
        self._read, self._intercepts = read, intercepts
        self._loss = ""
        self._rows: Rows | None = None

    def labels(self) -> Any:
        """Those of its nodes, sorted."""
        self._rows = self._read()  # kept until a fit has made its own of them
        return np.unique(np.asarray(self._rows.nodes))

    def meet(self, loss: str, place: int, resume: bool) -> tuple[int, int]:
        """Make ready for a fit; how many features and coordinates there are.

        The dual variables of a fit before are kept with `resume`.
        """
        if loss != self._loss:
            self._problem = self._make_problem(loss)
            self._loss = loss
        elif not resume:
            self._problem.nodes.alpha = self._problem.nodes.start()
        self._block = NodeBlock(self._problem, place)
        return self._problem.n_features, self._problem.server.V.shape[1]

    def _take_rows(self) -> Rows:
        """Those at hand, which are given away, or read ones."""
        rows = self._read() if self._rows is None else self._rows
        self._rows = None
        return rows

    def _make_problem(self, loss: str) -> FederatedProblem:
        rows = self._take_rows()
        X, y, weight = check_rows(rows.X, rows.y, loss, rows.weight, copy=False)
        labels, codes = np.unique(np.asarray(rows.nodes), return_inverse=True)
        del rows  # which may be the only ones that hold theirs
        kind, scale = intercept_of(loss, *self._intercepts)
        return FederatedProblem(
            X,
            y,
            codes,
            weight,
            loss=LOSSES[loss](),
            relationship=Independent(len(labels), 1.0),
            intercept=kind,
            intercept_scaling=scale,
        )

    def handle(self, messages: Sequence[Any]) -> Any:
        """The answer to the last of a solver's messages."""
        return self._block.handle(messages)

    def conclude(self, W: Array, common: Array) -> Array:
        """The intercepts of weights, and of their common part, (m, 2)."""
        problem = self._problem
        intercepts = [problem.coefficients(W)[1], np.zeros(len(W))]
        if len(common):
            intercepts[1] = problem.coefficients(np.broadcast_to(common, W.shape))[1]
        return np.column_stack(intercepts)

    def score(self, coef: Array, intercept: Array, is_regression: bool) -> Array:
        """Of every node, of its rows' predictions: accuracy, or R^2."""
        rows = self._take_rows()
        codes = np.unique(np.asarray(rows.nodes), return_inverse=True)[1]
        predicted = predictions(decisions(rows.X, codes, coef, intercept), is_regression)
        return node_scores(rows.y, predicted, codes, rows.weight, len(coef), is_regression)

    def predict(self, coef: Array, intercept: Array, is_regression: bool) -> tuple[Any, Array]:
        """Of every row its node, and what is predicted."""
        rows = self._take_rows()
        nodes = np.asarray(rows.nodes)
        codes = np.unique(nodes, return_inverse=True)[1]
        return nodes, predictions(decisions(rows.X, codes, coef, intercept), is_regression)


class BlockTransport(Protocol):
    """Reaches blocks."""

    labels: list[Any]  #: of the nodes of all blocks,
    labels_by_block: list[NDArray[Any]]  #: and of each

    def ask(self, method: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
        """Call a method of `BlockHost` of every block; what they return.

        Raises `BlocksLost` if the process of a block has ended, once another one has its rows.
        """
        ...


class BlocksLost(Exception):
    """The processes of some blocks have ended; others have taken their places, which know nothing.

    Whoever asks has to introduce itself anew.
    """


class LocalBlocks:
    """Blocks in the same process.

    Parameters
    ----------
    hosts : list of BlockHost
    n_jobs : int or None
        Threads that share the blocks, as joblib understands it.
    """

    def __init__(self, hosts: list[BlockHost], n_jobs: int | None = None) -> None:
        self._hosts, self._workers = hosts, Workers(n_jobs)
        self.labels_by_block = [host.labels() for host in hosts]
        self.labels = np.concatenate(self.labels_by_block).tolist()

    def ask(self, method: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
        """Call a method of every block."""
        calls = zip(self._hosts, arguments, strict=True)
        return self._workers.map(lambda host, given: getattr(host, method)(*given), list(calls))


class RemoteBlocks(BlockedNodes):
    """The nodes of all blocks, behind a transport.

    Parameters
    ----------
    transport : BlockTransport
    labels : ndarray
        Those of all nodes, sorted.
    loss : str
        Its name.
    """

    absent: frozenset[int] = frozenset()  #: no node falls silent alone,
    refused: dict[int, str] = {}  #: and none is left out

    def __init__(self, transport: BlockTransport, labels: NDArray[Any], loss: str) -> None:
        places = [np.searchsorted(labels, own) for own in transport.labels_by_block]
        super().__init__(self._carry_messages, places, LOSSES[loss]())
        self._transport = transport
        self._resume = False

    @property
    def left(self) -> list[int]:
        """The nodes that take part."""
        return list(range(len(self)))

    def meet(self) -> int:
        """Introduce the server to all blocks; how many features they have."""
        hosted = self._introduce()
        if len(set(hosted)) > 1:
            raise ValueError(
                f"blocks must have the same features, got (features, coordinates) {hosted}."
            )
        n_features, self.n_coordinates = hosted[0]
        self._resume = True
        return n_features

    def conclude(self, W: Array, common: Array) -> list[Concluded]:
        """Ask for the intercepts."""
        asked = [(W[places], common) for places in self._places]
        return [Concluded(*pair) for pair in self._joined(self._call("conclude", asked))]

    def _introduce(self) -> list[tuple[int, int]]:
        self._pending = ()
        blocks = range(len(self._places))
        while True:
            try:
                return self._transport.ask(
                    "meet", [(self.loss.name, place, self._resume) for place in blocks]
                )
            except BlocksLost:
                self._resume = True  # those that are left

    def _call(self, method: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
        """What all blocks answer; a fit begins anew where one has been lost."""
        try:
            return self._transport.ask(method, arguments)
        except BlocksLost:
            self._introduce()
            raise Restarted from None

    def _carry_messages(self, messages: list[tuple[Any, ...]]) -> list[Any]:
        return self._call("handle", [(own,) for own in messages])
