"""Rows in the containers users keep them in: arrays and data frames, with a node column or not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from skfedmtl._input import as_table, column_position
from skfedmtl.attack._setting.words import Words


def stored_kinds(
    X: Any, node_column: Any, whole: NDArray[np.bool_] | None = None
) -> list[np.dtype[Any]]:
    """The dtypes in which injected rows are kept, one a feature of `X`.

    Float columns keep theirs, and so do columns of integers or booleans whose injected values are
    `whole`; what is crafted for the others has fractions.
    """
    if hasattr(X, "iloc"):
        kinds = [getattr(kind, "numpy_dtype", kind) for kind in X.dtypes]
    else:
        X = as_table(X)
        kinds = [X.dtype] * X.shape[1]
    if node_column is not None:
        del kinds[column_position(X, node_column, hasattr(X, "iloc"))]
    kept = np.zeros(len(kinds), dtype=bool) if whole is None else whole
    return [
        np.dtype(kind)
        if getattr(kind, "kind", "O") in ("f" if not keep else "fiub")
        else np.dtype(np.float64)
        for kind, keep in zip(kinds, kept, strict=True)
    ]


def put_node_column(
    rows: NDArray[Any],
    labels: NDArray[Any],
    X: Any,
    node_column: Any,
    kinds: list[np.dtype[Any]],
    words: Words,
) -> Any:
    """The injected rows laid out as `X`: its columns, and the node column in its place.

    `kinds` are the dtypes that the columns of a frame get; columns of `words`, and of categories,
    keep theirs.
    """
    if hasattr(X, "iloc"):
        return _as_frame(rows, labels, X, node_column, kinds, words)
    if words.of:
        columns = [words.spell(j, values) for j, values in enumerate(rows.T)]
        rows = np.array(columns, dtype=object).T
    if node_column is None:
        return rows
    clean = as_table(X)
    # whole numbers stay whole in the node column only: the crafted rows have fractions
    kind = np.result_type(clean.dtype, rows.dtype) if clean.dtype.kind in "biuf" else clean.dtype
    position = column_position(clean, node_column, False)
    return np.insert(rows.astype(kind), position, labels.astype(kind), axis=1)


def _as_frame(
    rows: NDArray[Any],
    labels: NDArray[Any],
    X: Any,
    node_column: Any,
    kinds: list[np.dtype[Any]],
    words: Words,
) -> Any:
    """A frame like `X`; the node column keeps its dtype."""
    names = list(X.columns)
    place = None if node_column is None else column_position(X, node_column, True)
    features = [j for j in range(len(names)) if j != place]
    columns: list[Any] = [None] * len(names)
    for number, (values, j, kind) in enumerate(zip(rows.T, features, kinds, strict=True)):
        clean = X.iloc[:, j]
        if number in words.of or hasattr(clean.dtype, "categories"):
            columns[j] = _like(_held(words.spell(number, values), clean), clean)
        else:
            columns[j] = values.astype(kind)
    if place is not None:
        columns[place] = _like(labels, X.iloc[:, place])
    frame = type(X)({j: values for j, values in enumerate(columns)})
    frame.columns = X.columns
    return frame


def _like(values: Any, clean: Any) -> Any:
    """One column of injected values in the dtype of the clean column, which holds them all."""
    import pandas as pd

    return pd.Series(_as_text(values, clean)).astype(clean.dtype)


def _held(values: NDArray[Any], clean: Any) -> NDArray[Any]:
    """Values, NaN for a word that fills gaps where the clean column has no such category."""
    if not hasattr(clean.dtype, "categories"):
        return values
    return np.where(np.isin(values, clean.dtype.categories), values, np.nan)


def _as_text(values: Any, clean: Any) -> Any:
    """Injected values as text beside clean objects that are all text."""
    if clean.dtype != object or not all(isinstance(value, str) for value in clean):
        return values
    return np.asarray(values).astype(str).astype(object)


def take_rows(X: Any, rows: NDArray[np.intp]) -> Any:
    """Copies of some rows of `X`, as they are."""
    return X.iloc[rows].reset_index(drop=True) if hasattr(X, "iloc") else as_table(X)[rows]


def poisoned_data(
    clean: tuple[Any, Any, Any], injected: tuple[Any, Any, Any], sample_weight: Any = None
) -> Bunch:
    """X, y and nodes of clean rows, then of injected ones; nodes are None if none were given.

    `sample_weight` are the weights of all these rows, or None.
    """
    is_poison = np.repeat([False, True], [len(np.asarray(clean[1])), len(injected[1])])
    X, y, nodes = (
        None if ours is None else concatenate(ours, theirs)
        for ours, theirs in zip(clean, injected, strict=True)
    )
    return Bunch(X=X, y=y, nodes=nodes, sample_weight=sample_weight, is_poison=is_poison)


class Joined:
    """Clean rows, then injected ones, as an array where one is asked for.

    Who asks owns it, and may let it go while this still stands for the rows.

    Parameters
    ----------
    clean, injected : ndarray of shape (n, d) and (n_injected, d)
    """

    def __init__(self, clean: NDArray[Any], injected: NDArray[Any]) -> None:
        self._clean, self._injected = clean, injected
        self.shape, self.dtype = (len(clean) + len(injected), clean.shape[1]), clean.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        both: NDArray[Any] = concatenate(self._clean, self._injected)
        return both if dtype is None else both.astype(dtype, copy=False)


def joined(clean: Any, injected: Any) -> Any:
    """As `concatenate`, but rows that are an array of floats become another when they are read."""
    if type(clean) is np.ndarray and clean.ndim == 2 and clean.dtype.kind == "f":
        return Joined(clean, np.asarray(injected))
    return concatenate(clean, injected)


def concatenate(clean: Any, injected: Any) -> Any:
    """Clean entries, then injected ones, in the container and dtype of the clean ones."""
    if hasattr(clean, "iloc"):
        import pandas as pd

        if clean.ndim == 1:
            clean = _with_other_categories(clean, injected)
            injected = _like(injected, clean).rename(clean.name)
        else:
            clean = _with_room(clean, injected)
        return pd.concat([clean, injected], ignore_index=True)
    clean = as_table(clean) if np.ndim(clean) == 2 else np.asarray(clean)
    if len(injected) == 0:
        return clean.copy()
    injected = np.asarray(injected)
    if clean.ndim == 1 and clean.dtype.kind != "U":
        injected = np.asarray(_as_text(injected, clean)).astype(clean.dtype)
    return np.concatenate([clean, injected.reshape(len(injected), *clean.shape[1:])])


def _with_other_categories(clean: Any, injected: Any) -> Any:
    """The clean column, as what its categories are if one injected value is none of them."""
    import pandas as pd

    categories = getattr(clean.dtype, "categories", None)
    if categories is None or pd.Index(injected).isin(categories).all():
        return clean
    return clean.astype(categories.dtype)


def _with_room(clean: Any, injected: Any) -> Any:
    """The clean frame, with floats where fractions come to booleans, decimals or categories.

    Beside those, they would make a column of objects.
    """
    kinds = zip(clean.dtypes, injected.dtypes, strict=True)
    changed = [
        j
        for j, (ours, theirs) in enumerate(kinds)
        if theirs.kind == "f" and getattr(ours, "kind", "O") not in "iuf"
    ]
    if not changed:
        return clean
    names, columns = clean.columns, [clean.iloc[:, j] for j in range(clean.shape[1])]
    for j in changed:
        columns[j] = columns[j].astype(np.float64)
    clean = type(clean)(dict(enumerate(columns)))
    clean.columns = names
    return clean


def as_given(data: Any, given: Any) -> Any:
    """Data in a list if they were given so."""
    return data.tolist() if isinstance(given, list) else data


def in_frame(data: Any, given: Any) -> Any:
    """A column in a frame if it was given so."""
    if hasattr(given, "columns") and not hasattr(data, "columns"):
        return data.to_frame(given.columns[0])
    return data
