"""Matrices of nodes as frames of pandas, which say whose every row and column is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from skfedmtl._input.polars import is_polars

__all__ = [
    "in_order",
    "is_labelled",
    "labelled",
    "read_square_frame",
    "refuse_half_labelled",
    "series_names",
]


def read_square_frame(matrix: Any, name: str) -> tuple[Any, list[Any] | None]:
    """The columns of a frame in the order of its index, and that order; else what is given."""
    refuse_half_labelled(matrix, name)
    if not is_labelled(matrix):
        return matrix, None
    index = list(matrix.index)
    columns = list(matrix.columns)
    _refuse_repeated(index, f"The index of `{name}`")
    if len(columns) != len(index) or set(columns) != set(index):
        raise ValueError(
            f"`{name}` must have the same labels on both axes; of its {len(index)} rows and "
            f"{len(columns)} columns, only one axis has {_first(set(index) ^ set(columns))}."
        )
    return in_order(matrix, index), index


def refuse_half_labelled(matrix: Any, name: str) -> None:
    """Refuse a frame of polars: its columns have names, which would be lost, its rows have not."""
    if is_polars(matrix):
        raise TypeError(
            f"`{name}` is a {type(matrix).__name__} of polars, whose rows have no labels; allowed "
            "are an array in the order of the nodes and a DataFrame of pandas labelled on both "
            "axes."
        )


def in_order(frame: Any, labels: list[Any]) -> Any:
    """The values of a square frame, rows and columns in the order of its labels given here."""
    places = [{label: i for i, label in enumerate(axis)} for axis in (frame.index, frame.columns)]
    rows, columns = ([place[label] for label in labels] for place in places)
    return frame.iloc[rows, columns].to_numpy()


def series_names(values: Any, name: str) -> list[Any] | None:
    """The labels of the entries of a Series of pandas; None of anything else."""
    if not hasattr(values, "iloc"):
        return None
    names = list(values.index)
    _refuse_repeated(names, f"The index of `{name}`")
    return names


def labelled(matrix: Any, names: list[Any] | None) -> Any:
    """A square array as a frame with these names on both axes; without names as it is."""
    if names is None:
        return matrix
    import pandas as pd  # whoever has given a frame has it

    return pd.DataFrame(matrix, index=names, columns=names)


def is_labelled(matrix: Any) -> bool:
    """Whether this is a frame with labels on both axes."""
    return hasattr(matrix, "index") and hasattr(matrix, "columns")


def _first(labels: Iterable[Any]) -> list[Any]:
    """A few of the labels, in an order that is always the same."""
    return sorted(labels, key=repr)[:5]


def _refuse_repeated(labels: list[Any], what: str) -> None:
    repeated = [label for label, count in Counter(labels).items() if count > 1]
    if repeated:
        raise ValueError(f"{what} must not repeat labels: {_first(repeated)}.")
