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
            scenario.victim.estimator,
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
        """Units of the features behind the victim's steps; their mean square is one."""
        sizes = self._sizes()
        return 1.0 if sizes is None else sizes / np.sqrt(np.mean(np.square(sizes)))

    def lengths(self) -> Array:
        """Root mean squares of the nodes' rows as the model sees them, told in users' units."""
        clean, sizes = self.clean, self._sizes()
        seen = Victim(self.victim).forward(clean.X)
        squares = np.einsum("ij,ij->i", seen, seen)
        counts = np.maximum(np.bincount(clean.codes), 1)
        lengths: Array = np.sqrt(np.bincount(clean.codes, weights=squares) / counts)
        return lengths if sizes is None else lengths * np.sqrt(np.mean(np.square(sizes)))

    def _sizes(self) -> Array | None:
        """What one unit of the model is in every feature of users; None if it sees all as is.

        Features that the model does not see are like those that it does.
        """
        victim = Victim(self.victim)
        if not victim.steps:
            return None
        columns, _, scale = victim.affine(self.clean.X.shape[1])
        seen = 1.0 / np.abs(scale)
        sizes = np.full(self.clean.X.shape[1], np.sqrt(np.mean(np.square(seen))))
        sizes[columns] = seen
        return sizes
