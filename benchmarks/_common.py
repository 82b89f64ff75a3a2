"""What the benchmarks share: rows, real and generated, tables on the screen, CSV files."""

import argparse
import contextlib
import csv
import os
import tempfile
from pathlib import Path

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfedmtl.datasets import (
    fetch_heart_disease,
    fetch_human_activity,
    fetch_landmine,
    fetch_parkinsons,
    load_flights,
)

__all__ = [
    "DATA",
    "LAMBDA1",
    "LAMBDA2",
    "at_least_one",
    "is_regression",
    "load_named",
    "load_rows",
    "load_scaled",
    "make_parser",
    "make_scaler",
    "print_table",
    "related_rows",
    "save_rows",
    "write_csv",
]

LAMBDA1 = LAMBDA2 = 1e-3

SITTING = 4  #: the code of the activity that is told from the five others

DATA = ("landmine", "human_activity", "parkinsons_total", "parkinsons_motor", "heart_disease")


def is_regression(name):
    """Whether the target of the data set `name` is a number rather than a class."""
    return name == "flights" or name.startswith("parkinsons")


def load_rows(name, data_home=None):
    """Read a data set.

    Parameters
    ----------
    name : str
        One of `DATA`; "activities": human activity with all its six classes; "flights" or
        "flights_late", which need no download.
    data_home : str, path-like or None
        As in `skfedmtl.datasets.get_data_home`.

    Returns
    -------
    X : ndarray of shape (n, d), dtype float64
        Neither scaled nor imputed; missing values are NaN.
    y : ndarray of shape (n,)
        Numbers, or classes 0, 1, ...
    nodes : ndarray of shape (n,)
    """
    options = {"data_home": data_home, "return_X_y_nodes": True}
    if name == "landmine":
        X, y, nodes = fetch_landmine(**options)
    elif name == "human_activity":
        X, y, nodes = fetch_human_activity(**options)
        y = (y == SITTING).astype(np.int64)
    elif name == "activities":
        X, y, nodes = fetch_human_activity(**options)
        y = np.unique(y, return_inverse=True)[1]
    elif name.startswith("flights"):
        target = "late" if name == "flights_late" else "delay"
        X, y, nodes = load_flights(target, return_X_y_nodes=True)
    elif is_regression(name):
        X, y, nodes = fetch_parkinsons(name.removeprefix("parkinsons_"), **options)
    else:
        X, y, nodes = _heart_disease(data_home)
    return X.astype(np.float64), y, nodes


def _heart_disease(data_home):
    """The rows with the zeros that stand for a missing value turned into NaN."""
    bunch = fetch_heart_disease(data_home=data_home)
    X = bunch.data.copy()
    for column in ("chol", "trestbps"):
        values = X[:, bunch.feature_names.index(column)]
        values[values == 0] = np.nan
    return X, bunch.target, bunch.nodes


def make_scaler():
    """Z-scores over the rows of all nodes, after missing values became medians."""
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler())


def load_scaled(name, data_home=None):
    """Z-scores over all rows, targets and nodes of the data set `name`."""
    X, y, nodes = load_rows(name, data_home)
    return make_scaler().fit_transform(X), y, nodes


def related_rows(n_nodes, n_rows, n_features, *, regression, rank=3, seed=0):
    """Rows of nodes whose true weights span `rank` dimensions.

    Features are standard normal, as are the decision values ``x . w``; noise has half their
    standard deviation, and a class is the sign of the sum. Beside `X` nothing of its size is
    ever in memory.

    Parameters
    ----------
    n_nodes, n_rows, n_features : int
        Nodes, rows of each, features.
    regression : bool
        Whether targets are numbers rather than classes 0 and 1.
    rank : int
    seed : int

    Returns
    -------
    X : ndarray of shape (n_nodes * n_rows, n_features)
    y : ndarray of shape (n_nodes * n_rows,)
    nodes : ndarray of shape (n_nodes * n_rows,)
        Sorted.
    """
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((n_nodes, rank)) @ rng.standard_normal((rank, n_features))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    X = rng.standard_normal((n_nodes * n_rows, n_features))
    y = np.einsum("lij,lj->li", X.reshape(n_nodes, n_rows, n_features), W).ravel()
    y += 0.5 * rng.standard_normal(len(y))
    return X, y if regression else (y > 0).astype(np.int64), np.repeat(np.arange(n_nodes), n_rows)


def load_named(data, data_home=None, *, regression):
    """Rows, targets and nodes of a data set, as `load_scaled`; or made ones of "139x60x27".

    That is 139 nodes of 60 rows and 27 features, see `related_rows`; `regression` is theirs.
    """
    if data[0].isdigit():
        return related_rows(*map(int, data.split("x")), regression=regression)
    return load_scaled(data, data_home)


def save_rows(attacker, path):
    """The rows that an attacker injects, their targets and nodes, and whom they are about."""
    np.savez(
        path,
        X=attacker.poison_X_,
        y=attacker.poison_y_,
        nodes=attacker.poison_nodes_,
        targets=attacker.target_nodes_,
    )


def at_least_one(text):
    """A whole number above 0, as the type of an option."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def make_parser(doc, results):
    """Parser of the options that every benchmark has; `results` is the default of --output."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data-home",
        type=Path,
        metavar="DIR",
        help="folder of the data files (default: $SKFEDMTL_DATA, else ~/skfedmtl_data)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        default=results,
        help="folder of the CSV files, made if need be (default: results/ beside the script)",
    )
    return parser


def print_table(columns, rows):
    """Print `rows`, dicts, as a table.

    Parameters
    ----------
    columns : dict of str to str
        Key of the dicts -> format of its values, as in `format`; its width is found here.
    rows : list of dict
        A key that a row lacks leaves a blank; one that every row lacks, no column.
    """
    columns = {key: spec for key, spec in columns.items() if any(key in row for row in rows)}
    cells = [
        [format(row[key], spec) if key in row else "" for key, spec in columns.items()]
        for row in rows
    ]
    widths = [max(len(text) for text in column) for column in zip(columns, *cells, strict=True)]
    first = next(iter(columns))
    for line in [list(columns), ["-" * width for width in widths], *cells]:
        padded = [
            text.ljust(width)
            if key == first or isinstance(rows[0].get(key), str)
            else text.rjust(width)
            for key, text, width in zip(columns, line, widths, strict=True)
        ]
        print("  ".join(padded).rstrip())


def write_csv(path, rows, *, exact=False, silent=False):
    """Write `rows`, dicts, beside `path`, then move the file there.

    The columns are the keys of all rows in order of appearance; numbers keep six digits, or all of
    them if `exact`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = list(dict.fromkeys(key for row in rows for key in row))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fields, restval="", lineterminator="\n")
            writer.writeheader()
            form = _long if exact else _short
            writer.writerows({key: form(value) for key, value in row.items()} for row in rows)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if not silent:
        print(f"wrote {path}")


def _short(value):
    return format(value, ".6g") if isinstance(value, (float, np.floating)) else value


def _long(value):
    return repr(float(value)) if isinstance(value, (float, np.floating)) else value
