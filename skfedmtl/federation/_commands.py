"""The commands of a federation: ``skfedmtl certificates``, ``serve`` and ``node``."""

from __future__ import annotations

import argparse
import csv
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from skfedmtl._tools.files import write_whole
from skfedmtl._tools.task import Task
from skfedmtl._typing import Array

__all__ = ["COMMANDS", "run_command"]

#: By name, what they are for.
COMMANDS = {
    "certificates": "write the certificates of a federation's server and nodes",
    "serve": "fit a federated model to the rows of nodes that connect",
    "node": "answer a federation's server for the rows of a file, which stay here",
}
_ADDRESS = "127.0.0.1:7654"
_LOSSES = ("hinge", "squared_hinge", "logistic", "squared_error")


def run_command(argv: Sequence[str]) -> int:
    """Run one of these commands; its exit code: 0, 1 if it failed, 2 if it could not start."""
    options = _parser().parse_args(argv)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("skfedmtl.federation").setLevel(logging.INFO)
    try:
        work: Callable[[argparse.Namespace], None] = options.work
        work(options)
    except (ValueError, ImportError) as error:
        return _fail(options.command, error, 2)
    except (OSError, RuntimeError) as error:
        return _fail(options.command, error, 1)
    return 0


def _fail(command: str, error: Exception, code: int) -> int:
    print(f"skfedmtl {command}: error: {error}", file=sys.stderr)
    return code


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="skfedmtl", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, add in (("certificates", _certificates), ("serve", _serve), ("node", _node)):
        add(
            commands.add_parser(
                name,
                help=COMMANDS[name],
                description=f"{COMMANDS[name].capitalize()}.",
                formatter_class=argparse.ArgumentDefaultsHelpFormatter,
                allow_abbrev=False,
            )
        )
    return parser


# -- certificates -----------------------------------------------------------------------------


def _certificates(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="written: a folder for each party")
    parser.add_argument("--nodes", type=_names, required=True, help="names, with commas between")
    parser.add_argument("--days", type=int, default=365, help="for which they are valid")
    parser.set_defaults(work=_make_certificates)


def _make_certificates(options: argparse.Namespace) -> None:
    from skfedmtl.federation._certificates import make_certificates

    for folder in make_certificates(options.folder, options.nodes, options.days):
        print(folder)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


# -- the server -------------------------------------------------------------------------------


def _serve(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--certificates", required=True, metavar="DIR", help="the server's folder")
    add("--loss", required=True, choices=_LOSSES, help="that all nodes have agreed upon")
    add("--output", required=True, type=_model_file, help="model.npz, or model.skops")
    add("--nodes", type=_names, help="who takes part; None: all that are registered")
    add("--address", default=_ADDRESS, metavar="HOST:PORT", help="to listen at")
    ties = ("learned", "mean", "none")
    add("--relationship", choices=ties, default="learned", help="of the nodes")
    add("--solver", choices=("splitting", "mocha"), default="splitting", help="of the fit")
    add("--lambda0", type=float, help="ridge of a common part; None: there is none")
    add("--lambda1", type=float, default=1e-3, help="tie between the nodes")
    add("--lambda2", type=float, default=1e-3, help="ridge of every node")
    add("--tol", type=float, default=1e-4, help="relative gap that ends the fit")
    add("--max-iter", type=int, default=100, help="rounds at most")
    add("--local-epochs", type=float, default=30.0, help="passes of a node in a round")
    add("--participation", type=float, default=1.0, help="share of the nodes asked in a round")
    add("--max-row-norm", type=float, help="that all nodes have declared")
    add("--on-refused", choices=("expel", "error"), default="expel", help="after wrong answers")
    add("--patience", type=int, default=3, help="exchanges on end that a node may miss")
    add("--deadline", type=float, default=60.0, help="seconds of an exchange")
    add("--seed", type=int, dest="random_state", help="of who is asked; None: drawn")
    parser.set_defaults(work=_fit)


def _model_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".npz", ".skops"):
        raise argparse.ArgumentTypeError(f"a file named .npz or .skops, got {text!r}")
    return path


class _Lines(Task):
    """Prints a line a round."""

    def __init__(self) -> None:
        self._count = 0

    def end(self, attributes: Any = None, metadata: Any = None) -> bool:
        if attributes is not None:
            self._count += 1
            _say(
                "round {}: objective {objective:.6g}, gap {gap:.3g}".format(
                    self._count, **attributes()
                )
            )
        return False


