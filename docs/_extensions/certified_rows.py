"""The directive ``certified-rows-table``: rows that no attack turns, by the penalties of a victim.

It reads ``benchmarks/attack/results/certified_penalties.csv`` when the pages are built.
"""

from statistics import fmean

from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective

PATH = BENCHMARKS / "attack" / "results" / "certified_penalties.csv"
SHOWN = {"error": "wrong rows", "rows": "certified", "of targets": "of targets"}


def shares():
    """A row a pair of penalties, means over the draws in percent."""
    yield "lambda1", "lambda2", *SHOWN.values()
    rows = read(PATH)
    for pair in dict.fromkeys((row["lambda1"], row["lambda2"]) for row in rows):
        mine = [row for row in rows if (row["lambda1"], row["lambda2"]) == pair]
        means = (100.0 * fmean(float(row[name]) for row in mine) for name in SHOWN)
        percent = (f"{mean:.1f}\N{NO-BREAK SPACE}%" for mean in means)
        yield *(f"{float(value):g}" for value in pair), *percent


class CertifiedRowsTable(SphinxDirective):
    """A table of what is in the results."""

    def run(self):
        return table_nodes(self, shares(), PATH)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("certified-rows-table", CertifiedRowsTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
