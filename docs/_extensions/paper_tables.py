"""Results of ``benchmarks/paper``, read when the pages are built: tables, and numbers in prose.

``.. paper-table:: NAME`` with ``clean`` (errors without attack), ``brief`` (attacked over clean, in
a line a data set), ``ratios`` (the same beside random rows, and what is reached), ``bounds``
(losses found and certified), ``errors`` (means and standard errors of all attacks), ``ranking``
(AUC and balanced error on landmine) or ``errata``; the option ``:protocol:`` is ``paper``, ``sane``
or ``honest``.

``:paper-number:`` followed by

* ``cell PROTOCOL DATA ATTACK KIND COLUMN FORMAT``, a number of the table's summary;
* ``reached PROTOCOL``, in how many of its cells the paper's ratio is;
* ``share PROTOCOL ATTACK``, least and largest share of the bound that is found, in percent;
* ``curve FIGURE SERIES DATA ATTACK VALUE``, an error of figure 4 or 5 at a budget or an eta;
* ``climbed DATA ATTACK STEP``, H of figure 6 at a step over that of the end, in percent.

What is not in the files is "not measured".
"""

import math

from docutils import nodes
from docutils.parsers.rst import directives
from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

RESULTS = BENCHMARKS / "paper" / "results"
FILES = ("table2.csv", "errata.csv", "figure4.csv", "figure5.csv", "figure6.csv")
PROTOCOLS = ("paper", "sane", "honest")
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
MOVED = ("ascent", "optimised")


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


def _number(row, column, form):
    return format(float(row[column]), form) if row is not None and row.get(column) else ""


def _short(data):
    return NAMES[data].partition(",")[0]


def clean(protocol):
    """Without an attack: the paper's errors, ours, and the baselines."""
    found = lines_of(protocol)
    kinds = ("none", "local", "global", "constant")
    yield "data", "the paper's", "ours", "one model a node", "one model", "constant"
    for data in PUBLIC:
        rows = [found.get((data, "none", kind)) for kind in kinds]
        yield NAMES[data], _number(rows[0], "paper", ".3f"), *map(_spread, rows)


def _attacked(protocol):
    """(data set, attack), the rows of random rows, ascent and default attack, the paper's ratio."""
    found = lines_of(protocol)
    for data in PUBLIC:
        for attack in ATTACKS:
            rows = [found.get((data, attack, kind)) for kind in ("random", *MOVED)]
            goals = [float(row["paper_ratio"]) for row in rows[1:] if row is not None]
            yield (data, attack), rows, goals[0] if goals else None


def _goal(value):
    """As the paper prints it."""
    if value is None:
        return ""
    return f"{value:.2f}" if value < 3.0 else f"{value:.1f}"


def _is_reached(rows, goal):
    ratios = [float(row["ratio"]) if row is not None else 0.0 for row in rows]
    return max(ratios[1:]) >= goal and max(ratios[1:]) > ratios[0]


def ratios(protocol):
    """Attacked over clean: the paper's, random rows, ascent, default attack."""
    yield "data", "attack", "the paper's", "random rows", "ascent", "default", "reached"
    for (data, attack), rows, goal in _attacked(protocol):
        numbers = (_number(row, "ratio", ".2f") for row in rows)
        reached = ("yes" if _is_reached(rows, goal) else "**no**") if goal else ""
        yield _short(data), attack, _goal(goal), *numbers, reached


def brief(protocol):
    """Attacked over clean, a line a data set: the paper's, ascent, default attack."""
    yield "paper / ascent / default", *ATTACKS
    lines = {}
    for (data, _), (_, *rows), goal in _attacked(protocol):
        numbers = [_number(row, "ratio", ".2f") or "?" for row in rows]
        lines.setdefault(data, []).append(" / ".join([_goal(goal) or "?", *numbers]))
    for data, cells in lines.items():
        yield _short(data), *cells


def bounds(protocol):
    """Mean loss of a target's training rows: clean, found, certified."""
    found = lines_of(protocol)
    yield "data", "attack", "no attack", "found", "certified", "found of certified, %"
    for data in (*PUBLIC, "endad_like"):
        for attack in ATTACKS:
            row = found.get((data, attack, "optimised"))
            losses = (_number(row, name, ".4g") for name in ("clean_loss", "found", "bound"))
            share = _percent(row["share"]) if row is not None and row.get("share") else ""
            yield _short(data), attack, *losses, share


def _percent(share):
    return f"{100.0 * float(share):.0f}"


