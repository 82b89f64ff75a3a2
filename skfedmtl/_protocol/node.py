"""One party of the fit: its rows and its dual variables, which never leave it.

====================  =================================================  ========
symbol                variable                                           shape
====================  =================================================  ========
x_i, y_i              ``Node._X``, ``Node._y``                           (n, d), (n,)
s_i / c_l             ``Node._weight``                                   (n,)
a                     ``Node._alpha``                                    (n,)
v_l                   sum of weight_i a_i x_i                            (d,)
====================  =================================================  ========

Sums run in the order of the rows and use no BLAS: the same bits in any worker, and as
`skfedmtl._protocol.node_table` finds them for many nodes at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Loss, row_algebra
from skfedmtl._protocol.messages import (
    AVERAGING,
    MEMORY,
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
from skfedmtl._typing import Array

_NONE: Array = np.zeros(0)  #: one array for all nodes that have not been asked


class Attempt(NamedTuple):
    """What a node has found in a round and keeps, beside what it answers."""

    alpha: Array
    mean: Array
    answer: Answer


class Node:
    """Rows, targets, weights and dual variables of one node; it answers messages.

    Parameters
    ----------
    X : ndarray of shape (n, d) or SparseRows
    y, weight : ndarray of shape (n,)
        Targets, and weights of the rows in the node's loss.
    loss : Loss
    centred : bool
        Whether an intercept is free, so that dual variables sum to zero.
    alpha, squared_norm : ndarray of shape (n,) or None
        What to begin with, and the rows' squared lengths, from who makes many nodes at once.
    total : float
        Sum of the weights, what the node's loss counts.
    """

    __slots__ = (
        "_X",
        "_alpha",
        "_centred",
        "_draft",
        "_kept",
        "_live",
        "_loss",
        "_mean",
        "_n_orders",
        "_seed",
        "_squared_norm",
        "_total",
        "_v",
        "_waiting",
        "_weight",
        "_y",
    )

    def __init__(
        self,
        X: Any,
        y: Array,
        weight: Array,
        loss: Loss,
        *,
        centred: bool,
        alpha: Array | None = None,
        squared_norm: Array | None = None,
        total: float = 1.0,
    ) -> None:
        self._X, self._y, self._weight = X, y, weight
        self._loss, self._centred, self._total = loss, centred, total
        self._alpha = self._start() if alpha is None else alpha
        self._live: NDArray[np.intp] | None = None
        self._squared_norm = row_algebra.squared_norms(X) if squared_norm is None else squared_norm
        self._kept: list[Array] = []  #: the dual variables of the last answers, the newest last
        self._mean = _NONE  #: of the local weights of all answers
        self._draft = self._alpha  #: the dual variables that steps go on from,
        self._v = _NONE  #: their moment,
        self._waiting = self._alpha  #: and the same, shifted for the best
        self.reseed((0,))

    # -- messages ---------------------------------------------------------------------------

    def greet(self, greeting: Greeting) -> Greeted:
        """Begin a fit."""
        w = np.array(greeting.w)
        self._kept = [self._alpha] * MEMORY
        self._mean = w
        if not greeting.resume:
            self._draft = self._alpha
        self._waiting = self._tight(self._draft)
        self._v = self._moment(self._draft)
        return Greeted(
            self._v,
            self._conjugate(self._waiting),
            self._linear(self._waiting),
            self._loss_at(w),
            row_algebra.total(self._weight * self._squared_norm),
            np.array_equal(self._alpha, self._start()),
        )

    def tell(self, question: Question) -> Told:
        """Tell moment and conjugate of the dual variables."""
        if question.tighten:
            self._alpha = self._tight(self._alpha)
        return Told(self._moment(self._alpha), self._conjugate(self._alpha))

    def price(self, weights: Weights) -> Price:
        """Tell the loss of weights."""
        return Price(self._loss_at(weights.w))

    def answer(self, order: Order) -> Answer:
        """Improve the dual of the local model, and keep what has been found."""
        attempt = self.attempt(order)
        self.remember(attempt)
        return attempt.answer

    def settle(self, mixture: Mixture) -> None:
        """Let a combination of the kept answers become the present state."""
        alpha = (1.0 - mixture.t.sum()) * self._alpha
        for share, other in zip(mixture.t, self._kept, strict=True):
            alpha += share * other
        self._alpha = np.where(self._weight > 0, self._loss.clip(self._y, alpha), 0.0)

    def step(self, order: StepOrder) -> StepAnswer:
        """Improve the dual variables of a proximal step."""
        alpha = self._draft.copy()
        w = order.base + self._v / order.rho
        self._pass_over(1.0 / order.rho, order.epochs, alpha, w)
        self._n_orders += 1
        self._draft = alpha
        self._waiting = self._tight(alpha)
        self._v = self._moment(alpha)
        is_asked = len(order.asked) > 0
        asked = order.asked if is_asked else order.base + self._v / order.rho
        return StepAnswer(
            self._v,
            self._loss_at(asked),
            self._conjugate(self._waiting),
            self._linear(self._waiting),
        )

    def keep(self, share: Share) -> None:
        """Let a share of what waits become the present state."""
        self._alpha = share.share * self._waiting

    # -- for who carries the messages within one process ------------------------------------

    def attempt(self, order: Order) -> Attempt:
        """What `answer` finds; changes nothing, so that any worker may be asked."""
        w, curvature, epochs = order
        alpha, local = self._alpha.copy(), np.array(w)
        self._pass_over(curvature, epochs, alpha, local)
        dv = self._moment(alpha - self._alpha)
        alpha = self._tight(alpha)
        local = w + curvature * dv  # as the server reckons it
        mean = self._mean + AVERAGING * (local - self._mean)
        answer = Answer(
            dv,
            np.array([self._conjugate(self._alpha), self._conjugate(alpha)]),
            self._losses_at([w, local, mean]),
            self._products(alpha),
        )
        return Attempt(alpha, mean, answer)

    def remember(self, attempt: Attempt) -> None:
        """Keep what an `attempt` has found, in the place of the oldest answer."""
        self._kept = [*self._kept[1:], attempt.alpha]
        self._mean = attempt.mean
        self._n_orders += 1

    # -- at home ----------------------------------------------------------------------------

    def _start(self) -> Array:
        """The dual variables to begin with."""
        return np.where(self._weight > 0, self._loss.start(self._y), 0.0)

    def reseed(self, seed: Sequence[int]) -> None:
        """Draw the orders of rows from this seed and the number of the order to work."""
        self._seed, self._n_orders = tuple(seed), 0

    def state(self) -> dict[str, Array]:
        """Where it stands, but for the rows, in arrays."""
        return {
            "alpha": self._alpha,
            "draft": self._draft,
            "waiting": self._waiting,
            "v": self._v,
            "mean": self._mean,
            "kept": np.array(self._kept).reshape(-1, len(self._y)),
            "n_orders": np.array(float(self._n_orders)),
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """Stand where a node of the same rows has stood."""
        self._alpha, self._draft = state["alpha"], state["draft"]
        self._waiting, self._v = state["waiting"], state["v"]
        self._mean, self._kept = state["mean"], list(state["kept"])
        self._n_orders = int(state["n_orders"])

    def refresh(self) -> None:
        """Take note of rows or weights that were changed from outside."""
        self._live = None
        self._squared_norm = row_algebra.squared_norms(self._X)

    @property
    def _heavy(self) -> NDArray[np.intp]:
        """The rows of some weight."""
        if self._live is None:
            self._live = (self._weight > 0).nonzero()[0]
        return self._live

    def relax(self, rows: NDArray[np.intp], curvature: float, alpha: Array, w: Array) -> int:
        """One pass over these rows of a sparse node, those that move listed first; their number."""
        parts = self._y, self._weight, self._squared_norm, rows, curvature, 1, alpha, w
        n_moved: int = self._X.visit(self._loss.kernel, *parts)
        return n_moved

    def _pass_over(self, curvature: float, epochs: float, alpha: Array, w: Array) -> None:
        """So many passes over the rows, in drawn orders; `alpha` and `w` change in place."""
        rng = np.random.default_rng([*self._seed, self._n_orders])
        whole = int(epochs)
        part = int(np.ceil((epochs - whole) * len(self._heavy)))
        for count, n_passes in ((part, 1), (len(self._heavy), whole)):
            rows = rng.permutation(self._heavy)[:count].copy()
            row_algebra.visit(
                self._X,
                self._loss.kernel,
                self._y,
                self._weight,
                self._squared_norm,
                rows,
                curvature,
                n_passes,
                alpha,
                w,
            )

    def _tight(self, alpha: Array) -> Array:
        """Of a higher dual at no cost: on centred rows a shift of ``alpha`` leaves v_l alone."""
        if not self._centred or not len(self._heavy):
            return alpha
        alpha = alpha - row_algebra.total(self._weight * alpha) / self._total
        alpha[self._weight == 0] = 0.0
        return alpha

    def _moment(self, alpha: Array) -> Array:
        return row_algebra.accumulate(self._X, self._weight * alpha)

    def _loss_at(self, w: Array) -> float:
        margins = row_algebra.margins(self._X, w)
        return row_algebra.total(self._weight * self._loss.value(self._y, margins))

    def _losses_at(self, points: list[Array]) -> Array:
        return np.array([self._loss_at(point) for point in points])

    def _conjugate(self, alpha: Array) -> float:
        return row_algebra.total(self._weight * self._loss.conjugate(self._y, alpha))

    def _linear(self, alpha: Array) -> float:
        return row_algebra.total(self._weight * self._y * alpha)

    def _products(self, alpha: Array) -> Array:
        """Inner products of an answer with those kept, itself the last, from the present state."""
        if self._loss.modulus == 0.0:
            return np.zeros(MEMORY)
        offsets = np.stack([*self._kept[1:], alpha]) - self._alpha
        return np.einsum("i,ji,i->j", self._weight, offsets, offsets[-1])
