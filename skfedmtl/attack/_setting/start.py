"""The injected rows before they are optimised: drawn, labelled, moved into their feasible set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d

from skfedmtl._input import (
    check_dense,
    from_polars,
    read_features,
    read_targets,
    refuse_masked,
    split_node_column,
    take_nodes,
    with_article,
)
from skfedmtl._typing import Array
from skfedmtl.attack._feasible import (
    FeasibleSet,
    Limits,
    NarrowedSet,
    Storage,
    read_limits,
    refuse_beside_constraint,
    row_bounds,
)
from skfedmtl.attack._setting.parameters import Parameters
from skfedmtl.attack._setting.tables import stored_kinds
from skfedmtl.attack._setting.threat import Threat, draw_class_labels, draw_rows, draw_targets
from skfedmtl.attack._setting.victim import Victim
from skfedmtl.attack._setting.words import Words


class CleanData(NamedTuple):
    """The clean rows in numbers, not scaled."""

    X: Array  #: (n, d) without the node column
    y: NDArray[Any]  #: (n,) as given
    codes: NDArray[np.int64]  #: (n,) positions in the victim's nodes_
    weight: Array  #: (n,) of at least 0


class Start(NamedTuple):
    """The injected rows before they are optimised."""

    X: Array  #: (n_injected, d)
    y: NDArray[Any]  #: (n_injected,) as the victim's y
    codes: NDArray[np.int64]  #: (n_injected,)
    feasible: FeasibleSet
    origin: NDArray[np.intp]  #: (n_injected,) the clean row that each comes from; -1: from none


class Space(NamedTuple):
    """What users ask of injected rows, and the dtypes that those are kept in."""

    limits: Limits | None
    kinds: list[np.dtype[Any]]


def check_limits(parameters: Parameters, X: Any) -> Limits | None:
    """What the parameters ask of rows like those of `X`.

    Raises ValueError where no row can do it, whatever the clean rows are.
    """
    column = parameters.column
    limits = read_limits(
        X,
        column,
        parameters.feature_range,
        parameters.frozen_features,
        parameters.integer_features,
        parameters.one_hot_groups,
    )
    encodes = Victim(parameters.estimator).encodes
    if parameters.constraint is not None:
        refuse_beside_constraint(limits, encodes=encodes)
    if limits is not None:
        storage = Storage(stored_kinds(X, column, limits.all_whole))
        bounds = row_bounds(limits, storage)
        # in which space a ball lies behind encoders is known of fitted ones alone
        if parameters.radius != "max" and not encodes:
            FeasibleSet(np.array([float(parameters.radius)]), storage, bounds)
    return limits


def draw_start(
    parameters: Parameters,
    model: Any,
    clean: CleanData,
    threat: Threat,
    rng: np.random.Generator,
    space: Space,
) -> Start:
    """Draw rows, set their labels, and move them apart and into the feasible set.

    `model` is the fitted FMTL estimator of the victim.
    """
    drawn = draw_rows(clean.codes, threat, rng)
    codes = clean.codes[drawn]
    storage = Storage(space.kinds)
    bounds = None
    if space.limits is not None:
        limits = space.limits.of_rows(clean.X, clean.codes, drawn)
        bounds = row_bounds(limits, storage, clean.X[drawn])
    about = radii_of(parameters.radius, clean, codes, storage), storage, bounds
    feasible = FeasibleSet(*about)
    if parameters.constraint is not None:
        feasible = NarrowedSet(*about, parameters.constraint, clean.X[drawn])
    targets = start_labels(parameters.labels, model, clean, drawn, rng)
    if parameters.init == "ball":
        nowhere = np.full_like(drawn, -1)
        return Start(feasible.sample(rng, clean.X.shape[1]), targets, codes, feasible, nowhere)
    apart = spread(clean.X, storage) * rng.normal(size=(len(drawn), clean.X.shape[1]))
    return Start(feasible.project(clean.X[drawn] + apart), targets, codes, feasible, drawn)


def spread(X: Array, storage: Storage) -> Array:
    """By how much rows are set apart, a feature: identical rows on the margin have no gradient.

    A millionth of the clean spread, or what the dtype can tell apart.
    """
    deviation: Array = X.std(axis=0)
    # the mean of equal numbers may differ from them by rounding
    deviation[np.ptp(X, axis=0) == 0.0] = 1.0
    resolution = storage.eps * np.abs(X).max(axis=0)
    return np.maximum(1e-6 * deviation, 8.0 * resolution)


def radii_of(radius: Any, clean: CleanData, codes: NDArray[np.int64], storage: Storage) -> Array:
    """Of the balls of rows in these nodes."""
    if radius != "max":
        return np.full(len(codes), float(radius))
    largest = np.zeros(codes.max(initial=-1) + 1)
    rows = np.flatnonzero(np.isin(clean.codes, codes))
    np.maximum.at(largest, clean.codes[rows], storage.norms(clean.X[rows]))
    return largest[codes]


def chooses_labels(labels: str) -> bool:
    """Whether the attacker chooses the targets of injected rows."""
    return labels in ("auto", "flip", "extreme")


def check_label_kind(labels: str, victim: Any) -> str:
    """What the injected rows' targets become, for an FMTL estimator of this type."""
    classify = is_classifier(victim)
    kind = labels if labels != "auto" else ("flip" if classify else "extreme")
    if kind == ("extreme" if classify else "flip"):
        raise ValueError(
            f"labels={kind!r} is for {'regression' if classify else 'classification'}; the "
            f"victim is {with_article(type(victim).__name__)}."
        )
    return kind


