"""What weights cost, and what dual variables promise, of all nodes at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._model import Relationship
from skfedmtl._protocol import NodeList
from skfedmtl._typing import Array


class Bound(NamedTuple):
    """A lower bound of the objective, and the dual variables that bear it out."""

    alpha: Array
    value: float
    magnitude: float  #: of the terms it sums


def bound_of(relationship: Relationship, nodes: NodeList, alpha: Array, V: Array) -> Bound:
    """The bound of a share of these dual variables, of moments ``V``: the best one.

    R* is of degree two: a share t of ``V`` has t^2 R*(V).
    """
    loss = nodes[0].loss
    if nodes[0].centred:
        alpha = nodes.centred_part(alpha)
    value, conjugate = relationship.conjugate(V), nodes.conjugate_of(alpha)
    linear = float(np.sum(nodes.weight * nodes.y * alpha))
    share = loss.best_share(linear, conjugate, value)
    alpha, value = share * alpha, share * share * value
    if share != 1.0:
        conjugate = nodes.conjugate_of(alpha)
    return Bound(alpha, -conjugate - value, abs(conjugate) + abs(value))
