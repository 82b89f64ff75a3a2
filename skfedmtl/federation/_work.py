"""What the commands of a federation do, apart from their options."""

from __future__ import annotations

import argparse
import csv
import sys
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from skfedmtl._tools.files import write_whole
from skfedmtl._tools.spelling import MISSING, meant
from skfedmtl._tools.task import Task
from skfedmtl._typing import Array

__all__ = ["answer", "certify", "fit", "fit_and_save"]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def certify(options: argparse.Namespace) -> None:
    """Write certificates."""
    from skfedmtl.federation._certificates import make_certificates

    for folder in make_certificates(options.folder, options.nodes, options.days):
        print(folder)


# -- the server -------------------------------------------------------------------------------


class _Lines(Task):
    """Prints a line a round."""

    def __init__(self) -> None:
        self._count = 0

    def end(self, attributes: Any = None, metadata: Any = None) -> bool:
        if attributes is not None:
            self._count += 1
            _say(f"round {self._count}: {_gap_of(**attributes())}")
        return False


def _gap_of(objective: float, gap: float) -> str:
    """How far a fit has come, also by the share that its tolerance is about."""
    share = f", {gap / objective:.2g} of the objective" if objective > 0.0 else ""
    return f"objective {objective:.6g}, gap {gap:.3g}{share}"


def fit(options: argparse.Namespace) -> None:
    """Fit a model through the nodes that connect."""
    from skfedmtl.federation._server import FederatedServer
    from skfedmtl.federation._tls import TLSTransport

    names = FederatedServer(loss=options.loss).get_params()
    server = FederatedServer(**{name: getattr(options, name) for name in names})

    with TLSTransport(options.address, options.certificates, nodes=options.nodes) as transport:
        host, port = transport.address
        _say(f"waiting at {host}:{port} for {', '.join(transport.labels)}")
        _fit(server, transport)
    _save_as(server, options.output)


def fit_and_save(server: Any, transport: Any, output: Path) -> None:
    """Fit, write the model, and say how it goes."""
    _fit(server, transport)
    _save_as(server, output)


def _fit(server: Any, transport: Any) -> None:
    from skfedmtl._protocol import Watch

    def numbers(solution: Any) -> dict[str, float]:
        return {
            "objective": solution.certificate.objective,
            "gap": solution.certificate.gap,
        }

    server._fit(transport, Watch(_Lines(), numbers))


def _save_as(server: Any, output: Path) -> None:
    write_whole({output: lambda file: _save(server, file, output.suffix)})
    if server.absent_:
        _say(f"absent: {', '.join(server.absent_)}")
    if server.refused_:
        _say(f"refused: {', '.join(f'{name} ({code})' for name, code in server.refused_.items())}")
    _say(f"{_gap_of(server.objective_, server.dual_gap_)}: {output}")


def _save(server: Any, file: BinaryIO, suffix: str) -> None:
    if suffix == ".skops":
        from skops.io import dump

        dump(server.model_, file)
        return
    arrays = {
        "nodes": server.nodes_,
        "coef": server.coef_,
        "intercept": server.intercept_,
        "node_covariance_factor": server.node_covariance_factor_,
        "objective": server.objective_,
        "dual_objective": server.dual_objective_,
        "loss": server.loss,
    }
    if server.common_coef_ is not None:
        arrays["common_coef"] = server.common_coef_
        arrays["common_intercept"] = server.common_intercept_
    np.savez(file, **arrays)


# -- a node -----------------------------------------------------------------------------------


