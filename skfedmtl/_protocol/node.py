"""One party of the fit: its rows and its dual variables, which never leave it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Loss, row_algebra
from skfedmtl._protocol.messages import AVERAGING, Answer, Order
from skfedmtl._typing import Array


class Node:
    """Rows, targets, weights and dual variables of one node.

    Who makes many nodes hands over what to begin with, and the rows' squared lengths.
    """

    __slots__ = (
        "X",
        "_live",
        "alpha",
        "centred",
        "loss",
        "squared_norm",
        "weight",
        "y",
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
    ) -> None:
        self.X, self.y, self.weight, self.loss = X, y, weight, loss
        self.centred = centred
        self.alpha = self.start() if alpha is None else alpha
        self._live: NDArray[np.intp] | None = None
        self.squared_norm = row_algebra.squared_norms(X) if squared_norm is None else squared_norm

    def start(self) -> Array:
        """The dual variables to begin with."""
        return np.where(self.weight > 0, self.loss.start(self.y), 0.0)

    def refresh(self) -> None:
        """Take note of rows or weights that were changed from outside."""
        self._live = None
        self.squared_norm = row_algebra.squared_norms(self.X)

    @property
    def live(self) -> NDArray[np.intp]:
        """The rows of some weight."""
        if self._live is None:
            self._live = (self.weight > 0).nonzero()[0]
        return self._live

    def relax(self, rows: NDArray[np.intp], curvature: float, alpha: Array, w: Array) -> int:
        """One pass over these rows of a sparse node, those that move listed first; their number."""
        parts = self.y, self.weight, self.squared_norm, rows, curvature, 1, alpha, w
        n_moved: int = self.X.visit(self.loss.kernel, *parts)
        return n_moved

    def pass_over(self, curvature: float, epochs: float, seed: int, alpha: Array, w: Array) -> None:
        """So many passes over the rows, in drawn orders; `alpha` and `w` change in place."""
        rng = np.random.default_rng(seed)
        whole = int(epochs)
        part = int(np.ceil((epochs - whole) * len(self.live)))
        for count, n_passes in ((part, 1), (len(self.live), whole)):
            rows = rng.permutation(self.live)[:count].copy()
            self._visit(rows, curvature, n_passes, alpha, w)

    def _visit(
        self, rows: NDArray[np.intp], curvature: float, n_passes: int, alpha: Array, w: Array
    ) -> None:
        """Coordinate steps on `rows`, which change `alpha` and the local view `w` in place."""
        row_algebra.visit(
            self.X,
            self.loss.kernel,
            self.y,
            self.weight,
            self.squared_norm,
            rows,
            curvature,
            n_passes,
            alpha,
            w,
        )

    def answer(self, order: Order) -> Answer:
        """Improve the dual of the local model, for so many passes over the rows.

        Changes nothing, and uses no BLAS: the same bits in any worker.
        """
        w, mean, curvature, epochs, seed = order
        alpha, local = self.alpha.copy(), np.array(w)
        self.pass_over(curvature, epochs, seed, alpha, local)
        dv = row_algebra.accumulate(self.X, self.weight * (alpha - self.alpha))
        if self.centred and len(self.live):
            alpha -= np.sum(self.weight * alpha)
            alpha[self.weight == 0] = 0.0
        before, after = (self._sum(self.loss.conjugate(self.y, a)) for a in (self.alpha, alpha))
        local = w + curvature * dv  # as the server reckons it
        points = (w, local, mean + AVERAGING * (local - mean))
        losses = tuple(
            self._sum(self.loss.value(self.y, row_algebra.margins(self.X, v))) for v in points
        )
        return Answer(alpha, dv, (before, after), losses)

    def _sum(self, values: Array) -> float:
        return float(np.sum(self.weight * values))

    def moment(self) -> Array:
        """Sum of weight_i a_i x_i."""
        return row_algebra.moment(self.X, self.weight, self.alpha)

    def tighten(self) -> None:
        """Raise the dual at no cost: on centred rows a shift of ``alpha`` leaves v_l alone."""
        if self.centred and len(self.live):
            self.alpha = self.alpha - self.weight @ self.alpha
            self.alpha[self.weight == 0] = 0.0

    def loss_at(self, w: Array) -> float:
        return float(self.weight @ self.loss.value(self.y, self.X @ w))

    def conjugate_at(self, alpha: Array) -> float:
        return float(self.weight @ self.loss.conjugate(self.y, alpha))
