"""Seconds, memory and readings of a federation's node whose rows lie in a Parquet file.

A node of 5,000,000 rows of 50 features (float64, row groups of 2**18 rows, made by blocks in a
temporary folder), squared error and logistic, fitted by `FederatedServer` with one local epoch to a
relative gap of 1e-3; and a tenth of the rows, in a file and in memory, to compare. Made rows: a
linear function of features that differ in their scales by up to 30, and noise. lambda1 = lambda2 =
1e-3. Every fit has a process of its own.

How to read the table
    made       CPU seconds until the node is ready: the first reading, or what is read into memory
    fit        CPU seconds of the fit
    rounds     of the fit
    readings   of the whole file, the first among them
    gap        the relative one that the fit ended with
    MB         peak resident memory of the process, libraries among it
    x memory   made and fit, as a multiple of the node in memory with as many rows

    python benchmarks/scale/rows.py [--output DIR] [--rows N] [--losses NAME ...] [--folder DIR]
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import LAMBDA1, LAMBDA2, at_least_one, make_parser, print_table, write_csv
from _timing import in_fresh_process, process_peak_bytes, watched

from skfedmtl._tools.stored_tables import ParquetTable
from skfedmtl.federation import FederatedNode, FederatedServer, LocalTransport

N_FEATURES, GROUP, FEWER = 50, 2**18, 10
TOL = 1e-3
TARGETS = {
    "squared_error": "y",
    "logistic": "c",
    "hinge": "c",
}  #: by loss, the columns of the targets
COLUMNS = {
    "loss": "s",
    "where": "s",
    "rows": "d",
    "made": ".1f",
    "fit": ".1f",
    "rounds": "d",
    "readings": ".1f",
    "gap": ".1e",
    "MB": ".0f",
    "x memory": ".2f",
}


def make_file(path, n_rows):
    """Write the rows, a row group at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    truth, scale = rng.normal(size=N_FEATURES), np.geomspace(0.2, 6.0, N_FEATURES)
    names = [f"f{j:02d}" for j in range(N_FEATURES)]
    schema = pa.schema([(name, pa.float64()) for name in (*names, "y", "c")])
    options = {"compression": "none", "use_dictionary": False}  # normal numbers do not shrink
    with parquet.ParquetWriter(path, schema, **options) as writer:
        for start in range(0, n_rows, GROUP):
            X = rng.normal(size=(min(GROUP, n_rows - start), N_FEATURES)) * scale + 0.5
            f = X @ (truth / scale) / np.sqrt(N_FEATURES)
            y = f + rng.normal(size=len(X))
            c = np.where(f + rng.logistic(size=len(X)) > 0.0, 1.0, -1.0)
            columns = [*np.ascontiguousarray(X.T), y, c]
            writer.write_table(pa.table(dict(zip(schema.names, columns, strict=True))))


def make_node(path, loss, where):
    """The node, of rows that stay in the file or come into memory."""
    columns = {"target_column": TARGETS[loss], "features": [f"f{j:02d}" for j in range(N_FEATURES)]}
    options = {"loss": loss, "max_exchanges": None, "random_state": 0}
    if where == "file":
        return FederatedNode.from_file(path, **columns, **options)
    from pyarrow import parquet

    table = parquet.read_table(path)
    X = np.column_stack([table[name].to_numpy() for name in columns["features"]])
    return FederatedNode(X, table[TARGETS[loss]].to_numpy(), **options)


def fit(path, loss, where):
    """One line of the table; runs in a process of its own."""
    from pyarrow.parquet import read_metadata

    metadata = read_metadata(path)
    with watched({"read": (ParquetTable, "read")}) as parts:
        start = time.process_time()
        node = make_node(path, loss, where)
        made = time.process_time() - start
        server = FederatedServer(
            loss=loss,
            lambda1=LAMBDA1,
            lambda2=LAMBDA2,
            local_epochs=1.0,
            tol=TOL,
            deadline=3600.0,
            random_state=0,
        )
        start = time.process_time()
        server.fit(LocalTransport({"node": node}))
        seconds = time.process_time() - start
    return {
        "loss": loss,
        "where": where,
        "rows": metadata.num_rows,
        "made": made,
        "fit": seconds,
        "rounds": server.n_iter_,
        "readings": parts["read"].calls / metadata.num_row_groups if where == "file" else 1.0,
        "gap": server.dual_gap_ / server.objective_,
        "MB": process_peak_bytes() / 1e6,
    }


def main(argv=None):
    """Make the files, fit, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--rows", type=at_least_one, default=5_000_000)
    parser.add_argument(
        "--losses", nargs="+", choices=TARGETS, default=["squared_error", "logistic"]
    )
    parser.add_argument("--folder", help="where the temporary files are made")
    arguments = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for n_rows in (arguments.rows, arguments.rows // FEWER):
            path = Path(folder, f"{n_rows}.parquet")
            print(f"{n_rows} rows are made ...", file=sys.stderr, flush=True)
            in_fresh_process(make_file, path, n_rows)
            wheres = ("file",) if n_rows == arguments.rows else ("memory", "file")
            for loss in arguments.losses:
                for where in wheres:
                    print(f"{loss}, {where} ...", file=sys.stderr, flush=True)
                    row = in_fresh_process(fit, path, loss, where)
                    if where == "file" and len(wheres) > 1:
                        peer = rows[-1]
                        ours = row["made"] + row["fit"]
                        row["x memory"] = ours / (peer["made"] + peer["fit"])
                    rows.append(row)
                    write_csv(arguments.output / "rows.csv", rows, silent=True)
    print_table(COLUMNS, rows)


if __name__ == "__main__":
    main()
