"""The nodes' side of the splitting: proximal steps on their own losses.

A node that is told a base ``b`` and a curvature ``1/rho`` finds::

    w = argmin F_l(w) + (rho/2) ||w - b||^2 = b + v/rho,      v = sum of weight_i a_i x_i

by coordinate passes over its rows from the dual variables that it has, or exactly where the
loss is a square and its Gram matrix, of the rows or of the features, is small: one decomposition
serves every rho.

====================  =============================================  ==========
symbol                variable                                       shape
====================  =============================================  ==========
b_l                   ``base``                                       (m, d)
w_l, v_l              ``W``, ``V``                                   (m, d)
a                     ``alpha``, of all rows, node after node        (n,)
====================  =============================================  ==========
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.utils.parallel import delayed

from skfedmtl import _rows
from skfedmtl._kernels import _sdca
from skfedmtl._losses import Array
from skfedmtl._node_list import NodeList, stack
from skfedmtl._schedule import Schedule

_FIRST, _MOST = 5, 200  #: passes over all rows in the first step, and in any at most
_BETWEEN = 8  #: passes over the rows that have moved, between two over all
_ACCURACY = 0.1  #: of the last residual, to which weights are found
_LARGEST = 400  #: rows or features of which the smaller number is decomposed
#: of all decompositions at most: more take longer than passes, or more room than the rows
_FEW_NUMBERS, _MANY_NUMBERS = 2**14, 2**20
_ALIKE = 1.3  #: nodes that differ less in their numbers of rows are decomposed together


class Steps(Protocol):
    """Proximal steps of all nodes at once."""

    alpha: Array
    V: Array
    W: Array
    which: NDArray[np.intp] | slice  #: the nodes that have answered
    n_answers: int
    losses: Array  #: of the nodes at the weights that they were sent last, where some are away

    def run(self, base: Array, rho: float, residual: float, rng: np.random.Generator) -> None: ...


def make_steps(
    nodes: NodeList, alpha: Array, schedule: Schedule | None, n_jobs: int | None, parallel: Any
) -> Steps:
    """The steps that the schedule asks for, or that suit the loss and the sizes of the nodes."""
    if schedule is not None:
        return ScheduledPasses(nodes, alpha, schedule, n_jobs, parallel)
    if nodes[0].loss.constant_curvature and _is_cheap(nodes):
        return ExactSteps(nodes, alpha)
    return Passes(nodes, alpha, n_jobs, parallel)


def _is_cheap(nodes: NodeList) -> bool:
    smaller = np.minimum(np.diff(nodes.starts), nodes.X.shape[1])
    numbers = int(np.square(smaller).sum())
    enough = min(max(nodes.X.size, _FEW_NUMBERS), _MANY_NUMBERS)
    return int(smaller.max(initial=0)) <= _LARGEST and numbers <= enough


class Passes:
    """Coordinate passes; blocks of nodes to workers, with the same bits for any number of them."""

    def __init__(self, nodes: NodeList, alpha: Array, n_jobs: int | None, parallel: Any) -> None:
        self._nodes, self._loss = nodes, nodes[0].loss
        self._parallel = parallel
        self.alpha = alpha
        live = nodes.weight > 0.0
        self._order = np.flatnonzero(live)
        self._ends = np.concatenate([np.zeros(1, dtype=np.intp), np.cumsum(live)])[nodes.starts]
        self._norms = stack(nodes, "squared_norm")
        self._blocks = _blocks(len(nodes), n_jobs)
        self.which: NDArray[np.intp] | slice = slice(None)
        self.n_answers = len(nodes)
        self.losses = np.zeros(0)
        self.V = nodes.moments_of(alpha)
        self.W = np.zeros_like(self.V)

    def run(self, base: Array, rho: float, residual: float, rng: np.random.Generator) -> None:
        """Improve the dual variables until the weights rest, as measured by the last residual."""
        close = _ACCURACY * residual
        least = 1 if np.isfinite(close) else _FIRST
        seeds = rng.integers(2**63, size=len(self._nodes)).astype(np.uint64)
        curvature = 1.0 / rho
        self.W = base + self.V / rho
        self._parallel(
            delayed(self._run_block)(first, last, curvature, close, least, seeds)
            for first, last in self._blocks
        )
        self.V = self._nodes.moments_of(self.alpha)
        self.W = base + self.V / rho

    def _run_block(
        self,
        first: int,
        last: int,
        curvature: float,
        close: float,
        least: int,
        seeds: NDArray[np.uint64],
    ) -> None:
        nodes, most = self._nodes, self._loss.most_passes or _MOST
        if not isinstance(nodes.X, np.ndarray):
            for l in range(first, last):
                self._run_sparse(l, curvature, close, least, most, int(seeds[l]))
            return
        _sdca.relax_by_node(
            self._loss.kernel,
            nodes.X,
            nodes.y,
            nodes.weight,
            self._norms,
            self._ends,
            first,
            last,
            self._order,
            seeds,
            curvature,
            close,
            least,
            most,
            0 if self._loss.most_passes else _BETWEEN,
            self.alpha,
            self.W,
        )

    def _run_sparse(
        self, l: int, curvature: float, close: float, least: int, most: int, state: int
    ) -> None:
        """The same for one node of sparse rows: `_sdca.relax_by_node` in Python."""
        nodes, node = self._nodes, self._nodes[l]
        live = slice(self._ends[l], self._ends[l + 1])
        order, alpha, w = self._order[live] - nodes.starts[l], self.alpha[nodes.parts[l]], self.W[l]
        before, state = w.copy(), state | 1

        def pass_over(rows: NDArray[np.intp]) -> tuple[int, float]:
            """How many rows have moved, and how far the weights."""
            n_moved = node.relax(rows, curvature, alpha, w)
            moved = float(np.linalg.norm(w - before))
            before[:] = w
            return n_moved, moved

        for n_passes in range(1, most + 1) if len(order) else ():
            state = _sdca.shuffle(order, state)
            n_moved, moved = pass_over(order)
            if (moved <= close and n_passes >= least) or n_passes == most:
                break
            for _ in range(0 if self._loss.most_passes else _BETWEEN):
                if n_moved == 0 or moved <= 0.1 * close:
                    break
                n_moved, moved = pass_over(order[:n_moved])
        self._order[live] = order + nodes.starts[l]


class ScheduledPasses:
    """As many passes as a schedule draws, at the nodes that it draws; the others keep theirs."""

    def __init__(
        self, nodes: NodeList, alpha: Array, schedule: Schedule, n_jobs: int | None, parallel: Any
    ) -> None:
        self._nodes, self._schedule = nodes, schedule
        self._n_jobs, self._parallel = n_jobs, parallel
        self.alpha = alpha
        self.V = nodes.moments_of(alpha)
        self.W = np.zeros_like(self.V)
        self.which: NDArray[np.intp] | slice = np.arange(len(nodes))
        self.n_answers = len(nodes)
        self.losses = np.array([node.loss_at(w) for node, w in zip(nodes, self.W, strict=True)])

    def run(self, base: Array, rho: float, residual: float, rng: np.random.Generator) -> None:
        """One exchange."""
        which, epochs, seeds = self._schedule.draw(rng)
        self.which, self.n_answers = which, len(which)
        self.W[which] = base[which] + self.V[which] / rho
        jobs = list(zip(which.tolist(), epochs, seeds, strict=True))
        self._parallel(
            delayed(self._run_block)(jobs[first:last], 1.0 / rho)
            for first, last in _blocks(len(jobs), self._n_jobs)
        )
        for l in which:
            node, part = self._nodes[l], self._nodes.parts[l]
            self.V[l] = _rows.accumulate(node.X, node.weight * self.alpha[part])
        self.W[which] = base[which] + self.V[which] / rho

    def _run_block(self, jobs: list[tuple[int, float, int]], curvature: float) -> None:
        for l, epochs, seed in jobs:
            alpha = self.alpha[self._nodes.parts[l]]
            self._nodes[l].pass_over(curvature, epochs, seed, alpha, self.W[l])


def _blocks(count: int, n_jobs: int | None) -> list[tuple[int, int]]:
    """Consecutive parts, one a worker."""
    n_blocks = max(1, min(count, effective_n_jobs(n_jobs)))
    return list(itertools.pairwise(np.linspace(0, count, n_blocks + 1).astype(int).tolist()))


class ExactSteps:
    """The squared error: solutions by the eigenvalues of every node's Gram matrix."""

    def __init__(self, nodes: NodeList, alpha: Array) -> None:
        self._nodes, self.alpha = nodes, alpha
        self.V = nodes.moments_of(alpha)
        self.W = np.zeros_like(self.V)
        self.which: NDArray[np.intp] | slice = slice(None)
        self.n_answers = len(nodes)
        self.losses = np.zeros(0)
        n, d = np.diff(nodes.starts), nodes.X.shape[1]
        many, few = np.flatnonzero(n >= d), np.flatnonzero((n < d) & (n > 0))
        self._by_features = [_ByFeatures(nodes, many)] if len(many) else []
        self._by_rows = [_ByRows(nodes, block) for block in _alike(few, n)]

    def run(self, base: Array, rho: float, residual: float, rng: np.random.Generator) -> None:
        """Solve every node's sub-problem."""
        nodes, W = self._nodes, base.copy()
        for features in self._by_features:
            features.solve(base, rho, W)
        alpha = 2.0 * (nodes.y - nodes.margins(W))
        for rows in self._by_rows:
            rows.solve(rho, alpha)
        self.alpha = np.where(nodes.weight > 0.0, alpha, 0.0)
        self.V = nodes.moments_of(self.alpha)
        self.W = base + self.V / rho


