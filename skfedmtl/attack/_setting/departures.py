"""Whether injected rows leave the range of the clean ones, where nobody asked them to stay."""

from __future__ import annotations

import warnings

import numpy as np

from skfedmtl.attack._feasible import Storage
from skfedmtl.attack._setting.scenario import Injected, Scenario
from skfedmtl.attack._setting.start import spread

_FAR = (
    100.0  #: times what drawn rows are set apart by: the rows that an attack begins with are near
)
_NAMED = 5  #: columns in a message


def warn_of_departures(scenario: Scenario, injected: Injected) -> None:
    """Warn, once, of the columns of a table in which injected rows hold what no clean row does.

    A table is a frame whose columns have names: what an array of numbers means nobody knows.
    """
    table = scenario.features
    unasked = scenario.parameters.feature_range is None
    named = hasattr(table, "iloc") and all(isinstance(name, str) for name in table.columns)
    if not (unasked and named and len(injected.codes)):
        return
    rows = scenario.words.code(injected.features)
    clean = scenario.rows
    room = _FAR * spread(clean, Storage(scenario.kinds))
    outside = (rows < clean.min(axis=0) - room) | (rows > clean.max(axis=0) + room)
    left = np.flatnonzero(outside.any(axis=0)).tolist()
    if not left:
        return
    told = [
        f"{table.columns[j]!r} ({_range(rows[:, j])}; clean {_range(clean[:, j])})"
        for j in left[:_NAMED]
    ]
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    warnings.warn(
        f"Injected rows leave the range of the clean rows in {', '.join(told)}{more}: such rows "
        "may be none that could exist. `feature_range` sets limits, 'clean' those of the clean "
        "rows; (-inf, inf) allows any value without this warning.",
        UserWarning,
        stacklevel=5,
    )


def _range(values: np.ndarray) -> str:
    return f"{values.min():.4g} to {values.max():.4g}"
