"""The figure of ``skfedmtl report``: the target nodes, clean, under attack, and at the worst."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from skfedmtl._report.experiment import BASELINES, CERTIFIED, KINDS
from skfedmtl._report.grids import only_of
from skfedmtl._report.tables import DIGITS, FOUND, LOSSES, MODELS, Row, Rows, attacks_of, select
from skfedmtl._tools.figures import GREY, INK, ORANGE, PLAIN, SKY, STYLE, VERMILION, as_drawn
from skfedmtl._typing import Array

COLOURS = {"random": SKY, "optimised": VERMILION}
KIND_NAMES = {kind: f"{kind} attack" for kind in KINDS}
MEAN, ONE = "mean ± standard error", "one repetition"
BEST, OPEN, LIMIT = "best attack found", "not ruled out", "certified maximum"
WIDTH = 0.36
OFF_SCALE = 1.6  # baselines so far above the bars are named, not drawn
ERROR_BAR = {"fmt": "none", "ecolor": INK, "capsize": 4, "elinewidth": 1.2, "zorder": 4}
DOTS = {"ls": "", "marker": "o", "ms": 4, "mfc": "white", "mec": INK, "mew": 0.8, "zorder": 5}
ABOVE = {
    "xytext": (0, 5),
    "textcoords": "offset points",
    "ha": "center",
    "va": "bottom",
    "fontsize": 9,
    "zorder": 6,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1.0},
}
WHERE = {"direct": "the targets", "indirect": "other nodes", "hybrid": "some of both"}
AXIS = {
    "rmse": "target nodes' test RMSE ({unit})",
    "error": "target nodes' test error ({unit})",
    "auc": "target nodes' test AUC",
    "root_loss": "target nodes' training loss, as a root ({unit})",
    "loss": "target nodes' training loss ({loss})",
}


def draw(rows: Rows, header: Sequence[str]) -> Figure:
    """Draw bars of attacks beside the models without one, and what no attack exceeds.

    Parameters
    ----------
    rows : list of dict
        What `summarise` returns.
    header : sequence of str
        Title and subtitles.

    Returns
    -------
    figure : Figure
        Not tied to any display; one panel a metric of test rows, and one of training rows if
        anything is certified.
    """
    rows = select(rows, nodes="targets")
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    tested = [metric for metric in metrics if metric not in LOSSES]
    worst = [metric for metric in metrics if metric in LOSSES and select(rows, kind=CERTIFIED)]
    shares = [5.8] * len(tested) + [4.4] * len(worst)
    with rc_context(STYLE):
        figure = Figure(figsize=(2.2 + sum(shares), 5.4), layout="constrained")
        panels = figure.subplots(1, len(shares), width_ratios=shares, squeeze=False)[0]
        for axes, metric in zip(panels, tested + worst, strict=True):
            draw_panel = _worst_case if metric in LOSSES else _panel
            draw_panel(axes, select(rows, metric=metric))
        _write_title(figure, header)
        _write_legend(figure, "left", panels[0], (*KIND_NAMES.values(), MEAN, ONE))
        if worst:
            _write_legend(figure, "right", panels[-1], (BEST, OPEN, LIMIT))
    return figure


def _write_title(figure: Any, header: Sequence[str]) -> None:
    title, *lines = map(as_drawn, header)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    figure.suptitle("\n" * len(lines), fontsize=13)  # keeps the room
    style = {"ha": "center", "va": "top", **PLAIN}
    figure.text(0.5, 0.975, title, fontsize=13, weight="bold", **style)
    figure.text(0.5, 0.925, "\n".join(lines), fontsize=10, color=GREY, **style)


def _write_legend(figure: Any, side: str, axes: Any, order: Sequence[str]) -> None:
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    names = [name for name in order if name in handles]
    figure.legend(
        [handles[name] for name in names],
        names,
        loc=f"outside lower {side}",
        ncols=len(names),
        frameon=False,
        columnspacing=1.4,
    )


def _panel(axes: Any, rows: Rows) -> None:
    metric = rows[0]["metric"]
    attacks = attacks_of(rows)
    for shift, kind in zip((-0.5, 0.5), KINDS, strict=True):
        for position, attack in enumerate(attacks):
            _bar(axes, position + shift * WIDTH, select(rows, attack=attack, kind=kind))
    _lines(axes, select(rows, level="aggregate"))
    note = "" if metric == "auc" else "    ×: ratio to no attack"
    below = f"attack, and the nodes that rows are injected into{note}"
    _name_axes(axes, rows[0], attacks, below)


def _worst_case(axes: Any, rows: Rows) -> None:
    """The losses of training rows that were found, and above them what is certified."""
    aggregate = select(rows, level="aggregate")
    attacks = attacks_of(rows)
    for position, attack in enumerate(attacks):
        (found,) = select(aggregate, attack=attack, kind=FOUND)
        (certified,) = select(aggregate, attack=attack, kind=CERTIFIED)
        _bracket(axes, position, found, certified)
    (clean,) = select(aggregate, kind="clean")
    axes.axhline(clean["mean"], color=INK, lw=1.6, zorder=3)
    axes.set_ylim(0.0, axes.get_ylim()[1] * 1.04)
    _name_lines(axes, [(clean["mean"], "no attack", INK)])
    of = only_of(rows)
    below = "attack, and the nodes that rows are injected into"
    _name_axes(axes, clean, attacks, f"{below}\n({of})" if of else below)


def _bracket(axes: Any, x: float, found: Row, certified: Row) -> None:
    """A bar as high as the best attack, what may be above it, and where no attack is."""
    names = (BEST, OPEN, LIMIT) if x == 0 else (None, None, None)
    low, high = found["mean"], certified["mean"]
    width = 1.5 * WIDTH
    hatched = {"fc": "white", "ec": GREY, "hatch": "////", "lw": 0.0}
    axes.bar(x, low, width, color=ORANGE, label=names[0], zorder=2)
    axes.bar(x, high - low, width, bottom=low, label=names[1], zorder=2, **hatched)
    ends = x - 0.6 * width, x + 0.6 * width
    axes.plot(ends, (high, high), color=INK, lw=3.0, label=names[2], zorder=4)
    digits = DIGITS.get(found["metric"], 2)
    axes.annotate(f"{high:.{digits}f}", (x, high), **ABOVE)
    # at the foot, where no other line is, or covered by its background
    box = {"facecolor": ORANGE, "edgecolor": "none", "pad": 1.0}
    axes.annotate(f"{low:.{digits}f}", (x, 0.0), **{**ABOVE, "bbox": box})


def _name_axes(axes: Any, row: Row, attacks: Sequence[str], below: str) -> None:
    axes.set_xticks(range(len(attacks)), [f"{name}\n{WHERE[name]}" for name in attacks])
    axes.tick_params("x", length=0)
    axes.set_xlim(-0.6, len(attacks) - 0.4)
    axes.set_xlabel(below)
    loss = row["loss"].replace("_", " ")
    axes.set_ylabel(as_drawn(AXIS[row["metric"]].format(unit=row["unit"], loss=loss)), **PLAIN)


def _bar(axes: Any, x: float, rows: Rows) -> None:
    """The mean as a bar with its standard error, the repetitions as dots."""
    (mean,) = select(rows, level="aggregate")
    if np.isnan(mean["mean"]):
        return
    kind = mean["kind"]
    label = KIND_NAMES[kind] if x < 0.5 else None
    axes.bar(x, mean["mean"], WIDTH, color=COLOURS[kind], label=label, zorder=2)
    top = mean["mean"]
    if not np.isnan(mean["se"]):
        first = label is not None and kind == KINDS[0]
        names = (MEAN, ONE) if first else (None, None)
        axes.errorbar(x, top, mean["se"], label=names[0], **ERROR_BAR)
        dots = [row["mean"] for row in select(rows, level="repeat")]
        axes.plot(np.full(len(dots), x - 0.25 * WIDTH), dots, label=names[1], **DOTS)
        top = np.nanmax([top + mean["se"], *dots])
    digits = DIGITS.get(mean["metric"], 2)
    value = f"{mean['mean']:.{digits}f}"
    text = value if np.isnan(mean["ratio"]) else f"×{mean['ratio']:.2f}"
    axes.annotate(text, (x, top), **ABOVE)


def _lines(axes: Any, rows: Rows) -> None:
    """The models without an attack: lines across, named in the right margin."""
    (clean,) = select(rows, kind="clean")
    axes.axhline(clean["mean"], color=INK, lw=1.6, zorder=3)
    if not np.isnan(clean["se"]):
        low, high = clean["mean"] - clean["se"], clean["mean"] + clean["se"]
        axes.axhspan(low, high, color=INK, alpha=0.15, lw=0, zorder=1)
    levels = [(clean["mean"], "no attack", INK)]
    names = MODELS[clean["metric"] != "rmse"]
    highest = OFF_SCALE * axes.get_ylim()[1]
    for name in BASELINES:
        (row,) = select(rows, attack=name)
        text = names[name]
        if row["mean"] > highest:
            text = f"{text}: {row['mean']:.3g} ↑"
        else:
            axes.axhline(row["mean"], color=GREY, lw=0.9, ls=(0, (5, 3)), zorder=3)
        levels.append((row["mean"], text, GREY))
    axes.set_ylim(0.0, axes.get_ylim()[1] * 1.04)
    _name_lines(axes, [level for level in levels if not np.isnan(level[0])])


def _name_lines(axes: Any, levels: list[tuple[float, str, str]]) -> None:
    if not levels:
        return
    levels = sorted(levels)
    top = axes.get_ylim()[1]
    places = spread([min(level, top) for level, _, _ in levels], 0.05 * top)
    for (level, name, colour), place in zip(levels, places, strict=True):
        leader = {"arrowstyle": "-", "color": colour, "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
        axes.annotate(
            name,
            (1.0, min(level, top)),
            xytext=(1.05, place),
            xycoords=axes.get_yaxis_transform(),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            color=colour,
            fontsize=9,
            arrowprops=leader if level <= top else None,
            annotation_clip=False,
        )


def spread(values: Sequence[float], gap: float) -> Array:
    """Move ascending values at least `gap` apart, none far, and none below half a gap."""
    places = np.maximum(np.asarray(values, dtype=float), 0.5 * gap)
    groups: list[list[float]] = []  # each a run of neighbours that touch
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _low(groups[-1], gap) < _high(groups[-2], gap) + gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    ladders = [_low(group, gap) + gap * np.arange(len(group)) for group in groups]
    return np.concatenate([np.zeros(0), *ladders])


def _low(group: list[float], gap: float) -> float:
    return max(float(np.mean(group)) - 0.5 * gap * (len(group) - 1), 0.5 * gap)


def _high(group: list[float], gap: float) -> float:
    return _low(group, gap) + gap * (len(group) - 1)
