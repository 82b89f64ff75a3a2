"""The directive ``multilevel-table``: errors of six models on tables of rows in groups.

It reads ``benchmarks/multilevel/results/multilevel.csv`` when the pages are built.
"""

from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective

PATH = BENCHMARKS / "multilevel" / "results" / "multilevel.csv"
MODELS = ("own", "pooled", "one-hot", "mixed", "FMTL", "FMTL with a common part")


def errors():
    """A row a table, the least error in bold."""
    yield "table", "nodes", "rows", *MODELS, "difference to the best other"
    for row in read(PATH):
        is_number = row["kind"] == "numbers"
        means = {model: float(row[model]) for model in MODELS}
        least = min(means.values())
        cells = (_error(value, is_number, value == least) for value in means.values())
        low, high, difference = (float(row[name]) for name in ("low", "high", "difference"))
        unit = 1.0 if is_number else 100.0
        digits = 3 if is_number else 1
        told = (f"{unit * value:+.{digits}f}" for value in (difference, low, high))
        yield row["data"], row["nodes"], row["rows"], *cells, "{} ({} to {})".format(*told)


def _error(value, is_number, is_least):
    text = f"{value:.3f}" if is_number else f"{100.0 * value:.1f}\N{NO-BREAK SPACE}%"
    return f"**{text}**" if is_least else text


class MultilevelTable(SphinxDirective):
    """A table of what is in the results."""

    def run(self):
        return table_nodes(self, errors(), PATH)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("multilevel-table", MultilevelTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
