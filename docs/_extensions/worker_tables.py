"""Directives of fits that outgrow a process: in workers, ``workers-table``, and of rows in files,
``stored-rows-table``.

They read ``benchmarks/scale/results`` when the pages are built.
"""

from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective

RESULTS = BENCHMARKS / "scale" / "results"
WORKERS, STORED = RESULTS / "workers.csv", RESULTS / "rows.csv"
HEAD = (
    "nodes",
    "rows in",
    "threads",
    "seconds",
    "CPU seconds",
    "rounds",
    "gap",
    "arrays",
    "largest worker",
)
STORED_HEAD = (
    "loss",
    "rows",
    "in",
    "CPU seconds to make it",
    "of the fit",
    "rounds",
    "readings",
    "gap",
    "MB",
    "over memory",
)
NAMES = {
    "blocks": "blocks of one process",
    "workers": "blocks of workers",
    "estimator": "FMTLClassifier",
}


def fits():
    """A row a fit."""
    yield HEAD
    for row in read(WORKERS):
        worker = f"{float(row['worker GB']):.1f} GB" if row["worker GB"] else ""
        yield (
            f"{int(row['nodes']):,}",
            NAMES[row["where"]],
            row["threads"],
            f"{float(row['seconds']):.0f}",
            f"{float(row['cpu']):.0f}",
            row["rounds"],
            f"{float(row['gap']):.1e}",
            f"{float(row['arrays']):.0f}",
            worker,
        )


def stored():
    """A row a node."""
    yield STORED_HEAD
    for row in read(STORED):
        ratio = row["x memory"] and f"{float(row['x memory']):.2f}"
        yield (
            row["loss"].replace("_", " "),
            f"{int(row['rows']):,}",
            row["where"],
            f"{float(row['made']):.1f}",
            f"{float(row['fit']):.2f}",
            row["rounds"],
            row["readings"] if row["where"] == "file" else "",
            f"{float(row['gap']):.0e}",
            f"{float(row['MB']):.0f}",
            ratio,
        )


class WorkersTable(SphinxDirective):
    """A table of what is in the results."""

    def run(self):
        return table_nodes(self, fits(), WORKERS)


class StoredRowsTable(SphinxDirective):
    """The same of nodes whose rows lie in files."""

    def run(self):
        return table_nodes(self, stored(), STORED)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("workers-table", WorkersTable)
    app.add_directive("stored-rows-table", StoredRowsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
