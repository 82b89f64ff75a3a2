"""Processes that are killed at any moment: a model of named nodes or an error, none left over."""

import socket
from itertools import islice

import numpy as np
import pytest

from estimators import ESTIMATOR_OF
from federations import start, write_federation
from profiles import IS_LONG
from skfedmtl.federation._certificates import SERVER

pytest.importorskip("cryptography")

LOSS = "hinge"
LAMBDAS = {"lambda1": 1e-2, "lambda2": 1e-2}
LABELS = ("n0", "n1")
LONGEST = 60.0  #: seconds that a process may take to notice


@pytest.fixture(scope="module")
def federation(tmp_path_factory):
    """A folder of certificates and rows, and the rows."""
    folder = tmp_path_factory.mktemp("federation")
    return folder, write_federation(folder, LOSS)


def kept(lines, read):
    """These lines, each put into a list as it is read."""
    for line in lines:
        read.append(line)
        yield line


@pytest.mark.parametrize("seed", range(10 if IS_LONG else 3))
def test_whoever_is_killed_the_others_end(federation, seed, tmp_path):
    folder, (X, y, nodes) = federation
    rng = np.random.default_rng(seed)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    output = tmp_path / "model.npz"
    processes = {
        SERVER: start(
            *("serve", "--certificates", folder / SERVER, "--loss", LOSS, "--output", output),
            *("--nodes", ",".join(LABELS), "--address", address),
            *("--lambda1", 1e-2, "--lambda2", 1e-2, "--local-epochs", 1),
            *("--tol", 1e-12, "--max-iter", 400, "--deadline", 3, "--patience", 2, "--seed", 0),
        )
    }
    for label in LABELS:
        processes[label] = start(
            *("node", "--data", folder / f"{label}.npz", "--certificates", folder / label),
            *(
                "--loss",
                LOSS,
                "--server",
                address,
                "--wait",
                8,
                "--max-exchanges",
                2000,
                "--seed",
                0,
            ),
        )
    killed = [*LABELS, SERVER][seed % 3]
    try:
        read = []  # who has given up before that round says why among these lines
        rounds = (line for line in kept(processes[SERVER].stdout, read) if line.startswith("round"))
        next(islice(rounds, int(rng.integers(300)), None), None)
        processes[killed].kill()
        said = {name: one.communicate(timeout=LONGEST)[0] for name, one in processes.items()}
        said[SERVER] = "".join(read) + said[SERVER]
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    for name, process in processes.items():
        if name != killed:
            assert process.returncode in (0, 1), said[name]
            assert process.returncode == 0 or "error: " in said[name]
            assert "Traceback" not in said[name]
    if processes[SERVER].returncode != 0:
        assert not output.exists()
        return
    with np.load(output, allow_pickle=False) as model:
        left, objective, bound = (model[key] for key in ("nodes", "objective", "dual_objective"))
    own = np.isin(nodes, left)
    exact = ESTIMATOR_OF[LOSS](loss=LOSS, **LAMBDAS, tol=1e-9).fit(X[own], y[own], nodes=nodes[own])
    assert bound <= exact.objective_ * (1 + 1e-9)
    assert exact.dual_objective_ <= objective * (1 + 1e-9)
