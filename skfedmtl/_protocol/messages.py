"""What travels between a node and the server, and what a fit ends with.

A node's rows and dual variables never leave it. Whoever carries the messages, a loop or a network,
they are these, numbers and arrays that ``numpy.savez`` could carry; with one more axis in front
they are those of all nodes at once (`NodeTable`):

=========  ==================================================  ==============================
message    down to the node                                    up to the server
=========  ==================================================  ==============================
greet      `Greeting`: weights to begin with                   `Greeted`
tell       `Question`: whether to tighten first                `Told`: its moment, a conjugate
price      `Weights`                                           `Price`: their loss
answer     `Order`: a round of `MochaSolver`                   `Answer`
settle     `Mixture`: shares of the last answers               nothing
step       `StepOrder`: a proximal step of `SplittingSolver`   `StepAnswer`
keep       `Share`: of the last step's dual variables          nothing
=========  ==================================================  ==============================
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skfedmtl._typing import Array

Number = Any  #: a float; of all nodes at once, an array of shape (m,)

MEMORY = 10  #: answers that a node keeps
AVERAGING = 0.3  #: share of the newest local weights in their running mean
ROUNDING = 100.0 * float(np.finfo(float).eps)  #: what rounding may hide of a gap


class Greeting(NamedTuple):
    """The beginning of a fit: what was answered before is forgotten."""

    w: Array  #: (d,)
    resume: bool = False  #: whether steps go on from where they were


class Greeted(NamedTuple):
    """What a server needs to know before the first round."""

    v: Array  #: (d,) the moment of the dual variables that the fit begins with,
    conjugate: Number  #: their conjugate,
    linear: Number  #: and the sum of weight_i y_i a_i
    loss: Number  #: at the weights received
    squared_norm: Number  #: of the rows, weighted
    is_cold: Number  #: whether the dual variables are those that a node begins with


class Question(NamedTuple):
    """What do the dual variables say?"""

    tighten: bool  #: after they have been shifted for the best, where that costs nothing


class Told(NamedTuple):
    """Where a node stands."""

    v: Array  #: (d,)
    conjugate: Number


class Weights(NamedTuple):
    """Weights to be priced."""

    w: Array  #: (d,)


class Price(NamedTuple):
    """What weights cost."""

    loss: Number


class Order(NamedTuple):
    """A round: improve the dual variables for so many passes over the rows."""

    w: Array  #: (d,)
    curvature: float
    epochs: float


class Answer(NamedTuple):
    """What a node has found in a round."""

    dv: Array  #: (d,) change of the node's moment
    conjugates: Array  #: (2,) before and after
    losses: Array  #: (3,) at the weights received, the local model's, and their mean
    products: Array  #: (k,) inner products of this answer with those kept, itself the last


class Mixture(NamedTuple):
    """The combination of kept answers that becomes the present state."""

    t: Array  #: (k,) at least 0, of sum at most 1; the rest stays with the present state


class StepOrder(NamedTuple):
    """A proximal step: ``argmin F(w) + (rho/2) ||w - base||^2``, as far as so many passes lead."""

    base: Array  #: (d,)
    asked: Array  #: (d,) weights to be priced; (0,): those found
    rho: float
    epochs: float


class StepAnswer(NamedTuple):
    """What a step has found; its dual variables, shifted for the best, wait at home."""

    v: Array  #: (d,)
    loss: Number  #: at the weights asked about
    conjugate: Number  #: of the dual variables that wait
    linear: Number  #: sum of weight_i y_i a_i, of these


class Share(NamedTuple):
    """How much of the dual variables that wait is to be kept as the best so far."""

    share: float


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


class Solution(NamedTuple):
    """The best weights found, their certificate, and the way there."""

    W: Array
    certificate: Certificate
    converged: bool
    stopped: bool  #: by whoever watched
    history: dict[str, Array]
