"""The victim's rows and model, and the rows that count, as a search among weights takes them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Loss, Relationship
from skfedmtl._protocol import FederatedProblem
from skfedmtl._typing import Array


class CleanRows(NamedTuple):
    """As the solver sees them, but for the intercept's feature and centring."""

    X: Array  #: (n, d)
    y: Array  #: (n,) numbers; -1 and +1 for classes
    codes: NDArray[np.int64]  #: (n,)
    weight: Array  #: (n,)


class Wanted(NamedTuple):
    """Rows whose damage counts, as the solver sees them."""

    X: Array  #: (n, d)
    y: Array  #: (n,)
    codes: NDArray[np.int64]  #: (n,)
    share: Array  #: (n,) of all damage; 0 for rows that do not count
    loss: str  #: name of the upper loss
    own: bool  #: whether these are the `CleanRows`, in their order

    @property
    def targets(self) -> NDArray[np.int64]:
        """The nodes of rows that count."""
        return np.unique(self.codes[self.share > 0.0])

    @property
    def direction(self) -> float:
        """The way that forecasts are to go; 0 if there is none."""
        return {"raise": 1.0, "lower": -1.0}.get(self.loss, 0.0)


class Space(NamedTuple):
    """Rows as users store them and balls measure them; the solver sees (x - shift) * scale."""

    shift: Array  #: (d,)
    scale: Array  #: (d,)

    def exerted(self, q_w: Array, balance: Array) -> Array:
        """Sums of a x here, for the solver's (k, d) and for sums of a (k,)."""
        moved: Array = q_w / self.scale + balance[:, None] * self.shift
        return moved

    def weights(self, theta: Array) -> Array:
        """Weights ``[w, b]`` with the same decisions here: (k, D)."""
        w = theta[:, :-1] * self.scale
        return np.column_stack([w, theta[:, -1] - w @ self.shift])


class Model(NamedTuple):
    """What is fitted."""

    loss: Loss
    relationship: Relationship
    intercept: str  #: "feature", "centred" or "none", as of a `FederatedProblem`
    intercept_scaling: float = 1.0

    @classmethod
    def of(cls, problem: FederatedProblem) -> Model:
        """That of a fit's problem."""
        relationship = problem.server.relationship
        loss: Any = problem.nodes.loss
        return cls(loss, relationship, problem.intercept, problem.intercept_scaling)

    @property
    def balanced(self) -> bool:
        """Whether the intercept ties the signs of the rows."""
        return self.intercept != "none"
