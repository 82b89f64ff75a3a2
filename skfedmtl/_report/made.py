"""A report on a user's table as an object: its rows, its figure, its page."""

import io
from typing import Any, NamedTuple

from skfedmtl._report.experiment import Result, Settings, Threat
from skfedmtl._report.page import page
from skfedmtl._report.plan import Plan, header, plan_table, run
from skfedmtl._report.prepared import Prepared
from skfedmtl._report.tables import Rows, summarise


class Made(NamedTuple):
    """All that a report says."""

    plan: Plan
    results: list[Result]
    rows: Rows  #: of the CSV file
    lines: tuple[str, ...]  #: what was done

    def figure(self) -> Any:
        """The figure, not tied to any display."""
        from skfedmtl._report.figure import draw

        return draw(self.rows, self.lines[:3])

    def png(self) -> bytes:
        """The figure as a PNG file."""
        image = io.BytesIO()
        self.figure().savefig(image, format="png", dpi=150)
        return image.getvalue()

    def page(self, image: bytes, call: str) -> bytes:
        """The page with this figure, which says that `call` makes it again."""
        return page(self.plan, self.rows, self.lines, self.results, image, call)


def make(
    name: str,
    prepared: Prepared,
    settings: Settings,
    threat: Threat,
    penalties: tuple[float | None, float | None],
    n_jobs: int | None,
) -> Made:
    """Do all the work of a report on a user's table."""
    plan = plan_table(name, prepared, settings, threat, penalties)
    return finish(plan, list(run(plan, n_jobs)))


def finish(plan: Plan, done: list[list[Result]]) -> Made:
    """What a report says once all the work is done."""
    results = [result for some in done for result in some]
    rows = summarise(results, plan.settings, plan.unit)
    return Made(plan, results, rows, header(plan, results))
