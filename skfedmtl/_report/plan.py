"""What a report is about and how it is made: a bundled data set, or a table of the user."""

import multiprocessing
import signal
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from skfedmtl._input import listing
from skfedmtl._report.data import DATASETS, Data, Own, TableError, is_classification
from skfedmtl._report.experiment import (
    Piece,
    Result,
    Settings,
    Threat,
    pieces,
    run_piece,
    split_rows,
    split_seeds,
)
from skfedmtl._report.penalties import N_FOLDS, choose_penalties
from skfedmtl._report.prepared import Prepared
from skfedmtl._report.remedies import remedy_pieces
from skfedmtl._report.rotation import rotate
from skfedmtl._tools.parallel import call_each
from skfedmtl._tools.spelling import meant


class Plan(NamedTuple):
    """All that is known before the work."""

    data: Data
    settings: Settings
    threat: Threat
    title: str
    unit: str | None  #: of the target, in regression
    nodes: str  #: what they are, in the plural
    notes: tuple[str, ...] = ()
    own: Own | None = None

    @property
    def classify(self) -> bool:
        return is_classification(self.data[1])

    def repetitions(self, count: int) -> list[Piece]:
        """The pieces of work of the first so many repetitions."""
        return pieces(count, self.threat, self.settings.bounds_of)

    @property
    def work(self) -> list[tuple[Piece, Settings]]:
        """All pieces of work, each with its settings."""
        some = self.repetitions(self.settings.repeats)
        same = [(piece, self.settings) for piece in some]
        return same + remedy_pieces(self.settings, self.threat)


def plan_dataset(
    name: str,
    home: str | None,
    settings: Settings,
    threat: Threat,
    penalties: tuple[float | None, float | None],
) -> Plan:
    """A report on a bundled data set, with its own penalties where none are given."""
    dataset = DATASETS[name]
    data = dataset.load(home)
    lambda1, lambda2 = penalties
    settings = settings._replace(
        lambda1=dataset.lambda1 if lambda1 is None else lambda1,
        lambda2=dataset.lambda2 if lambda2 is None else lambda2,
        loss=dataset.loss if is_classification(data[1]) else "squared_error",
    )
    asked, threat = threat, check_threat(threat, np.unique(data[2]))
    notes = _of_targets(asked, threat)
    threat = rotate(data, settings, threat)
    return Plan(data, settings, threat, dataset.title, dataset.unit, dataset.nodes, notes)


def plan_table(
    name: str,
    prepared: Prepared,
    settings: Settings,
    threat: Threat,
    penalties: tuple[float | None, float | None],
) -> Plan:
    """A report on a user's table, with penalties chosen on training rows where none are given."""
    X, y, nodes, own = prepared
    asked, threat = threat, check_threat(threat, np.unique(nodes))
    settings = settings._replace(loss=_name_of_loss(settings.own_loss, is_classification(y)))
    notes = own.notes + _of_targets(asked, threat)
    with threadpool_limits(1):
        split = split_rows(X, y, nodes, split_seeds(settings, 0)[0], own)
        lambda1, lambda2 = choose_penalties(split, settings, *penalties)
    if None in penalties:
        notes += (f"penalties chosen by {N_FOLDS}-fold cross-validation of training rows",)
    settings = settings._replace(lambda1=lambda1, lambda2=lambda2)
    threat = rotate((X, y, nodes), settings, threat)
    title = f"{own.target} in {name}"
    if own.classes is not None:
        title = f"{own.target} in {name}, {own.classes[1]!r} against {own.classes[0]!r}"
    unit = None if own.classes is not None else own.target
    return Plan((X, y, nodes), settings, threat, title, unit, f"nodes ({own.node})", notes, own)


def _name_of_loss(own: Any, classify: bool) -> str:
    """That of the package's loss for such targets, or of the users' own, if it is of these."""
    if own is None:
        return "hinge" if classify else "squared_error"
    name = type(own).__name__
    if bool(own.is_regression) == classify:
        kinds = "classes", "numbers"
        raise TableError(
            f"loss: {name} is of {kinds[classify]}, the target of {kinds[not classify]}"
        )
    return name


def check_threat(threat: Threat, labels: np.ndarray) -> Threat:
    """Targets and sources as labels of nodes; what no attack could start with is refused.

    Where sources alone are named, all others are targets.
    """
    by_word = {str(label): label for label in labels.tolist()}
    for option in ("targets", "sources"):
        for word in getattr(threat, option) or ():
            if str(word) not in by_word:
                among = listing(labels) + meant(word, by_word)
                raise TableError(f"{option}: no node {word!r} among {among}")
    targets, sources = (
        None if some is None else tuple(by_word[word] for word in dict.fromkeys(map(str, some)))
        for some in (threat.targets, threat.sources)
    )
    if targets is None and sources is not None and set(threat.attacks) != {"direct"}:
        targets = tuple(label for label in by_word.values() if label not in sources) or None
    if "indirect" in threat.attacks:
        _check_indirect(targets, sources, len(labels))
    return threat._replace(targets=targets, sources=sources)


