"""The data sets of ``skfedmtl report``, and what it knows of a user's table."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._typing import Array
from skfedmtl.datasets import (
    fetch_heart_disease,
    fetch_human_activity,
    fetch_landmine,
    fetch_parkinsons,
    load_flights,
)

SITTING = 4

Labels = NDArray[Any]  #: of rows: numbers, classes or names of nodes
Data = tuple[Array, Labels, Labels]  #: X, y, nodes


class TableError(ValueError):
    """What is wrong with a user's table, in one line."""


class Column(NamedTuple):
    """A column of a user's table."""

    name: str
    places: tuple[int, ...]  #: of its numbers among the features: one, or one a category
    categories: tuple[str, ...] | None
    whole: bool  #: whether all numbers are
    decimals: int | None = None  #: of all its numbers; None: of too many to be counted


class Own(NamedTuple):
    """What is known of a user's table beside its numbers."""

    target: str
    node: str
    columns: tuple[Column, ...]
    rows: NDArray[np.intp]  #: positions in the table of the rows that are left
    classes: tuple[str, str] | None  #: what 0 and 1 are called
    notes: tuple[str, ...]  #: what was left out
    limits: dict[str, Any]  #: of injected rows, as attackers take them


class Dataset(NamedTuple):
    """A data set, and the penalties that suit it."""

    title: str
    unit: str | None  #: of the target; None: two classes
    nodes: str  #: what the nodes are, in the plural
    lambda1: float
    lambda2: float
    load: Callable[[str | None], Data]  #: data home -> X, y, nodes
    loss: str = "hinge"  #: of classes


def is_classification(y: Labels) -> bool:
    return y.dtype.kind != "f"


def _sitting(home: str | None) -> Data:
    X, y, nodes = fetch_human_activity(data_home=home, return_X_y_nodes=True)
    return X.astype(np.float64), (y == SITTING).astype(np.int64), nodes


def _heart(home: str | None) -> Data:
    data = fetch_heart_disease(data_home=home)
    X = data.data.copy()
    for name in ("chol", "trestbps"):  # where 0 means a missing value
        column = X[:, data.feature_names.index(name)]
        column[column == 0.0] = np.nan
    return X, data.target, data.nodes


# lambda1: the strongest tie among 1e-4, 1e-3, ..., 1 whose error in 3-fold cross-validation of
# training rows is within one standard error of the least (benchmarks/attack/report_penalties.py).
# For landmine that of the AUC, as "no mine" is hardly ever wrong; for the same reason the hinge is
# content with models that say so whatever the row, unlike its square. lambda2: 1e-3, and where that
# is slow 1e-2.
DATASETS = {
    "flights": Dataset(
        "arrival delay of flights out of New York",
        "minutes",
        "airlines",
        1e-1,
        1e-3,
        lambda home: load_flights("delay", return_X_y_nodes=True),
    ),
    "flights-late": Dataset(
        "flights out of New York that arrive late",
        None,
        "airlines",
        1e-2,
        1e-3,
        lambda home: load_flights("late", return_X_y_nodes=True),
    ),
    "parkinsons": Dataset(
        "Parkinson's disease, total UPDRS",
        "points",
        "patients",
        1e-1,
        1e-3,
        lambda home: fetch_parkinsons("total", data_home=home, return_X_y_nodes=True),
    ),
    "parkinsons-motor": Dataset(
        "Parkinson's disease, motor UPDRS",
        "points",
        "patients",
        1e-1,
        1e-3,
        lambda home: fetch_parkinsons("motor", data_home=home, return_X_y_nodes=True),
    ),
    "landmine": Dataset(
        "land mine or clutter",
        None,
        "fields",
        1e-2,
        1e-3,
        lambda home: fetch_landmine(data_home=home, return_X_y_nodes=True),
        "squared_hinge",
    ),
    "human-activity": Dataset("sitting or not", None, "people", 1e-2, 1e-2, _sitting),
    "heart": Dataset("heart disease", None, "hospitals", 1e-1, 1e-3, _heart),
}
