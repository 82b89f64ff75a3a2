"""The directive of federations over a wire, ``federation-table``.

It reads ``benchmarks/federation/results`` when the pages are built.
"""

from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective

WIRE = BENCHMARKS / "federation" / "results" / "tls.csv"
HEAD = ("rows", "loss", "nodes", "how", "exchanges", "rounds", "gap", "kB", "seconds", "ms")
DATA = {
    "heart_disease": "heart disease",
    "landmine": "landmine",
    "parkinsons_total": "Parkinson's",
}
METHODS = {"tls": "TLS", "local": "one process", "plain": "MOCHA's sum"}


def fits():
    """A row a fit."""
    yield HEAD
    for row in read(WIRE):
        yield (
            DATA[row["data"]],
            row["loss"].replace("_", " "),
            row["nodes"],
            METHODS[row["method"]],
            row["exchanges"],
            row["rounds"],
            f"{float(row['gap']):.1e}",
            f"{float(row['kB']):.0f}",
            f"{float(row['fit']):.2f}",
            row["ms"] and f"{float(row['ms']):.1f}",
        )


class FederationTable(SphinxDirective):
    """A table of what is in the results."""

    def run(self):
        return table_nodes(self, fits(), WIRE)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("federation-table", FederationTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
