"""The experiment behind ``skfedmtl report``, in independent pieces of work.

A repetition is a split into training and test rows, a draw of target nodes, the models without an
attack, six attacks on those targets, and what no attack exceeds. Any number of processes gives the
same numbers, but for bounds whose seconds were over.
"""

import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from skfedmtl._estimators import FMTLClassifier, FMTLRegressor
from skfedmtl._report.choices import ATTACKS
from skfedmtl._report.data import Labels, Own, is_classification
from skfedmtl._report.own_poisoner import set_up, shared
from skfedmtl._report.prepared import fill_missing
from skfedmtl._tools.sklearn import last_step
from skfedmtl._typing import Array
from skfedmtl.attack import BasePoisoner, DamageBound, PoisoningAttacker, RandomPoisoner
from skfedmtl.metrics import row_losses
from skfedmtl.model_selection import train_test_split_nodes

Mask = NDArray[np.bool_]

KINDS = ("random", "optimised")
CERTIFIED = "certified"  #: the kind of what no attack exceeds
BASELINES = ("constant", "local", "global")


class Settings(NamedTuple):
    """What the user asked for."""

    dataset: str
    repeats: int
    budget: float
    seed: int
    max_iter: int
    lambda1: float
    lambda2: float
    loss: str = "hinge"  #: of the victim
    bound_iter: int = 200
    lambda0: float | None = None
    bounds_of: str = "first"  #: repetitions, of `BOUNDS_OF`
    bound_seconds: float | None = None  #: for each bound
    own_loss: Any = None  #: of the victim, where users have brought one; `loss` is its name
    poisoner: Any = None  #: of users, in the place of optimised attacks; it says its own steps

    @property
    def attacker(self) -> str:
        """What the users' poisoner is called; nothing of the package's."""
        return "" if self.poisoner is None else type(self.poisoner).__name__


class Threat(NamedTuple):
    """Which attacks are tried, on whom, and through whom."""

    attacks: tuple[str, ...] = ATTACKS
    targets: Sequence[Any] | None = None  #: None: half of the nodes, drawn
    sources: Sequence[Any] | None = None  #: of attacks that are not direct; None: drawn
    bound: bool = True
    remedies: bool = True  #: whether to try what may reduce the damage
    #: of each repetition the targets, None where an attacker draws them
    drawn: tuple[tuple[Any, ...] | None, ...] = ()


class Piece(NamedTuple):
    """A piece of work: the models without an attack (kind "clean"), one attack, or its bound.

    Any other kind is an optimised attack with settings of its own, or if it begins with
    "certified", the bound of one.
    """

    repeat: int
    attack: str
    kind: str


class Injected(NamedTuple):
    """The rows that an attack injected into a user's table, and clean ones of the same nodes."""

    X: Array
    y: Labels
    nodes: Labels
    origin: NDArray[np.intp]  #: positions in the table of the clean rows they come from, or -1
    clean: Array


class Nodes(NamedTuple):
    """The nodes and their rows."""

    labels: Labels
    n_train: NDArray[np.int64]
    n_test: NDArray[np.int64]
    test: NDArray[np.intp]  #: positions of the test rows among all
    codes: NDArray[np.int64]  #: of the test rows, positions among the nodes


class Result(NamedTuple):
    """One model of one repetition."""

    repeat: int
    attack: str  #: an attack, "none", or the name of a baseline
    kind: str  #: "baseline", "clean", "random", "optimised", "certified" or what was changed
    scores: dict[str, Array]  #: by metric; one a node, NaN where there is none; none certified
    targets: Mask | None  #: mask of the target nodes, for attacks and bounds
    seconds: float
    loss: float = np.nan  #: mean clean training loss of the targets; its root for numbers
    clean_loss: float = np.nan  #: the same without an attack, of bounds
    constant: Mask | None = None  #: mask of the nodes whose model is, of federated models
    warnings: tuple[str, ...] = ()
    injected: Injected | None = None  #: of optimised attacks on a user's table
    nodes: Nodes | None = None  #: of the clean model
    row_losses: Array | None = None  #: of test rows, behind the first of the scores
    before: dict[str, Array] | None = None  #: of optimised attacks, the victim's scores without
    stopped: bool = False  #: whether the seconds of a bound were over


