"""Nodes whose rows lie in a file: one that reads them again, and one that need not.

Of the squared error all rows are a triangle. With ``S^(1/2) [X, y] = Q [R, r]`` of orthonormal Q::

    sum of weight_i (x_i . w - y_i)^2 = ||R w - r||^2 + rest^2

so that a node of the d + 1 rows of the factor has the loss, the conjugate, the moments and the sum
of squared lengths of all rows. Unlike ``X' S X`` it does not square their condition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skfedmtl._kernels import _sdca
from skfedmtl._model import Loss, StoredRows, row_algebra
from skfedmtl._protocol.messages import Greeted, Greeting, Order, Share, StepAnswer, StepOrder
from skfedmtl._protocol.node import Attempt, Node
from skfedmtl._typing import Array

_KNOWN = 4  #: moments and losses that are remembered: those of a message and of the next


class StoredNode(Node):
    """A node that reads its rows as seldom as it can: what one reading can tell is found at once.

    A step of one pass is one reading, if it is known which weights are asked about; more passes, or
    weights that follow from the step, take another each. `Node` says the rest.
    """

    __slots__ = ("_moments", "_points", "_prices")

    def __init__(self, X: StoredRows, y: Array, weight: Array, loss: Loss, **given: Any) -> None:
        super().__init__(X, y, weight, loss, centred=False, **given)
        self._points: list[Array] | None = None  #: what a step's pass may price; None: no step
        self._moments: list[tuple[Array, Array]] = []  #: of dual variables, which are never changed
        self._prices: list[tuple[Array, float]] = []  #: of weights

    def greet(self, greeting: Greeting) -> Greeted:
        """Begin a fit."""
        draft = self._draft if greeting.resume else self._alpha
        self._look(draft, [np.array(greeting.w)])
        return super().greet(greeting)

    def step(self, order: StepOrder) -> StepAnswer:
        """Improve the dual variables of a proximal step."""
        self._points = [np.array(order.asked)] if len(order.asked) else []
        return super().step(order)

    def attempt(self, order: Order) -> Attempt:
        """What `answer` finds; changes nothing but what is remembered of the rows."""
        self._points = None
        return super().attempt(order)

    def keep(self, share: Share) -> None:
        """Let a share of what waits become the present state."""
        super().keep(share)
        self.know_moment(self._alpha, share.share * self._moment(self._waiting))

    def _pass_over(self, curvature: float, epochs: float, alpha: Array, w: Array) -> None:
        points = self._points
        if points is None or not 1.0 <= epochs < 2.0:
            super()._pass_over(curvature, epochs, alpha, w)
            if points is not None:
                self._look(alpha, points)
            return
        # the bits of `Node`: a part of a pass, and then a whole one
        rng = np.random.default_rng([*self._seed, self._n_orders])
        part = int(np.ceil((epochs - 1.0) * len(self._heavy)))
        numbers = self._loss.kernel, self._y, self._weight, self._squared_norm
        first = rng.permutation(self._heavy)[:part].copy()
        self._X.visit(*numbers, first, curvature, 1, alpha, w)
        whole = rng.permutation(self._heavy)
        seen = Seen(self, self._X.shape[1], alpha, points)
        self._X.visit(*numbers, whole, curvature, 1, alpha, w, seen.see)
        seen.remember()

    def _look(self, alpha: Array, points: list[Array]) -> None:
        """Find a moment and losses in one reading, or in none: what is known, and what is zero."""
        for w in points:
            if not w.any():
                at_zero = self._loss.value(self._y, np.zeros(len(self._y)))
                self.know_loss(w, row_algebra.total(self._weight * at_zero))
        if not alpha.any():
            self.know_moment(alpha, np.zeros(self._X.shape[1]))
        is_known = any(alpha is other for other, _ in self._moments)
        unknown = [w for w in points if self._known_loss(w) is None]
        if is_known and not unknown:
            return
        seen = Seen(self, self._X.shape[1], alpha, unknown)
        for part, X in self._X.chunks():
            seen.see(part, X)
        seen.remember()

    def add_moment(self, part: slice, X: Array, alpha: Array, v: Array) -> None:
        """Add what these rows have of the moment of dual variables."""
        _sdca.accumulate(X, self._weight[part] * alpha[part], v)

    def put_losses(self, part: slice, X: Array, w: Array, losses: Array) -> None:
        """Put the weighted losses of these rows into their part of `losses`."""
        value = self._loss.value(self._y[part], row_algebra.margins(X, w))
        np.multiply(self._weight[part], value, out=losses[part])

    # a copy of a node has these lists, too: they are replaced, never changed

    def know_moment(self, alpha: Array, v: Array) -> None:
        """Remember a moment."""
        self._moments = [*self._moments[1 - _KNOWN :], (alpha, v)]

    def know_loss(self, w: Array, loss: float) -> None:
        """Remember a loss."""
        self._prices = [*self._prices[1 - _KNOWN :], (np.array(w), loss)]

    def _known_loss(self, w: Array) -> float | None:
        return next((loss for other, loss in self._prices if np.array_equal(other, w)), None)

    def _moment(self, alpha: Array) -> Array:
        self._look(alpha, [])
        return next(v for other, v in self._moments if other is alpha)

    def _loss_at(self, w: Array) -> float:
        return float(self._losses_at([w])[0])

    def _losses_at(self, points: list[Array]) -> Array:
        self._look(self._alpha, points)
        return np.array([self._known_loss(w) for w in points])


class Seen:
    """The moment of dual variables, and the losses at points, of the rows that were shown."""

    def __init__(self, node: StoredNode, d: int, alpha: Array, points: list[Array]) -> None:
        self._node, self._alpha, self._points = node, alpha, points
        self.v = np.zeros(d)
        self._losses = [np.zeros(len(alpha)) for _ in points]

    def see(self, part: slice, X: Array) -> None:
        """Take these rows, on which the dual variables are what they will be."""
        self._node.add_moment(part, X, self._alpha, self.v)
        for w, losses in zip(self._points, self._losses, strict=True):
            self._node.put_losses(part, X, w, losses)

    def remember(self) -> None:
        """Let the node know of all rows."""
        self._node.know_moment(self._alpha, self.v)
        for w, losses in zip(self._points, self._losses, strict=True):
            self._node.know_loss(w, row_algebra.total(losses))


class FactorNode(Node):
    """A node of the squared error that solves every order exactly, by its factor's singular values.

    Parameters
    ----------
    factor : ndarray of shape (k, d + 1)
        Rows and, in the last column, targets, each of weight 1.
    loss : Loss
        Of constant curvature.
    """

    __slots__ = ("_pull", "_singular", "_turn")

    def __init__(self, factor: Array, loss: Loss) -> None:
        X, y = factor[:, :-1].copy(), factor[:, -1].copy()
        super().__init__(X, y, np.ones(len(y)), loss, centred=False)
        _, self._singular, self._turn = np.linalg.svd(X, full_matrices=False)
        self._pull = self._moment(y)

    def _pass_over(self, curvature: float, epochs: float, alpha: Array, w: Array) -> None:
        """Solve ``w = w_0 + curvature v(a)``, ``a = c (y - X w)``; passes are not counted."""
        bend = self._loss.constant_curvature
        rhs = w - curvature * self._moment(alpha) + curvature * bend * self._pull
        along = self._turn @ rhs
        shrunk = along / (1.0 + curvature * bend * np.square(self._singular))
        # what no row reaches stays as it is
        w[:] = rhs + self._turn.T @ (shrunk - along)
        alpha[:] = bend * (self._y - row_algebra.margins(self._X, w))
