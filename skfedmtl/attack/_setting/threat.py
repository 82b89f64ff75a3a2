"""Who is attacked, through whom, with how many rows, and where those start."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skfedmtl._input import as_unique_labels, kind_name, listing
from skfedmtl._tools.spelling import meant
from skfedmtl._typing import Array

ATTACKS = ("direct", "indirect", "hybrid")


@dataclass(frozen=True)
class Threat:
    """Codes of the target and source nodes, and the rows injected into each source."""

    targets: NDArray[np.int64]
    sources: NDArray[np.int64]
    counts: NDArray[np.int64]


def draw_threat(
    attack: str,
    target_nodes: Any,
    source_nodes: Any,
    budget: float,
    labels: NDArray[Any],
    n_rows: NDArray[np.int64],
    rng: np.random.Generator,
    judged: NDArray[np.bool_] | None = None,
) -> Threat:
    """Choose targets and sources among the nodes that have rows, and count the rows.

    Drawn targets are ``judged``, or without it of two rows or more where there are such nodes: what
    an attack does to a node can be measured if a row of it is held out.
    """
    present = np.flatnonzero(n_rows > 0)
    sources = None if source_nodes is None else _codes(source_nodes, "source_nodes", labels, n_rows)
    if isinstance(target_nodes, float | np.floating):
        if sources is not None and attack == "direct":
            candidates = sources
            count = len(sources)
        else:
            others = present
            if sources is not None and attack == "indirect":
                others = np.setdiff1d(present, sources)
            candidates = _measurable(others, n_rows, judged)
            count = min(max(1, _whole_share(target_nodes, len(present))), len(candidates))
        if count == 0:
            raise ValueError(
                "`source_nodes` leaves no node for the targets of an indirect attack"
                + (" of which a row is held out." if judged is not None else ".")
            )
        targets = np.sort(rng.choice(candidates, count, replace=False))
    else:
        targets = _codes(target_nodes, "target_nodes", labels, n_rows)
    if sources is None:
        sources = _draw_sources(attack, targets, present, rng)
    else:
        _check_overlap(attack, targets, sources, labels)
    return Threat(targets, sources, _counts(budget, n_rows[sources]))


def _measurable(
    candidates: NDArray[np.int64],
    n_rows: NDArray[np.int64],
    judged: NDArray[np.bool_] | None,
) -> NDArray[np.int64]:
    """The candidates of which rows can be held out, or are."""
    if judged is not None:
        return candidates[judged[candidates]]
    several = candidates[n_rows[candidates] > 1]
    return several if len(several) else candidates


def _whole_share(share: Any, n: int) -> int:
    """floor(share * n), forgiving the rounding of the share's own dtype."""
    slack = 4.0 * float(np.finfo(np.asarray(share).dtype).eps)
    return int(np.floor(float(share) * n * (1.0 + slack)))


