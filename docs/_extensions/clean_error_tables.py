"""The directive ``clean-error-table``: errors without an attack, of related nodes and others.

It reads ``benchmarks/solver/results/clean_error.csv`` when the pages are built.
"""

from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective

PATH = BENCHMARKS / "solver" / "results" / "clean_error.csv"
METHODS = {
    "constant": "constant",
    "global": "one global model",
    "local": "one model a node",
    "fmtl": "FMTL",
    "common": "FMTL with a common part",
}
DATA = {
    "human_activity": "human activity, error %",
    "landmine": "landmine, error %",
    "landmine balanced": "landmine, balanced weights, AUC",
    "parkinsons_total": "Parkinson's total, RMSE",
    "parkinsons_motor": "Parkinson's motor, RMSE",
    "heart_disease": "heart disease, error %",
}
SPLITS = 5  #: where a row does not say another number
DIGITS = {"error %": 2, "AUC": 3, "RMSE": 3}


def errors(rows):
    """A row a data set, a column a method, and the difference that a common part makes."""
    found = {(row["data"], row["method"]): row for row in rows}
    yield "data", *METHODS.values(), "difference to FMTL"
    for data, title in DATA.items():
        measure = next(name for name in DIGITS if title.endswith(name))
        own = [found.get((data, method)) for method in METHODS]
        yield title, *(_cell(row, measure, DIGITS[measure]) for row in own), _difference(own[-1])


def _cell(row, measure, digits):
    if row is None:
        return "–"
    value, se = float(row[measure]), float(row[f"{measure} se"])
    return f"{value:.{digits}f} ± {se:.{digits}f}" if se else f"{value:.{digits}f}"


def _difference(row):
    if row is None:
        return "–"
    text = f"{float(row['- fmtl']):+.3f} ± {float(row['- fmtl se']):.3f}"
    return text if int(row["seeds"]) == SPLITS else f"{text} ({row['seeds']} splits)"


class CleanErrorTable(SphinxDirective):
    """A table of what is in the results."""

    def run(self):
        return table_nodes(self, errors(read(PATH)), PATH)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("clean-error-table", CleanErrorTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
