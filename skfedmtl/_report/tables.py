"""The rows of ``skfedmtl report``: every repetition of every model, their means, and tables."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from skfedmtl._report.by_node import NO_NODE, Row, node_rows, ratio_of
from skfedmtl._report.choices import ATTACKS
from skfedmtl._report.experiment import (
    BASELINES,
    CERTIFIED,
    KINDS,
    Mask,
    Result,
    Settings,
)

Rows = list[Row]  #: of the CSV file

FOUND = "found"  #: the kind of the attack of a repetition that raised the training loss most
NAMES = {"rmse": "RMSE", "error": "error", "auc": "AUC"}  #: of the metrics of test rows
LOSSES = ("root_loss", "loss")  #: the metrics of training rows, of numbers and of classes
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  #: what begins a cell that spreadsheets run
DIGITS = {"auc": 3, "loss": 3}  #: where two are too few: 0.997 is not 1.00
MODELS = {  # by whether the target is a class
    False: {
        "constant": "own mean",
        "local": "local ridge",
        "global": "global ridge",
        "none": "federated MTL",
    },
    True: {
        "constant": "own majority",
        "local": "local SVM",
        "global": "global SVM",
        "none": "federated MTL",
    },
}


def summarise(results: list[Result], settings: Settings, unit: str | None) -> Rows:
    """The rows of the CSV file: each model's repetitions, and their mean.

    Parameters
    ----------
    results : list of Result
        All models of all repetitions.
    settings : Settings
        What was asked for; repeated in every row.
    unit : str or None
        Unit of the target, in regression.

    Returns
    -------
    rows : list of dict
        ``level`` is "repeat", "aggregate" or "node", whose rows are means of one node's test rows
        over the repetitions in which it was a target, with an interval; ``nodes`` says whether
        ``mean`` is over all nodes or the target nodes. The metrics ``root_loss`` and ``loss`` are
        of the clean training rows, the others of test rows. The kind "found" is the attack with the
        largest training loss of a repetition, "certified" what none exceeds; means of losses, and
        of "found", are over the repetitions that have bounds, if any has. ``ratio`` is to the
        clean model on the same nodes of the same repetitions; ``se`` is the standard error of the
        repetitions' means; ``constant`` the share of nodes whose federated model answers alike for
        every row, so that its AUC is 0.5.
    """
    units = {"rmse": unit, "error": "%", "auc": "", "root_loss": unit, "loss": ""}
    loss = loss_metric(settings)
    certified = {result.repeat for result in results if result.kind == CERTIFIED}
    bounded = certified or {result.repeat for result in results}
    results = _with_losses(results)
    clean = {result.repeat: result for result in results if result.kind == "clean"}
    targets = {result.repeat: result.targets for result in results if result.targets is not None}
    rows: Rows = []
    for group in _groups(results):
        for nodes, metric in _judged_by(group[0], loss):
            head: Row = {"nodes": nodes, "metric": metric, "unit": units[metric]}
            some = [one for one in group if metric not in LOSSES or not np.isnan(one.loss)]
            compared = metric in LOSSES or group[0].kind == FOUND
            meant = [one for one in some if one.repeat in bounded or not compared]
            means = _Means(clean, targets, nodes, metric)
            found = [*means.each(some), means.together(meant)]
            rows += [{**head, **row, **NO_NODE} for row in found]
    rows += node_rows(results, units, settings.seed)
    tail = {**settings._asdict(), "version": version("skfedmtl")}
    del tail["own_loss"], tail["poisoner"]  # the former is named by `loss`
    return [{"dataset": settings.dataset, **row, **tail} for row in rows]


def loss_metric(settings: Settings) -> str:
    """In which of `LOSSES` training rows are told."""
    return LOSSES[settings.loss != "squared_error"]


def _with_losses(results: list[Result]) -> list[Result]:
    """The same and the best attacks found; the clean models with their loss on the targets."""
    certified = {result.repeat: result for result in results if result.kind == CERTIFIED}
    found: dict[tuple[int, str], Result] = {}
    for result in results:
        key = result.repeat, result.attack
        if result.kind in KINDS and (key not in found or result.loss > found[key].loss):
            found[key] = result._replace(kind=FOUND)
    whole = [
        result._replace(loss=certified[result.repeat].clean_loss)
        if result.kind == "clean" and result.repeat in certified
        else result
        for result in results
    ]
    return whole + list(found.values())


def _judged_by(result: Result, loss: str) -> Iterator[tuple[str, str]]:
    """The nodes and the metric of everything that is known of a model."""
    for nodes in ("all", "targets") if result.targets is None else ("targets",):
        yield from ((nodes, metric) for metric in result.scores)
    if not np.isnan(result.loss):
        yield "targets", loss


def _groups(results: list[Result]) -> Iterator[list[Result]]:
    """The repetitions of each model, in the order of the report."""
    names = [(name, "baseline") for name in BASELINES] + [("none", "clean")]
    names += [(attack, kind) for attack in ATTACKS for kind in (*KINDS, FOUND, CERTIFIED)]
    for name in names:
        group = [result for result in results if (result.attack, result.kind) == name]
        if group:
            yield sorted(group, key=lambda result: result.repeat)


class _Means(NamedTuple):
    """What the rows of one metric over some nodes are made of."""

    clean: dict[int, Result]  #: by repetition
    targets: dict[int, Mask]
    nodes: str
    metric: str

    def each(self, group: list[Result]) -> Iterator[Row]:
        """One row a repetition."""
        for result in group:
            mean, reference = self._values(result)
            yield {
                "attack": result.attack,
                "kind": result.kind,
                "level": "repeat",
                "repeat": result.repeat,
                "mean": mean,
                "se": np.nan,
                "ratio": ratio_of(self.metric, mean, reference),
                "seconds": result.seconds,
                "constant": _share(result.constant, self._mask(result)),
            }

    def together(self, group: list[Result]) -> Row:
        """Their mean."""
        means, base = zip(*map(self._values, group), strict=True)
        mean = _mean(means)
        return {
            "attack": group[0].attack,
            "kind": group[0].kind,
            "level": "aggregate",
            "repeat": "",
            "mean": mean,
            "se": np.std(means, ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan,
            "ratio": ratio_of(self.metric, mean, _mean(base)),
            "seconds": np.mean([result.seconds for result in group]),
            "constant": _mean([_share(result.constant, self._mask(result)) for result in group]),
        }

    def _values(self, result: Result) -> tuple[float, float]:
        """The mean over the nodes, and that of the clean model."""
        mask = self._mask(result)
        one, other = (_value(r, self.metric, mask) for r in (result, self.clean[result.repeat]))
        return one, other

    def _mask(self, result: Result) -> Mask:
        if self.nodes == "all":
            return np.full(len(self.targets[result.repeat]), True)
        return self.targets[result.repeat] if result.targets is None else result.targets


def _value(result: Result, metric: str, mask: Mask) -> float:
    """The mean over these nodes; losses are of the targets as they are."""
    return result.loss if metric in LOSSES else _mean(result.scores[metric], mask)


def _mean(values: ArrayLike, mask: ArrayLike = True) -> float:
    some = np.asarray(values)[np.broadcast_to(mask, np.shape(values))]
    known = some[~np.isnan(some)]
    return float(np.mean(known)) if len(known) else np.nan


def _share(constant: Mask | None, mask: Mask) -> float:
    """The share of these nodes whose model is constant; NaN for models that do not know."""
    return np.nan if constant is None else float(np.mean(constant[mask]))


def select(rows: Rows, **wanted: Any) -> Rows:
    """The rows that have all the wanted entries."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def attacks_of(rows: Rows) -> list[str]:
    """The attacks that were tried, in their order."""
    return [attack for attack in ATTACKS if select(rows, attack=attack)]


def to_csv(rows: Rows) -> bytes:
    """The rows as CSV; an empty field is a value that does not exist.

    Words that a spreadsheet would run get an apostrophe before them.
    """
    return as_csv([list(rows[0]), *(list(row.values()) for row in rows)])


def as_csv(lines: Sequence[Sequence[Any]]) -> bytes:
    """Lines of cells as CSV."""
    return "".join(f"{','.join(map(_field, line))}\n" for line in lines).encode()


def _field(value: Any) -> str:
    """A value in quotes where it needs them; Python's own writer forgets a carriage return."""
    text = "" if value is None or value != value else str(value)
    if isinstance(value, str) and text.startswith(FORMULAS) and not _is_number(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if any(one in text for one in ',"\r\n') else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
