"""The rows that attacks injected into a user's table: in its own columns, and beside clean rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skfedmtl._report.data import Column, Own
from skfedmtl._report.experiment import Result
from skfedmtl._report.grids import Grid
from skfedmtl._report.tables import as_csv
from skfedmtl._typing import Array

MOST = 12  #: columns that are shown


def poisoned_csv(results: Sequence[Result], own: Own) -> bytes:
    """All injected rows, in the columns of the table and as it writes them, and their origins."""
    names = [own.node, *(column.name for column in own.columns), own.target]
    lines: list[list[Any]] = [[*names, "is_poison", "attack", "repeat", "origin"]]
    for result in _in_order(results):
        rows = result.injected
        cells = [_cells(column, rows.X) for column in own.columns]
        targets = rows.y.tolist()
        if own.classes is not None:
            targets = [own.classes[int(one)] for one in targets]
        tail = [True, result.attack, result.repeat]
        for i, node in enumerate(rows.nodes.tolist()):
            features = [column[i] for column in cells]
            lines.append([node, *features, targets[i], *tail, int(rows.origin[i])])
    return as_csv(lines)


def injected_grid(results: Sequence[Result], own: Own) -> Grid:
    """How the injected rows of all repetitions differ from clean rows of their nodes."""
    lines: list[tuple[float, list[str]]] = []
    for attack in dict.fromkeys(result.attack for result in _in_order(results)):
        some = [one.injected for one in _in_order(results) if one.attack == attack]
        clean, injected = (
            np.vstack(parts) for parts in ([r.clean for r in some], [r.X for r in some])
        )
        lines += [
            _compared(attack, column, clean, injected) for column in own.columns if len(injected)
        ]
    lines.sort(key=lambda line: -line[0])
    head = [
        "column",
        "attack",
        "clean rows",
        "injected rows",
        "clean mean",
        "injected mean",
        "shift",
    ]
    return Grid("Injected rows beside clean ones", head, [line for _, line in lines[:MOST]])


def _in_order(results: Sequence[Result]) -> list[Any]:
    """The results that carry rows; attacks by name as they come in reports."""
    return sorted(
        (r for r in results if r.injected is not None), key=lambda r: (r.attack, r.repeat)
    )


def _cells(column: Column, X: Array) -> list[Any]:
    values = X[:, list(column.places)]
    if column.categories is not None:
        return [column.categories[code] for code in values.argmax(axis=1)]
    numbers = values[:, 0].tolist()
    if column.whole:
        return [int(one) for one in numbers]
    return numbers if column.decimals is None else [round(one, column.decimals) for one in numbers]


def _compared(
    attack: str, column: Column, clean: Array, injected: Array
) -> tuple[float, list[str]]:
    """How far a column moved, and a line of the table about it."""
    places = list(column.places)
    old, new = clean[:, places], injected[:, places]
    if column.categories is not None:
        shares = old.mean(axis=0), new.mean(axis=0)
        shift = float(np.abs(shares[1] - shares[0]).max())
        cells = [_shares(column.categories, share) for share in shares]
        return shift, [column.name, attack, *cells, "-", "-", f"{100 * shift:.0f} points"]
    ranges = [
        f"{_as_in(column, part.min())} to {_as_in(column, part.max())}" for part in (old, new)
    ]
    means = [_as_in(column, part.mean(), 1) for part in (old, new)]
    scale = float(old.std())
    shift = abs(float(new.mean() - old.mean())) / scale if scale > 0.0 else 0.0
    return shift, [column.name, attack, *ranges, *means, f"{shift:.2f} sd"]


def _as_in(column: Column, value: float, more: int = 0) -> str:
    """A number with as many decimals as the column has, and some more."""
    return f"{value:.4g}" if column.decimals is None else f"{value:.{column.decimals + more}f}"


def _shares(categories: Sequence[str], share: Array) -> str:
    """The most frequent categories and how many rows have them."""
    order = np.argsort(-share, kind="stable")[:3]
    return ", ".join(f"{categories[j]} {100 * share[j]:.0f} %" for j in order if share[j] > 0.0)
