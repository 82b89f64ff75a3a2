"""Frames of polars: read as they are, and by attacks, which make rows, by way of pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_array", "from_polars", "is_polars", "refuse_lazy", "to_polars"]


def is_polars(data: Any) -> bool:
    """Whether these are a DataFrame or a Series of polars."""
    return type(data).__module__.partition(".")[0] == "polars"


def refuse_lazy(data: Any, name: str) -> None:
    """Refuse a frame that has not been computed yet."""
    if is_polars(data) and type(data).__name__ == "LazyFrame":
        raise TypeError(
            f"`{name}` is a LazyFrame of polars, which holds no rows yet; a DataFrame is allowed: "
            f"pass {name}.collect()."
        )


def as_array(values: Any) -> NDArray[Any]:
    """An array; strings of polars stay objects, for numpy's own would be shortened."""
    return np.asarray(values.to_numpy() if is_polars(values) else values)


def from_polars(data: Any) -> Any:
    """A pandas DataFrame, or the array of a Series; anything else as it is."""
    if not is_polars(data):
        return data
    if not hasattr(data, "columns"):
        return data.to_numpy()
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("Attacks on polars frames need pandas: pip install pandas.") from error
    return pd.DataFrame({name: data[name].to_numpy() for name in data.columns})


def to_polars(data: Any, given: Any) -> Any:
    """What was made from `given`, in polars if that was."""
    if not is_polars(given):
        return data
    import polars as pl  # whoever has given polars has it

    if not hasattr(given, "columns"):
        return _to_series(np.asarray(data), given)
    columns = {}
    for name in given.columns:
        values, kind = data[name].to_numpy(), given.schema[name]
        same = values.dtype == given[name].to_numpy().dtype
        if values.dtype == object:
            values = data[name].astype(object).where(data[name].notna(), None).tolist()
        columns[name] = pl.Series(name, values)
        if same:  # what is none of an Enum's names was a gap that the victim fills
            columns[name] = columns[name].cast(kind, strict=kind != pl.Enum)
    return pl.DataFrame(columns)


def _to_series(values: NDArray[Any], given: Any) -> Any:
    """A Series in the dtype of the given one, or in one that holds values which that lacks.

    Crafted numbers have more digits than decimals, and may be none of an Enum's names.
    """
    import polars as pl

    kind = given.dtype
    if kind.is_decimal():
        return pl.Series(given.name, values.astype(np.float64))
    if values.dtype == object and kind in (pl.String, pl.Categorical, pl.Enum):
        text = [str(value) for value in values]
        held = kind != pl.Enum or set(text) <= set(kind.categories)
        return pl.Series(given.name, text, dtype=kind if held else pl.String)
    return pl.Series(given.name, values, dtype=kind)
