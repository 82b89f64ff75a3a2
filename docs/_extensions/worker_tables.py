"""The directive ``workers-table``: fits in the workers of a cluster, and in one process.

It reads ``benchmarks/scale/results/workers.csv`` when the pages are built.
"""

from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective

PATH = BENCHMARKS / "scale" / "results" / "workers.csv"
HEAD = ("nodes", "rows in", "seconds", "CPU seconds", "rounds", "gap", "arrays", "largest worker")
NAMES = {
    "blocks": "blocks of one process, 2 threads",
    "workers": "blocks of 2 workers",
    "estimator": "FMTLClassifier(n_jobs=2)",
}


def fits():
    """A row a fit."""
    yield HEAD
    for row in read(PATH):
        worker = f"{float(row['worker GB']):.1f} GB" if row["worker GB"] else ""
        yield (
            f"{int(row['nodes']):,}",
            NAMES[row["where"]],
            f"{float(row['seconds']):.0f}",
            f"{float(row['cpu']):.0f}",
            row["rounds"],
            f"{float(row['gap']):.1e}",
            f"{float(row['arrays']):.0f}",
            worker,
        )


class WorkersTable(SphinxDirective):
    """A table of what is in the results."""

    def run(self):
        return table_nodes(self, fits(), PATH)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("workers-table", WorkersTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
