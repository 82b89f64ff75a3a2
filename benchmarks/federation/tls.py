"""Federations over mutual TLS on this machine: exchanges, bytes and seconds, and the bits of a fit.

Features are z-scores over all rows (heart disease: missing values become medians first); lambda1
and lambda2 are 1e-3, the relationship learned, 30 epochs a round, to a relative gap of 1e-3. Every
process holds one node, or as many as it takes for six processes; a server in the process of this
script asks them. Nothing but the loopback lies between: an exchange is the halves' work and TLS.
Beside each stand the same nodes in one process, and MOCHA's plain sum of the nodes' answers.

How to read the table
    method       "tls"; "local": `LocalTransport`; "plain": MOCHA's own rule, within one process
    processes    of nodes
    exchanges    messages to every node until the end, the meeting and the last report among them
    rounds, gap  where the fit ended
    kB           of all messages, both ways, frames included; of "plain" 8 bytes a number
    start        seconds from the first process until all nodes have answered once
    fit          seconds from then to the end, of the quickest of five fits
    ms           of them an exchange
    same bits    weights and intercepts, as of "local"

    python benchmarks/federation/tls.py [--data-home DIR] [--output DIR] [--only DATA ...]
"""

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "solver"))

import numpy as np
from _common import (
    LAMBDA1,
    LAMBDA2,
    is_regression,
    load_scaled,
    make_parser,
    print_table,
    write_csv,
)
from _protocol_peers import make_problem, plain_history

from skfedmtl.federation import (
    FederatedNode,
    FederatedServer,
    LocalTransport,
    TLSTransport,
    serve_node,
)
from skfedmtl.federation._certificates import SERVER, make_certificates

DATA = ("heart_disease", "landmine", "parkinsons_total")
MOST_PROCESSES = 6
EPOCHS, MAX_ROUNDS, TOL = 30.0, 300, 1e-3
REPEATS = 5  #: fits, each from the beginning; others at work on the machine only slow them down
FRAME_HEAD = 12  #: bytes before a message on the wire
COLUMNS = {
    "data": "s",
    "loss": "s",
    "method": "s",
    "nodes": "d",
    "processes": "d",
    "exchanges": "d",
    "rounds": "d",
    "gap": ".1e",
    "kB": ".1f",
    "start": ".2f",
    "fit": ".2f",
    "ms": ".1f",
    "same bits": "s",
}


def losses(data):
    """Those that a data set is fitted by."""
    return ("squared_error",) if is_regression(data) else ("hinge", "logistic")


def named_rows(data, data_home):
    """Rows by the name of their node; classes are -1 and +1."""
    X, y, nodes = load_scaled(data, data_home)
    targets = y.astype(float) if is_regression(data) else np.where(y == 1, 1.0, -1.0)
    return {f"node{label}": (X[nodes == label], targets[nodes == label]) for label in set(nodes)}


def make_node(rows, seed, loss):
    """The same node wherever it is made."""
    return FederatedNode(*rows, loss=loss, random_state=seed, max_exchanges=None)


def make_server(loss):
    """The same server whatever carries its messages."""
    penalties = {"lambda1": LAMBDA1, "lambda2": LAMBDA2}
    run = {"local_epochs": EPOCHS, "tol": TOL, "max_iter": MAX_ROUNDS, "random_state": 0}
    return FederatedServer(loss=loss, **penalties, **run)


class Counted:
    """A transport that counts what it carries."""

    def __init__(self, transport):
        self._transport, self.labels = transport, transport.labels
        self.exchanges, self.bytes, self.met = 0, 0, None

    def exchange(self, messages, deadline):
        """Carry them."""
        answers = self._transport.exchange(messages, deadline)
        self.exchanges += 1
        both = (*messages.values(), *answers.values())
        self.bytes += sum(FRAME_HEAD + len(message) for message in both)
        self.met = self.met or time.perf_counter()
        return answers


