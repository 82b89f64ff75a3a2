"""Tables and numbers of ``benchmarks/defense/results``, read when the pages are built.

``.. defence-table:: NAME``
    Damage with and without defences on one data set.
``.. detector-table::``
    How well detectors tell injected rows, and sources.
``:defence-number:`WHAT ...```
    One number of them: see `NUMBERS`.
"""

import math
from statistics import fmean

from docutils import nodes
from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

RESULTS = BENCHMARKS / "defense" / "results"
MEANS, AREAS = RESULTS / "defences_means.csv", RESULTS / "detectors.csv"
ERRORS = ("clean", "random", "flip", "transferred", "adaptive")
LOSSES = ("worst loss", "certified")
REGRESSIONS = ("flights", "parkinsons")  #: data whose targets are numbers: roots of squared errors
ROWS = ("pull", "loss", "isolation", "isolation by class")
NODES = ("effect", "parting")


def defences(data):
    """A row a defence and attack."""
    yield "attack", "defence", *ERRORS, *LOSSES, "better"
    for row in read(MEANS):
        if row["data"] == data:
            shown = (_shown(data, row, name) for name in (*ERRORS, *LOSSES))
            yield row["attack"], row["defence"], *shown, row["better"]


def detectors():
    """A row a data set, attack and radius: means over the draws."""
    yield "data", "attack", "radius", *ROWS, *NODES, "draws"
    rows = read(AREAS)
    for cell in dict.fromkeys(_cell(row) for row in rows):
        own = [row for row in rows if _cell(row) == cell]
        yield *cell, *(_mean(own, name) for name in (*ROWS, *NODES)), len(own)


def draws(data):
    """Of a data set in the table of defences."""
    return next(row["draws"] for row in read(MEANS) if row["data"] == data)


def mean(data, attack, defence, column):
    """What the table of defences says."""
    for row in read(MEANS):
        if (row["data"], row["attack"], row["defence"]) == (data, attack, defence):
            return _shown(data, row, column)
    return ""


def area(data, attack, radius, score):
    """What the table of detectors says."""
    return _mean([row for row in read(AREAS) if _cell(row) == (data, attack, radius)], score)


def least(radius, score):
    """The lowest area of a score at a radius, over data sets and attacks."""
    areas = [float(row[3 + ROWS.index(score)]) for row in detectors() if row[2] == radius]
    return f"{min(areas):.2f}" if areas else ""


NUMBERS = {"draws": draws, "mean": mean, "area": area, "least": least}


def _cell(row):
    return row["data"], row["attack"], row["radius"]


def _mean(rows, name):
    values = [float(row[name]) for row in rows if row[name]]
    return f"{fmean(values):.2f}" if values else ""


def _shown(data, row, name):
    if not row[name]:
        return ""
    value, is_number = float(row[name]), data in REGRESSIONS
    if name in ERRORS:
        return f"{value:.2f}" if is_number else f"{100.0 * value:.1f}\N{NO-BREAK SPACE}%"
    return f"{math.sqrt(value):.2f}" if is_number else f"{value:.3f}"


class DefenceTable(SphinxDirective):
    """A table of what defences leave of attacks."""

    required_arguments = 1

    def run(self):
        return table_nodes(self, defences(self.arguments[0]), MEANS)


class DetectorTable(SphinxDirective):
    """A table of what detectors see."""

    def run(self):
        return table_nodes(self, detectors(), AREAS)


class DefenceNumber(SphinxRole):
    """A number of what is in the results."""

    def run(self):
        for path in (MEANS, AREAS):
            self.env.note_dependency(str(path))
        what, *arguments = (part.strip() for part in self.text.split(","))
        return [nodes.Text(NUMBERS[what](*arguments) or "(not measured)")], []


def setup(app):
    """Tell Sphinx."""
    app.add_directive("defence-table", DefenceTable)
    app.add_directive("detector-table", DetectorTable)
    app.add_role("defence-number", DefenceNumber())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
