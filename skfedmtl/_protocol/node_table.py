"""All nodes of a problem: their messages at once, and one machine's view of their rows.

`Nodes` is what a server speaks with. `NodeTable` answers for nodes whose rows lie in one table,
where what lies between many of them would cost more than their rows; `NodeGroup` asks nodes one by
one, wherever they are. Both have the same bits.

The nodes stay parties of their own. What `NodeTable` shows beside the messages is the laboratory's
privilege: solvers that need all rows at once, second-order steps and adjoints, take them from there
and from nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from skfedmtl._kernels import _sdca
from skfedmtl._model import Loss, row_algebra
from skfedmtl._protocol.messages import (
    Answer,
    Greeted,
    Greeting,
    Mixture,
    Order,
    Price,
    Question,
    Share,
    StepAnswer,
    StepOrder,
    Told,
    Weights,
)
from skfedmtl._protocol.node import Attempt, Node
from skfedmtl._typing import Array

#: Runs a function on every tuple of arguments, in workers or not, and returns what they return.
Runner = Callable[[Callable[..., Any], list[tuple[Any, ...]]], list[Any]]


class OwnRows(NamedTuple):
    """What lies at one node."""

    X: Any
    y: Array
    weight: Array
    alpha: Array


class Nodes(Protocol):
    """All nodes, as a server speaks with them: messages with one more axis in front.

    Who has not answered an order in time, over a network, has None in its place.
    """

    def __len__(self) -> int: ...
    @property
    def loss(self) -> Loss: ...
    def reseed(self, seed: int) -> None: ...
    def greet(self, greeting: Greeting) -> Greeted: ...
    def tell(self, question: Question) -> Told: ...
    def price(self, weights: Weights) -> Price: ...
    def answer(self, which: Any, orders: list[Order], run: Runner) -> Sequence[Answer | None]: ...
    def settle(self, mixture: Mixture) -> None: ...
    def step(
        self, which: Any, orders: list[StepOrder], run: Runner
    ) -> Sequence[StepAnswer | None]: ...
    def keep(self, share: Share) -> None: ...


class NodeGroup:
    """Nodes that are asked one by one.

    Parameters
    ----------
    nodes : sequence
        Each answers the messages of `Node`.
    loss : Loss
        That all have agreed upon.
    """

    def __init__(self, nodes: Sequence[Any], loss: Loss) -> None:
        self._nodes, self.loss = nodes, loss

    def __len__(self) -> int:
        return len(self._nodes)

    def party(self, l: int) -> Any:
        """A node, to be asked by messages of its own."""
        return self._nodes[l]

    def reseed(self, seed: int) -> None:
        """Give every node a seed of its own; one that is far away has chosen it itself."""
        for l, node in enumerate(self._nodes):
            node.reseed((seed, l))

    def greet(self, greeting: Greeting) -> Greeted:
        """Begin a fit."""
        return Greeted(
            *_stacked(
                [
                    node.greet(greeting._replace(w=w))
                    for node, w in zip(self._nodes, greeting.w, strict=True)
                ]
            )
        )

    def tell(self, question: Question) -> Told:
        """Ask for moments and conjugates."""
        return Told(*_stacked([node.tell(question) for node in self._nodes]))

    def price(self, weights: Weights) -> Price:
        """Ask for losses."""
        return Price(
            *_stacked(
                [node.price(Weights(w)) for node, w in zip(self._nodes, weights.w, strict=True)]
            )
        )

    def answer(self, which: Any, orders: list[Order], run: Runner) -> list[Answer]:
        """A round, of some nodes."""
        return [self._nodes[l].answer(order) for l, order in zip(which, orders, strict=True)]

    def settle(self, mixture: Mixture) -> None:
        """End a round, of all nodes whose state changes."""
        for l in np.flatnonzero(mixture.t.any(axis=1)):
            self._nodes[int(l)].settle(Mixture(mixture.t[l]))

    def step(self, which: Any, orders: list[StepOrder], run: Runner) -> list[StepAnswer]:
        """A proximal step, of some nodes."""
        return [self._nodes[l].step(order) for l, order in zip(which, orders, strict=True)]

    def keep(self, share: Share) -> None:
        """Keep the last step of all."""
        for node in self._nodes:
            node.keep(share)


def _stacked(answers: list[Any]) -> list[Array]:
    """The fields of many answers, each with one more axis in front."""
    return [np.array(field) for field in zip(*answers, strict=True)]


class NodeTable(NodeGroup):
    """Nodes whose rows lie in one table, node after node.

    Parameters
    ----------
    nodes : list of Node
        Their rows, targets and weights are views of what follows.
    X : ndarray of shape (n, d), or sparse
    y, weight : ndarray of shape (n,)
    starts : ndarray of shape (m + 1,)
        Where each node's rows begin, and where the last one's end.
    parts : list of slice
        The rows of each node.
    loss : Loss
    centred : bool
        Whether an intercept is free.
    totals : ndarray of shape (m,)
        Sum of each node's weights, what its loss counts; 1 of one without any.
    """

    _nodes: list[Node]

    def __init__(
        self,
        nodes: list[Node],
        X: Any,
        y: Array,
        weight: Array,
        starts: NDArray[np.intp],
        parts: list[slice],
        *,
        loss: Loss,
        centred: bool,
        totals: Array,
    ) -> None:
        super().__init__(nodes, loss)
        self.totals = totals
        self.X, self.y, self.weight = X, y, weight
        self.starts, self.parts = starts, parts
        self.centred = centred
        self.is_dense = isinstance(X, np.ndarray)

    # -- messages ---------------------------------------------------------------------------

    def tell(self, question: Question) -> Told:
        """Ask for moments and conjugates."""
        alpha = self.alpha
        if question.tighten and self.centred:
            alpha = self.centred_part(alpha)
            self.alpha = alpha
        conjugate = self.weight * self.loss.conjugate(self.y, alpha)
        return Told(self.moments_of(alpha), row_algebra.totals(conjugate, self.starts))

    def price(self, weights: Weights) -> Price:
        """Ask for losses."""
        losses = self.weight * self.loss.value(self.y, self.margins(weights.w))
        return Price(row_algebra.totals(losses, self.starts))

    def answer(self, which: Any, orders: list[Order], run: Runner) -> list[Answer]:
        """A round, of some nodes: workers find answers, the nodes at home keep them."""
        nodes = [self._nodes[l] for l in which]
        attempts: list[Attempt] = run(Node.attempt, list(zip(nodes, orders, strict=True)))
        for node, attempt in zip(nodes, attempts, strict=True):
            node.remember(attempt)
        return [attempt.answer for attempt in attempts]

    def step(self, which: Any, orders: list[StepOrder], run: Runner) -> list[StepAnswer]:
        """A proximal step, of some nodes; workers are threads."""
        return run(
            Node.step, [(self._nodes[l], order) for l, order in zip(which, orders, strict=True)]
        )

    # -- the laboratory's -------------------------------------------------------------------

    @property
    def alpha(self) -> Array:
        """The dual variables of all, (n,); nodes take theirs of what is set."""
        return np.concatenate([node._alpha for node in self._nodes])

    @alpha.setter
    def alpha(self, alpha: Array) -> None:
        for node, part in zip(self._nodes, self.parts, strict=True):
            node._alpha = alpha[part]

    @property
    def draft(self) -> Array:
        """Those that steps go on from."""
        return np.concatenate([node._draft for node in self._nodes])

    @draft.setter
    def draft(self, alpha: Array) -> None:
        for node, part in zip(self._nodes, self.parts, strict=True):
            node._draft = alpha[part]

    @property
    def squared_norm(self) -> Array:
        """Squared lengths of all rows, (n,)."""
        return np.concatenate([node._squared_norm for node in self._nodes])

    def each(self) -> list[OwnRows]:
        """What lies at every node."""
        return [OwnRows(node._X, node._y, node._weight, node._alpha) for node in self._nodes]

    def rows(self, l: int) -> Any:
        """The rows of a node: a view of the table, or `SparseRows`."""
        return self._nodes[l]._X

    def refresh(self, l: int) -> None:
        """Tell a node that its rows were changed."""
        self._nodes[l].refresh()

    def relax(
        self, l: int, rows: NDArray[np.intp], curvature: float, alpha: Array, w: Array
    ) -> int:
        """`Node.relax` of a node of sparse rows."""
        return self._nodes[l].relax(rows, curvature, alpha, w)

    @property
    def is_wide(self) -> bool:
        """Whether every node has fewer rows than features."""
        return int(np.diff(self.starts).max(initial=0)) < self.X.shape[1]

    def gram(self, l: int) -> Array:
        """``X X'`` of a node's rows."""
        return row_algebra.gram(self.rows(l))

    def hessians(self, bend: Array, which: Iterable[int] | None = None) -> Array:
        """``X' diag(bend) X`` of these nodes, or of all; a curvature of every row is given."""
        which = range(len(self)) if which is None else which
        grams = [
            row_algebra.cross(self.rows(l), self.rows(l) * bend[self.parts[l], None]) for l in which
        ]
        d = self.X.shape[1]
        return np.array(grams, dtype=np.float64).reshape(-1, d, d)

    def nothing(self) -> list[Array]:
        """Zeros for every row of every node."""
        return [np.zeros(length) for length in np.diff(self.starts)]

    def start(self) -> Array:
        """The dual variables to begin with."""
        return np.where(self.weight > 0, self.loss.start(self.y), 0.0)

    def moments_of(self, alpha: Array) -> Array:
        """The moments of these dual variables, (m, d)."""
        V = np.zeros((len(self), self.X.shape[1]))
        self.put_moments(alpha, V, 0, len(self))
        return V

    def put_moments(self, alpha: Array, V: Array, first: int, last: int) -> None:
        """Put those of the nodes from `first` to before `last` into their rows of V, of zeros."""
        starts = self.starts[first : last + 1]
        rows = slice(starts[0], starts[-1])
        coefficient = self.weight[rows] * alpha[rows]
        if isinstance(self.X, np.ndarray):
            _sdca.accumulate_by_node(self.X[rows], starts - starts[0], coefficient, V[first:last])
            return
        for l in range(first, last):
            own = slice(self.starts[l] - starts[0], self.starts[l + 1] - starts[0])
            V[l] = row_algebra.accumulate(self.rows(l), coefficient[own])

    def margins(self, W: Array, first: int = 0, last: int | None = None) -> Array:
        """``x_i . w`` of every row of the nodes from `first` to before `last`, its node's w."""
        last = len(self) if last is None else last
        starts = self.starts[first : last + 1]
        rows = slice(starts[0], starts[-1])
        if isinstance(self.X, np.ndarray):
            margins = np.zeros(rows.stop - rows.start)
            _sdca.margins_by_node(self.X[rows], starts - starts[0], W[first:last], margins)
            return margins
        parts = [row_algebra.margins(self.rows(l), W[l]) for l in range(first, last)]
        return np.concatenate([np.zeros(0), *parts])

    def put_losses(self, W: Array, losses: Array, first: int, last: int) -> None:
        """Put the weighted losses of these nodes' rows into their part of `losses`."""
        rows = slice(self.starts[first], self.starts[last])
        value = self.loss.value(self.y[rows], self.margins(W, first, last))
        np.multiply(self.weight[rows], value, out=losses[rows])

    def loss_at(self, W: Array) -> float:
        """The loss of all rows."""
        return self.loss_of(self.margins(W))

    def loss_of(self, margins: Array) -> float:
        """The same at weights of which these are the margins."""
        return float(np.sum(self.weight * self.loss.value(self.y, margins)))

    def conjugate_of(self, alpha: Array) -> float:
        """The conjugate of all rows at these dual variables."""
        return float(np.sum(self.weight * self.loss.conjugate(self.y, alpha)))

    def centred_part(self, alpha: Array) -> Array:
        """These dual variables less every node's mean."""
        mean = row_algebra.totals(self.weight * alpha, self.starts) / self.totals
        alpha = alpha - np.repeat(mean, np.diff(self.starts))
        alpha[self.weight == 0] = 0.0
        return alpha
