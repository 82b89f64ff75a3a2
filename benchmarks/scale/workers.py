"""Fits of many nodes in the workers of a dask cluster, against fits in one process.

Made nodes, 20 rows of 50 features each, in Parquet files of whole nodes, which the script writes
to a folder of its own; lambda1 = lambda2 = 1e-3, the relationship learned, the hinge, to a relative
gap of 1e-2. A cluster of processes on this machine, one thread each, stands for one of several:
what travels between them is the same, what it costs is not. Every fit has a process of its own.
The figure has the seconds over the number of threads.

How to read the table
    where        "workers": `DaskTransport`; "blocks": the same blocks in one process;
                 "estimator": `FMTLClassifier`, which knows of no blocks
    threads      as many workers, or threads of the process
    read         seconds until the rows are at hand
    seconds      of the ``fit``, by the clock
    cpu          seconds of all processes in the ``fit``, which others on the machine sway less
    rounds, gap  to which the fit has come
    arrays       what the client's memory has risen by in the fit at most, in arrays of its weights;
                 the rows of the others are in it
    worker GB    the largest memory of a worker, and what its own rows take of it
    same bits    as the blocks in one process

    python benchmarks/scale/workers.py [--output DIR] [--nodes N ...] [--scratch DIR]
"""

import hashlib
import shutil
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from _common import LAMBDA1, LAMBDA2, at_least_one, make_parser, print_table, write_csv
from _timing import in_fresh_process, peak_bytes

N_ROWS, N_FEATURES, RANK = 20, 50, 3
N_BLOCKS = 16
FIT = {"lambda1": LAMBDA1, "lambda2": LAMBDA2, "loss": "hinge", "tol": 1e-2, "max_iter": 200}
COLUMNS = {
    "nodes": "d",
    "where": "s",
    "threads": "d",
    "read": ".1f",
    "seconds": ".1f",
    "cpu": ".1f",
    "rounds": "d",
    "gap": ".1e",
    "arrays": ".1f",
    "client GB": ".2f",
    "worker GB": ".2f",
    "block GB": ".2f",
    "same bits": "s",
}


def write_rows(folder, n_nodes):
    """A file a block; runs in a process of its own."""
    import pyarrow
    from pyarrow import parquet

    directions = np.random.default_rng(0).standard_normal((RANK, N_FEATURES))
    for block, labels in enumerate(np.array_split(np.arange(n_nodes), N_BLOCKS)):
        rng = np.random.default_rng([1, block])
        W = rng.standard_normal((len(labels), RANK)) @ directions
        W /= np.linalg.norm(W, axis=1, keepdims=True)
        X = rng.standard_normal((len(labels) * N_ROWS, N_FEATURES))
        margin = np.einsum("lij,lj->li", X.reshape(-1, N_ROWS, N_FEATURES), W).ravel()
        margin += 0.5 * rng.standard_normal(len(margin))
        columns = {f"x{j:02d}": column for j, column in enumerate(X.T)}
        columns["y"] = np.where(margin > 0.0, 1.0, -1.0)
        columns["node"] = np.repeat(labels, N_ROWS)
        parquet.write_table(pyarrow.table(columns), Path(folder) / f"{block:02d}.parquet")


def told(read, model, seconds, cpu, peak):
    """What there is to say of a fit."""
    array = 8 * model.coef_.shape[0] * (model.coef_.shape[1] + 1)
    bits = hashlib.sha256(np.ascontiguousarray(model.coef_).tobytes()).hexdigest()
    return {
        "read": read,
        "seconds": seconds,
        "cpu": cpu,
        "rounds": model.n_iter_,
        "gap": model.dual_gap_ / model.objective_,
        "arrays": peak / array,
        "client GB": peak / 1e9,
        "bits": bits,
    }


def timed_fit(fit):
    """What it returns, its seconds by two clocks, and by how much memory has risen at most."""
    start, worked = time.perf_counter(), time.process_time()
    model, peak = peak_bytes(fit)
    return model, time.perf_counter() - start, time.process_time() - worked, peak


def read_block(path):
    """The rows of a file, as the workers read them."""
    from pyarrow import dataset

    from skfedmtl.federation._block_sources import Columns, ParquetBlock

    table = dataset.dataset(str(path), format="parquet")
    columns = Columns("node", "y")
    return ParquetBlock(list(table.get_fragments()), table.schema, columns, str(path)).read()[0]


