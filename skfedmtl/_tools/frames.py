"""Frames of pandas, which is imported only where one is asked for."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def import_pandas(owner: str) -> ModuleType:
    """Import pandas, or say what needs it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f"{owner} needs pandas, which could not be imported: pip install pandas."
        ) from error
    return pandas


def pack_frame(frame: Any) -> dict[str, Any]:
    """A frame whose rows are numbered, as arrays, strings and lists, which any file can hold."""
    columns = [frame.iloc[:, j] for j in range(frame.shape[1])]
    return {
        "names": frame.columns.tolist(),
        "names_of_levels": list(frame.columns.names),
        "dtypes": [str(kind) for kind in frame.dtypes],
        "columns": [_pack(column) for column in columns],
    }


def unpack_frame(packed: dict[str, Any]) -> Any:
    """The frame that was packed."""
    pandas = import_pandas("A poisoner that was fitted to a frame")
    columns = zip(packed["columns"], packed["dtypes"], strict=True)
    frame = pandas.DataFrame({j: _unpack(*one) for j, one in enumerate(columns)})
    names, levels = packed["names"], packed["names_of_levels"]
    if len(levels) > 1:
        frame.columns = pandas.MultiIndex.from_tuples(names, names=levels)
    else:
        frame.columns = pandas.Index(names, name=levels[0])
    return frame


def _pack(column: Any) -> Any:
    """The values, None where an array of pandas has none; of categories their codes, and them."""
    if hasattr(column, "cat"):
        categories = column.cat.categories.to_series().reset_index(drop=True)
        return {
            "codes": column.cat.codes.to_numpy(),
            "categories": _pack(categories),
            "dtype": str(categories.dtype),
            "ordered": bool(column.cat.ordered),
        }
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    return column.to_numpy(dtype=object, na_value=None)


def _unpack(values: Any, dtype: str) -> Any:
    import pandas

    if isinstance(values, dict):
        categories = pandas.Index(_unpack(values["categories"], values["dtype"]))
        codes, ordered = values["codes"], values["ordered"]
        return pandas.Series(pandas.Categorical.from_codes(codes, categories, ordered=ordered))
    return pandas.Series(values, dtype=dtype)
