"""What an attack or a defence needs of a victim: they meet here, and need not import each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Loss
from skfedmtl._protocol import FederatedProblem
from skfedmtl._typing import Array
from skfedmtl.protocols import Victim

#: What messages call one.
FEDERATED_VICTIM = "an FMTLClassifier or an FMTLRegressor"


def has_own_fit(model: Any) -> bool:
    """Whether users have written the `fit` of an estimator, or of a class that it derives from."""
    line = type(model).__mro__
    ours = [one.__module__.startswith("skfedmtl.") for one in line]
    first = next((place for place, one in enumerate(line) if "fit" in vars(one)), None)
    return first is not None and any(ours) and not ours[first]


@runtime_checkable
class FederatedVictim(Victim, Protocol):
    """An estimator of one linear model a node, whose problem others may pose and change.

    Users see the half that `Victim` declares.

    With n rows, d features and m nodes. What is fitted, ``coef_`` and ``nodes_`` among it, is as
    in the public estimators.
    """

    _goes_by_all: bool  #: whether all rows are fitted to: `_select` may leave none out

    def _encode(self, nodes: Any, n_samples: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Labels of the nodes (m,), and every row's position among them (n,)."""

    def _check_fit(self, X: Any, y: Any, nodes: Any, sample_weight: Any) -> tuple[Any, ...]:
        """Checked rows (n, d), targets (n,), labels (m,), positions among them and weights (n,)."""

    def _check_predict(self, X: Any, nodes: Any) -> tuple[Any, NDArray[np.int64]]:
        """Checked rows (n, d), and the positions of their nodes."""

    def _solver_targets(self, y: Any) -> Array:
        """Targets (n,) as the solver takes them: numbers, or -1 and +1."""

    def _row_weights(self, y: Any, sample_weight: Array) -> Array:
        """Weights (n,) of rows with these targets."""

    def _make_loss(self) -> Loss:
        """That of the fit."""

    def _hold_scale_of(self, clean: Any) -> None:
        """Before a fit: take over what that of a clean victim has learned of its targets' scale."""

    def _parts(self) -> list[Any]:
        """The fitted models whose losses add up: one, or one a class."""

    def _select(
        self,
        fit: Callable[[Array], Array],
        signed_y: Array,
        codes: NDArray[np.int64],
        sample_weight: Array,
    ) -> Array:
        """Fit one of these models to the rows that it goes by; the share that counts of each.

        ``fit(sample_weight)`` gives the losses of all rows.
        """

    def _problem(
        self,
        X: Any,
        signed_y: Array,
        codes: NDArray[np.int64],
        labels: NDArray[Any],
        sample_weight: Array,
    ) -> FederatedProblem:
        """The fit's problem, not yet solved."""

    def _decision(self, X: Any, codes: NDArray[np.int64]) -> Array:
        """x . w + b of every row with its own node's model."""
