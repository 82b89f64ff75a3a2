"""What users ask of an attack, in plain values."""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils import check_random_state

from skfedmtl._tools.sklearn import chosen, last_step
from skfedmtl.attack._setting.aim import Aim
from skfedmtl.attack._setting.threat import Threat, draw_threat


class Parameters(NamedTuple):
    """The parameters that set the scene; one that a poisoner lacks has its default."""

    estimator: Any
    attack: str = "direct"
    target_nodes: Any = 0.5
    source_nodes: Any = None
    budget: float = 0.2
    victim_tol: float = 1e-5
    node_column: Any = None
    random_state: Any = None
    radius: Any = "max"
    feature_range: Any = None
    frozen_features: Any = None
    integer_features: Any = None
    one_hot_groups: Any = None
    constraint: Any = None
    labels: str = "auto"
    init: str = "clean"
    upper_loss: str = "auto"
    criterion: str = "auto"
    goal: Any = "error"
    choose_sources: str = "random"

    @classmethod
    def of(cls, poisoner: Any, **others: Any) -> Parameters:
        """Those of a poisoner, but for others; the victim in place of a search that chose it."""
        given = {**poisoner.get_params(deep=False), **others}
        given["estimator"] = chosen(given["estimator"])
        return cls(**{name: given[name] for name in cls._fields if name in given})

    @property
    def model(self) -> Any:
        """The FMTL estimator that is the victim, or its last step."""
        return last_step(self.estimator)

    @property
    def is_classification(self) -> bool:
        """Whether the victim tells classes."""
        return bool(is_classifier(self.model))

    @property
    def aim(self) -> Aim:
        """What the attacker wants."""
        return Aim(self.goal, self.upper_loss, self.criterion)

    @property
    def column(self) -> Any:
        """The node column: the poisoner's own, else the victim's."""
        return self.model.node_column if self.node_column is None else self.node_column

    @property
    def tol(self) -> Any:
        """The gap to which victims are solved: errors below it would pass for damage."""
        tol = self.model.tol
        return min(float(tol), float(self.victim_tol)) if isinstance(tol, Real) else tol

    @property
    def sources_follow_influence(self) -> bool:
        """Whether sources are chosen by what the clean victim's relationship says of them."""
        chosen = self.choose_sources == "influence" and self.source_nodes is None
        return chosen and self.attack != "direct"

    def draw_seed(self) -> int:
        """The seed that all else is drawn by."""
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def draw_threat(
        self,
        labels: NDArray[Any],
        counts: NDArray[np.int64],
        rng: np.random.Generator,
        judged: NDArray[np.bool_] | None = None,
    ) -> Threat:
        """Targets, sources and numbers of rows, for nodes of so many clean rows."""
        chosen = self.target_nodes, self.source_nodes, float(self.budget)
        return draw_threat(self.attack, *chosen, labels, counts, rng, judged)

    def threat_of(
        self,
        targets: NDArray[Any],
        sources: NDArray[Any],
        labels: NDArray[Any],
        counts: NDArray[np.int64],
    ) -> Threat:
        """The same for nodes that a poisoner has chosen by itself, if they suit the attack."""
        nobody = np.random.default_rng(0)
        chosen = np.asarray(targets), np.asarray(sources), float(self.budget)
        return draw_threat(self.attack, *chosen, labels, counts, nobody)
