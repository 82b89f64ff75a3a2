"""Nodes in blocks: many nodes of one owner, whose rows lie in the memories of several processes.

A block has its nodes' rows and dual variables, and answers for all of them at once; what travels
are the messages of `skfedmtl._protocol.messages`, with one more axis, and these:

=========  ==================================================  ==============================
message    down to a block                                     up to the server
=========  ==================================================  ==============================
begin      `Beginning`: of a fit                               `Begun`
step       `BlockOrder`: a proximal step of all its nodes      `BlockAnswer`
=========  ==================================================  ==============================

How long a node passes over its rows is its own affair, as it is in one process: until its weights
rest, measured by the last residual. Blocks draw from seeds of their own, so that the bits depend on
how nodes are put in blocks, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Loss
from skfedmtl._protocol import (
    FederatedProblem,
    Price,
    Question,
    Share,
    Told,
    Weights,
)
from skfedmtl._solvers.node_steps import Steps, make_steps
from skfedmtl._solvers.workers import Workers
from skfedmtl._typing import Array


class Beginning(NamedTuple):
    """The beginning of a fit."""


class Begun(NamedTuple):
    """What a server needs to know before the first step."""

    is_cold: bool  #: whether the dual variables are those that nodes begin with
    squares: float  #: of the rows' lengths, weighted
    loss: float  #: of weights of zero
    conjugate: float  #: of the dual variables
    linear: float  #: and their sum of weight_i y_i a_i


class BlockOrder(NamedTuple):
    """A proximal step of all nodes of a block."""

    base: Array  #: (m, d)
    asked: Array  #: (m, d) weights to be priced; (0, d): those found
    rho: float
    residual: float  #: the last one, of all nodes
    seed: int


class BlockAnswer(NamedTuple):
    """What a step has found; its dual variables, shifted for the best, wait at home."""

    v: Array  #: (m, d)
    loss: float  #: at the weights asked about, of all nodes
    conjugate: float  #: of the dual variables that wait
    linear: float  #: sum of weight_i y_i a_i, of these


class NodeBlock:
    """The block's half: answers messages for its nodes.

    Parameters
    ----------
    problem : FederatedProblem
        Of the nodes of this block.
    place : int
        That of the block among all, from which it draws.
    """

    _steps: Steps

    def __init__(self, problem: FederatedProblem, place: int) -> None:
        self._nodes, self._place = problem.nodes, place
        self._does: dict[type, Callable[[Any], Any]] = {
            Beginning: self.begin,
            BlockOrder: self.step,
            Share: self.keep,
            Question: self._nodes.tell,
            Weights: self._nodes.price,
        }

    def handle(self, messages: Sequence[Any]) -> Any:
        """The answer to the last of these messages."""
        answer = None
        for message in messages:
            answer = self._does[type(message)](message)
        return answer

    def begin(self, beginning: Beginning) -> Begun:
        """Go on from the dual variables at hand."""
        nodes, alpha = self._nodes, self._nodes.alpha
        self._steps = make_steps(nodes, alpha.copy(), Workers(1))
        self._waiting = alpha
        return Begun(
            np.array_equal(alpha, nodes.start()),
            float(np.sum(nodes.weight * nodes.squared_norm)),
            nodes.loss_of(np.zeros(len(alpha))),
            nodes.conjugate_of(alpha),
            self._linear(alpha),
        )

    def step(self, order: BlockOrder) -> BlockAnswer:
        """Improve the dual variables of a proximal step."""
        nodes, steps = self._nodes, self._steps
        asked = order.asked if len(order.asked) else None
        rng = np.random.default_rng([order.seed, self._place])
        steps.run(order.base, order.rho, order.residual, rng, asked)
        self._waiting = nodes.centred_part(steps.alpha) if nodes.centred else steps.alpha.copy()
        conjugate = nodes.conjugate_of(self._waiting)
        return BlockAnswer(steps.V, steps.loss, conjugate, self._linear(self._waiting))

    def keep(self, share: Share) -> None:
        """Let a share of what waits become the present state."""
        self._nodes.alpha = share.share * self._waiting

    def _linear(self, alpha: Array) -> float:
        return float(np.sum(self._nodes.weight * self._nodes.y * alpha))


def as_slice(places: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Neighbours as a slice, which takes no copy."""
    if len(places) and np.array_equal(places, np.arange(places[0], places[0] + len(places))):
        return slice(int(places[0]), int(places[0]) + len(places))
    return places


#: Sends every block its messages; the answers to the last ones.
Carrier = Callable[[list[tuple[Any, ...]]], list[Any]]


class BlockedNodes:
    """The nodes of all blocks, as a server speaks with them.

    Parameters
    ----------
    carry : callable
        Sends every block its messages, and returns the answers to the last ones.
    places : list of ndarray
        Those of each block's nodes among all.
    loss : Loss
    """

    def __init__(self, carry: Carrier, places: list[NDArray[np.intp]], loss: Loss) -> None:
        self._carry, self.loss = carry, loss
        self._count = sum(map(len, places))
        self._places = [as_slice(own) for own in places]
        self._pending: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return self._count

    def begin(self) -> list[Begun]:
        """Begin a fit."""
        return self._ask([Beginning()] * len(self._places))

    def tell(self, question: Question) -> Told:
        """Ask for moments and conjugates."""
        answers = self._ask([question] * len(self._places))
        return Told(
            self._joined([answer.v for answer in answers]),
            self._joined([answer.conjugate for answer in answers]),
        )

    def price(self, weights: Weights) -> Price:
        """Ask for losses."""
        answers = self._ask([Weights(weights.w[places]) for places in self._places])
        return Price(self._joined([answer.loss for answer in answers]))

    def step(
        self, base: Array, asked: Array | None, rho: float, residual: float, seed: int
    ) -> tuple[Array, list[BlockAnswer]]:
        """A proximal step of all nodes: their moments, and the blocks' answers."""
        nothing = np.zeros((0, base.shape[1]))
        answers = self._ask(
            [
                BlockOrder(
                    base[places], nothing if asked is None else asked[places], rho, residual, seed
                )
                for places in self._places
            ]
        )
        return self._joined([answer.v for answer in answers]), answers

    def keep(self, share: Share) -> None:
        """Keep the last step of all, when they are next asked."""
        self._pending = (share,)

    def _ask(self, messages: list[Any]) -> list[Any]:
        answers = self._carry([(*self._pending, message) for message in messages])
        self._pending = ()
        return answers

    def _joined(self, parts: list[Array]) -> Array:
        """The blocks' arrays, an entry a node, in the order of all nodes."""
        every = np.empty((len(self), *parts[0].shape[1:]))
        for places, part in zip(self._places, parts, strict=True):
            every[places] = part
        return every
