"""What the steps before an FMTL estimator make of rows, where that can be followed.

Every column that the estimator sees is one of users' columns, moved and scaled. Imputers leave
complete rows as they are, so to a row without gaps they are no more than a choice of columns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
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

#: subclasses may transform otherwise, so only these types themselves
SCALERS = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler)

ALLOWED = (
    "StandardScaler, MinMaxScaler(clip=False), MaxAbsScaler(clip=False), RobustScaler, "
    "SimpleImputer, ColumnTransformer and Pipeline of these, 'passthrough' and None"
)


class AffineMap(NamedTuple):
    """What a fitted step makes of rows: ``(x[columns] - shift) * scale``."""

    n_features: int  #: d, of the rows that come in
    columns: NDArray[np.intp] | None  #: (D,) of these, none twice; None: all, as they come
    shift: Array | float  #: (D,)
    scale: Array | float  #: (D,)

    def apply(self, X: Array) -> Array:
        """Rows (n, d) as (n, D)."""
        if self.columns is not None:
            X = X[:, self.columns]
        moved: Array = (X - self.shift) * self.scale
        return moved

    def pull_back(self, gradient: Array) -> Array:
        """From a gradient with respect to what comes out to one with respect to what came in."""
        scaled = gradient * self.scale
        if self.columns is None:
            return scaled
        whole = np.zeros((*gradient.shape[:-1], self.n_features))
        whole[..., self.columns] = scaled
        return whole


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
    elif type(step) not in SCALERS:
        hint = ""
        if isinstance(step, OneHotEncoder | OrdinalEncoder):
            hint = " Rows are crafted in columns of numbers: encode categories before."
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


def affine_map(name: str, step: Any, n_features: int) -> AffineMap:
    """That of a fitted step, which has passed `check_step`, on so many columns."""
    if type(step) is Pipeline:
        return _chained(name, step, n_features)
    if type(step) is ColumnTransformer:
        return _side_by_side(name, step)
    if type(step) is SimpleImputer:
        return AffineMap(n_features, _left_by(step), 0.0, 1.0)
    if passes(step) or type(step) is FunctionTransformer:  # what a part's 'passthrough' becomes
        return AffineMap(n_features, None, 0.0, 1.0)
    return AffineMap(n_features, None, *_scaling(step))


def _chained(name: str, pipeline: Pipeline, n_features: int) -> AffineMap:
    """Steps one behind the other."""
    columns: NDArray[np.intp] = np.arange(n_features)
    shift, scale = np.zeros(n_features), np.ones(n_features)
    for inner, step in pipeline.steps:
        one = affine_map(f"{name}__{inner}", step, len(columns))
        if one.columns is not None:
            columns, shift, scale = columns[one.columns], shift[one.columns], scale[one.columns]
        shift = shift + one.shift / scale
        scale = scale * one.scale
    return AffineMap(n_features, columns, shift, scale)


def _side_by_side(name: str, step: ColumnTransformer) -> AffineMap:
    """Parts that each take columns of their own."""
    taken, maps = columns_of_parts(step), []
    for inner, part, _ in step.transformers_:
        own = np.array(taken[inner], dtype=np.intp)
        if len(own) and not _drops(part):
            one = affine_map(f"{name}__{inner}", part, len(own))
            own = own if one.columns is None else own[one.columns]
            maps.append((own, np.full(len(own), one.shift), np.full(len(own), one.scale)))
    empty = np.zeros(0, dtype=np.intp), np.zeros(0), np.zeros(0)
    columns, shift, scale = (np.concatenate(parts) for parts in zip(empty, *maps, strict=True))
    each, counts = np.unique(columns, return_counts=True)
    if (counts > 1).any():
        names = getattr(step, "feature_names_in_", np.arange(step.n_features_in_))
        raise ValueError(
            f"`estimator`: step {name!r} of the Pipeline hands columns to several of its parts: "
            f"{listing(names[each[counts > 1]])}; allowed is one part a column."
        )
    return AffineMap(step.n_features_in_, columns, shift, scale)


def _drops(part: Any) -> bool:
    return isinstance(part, str) and part == "drop"


def _left_by(imputer: SimpleImputer) -> NDArray[np.intp] | None:
    """The columns that an imputer leaves: without any value, a column may be dropped."""
    if imputer.keep_empty_features:
        return None
    return np.flatnonzero(~np.isnan(_float64(imputer.statistics_)))


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
