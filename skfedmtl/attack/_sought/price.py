"""What weights ask of the injected rows of their node, and by how much that is too much.

W is the victim's optimum if and only if ``c_l V_l`` is the sum of ``s_i a_i x_i`` over all rows
of every node l, with ``V = grad R(W)`` and ``c_l`` the node's weight, injected rows included. So
those, each of weight s, have to supply the *demand*, of parts q_w and q_b::

    q = (c_l V_l - sum over clean rows of s_i a_i [x_i, 1]) / s

A constant feature ("feature") is penalised: V has a part for the intercept. A free intercept
("centred") has none, so that the rows must cancel the sum of the clean duals. Without an
intercept ("none") nothing is asked of q_b.

n_p rows of targets ``mid + rho e_i``, e_i = -1 or +1, in the ball of radius R, with pulls
``rho beta_i`` and margins z_i, exert ``q_b = rho sum e_i beta_i``,
``q_w = rho sum e_i beta_i x_i`` and, because f_i is ``mid + rho e_i z_i``::

    T = q_w . w + q_b (b - mid) = sum of rho e_i beta_i (f_i - mid) = rho^2 sum of h(beta_i)

``|q_b| / (rho n_p)`` is at most the mean pull, hence by concavity T at most what the hull g of
h allows. These are the three limits::

    |q_b| <= n_p rho reach
    |q_w| <= n_p rho reach R           (behind scalers: of q_w as users' rows give it)
    T     <= n_p rho^2 g(max(|q_b|, |q_w| / R) / (rho n_p))

Conversely two kinds of rows with equal pulls attain nearly all that (`rows`). Without an
intercept q_b is the rows' own choice, and asks for no pull.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._typing import Array
from skfedmtl.attack._sought.budget import Budget
from skfedmtl.attack._sought.clean_rows import Space
from skfedmtl.attack._sought.law import Law

_WITHIN = 0.95  #: share of R that the mean row may have: two kinds are longer than their mean
_HUBER = 0.01  #: excess at which its charge becomes linear
_TINY = 1e-300


class Charge(NamedTuple):
    """What excesses cost, and its slopes."""

    value: Array  #: (k,)
    by_demand: Array  #: (k, D)
    by_weights: Array  #: (k, D)


class Price:
    """Excesses of demands ``q`` at weights ``theta = [w, b]``, both of shape (k, D = d + 1)."""

    def __init__(self, law: Law, budget: Budget, space: Space, *, balanced: bool) -> None:
        self._law, self._budget, self._balanced = law, budget, balanced
        self._space = space
        self.top = law.top
        #: what the rows exert on an intercept where nothing is asked of that
        self._own_choice = budget.side * budget.counts * budget.half * law.peak

    def excess(self, q: Array, theta: Array, slack: float) -> Array:
        """Of shape (k, 3): intercept, product and length; as shares of the clean rows."""
        return self._excess(q, theta, slack)[0]

    def charge(self, q: Array, theta: Array, slack: float, rate: float) -> Charge:
        """`rate` times the Huber function of the excesses."""
        excess, demand_slopes, share = self._excess(q, theta, slack)
        over = np.maximum(excess, 0.0)
        small = over < _HUBER
        cost = np.where(small, np.square(over) / (2.0 * _HUBER), over - 0.5 * _HUBER)
        slope = rate * np.minimum(over / _HUBER, 1.0)
        by_demand = np.einsum("ki,kij->kj", slope, demand_slopes)
        by_weights = (slope[:, 1] * share)[:, None] * q
        return Charge(rate * cost.sum(axis=1), by_demand, by_weights)

    def _excess(self, q: Array, theta: Array, slack: float) -> tuple[Array, Array, Array]:
        """Excesses, their slopes (k, 3, D) in q, and that of the second in theta as share of q."""
        law, budget = self._law, self._budget
        half, n_rows, clean = budget.half, budget.counts, budget.clean
        theta = budget.less_middle(theta)
        asked = q[:, -1] if self._balanced else np.zeros(len(q))
        sign = np.sign(asked)
        pull = np.abs(asked) / (half * n_rows)
        exerted = self._space.exerted(q[:, :-1], asked if self._balanced else self._own_choice)
        length = np.sqrt(np.einsum("kj,kj->k", exerted, exerted)) + _TINY
        within = _WITHIN * budget.radii * half * n_rows
        haul = length / within
        hull, fall = law.hull(np.maximum(pull, haul))
        product_share = 1.0 / (clean * half**2 * law.top)
        excess = np.empty((len(q), 3))
        excess[:, 0] = n_rows * (pull - slack * law.reach) / clean
        product = np.einsum("kj,kj->k", q, theta)
        excess[:, 1] = (product - slack * n_rows * half**2 * hull) * product_share
        excess[:, 2] = n_rows * (haul - law.reach) / clean
        slopes = np.zeros((len(q), 3, q.shape[1]))
        slopes[:, 0, -1] = sign / (half * clean)
        along = exerted / (length * within)[:, None]
        hauled = np.column_stack([along / self._space.scale, np.zeros(len(q))])
        if self._balanced:
            hauled[:, -1] = along @ self._space.shift
        slopes[:, 2] = hauled * (n_rows / clean)[:, None]
        pulled = slopes[:, 0] * (clean / n_rows)[:, None]
        steepest = np.where((haul > pull)[:, None], hauled, pulled)
        limit = slack * n_rows * half**2 * fall
        slopes[:, 1] = (theta - limit[:, None] * steepest) * product_share[:, None]
        return excess, slopes, product_share
