"""Security curves of the paper's figures, cell by cell, kept as the cells of the table are."""

import numpy as np
from _cells import cell_of, run_cells
from _plots import new_sheet, paper_attack, save, share_legend
from _protocols import NAMES, load, min_max, stamp_of
from sklearn.utils import Bunch

from skfedmtl.inspection import SecurityCurveDisplay
from skfedmtl.model_selection import security_curve

__all__ = ["draw_curves", "measure_curves"]

CELL = ("dataset", "series", "attack", "parameter", "value", "steps", "draws")
KEPT = {
    "whole": ("steps", "draws", "repetition"),
    "real": ("value", "score", "clean"),
}


def measure_curves(path, cells, series, data_home, n_jobs):
    """Rows of all cells, computed if they are not in the file.

    Parameters
    ----------
    path : Path
        The CSV file.
    cells : list of tuple
        Named by `CELL`.
    series : dict of str to dict
        Name -> parameters of its attacks.
    """
    options = {"kept": KEPT, "stamp": _stamp, "n_jobs": n_jobs}
    rows = run_cells(_compute, cells, CELL, path, series, data_home, **options)
    wanted = set(cells)
    return [row for row in rows if cell_of(row, CELL) in wanted]


def _kind(series):
    return "optimised" if series == "optimised" else "ascent"


def _stamp(row):
    return stamp_of("paper", _kind(row["series"]))


def _compute(cell, series, data_home):
    """The repetitions of one value: their splits, targets and sources do not depend on it."""
    data, name, attack, parameter, value, steps, draws = cell
    rows, radius = min_max(load(data, data_home))
    options = {"kind": _kind(name), **series[name]}
    attacker = paper_attack(data, attack, 0, radius, steps, **options)
    curve = security_curve(
        attacker,
        rows.X,
        rows.y,
        nodes=rows.nodes,
        param_name=parameter,
        param_range=[value],
        n_repeats=draws,
    )
    own = dict(zip(CELL, cell, strict=True))
    own |= stamp_of("paper", _kind(name))
    pairs = zip(curve.scores[0], curve.clean_scores[0], strict=True)
    return [
        own | {"repetition": number, "score": score, "clean": clean, "measure": curve.score_name}
        for number, (score, clean) in enumerate(pairs)
    ]


def draw_curves(rows, titles, path, size=(5.2, 3.9)):
    """A row of panels a series, a column a data set, a line an attack."""
    panels = {}
    for row in rows:
        panels.setdefault((row["series"], row["dataset"]), {}).setdefault(row["attack"], []).append(
            row
        )
    columns = list(dict.fromkeys(data for _, data in panels))
    figure, axes = new_sheet(len(titles), len(columns), size, sharey="col")
    for line, series in enumerate(titles):
        for column, data in enumerate(columns):
            axis = axes[line, column]
            for attack, own in panels.get((series, data), {}).items():
                SecurityCurveDisplay.from_curve(_curve(own), name=attack, ax=axis)
            axis.set_title(", ".join(filter(None, (NAMES[data], titles[series]))), fontsize=11)
    share_legend(figure, axes)
    save(figure, path)


def _curve(rows):
    """What `security_curve` would have returned for all values at once."""
    values = sorted({row["value"] for row in rows})
    by_value = {value: [row for row in rows if row["value"] == value] for value in values}
    scores, clean = (
        np.array([[row[name] for row in by_value[value]] for value in values])
        for name in ("score", "clean")
    )
    return Bunch(
        param_name=rows[0]["parameter"],
        param_range=values,
        scores=scores,
        clean_scores=clean,
        score_name=rows[0]["measure"],
    )