class Split(NamedTuple):
    """Scaled training and test rows."""

    X: Array
    X_test: Array
    y: Labels
    y_test: Labels
    nodes: Labels
    nodes_test: Labels
    labels: Labels  #: of all nodes, sorted
    raw: Array  #: training rows that are not scaled
    rows: NDArray[np.intp]  #: positions of the training rows among all
    rows_test: NDArray[np.intp]

    @property
    def classify(self) -> bool:
        return is_classification(self.y)


def pieces(
    repeats: int,
    threat: Threat = Threat(),  # noqa: B008, a constant
    bounds_of: str = "all",
) -> list[Piece]:
    """All pieces of work, one repetition after the other; in each what takes longest first."""
    work = []
    for r in range(repeats):
        certified, optimised, random = (
            [Piece(r, a, kind) for a in threat.attacks]
            for kind in (CERTIFIED, "optimised", "random")
        )
        is_bounded = threat.bound and (r == 0 or bounds_of == "all")
        work += (certified if is_bounded else []) + optimised
        work += [Piece(r, "none", "clean"), *random]
    return work


def split_seeds(settings: Settings, repeat: int) -> tuple[int, int]:
    """The seeds of a repetition: of its split, and of its attacks."""
    seeds = np.random.SeedSequence(settings.seed).generate_state(2 * settings.repeats)
    split_seed, threat_seed = (int(seed) for seed in seeds.reshape(-1, 2)[repeat])
    return split_seed, threat_seed


def run_piece(
    piece: Piece,
    X: Array,
    y: Labels,
    nodes: Labels,
    settings: Settings,
    threat: Threat = Threat(),  # noqa: B008, a constant
    own: Own | None = None,
) -> list[Result]:
    """Do one piece of work; the same numbers in any process."""
    split_seed, threat_seed = split_seeds(settings, piece.repeat)
    # one thread: sums are taken in the same order however many processes share the cores
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        split = split_rows(X, y, nodes, split_seed, own)
        if piece.kind == "clean":
            results = _without_attack(piece.repeat, split, settings)
        else:
            options = _threat(piece, settings, threat, threat_seed)
            run = _bound if piece.kind.startswith(CERTIFIED) else _attack
            results = [run(piece, split, settings, options, own)]
    messages = tuple(dict.fromkeys(str(warning.message) for warning in caught))
    return [result._replace(warnings=messages) for result in results]


def split_rows(X: Array, y: Labels, nodes: Labels, seed: int, own: Own | None = None) -> Split:
    """Training and test rows without missing values, scaled."""
    given = np.arange(len(X)), y, nodes
    rows, others, *parts = train_test_split_nodes(*given, random_state=seed)
    y_train, y_test, nodes_train, nodes_test = parts
    X_train, X_test = X[rows], X[others]
    if own is None:
        imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(X_train)
        X_train, X_test = imputer.transform(X_train), imputer.transform(X_test)
    else:
        X_train, X_test = fill_missing(X_train, X_test, own)
    scaler = StandardScaler().fit(X_train)
    scaled = scaler.transform(X_train), scaler.transform(X_test)
    labels = np.unique(nodes)
    return Split(*scaled, y_train, y_test, nodes_train, nodes_test, labels, X_train, rows, others)


def make_victim(split: Split, settings: Settings) -> FMTLClassifier | FMTLRegressor:
    options = {
        "lambda0": settings.lambda0,
        "lambda1": settings.lambda1,
        "lambda2": settings.lambda2,
        "tol": 1e-8,
        "random_state": settings.seed,
    }
    own = settings.own_loss
    if split.classify:
        return FMTLClassifier(loss=settings.loss if own is None else own, **options)
    return FMTLRegressor(loss="squared_error" if own is None else own, **options)


def _threat(piece: Piece, settings: Settings, threat: Threat, seed: int) -> dict[str, Any]:
    """What the attackers of a repetition and their bound have in common: the same draws."""
    options = {"attack": piece.attack, "budget": settings.budget, "random_state": seed}
    options |= shared(settings.poisoner)
    drawn = threat.drawn[piece.repeat] if threat.drawn else None
    targets = drawn if threat.targets is None else threat.targets
    if targets is not None:
        options["target_nodes"] = list(targets)
    if threat.sources is not None and piece.attack != "direct":
        options["source_nodes"] = list(threat.sources)
    return options


