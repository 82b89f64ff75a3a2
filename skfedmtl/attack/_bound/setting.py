"""What a bound is of, and what it says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import Relationship
from skfedmtl._typing import Array
from skfedmtl.attack._bound.clock import Clock
from skfedmtl.attack._bound.injection import Injection
from skfedmtl.attack._sought import CleanRows, Model


class Setting(NamedTuple):
    """Clean rows, the victim, the targets and what the sources may inject."""

    rows: CleanRows
    model: Model
    targets: NDArray[np.int64]  #: nodes, none twice
    injection: Injection
    clock: Clock = Clock()  #: of its descents

    def with_rows_only(self) -> Setting:
        """Without sources that inject nothing."""
        codes, share, radii, low, high, shift, scale = self.injection
        on = share > 0.0
        kept = Injection(codes[on], share[on], radii[on], low[on], high[on], shift, scale)
        return self._replace(injection=kept)

    def with_times(self, times: float, norms: Array) -> Setting:
        """The same with that many times the injected rows.

        What bounds it bounds the setting too: rows of the node that are repeated, injected and
        clean ones in proportion, change nothing. So the ball has to hold the clean ones, of these
        norms.
        """
        if times == 1.0:
            return self
        injection = self.injection
        more = times * injection.share / (1.0 - injection.share + times * injection.share)
        radii = np.maximum(injection.radii, norms)
        return self._replace(injection=injection._replace(share=more, radii=radii))

    def among(self, nodes: NDArray[np.int64], relationship: Relationship) -> Setting:
        """Of some nodes, some targets with them, which a relationship of theirs ties."""
        place = np.full(self.model.relationship.n_nodes, -1)
        place[nodes] = np.arange(len(nodes))
        X, y, codes, weight = self.rows
        on = place[codes] >= 0
        rows = CleanRows(X[on], y[on], place[codes[on]], weight[on])
        sources, share, radii, low, high, shift, scale = self.injection
        own = place[sources] >= 0
        injection = Injection(
            place[sources[own]], share[own], radii[own], low[own], high[own], shift, scale
        )
        targets = place[self.targets]
        model = self.model._replace(relationship=relationship)
        return Setting(rows, model, targets[targets >= 0], injection, self.clock)

    @property
    def strikes_sources(self) -> bool:
        """Whether some source is a target."""
        return bool(np.isin(self.targets, self.injection.codes).any())

    @property
    def strikes_others(self) -> bool:
        """Whether some target injects nothing, while a source does."""
        codes = self.injection.codes
        return len(codes) > 0 and not bool(np.isin(self.targets, codes).all())

    @property
    def left(self) -> Array:
        """theta, the share of the clean rows in every node, (m,)."""
        theta = np.ones(self.model.relationship.n_nodes)
        theta[self.injection.codes] -= self.injection.share
        return theta

    @property
    def on_targets(self) -> Array:
        """1 for targets, else 0, (m,)."""
        on = np.zeros(self.model.relationship.n_nodes)
        on[self.targets] = 1.0
        return on


class Bound(NamedTuple):
    """The sum over targets of the mean clean loss is never above `value`."""

    value: float
    theorem: str  #: "T1", "T2", "cap", "T3" or "T4"
    V: Array  #: (m, d) the reference, in the solver's coordinates,
    intercepts: Array  #: (m,) and its intercepts
    tau: Array  #: multipliers of what was summed
    lost: float  #: what exact fits would take off at most
    pulled: float = 0.0  #: what injected rows bring to the conditional inequality
    loose: float = 0.0  #: what the root of a victim's gap is multiplied by, of "T4"
