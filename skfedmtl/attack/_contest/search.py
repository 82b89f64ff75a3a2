"""Rows that a search among the victim's weights promises much of, in place of those of a start.

Of a victim with more than two classes every model, one class against the rest, is sought by itself,
with all rows. Rows against the class get one other: that of a pair, or the most frequent other
class of their node.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._model import is_own
from skfedmtl._tools.sklearn import last_step
from skfedmtl._typing import Array
from skfedmtl.attack._bilevel import parts_of
from skfedmtl.attack._contest.case import Case
from skfedmtl.attack._setting import Start, Victim, as_targets, injected_weights
from skfedmtl.attack._sought import Candidate, CleanRows, Model, Sources, Space, Wanted, seek

_MOVED = 1e-6  #: of the radius, by which limits move a row to be said to
#: starts and slacks of the search for one model, and for each of several
_ONE: dict[str, Any] = {"n_starts": 3, "slacks": (1.0, 0.95, 0.9)}
_EACH: dict[str, Any] = {"n_starts": 2, "slacks": (0.95,)}


class Found(NamedTuple):
    """Rows in the place of those of a start."""

    start: Start
    slack: float
    is_limited: bool  #: whether limits of features have moved them


def search(
    case: Case, start: Start, rng: np.random.Generator, *, rounds: bool = False
) -> list[Found]:
    """Found rows; none where nothing can be sought, no source is a target, or nodes are weighed.

    Nor are there any where users have brought the relationship: no slope of it is known.
    What others are taught reaches targets by far less than their rows promise; ascents see that.

    Where rows choose members of groups, which `rounds` says, what the search says of those is
    rough: the same rows with the members of the start are found as well.
    """
    model = last_step(case.victim)
    if model.node_weight is not None or is_own(model.relationship):
        return []
    if not np.isin(start.codes, case.sought.codes[case.sought.share > 0.0]).any():
        return []
    parts = parts_of(case.victim)
    options = _ONE if len(parts) == 1 else _EACH
    found = []
    for number, part in enumerate(parts):
        if case.sought.parts[number]:
            labels = _Labels(case, number) if case.is_classification else None
            for candidate in _candidates(case, part, start, rng, options):
                one = _in_place(case, start, candidate, labels)
                found.append(one)
                if rounds:
                    found.append(_keeping_groups(start, one))
    return found


def _keeping_groups(start: Start, found: Found) -> Found:
    """The same rows, but with the members of groups that the start has."""
    X = start.feasible.with_groups_of(start.X).project(found.start.X)
    return found._replace(start=found.start._replace(X=X))


def _candidates(
    case: Case, part: Any, start: Start, rng: np.random.Generator, options: dict[str, Any]
) -> list[Candidate]:
    """Of one model."""
    victim, clean = Victim(part), case.clean
    model = victim.model
    seen, y = victim.forward(clean.X), model._solver_targets(clean.y)
    added = injected_weights(clean.weight, clean.codes, start.codes)
    weight = last_step(case.victim)._row_weights(
        np.concatenate([clean.y, start.y]), np.concatenate([clean.weight, added])
    )
    own, added = weight[: len(y)], weight[len(y) :]
    problem = model._problem(seen, y, clean.codes, model.nodes_, own)
    rows = CleanRows(seen, y, clean.codes, own)
    judged = case.sought
    wanted = Wanted(
        seen if judged.fitted else victim.forward(judged.X),
        y if judged.fitted else model._solver_targets(judged.y),
        judged.codes,
        judged.share,
        judged.loss,
        judged.fitted,
    )
    through = victim.affine(clean.X.shape[1])
    space, sources = Space(through.shift, through.scale), _sources(start, added)
    weights = model.coef_, model.intercept_
    found = seek(rows, Model.of(problem), space, *weights, wanted, sources, rng, **options)
    own = through.columns
    return [_among_all(candidate, own, clean.X.shape[1]) for candidate in found]


def _among_all(candidate: Candidate, columns: NDArray[np.intp], n_features: int) -> Candidate:
    """With zeros in the features that the model does not see."""
    X = np.zeros((len(candidate.X), n_features))
    X[:, columns] = candidate.X
    return candidate._replace(X=X)


def _sources(start: Start, weight: Array) -> Sources:
    codes, first, counts = np.unique(start.codes, return_index=True, return_counts=True)
    weights = np.array([weight[start.codes == code].mean() for code in codes])
    return Sources(codes, counts, start.feasible.radius[first], weights)


class _Labels:
    """The classes of rows for and against one class, by their nodes."""

    def __init__(self, case: Case, number: int) -> None:
        clean, classes = case.clean, case.classes
        self._classes = classes
        self._own = number if len(classes) > 2 else 1
        kinds = np.searchsorted(classes, clean.y)
        counts = np.zeros((int(clean.codes.max()) + 1, len(classes)))
        np.add.at(counts, (clean.codes, kinds), 1.0)
        counts += counts.sum(axis=0) / (2.0 * len(clean.y))  # of equals, what is frequent elsewhere
        counts[:, self._own] = -1.0
        if len(classes) > 2 and case.sought.parts.sum() == 2:  # a pair
            counts[:, ~case.sought.parts] = -1.0
        self._others = counts.argmax(axis=1)

    def of(self, signs: Array, codes: NDArray[np.int64]) -> NDArray[Any]:
        """Of rows with these signs in these nodes."""
        labels: NDArray[Any] = self._classes[np.where(signs > 0.0, self._own, self._others[codes])]
        return labels


def _in_place(case: Case, start: Start, candidate: Candidate, labels: _Labels | None) -> Found:
    """The candidate's rows where the start has rows of the same node; others stay."""
    X, y, origin = start.X.copy(), start.y.copy(), start.origin.copy()
    if labels is None:
        told = as_targets(case.clean, candidate.codes, candidate.y)
    else:
        told = labels.of(candidate.y, candidate.codes)
    for code in candidate.sought:
        places, mine = np.flatnonzero(start.codes == code), candidate.codes == code
        X[places], y[places], origin[places] = candidate.X[mine], told[mine], -1
    rows = start.feasible.project(X)
    moved = np.abs(rows - X).max(axis=1, initial=0.0)
    is_limited = bool(np.any(moved > _MOVED * start.feasible.radius))
    return Found(start._replace(X=rows, y=y, origin=origin), candidate.slack, is_limited)