def _attack(
    piece: Piece, split: Split, settings: Settings, options: dict[str, Any], own: Own | None
) -> Result:
    X, victim = split.X, make_victim(split, settings)
    if own is not None:  # rows are crafted in the units of the table
        X, victim = split.raw, make_pipeline(StandardScaler(), victim)
        # of these rows only ranges are asked: the ball, which changes with units, holds them all
        corner = float(np.linalg.norm(np.abs(X).max(axis=0)))
        options = {**options, **own.limits, "radius": 1.01 * max(corner, 1.0)}
    poisoner: BasePoisoner
    if piece.kind == "random":
        poisoner = RandomPoisoner(victim, **options)
    elif settings.poisoner is not None:
        poisoner = set_up(settings.poisoner, victim, options)
    else:
        poisoner = PoisoningAttacker(victim, max_iter=settings.max_iter, **options)
    start = time.perf_counter()
    poisoner.fit(X, split.y, nodes=split.nodes)
    seconds = time.perf_counter() - start
    targets = np.isin(split.labels, poisoner.target_nodes_)
    model = last_step(poisoner.estimator_)
    loss = _per_target(poisoner.objective_, targets, split, settings)
    constant = _constant(model, split)
    scores = score_nodes(model, split)
    result = Result(*piece, scores, targets, seconds, loss, constant=constant)
    result = result._replace(row_losses=losses_of(model, split))
    if piece.kind == "random":
        return result
    result = result._replace(before=score_nodes(last_step(poisoner.clean_estimator_), split))
    if own is None or piece.kind != "optimised":
        return result
    return result._replace(injected=_injected(poisoner, split, own))


def _injected(poisoner: BasePoisoner, split: Split, own: Own) -> Injected:
    """The rows of an attack, with positions that count all rows of the table."""
    origin = poisoner.poison_origin_
    known = origin >= 0
    return Injected(
        poisoner.poison_X_,
        poisoner.poison_y_,
        poisoner.poison_nodes_,
        np.where(known, own.rows[split.rows[np.where(known, origin, 0)]], -1),
        split.raw[np.isin(split.nodes, poisoner.source_nodes_)],
    )


def _bound(
    piece: Piece, split: Split, settings: Settings, options: dict[str, Any], own: Own | None
) -> Result:
    if own is not None:
        options = options | {"radius": _reach(split, own)}
    limits = {"max_iter": settings.bound_iter, "max_seconds": settings.bound_seconds}
    limits["tol"] = min(getattr(settings.poisoner, "victim_tol", 1e-5), 1e-5)
    bound = DamageBound(make_victim(split, settings), **limits, **options)
    start = time.perf_counter()
    bound.fit(split.X, split.y, nodes=split.nodes)
    seconds = time.perf_counter() - start
    targets = np.isin(split.labels, bound.target_nodes_)
    loss, clean = (
        _per_target(total, targets, split, settings)
        for total in (bound.upper_bound_, bound.clean_objective_)
    )
    return Result(*piece, {}, targets, seconds, loss, clean, stopped=bound.stopped_early_)


def _reach(split: Split, own: Own) -> float:
    """The norm, of scaled rows, that none exceeds whose columns are in the range of its node."""
    groups = [list(column.places) for column in own.columns if column.categories is not None]
    numbers = [column.places[0] for column in own.columns if column.categories is None]
    ones = [split.X[:, group] ** 2 for group in groups]
    # every 1 of a group comes with the zeros of the others
    dummies = sum(float(part.sum(axis=1).max()) for part in ones)
    boxes = [
        np.abs(split.X[split.nodes == label][:, numbers]).max(axis=0) for label in split.labels
    ]
    return (1.0 + 1e-9) * float(np.sqrt(dummies + max(np.sum(box**2) for box in boxes)))


def _per_target(objective: float, targets: Mask, split: Split, settings: Settings) -> float:
    """The mean of a sum over the targets; of squares its root, in the unit of the targets."""
    mean = objective / np.count_nonzero(targets)
    is_squared = not split.classify and settings.own_loss is None
    return float(np.sqrt(mean)) if is_squared else mean


