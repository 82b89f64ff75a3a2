"""The directive ``exchange-table``: exchanges to a gap of 1e-3, read when the pages are built."""

from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective

PATH = BENCHMARKS / "solver" / "results" / "exchanges.csv"
TARGET = "1e-3"
METHODS = ("splitting", "mocha", "plain")
NAMES = {"parkinsons_total": "Parkinson's total"}


def _cell(row):
    if row[TARGET]:
        return row[TARGET]
    return f">\N{NO-BREAK SPACE}{row['rounds']}" if row["ended"] == "rounds" else "–"


def exchanges(rows):
    """A row a data set and loss, a column a pair of penalties."""
    found = {
        (row["data"], row["loss"], row["lambda1"], row["lambda2"], row["method"]): row
        for row in rows
    }
    problems = dict.fromkeys(key[:2] for key in found)
    pairs = dict.fromkeys(key[2:4] for key in found)
    yield "data, loss", *(", ".join(f"{float(value):g}" for value in pair) for pair in pairs)
    for problem in problems:
        cells = ([found[*problem, *pair, method] for method in METHODS] for pair in pairs)
        name = ", ".join(NAMES.get(text, text.replace("_", " ")) for text in problem)
        yield name, *(" / ".join(map(_cell, row)) for row in cells)


class ExchangeTable(SphinxDirective):
    """A table of what is in the results."""

    def run(self):
        return table_nodes(self, exchanges(read(PATH)), PATH)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("exchange-table", ExchangeTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