def _check_indirect(targets: Sequence[Any] | None, sources: Sequence[Any] | None, m: int) -> None:
    """Refuse nodes through which no indirect attack goes."""
    advice = "leave {} out, or ask for direct and hybrid attacks"
    if sources is not None and len(sources) == m:
        raise TableError(
            "sources: all nodes are, which leaves no target for an indirect attack; "
            + advice.format("one")
        )
    if targets is not None and len(targets) == m:
        raise TableError(
            "targets: an indirect attack needs a node that is no target; " + advice.format("one")
        )
    both = [str(one) for one in sources or () if one in (targets or ())]
    if both:
        raise TableError(
            f"sources: {both[0]!r} is a target, through which an indirect attack does not go; "
            + advice.format("it")
        )


def _of_targets(asked: Threat, threat: Threat) -> tuple[str, ...]:
    """That targets are those that are no sources, if nobody has named them."""
    if asked.targets is not None or threat.targets is None:
        return ()
    return (f"targets: all nodes but the sources, {listing(np.array(threat.sources))}",)


def run(plan: Plan, n_jobs: int | None) -> Iterator[list[Result]]:
    """Do all pieces of work; the results of each, as they come."""
    common = plan.data, plan.threat, plan.own
    options = {"return_as": "generator", "batch_size": 1}
    yield from call_each(_run_piece, common, plan.work, n_jobs=n_jobs, **options)


def _run_piece(
    data: Data, threat: Threat, own: Own | None, piece: Piece, settings: Settings
) -> list[Result]:
    _leave_interrupts_to_the_parent()
    return run_piece(piece, *data, settings, threat, own)


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C reaches joblib's workers as well, which the process that started them ends.

    Between two pieces of work nobody would catch it there.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and multiprocessing.current_process().name.startswith("LokyProcess"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def cut(plan: Plan, done: list[list[Result]]) -> tuple[Plan, list[list[Result]]]:
    """The plan of the repetitions that were finished, and their results, of work that ended early.

    Whatever is no part of a repetition comes behind them all.
    """
    asked = plan.settings.repeats
    ends = [len(plan.repetitions(count)) for count in range(asked + 1)]
    repeats = bisect_right(ends, len(done)) - 1
    note = f"interrupted: {repeats} of {asked} repetitions were finished"
    if repeats == asked:
        note = "interrupted: not all that may reduce the damage was tried"
    else:
        done = done[: ends[repeats]]
    settings = plan.settings._replace(repeats=repeats)
    return plan._replace(settings=settings, notes=(*plan.notes, note)), done


def header(plan: Plan, results: Sequence[Result]) -> tuple[str, ...]:
    """What was done: the data set, the data, the settings, and what else there is to say."""
    X, _, nodes = plan.data
    settings = plan.settings
    n_targets = next(int(r.targets.sum()) for r in results if r.targets is not None)
    common = "" if settings.lambda0 is None else f"lambda0 = {settings.lambda0:g}, "
    repetitions = "1 repetition" if settings.repeats == 1 else f"{settings.repeats} repetitions"
    return (
        f"Data poisoning: {plan.title}",
        f"{len(np.unique(nodes))} {plan.nodes}, {n_targets} of them attacked; "
        f"{X.shape[0]} rows, {X.shape[1]} features",
        f"budget {100 * settings.budget:g} % of the sources' rows, {repetitions}, "
        f"{settings.loss.replace('_', ' ')}, "
        f"{common}lambda1 = {settings.lambda1:g}, lambda2 = {settings.lambda2:g}",
        _attacker(settings),
        *plan.notes,
        *_late(results, settings),
    )


def _attacker(settings: Settings) -> str:
    """Whose the optimised attacks are, or how long the package's take."""
    if settings.attacker:
        return f"optimised attacks: by the given poisoner, {settings.attacker}"
    return f"optimised attacks of at most {settings.max_iter} steps (max-iter)"


def _late(results: Sequence[Result], settings: Settings) -> Iterator[str]:
    """That bounds are no lower for want of time."""
    late = [result for result in results if result.stopped]
    if late:
        attacks = " and ".join(dict.fromkeys(result.attack for result in late))
        yield (
            f"bounds: the {settings.bound_seconds:g} seconds were over ({attacks}); what is "
            "certified holds all the same, and would be lower with more of them"
        )
