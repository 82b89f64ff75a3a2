"""Small reports by the console command: two data sets, short runs, the rows they write."""

import csv
from contextlib import contextmanager

import numpy as np
import pytest

from skfedmtl._report import options
from skfedmtl._report.data import DATASETS, Dataset

FILES = ("report.csv", "report.png", "report.html")
NUMBERS = ("mean", "se", "ratio", "seconds")


def regression_rows(home=None):
    rng = np.random.default_rng(0)
    X, nodes = rng.normal(size=(96, 2)), np.repeat(["a", "b", "c", "d"], 24)
    return X, X @ [2.0, -1.0] + rng.normal(size=96), nodes


def classification_rows(home=None):
    """Node "d" has one class, node "e" a single row."""
    rng = np.random.default_rng(1)
    X, nodes = rng.normal(size=(97, 2)), np.repeat(["a", "b", "c", "d", "e"], [24, 24, 24, 24, 1])
    y = (X[:, 0] + 0.5 * rng.normal(size=97) > 0).astype(int)
    y[nodes == "d"] = 1
    return X, y, nodes


@contextmanager
def small_data_sets():
    """Two small data sets, and a terminal of known width."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "100")
        for name, unit, load in [
            ("small", "grams", regression_rows),
            ("classes", None, classification_rows),
        ]:
            patch.setitem(DATASETS, name, Dataset("made up", unit, "boxes", 1e-2, 1e-2, load))
        patch.setattr(options, "DATASET_NAMES", tuple(DATASETS))
        yield


def arguments(output, *more):
    options = ["--dataset", "small", "--repeats", "1", "--max-iter", "2", "--bound-iter", "1"]
    return ["report", *options, "--n-jobs", "1", "--output", str(output), *more]


def read(output, by_node=False):
    with open(output / "report.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.update({key: float(row[key] or "nan") for key in NUMBERS})
    return [row for row in rows if (row["level"] == "node") == by_node]