def errors(protocol):
    """Means and standard errors of everything in one protocol."""
    found = lines_of(protocol)
    columns = [name for name in NAMES if (name, "none", "none") in found]
    yield "test error of the targets", *(NAMES[name] for name in columns)
    for title, attack, kind in _all_kinds():
        yield title, *(_spread(found.get((name, attack, kind))) for name in columns)


def ranking(protocol):
    """AUC and balanced error of landmine's targets."""
    found = lines_of(protocol)
    yield "landmine", "AUC", "balanced error, %"
    for title, attack, kind in _all_kinds():
        row = found.get(("landmine", attack, kind))
        yield title, _number(row, "auc", ".3f"), _number(row, "balanced", ".1f")


def _all_kinds():
    """What a line is called, its attack and its kind."""
    yield "no attack", "none", "none"
    for title, kind in (("random", "random"), ("ascent", "ascent"), ("default", "optimised")):
        yield from ((f"{title}, {attack}", attack, kind) for attack in ATTACKS)
    yield from ((kind, "none", kind) for kind in ("constant", "local", "global"))


def errata(_):
    """Printed and derived formulas, and how far off they are."""
    names = ("equation", "as printed", "as derived", "off, printed", "off, derived", "oracle")
    yield names
    for row in read(RESULTS / "errata.csv"):
        texts = [f"``{row[name]}``" for name in names[1:3]]
        numbers = (f"{float(row[name]):.1g}" if row[name] else "" for name in names[3:5])
        yield row["equation"], *texts, *numbers, row["oracle"]


def cell(protocol, data, attack, kind, column, form):
    """A number of the summary."""
    return _number(lines_of(protocol).get((data, attack, kind)), column, form)


def reached(protocol):
    """In how many cells the stronger of our attacks reaches the paper's ratio."""
    known = [(rows, goal) for _, rows, goal in _attacked(protocol) if goal]
    if not known:
        return ""
    return f"{sum(_is_reached(*one) for one in known)} of {len(known)}"


def share(protocol, attack):
    """Least and largest share of the bound that is found."""
    shares = [
        float(row["share"])
        for (_, own, _), row in lines_of(protocol).items()
        if own == attack and row.get("share")
    ]
    return f"{_percent(min(shares))} to {_percent(max(shares))}" if shares else ""


def curve(figure, series, data, attack, value):
    """Mean error of a repetition; of classes in percent."""
    scores = [
        float(row["score"])
        for row in read(RESULTS / f"{figure}.csv")
        if (row["series"], row["dataset"], row["attack"]) == (series, data, attack)
        and math.isclose(float(row["value"]), float(value))
    ]
    if not scores:
        return ""
    unit = 1.0 if data.startswith("parkinsons") else 100.0
    return f"{unit * sum(scores) / len(scores):.1f}"


def climbed(data, attack, step):
    """H at a step over that of the end, both summed over seeds."""
    rows = [
        row
        for row in read(RESULTS / "figure6.csv")
        if (row["dataset"], row["attack"], row["curve"]) == (data, attack, "H")
    ]
    if not rows:
        return ""
    last = max(int(row["at"]) for row in rows)
    then, end = (
        sum(float(row["value"]) for row in rows if int(row["at"]) == at) for at in (int(step), last)
    )
    return _percent(then / end)


TABLES = {
    "clean": clean,
    "brief": brief,
    "ratios": ratios,
    "bounds": bounds,
    "errors": errors,
    "ranking": ranking,
    "errata": errata,
}
NUMBERS = {
    "cell": cell,
    "reached": reached,
    "share": share,
    "curve": curve,
    "climbed": climbed,
}


class PaperTable(SphinxDirective):
    """A table of what is in the results."""

    required_arguments = 1
    option_spec = {"protocol": lambda text: directives.choice(text, PROTOCOLS)}

    def run(self):
        rows = TABLES[self.arguments[0]](self.options.get("protocol", "paper"))
        return table_nodes(self, rows, *(RESULTS / name for name in FILES))


class PaperNumber(SphinxRole):
    """A number of what is in the results."""

    def run(self):
        for name in FILES:
            self.env.note_dependency(str(RESULTS / name))
        what, *arguments = self.text.split()
        return [nodes.Text(NUMBERS[what](*arguments) or "(not measured)")], []


def setup(app):
    """Tell Sphinx."""
    app.add_directive("paper-table", PaperTable)
    app.add_role("paper-number", PaperNumber())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
