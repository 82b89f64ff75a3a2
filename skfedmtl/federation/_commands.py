"""The commands of a federation: ``skfedmtl certificates``, ``serve`` and ``node``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

__all__ = ["COMMANDS", "run_command"]

#: By name, what they are for.
COMMANDS = {
    "certificates": "write the certificates of a federation's server and nodes",
    "serve": "fit a federated model to the rows of nodes that connect",
    "node": "answer a federation's server for the rows of a file, which stay here",
}
_ADDRESS = "127.0.0.1:7654"
#: `LOSS_NAMES`, whose module loads numbers, which a word of help must not
_LOSSES = ("squared_error", "hinge", "squared_hinge", "logistic")


def run_command(argv: Sequence[str]) -> int:
    """Run one of these commands; its exit code: 0, 1 if it failed, 2 if it could not start."""
    options = _parser().parse_args(argv)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("skfedmtl.federation").setLevel(logging.INFO)
    try:
        work = import_module("skfedmtl.federation._work")
        getattr(work, options.work)(options)
    except (ValueError, ImportError) as error:
        return _fail(options.command, error, 2)
    except (OSError, RuntimeError) as error:
        return _fail(options.command, error, 1)
    return 0


def _fail(command: str, error: Exception, code: int) -> int:
    print(f"skfedmtl {command}: error: {error}", file=sys.stderr)
    return code


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
    parser.set_defaults(work="certify")


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
    parser.set_defaults(work="fit")


def _model_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".npz", ".skops"):
        raise argparse.ArgumentTypeError(f"a file named .npz or .skops, got {text!r}")
    return path


# -- a node -----------------------------------------------------------------------------------


def _node(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--data",
        required=True,
        metavar="FILE",
        help=".npz, .csv, .npy or .parquet; the last two are read by chunks",
    )
    add(
        "--target",
        metavar="COL",
        help="column to be predicted, of an .npy its place; an .npz has y",
    )
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
    add("--max-exchanges", type=int, default=300, help="answers that the node gives in all")
    add("--max-row-norm", type=float, help="above which the node does not take part")
    add("--state", metavar="DIR", help="where the state is kept; None: nowhere")
    add("--wait", type=float, default=600.0, help="seconds without a word of the server")
    add("--seed", type=int, help="of the order of rows; None: drawn")
    parser.set_defaults(work="answer")
