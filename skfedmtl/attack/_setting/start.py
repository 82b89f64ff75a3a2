"""The injected rows before they are optimised: drawn, labelled, moved into their feasible set."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d

from skfedmtl._input import check_dense, from_polars, read_targets, refuse_masked, with_article
from skfedmtl._tools.sklearn import last_step
from skfedmtl._typing import Array
from skfedmtl.attack._feasible import FeasibleSet, Limits, Storage, read_limits, row_bounds
from skfedmtl.attack._setting.tables import as_rows, stored_kinds
from skfedmtl.attack._setting.threat import Threat, draw_class_labels, draw_rows, draw_targets


class CleanData(NamedTuple):
    """The clean rows in numbers, not scaled."""

    X: np.ndarray  #: (n, d) float64, without the node column
    y: np.ndarray  #: (n,) as given
    codes: np.ndarray  #: (n,) positions in the victim's nodes_
    weight: np.ndarray  #: (n,) of at least 0


class Start(NamedTuple):
    """The injected rows before they are optimised."""

    X: np.ndarray  #: (n_injected, d)
    y: np.ndarray  #: (n_injected,) as the victim's y
    codes: np.ndarray  #: (n_injected,)
    feasible: FeasibleSet


class Space(NamedTuple):
    """What users ask of injected rows, and the dtypes that those are kept in."""

    limits: Limits | None
    kinds: list[np.dtype[Any]]


def read_evaluation(poisoner, given: tuple[Any, Any, Any], targets) -> Evaluation | None:
    """The rows of the target nodes in `X_target`; None if that was not given."""
    X, y, nodes = given
    if X is None:
        return None
    classify = is_classifier(last_step(poisoner.clean_estimator_))
    refuse_masked(X_target=X)
    y = read_targets(y, "y_target", numeric=not classify, mixed=True)
    try:
        X = check_dense(from_polars(X), "X_target")
        features, y = as_rows(X, poisoner._column()), column_or_1d(y)
        check_consistent_length(features, y)
    except ValueError as error:
        raise ValueError(f"X_target, y_target, nodes_target: {error}") from error
    assert_all_finite(features, input_name="X_target")
    try:
        model, seen, where = poisoner._open(poisoner.clean_estimator_, X, nodes)
        codes = model._check_predict(seen, where)[1]
    except ValueError as error:
        raise ValueError(f"X_target, y_target, nodes_target: {error}") from error
    if classify:
        known = set(model.classes_.tolist())
        if unknown := [label for label in dict.fromkeys(y.tolist()) if label not in known]:
            raise ValueError(
                f"y_target holds {unknown}; known classes are {model.classes_.tolist()}."
            )
    missing = np.setdiff1d(targets, codes)
    if len(missing):
        raise ValueError(
            f"`nodes_target` has no row of the target nodes {model.nodes_[missing].tolist()}."
        )
    return Evaluation(features, y, codes)


def check_limits(poisoner, X) -> Limits | None:
    """What the poisoner's parameters ask of rows like those of `X`.

    Raises ValueError where no row can do it, whatever the clean rows are.
    """
    limits = read_limits(
        X,
        poisoner._column(),
        poisoner.feature_range,
        poisoner.frozen_features,
        poisoner.integer_features,
        poisoner.one_hot_groups,
    )
    if limits is not None:
        storage = Storage(stored_kinds(X, poisoner._column(), limits.all_whole))
        bounds = row_bounds(limits, storage)
        if poisoner.radius != "max":
            FeasibleSet(np.array([float(poisoner.radius)]), storage, bounds)
    return limits


def make_space(poisoner, X, limits: Limits | None) -> Space:
    """The space of injected rows, from what `check_limits` found and from validated `X`."""
    whole = None if limits is None else limits.all_whole
    return Space(limits, stored_kinds(X, poisoner._column(), whole))


def draw_start(
    poisoner, clean: CleanData, threat: Threat, rng: np.random.Generator, space: Space
) -> Start:
    """Draw rows, set their labels, and move them apart and into the feasible set."""
    drawn = draw_rows(clean.codes, threat, rng)
    codes, storage = clean.codes[drawn], Storage(space.kinds)
    bounds = None
    if space.limits is not None:
        bounds = row_bounds(space.limits, storage, clean.X[drawn])
    feasible = FeasibleSet(_radii(poisoner.radius, clean, codes, storage), storage, bounds)
    targets = start_labels(poisoner.labels, last_step(poisoner.clean_estimator_), clean, drawn, rng)
    if poisoner.init == "ball":
        return Start(feasible.sample(rng, clean.X.shape[1]), targets, codes, feasible)
    # identical rows on the margin have no gradient: set them apart by a millionth, or by
    # what the dtype can tell apart
    spread = clean.X.std(axis=0)
    # the mean of equal numbers may differ from them by rounding
    spread[np.ptp(clean.X, axis=0) == 0.0] = 1.0
    resolution = storage.eps * np.abs(clean.X).max(axis=0)
    jitter = np.maximum(1e-6 * spread, 8.0 * resolution) * rng.normal(
        size=(len(drawn), clean.X.shape[1])
    )
    return Start(feasible.project(clean.X[drawn] + jitter), targets, codes, feasible)


def _radii(radius, clean: CleanData, codes: NDArray[np.int64], storage: Storage):
    if radius != "max":
        return np.full(len(codes), float(radius))
    norms = storage.norms(clean.X)
    largest = np.zeros(codes.max(initial=-1) + 1)
    for code in np.unique(codes):
        largest[code] = norms[clean.codes == code].max()
    return largest[codes]


def check_label_kind(labels: str, victim) -> str:
    """What the injected rows' targets become, for an FMTL estimator of this type."""
    classify = is_classifier(victim)
    kind = labels if labels != "auto" else ("flip" if classify else "extreme")
    if kind == ("extreme" if classify else "flip"):
        raise ValueError(
            f"labels={kind!r} is for {'regression' if classify else 'classification'}; the "
            f"victim is {with_article(type(victim).__name__)}."
        )
    return kind


