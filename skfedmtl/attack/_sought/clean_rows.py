"""The victim's rows and model, as a search among its weights takes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Loss, Relationship
from skfedmtl._typing import Array


class CleanRows(NamedTuple):
    """As the solver sees them, but for the intercept's feature and centring."""

    X: Array  #: (n, d)
    y: Array  #: (n,) numbers; -1 and +1 for classes
    codes: NDArray[np.int64]  #: (n,)
    weight: Array  #: (n,)


class Model(NamedTuple):
    """What is fitted."""

    loss: Loss
    relationship: Relationship
    intercept: str  #: "feature", "centred" or "none", as of a `FederatedProblem`
    intercept_scaling: float = 1.0

    @property
    def balanced(self) -> bool:
        """Whether the intercept ties the signs of the rows."""
        return self.intercept != "none"
