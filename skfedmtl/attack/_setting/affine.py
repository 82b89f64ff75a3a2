"""What the steps before an FMTL estimator make of rows, where that can be followed.

Imputers leave complete rows as they are, so to a row without gaps they are no more than a choice of
columns. An encoder has a column for each category.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from skfedmtl._input import listing, with_article
from skfedmtl._tools.sklearn import columns_of_parts
from skfedmtl._typing import Array
from skfedmtl.attack._setting.maps import AffineMap, chained, side_by_side, unchanged

#: subclasses may transform otherwise, so only these types themselves
SCALERS = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler)

ALLOWED = (
    "StandardScaler, MinMaxScaler(clip=False), MaxAbsScaler(clip=False), RobustScaler, "
    "SimpleImputer, OneHotEncoder, ColumnTransformer and Pipeline of these, 'passthrough' and None"
)


class FittedMap:
    """A step of which all is known: it takes opened rows, which no user has."""

    def __init__(self, affine: AffineMap) -> None:
        self.affine, self.n_features_in_ = affine, affine.n_features


def passes(step: Any) -> bool:
    """Whether a step does nothing."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def kind_of(step: Any) -> str:
    """What a message calls a step."""
    if step is None or isinstance(step, str | type):
        return repr(step)
    return with_article(type(step).__name__)


def check_step(name: str, step: Any) -> None:
    """Refuse a step, not yet fitted, that no `AffineMap` will tell of."""
    if passes(step):
        return
    of = f"`estimator`: step {name!r} of the Pipeline is {kind_of(step)}"
    if type(step) is Pipeline:
        for inner, part in step.steps:
            check_step(f"{name}__{inner}", part)
    elif type(step) is ColumnTransformer:
        _check_parts(name, step, of)
    elif type(step) is SimpleImputer:
        _check_imputer(step, of)
    elif type(step) is OneHotEncoder:
        _check_encoder(step, of)
    elif type(step) not in SCALERS:
        hint = ""
        if isinstance(step, OrdinalEncoder):
            hint = " Rows are crafted in columns of numbers: encode categories before the attack."
        raise TypeError(f"{of}; allowed before its last step are {ALLOWED}.{hint}")
    elif getattr(step, "clip", False):
        raise ValueError(
            f"{of} with clip={step.clip!r}, which is no affine map; allowed before its last step "
            f"are {ALLOWED}."
        )


def _check_parts(name: str, step: ColumnTransformer, of: str) -> None:
    if step.transformer_weights:
        raise ValueError(f"{of} with transformer_weights, which are not followed; use None.")
    parts = [(inner, part) for inner, part, _ in step.transformers]
    for inner, part in [*parts, ("remainder", step.remainder)]:
        if not _drops(part):
            check_step(f"{name}__{inner}", part)


def _check_imputer(step: SimpleImputer, of: str) -> None:
    if step.add_indicator:
        raise ValueError(f"{of} with add_indicator=True, whose columns are no affine map of rows.")
    if not (isinstance(step.missing_values, float) and np.isnan(step.missing_values)):
        raise ValueError(
            f"{of} with missing_values={step.missing_values!r}, which injected rows may hold; "
            "allowed is NaN."
        )


def _check_encoder(step: OneHotEncoder, of: str) -> None:
    for name in ("min_frequency", "max_categories"):
        if (asked := getattr(step, name)) is not None:
            raise ValueError(
                f"{of} with {name}={asked!r}, which makes one column of several categories, and "
                "those are not followed; allowed is None."
            )


def encodes(step: Any) -> bool:
    """Whether a step, which has passed `check_step`, reads columns as categories."""
    if type(step) is Pipeline:
        return any(encodes(part) for _, part in step.steps)
    if type(step) is ColumnTransformer:
        return encodes(step.remainder) or any(encodes(part) for _, part, _ in step.transformers)
    return type(step) is OneHotEncoder


def affine_map(name: str, step: Any, n_features: int) -> AffineMap:
    """That of a fitted step, which has passed `check_step`, on so many columns."""
    if type(step) is FittedMap:
        return step.affine
    if type(step) is Pipeline:
        return in_turn(n_features, [(f"{name}__{inner}", part) for inner, part in step.steps])
    if type(step) is ColumnTransformer:
        return _of_parts(name, step)
    if type(step) is SimpleImputer:
        return _of_imputer(step, n_features)
    if type(step) is OneHotEncoder:
        return _of_categories(step)
    if passes(step) or type(step) is FunctionTransformer:  # what a part's 'passthrough' becomes
        return unchanged(n_features)
    return AffineMap(n_features, None, *_scaling(step))


