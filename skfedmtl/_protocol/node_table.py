"""All nodes of a problem at a time, where what lies between them would cost more than their rows.

The nodes stay parties of their own: this is one machine's way to carry out what each of many is
asked. Sums are numpy's, in an order that no number of threads can change.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._kernels import _sdca
from skfedmtl._model import row_algebra
from skfedmtl._typing import Array

if TYPE_CHECKING:
    from skfedmtl._protocol.node import Node


def stack(nodes: list[Node], name: str) -> Any:
    """An array of every node, one after another."""
    return np.concatenate(list(map(attrgetter(name), nodes)))


def assign(nodes: list[Node], alpha: Array) -> None:
    """Give every node its part of these dual variables."""
    if isinstance(nodes, NodeList):
        parts = nodes.parts
    else:
        parts = row_algebra.slices([len(node.y) for node in nodes])
    for node, part in zip(nodes, parts, strict=True):
        node.alpha = alpha[part]


class NodeList(list["Node"]):
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
    """

    def __init__(
        self,
        nodes: list[Node],
        X: Any,
        y: Array,
        weight: Array,
        starts: NDArray[np.intp],
        parts: list[slice],
    ) -> None:
        self.X, self.y, self.weight = X, y, weight
        self.starts, self.parts = starts, parts
        super().__init__(nodes)
        self.are_dense = isinstance(X, np.ndarray)

    @property
    def are_wide(self) -> bool:
        """Whether every node has fewer rows than features."""
        return int(np.diff(self.starts).max(initial=0)) < self.X.shape[1]

    def gram(self, l: int) -> Array:
        """``X X'`` of a node's rows."""
        return row_algebra.gram(self[l].X)

    def hessians(self, bend: Array, which: Iterable[int] | None = None) -> Array:
        """``X' diag(bend) X`` of these nodes, or of all; a curvature of every row is given."""
        which = range(len(self)) if which is None else which
        grams = [row_algebra.cross(self[l].X, self[l].X * bend[self.parts[l], None]) for l in which]
        d = self.X.shape[1]
        return np.array(grams, dtype=np.float64).reshape(-1, d, d)

    # -- what each node is asked, of all of them --------------------------------------------

    def start(self) -> Array:
        """`Node.start` of all, one after another."""
        return np.where(self.weight > 0, self[0].loss.start(self.y), 0.0)

    def tighten(self) -> None:
        """`Node.tighten` of all."""
        if self[0].centred:
            assign(self, self.centred_part(stack(self, "alpha")))

    def moments(self) -> Array:
        """`Node.moment` of all, a row each."""
        return self.moments_of(stack(self, "alpha"))

    def moments_of(self, alpha: Array) -> Array:
        """The same for these dual variables."""
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
            V[l] = row_algebra.accumulate(self[l].X, coefficient[own])

    def margins(self, W: Array, first: int = 0, last: int | None = None) -> Array:
        """``x_i . w`` of every row of the nodes from `first` to before `last`, its node's w."""
        last = len(self) if last is None else last
        starts = self.starts[first : last + 1]
        rows = slice(starts[0], starts[-1])
        if isinstance(self.X, np.ndarray):
            margins = np.zeros(rows.stop - rows.start)
            _sdca.margins_by_node(self.X[rows], starts - starts[0], W[first:last], margins)
            return margins
        parts = [row_algebra.margins(self[l].X, W[l]) for l in range(first, last)]
        return np.concatenate([np.zeros(0), *parts])

    def put_losses(self, W: Array, losses: Array, first: int, last: int) -> None:
        """Put the weighted losses of these nodes' rows into their part of `losses`."""
        rows = slice(self.starts[first], self.starts[last])
        value = self[0].loss.value(self.y[rows], self.margins(W, first, last))
        np.multiply(self.weight[rows], value, out=losses[rows])

    def loss_at(self, W: Array) -> float:
        """The sum of `Node.loss_at`."""
        return self.loss_of(self.margins(W))

    def loss_of(self, margins: Array) -> float:
        """The same at weights of which these are the margins."""
        return float(np.sum(self.weight * self[0].loss.value(self.y, margins)))

    def conjugate(self) -> float:
        """The sum of `Node.conjugate_at` at their dual variables."""
        return self.conjugate_of(stack(self, "alpha"))

    def conjugate_of(self, alpha: Array) -> float:
        """The same at these."""
        return float(np.sum(self.weight * self[0].loss.conjugate(self.y, alpha)))

    def centred_part(self, alpha: Array) -> Array:
        """These dual variables less every node's mean."""
        owner = np.repeat(np.arange(len(self)), np.diff(self.starts))
        alpha = alpha - np.bincount(owner, self.weight * alpha, minlength=len(self))[owner]
        alpha[self.weight == 0] = 0.0
        return alpha
