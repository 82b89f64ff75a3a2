"""A report as one page that needs nothing else: no script, no style sheet, no address."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.metadata import version
from typing import Any

import numpy as np

from skfedmtl._report.by_node import FEW_ROWS, times_target
from skfedmtl._report.experiment import CERTIFIED, Result
from skfedmtl._report.grids import (
    Grid,
    attacks_grid,
    constant_lines,
    models_grid,
    nodes_grid,
    worst_case_caption,
    worst_case_grid,
)
from skfedmtl._report.injected import injected_grid
from skfedmtl._report.own_poisoner import limits_in_words
from skfedmtl._report.plan import Plan
from skfedmtl._report.remedies import remedies_grid
from skfedmtl._report.summary import bottom_line
from skfedmtl._report.tables import NAMES, Rows, select
from skfedmtl._tools.figures import as_drawn

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #5f5f5f; --line: #d4d4d4;
  --paper: #ffffff; --band: #f4f4f4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --soft: #a8a8a8; --line: #444444;
  --paper: #181818; --band: #242424; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 62rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p, li { max-width: 46rem; }
.soft { color: var(--soft); font-size: .92rem; }
.wide { overflow-x: auto; position: relative; left: 50%; transform: translateX(-50%);
  width: fit-content; min-width: 100%; max-width: min(100vw - 2rem, 84rem); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; white-space: pre; overflow-wrap: normal; }
th { vertical-align: bottom; font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
td:first-child { white-space: pre-wrap; overflow-wrap: anywhere; min-width: min(8rem, 24vw); }
.words th, .words td { text-align: left; }
.words td:nth-child(3), .words td:nth-child(4) { white-space: pre-wrap; min-width: 11rem; }
tbody tr:nth-child(even) { background: var(--band); }
figure { margin: 0; background: #ffffff; border-radius: 4px; overflow-x: auto; }
img { display: block; width: 100%; min-width: 44rem; height: auto; }
pre { padding: .7rem; background: var(--band); white-space: pre-wrap; font-size: .88rem; }
@media print {
  :root { --ink: #000000; --soft: #444444; --line: #bbbbbb; --paper: #ffffff; --band: #f4f4f4; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .wide, figure { overflow: visible; }
  .wide { left: 0; transform: none; max-width: none; }
  img { min-width: 0; }
  table { font-size: 7pt; }
  th, td { padding: .15rem .2rem; white-space: pre-wrap; }
  td:first-child { min-width: 3.5rem; }
  section, figure, tr { break-inside: avoid; }
}
"""


def page(
    plan: Plan,
    rows: Rows,
    lines: Sequence[str],
    results: Sequence[Result],
    png: bytes,
    call: str,
) -> bytes:
    """Write the page.

    Parameters
    ----------
    plan : Plan
        What was asked for.
    rows : list of dict
        What `summarise` returns.
    lines : sequence of str
        Title and what was done.
    results : sequence of Result
        All models of all repetitions.
    png : bytes
        The figure.
    call : str
        What makes the same report again.

    Returns
    -------
    page : bytes
        HTML in UTF-8.
    """
    title, *done = lines
    parts = [
        f"<h1>{_text(title)}</h1>",
        _section("Bottom line", _list(bottom_line(rows, results, plan.settings, plan.threat))),
        _section("What was done", _list(done)),
        *_tables(plan, rows),
        *_remedies(plan, rows, results),
        _section("The target nodes", f"{_figure(png, title)}"),
        *_by_node(rows, results),
        *_injected(plan, results),
        *_warnings(results),
        _section(
            "Make it again",
            f"<pre>{_text(call)}</pre>"
            f'<p class="soft">skfedmtl {_text(version("skfedmtl"))}, seed {plan.settings.seed}. '
            f"{_same_numbers(results)}</p>",
        ),
    ]
    text = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )
    return text.encode("utf-8", "backslashreplace")


def _same_numbers(results: Sequence[Result]) -> str:
    """What another number of processes would change: how far a bound comes in its time."""
    if any(result.stopped for result in results):
        return (
            "The seconds and the certified bounds, whose time was over, aside, the numbers do not "
            "depend on the number of processes."
        )
    return "The seconds aside, the numbers do not depend on the number of processes."


def _text(value: Any) -> str:
    """Words as words, whatever they hold."""
    return escape(as_drawn(value))


