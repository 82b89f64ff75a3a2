"""The directive ``paper-table``: results of ``benchmarks/paper``, read when the pages are built.

``.. paper-table:: NAME`` with ``clean`` (errors without attack), ``ratios`` (attacked over clean,
beside the paper's), ``errors`` (means and standard errors of all attacks; its option ``:protocol:``
is ``paper`` or ``honest``) or ``errata``.
"""

from docutils.parsers.rst import directives
from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective

RESULTS = BENCHMARKS / "paper" / "results"
NAMES = {
    "human_activity": "human activity, %",
    "landmine": "landmine, %",
    "parkinsons_total": "Parkinson's total, RMSE",
    "parkinsons_motor": "Parkinson's motor, RMSE",
    "endad_like": "made rows, %",
    "average": "average of the four",
}
PUBLIC = tuple(NAMES)[:4]
ATTACKS = ("direct", "indirect", "hybrid")


def lines_of(protocol):
    """(data set, attack, kind) -> a row of the table's summary."""
    rows = [row for row in read(RESULTS / "table2.csv") if row["protocol"] == protocol]
    return {(row["dataset"], row["attack"], row["kind"]): row for row in rows}


def _spread(row, digits=2):
    if row is None:
        return ""
    text = f"{float(row['mean']):.{digits}f}"
    return text + (
        f"\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{float(row['se']):.{digits}f}"
        if row["se"] not in ("", "nan")
        else ""
    )


def clean(_):
    """Without an attack: the paper's errors, ours, and the baselines."""
    found = lines_of("paper")
    kinds = ("none", "local", "global", "constant")
    yield "data", "the paper's", "ours", "one model a node", "one model", "constant"
    for data in PUBLIC:
        rows = [found.get((data, "none", kind)) for kind in kinds]
        yield NAMES[data], rows[0]["paper"], *map(_spread, rows)


def ratios(_):
    """Attacked over clean: the paper's, ours, random rows."""
    found = lines_of("paper")
    yield "data", "attack", "the paper's", "ours", "random rows", "at least the paper's"
    for data in PUBLIC:
        for attack in ATTACKS:
            row, random = found[data, attack, "optimised"], found[data, attack, "random"]
            reached = float(row["ratio"]) >= float(row["paper_ratio"])
            numbers = (f"{float(one['ratio']):.2f}" for one in (row, random))
            name = NAMES[data].partition(",")[0]
            yield name, attack, row["paper_ratio"], *numbers, "yes" if reached else "**no**"


def errors(protocol):
    """Means and standard errors of everything in one protocol."""
    found = lines_of(protocol)
    columns = [name for name in NAMES if (name, "none", "none") in found]
    yield "test error of the targets", *(NAMES[name] for name in columns)
    rows = [("no attack", "none", "none")]
    rows += [(f"random {attack}", attack, "random") for attack in ATTACKS]
    rows += [(f"optimised {attack}", attack, "optimised") for attack in ATTACKS]
    rows += [(kind, "none", kind) for kind in ("constant", "local", "global")]
    for title, attack, kind in rows:
        yield title, *(_spread(found.get((name, attack, kind))) for name in columns)


def errata(_):
    """Printed and derived formulas, and how far off they are."""
    names = ("equation", "as printed", "as derived", "off, printed", "off, derived", "oracle")
    yield names
    for row in read(RESULTS / "errata.csv"):
        texts = [f"``{row[name]}``" for name in names[1:3]]
        numbers = (f"{float(row[name]):.1g}" if row[name] else "" for name in names[3:5])
        yield row["equation"], *texts, *numbers, row["oracle"]


TABLES = {"clean": clean, "ratios": ratios, "errors": errors, "errata": errata}


class PaperTable(SphinxDirective):
    """A table of what is in the results."""

    required_arguments = 1
    option_spec = {"protocol": lambda text: directives.choice(text, ("paper", "honest"))}

    def run(self):
        rows = TABLES[self.arguments[0]](self.options.get("protocol", "paper"))
        paths = (RESULTS / name for name in ("table2.csv", "errata.csv"))
        return table_nodes(self, rows, *paths)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("paper-table", PaperTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
