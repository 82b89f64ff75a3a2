"""Tables of users: CSV and Parquet files, read with everything that may be wrong with them.

A column becomes numbers with NaN, or words with None, where values are missing.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._input import listing
from skfedmtl._report.data import TableError
from skfedmtl._tools.spelling import MISSING

Values = NDArray[Any]  #: of a column: float64, or words

SEPARATORS = (",", ";", "\t", "|")
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})(\D|$)")
LOOKED_AT = 200  #: words of a column, to tell dates


def read_table(path: str) -> Any:
    """Read a CSV file, all of whose cells are words, or a Parquet file.

    Parameters
    ----------
    path : str
        The file; its name ends in .parquet or .pq if it is one.

    Returns
    -------
    frame : pandas.DataFrame
        The table, its columns called by words that differ.

    Raises
    ------
    TableError
        If it can't be read, or holds no rows.
    """
    if not Path(path).is_file():
        raise TableError(f"{path}: there is no such file")
    with _named(path):
        frame = _parquet(path) if path.lower().endswith((".parquet", ".pq")) else _csv(path)
    if not len(frame):
        raise TableError(f"{path}: the table has no rows")
    return frame


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Whatever a reader raises, in one line with the file's name."""
    try:
        yield
    except TableError as error:
        raise TableError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}: byte {error.start} is no UTF-8; save the table as CSV in UTF-8"
        ) from error
    except ImportError as error:
        raise TableError(
            f"{path}: pandas reads Parquet with pyarrow: pip install pyarrow"
        ) from error
    except Exception as error:  # damaged files make readers raise whatever they can
        reason = " ".join(str(error).split())
        raise TableError(f"{path}: not a table that can be read: {reason}") from error


def _parquet(path: str) -> Any:
    import pandas

    frame = pandas.read_parquet(path)
    _check_names([str(name) for name in frame.columns])
    return frame.set_axis([str(name) for name in frame.columns], axis=1).reset_index(drop=True)


def _csv(path: str) -> Any:
    import pandas

    with open(path, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
    if not first.strip():
        raise TableError("the file is empty" if not first else "its first line is empty")
    if "\0" in first:
        raise TableError("not a table: it holds zero bytes")
    headers = {mark: next(csv.reader([first], delimiter=mark)) for mark in SEPARATORS}
    mark = max(SEPARATORS, key=lambda one: len(headers[one]))
    names = [name.strip() for name in headers[mark]]
    _check_names(names)
    frame = pandas.read_csv(
        path,
        sep=mark,
        header=0,
        names=names,
        index_col=False,
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
        on_bad_lines="error",
    )
    return frame.fillna("")


def _check_names(names: list[str]) -> None:
    if len(names) < 3:
        raise TableError(
            f"the table has {len(names)} column(s), {listing(np.array(names))}; a target, a node "
            "and a feature are needed, separated by a comma, semicolon, tab or |"
        )
    if "" in names:
        raise TableError(f"column {names.index('') + 1} has no name")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(f"columns must have names that differ; twice: {listing(np.array(twice))}")


def read_column(name: str, series: Any) -> Values:
    """The values of a column: numbers if all of them are, else words.

    Parameters
    ----------
    name : str
        What messages call it.
    series : pandas.Series
        The column.

    Raises
    ------
    TableError
        If it holds dates, infinity, words among numbers, or anything else.
    """
    from pandas.api import types

    if types.is_datetime64_any_dtype(series.dtype) or types.is_timedelta64_dtype(series.dtype):
        raise TableError(_dates(name))
    if types.is_bool_dtype(series.dtype):
        return _words(series)
    if types.is_numeric_dtype(series.dtype) and not types.is_complex_dtype(series.dtype):
        return _finite(name, series.to_numpy(dtype=np.float64, na_value=np.nan))
    words = _words(series)
    numbers = _as_numbers(words)
    known = np.array([word is not None for word in words], dtype=bool)
    unread = np.isnan(numbers) & known
    if not unread.any():
        return _finite(name, numbers)
    example = words[unread][0]
    _check_words(name, words[known], example)
    if 2 * np.count_nonzero(unread) < np.count_nonzero(known):
        raise TableError(f"column {name!r} holds numbers, but {example!r} among them")
    return words


def read_nodes(series: Any) -> Values:
    """The labels of nodes as words; None where there is none, but a node may be called NA."""
    from pandas.api import types

    if types.is_float_dtype(series.dtype):
        whole = series.dropna()
        if (whole == whole.round()).all():
            series = series.astype("Int64")
    pairs = zip(series, series.isna(), strict=True)
    return _objects([None if gone else (str(one).strip() or None) for one, gone in pairs])


def _words(series: Any) -> Values:
    """The cells as words without blanks around them; None where they say that nothing is known."""
    pairs = zip(series, series.isna(), strict=True)
    cells = (None if gone else str(one).strip() for one, gone in pairs)
    return _objects([None if one is None or one.lower() in MISSING else one for one in cells])


def _objects(values: Sequence[Any]) -> Values:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _as_numbers(words: Values) -> NDArray[np.float64]:
    import pandas

    numbers = pandas.to_numeric(pandas.Series(words, dtype=object), errors="coerce")
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _finite(name: str, values: NDArray[np.float64]) -> Values:
    if np.isinf(values).any():
        raise TableError(f"column {name!r} holds infinity; leave such cells empty")
    return values


def _check_words(name: str, words: Values, example: str) -> None:
    """Refuse dates and numbers with a comma."""
    some = words[:LOOKED_AT]
    if all(DATE.match(word) for word in some):
        raise TableError(_dates(name))
    if not np.isnan(_as_numbers(_objects([word.replace(",", ".") for word in some]))).any():
        raise TableError(
            f"column {name!r} holds numbers with a comma, such as {example!r}; write them with a "
            "point"
        )


def _dates(name: str) -> str:
    return f"column {name!r} holds dates; drop it, or make a number of them, such as days"
