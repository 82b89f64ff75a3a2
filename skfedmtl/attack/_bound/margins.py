"""The joint inequality for losses that are no squares of residuals.

As in `skfedmtl.attack._bound.joint`, with no more than convexity of the loss: q and the distance
from V fall away, so that V enters K alone::

    H <= tau (K - min over W of [sum of (theta - [l in T]/tau) f + R(W)]),     tau >= 1 / theta

The best V is the least of K, what a victim would choose who expects the worst rows [1]_. The right
side is convex in tau. A common part changes nothing but R, which stays convex.

References
----------
.. [1] J. Steinhardt, P. W. Koh, P. Liang, "Certified Defenses for Data Poisoning Attacks",
   NeurIPS 2017.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from scipy import sparse

from skfedmtl._model import Relationship
from skfedmtl._typing import Array
from skfedmtl.attack._bound.descent import along, search
from skfedmtl.attack._bound.fits import Fit, fit_losses
from skfedmtl.attack._bound.injection import Pull, Pulls
from skfedmtl.attack._bound.setting import Bound, Setting
from skfedmtl.attack._bound.slopes import Slopes

_ROUGH, _FINE = 1e-5, 1e-8  #: tolerances of the fits on the way, and of the last one
_LOOSE, _TIGHT = 1e-3, 1e-9  #: of the first reference; where nothing is injected it is the last one
_MOST_TAU = 12.0  #: logarithm of tau over its limit
_WIDTHS = (0.3, 0.1, 0.03, 0.01)  #: of kinks that are rounded off, one after another
_ON_THE_WAY = (0.1,)  #: where a reference is near


class JointMargins:
    """The joint inequality of a setting."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.left, self.on = setting, setting.left, setting.on_targets
        model, rows = setting.model, setting.rows
        self.model, self.relationship = model, model.relationship
        self._slopes = Slopes(self.relationship)
        self.pull = Pull(model.loss, setting.injection)
        self.limit = 1.0 / float(self.left[setting.targets].min())
        #: the feature whose weight is the intercept, 0 if there is none
        self.constant = model.intercept_scaling if model.intercept == "feature" else 0.0
        self.seen = rows.X
        if self.constant:
            self.seen = np.column_stack([rows.X, np.full(len(rows.X), self.constant)])
        total = np.bincount(rows.codes, rows.weight, minlength=len(self.left))
        #: of a row in its node
        self.share: Array = rows.weight / np.where(total > 0.0, total, 1.0)[rows.codes]
        self._of_row = self.left[rows.codes] * self.share
        self._cells = self._in_cells()

    def _in_cells(self) -> sparse.csr_array:
        """The rows, each in the columns of its node: what they push adds up in one product."""
        n, d = self.seen.shape
        first = self.setting.rows.codes.astype(np.int64) * d
        columns = (first[:, None] + np.arange(d)).ravel()
        starts = np.arange(n + 1) * d
        cells = np.ascontiguousarray(self.seen).ravel()
        return sparse.csr_array((cells, columns, starts), shape=(n, len(self.left) * d))

    @property
    def shape(self) -> tuple[int, int]:
        """Of weights."""
        return len(self.left), self.seen.shape[1]

    def intercepts(self, V: Array) -> Array:
        """b of weights."""
        return self.constant * V[:, -1] if self.constant else np.zeros(len(V))

    def decide(self, V: Array) -> Array:
        """Decision values of all rows."""
        f: Array = np.einsum("ij,ij->i", self.seen, V[self.setting.rows.codes])
        return f

    def losses(self, V: Array) -> Array:
        """f of every node."""
        rows = self.setting.rows
        losses = self.share * self.model.loss.value(rows.y, self.decide(V))
        total: Array = np.bincount(rows.codes, losses, minlength=len(V)).astype(np.float64)
        return total

    def pulled(self, V: Array) -> Array:
        """What the injected rows of every node may bring."""
        pulled = np.zeros(len(V))
        pulled[self.setting.injection.codes] = self.setting.injection.share * self._pulls(V).value
        return pulled

    def known(self, V: Array, f: Array | None = None) -> float:
        """K; f are the decision values, if they are there already."""
        f = self.decide(V) if f is None else f
        value = float(self._of_row @ self.model.loss.value(self.setting.rows.y, f))
        pulled = float(self.setting.injection.share @ self._pulls(V).value)
        return value + (self.relationship.penalty(V) + pulled)

    def rounded(self, V: Array, f: Array, width: float) -> tuple[float, Array]:
        """K with kinks rounded off by about `width`, and its slope."""
        y, injection = self.setting.rows.y, self.setting.injection
        codes, n_slopes = injection.codes, self.setting.rows.X.shape[1]
        smooth = self.model.loss.smoothed(width)
        pulls = self._pulls(V, 1e-2 * width)
        value = float(self._of_row @ smooth.value(y, f))
        value += self.relationship.penalty(V) + float(injection.share @ pulls.value)
        push = self._of_row * smooth.derivative(y, f)
        by_v = np.asarray(self._cells.T @ push).reshape(V.shape)
        root = 1e-2 * width * float(np.abs(V).max()) + 1e-9
        by_v += self._slopes.at(V, root)
        by_v[codes, :n_slopes] += injection.share[:, None] * pulls.by_v
        by_v[codes, n_slopes:] += (injection.share * pulls.by_b)[:, None] * self.constant
        return value, by_v

    def _pulls(self, V: Array, small: float = 0.0) -> Pulls:
        """kappa of the sources, its kinks rounded off by so much."""
        codes, n_slopes = self.setting.injection.codes, self.setting.rows.X.shape[1]
        return self.pull.at(V[codes, :n_slopes], self.intercepts(V)[codes], small, small)

    def tied(self, relationship: Relationship) -> JointMargins:
        """The same nodes with another relationship."""
        other = copy(self)
        other.model = self.model._replace(relationship=relationship)
        other.relationship, other._slopes = relationship, Slopes(relationship)
        return other

    def reference(self, max_iter: int, start: Array | None = None) -> tuple[float, Array]:
        """The least K that was found, and its V; in one short round from a start."""
        tol = _TIGHT if len(self.setting.injection.codes) == 0 else _LOOSE
        V = fit_losses(self.setting.rows, self.model, self.left, tol).W if start is None else start
        widths = _WIDTHS if start is None else _ON_THE_WAY

        def judge(z: Array, width: float) -> tuple[float, Array, float]:
            at = z.reshape(self.shape)
            f = self.decide(at)
            value, slope = self.rounded(at, f, width)
            return value, slope.ravel(), self.known(at, f)

        found = search(judge, V.ravel(), widths, len(widths) * max_iter, self.setting.clock)
        places = V, np.zeros_like(V), found.reshape(V.shape)
        tried = [(self.known(one), one) for one in places]
        return min(tried, key=lambda pair: pair[0])

    def least(self, tau: float, tol: float) -> Fit:
        """The weighted fit."""
        node_weight = np.maximum(self.left - self.on / tau, 0.0)
        return fit_losses(self.setting.rows, self.model, node_weight, tol)

    def descend(self, K: float, V: Array) -> Bound:
        """The best bound of a search along tau; K is that of V, and what victims lack."""

        def judge(log_tau: float) -> float:
            tau = self.limit * np.exp(log_tau)
            return float(tau * (K - self.least(tau, _ROUGH).bound))

        return self.bound(V, along(judge, 0.0, _MOST_TAU, self.setting.clock))

    def bound(self, V: Array, log_tau: float) -> Bound:
        """Of a reference and a multiplier, with a finished fit."""
        tau = self.limit * float(np.exp(log_tau))
        fit = self.least(tau, _FINE)
        value = tau * (self.known(V) - fit.bound)
        lost = tau * (fit.value - fit.bound)
        return Bound(value, "T1", V, self.intercepts(V), np.array([tau]), lost)
