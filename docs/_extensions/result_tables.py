"""What the directives that show results share: a CSV file, and a table of its rows."""

import csv
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def read(path):
    """The rows of a CSV file, dicts of text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table_nodes(directive, rows, *paths):
    """Nodes of a table whose first row is its head; the page is remade when the files change."""
    for path in paths:
        directive.env.note_dependency(str(path))
    text = [".. list-table::", "    :header-rows: 1", "    :class: results", ""]
    for row in rows:
        text += [f"    {'* -' if not at else '  -'} {cell}" for at, cell in enumerate(row)]
    return directive.parse_text_to_nodes("\n".join(text))
