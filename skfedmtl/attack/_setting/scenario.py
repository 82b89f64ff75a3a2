"""The setting of an attack: who attacks whom, on which rows, and what may be injected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, column_or_1d

from skfedmtl._input import (
    check_nodes,
    from_polars,
    n_rows,
    read_targets,
    read_weights,
    refuse_lazy,
    refuse_masked,
    take_nodes,
)
from skfedmtl._typing import Array
from skfedmtl.attack._feasible import Limits, Storage, no_limits
from skfedmtl.attack._setting.aim import Judged, check_pair, check_some_count
from skfedmtl.attack._setting.measure import Measure, Verdict
from skfedmtl.attack._setting.opened import Opened
from skfedmtl.attack._setting.parameters import Parameters
from skfedmtl.attack._setting.row_weights import injected_weights, refuse_weightless
from skfedmtl.attack._setting.start import (
    CleanData,
    Evaluation,
    Space,
    Start,
    check_label_kind,
    check_limits,
    draw_start,
    radii_of,
    read_evaluation,
)
from skfedmtl.attack._setting.tables import (
    concatenate,
    joined,
    put_node_column,
    stored_kinds,
    take_rows,
)
from skfedmtl.attack._setting.threat import Threat, by_influence
from skfedmtl.attack._setting.victim import Victim, check_victim, unfitted
from skfedmtl.attack._setting.words import NO_WORDS, Words

#: from labels, their clean rows and a generator to labels of targets and of sources
DrawThreat = Callable[..., tuple[Any, Any]]


class Injected(NamedTuple):
    """The rows that an attack adds."""

    X: Any  #: (n_injected, n_columns) laid out as the clean rows are given
    features: Any  #: (n_injected, d) the same without the node column
    y: NDArray[Any]  #: (n_injected,)
    codes: NDArray[np.int64]  #: (n_injected,)
    origin: NDArray[np.intp]  #: (n_injected,) the clean row that each comes from; -1: from none


@dataclass(frozen=True, eq=False)
class Scenario:
    """What an attack has read, once, from its data and parameters.

    The n clean rows have d features. What is told as numbers, `clean` and `space`, is sound once
    `with_fitted_victim` has been called: the victim's own fit refuses what is none.
    """

    parameters: Parameters
    X: Any  #: (n, n_columns) as given
    y: Any  #: (n,)
    features: Any  #: (n, d) in their container, without the node column
    where: NDArray[Any] | None  #: (n,) the node of each row; None: all are of one node
    labels: NDArray[Any]  #: (m,) of the nodes, as the victim will know them
    codes: NDArray[np.int64]  #: (n,) positions in `labels`
    weight: Array  #: (n,)
    is_weighted: bool  #: whether weights were given
    limits: Limits | None
    threat: Threat
    victim: Victim  #: of the clean rows
    reader: Any  #: an estimator that knows the columns of `X`
    seed: int
    rng: np.random.Generator  #: has drawn the threat; draws all that comes next
    evaluation: Evaluation | None = None

    # -- the clean rows -------------------------------------------------------------------

    @cached_property
    def rows(self) -> Array:
        """(n, d) the clean rows in numbers, their gaps filled as the victim's imputers do."""
        features = self.victim.complete(self.features, self.words.code(self.features))
        self.words.refuse_gaps(self.features, features)
        assert_all_finite(features, input_name="X")  # also where the model does not see it
        return features

    @cached_property
    def words(self) -> Words:
        """What the columns of words hold, whose positions are their numbers."""
        if not self.victim.encodes:
            return NO_WORDS
        width = np.asarray(self.features).shape[1]
        return Words.known(self.victim.affine(width), self.features)

    @cached_property
    def opened(self) -> Opened | None:
        """Which columns stand in place of those that an encoder reads; None: there are none."""
        if not self.victim.encodes:
            return None
        return Opened.of(self.victim.affine(self.rows.shape[1]), self.rows, self.words)

    def open(self, X: Array) -> Array:
        """Rows of the table as they are crafted: (n, d) as (n, D)."""
        return X if self.opened is None else self.opened.open(X)

    def close(self, X: NDArray[Any]) -> NDArray[Any]:
        """Crafted rows as those of the table: (n, D) as (n, d)."""
        return X if self.opened is None else self.opened.close(X)

    @cached_property
    def clean(self) -> CleanData:
        """The clean rows in numbers, as they are crafted."""
        return CleanData(self.open(self.rows), column_or_1d(self.y), self.codes, self.weight)

    @cached_property
    def space(self) -> Space:
        """Where injected rows may lie: of an encoder's columns one is 1, the others are 0."""
        limits, opened = self.limits, self.opened
        if opened is None:
            return Space(limits, self.kinds)
        if limits is None:
            limits = no_limits(self.X, self.parameters.column)
        return Space(opened.limits(limits), opened.kinds(self.kinds))

    @cached_property
    def kinds(self) -> list[np.dtype[Any]]:
        """The dtypes in which the columns of the table are kept."""
        whole = None if self.limits is None else self.limits.all_whole
        if self.opened is not None:
            read = np.zeros(self.opened.n_features, dtype=bool)
            read[self.opened.feature[~self.opened.numbers]] = True
            whole = read if whole is None else whole | read
        return stored_kinds(self.X, self.parameters.column, whole)

    def crafted_for(self, estimator: Any) -> Any:
        """A fitted victim as it sees crafted rows."""
        if self.opened is None:
            return estimator
        victim = Victim(estimator)
        return self.opened.behind(victim.affine(self.opened.n_features), victim.model)

    @property
    def crafting(self) -> Victim:
        """The clean victim as it sees crafted rows."""
        return Victim(self.crafted_for(self.victim.estimator))

    @property
    def judged_rows(self) -> CleanData | Evaluation:
        """The rows whose loss is raised, among others."""
        return self.clean if self.evaluation is None else self.evaluation

    def judged(self, loss: str) -> Judged:
        """What an upper loss of that name is taken over."""
        aim, targets, rows = self.parameters.aim, self.threat.targets, self.judged_rows
        classes = getattr(self.victim.model, "classes_", None)
        return aim.judged(rows, targets, loss, classes, fitted=self.evaluation is None)

    @cached_property
    def measure(self) -> Measure:
        """Takes the damage of victims."""
        estimator, targets = self.crafting.estimator, self.threat.targets
        return Measure(self.parameters.aim, estimator, self.judged_rows, targets)

    def damage_of(self, estimator: Any) -> Verdict:
        """What a fitted victim has taken."""
        return self.measure.of(self.crafted_for(estimator))

    def suffered(self, injected: Injected) -> Verdict:
        """What a victim takes whose own fit is given clean and injected rows."""
        return self.damage_of(self.poisoned_victim(injected).estimator)

    def with_fitted_victim(self, given: tuple[Any, Any, Any] = (None, None, None)) -> Scenario:
        """The same after the victim's fit, with the rows `X_target`, `y_target`, `nodes_target`."""
        X, nodes = self._as_seen(self.X, self.features, self.where)
        pair = self.parameters.aim.pair
        if pair is not None and given[0] is None:
            check_some_count(pair, column_or_1d(self.y), self.codes, self.threat.targets)
        self.victim.fit(X, self.y, nodes, self.weight if self.is_weighted else None)
        column, targets = self.parameters.column, self.threat.targets
        about = self.victim, column, self.reader, targets, self.words
        evaluation = read_evaluation(given, *about)
        if pair is not None and evaluation is not None:
            check_some_count(pair, evaluation.y, evaluation.codes, targets)
        if evaluation is not None:
            evaluation = evaluation._replace(X=self.open(evaluation.X))
        return replace(self, evaluation=evaluation, threat=self._with_chosen_sources())

    def _with_chosen_sources(self) -> Threat:
        """The threat, its sources chosen by influence if that is asked for."""
        asked, threat = self.parameters, self.threat
        if not asked.sources_follow_influence:
            return threat
        n_nodes = len(self.labels)
        counts = np.bincount(self.codes, minlength=n_nodes)
        # nodes without weight are none that rows could be injected into
        is_heavy = np.bincount(self.codes, self.weight, minlength=n_nodes) > 0.0
        influence = np.where(is_heavy, self.victim.influence(threat.targets), -1.0)
        return by_influence(threat, asked.attack, float(asked.budget), counts, influence)

    # -- the injected rows ----------------------------------------------------------------

    def draw_start(self, rng: np.random.Generator) -> Start:
        """Injected rows before they are optimised."""
        model = self.victim.model
        return draw_start(self.parameters, model, self.clean, self.threat, rng, self.space)

    def radii(self, codes: NDArray[np.int64]) -> Array:
        """Of the balls that rows of these nodes stay in."""
        return radii_of(self.parameters.radius, self.clean, codes, Storage(self.space.kinds))

    def lay_out(self, start: Start) -> Injected:
        """Rows as they are stored."""
        stored = start.feasible.store(start.X)
        labels, kinds = self.labels[start.codes], self.kinds
        if self.opened is not None:
            stored = Storage(kinds).final(self.close(stored))
        column, words = self.parameters.column, self.words
        features = put_node_column(stored, labels, self.features, None, kinds, words)
        table = put_node_column(stored, labels, self.X, column, kinds, words)
        return Injected(table, features, start.y, start.codes, start.origin)

    def copies(self, drawn: NDArray[np.intp], y: NDArray[Any]) -> Injected:
        """Clean rows once more, to the last bit, with other targets."""
        table, features = take_rows(self.X, drawn), take_rows(self.features, drawn)
        return Injected(table, features, y, self.codes[drawn], drawn)

    def weights_of(self, injected: Injected) -> Array:
        """What each injected row weighs."""
        return injected_weights(self.weight, self.codes, injected.codes)

    def poisoned_victim(self, injected: Injected) -> Victim:
        """A victim fitted to clean and injected rows, behind the steps of the clean one."""
        X, nodes = self._as_seen(self.X, self.features, self.where)
        added = self._as_seen(injected.X, injected.features, self.labels[injected.codes])
        weight = None
        if self.is_weighted:
            weight = np.concatenate([self.weight, self.weights_of(injected)])
        y = concatenate(self.y, injected.y)
        where = None if nodes is None else concatenate(nodes, added[1])
        poisoned = _unfitted(self.parameters, self.seed)
        # a table that only the fit holds is gone before its solver's is at work
        both = (joined if poisoned.reads_as_array else concatenate)(X, added[0])
        return poisoned.fit_behind(self.victim, both, y, where, weight)

    def _as_seen(self, X: Any, features: Any, where: Any) -> tuple[Any, Any]:
        """Rows and nodes as a victim is given them: a Pipeline would change a node column."""
        if self.victim.in_pipeline:
            return features, where
        return X, where if self.parameters.column is None else None


