"""What dual variables promise: the bound of all nodes, and who remembers the best one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfedmtl._model import Loss, Relationship
from skfedmtl._protocol import NodeTable
from skfedmtl._typing import Array


class Bound(NamedTuple):
    """A lower bound of the objective, borne out by a share of dual variables."""

    share: float
    value: float
    magnitude: float  #: of the terms it sums


class Dual(NamedTuple):
    """A bound, and the dual variables of all rows that bear it out."""

    alpha: Array
    value: float
    magnitude: float


def best_bound(
    loss: Loss, relationship: Relationship, V: Array, linear: float, conjugate: float
) -> Bound:
    """The best bound of a share of dual variables, of moments ``V`` and these sums.

    Where R* is of degree two a share t of ``V`` has t^2 R*(V); else all of them are taken.
    """
    value = relationship.conjugate(V)
    if not relationship.is_homogeneous:
        return Bound(1.0, -conjugate - value, abs(conjugate) + abs(value))
    share = loss.best_share(linear, conjugate, value)
    value = share * share * value
    conjugate = loss.conjugate_of_share(linear, conjugate, share)
    return Bound(share, -conjugate - value, abs(conjugate) + abs(value))


def bound_of(relationship: Relationship, nodes: NodeTable, alpha: Array, V: Array) -> Dual:
    """The best bound of a share of these dual variables, of moments ``V``."""
    if nodes.centred:
        alpha = nodes.centred_part(alpha)
    linear = float(np.sum(nodes.weight * nodes.y * alpha))
    bound = best_bound(nodes.loss, relationship, V, linear, nodes.conjugate_of(alpha))
    return Dual(bound.share * alpha, bound.value, bound.magnitude)
