"""Tables of many cells, each a run of its own: computed in parallel, kept, not computed again."""

import csv
import warnings
from copy import copy

from _common import write_csv
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

__all__ = ["clean_twin", "read_rows", "run_cells"]


def clean_twin(poisoner):
    """The fitted poisoner before its attack: it predicts and scores by the clean victim."""
    twin = copy(poisoner)
    twin.estimator_ = poisoner.clean_estimator_
    return twin


def read_rows(path, *, whole=(), real=()):
    """The finished cells of a CSV file, a dict each; none without the file.

    Parameters
    ----------
    path : Path
    whole, real : sequence of str
        Columns that hold whole and real numbers; all others are text. An empty cell of theirs is
        left out.
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
    return rows


def run_cells(compute, cells, rows, path, *args, n_jobs=1):
    """Compute cells, in parallel, and write all rows after each: a stopped run goes on.

    Parameters
    ----------
    compute : callable
        ``compute(cell, *args)`` is a row, a dict, or a list of them.
    cells : list of tuple
        What is left to do.
    rows : list of dict
        The finished rows; the new ones are added.
    path : Path
        The CSV file of all rows; its numbers keep all digits.
    n_jobs : int
        Processes, each with one thread for linear algebra: sums do not depend on their number.
    """
    jobs = (delayed(_compute)(compute, cell, args) for cell in cells)
    results = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    for number, (cell, result) in enumerate(results, start=1):
        rows.extend(result if isinstance(result, list) else [result])
        write_csv(path, rows, exact=True, silent=True)
        print(f"{number} of {len(cells)}: {', '.join(map(str, cell))}", flush=True)


def _compute(compute, cell, args):
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of clean fits that are rough
        return cell, compute(cell, *args)
