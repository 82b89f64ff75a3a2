"""Bytes that 12 restarts of an attack send to their workers, and the seconds they take.

Made rows of 20 nodes, 4,000 of 30 features (1 MB) and ten times as many; half of the nodes are
attacked through themselves, five steps a restart. Two workers: processes of loky, and of a dask
cluster on this machine, each with one thread.

How to read the table
    data       MB of the rows, targets and nodes
    sent       MB: to loky's processes through their pipes, beside what they map from shared memory;
               on dask what the client sends, and workers to each other
    x data     sent, as a multiple of the data
    seconds    of the second fit, when the workers are there, by the clock
    CPU        seconds of all processes in the same time
    x one      CPU, as a multiple of that of one process
    equal      whether rows and history have the bits of one process

    python benchmarks/scale/fits.py [--output DIR] [--rows N ...] [--max-iter N]

It needs dask's distributed, which brings psutil.
"""

import contextlib
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import joblib
import numpy as np
from joblib.externals.loky.backend import queues

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import at_least_one, make_parser, print_table, related_rows, write_csv

from skfedmtl import FMTLRegressor, PoisoningAttacker

N_NODES, N_FEATURES, N_RESTARTS, N_WORKERS = 20, 30, 12, 2
COLUMNS = {
    "where": "s",
    "rows": "d",
    "data": ".2f",
    "sent": ".2f",
    "x data": ".2f",
    "seconds": ".1f",
    "CPU": ".1f",
    "x one": ".2f",
    "equal": "s",
}


def attack(rows, max_iter, n_jobs):
    """A fitted attacker."""
    X, y, nodes = rows
    attacker = PoisoningAttacker(
        FMTLRegressor(),
        init="clean",
        max_iter=max_iter,
        n_restarts=N_RESTARTS,
        budget=0.05,
        n_jobs=n_jobs,
        random_state=0,
    )
    return attacker.fit(X, y, nodes=nodes)


@contextlib.contextmanager
def on_one():
    """One process, which sends nothing."""
    yield lambda: 0


@contextlib.contextmanager
def on_loky():
    """Processes, and the bytes that go through the pipes to them."""
    sent, lock, dumps = [0], threading.Lock(), queues.dumps

    def noting(value, **options):
        pickled = dumps(value, **options)
        with lock:
            sent[0] += len(pickled)
        return pickled

    with mock.patch.object(queues, "dumps", noting), joblib.parallel_config("loky"):
        yield lambda: sent[0]


@contextlib.contextmanager
def on_dask():
    """Processes of a cluster, and the bytes of its client and between its workers."""
    from distributed import Client, LocalCluster
    from distributed.comm.tcp import TCP

    sent, write = [0], TCP.write
    cluster = LocalCluster(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client:

        async def noting(comm, *args, **options):
            written = await write(comm, *args, **options)
            if comm.peer_address == client.scheduler.address:
                sent[0] += written
            return written

        def received(dask_worker):
            return sum(transfer["total"] for transfer in dask_worker.transfer_incoming_log)

        with mock.patch.object(TCP, "write", noting), joblib.parallel_config("dask"):
            yield lambda: sent[0] + sum(client.run(received).values())


WHERE = {"one process": on_one, "loky": on_loky, "dask": on_dask}


def measure(where, rows, max_iter):
    """Bytes, seconds by the clock and of all processes, and the attacker of a second fit."""
    n_jobs = None if where == "one process" else N_WORKERS
    with WHERE[where]() as so_far:
        attack(rows, 1, n_jobs)
        before, used, start = so_far(), cpu_seconds(), time.perf_counter()
        fitted = attack(rows, max_iter, n_jobs)
        seconds = time.perf_counter() - start
        return so_far() - before, seconds, cpu_seconds() - used, fitted


def cpu_seconds():
    """Of this process and all that it has started."""
    import psutil

    here = psutil.Process()
    each = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return sum(times.user + times.system for times in each)


def is_equal(one, other):
    """Whether two attackers have found the same, to the bit."""
    names = "poison_X_", "objective_history_"
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def main(argv=None):
    """Attack, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--rows", type=at_least_one, nargs="+", default=[4_000, 40_000])
    parser.add_argument("--max-iter", type=at_least_one, default=5)
    arguments = parser.parse_args(argv)
    table = []
    for n_rows in arguments.rows:
        made = related_rows(N_NODES, n_rows // N_NODES, N_FEATURES, regression=True)
        data = sum(array.nbytes for array in made)
        one = None
        for where in WHERE:
            print(f"{n_rows} rows, {where} ...", file=sys.stderr, flush=True)
            sent, seconds, used, fitted = measure(where, made, arguments.max_iter)
            one = (used, fitted) if one is None else one
            row = {
                "where": where,
                "rows": n_rows,
                "data": data / 1e6,
                "sent": sent / 1e6,
                "x data": sent / data,
                "seconds": seconds,
                "CPU": used,
                "x one": used / one[0],
                "equal": "yes" if is_equal(fitted, one[1]) else "no",
            }
            table.append(row)
            write_csv(arguments.output / "fits.csv", table, silent=True)
    print_table(COLUMNS, table)


if __name__ == "__main__":
    main()