def in_turn(n_features: int, steps: list[tuple[str, Any]]) -> AffineMap:
    """That of fitted steps with their names, one behind the other."""

    def then(before: AffineMap, step: tuple[str, Any]) -> AffineMap:
        width = n_features if before.columns is None else len(before.columns)
        return chained(step[0], before, affine_map(*step, width))

    return reduce(then, steps, unchanged(n_features))


def _of_parts(name: str, step: ColumnTransformer) -> AffineMap:
    taken, parts = columns_of_parts(step), []
    counts = np.zeros(step.n_features_in_, dtype=int)
    for inner, part, _ in step.transformers_:
        own = np.array(taken[inner], dtype=np.intp)
        if len(own) and not _drops(part):
            one = affine_map(f"{name}__{inner}", part, len(own))
            parts.append((own, one))
            used = one.spelled_out()
            counts[own[np.union1d(used.columns, np.flatnonzero(used.encoded))]] += 1
    if (counts > 1).any():
        names = getattr(step, "feature_names_in_", np.arange(step.n_features_in_))
        raise ValueError(
            f"`estimator`: step {name!r} of the Pipeline hands columns to several of its parts: "
            f"{listing(names[counts > 1])}; allowed is one part a column."
        )
    return side_by_side(step.n_features_in_, parts)


def _of_imputer(imputer: SimpleImputer, n_features: int) -> AffineMap:
    """Numbers as they are; a word that fills gaps is the first of one."""
    fill, words = [], []
    for value in np.asarray(imputer.statistics_).tolist():
        is_word = isinstance(value, str)
        fill.append(0.0 if is_word else np.nan if value is None else float(value))
        words.append(np.array([value], dtype=object) if is_word else None)
    known = np.array(fill, dtype=np.float64)
    # without any value, a column may be dropped
    left = None if imputer.keep_empty_features else np.flatnonzero(~np.isnan(known))
    return AffineMap(n_features, left, 0.0, 1.0, fill=known, words=tuple(words))


def _of_categories(encoder: OneHotEncoder) -> AffineMap:
    """A column for each category, but for those that the encoder leaves out.

    Words are told by their positions among all that the encoder knows.
    """
    columns, categories, words = [], [], []
    left_out = encoder.drop_idx_
    for column, known in enumerate(encoder.categories_):
        are_words = any(isinstance(value, str) for value in known.tolist())
        words.append(known.astype(object) if are_words else None)
        values = np.arange(float(len(known))) if are_words else _float64(known)
        if left_out is not None and left_out[column] is not None:
            values = np.delete(values, left_out[column])
        columns.append(np.full(len(values), column, dtype=np.intp))
        # a gap may be a category, which complete rows never hold
        categories.append(np.where(np.isnan(values), np.inf, values))
    n_features = encoder.n_features_in_
    told, every = np.concatenate(categories), np.ones(n_features, dtype=bool)
    seen = n_features, np.concatenate(columns), 0.0, 1.0, told, every
    return AffineMap(*seen, words=tuple(words))


def _drops(part: Any) -> bool:
    return isinstance(part, str) and part == "drop"


def _scaling(scaler: Any) -> tuple[Array | float, Array | float]:
    """(shift, scale) of a fitted scaler; it has set the scale of constant features itself."""
    if isinstance(scaler, StandardScaler):
        return _if(scaler.with_mean, scaler, "mean_"), 1.0 / _if(scaler.with_std, scaler, "scale_")
    if isinstance(scaler, RobustScaler):
        shift = _if(scaler.with_centering, scaler, "center_")
        return shift, 1.0 / _if(scaler.with_scaling, scaler, "scale_")
    if isinstance(scaler, MaxAbsScaler):
        return 0.0, 1.0 / _float64(scaler.scale_)
    scale = _float64(scaler.scale_)
    return -_float64(scaler.min_) / scale, scale


def _if(used: bool, scaler: Any, name: str) -> Array | float:
    """An attribute, or the number that stands for its absence."""
    if used:
        return _float64(getattr(scaler, name))
    return 1.0 if name == "scale_" else 0.0


def _float64(values: Any) -> Array:
    return np.asarray(values, dtype=np.float64)
