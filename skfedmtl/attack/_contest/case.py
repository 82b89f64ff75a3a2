"""What every restart of an attack shares of its setting."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skfedmtl._tools.sklearn import last_step
from skfedmtl._typing import Array
from skfedmtl.attack._setting import CleanData, Judged, Measure, Scenario, Victim


class Case(NamedTuple):
    """The fitted clean victim, the clean rows, and the damage that is wanted."""

    victim: Any  #: fitted FMTL estimator, or Pipeline of scalers and one
    clean: CleanData
    climbed: Judged  #: what an ascent raises
    sought: Judged  #: what a search among weights raises
    measure: Measure

    @classmethod
    def of(cls, scenario: Scenario) -> Case:
        """That of a scenario whose victim is fitted."""
        parameters = scenario.parameters
        aim, classify = parameters.aim, parameters.is_classification
        return cls(
            scenario.crafting.estimator,
            scenario.clean,
            scenario.judged(aim.climbed()),
            scenario.judged(aim.sought(classify=classify)),
            scenario.measure,
        )

    @property
    def classes(self) -> Any:
        """The victim's; None if it tells numbers."""
        return getattr(last_step(self.victim), "classes_", None)

    @property
    def is_classification(self) -> bool:
        """Whether the victim tells classes."""
        return self.classes is not None

    @property
    def spread(self) -> Any:
        """Units of the features behind the victim's steps; the model's have mean square 1."""
        units = self._units()
        if units is None:
            return 1.0
        sizes, unit = units
        return sizes / unit

    def lengths(self) -> Array:
        """Root mean squares of the nodes' rows as the model sees them, told in users' units."""
        clean, units = self.clean, self._units()
        seen = Victim(self.victim).forward(clean.X)
        squares = np.einsum("ij,ij->i", seen, seen)
        counts = np.maximum(np.bincount(clean.codes), 1)
        lengths: Array = np.sqrt(np.bincount(clean.codes, weights=squares) / counts)
        return lengths if units is None else lengths * units[1]

    def _units(self) -> tuple[Array, float] | None:
        """What one unit of the model is in every feature of users, and what it is in the mean.

        None if the model sees all as is. Features that it does not see are like those that it does.
        """
        victim = Victim(self.victim)
        if not victim.steps:
            return None
        n_features = self.clean.X.shape[1]
        map_ = victim.affine(n_features)
        seen = 1.0 / np.abs(map_.scale)
        unit = float(np.sqrt(np.mean(np.square(seen))))
        sizes = np.full(n_features, unit)
        sizes[map_.columns] = seen
        return sizes, unit
