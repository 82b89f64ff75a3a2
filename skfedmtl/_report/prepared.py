"""From a table of a user to rows of numbers, and to what injected rows must hold.

Missing values stay NaN here: they are filled by what training rows say, once these are drawn.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._input import listing
from skfedmtl._report.data import Column, Labels, Own, TableError
from skfedmtl._report.own_table import Values, read_column, read_nodes
from skfedmtl._tools.spelling import meant
from skfedmtl._typing import Array
from skfedmtl.attack import infer_constraints

MAX_CATEGORIES = 50
MOST_DECIMALS = 6
FEW = 10  #: different numbers that may be meant for classes


class Asked(NamedTuple):
    """What users say of their table."""

    task: str = "auto"
    positive: str | None = None
    drop: Sequence[str] = ()
    categorical: Sequence[str] = ()
    integer: Sequence[str] = ()
    frozen: Sequence[str] = ()


class Prepared(NamedTuple):
    """A table as the report takes it."""

    X: Array  #: (n, d) with NaN
    y: Labels  #: numbers, or 0 and 1
    nodes: Labels  #: words
    own: Own


def split_table(frame: Any, target: str, node: str, asked: Asked) -> tuple[Any, Any, Any]:
    """The features, the target and the node of a table, once all names are known to be columns."""
    names = list(frame.columns)
    _check_columns("target", [target], names)
    _check_columns("node", [node], names)
    if target == node:
        raise TableError(f"target and node are the same column, {target!r}")
    _check_columns("drop", asked.drop, names)
    gone = {target, node, *asked.drop}
    return frame[[name for name in names if name not in gone]], frame[target], frame[node]


def prepare(features: Any, target: Any, node: Any, asked: Asked) -> Prepared:
    """Make numbers of a table.

    Parameters
    ----------
    features : pandas.DataFrame
        The columns that models learn from.
    target, node : pandas.Series
        What is to be learned, and the node of each row.
    asked : Asked
        What users say of the columns.

    Returns
    -------
    prepared : Prepared
        Rows without a target or a node are left out.

    Raises
    ------
    TableError
        If there is nothing to learn from, or nobody could tell how.
    """
    names = list(features.columns)
    for option in ("categorical", "integer", "frozen"):
        _check_columns(option, getattr(asked, option), names)
    labels, values = read_nodes(node), read_column(str(target.name), target)
    has_node, has_target = _known(labels), _known(values)
    kept = np.flatnonzero(has_node & has_target)
    if not len(kept):
        what = "node" if not has_node.any() else "target"
        raise TableError(f"{what}: no row has one that is not missing")
    notes = [
        f"{count} rows without a {what} left out"
        for what, count in (("target", np.sum(~has_target)), ("node", np.sum(~has_node)))
        if count
    ]
    nodes = labels[kept].astype(str)
    _check_nodes(nodes)
    y, classes = _target(values[kept], asked)
    columns: list[Column] = []
    parts: list[Array] = []
    for name in names:
        column, part = _feature(name, read_column(name, features[name])[kept], asked)
        if column is None:
            notes.append(f"column {name!r} left out: a single value")
            continue
        start = sum(one.shape[1] for one in parts)
        columns.append(column._replace(places=tuple(range(start, start + part.shape[1]))))
        parts.append(part)
    if not parts:
        raise TableError("no column is left that models could learn from")
    X = np.hstack(parts)
    own = Own(str(target.name), str(node.name), tuple(columns), kept, classes, (), {})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        limits = _limits(X, nodes, own, asked)
    notes += [str(one.message) for one in caught]
    return Prepared(X, y, nodes, own._replace(limits=limits, notes=tuple(notes)))


def _check_columns(option: str, wanted: Iterable[str], names: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            among = listing(np.array(names)) + meant(name, names)
            raise TableError(f"{option}: no column {name!r} among {among}")


def _known(values: Values) -> NDArray[np.bool_]:
    if values.dtype == object:
        return np.array([one is not None for one in values], dtype=bool)
    return ~np.isnan(values)


def _check_nodes(nodes: Labels) -> None:
    labels, counts = np.unique(nodes, return_counts=True)
    if len(labels) == 1:
        raise TableError(f"node: all rows have the same, {str(labels[0])!r}; two are needed")
    if counts.max() == 1:
        raise TableError("node: every row has another; a node needs two rows or more to be judged")


def as_word(value: Any) -> str:
    """What a value is called: whole numbers have no point."""
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


# -- the target ---------------------------------------------------------------------------


def _target(values: Values, asked: Asked) -> tuple[Labels, tuple[str, str] | None]:
    """Numbers, or 0 and 1 with what the two are called."""
    is_number = values.dtype != object
    if asked.task == "regression":
        if asked.positive is not None:
            raise TableError("positive: the target of a regression has no classes")
        if not is_number:
            raise TableError(f"target: a regression needs numbers, got {values[0]!r}")
    different = np.unique(values if is_number else values.astype(str)).tolist()
    if len(different) == 1:
        raise TableError(f"target: all rows have the same, {as_word(different[0])!r}")
    is_regression = asked.task == "regression" or (
        asked.task == "auto" and asked.positive is None and is_number and len(different) > FEW
    )
    if is_regression:
        return values.astype(np.float64), None
    return _classes(np.array([as_word(one) for one in values.tolist()]), asked, is_number)


def _classes(words: Labels, asked: Asked, is_number: bool) -> tuple[Labels, tuple[str, str]]:
    """One class against the other, or against all others."""
    classes, counts = np.unique(words, return_counts=True)
    names = classes.tolist()
    if asked.positive is not None:
        if asked.positive not in names:
            among = listing(np.array(names)) + meant(asked.positive, names)
            raise TableError(f"positive: no class {asked.positive!r} among {among}")
        positive = asked.positive
    elif len(names) == 2:
        positive = max(names, key=_order)
    else:
        advice = ", or the task regression" if is_number else ""
        raise TableError(
            f"target: {len(names)} classes, {listing(classes)}, but reports take two; name one "
            f"of them as positive, to be told from the rest{advice}"
        )
    others = [name for name in names if name != positive]
    if counts.min() < 2 and len(names) == 2:
        raise TableError(f"target: the class {names[int(np.argmin(counts))]!r} has a single row")
    negative = others[0] if len(others) == 1 else f"not {positive}"
    return (words == positive).astype(np.int64), (negative, positive)


def _order(name: str) -> tuple[float, str]:
    """Numbers by size, words by letters."""
    try:
        return float(name), name
    except ValueError:
        return np.inf, name


# -- features -----------------------------------------------------------------------------


def _feature(name: str, values: Values, asked: Asked) -> tuple[Column | None, Array]:
    """A column and its numbers; None if it says nothing."""
    known = _known(values)
    different = np.unique(values[known].astype(str if values.dtype == object else float)).tolist()
    is_category = values.dtype == object or name in asked.categorical
    if is_category and name in asked.integer:
        raise TableError(f"integer: column {name!r} holds categories")
    if len(different) < 2:
        return None, np.empty((len(values), 0))
    if is_category:
        return _categories(name, values, known, different)
    whole = bool((values[known] == np.rint(values[known])).all())
    if name in asked.integer and not whole:
        broken = values[known][values[known] != np.rint(values[known])][0]
        raise TableError(f"integer: column {name!r} holds {broken:g}")
    decimals = _decimals(values[known].astype(np.float64))
    return Column(name, (), None, whole, decimals), values.astype(np.float64)[:, None]


def _decimals(values: Array) -> int | None:
    """How many all of these numbers are written with; None if with too many."""
    for decimals in range(MOST_DECIMALS + 1):
        if (np.round(values, decimals) == values).all():
            return decimals
    return None


def _categories(
    name: str, values: Values, known: NDArray[np.bool_], different: list[Any]
) -> tuple[Column, Array]:
    """A column of zeros and ones for every category; NaN in all of them where it is missing."""
    if len(different) > MAX_CATEGORIES:
        raise TableError(
            f"column {name!r} holds {len(different)} different words; at most {MAX_CATEGORIES} can "
            "be categories: drop it, or group them"
        )
    part = np.array([[value == one for one in different] for value in values], dtype=np.float64)
    part[~known] = np.nan
    return Column(name, (), tuple(map(as_word, different)), False), part


def _limits(X: Array, nodes: Labels, own: Own, asked: Asked) -> dict[str, Any]:
    """What clean rows have in common, and what users add to it."""
    import pandas

    numbers = [column for column in own.columns if column.categories is None]
    numeric = [column.places[0] for column in numbers]
    place = {column.name: column.places[0] for column in numbers}
    groups = [list(column.places) for column in own.columns if column.categories is not None]
    frozen = [j for column in own.columns if column.name in asked.frozen for j in column.places]
    found: dict[str, Any] = {"frozen_features": [], "integer_features": [], "one_hot_groups": []}
    if numeric:
        filled = fill_missing(X, X, own)[0][:, numeric]
        found = infer_constraints(pandas.DataFrame(filled, columns=list(place)), nodes)
    return {
        "feature_range": "clean",
        "frozen_features": sorted({*frozen, *(place[name] for name in found["frozen_features"])}),
        "integer_features": [place[name] for name in found["integer_features"]],
        "one_hot_groups": groups + [[place[one] for one in g] for g in found["one_hot_groups"]],
    }


def fill_missing(train: Array, test: Array, own: Own) -> tuple[Array, Array]:
    """Both with what training rows have in the middle; of categories the most frequent one."""
    fill = np.zeros(train.shape[1])
    for column in own.columns:
        places = list(column.places)
        known = train[~np.isnan(train[:, places[0]])][:, places]
        if column.categories is not None:
            fill[places] = np.arange(len(places)) == np.argmax(known.sum(axis=0))
        elif len(known):
            middle = np.median(known)
            fill[places] = np.rint(middle) if column.whole else middle
    return np.where(np.isnan(train), fill, train), np.where(np.isnan(test), fill, test)