def start_labels(labels: str, victim, clean: CleanData, drawn, rng: np.random.Generator):
    """Targets of rows drawn from the clean ones, for the fitted FMTL estimator `victim`."""
    kind = check_label_kind(labels, victim)
    if is_classifier(victim):
        position = np.searchsorted(victim.classes_, clean.y[drawn])
        return victim.classes_[draw_class_labels(kind, position, len(victim.classes_), rng)]
    if kind == "keep":
        return clean.y[drawn]
    codes = clean.codes[drawn]
    low, high = target_ranges(clean, codes)
    y = clean.y[drawn].astype(float)
    whole = clean.y.dtype.kind in "iub"
    return as_targets(clean, codes, draw_targets(kind, y, low, high, rng, whole=whole))


def as_targets(clean: CleanData, codes: NDArray[np.int64], y) -> NDArray[Any]:
    """Numbers within the clean ranges of their nodes, in the dtype of the clean targets.

    Whole numbers are the nearest ones.
    """
    dtype = clean.y.dtype
    if dtype.kind not in "iub":
        return y.astype(dtype)
    whole = np.rint(y)
    stored = np.empty(len(y), dtype=dtype)
    for code in np.unique(codes):
        mine = codes == code
        own = clean.y[clean.codes == code]
        low, high = own.min(), own.max()
        # the ends themselves: a float near the end of a wide range may be no number of the dtype
        below = mine & (whole <= float(low))
        above = mine & (whole >= float(high))
        between = mine & ~below & ~above
        stored[between] = whole[between].astype(dtype)
        stored[above] = high
        stored[below] = low
    return stored


def target_ranges(clean: CleanData, codes: NDArray[np.int64]):
    """The clean range of the targets of each row's node."""
    y = clean.y.astype(float)
    low = np.array([y[clean.codes == code].min() for code in codes])
    high = np.array([y[clean.codes == code].max() for code in codes])
    return low, high


class Evaluation(NamedTuple):
    """The rows whose loss the attacker raises, other than the victim's own clean ones."""

    X: Array  #: (n, d)
    y: Array  #: (n,) as given
    codes: NDArray[np.int64]

    @property
    def weight(self) -> Array:
        """All rows of a node count alike."""
        return np.ones(len(self.codes))