def start_labels(
    labels: str,
    victim: Any,
    clean: CleanData,
    drawn: NDArray[np.intp],
    rng: np.random.Generator,
) -> NDArray[Any]:
    """Targets of rows drawn from the clean ones, for the fitted FMTL estimator `victim`."""
    kind = check_label_kind(labels, victim)
    if is_classifier(victim):
        position = np.searchsorted(victim.classes_, clean.y[drawn])
        classes: NDArray[Any] = victim.classes_
        return classes[draw_class_labels(kind, position, len(classes), rng)]
    if kind == "keep":
        return clean.y[drawn]
    codes = clean.codes[drawn]
    low, high = target_ranges(clean, codes)
    y = clean.y[drawn].astype(float)
    whole = clean.y.dtype.kind in "iub"
    return as_targets(clean, codes, draw_targets(kind, y, low, high, rng, whole=whole))


def as_targets(clean: CleanData, codes: NDArray[np.int64], y: Array) -> NDArray[Any]:
    """Numbers within the clean ranges of their nodes, in the dtype of the clean targets.

    Whole numbers are the nearest ones.
    """
    dtype = clean.y.dtype
    if dtype.kind not in "iub":
        return y.astype(dtype)
    whole = np.rint(y)
    stored: NDArray[Any] = np.empty(len(y), dtype=dtype)
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


def target_ranges(clean: CleanData, codes: NDArray[np.int64]) -> tuple[Array, Array]:
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


def read_evaluation(
    given: tuple[Any, Any, Any],
    victim: Victim,
    column: Any,
    reader: Any,
    targets: NDArray[np.int64],
    words: Words,
) -> Evaluation | None:
    """The rows of the target nodes in `X_target`; None if that was not given.

    `given` are rows, targets and nodes, `reader` an estimator that knows the columns of clean rows
    with their node `column`; `words` are those of clean rows.
    """
    X, y, nodes = given
    if X is None:
        return None
    model = victim.model
    refuse_masked(X_target=X)
    y = read_targets(y, "y_target", numeric=not is_classifier(model), mixed=True)
    with _naming_the_arguments():
        X = check_dense(from_polars(X), "X_target")
        if victim.in_pipeline:  # whose parts know of no node column
            X, nodes = take_nodes(reader, X, nodes, reset=False, words=victim.encodes)
            features = victim.complete(X, words.code(X))
        else:
            own = X if column is None else split_node_column(X, column)[0]
            features = np.asarray(read_features(own), dtype=np.float64)
        y = column_or_1d(y)
        check_consistent_length(features, y)
    assert_all_finite(features, input_name="X_target")
    with _naming_the_arguments():
        codes = model._check_predict(victim.transform(X), nodes)[1]
    if is_classifier(model):
        _refuse_other_classes(model.classes_, y)
    missing = np.setdiff1d(targets, codes)
    if len(missing):
        raise ValueError(
            f"`nodes_target` has no row of the target nodes {model.nodes_[missing].tolist()}."
        )
    return Evaluation(features, y, codes)


@contextmanager
def _naming_the_arguments() -> Iterator[None]:
    """Let a refusal say that it is about the rows to be judged."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"X_target, y_target, nodes_target: {error}") from error


def _refuse_other_classes(classes: NDArray[Any], y: NDArray[Any]) -> None:
    known = set(classes.tolist())
    if unknown := [label for label in dict.fromkeys(y.tolist()) if label not in known]:
        raise ValueError(f"y_target holds {unknown}; known classes are {classes.tolist()}.")
