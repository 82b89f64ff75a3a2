"""The directive ``changelog-fragments``: what changelog.d holds for the next release."""

import tomllib
from pathlib import Path

from docutils.utils import new_document
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]


def fragments(folder, types):
    """Markdown: a heading a type that has entries, a line an entry, in the order of their names."""
    for kind in types:
        paths = sorted(folder.glob(f"*.{kind['directory']}.md"))
        if paths:
            yield f"## {kind['name']}\n"
        for path in paths:
            text = path.read_text(encoding="utf-8").strip().replace("\n", "\n  ")
            yield f"- {text}"
        yield ""


class Fragments(SphinxDirective):
    """Sections below the one that it stands in; nothing once a release has taken the files."""

    def run(self):
        towncrier = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
            "towncrier"
        ]
        folder = ROOT / towncrier["directory"]
        self.env.note_dependency(str(folder))
        document = new_document(str(folder), self.state.document.settings)
        MystParser().parse("\n".join(fragments(folder, towncrier["type"])), document)
        return list(document.children)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("changelog-fragments", Fragments)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
