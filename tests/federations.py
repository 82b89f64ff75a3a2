"""Nodes of a federation for the tests of both halves."""

import subprocess
import sys

import numpy as np

from estimators import ESTIMATOR_OF, make_rows
from oracles.losses import CLASSIFICATION_LOSSES, RECORD_OF, REGRESSION_LOSSES
from skfedmtl.federation import FederatedNode
from skfedmtl.federation._certificates import make_certificates

SIZES = (22, 31, 24, 27)
#: The losses that nodes and server know how to name: all but one with a parameter.
LOSSES = tuple(name for name in CLASSIFICATION_LOSSES + REGRESSION_LOSSES if name != "huber")
PARAMS = {"lambda1": 1e-2, "lambda2": 1e-2, "tol": 1e-6, "max_iter": 8}


RUN = "import sys; from skfedmtl._console import main; sys.exit(main(sys.argv[1:]))"


def start(*arguments):
    """A process of a command."""
    command = [sys.executable, "-c", RUN, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def write_federation(folder, loss):
    """Certificates of four nodes, and the rows of each; these rows."""
    X, y, nodes, parties = make_nodes(loss)
    make_certificates(folder, parties, days=1)
    for label in parties:
        np.savez(folder / f"{label}.npz", X=X[nodes == label], y=y[nodes == label])
    return X, y, nodes


def make_nodes(loss, seed=None, folder=None, **params):
    """Rows of all nodes, and the nodes, by their labels."""
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], SIZES, n_features=4, strings=True)
    if not RECORD_OF[loss].is_regression:
        y = np.where(y == y.max(), 1.0, -1.0)
    labels = np.unique(nodes)
    parties = {
        label: FederatedNode(
            X[nodes == label],
            y[nodes == label],
            loss=loss,
            random_state=l if seed is None else (seed, l),
            state_dir=None if folder is None else folder / label,
            **params,
        )
        for l, label in enumerate(labels.tolist())
    }
    return X, y, nodes, parties
