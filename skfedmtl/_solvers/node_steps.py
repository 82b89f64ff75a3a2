"""The nodes' side of the splitting: proximal steps on their own losses.

A node that is told a base ``b`` and a curvature ``1/rho`` finds::

    w = argmin F_l(w) + (rho/2) ||w - b||^2 = b + v/rho,      v = sum of weight_i a_i x_i

by coordinate passes over its rows from the dual variables that it has, or exactly where the
loss is a square and its Gram matrix, of the rows or of the features, is small: an inverse serves
until rho moves.

====================  =============================================  ==========
symbol                variable                                       shape
====================  =============================================  ==========
b_l                   ``base``                                       (m, d)
w_l, v_l              ``W``, ``V``                                   (m, d)
a                     ``alpha``, of all rows, node after node        (n,)
====================  =============================================  ==========
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from skfedmtl._kernels import _sdca
from skfedmtl._model import PrimalLoss, Relationship, row_algebra
from skfedmtl._protocol import Moved, NodeTable
from skfedmtl._solvers.pricing import Bound, Dual, bound_of
from skfedmtl._solvers.workers import Workers
from skfedmtl._typing import Array

FIRST, MOST = 5, 200  #: passes over all rows in the first step, and in any at most
BETWEEN = 8  #: passes over the rows that have moved, between two over all
ACCURACY = 0.1  #: of the last residual, to which weights are found
_BLOCK = 2**17  #: numbers in the rows of a block at least, which a cache holds
_LARGEST = 400  #: rows or features, the smaller number, of a matrix that is inverted
#: of all such matrices at most: more take longer than passes, or more room than the rows
_FEW_NUMBERS, _MANY_NUMBERS = 2**14, 2**20
_ALIKE = 1.3  #: nodes that differ less in their numbers of rows are solved together


class Steps(Protocol):
    """Proximal steps of all nodes at once."""

    V: Array
    W: Array
    n_answers: int
    which: NDArray[np.intp] | slice  #: the nodes that have answered
    told: Array  #: the weights whose losses the nodes have told last,
    loss: float  #: and the sum of those

    @property
    def alpha(self) -> Array: ...
    def run(
        self,
        base: Array,
        rho: float,
        residual: float,
        rng: np.random.Generator,
        asked: Array | None,
    ) -> None:
        """Improve the dual variables; tell the losses at weights asked about, or at those found."""

    def hold(self) -> None:
        """Begin with the dual variables that the nodes have as the best ones."""

    def bound(self, relationship: Relationship) -> Bound | Dual:
        """What the dual variables promise."""

    def keep(self) -> None:
        """Those of the last bound are the best ones."""

    def settle(self) -> None:
        """Let the nodes have the best ones."""


class Effort(NamedTuple):
    """How long a node passes over its rows."""

    close: float  #: a move of the weights that is none
    least: int  #: passes over all rows,
    most: int
    between: int  #: and over those that have moved, between two of them


def effort_of(loss: PrimalLoss, residual: float) -> Effort:
    """What the last residual asks for; infinite: nothing is known."""
    close = ACCURACY * residual
    least = 1 if np.isfinite(close) else FIRST
    if loss.most_passes:
        return Effort(close, least, loss.most_passes, 0)
    return Effort(close, least, MOST, BETWEEN)


def live_ends(nodes: NodeTable) -> NDArray[np.intp]:
    """Where each node's rows begin among those of positive weight, and where the last one's end."""
    live = nodes.weight > 0.0
    ends: NDArray[np.intp] = np.concatenate([np.zeros(1, dtype=np.intp), np.cumsum(live)])
    return ends[nodes.starts]


def is_cheap(nodes: NodeTable) -> bool:
    smaller = np.minimum(np.diff(nodes.starts), nodes.X.shape[1])
    numbers = int(np.square(smaller).sum())
    enough = min(max(nodes.X.size, _FEW_NUMBERS), _MANY_NUMBERS)
    return int(smaller.max(initial=0)) <= _LARGEST and numbers <= enough


def make_steps(nodes: NodeTable, alpha: Array, workers: Workers) -> Steps:
    """The steps that suit the loss and the sizes of the nodes."""
    if nodes.loss.constant_curvature and is_cheap(nodes):
        return ExactSteps(nodes, alpha)
    return Passes(nodes, alpha, workers)


class _Step(NamedTuple):
    """What all nodes are told."""

    base: Array
    rho: float
    effort: Effort
    seeds: NDArray[np.uint64]
    asked: Array | None
    losses: Array | None  #: of all rows there, to be found; None: nobody asks


class _OfAllRows:
    """What steps in the laboratory know of the best dual variables."""

    _nodes: NodeTable
    alpha: Array
    V: Array

    def hold(self) -> None:
        """Begin with the dual variables that the nodes have as the best ones."""
        self._best = self._nodes.alpha

    def bound(self, relationship: Relationship) -> Dual:
        """What the dual variables promise."""
        self._offered = bound_of(relationship, self._nodes, self.alpha, self.V)
        return self._offered

    def keep(self) -> None:
        """Those of the last bound are the best ones."""
        self._best = self._offered.alpha

    def settle(self) -> None:
        """Let the nodes have the best ones."""
        self._nodes.alpha = self._best


class Passes(_OfAllRows):
    """Coordinate passes; blocks of nodes to workers, with the same bits for any number of them.

    While a cache holds a block's rows, their moments and losses are found, too; with a `curve`, a
    loss in the place of the nodes' own, no losses are told.
    """

    def __init__(
        self,
        nodes: NodeTable,
        alpha: Array,
        workers: Workers,
        curve: PrimalLoss | None = None,
    ) -> None:
        self._nodes, self._workers = nodes, workers
        self.curve: PrimalLoss = curve or nodes.loss
        self._tells = curve is None
        self.alpha = alpha
        self._ends = live_ends(nodes)
        self._blocks = list(_blocks(nodes))
        self.which: NDArray[np.intp] | slice = slice(None)
        self.n_answers = len(nodes)
        self.refresh({})
        self.W = np.zeros(self.V.shape)
        self.told, self.loss = self.W, np.inf

    def refresh(self, moved: Moved) -> None:
        """Take note of rows of these nodes that have changed, or of dual variables."""
        self._order = np.flatnonzero(self._nodes.weight > 0.0)
        self._norms = self._nodes.squared_norm
        self.V = self._nodes.moments_of(self.alpha)

    def run(
        self,
        base: Array,
        rho: float,
        residual: float,
        rng: np.random.Generator,
        asked: Array | None = None,
    ) -> None:
        """Improve the dual variables until the weights rest, as measured by the last residual."""
        effort = effort_of(self.curve, residual)
        seeds = rng.integers(2**63, size=len(self._nodes)).astype(np.uint64)
        self.W = base + self.V / rho
        self.V = np.zeros_like(self.V)
        losses = np.zeros(len(self.alpha)) if self._tells else None
        step = _Step(base, rho, effort, seeds, asked, losses)
        self._workers.run(self._run_block, [(step, *block) for block in self._blocks])
        if losses is not None:
            self.told = self.W if asked is None else asked
            self.loss = float(np.sum(losses))

    def _run_block(self, step: _Step, first: int, last: int) -> None:
        """Let the nodes from `first` to before `last` do all that is theirs."""
        nodes = self._nodes
        if isinstance(nodes.X, np.ndarray):
            self._pass_over(step, first, last)
        else:
            for l in range(first, last):
                self._run_sparse(l, step)
        nodes.put_moments(self.alpha, self.V, first, last)
        self.W[first:last] = step.base[first:last] + self.V[first:last] / step.rho
        if step.losses is not None:
            W = self.W if step.asked is None else step.asked
            nodes.put_losses(W, step.losses, first, last)

    def _pass_over(self, step: _Step, first: int, last: int) -> None:
        nodes = self._nodes
        _sdca.relax_by_node(
            self.curve.kernel,
            nodes.X,
            nodes.y,
            nodes.weight,
            self._norms,
            self._ends,
            first,
            last,
            self._order,
            step.seeds,
            1.0 / step.rho,
            *step.effort,
            self.alpha,
            self.W,
        )

    def _run_sparse(self, l: int, step: _Step) -> None:
        """The same for one node of sparse rows: `_sdca.relax_by_node` in Python."""
        nodes, effort = self._nodes, step.effort
        live = slice(self._ends[l], self._ends[l + 1])
        order = self._order[live] - nodes.starts[l]
        rows = _SparseRows(nodes, l, 1.0 / step.rho, self.alpha[nodes.parts[l]], self.W[l])
        state = int(step.seeds[l]) | 1
        for n_passes in range(1, effort.most + 1) if len(order) else ():
            state = _sdca.shuffle(order, state)
            n_moved, moved = rows.pass_over(order)
            if (moved <= effort.close and n_passes >= effort.least) or n_passes == effort.most:
                break
            for _ in range(effort.between):
                if n_moved == 0 or moved <= 0.1 * effort.close:
                    break
                n_moved, moved = rows.pass_over(order[:n_moved])
        self._order[live] = order + nodes.starts[l]


class _SparseRows:
    """The rows of a node, with the dual variables and weights that passes change in place."""

    def __init__(self, nodes: NodeTable, l: int, curvature: float, alpha: Array, w: Array) -> None:
        self._nodes, self._l, self._curvature = nodes, l, curvature
        self._alpha, self._w = alpha, w
        self._before = w.copy()

    def pass_over(self, order: NDArray[np.intp]) -> tuple[int, float]:
        """How many of these rows have moved, and how far the weights."""
        n_moved = self._nodes.relax(self._l, order, self._curvature, self._alpha, self._w)
        moved = float(np.linalg.norm(self._w - self._before))
        self._before[:] = self._w
        return n_moved, moved


def _blocks(nodes: NodeTable) -> Iterator[tuple[int, int]]:
    """Consecutive nodes of about so many numbers; how many workers there are is not asked."""
    numbers = nodes.starts * nodes.X.shape[1]
    first = 0
    while first < len(nodes):
        last = int(np.searchsorted(numbers, numbers[first] + _BLOCK))
        last = min(max(last, first + 1), len(nodes))
        yield first, last
        first = last


class ExactSteps(_OfAllRows):
    """Losses ``(c/2) (f - y)^2``: solutions by the inverse of every node's Gram matrix.

    Losses are found only if these `tells` them.
    """

    def __init__(self, nodes: NodeTable, alpha: Array, *, tells: bool = True) -> None:
        self._nodes, self.alpha, self._tells = nodes, alpha, tells
        self.curve: PrimalLoss = nodes.loss
        self._bend = self.curve.constant_curvature
        self.V = nodes.moments_of(alpha)
        self.W = np.zeros(self.V.shape)
        self.which: NDArray[np.intp] | slice = slice(None)
        self.n_answers = len(nodes)
        self.told, self.loss = self.W, np.inf

    @cached_property
    def _systems(self) -> tuple[list[_ByFeatures], list[_ByRows]]:
        # at the first step: where second-order steps have solved the problem there is none
        nodes = self._nodes
        n, d = np.diff(nodes.starts), nodes.X.shape[1]
        many, few = np.flatnonzero(n >= d), np.flatnonzero((n < d) & (n > 0))
        by_features = [_ByFeatures(nodes, many)] if len(many) else []
        return by_features, [_ByRows(nodes, block) for block in _alike(few, n)]

    def refresh(self, moved: Moved) -> None:
        """Take note of rows of these nodes that have changed, or of dual variables."""
        by_features, by_rows = self._systems
        which = np.fromiter(moved, np.intp, len(moved))
        for features in by_features:
            features.refresh(which)
        for rows in by_rows:
            rows.refresh(which)
        self.V = self._nodes.moments_of(self.alpha)

    def run(
        self,
        base: Array,
        rho: float,
        residual: float,
        rng: np.random.Generator,
        asked: Array | None = None,
    ) -> None:
        """Solve every node's sub-problem."""
        nodes, W = self._nodes, base.copy()
        by_features, by_rows = self._systems
        for features in by_features:
            features.solve(base, rho / self._bend, W)
        alpha = self._bend * (nodes.y - nodes.margins(W))
        for rows in by_rows:
            rows.solve(rho / self._bend, alpha)
        self.alpha = np.where(nodes.weight > 0.0, alpha, 0.0)
        self.V = nodes.moments_of(self.alpha)
        self.W = base + self.V / rho
        if self._tells:
            self.told = self.W if asked is None else asked
            self.loss = nodes.loss_at(self.told)