def fit_estimator(folder, n_jobs):
    """With all rows in one table; runs in a process of its own."""
    from skfedmtl import FMTLClassifier

    start = time.perf_counter()
    parts = [read_block(path) for path in sorted(Path(folder).glob("*.parquet"))]
    X, y, nodes = (np.concatenate(arrays) for arrays in list(zip(*parts, strict=True))[:3])
    del parts
    read = time.perf_counter() - start
    model = FMTLClassifier(**FIT, n_jobs=n_jobs, random_state=0)
    return told(read, *timed_fit(lambda: model.fit(X, y, nodes=nodes)))


def fit_blocks(folder, n_jobs):
    """The blocks in this process; runs in one of its own."""
    from skfedmtl.federation import FederatedServer
    from skfedmtl.federation._blocks import BlockHost, Intercepts, LocalBlocks

    def host(path):
        return BlockHost(lambda: read_block(path), Intercepts())

    start = time.perf_counter()
    hosts = [host(path) for path in sorted(Path(folder).glob("*.parquet"))]
    transport = LocalBlocks(hosts, n_jobs=n_jobs)
    read = time.perf_counter() - start
    server = FederatedServer(**FIT, random_state=0)
    return told(read, *timed_fit(lambda: server.fit(transport)))


def _worker_peak():
    """The high-water mark of a worker's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def fit_workers(folder, n_workers):
    """The blocks in as many processes; runs in one of its own."""
    from distributed import Client, LocalCluster

    from skfedmtl.federation import DaskTransport, FederatedServer

    options = {"n_workers": n_workers, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        LocalCluster(**options, processes=True, memory_limit=0) as cluster,
        Client(cluster, direct_to_workers=True) as client,
    ):
        start = time.perf_counter()
        with DaskTransport(client, folder, node_column="node", target_column="y") as transport:
            read = time.perf_counter() - start
            server = FederatedServer(**FIT, random_state=0)
            before = sum(client.run(time.process_time).values())
            row = told(read, *timed_fit(lambda: server.fit(transport)))
            row["cpu"] += sum(client.run(time.process_time).values()) - before
            row["worker GB"] = max(client.run(_worker_peak).values()) / 1e9
            n_rows = len(transport.labels) * N_ROWS
            row["losses"] = transport.n_losses
            row["block GB"] = 8 * n_rows * (N_FEATURES + 1) / n_workers / 1e9
    return row


THREADS = (1, 2)
FITS = {"blocks": fit_blocks, "workers": fit_workers, "estimator": fit_estimator}


def draw_figure(rows, path):
    """Seconds over the number of threads, a panel a number of nodes."""
    sizes = sorted({row["nodes"] for row in rows})
    figure, axes = plt.subplots(
        1, len(sizes), figsize=(4.0 * len(sizes), 3.2), layout="constrained", squeeze=False
    )
    for axis, n_nodes in zip(axes[0], sizes, strict=True):
        for where, marker in zip(FITS, "os^", strict=True):
            own = [row for row in rows if (row["nodes"], row["where"]) == (n_nodes, where)]
            seconds = [row["seconds"] for row in own]
            axis.plot([row["threads"] for row in own], seconds, marker + "-", label=where)
        axis.set_xticks(THREADS)
        axis.set_xlabel("workers, or threads of one process")
        axis.set_ylim(bottom=0.0)
        axis.set_title(f"{n_nodes:,} nodes", fontsize=10)
    axes[0, 0].set_ylabel("seconds of the fit")
    axes[0, 0].legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv=None):
    """Write rows, fit, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--nodes", nargs="+", type=at_least_one, default=[20_000, 200_000])
    parser.add_argument("--scratch", type=Path, help="folder for the rows, 10 GB at most")
    arguments = parser.parse_args(argv)
    rows = []
    for n_nodes in arguments.nodes:
        folder = tempfile.mkdtemp(dir=arguments.scratch)
        try:
            in_fresh_process(write_rows, folder, n_nodes)
            bits = None
            for where, threads in product(FITS, THREADS):
                print(f"{n_nodes} nodes, {where}, {threads} ...", file=sys.stderr, flush=True)
                row = in_fresh_process(FITS[where], folder, threads)
                own = row.pop("bits")
                bits = bits or own
                if where == "workers":
                    row["same bits"] = "yes" if own == bits else "no"
                rows.append({"nodes": n_nodes, "where": where, "threads": threads, **row})
        finally:
            shutil.rmtree(folder)
    print_table(COLUMNS, rows)
    write_csv(arguments.output / "workers.csv", rows)
    draw_figure(rows, arguments.output / "workers.png")


if __name__ == "__main__":
    main()
