"""The tables of a report in the terminal."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skfedmtl._report.experiment import CERTIFIED
from skfedmtl._report.grids import (
    Grid,
    attacks_grid,
    constant_lines,
    models_grid,
    worst_case_caption,
    worst_case_grid,
)
from skfedmtl._report.tables import NAMES, Rows, select
from skfedmtl._tools.figures import as_drawn


def print_tables(rows: Rows, header: Sequence[str], classify: bool) -> None:
    """Print what was done, the models without an attack, the attacks, and the worst case.

    Parameters
    ----------
    rows : list of dict
        What `summarise` returns.
    header : sequence of str
        Lines to print first.
    classify : bool
        Whether the target is a class.
    """
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)  # names are text
    plus_minus = "±" if (console.encoding or "").lower().startswith("utf") else "+-"
    everything, rows = rows, select(rows, level="aggregate")
    console.print("\n".join(map(as_drawn, header)), end="\n\n", soft_wrap=True)
    tested = [row for row in rows if row["metric"] in NAMES]
    console.print(_drawn(models_grid(tested, classify, plus_minus)))
    console.print(_drawn(attacks_grid(tested, plus_minus)))
    if select(rows, kind=CERTIFIED):
        console.print(_drawn(worst_case_grid(everything, plus_minus)))
        console.print(worst_case_caption(everything), soft_wrap=True)
    if any(not np.isnan(row["se"]) for row in rows):
        console.print(f"{plus_minus}: standard error over the repetitions; ratio: of the means")
    for line in constant_lines(tested):
        console.print(line, soft_wrap=True)


def _drawn(grid: Grid) -> Any:
    from rich.table import Table

    table = Table(title=grid.title, title_justify="left")
    first, *others = grid.head
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right", overflow="fold")
    for line in grid.lines:
        table.add_row(*line)
    return table