def _alike(nodes: NDArray[np.intp], n: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Nodes of about the same number of rows."""
    nodes = nodes[np.argsort(n[nodes], kind="stable")]
    while len(nodes):
        count = int(np.searchsorted(n[nodes], _ALIKE * n[nodes[0]], side="right"))
        yield nodes[:count]
        nodes = nodes[count:]


class _Shifted:
    """``(G + shift I)^-1`` of Gram matrices, anew where the shift moves, which it seldom does.

    That takes a quarter of the time of their eigenvalues, which would serve every shift.
    """

    def __init__(self, grams: Array) -> None:
        self._grams = grams
        self._shift = np.nan
        self._inverse = np.empty_like(grams)

    def replace(self, places: NDArray[np.intp], grams: Array) -> None:
        """Take other matrices at these places."""
        self._grams[places] = grams
        if np.isfinite(self._shift):
            self._inverse[places] = self._invert(grams)

    def solve(self, shift: float, rhs: Array) -> Array:
        """The solutions for one right side each, a row of `rhs`."""
        if shift != self._shift:
            self._shift = shift
            self._inverse = self._invert(self._grams)
        return np.matmul(self._inverse, rhs[:, :, None])[:, :, 0]

    def _invert(self, grams: Array) -> Array:
        return row_algebra.inverses(grams + self._shift * np.eye(grams.shape[1]))


class _ByFeatures:
    """``w = (X' S X + (rho/c) I)^-1 (X' S y + (rho/c) b)``."""

    def __init__(self, nodes: NodeTable, block: NDArray[np.intp]) -> None:
        self._nodes, self._block = nodes, block
        self._shifted = _Shifted(nodes.hessians(nodes.weight, block))
        self._pull = nodes.moments_of(nodes.y)[block]

    def refresh(self, which: NDArray[np.intp]) -> None:
        """Take note of the rows of these nodes, as far as they are of the block."""
        places = np.flatnonzero(np.isin(self._block, which))
        nodes = self._nodes
        self._shifted.replace(places, nodes.hessians(nodes.weight, self._block[places]))
        for place in places:
            l = self._block[place]
            part = nodes.parts[l]
            pull = nodes.weight[part] * nodes.y[part]
            self._pull[place] = row_algebra.accumulate(nodes.rows(l), pull)

    def solve(self, base: Array, shift: float, W: Array) -> None:
        """Put the solutions for ``shift = rho/c`` into the nodes' rows of W."""
        rhs = self._pull + shift * base[self._block]
        W[self._block] = self._shifted.solve(shift, rhs)


class _ByRows:
    """``a = S^(-1/2) t``, ``(1/c + E E'/rho) t = S^(1/2) (y - X b)`` with ``E = S^(1/2) X``."""

    def __init__(self, nodes: NodeTable, block: NDArray[np.intp]) -> None:
        self._nodes, self._block = nodes, block
        self._lengths = np.diff(nodes.starts)[block]
        n = int(self._lengths.max())
        self._root = np.zeros((len(block), n))
        self._rows = np.zeros((len(block), n), dtype=np.intp)
        for place, l in enumerate(block):
            own = slice(0, self._lengths[place])
            self._root[place, own] = np.sqrt(nodes.weight[nodes.parts[l]])
            self._rows[place, own] = np.arange(nodes.starts[l], nodes.starts[l + 1])
        self._heavy = self._root > 0.0
        self._shifted = _Shifted(self._grams(np.arange(len(block))))

    def _grams(self, places: NDArray[np.intp]) -> Array:
        n = self._root.shape[1]
        grams = np.zeros((len(places), n, n))
        for count, place in enumerate(places):
            own = slice(0, self._lengths[place])
            X = self._nodes.rows(self._block[place])
            grams[count, own, own] = row_algebra.gram(X * self._root[place, own, None])
        return grams

    def refresh(self, which: NDArray[np.intp]) -> None:
        """Take note of the rows of these nodes, as far as they are of the block."""
        places = np.flatnonzero(np.isin(self._block, which))
        self._shifted.replace(places, self._grams(places))

    def solve(self, shift: float, alpha: Array) -> None:
        """From ``alpha = c (y - X b)`` to the solutions' dual variables, for ``shift = rho/c``."""
        residual = shift * self._root * alpha[self._rows]
        t = self._shifted.solve(shift, residual)
        heavy = self._heavy
        alpha[self._rows[heavy]] = t[heavy] / self._root[heavy]
