"""The experiment behind ``skfedmtl report``, in independent pieces of work.

A repetition is a split into training and test rows, a draw of target nodes, the models without an
attack, six attacks on those targets, and what no attack exceeds. Any number of processes gives the
same numbers.
"""

import time
import warnings
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
from skfedmtl._report.data import Labels, is_classification
from skfedmtl._typing import Array
from skfedmtl.attack import DamageBound, PoisoningAttacker, RandomPoisoner
from skfedmtl.model_selection import train_test_split_nodes

Mask = NDArray[np.bool_]

ATTACKS = ("direct", "indirect", "hybrid")
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


class Piece(NamedTuple):
    """A piece of work: the models without an attack (kind "clean"), one attack, or its bound."""

    repeat: int
    attack: str
    kind: str


class Result(NamedTuple):
    """One model of one repetition."""

    repeat: int
    attack: str  #: an attack, "none", or the name of a baseline
    kind: str  #: "baseline", "clean", "random", "optimised" or "certified"
    scores: dict[str, Array]  #: by metric; one a node, NaN where there is none; none certified
    targets: Mask | None  #: mask of the target nodes, for attacks and bounds
    seconds: float
    loss: float = np.nan  #: mean clean training loss of the targets; its root for numbers
    clean_loss: float = np.nan  #: the same without an attack, of bounds
    constant: Mask | None = None  #: mask of the nodes whose model is, of federated models
    warnings: tuple[str, ...] = ()


class Split(NamedTuple):
    """Scaled training and test rows."""

    X: Array
    X_test: Array
    y: Labels
    y_test: Labels
    nodes: Labels
    nodes_test: Labels
    labels: Labels  #: of all nodes, sorted

    @property
    def classify(self) -> bool:
        return is_classification(self.y)


def pieces(repeats: int) -> list[Piece]:
    """All pieces of work, those that take longest first."""
    certified, optimised, random = (
        [Piece(r, a, kind) for r in range(repeats) for a in ATTACKS]
        for kind in (CERTIFIED, "optimised", "random")
    )
    return certified + optimised + [Piece(r, "none", "clean") for r in range(repeats)] + random


def run_piece(piece: Piece, X: Array, y: Labels, nodes: Labels, settings: Settings) -> list[Result]:
    """Do one piece of work; the same numbers in any process."""
    seeds = np.random.SeedSequence(settings.seed).generate_state(2 * settings.repeats)
    split_seed, threat_seed = (int(seed) for seed in seeds.reshape(-1, 2)[piece.repeat])
    # one thread: sums are taken in the same order however many processes share the cores
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        split = _split(X, y, nodes, split_seed)
        if piece.kind == "clean":
            results = _without_attack(piece.repeat, split, settings)
        elif piece.kind == CERTIFIED:
            results = [_bound(piece, split, settings, threat_seed)]
        else:
            results = [_attack(piece, split, settings, threat_seed)]
    messages = tuple(dict.fromkeys(str(warning.message) for warning in caught))
    return [result._replace(warnings=messages) for result in results]


def _split(X: Array, y: Labels, nodes: Labels, seed: int) -> Split:
    *parts, nodes_train, nodes_test = train_test_split_nodes(X, y, nodes, random_state=seed)
    X_train, X_test, y_train, y_test = parts
    scaler = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    ).fit(X_train)
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    return Split(X_train, X_test, y_train, y_test, nodes_train, nodes_test, np.unique(nodes))


def _victim(split: Split, settings: Settings) -> FMTLClassifier | FMTLRegressor:
    options = {
        "lambda1": settings.lambda1,
        "lambda2": settings.lambda2,
        "tol": 1e-8,
        "random_state": settings.seed,
    }
    if split.classify:
        return FMTLClassifier(loss=settings.loss, **options)
    return FMTLRegressor(**options)


def _threat(piece: Piece, settings: Settings, seed: int) -> dict[str, Any]:
    """What the attackers of a repetition and their bound have in common: the same draws."""
    return {"attack": piece.attack, "budget": settings.budget, "random_state": seed}


def _attack(piece: Piece, split: Split, settings: Settings, seed: int) -> Result:
    options = _threat(piece, settings, seed)
    poisoner: RandomPoisoner | PoisoningAttacker
    if piece.kind == "random":
        poisoner = RandomPoisoner(_victim(split, settings), **options)
    else:
        poisoner = PoisoningAttacker(
            _victim(split, settings), max_iter=settings.max_iter, **options
        )
    start = time.perf_counter()
    poisoner.fit(split.X, split.y, nodes=split.nodes)
    seconds = time.perf_counter() - start
    targets = np.isin(split.labels, poisoner.target_nodes_)
    victim = poisoner.estimator_
    loss = _per_target(poisoner.objective_, targets, split)
    constant = _constant(victim, split)
    scores = _scores(victim, split)
    return Result(*piece, scores, targets, seconds, loss, constant=constant)


def _bound(piece: Piece, split: Split, settings: Settings, seed: int) -> Result:
    bound = DamageBound(
        _victim(split, settings), max_iter=settings.bound_iter, **_threat(piece, settings, seed)
    )
    start = time.perf_counter()
    bound.fit(split.X, split.y, nodes=split.nodes)
    seconds = time.perf_counter() - start
    targets = np.isin(split.labels, bound.target_nodes_)
    loss, clean = (
        _per_target(total, targets, split) for total in (bound.upper_bound_, bound.clean_objective_)
    )
    return Result(*piece, {}, targets, seconds, loss, clean)


def _per_target(objective: float, targets: Mask, split: Split) -> float:
    """The mean of a sum over the targets; of squares its root, in the unit of the targets."""
    mean = objective / np.count_nonzero(targets)
    return mean if split.classify else float(np.sqrt(mean))


def _without_attack(repeat: int, split: Split, settings: Settings) -> list[Result]:
    constant = DummyClassifier(strategy="most_frequent") if split.classify else DummyRegressor()
    linear = LinearSVC(max_iter=10_000, random_state=settings.seed) if split.classify else Ridge()
    models: dict[str, Any] = {
        "constant": _PerNode(constant, constant),
        "local": _PerNode(linear, constant),
        "global": _Pooled(linear),
        "none": _victim(split, settings),
    }
    results = []
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(split.X, split.y, nodes=split.nodes)
        seconds = time.perf_counter() - start
        kind = "clean" if name == "none" else "baseline"
        constant = _constant(model, split)
        scores = _scores(model, split)
        results.append(Result(repeat, name, kind, scores, None, seconds, constant=constant))
    return results


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


def _scores(model: Any, split: Split) -> dict[str, Array]:
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