def answer(options: argparse.Namespace) -> None:
    """Answer the server until it needs no more."""
    from skfedmtl.federation._node import FederatedNode
    from skfedmtl.federation._tls import serve_node

    path = Path(options.data)
    params = {
        "loss": options.loss,
        "fit_intercept": not options.no_intercept,
        "intercept_scaling": options.intercept_scaling,
        "min_rows": options.min_rows,
        "min_epochs": options.min_epochs,
        "max_exchanges": options.max_exchanges,
        "max_row_norm": options.max_row_norm,
        "state_dir": options.state,
        "random_state": options.seed,
    }
    if path.suffix in (".npy", ".parquet"):
        target = _target(path, options.target)
        node = FederatedNode.from_file(
            path, target_column=target, positive=options.positive, **params
        )
        _say(f"rows stay in {path}")
    else:
        X, y, names = _read(path, options.target, options.positive)
        node = FederatedNode(X, y, feature_names=names, **params)
        positive = "" if options.positive is None else f", {np.sum(y > 0)} are {options.positive!r}"
        _say(f"{len(X)} rows of {X.shape[1]} features{positive}")
    serve_node(node, options.server, options.certificates, wait=options.wait, report=_say)


def _target(path: Path, target: str | None) -> str | int:
    """The column of a file that is read by chunks: a name, or in an array a place."""
    if target is None:
        raise ValueError(f"--target must name a column of {path}.")
    if path.suffix == ".npy":
        if not target.isdecimal():
            raise ValueError(f"--target must be the place of a column of {path}, got {target!r}.")
        return int(target)
    return target


def _read(path: Path, target: str | None, positive: str | None) -> tuple[Array, Array, Any]:
    """Rows and targets of a file, and the features' names, if it has them."""
    names = None
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            if not {"X", "y"} <= set(file.files):
                raise ValueError(f"{path} must hold X and y, holds {file.files}.")
            X, y = file["X"].astype(float), file["y"]
    elif path.suffix == ".csv":
        X, y, names = _read_table(path, target)
    else:
        raise ValueError(f"--data must name an .npz, .csv, .npy or .parquet file, got {path}.")
    if positive is None:
        try:
            return X, y.astype(float), names
        except ValueError as error:
            raise ValueError(
                f"{path} must hold numbers as targets; --positive names a class: {error}"
            ) from error
    is_positive = y.astype(str) == positive
    if not is_positive.any():
        _say(f"no row has the target {positive!r}, only {np.unique(y.astype(str)).tolist()[:5]}")
    return X, np.where(is_positive, 1.0, -1.0), names


def _read_table(path: Path, target: str | None) -> tuple[Array, Any, list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        numbered = [(reader.line_num, line) for line in reader if line]
    if not numbered:
        raise ValueError(f"{path} is empty; it must hold a header and rows.")
    (_, header), *numbered = numbered
    if target not in header:
        found = f"{target!r}{meant([target], header)}"
        raise ValueError(f"--target must name one of the columns {header}, got {found}.")
    place = header.index(target)
    if not numbered or any(len(line) != len(header) for _, line in numbered):
        raise ValueError(f"{path} must hold {len(header)} values in every line.")
    names = header[:place] + header[place + 1 :]
    X, y = np.empty((len(numbered), len(names))), []
    for row, (number, line) in zip(X, numbered, strict=True):
        where = f"{path}, line {number}: column"
        y.append(_read_target(line.pop(place), f"{where} {target!r}"))
        row[:] = [
            _read_number(cell, f"{where} {name!r}") for name, cell in zip(names, line, strict=True)
        ]
    return X, np.array(y), names


def _read_target(cell: str, where: str) -> str:
    """A target as it stands."""
    if not cell.strip():
        raise ValueError(f"{where} holds no value; leave its row out.")
    return cell


def _read_number(cell: str, where: str) -> float:
    """The number that a cell holds; an error says what helps where it holds none."""
    word = cell.strip()
    if word == "" or word.lower() in MISSING:
        told = f", {cell!r}" if word else ""
        raise ValueError(f"{where} holds no value{told}; fill it as all nodes have agreed.")
    try:
        value = float(word)
    except ValueError:
        raise ValueError(
            f"{where} holds a word, {cell!r}; make numbers of words, as all nodes have agreed."
        ) from None
    if not isfinite(value):
        raise ValueError(f"{where} holds infinity, {cell!r}; numbers must be finite.")
    return value