def read_scenario(
    parameters: Parameters,
    reader: Any,
    X: Any,
    y: Any,
    nodes: Any,
    sample_weight: Any,
    *,
    judged: bool,
    draw_threat: DrawThreat | None = None,
) -> Scenario:
    """Read the clean rows and draw the threat, before anything is fitted.

    `reader` is an estimator of the poisoner's name, which learns the columns of `X`; `judged` says
    whether H is taken over the clean rows. `draw_threat` chooses labels of targets and sources;
    None: as the parameters say.
    """
    refuse_masked(X=X, y=y)
    refuse_lazy(nodes, "nodes")
    X, y, nodes = map(from_polars, (X, y, nodes))
    check_victim(parameters.estimator, type(reader).__name__)
    y = read_targets(y, "y", numeric=not parameters.is_classification)
    check_label_kind(parameters.labels, parameters.model)
    parameters.aim.check(classify=parameters.is_classification)
    limits = check_limits(parameters, X)
    seed = parameters.draw_seed()
    rng = np.random.default_rng(seed)
    victim = _unfitted(parameters, seed)
    reader.node_column = parameters.column
    features, where = _read_rows(reader, X, nodes, words=victim.encodes)
    labels, codes = victim.model._encode(where, n_rows(X, "X"))
    counts = np.bincount(codes, minlength=len(labels))
    if draw_threat is None:
        threat = parameters.draw_threat(labels, counts, rng)
    else:
        threat = parameters.threat_of(*draw_threat(labels, counts, rng), labels, counts)
    if (pair := parameters.aim.pair) is not None:
        check_pair(pair, column_or_1d(y))
    weight = read_weights(sample_weight, X)
    refuse_weightless(weight, codes, threat, labels, judged=judged)
    return Scenario(
        parameters=parameters,
        X=X,
        y=y,
        features=features,
        where=where,
        labels=labels,
        codes=codes,
        weight=weight,
        is_weighted=sample_weight is not None,
        limits=limits,
        threat=threat,
        victim=victim,
        reader=reader,
        seed=seed,
        rng=rng,
    )


def _unfitted(parameters: Parameters, seed: int) -> Victim:
    return unfitted(parameters.estimator, parameters.column, parameters.tol, seed)


def _read_rows(reader: Any, X: Any, nodes: Any, *, words: bool) -> tuple[Any, NDArray[Any] | None]:
    """The features, and the node of each row; None if nothing says it."""
    n_samples = n_rows(X, "X")
    if not n_samples:
        raise ValueError("`X` has no rows; at least one a target node is needed.")
    features, nodes = take_nodes(reader, X, nodes, reset=True, words=words)
    is_read = nodes is None or reader.node_column is not None
    return features, nodes if is_read else check_nodes(nodes, n_samples)
