"""The directive ``defence-table``: damage with and without defences on one data set.

``.. defence-table:: NAME`` reads the means in ``benchmarks/defense/results`` when the pages are
built.
"""

import math

from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective

PATH = BENCHMARKS / "defense" / "results" / "defences_means.csv"
ERRORS = ("clean", "random", "flip", "transferred", "adaptive")
LOSSES = ("worst loss", "certified")
NUMBERS = ("flights", "parkinsons")  #: data whose targets are numbers: roots of squared errors


def defences(data):
    """A row a defence and attack."""
    yield "attack", "defence", *ERRORS, *LOSSES, "better"
    is_number = data in NUMBERS
    for row in read(PATH):
        if row["data"] == data:
            errors = (_error(float(row[name]), is_number) for name in ERRORS)
            losses = (_loss(row[name], is_number) for name in LOSSES)
            yield row["attack"], row["defence"], *errors, *losses, row["better"]


def _error(value, is_number):
    return f"{value:.2f}" if is_number else f"{100.0 * value:.1f}\N{NO-BREAK SPACE}%"


def _loss(text, is_number):
    if not text:
        return ""
    value = float(text)
    return f"{math.sqrt(value):.2f}" if is_number else f"{value:.3f}"


class DefenceTable(SphinxDirective):
    """A table of what is in the results."""

    required_arguments = 1

    def run(self):
        return table_nodes(self, defences(self.arguments[0]), PATH)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("defence-table", DefenceTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
