"""Tables of many cells, each a run of its own: computed in parallel, kept, not computed again."""

import csv
import warnings

from _common import write_csv
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

__all__ = ["cell_of", "read_rows", "run_cells"]


def read_rows(path, *, whole=(), real=(), stamp=None):
    """The finished cells of a CSV file, a dict each; none without the file.

    Parameters
    ----------
    path : Path
    whole, real : sequence of str
        Columns that hold whole and real numbers; all others are text. An empty cell of theirs is
        left out.
    stamp : dict, callable or None
        Entries that a row must have, or ``stamp(row)`` is; others are left out.
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for names, kind in ((whole, int), (real, float)):
            row.update({name: kind(row[name]) for name in names if row.get(name)})
            for name in names:
                if row.get(name) == "":
                    del row[name]
    needed = stamp if callable(stamp) else lambda _: stamp or {}
    return [row for row in rows if needed(row).items() <= row.items()]


def cell_of(row, columns):
    """The cell that a row belongs to."""
    return tuple(row[name] for name in columns)


def run_cells(compute, cells, columns, path, *args, kept, stamp=None, n_jobs=1):
    """Compute cells that are not in the file, in parallel: all rows, old and new.

    The file is written after each cell: a stopped run goes on.

    Parameters
    ----------
    compute : callable
        ``compute(cell, *args)`` is a row, a dict, or a list of them.
    cells : list of tuple
        What is asked for.
    columns : sequence of str
        What the entries of a cell are called in its rows.
    path : Path
        The CSV file of all rows; its numbers keep all digits.
    kept : dict
        Options of `read_rows`.
    stamp : dict, callable or None
        As in `read_rows`: rows that lack an entry are dropped.
    n_jobs : int
        Processes, each with one thread for linear algebra: sums do not depend on their number.
    """
    rows = read_rows(path, stamp=stamp, **kept)
    done = {cell_of(row, columns) for row in rows}
    todo = [cell for cell in cells if cell not in done]
    jobs = (delayed(_compute)(compute, cell, args) for cell in todo)
    results = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    for number, (cell, result) in enumerate(results, start=1):
        rows.extend(result if isinstance(result, list) else [result])
        write_csv(path, rows, exact=True, silent=True)
        print(f"{number} of {len(todo)}: {', '.join(map(str, cell))}", flush=True)
    return rows


def _compute(compute, cell, args):
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of clean fits that are rough
        return cell, compute(cell, *args)