def measure(transport, loss, begun):
    """A fitted server, and what it took: entries of a row."""
    seconds = []
    for _ in range(REPEATS):
        counted = Counted(transport)
        server = make_server(loss).fit(counted)
        seconds.append(time.perf_counter() - counted.met)
        if len(seconds) == 1:
            start = counted.met - begun
    return server, {
        "exchanges": counted.exchanges,
        "rounds": server.n_iter_,
        "gap": server.dual_gap_ / server.objective_,
        "kB": counted.bytes / 1e3,
        "start": start,
        "fit": min(seconds),
        "ms": 1e3 * min(seconds) / (counted.exchanges - 1),
    }


def over_tls(rows, loss, folder):
    """The same by processes that connect; each is given its own nodes' names."""
    names = sorted(rows)
    make_certificates(folder, names, days=1)
    for seed, name in enumerate(names):
        np.savez(folder / f"{name}.npz", X=rows[name][0], y=rows[name][1], seed=seed)
    shares = [part.tolist() for part in np.array_split(names, min(len(names), MOST_PROCESSES))]
    begun = time.perf_counter()
    with contextlib.ExitStack() as stack:
        transport = stack.enter_context(TLSTransport("127.0.0.1:0", folder / SERVER))
        where = [str(folder), loss, str(transport.address[1])]
        for share in shares:
            command = [sys.executable, __file__, "--nodes-of", *where, *share]
            process = subprocess.Popen(command)
            stack.callback(process.wait, timeout=30)
            stack.callback(transport.close)
        server, row = measure(transport, loss, begun)
    return server, row | {"processes": len(shares)}


def serve(folder, loss, port, *names):
    """The nodes of a process, a thread each."""
    threads = []
    for name in names:
        with np.load(Path(folder) / f"{name}.npz") as rows:
            node = make_node((rows["X"], rows["y"]), int(rows["seed"]), loss)
        where = f"127.0.0.1:{port}", Path(folder) / name
        threads.append(threading.Thread(target=serve_node, args=(node, *where)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def plain(data, loss, data_home):
    """MOCHA's plain sum, as far as its rounds go."""
    problem = make_problem(data, *load_scaled(data, data_home), loss=loss)
    begun = time.perf_counter()
    history = plain_history(problem, epochs=EPOCHS, max_rounds=MAX_ROUNDS, tol=TOL)
    gap = history["objective"][-1] - history["dual_objective"][-1]
    return {
        "method": "plain",
        "rounds": int(history["round"][-1]),
        "gap": gap / history["objective"][-1],
        "kB": history["bytes_communicated"][-1] / 1e3,
        "fit": time.perf_counter() - begun,
    }


def compare(data, loss, data_home):
    """The rows of a data set and a loss."""
    rows = named_rows(data, data_home)
    cell = {"data": data, "loss": loss, "nodes": len(rows)}
    parties = {name: make_node(rows[name], seed, loss) for seed, name in enumerate(sorted(rows))}
    expected, local = measure(LocalTransport(parties), loss, time.perf_counter())
    with tempfile.TemporaryDirectory() as folder:
        server, remote = over_tls(rows, loss, Path(folder))
    same = all(
        np.array_equal(getattr(server, name), getattr(expected, name))
        for name in ("coef_", "intercept_", "nodes_")
    )
    yield cell | remote | {"method": "tls", "same bits": "yes" if same else "NO"}
    yield cell | local | {"method": "local"}
    yield cell | plain(data, loss, data_home)


def main(argv=None):
    """Measure, print and write; 1 if the bits of a federation differ."""
    parser = make_parser(__doc__, Path(__file__).parent / "results")
    parser.add_argument("--only", nargs="+", choices=DATA, default=DATA, metavar="DATA")
    options = parser.parse_args(argv)
    lines = []
    for data in options.only:
        for loss in losses(data):
            lines += compare(data, loss, options.data_home)
    print_table(COLUMNS, lines)
    write_csv(options.output / "tls.csv", lines)
    return 1 if any(line.get("same bits") == "NO" for line in lines) else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--nodes-of"]:
        sys.exit(serve(*sys.argv[2:]))
    sys.exit(main())