def _section(title: str, *content: str) -> str:
    return f"<section>\n<h2>{_text(title)}</h2>\n" + "\n".join(content) + "\n</section>"


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in lines) + "</ul>"


def _note(text: str) -> str:
    return f'<p class="soft">{_text(text)}</p>'


def _table(grid: Grid, kind: str = "wide") -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in grid.head)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in line) + "</tr>\n"
        for line in grid.lines
    )
    return (
        f'<div class="{kind}"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody>\n</table></div>"
    )


def _figure(png: bytes, title: str) -> str:
    code = base64.b64encode(png).decode("ascii")
    return f'<figure><img alt="{_text(title)}" src="data:image/png;base64,{code}"></figure>'


def _tables(plan: Plan, rows: Rows) -> Iterator[str]:
    """The tables that the terminal shows."""
    everything, rows = rows, select(rows, level="aggregate")
    tested = [row for row in rows if row["metric"] in NAMES]
    has_errors = any(not np.isnan(row["se"]) for row in rows)
    note = "±: standard error over the repetitions; ratio: of the means."
    models = models_grid(tested, plan.classify, "±")
    yield _section(models.title, _table(models))
    attacks = attacks_grid(tested, "±")
    what = (
        "Random: as many rows, not optimised. Direct attacks inject into the targets, indirect "
        "ones into other nodes, hybrid ones into both."
    )
    if plan.settings.attacker:
        what += f" Optimised: as {plan.settings.attacker} makes them."
    constant = [_note(line) for line in constant_lines(tested)]
    notes = [_note(what), *([_note(note)] if has_errors else []), *constant]
    yield _section(attacks.title, _table(attacks), *notes)
    if select(rows, kind=CERTIFIED):
        worst = worst_case_grid(everything, "±")
        caption = [_note(worst_case_caption(everything, plan.settings.attacker))]
        if plan.own is not None:
            caption.append(
                _note(
                    "Certified for all rows in a ball around the mean that holds the ranges of all "
                    "columns; rows that keep those ranges stand below it."
                )
            )
        yield _section(worst.title, _table(worst), *caption)


def _remedies(plan: Plan, rows: Rows, results: Sequence[Result]) -> Iterator[str]:
    grid = remedies_grid(results, rows, plan.settings)
    if grid is None:
        return
    is_bounded = any(result.kind == CERTIFIED for result in results)
    promised = (
        "Found and certified: losses of the targets' training rows, as above; only what is "
        "certified is a promise."
        if is_bounded
        else "Nothing is certified: a low number is no promise."
    )
    notes = (
        "The attack of the first repetition, one draw, crafted anew against each victim; "
        f"differences within the standard errors above say nothing. {promised}",
        "A smaller lambda1 lets less through from other nodes, and shares less; against rows in "
        "the targets themselves it is no help. No tie: models of the nodes' own rows. Half the "
        "budget: what a limit on the rows that nodes hand in would be worth.",
    )
    yield _section(grid.title, _table(grid), *map(_note, notes))


def _by_node(rows: Rows, results: Sequence[Result]) -> Iterator[str]:
    if not select(rows, level="node"):
        return
    grid = nodes_grid(rows, times_target(results))
    notes = [
        "Alone: a model of the node's own rows. Means of the repetitions in which the node was a "
        "target, which the fourth column counts; of one that never was, of all, and - under "
        "attack. Below each error its 95 % interval over resampled test rows, which tells nothing "
        "of other training rows."
    ]
    if any("†" in line[2] for line in grid.lines):
        notes.append(f"† fewer than {FEW_ROWS} test rows, whose error says little.")
    yield _section(grid.title, _table(grid), *map(_note, notes))


def _injected(plan: Plan, results: Sequence[Result]) -> Iterator[str]:
    if plan.own is None:
        return
    grid = injected_grid(results, plan.own)
    note = (
        "Optimised attacks: rows of all repetitions beside training rows of the same nodes; the "
        f"columns whose means or shares moved most. {limits_in_words(plan.settings.poisoner)}"
    )
    yield _section(grid.title, _table(grid, "wide words"), _note(note))


def _warnings(results: Sequence[Result]) -> Iterator[str]:
    messages = dict.fromkeys(text for result in results for text in result.warnings)
    if messages:
        yield _section("Warnings", _list(messages))
