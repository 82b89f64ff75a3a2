"""The file formats of `load_endad`, and what is wrong with a file that has neither."""

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np

from skfedmtl._input import as_labels
from skfedmtl._tools.files import read_npz
from skfedmtl._tools.layout import Field, check_fields

NODE, TARGET = "node", "lesion"

#: of an .npz file; what numbers they are is looked at together with those of a .csv file
LAYOUT = {
    "X": Field(("rows", "columns"), "numbers", finite=False),
    "y": Field(("rows",), "numbers", finite=False),
    "nodes": Field(("rows",), "labels"),
    "feature_names": Field(("columns",), "strings", optional=True),
}

Rows = tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]  # features, targets, nodes, names


def read_endad(path: Any) -> Rows:
    """Return the rows of a file, or raise an error that says what is wrong with it and where."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a str or a path-like; got {path!r}")
    suffix = Path(path).suffix.lower()
    if suffix not in (".npz", ".csv"):
        raise ValueError(f"path must end in .npz or .csv; got {os.fspath(path)!r}")
    try:
        X, y, nodes, names = _read_npz(path) if suffix == ".npz" else _read_csv(path)
        _check_rows(X, y, names)
    except ValueError as error:
        raise ValueError(f"path: {os.fspath(path)!r} is not as it should be: {error}") from error
    return X, y.astype(np.int64), nodes, names


def _read_npz(path: Any) -> Rows:
    arrays = read_npz(path)
    if "nodes" in arrays:
        arrays["nodes"] = as_labels(arrays["nodes"], "nodes")
    check_fields(arrays, LAYOUT, more_allowed=True)
    X = arrays["X"].astype(np.float64)
    names = [f"feature_{j}" for j in range(X.shape[1])]
    if "feature_names" in arrays:
        names = arrays["feature_names"].tolist()
    return X, arrays["y"], arrays["nodes"], names


def _read_csv(path: Any) -> Rows:
    rows, nodes, targets = [], [], []
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            columns = _columns(header)
            for words in filter(None, reader):
                if len(words) != len(header):
                    raise ValueError(f"{len(words)} columns; the header has {len(header)}")
                targets.append(_number(words, columns[1], header))
                nodes.append(words[columns[0]])
                if not nodes[-1].strip():
                    raise ValueError(f"column {NODE!r} is empty")
                features = (j for j in range(len(header)) if j not in columns)
                rows.append(np.array([_number(words, j, header) for j in features]))
        except (ValueError, csv.Error) as error:
            raise ValueError(f"line {max(reader.line_num, 1)}: {error}") from error
    names = [name for j, name in enumerate(header) if j not in columns]
    X = np.array(rows) if rows else np.empty((0, len(names)))
    return X, np.array(targets), _whole_or_text(nodes), names


def _columns(header: list[str]) -> list[int]:
    """The positions of the node and of the target."""
    positions = []
    for name in (NODE, TARGET):
        if header.count(name) != 1:
            raise ValueError(f"the header must have one column {name!r}, it has {header[:5]} ...")
        positions.append(header.index(name))
    return positions


def _number(words: list[str], column: int, header: list[str]) -> float:
    try:
        return float(words[column])
    except ValueError:
        raise ValueError(
            f"column {header[column]!r} must hold numbers, got {words[column]!r}"
        ) from None


def _whole_or_text(labels: list[str]) -> np.ndarray:
    try:
        whole = [int(label) for label in labels]
    except ValueError:
        return np.array(labels)
    same = all(str(number) == label for number, label in zip(whole, labels, strict=True))
    return as_labels(whole if same else labels, NODE)


def _check_rows(X: np.ndarray, y: np.ndarray, names: list[str]) -> None:
    if X.size == 0:
        raise ValueError(f"it has {X.shape[0]} rows and {X.shape[1]} features")
    if len(set(names)) < len(names) or {NODE, TARGET} & set(names):
        raise ValueError(f"features need names of their own, none of them {NODE!r} or {TARGET!r}")
    finite = np.isfinite(X)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(
            f"features must be finite; that of row {row}, {names[column]!r}, is {X[row, column]}"
        )
    classes = np.unique(y)
    if classes.tolist() != [0, 1]:
        raise ValueError(f"targets must be 1 (lesion) and 0, both; it has {classes[:5].tolist()}")