def _alike(nodes: NDArray[np.intp], n: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Nodes of about the same number of rows."""
    nodes = nodes[np.argsort(n[nodes], kind="stable")]
    while len(nodes):
        count = int(np.searchsorted(n[nodes], _ALIKE * n[nodes[0]], side="right"))
        yield nodes[:count]
        nodes = nodes[count:]


class _ByFeatures:
    """``w = Q (2 Q'c + rho Q'b) / (2 lambda + rho)`` with ``X' S X = Q diag(lambda) Q'``.

    ``c = X' S y``.
    """

    def __init__(self, nodes: NodeList, block: NDArray[np.intp]) -> None:
        self._block, d = block, nodes.X.shape[1]
        grams = np.empty((len(block), d, d))
        self._pull = np.empty((len(block), d))
        for place, l in enumerate(block):
            X, part = nodes[l].X, nodes.parts[l]
            weight = nodes.weight[part]
            grams[place] = _rows.cross(X, X * weight[:, None])
            self._pull[place] = (nodes.y[part] * weight) @ X
        self._values, self._vectors = np.linalg.eigh(grams)
        self._turned = np.ascontiguousarray(np.swapaxes(self._vectors, 1, 2))

    def solve(self, base: Array, rho: float, W: Array) -> None:
        """Put the solutions into the nodes' rows of W."""
        rhs = 2.0 * self._pull + rho * base[self._block]
        inner = np.matmul(self._turned, rhs[:, :, None])
        inner /= 2.0 * self._values[:, :, None] + rho
        W[self._block] = np.matmul(self._vectors, inner)[:, :, 0]


class _ByRows:
    """``a = S^(-1/2) t``, ``(1/2 + E E'/rho) t = S^(1/2) (y - X b)`` with ``E = S^(1/2) X``."""

    def __init__(self, nodes: NodeList, block: NDArray[np.intp]) -> None:
        lengths = np.diff(nodes.starts)[block]
        n = int(lengths.max())
        grams = np.zeros((len(block), n, n))
        self._root = np.zeros((len(block), n))
        self._rows = np.zeros((len(block), n), dtype=np.intp)
        for place, l in enumerate(block):
            own = slice(0, lengths[place])
            root = np.sqrt(nodes.weight[nodes.parts[l]])
            grams[place, own, own] = _rows.gram(nodes[l].X * root[:, None])
            self._root[place, own] = root
            self._rows[place, own] = np.arange(nodes.starts[l], nodes.starts[l + 1])
        self._values, self._vectors = np.linalg.eigh(grams)
        self._turned = np.ascontiguousarray(np.swapaxes(self._vectors, 1, 2))
        self._heavy = self._root > 0.0

    def solve(self, rho: float, alpha: Array) -> None:
        """From ``alpha = 2 (y - X b)`` to the solutions' dual variables, in place."""
        residual = 0.5 * self._root * alpha[self._rows]
        inner = np.matmul(self._turned, residual[:, :, None])
        inner /= 0.5 + self._values[:, :, None] / rho
        t = np.matmul(self._vectors, inner)[:, :, 0]
        heavy = self._heavy
        alpha[self._rows[heavy]] = t[heavy] / self._root[heavy]