def _fit(options: argparse.Namespace) -> None:
    from skfedmtl._protocol import Watch
    from skfedmtl.federation._server import FederatedServer
    from skfedmtl.federation._tls import TLSTransport

    names = FederatedServer(loss=options.loss).get_params()
    server = FederatedServer(**{name: getattr(options, name) for name in names})

    def numbers(solution: Any) -> dict[str, float]:
        return {
            "objective": solution.certificate.objective,
            "gap": solution.certificate.gap,
        }

    with TLSTransport(options.address, options.certificates, nodes=options.nodes) as transport:
        host, port = transport.address
        _say(f"waiting at {host}:{port} for {', '.join(transport.labels)}")
        server._fit(transport, Watch(_Lines(), numbers))
    write_whole({options.output: lambda file: _save(server, file, options.output.suffix)})
    for kind in ("absent", "refused"):
        if names := getattr(server, f"{kind}_"):
            _say(f"{kind}: {', '.join(names)}")
    _say(f"objective {server.objective_:.6g}, gap {server.dual_gap_:.3g}: {options.output}")


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


def _node(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--data", required=True, metavar="FILE", help=".npz of X and y, or .csv with a header")
    add("--target", metavar="COL", help="column of a .csv that is to be predicted")
    add(
        "--positive",
        metavar="CLASS",
        help="target that counts as +1, all others as -1; None: they are -1 and +1",
    )
    add("--certificates", required=True, metavar="DIR", help="the node's folder")
    add("--loss", required=True, choices=_LOSSES, help="that all nodes have agreed upon")
    add("--server", default=_ADDRESS, metavar="HOST:PORT", help="where the server listens")
    add("--no-intercept", action="store_true", help="leave out the intercept")
    add(
        "--intercept-scaling",
        type=float,
        help="constant feature behind it; None: free for squared_error, else 1",
    )
    add("--min-rows", type=int, default=20, help="below which the node does not take part")
    add("--min-epochs", type=float, default=1.0, help="below which an order is refused")
    add("--max-row-norm", type=float, help="above which the node does not take part")
    add("--state", metavar="DIR", help="where the state is kept; None: nowhere")
    add("--wait", type=float, default=600.0, help="seconds without a word of the server")
    add("--seed", type=int, help="of the order of rows; None: drawn")
    parser.set_defaults(work=_answer)


def _answer(options: argparse.Namespace) -> None:
    from skfedmtl.federation._node import FederatedNode
    from skfedmtl.federation._tls import serve_node

    X, y = _read(Path(options.data), options.target, options.positive)
    node = FederatedNode(
        X,
        y,
        loss=options.loss,
        fit_intercept=not options.no_intercept,
        intercept_scaling=options.intercept_scaling,
        min_rows=options.min_rows,
        min_epochs=options.min_epochs,
        max_row_norm=options.max_row_norm,
        state_dir=options.state,
        random_state=options.seed,
    )
    _say(f"{len(X)} rows of {X.shape[1]} features")
    serve_node(node, options.server, options.certificates, wait=options.wait, report=_say)


def _read(path: Path, target: str | None, positive: str | None) -> tuple[Array, Array]:
    """Rows and targets of a file."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            if not {"X", "y"} <= set(file.files):
                raise ValueError(f"{path} must hold X and y, holds {file.files}.")
            X, y = file["X"].astype(float), file["y"]
    elif path.suffix == ".csv":
        X, y = _read_table(path, target)
    else:
        raise ValueError(f"--data must name an .npz or .csv file, got {path}.")
    if positive is None:
        return X, y.astype(float)
    return X, np.where(y.astype(str) == positive, 1.0, -1.0)


def _read_table(path: Path, target: str | None) -> tuple[Array, Any]:
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    if target not in header:
        raise ValueError(f"--target must name one of the columns {header}, got {target!r}.")
    place = header.index(target)
    table = np.array(lines)
    if table.ndim != 2 or table.shape[1] != len(header):
        raise ValueError(f"{path} must hold {len(header)} values in every line.")
    try:
        X = np.delete(table, place, axis=1).astype(float)
    except ValueError as error:
        raise ValueError(f"{path} must hold numbers but for the target.") from error
    return X, table[:, place]
