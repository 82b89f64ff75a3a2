"""The directive ``extras-table``: what each extra of the package brings, and what needs it.

What it brings is read from ``pyproject.toml``; its body says what needs it, ``name: words``, a line
that is indented going on. The build fails where the body names other extras than there are.
"""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from result_tables import table_nodes
from sphinx.util.docutils import SphinxDirective

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
HEAD = ("extra", "brings", "needed by")


def needs(lines):
    """What needs each extra, by its name."""
    found = {}
    for line in filter(str.strip, lines):
        if line[0] != " ":
            name, _, line = line.partition(":")
            found[name] = ""
        found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def brought(requirement):
    """A package and its oldest version, or another extra of this one."""
    one = Requirement(requirement)
    if one.name == "skfedmtl":
        return ", ".join(f"all of ``{extra}``" for extra in sorted(one.extras))
    versions = sorted(str(one.specifier).split(","), reverse=True)  # the oldest, then a limit
    name = one.name + (f"[{','.join(sorted(one.extras))}]" if one.extras else "")
    return f"{name} {', '.join(versions)}"


class ExtrasTable(SphinxDirective):
    """A row an extra."""

    has_content = True

    def run(self):
        project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
        extras, told = project["optional-dependencies"], needs(self.content)
        if list(told) != list(extras):
            raise self.error(f"extras-table must be of {list(extras)}, in that order; {list(told)}")
        rows = [HEAD]
        for name, requirements in extras.items():
            rows.append((f"``{name}``", ", ".join(map(brought, requirements)), told[name]))
        return table_nodes(self, rows, PYPROJECT)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("extras-table", ExtrasTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