def _without_attack(repeat: int, split: Split, settings: Settings) -> list[Result]:
    constant = DummyClassifier(strategy="most_frequent") if split.classify else DummyRegressor()
    linear = LinearSVC(max_iter=10_000, random_state=settings.seed) if split.classify else Ridge()
    models: dict[str, Any] = {
        "constant": _PerNode(constant, constant),
        "local": _PerNode(linear, constant),
        "global": _Pooled(linear),
        "none": make_victim(split, settings),
    }
    results = []
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(split.X, split.y, nodes=split.nodes)
        seconds = time.perf_counter() - start
        kind = "clean" if name == "none" else "baseline"
        constant = _constant(model, split)
        scores = score_nodes(model, split)
        result = Result(repeat, name, kind, scores, None, seconds, constant=constant)
        result = result._replace(row_losses=losses_of(model, split))
        results.append(result._replace(nodes=_nodes(split) if kind == "clean" else None))
    return results


def _nodes(split: Split) -> Nodes:
    n_train, n_test = (
        np.array([np.count_nonzero(nodes == label) for label in split.labels])
        for nodes in (split.nodes, split.nodes_test)
    )
    codes = np.searchsorted(split.labels, split.nodes_test)
    return Nodes(split.labels, n_train, n_test, split.rows_test, codes)


class _Pooled:
    """One model for all rows."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def fit(self, X: Array, y: Labels, *, nodes: Labels | None) -> None:
        self._model.fit(X, y)

    def predict(self, X: Array, *, nodes: Labels | None) -> Labels:
        return self._model.predict(X)

    def decision_function(self, X: Array, *, nodes: Labels | None) -> Array:
        # a constant has no decision values: its answer ranks the rows as well as any
        return getattr(self._model, "decision_function", self._model.predict)(X)


class _PerNode:
    """A model a node; where a node has one class, the constant."""

    def __init__(self, model: Any, constant: Any) -> None:
        self._model, self._constant = model, constant

    def fit(self, X: Array, y: Labels, *, nodes: Labels) -> None:
        self._models: dict[Any, _Pooled] = {}
        for label in np.unique(nodes):
            rows = nodes == label
            single = is_classification(y) and len(np.unique(y[rows])) == 1
            model = _Pooled(clone(self._constant if single else self._model))
            model.fit(X[rows], y[rows], nodes=None)
            self._models[label] = model

    def predict(self, X: Array, *, nodes: Labels) -> Labels:
        return self._collect("predict", X, nodes)

    def decision_function(self, X: Array, *, nodes: Labels) -> Array:
        return self._collect("decision_function", X, nodes)

    def _collect(self, method: str, X: Array, nodes: Labels) -> Array:
        answer = np.empty(len(X))
        for label in np.unique(nodes):
            rows = nodes == label
            answer[rows] = getattr(self._models[label], method)(X[rows], nodes=None)
        return answer


def score_nodes(model: Any, split: Split) -> dict[str, Array]:
    """The scores of each node's test rows, by metric."""
    predicted = model.predict(split.X_test, nodes=split.nodes_test)
    values = predicted
    if split.classify:
        values = model.decision_function(split.X_test, nodes=split.nodes_test)
    metrics = {"error": _error, "auc": _auc} if split.classify else {"rmse": _rmse}
    scores = {name: np.full(len(split.labels), np.nan) for name in metrics}
    constant = _constant(model, split)
    if constant is not None:
        # how such a model ranks rows is rounding
        values = np.where(np.isin(split.nodes_test, split.labels[constant]), 0.0, values)
    for code, label in enumerate(split.labels):
        rows = split.nodes_test == label
        if rows.any():
            for name, metric in metrics.items():
                scores[name][code] = metric(split.y_test[rows], predicted[rows], values[rows])
    return scores


def losses_of(model: Any, split: Split) -> Array:
    """Of every test row, with which errors and their intervals are made."""
    predicted = model.predict(split.X_test, nodes=split.nodes_test)
    losses: Array = row_losses(split.y_test, predicted, split.classify)
    return losses


def _constant(model: Any, split: Split) -> Mask | None:
    """The nodes whose model is constant, for models that know."""
    known = getattr(model, "is_constant_", None)
    return None if known is None else np.isin(split.labels, model.nodes_[known])


def _rmse(y: Array, predicted: Array, values: Array) -> float:
    return np.sqrt(np.mean(np.square(y - predicted)))


def _error(y: Labels, predicted: Labels, values: Array) -> float:
    return 100.0 * float(np.mean(y != predicted))


def _auc(y: Labels, predicted: Labels, values: Array) -> float:
    return roc_auc_score(y, values) if len(np.unique(y)) == 2 else np.nan