def _codes(
    chosen: Any, name: str, labels: NDArray[Any], n_rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Positions of the chosen labels; all must be nodes that have rows."""
    if isinstance(chosen, Real):
        raise ValueError(
            f"`{name}` must be a share as a float or a list of labels; got {chosen!r}."
        )
    chosen = as_unique_labels(chosen, name)
    if chosen.dtype.kind != labels.dtype.kind:
        raise ValueError(
            f"`{name}` holds {kind_name(chosen)}, but the nodes are labelled by "
            f"{kind_name(labels)}: {listing(labels)}."
        )
    known = {label: code for code, label in enumerate(labels.tolist()) if n_rows[code] > 0}
    unknown = [label for label in chosen.tolist() if label not in known]
    if unknown:
        raise ValueError(
            f"`{name}` holds labels that no row has: {unknown}; allowed are "
            f"{listing(labels[n_rows > 0])}{meant(unknown, known)}."
        )
    return np.sort(np.array([known[label] for label in chosen.tolist()], dtype=np.int64))


def _draw_sources(
    attack: str,
    targets: NDArray[np.int64],
    present: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """As many sources as targets: the targets, others, or (hybrid) some of both kinds."""
    others = np.setdiff1d(present, targets)
    if attack == "direct":
        return targets
    if attack == "indirect":
        if len(others) == 0:
            unsaid = (
                " All rows are of one node: say whose they are by `nodes`, or name the column of X "
                "that does as `node_column`."
            )
            raise ValueError(
                "`target_nodes` takes every node, which leaves no source for an indirect attack."
                + (unsaid if len(present) == 1 else "")
            )
        return np.sort(rng.choice(others, min(len(targets), len(others)), replace=False))
    if len(others) == 0 or len(present) < 3:
        return np.sort(rng.choice(present, len(targets), replace=False))
    # one of each kind first, the rest from all; a single target gets a second source
    pair = np.array([rng.choice(targets), rng.choice(others)])
    rest = np.setdiff1d(present, pair)
    more = rng.choice(rest, min(max(len(targets) - 2, 0), len(rest)), replace=False)
    return np.sort(np.concatenate([pair, more]))


def by_influence(
    threat: Threat, attack: str, budget: float, n_rows: NDArray[np.int64], influence: Array
) -> Threat:
    """The same with as many sources of the most influence: (m,); of equals those that were drawn.

    A hybrid attack keeps one of either kind.
    """
    present = np.flatnonzero(n_rows > 0)
    is_drawn = np.isin(present, threat.sources)
    ranked = present[np.lexsort((~is_drawn, -influence[present]))]
    others = ranked[~np.isin(ranked, threat.targets)]
    if attack == "indirect":
        ranked = others
    elif len(others) and len(threat.sources) > 1:
        first = ranked[np.isin(ranked, threat.targets)][0], others[0]
        ranked = np.concatenate([first, ranked[~np.isin(ranked, first)]])
    sources = np.sort(ranked[: len(threat.sources)])
    return Threat(threat.targets, sources, _counts(budget, n_rows[sources]))


def _counts(budget: float, n_rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows to inject, by those of the sources."""
    counts = np.floor(budget * n_rows + 0.5).astype(np.int64)
    return np.maximum(counts, 1) if budget > 0 else counts


def _check_overlap(
    attack: str,
    targets: NDArray[np.int64],
    sources: NDArray[np.int64],
    labels: NDArray[Any],
) -> None:
    shared = np.intersect1d(targets, sources)
    if attack == "direct" and not np.array_equal(targets, sources):
        others = "attack='hybrid'" if len(shared) else "attack='indirect' or attack='hybrid'"
        raise ValueError(
            "`source_nodes` must equal `target_nodes` in a direct attack, got sources "
            f"{listing(labels[sources])} and targets {listing(labels[targets])}; for such sources "
            f"pass {others}."
        )
    if attack == "indirect" and len(shared):
        raise ValueError(
            "`source_nodes` must have no node in common with `target_nodes` in an indirect "
            f"attack, got {listing(labels[shared])}; for such sources pass attack='hybrid'."
        )


def draw_rows(
    codes: NDArray[np.int64], threat: Threat, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Clean rows of each source, drawn with replacement: where the injected rows start."""
    drawn = [
        rng.choice(np.flatnonzero(codes == source), count, replace=True)
        for source, count in zip(threat.sources, threat.counts, strict=True)
    ]
    return np.concatenate(drawn).astype(np.intp)


def draw_distinct_rows(
    codes: NDArray[np.int64], threat: Threat, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Clean rows of each source, none a second time before all of the source have been drawn."""
    drawn = []
    for source, count in zip(threat.sources, threat.counts, strict=True):
        mine = np.flatnonzero(codes == source)
        rounds = [rng.permutation(mine) for _ in range(-(-count // len(mine)))]
        drawn.append(np.concatenate([mine[:0], *rounds])[:count])
    return np.concatenate(drawn).astype(np.intp)


def draw_class_labels(
    kind: str, drawn: NDArray[np.int64], n_classes: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Class codes of the injected rows, from the codes of the rows they were drawn from."""
    if kind == "keep":
        return drawn
    if kind == "random":
        return rng.integers(n_classes, size=len(drawn))
    # flip: one of the other classes
    return (drawn + rng.integers(1, n_classes, size=len(drawn))) % n_classes


def draw_targets(
    kind: str,
    drawn: Array,
    low: Array,
    high: Array,
    rng: np.random.Generator,
    *,
    whole: bool = False,
) -> Array:
    """Real targets of the injected rows; `low` and `high` are their nodes' clean ranges.

    Where targets are `whole` numbers, each of the range is as likely as another.
    """
    if kind == "keep":
        return drawn
    if kind == "random" and whole:
        return np.minimum(np.floor(rng.uniform(low, high + 1.0)), high)
    if kind == "random":
        return rng.uniform(low, high)
    # extreme: the farther end of the range
    return np.where(drawn - low > high - drawn, low, high)
