"""The directive ``house``: the floors of tests/test_house.py, drawn when the pages are built."""

import ast
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

PATH = Path(__file__).resolve().parents[2] / "tests" / "test_house.py"

WIDTH, FLOOR, ROOF, LEFT = 430, 26, 34, 26
INK = 'fill="none" stroke="currentColor"'


def read_floors(path):
    """The table FLOORS, from the ground up."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "FLOORS":
            return ast.literal_eval(statement.value)
    raise LookupError(f"no FLOORS in {path}")


def draw(floors):
    """An SVG in the colour of the text around it; the width of a room is that of its name."""
    height = ROOF + FLOOR * len(floors) + 2
    words = "; ".join(f"{at}: {', '.join(rooms)}" for at, rooms in enumerate(floors))
    yield (
        f'<svg class="house" viewBox="0 0 {WIDTH} {height}" role="img" font-size="12" '
        f'fill="currentColor" aria-label="Rooms by floor. {escape(words)}">'
    )
    yield f'<path {INK} d="M{LEFT - 14} {ROOF} L{WIDTH / 2} 3 L{WIDTH - 1} {ROOF} Z"/>'
    for at, rooms in enumerate(floors):
        top = ROOF + FLOOR * (len(floors) - 1 - at)
        yield f'<text x="0" y="{top + 17}">{at}</text>'
        names = [room or "skfedmtl" for room in rooms]
        letters, left = sum(len(name) + 2 for name in names), LEFT
        for name in names:
            width = (WIDTH - LEFT - 12) * (len(name) + 2) / letters
            yield f'<rect {INK} x="{left:.1f}" y="{top}" width="{width:.1f}" height="{FLOOR}"/>'
            middle = left + width / 2
            yield f'<text x="{middle:.1f}" y="{top + 17}" text-anchor="middle">{name}</text>'
            left += width
    yield "</svg>"


class House(SphinxDirective):
    """The drawing, inside the page, so that it follows its colours."""

    def run(self):
        self.env.note_dependency(str(PATH))
        return [nodes.raw("", "\n".join(draw(read_floors(PATH))), format="html")]


def setup(app):
    """Tell Sphinx."""
    app.add_directive("house", House)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
