"""The two parties of the fit, and the messages between them.

A `Node` owns its rows and its dual variables, which never leave it. The `Server` owns
the aggregate ``V``, the weights ``W`` that follow from it, and the relationship of the
nodes. Whoever carries the messages, a loop or a network, they are these:

===============================  =======================  ==========================
message                          down to node l           up to the server
===============================  =======================  ==========================
step: take a proximal step       b_l, rho and what t_l    v_l, a loss and a conjugate
                                 is extrapolated by
round: answer in parallel        w_l, a curvature and     dv_l, two conjugates, three
                                 weights of old answers   losses, inner products
report: price the weights        w_l                      v_l, loss, conjugate
factors: a second-order step,    its part of the step     E'E of its free rows, or of
one machine's                                             all with their curvatures
probe: what such a step leaves   row l of J[dV]           row l of the next dV
===============================  =======================  ==========================

====================  =================================================  ========
symbol                variable                                           shape
====================  =================================================  ========
x_i, y_i              ``Node.X``, ``Node.y``                             (n, d), (n,)
s_i / c_l             ``Node.weight``                                    (n,)
a                     ``Node.alpha``                                     (n,)
v_l                   ``Node.moment()`` = sum of weight_i a_i x_i        (d,)
V, W                  ``Server.V``, ``Server.response.W``                (m, d)
====================  =================================================  ========
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._typing import Array

ROUNDING = 100.0 * float(np.finfo(float).eps)  #: what rounding may hide of a gap


AVERAGING = 0.3  #: share of the newest local weights in their running mean


class Certificate(NamedTuple):
    """A primal and a dual value at one point, and the size of the terms they sum."""

    objective: float
    dual_objective: float
    magnitude: float

    @property
    def gap(self) -> float:
        return self.objective - self.dual_objective

    @property
    def relative_gap(self) -> float:
        return self.gap / max(self.objective, float(np.finfo(float).tiny))

    def meets(self, tol: float) -> bool:
        """Whether the gap is within ``tol``, relative, or within what rounding can resolve."""
        if not np.isfinite(self.objective):
            return False
        return self.gap <= max(tol * self.objective, ROUNDING * self.magnitude)


class Order(NamedTuple):
    """What a node is told: weights, their running mean, curvature, passes, seed."""

    w: Array
    mean: Array  #: the node keeps it itself; it need not be sent
    curvature: float
    epochs: float
    seed: int


class Answer(NamedTuple):
    """What a node has found in a round: `alpha` stays at home, the rest is sent."""

    alpha: Array
    dv: Array  #: change of the node's moment
    conjugates: tuple[float, float]  #: before and after
    losses: tuple[float, ...]  #: at the weights received, the local model's, and their mean


class Solution(NamedTuple):
    """The best weights found, their certificate, and the way there."""

    W: Array
    certificate: Certificate
    converged: bool
    stopped: bool  #: by whoever watched
    history: dict[str, Array]
