"""What the searches for penalties share: folds, a path of warm starts in each, the best fit."""

from __future__ import annotations

import inspect
import warnings
from functools import wraps
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from skfedmtl._estimators import NodeCovarianceMixin, what_helps, whole_or_not_at_all
from skfedmtl._input import check_nodes, n_rows, read_weights, split_node_column, take
from skfedmtl._tools.doc_link import DocLinkMixin
from skfedmtl._tools.parallel import call_each
from skfedmtl._tools.sklearn import StrOptions
from skfedmtl._typing import Array
from skfedmtl.model_selection._path import read_penalties, walk
from skfedmtl.model_selection._split import NodeKFold

__all__ = ["PenaltySearch"]

#: what a scorer may ask for, and is not to know the nodes of
_METHODS = ("predict", "decision_function", "predict_proba", "predict_log_proba")


class _AtNodes:
    """A fitted model and the nodes of the rows to score, for scorers that know no nodes."""

    def __init__(self, model: Any, nodes: Any) -> None:
        self._model, self._nodes = model, nodes

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._model, name)
        if name not in _METHODS:
            return value
        return wraps(value)(lambda X, **given: value(X, **{"nodes": self._nodes, **given}))


class PenaltySearch(NodeCovarianceMixin, DocLinkMixin, BaseEstimator):
    """A plain estimator with lists in the place of its penalties."""

    __metadata_request__fit = {"nodes": True}
    __metadata_request__predict = {"nodes": True}
    __metadata_request__decision_function = {"nodes": True}
    __metadata_request__score = {"nodes": True}

    lambda0s: Any
    lambda1s: Any
    lambda2s: Any
    cv: Any
    scoring: Any
    refit: bool
    n_jobs: Any
    node_column: Any
    random_state: Any
    solver: str
    _plain: ClassVar[type[Any]]  #: the estimator that is fitted

    _search_constraints: ClassVar[dict[str, list[Any]]] = {
        "lambda0s": [None, "array-like"],
        "lambda1s": ["array-like"],
        "lambda2s": ["array-like"],
        "cv": [None, Integral, "cv_object"],
        "scoring": [None, StrOptions(set(get_scorer_names())), callable],
        "refit": ["boolean"],
    }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _search(self, X: Any, y: Any, nodes: Any, sample_weight: Any) -> None:
        """Set all that a fit sets."""
        grid = {
            name: read_penalties(getattr(self, f"{name}s"), f"{name}s")
            for name in ("lambda0", "lambda1", "lambda2")
        }
        seed = self.random_state
        if not isinstance(seed, Integral):  # the same in every fold
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        with whole_or_not_at_all(self):
            rows = self._read_rows(X, y, nodes, sample_weight, seed)
            path = walk(grid)
            folds = (
                (self._model(random_state=seed, warm_start=True), fold)
                for fold in self._folds(*rows[:3])
            )
            common = path, rows, self.scoring
            found = call_each(_score_path, common, folds, n_jobs=self.n_jobs)
            self._warn_if_short(sum(short for _, short in found), len(found) * len(path))
            table = np.array([scores for scores, _ in found]).T
            scores = {_key(point): line for point, line in zip(path, table, strict=True)}
            self.cv_results_ = _results(list(ParameterGrid(grid)), scores)
            self.best_index_ = int(self.cv_results_["rank_test_score"].argmin())
            self.best_params_ = self.cv_results_["params"][self.best_index_]
            self.best_score_ = float(self.cv_results_["mean_test_score"][self.best_index_])
            for name, value in self.best_params_.items():
                setattr(self, f"{name}_", value)
            if self.refit:
                best = self._model(random_state=seed, **self.best_params_)
                self.best_estimator_ = best.fit(X, y, nodes=nodes, sample_weight=sample_weight)
                self._show_best()

    def _show_best(self) -> None:
        """Let the fitted attributes of the best estimator be the search's as well."""
        for name, value in vars(self.best_estimator_).items():
            if name.endswith("_"):
                setattr(self, name, value)

    def _model(self, **params: Any) -> Any:
        """The plain estimator with the parameters that both have, and these."""
        known = inspect.signature(self._plain).parameters.keys() - {"n_jobs"}
        given = {
            name: value for name, value in self.get_params(deep=False).items() if name in known
        }
        return self._plain(**{**given, **params})

    def _read_rows(self, X: Any, y: Any, nodes: Any, sample_weight: Any, seed: int) -> Any:
        """Rows, targets, nodes and weights that a fit would take, and the nodes to be passed on."""
        if sample_weight is not None:
            sample_weight = read_weights(sample_weight, X)
        labels = nodes
        if self.node_column is not None and nodes is None:
            labels = split_node_column(X, self.node_column)[1]
        model = self._model(random_state=seed, lambda2=1.0)
        _, targets, *_ = model._check_fit(X, y, nodes, sample_weight)
        n = n_rows(targets, "y")
        labels = np.zeros(n, dtype=int) if labels is None else check_nodes(labels, n)
        X = X if hasattr(X, "shape") else np.asarray(X)
        return X, targets, labels, sample_weight, nodes is not None

    def _folds(self, X: Any, y: Any, labels: NDArray[Any]) -> list[Any]:
        cv: Any = 5 if self.cv is None else self.cv
        if isinstance(cv, Integral):
            n_splits = int(cv)
            if len(y) < max(n_splits, 2):
                raise ValueError(
                    f"`cv`={n_splits} folds need as many rows, or two; X has n_samples={len(y)}."
                )
            cv = NodeKFold(n_splits)
        if isinstance(cv, NodeKFold):
            return list(cv.split(X, y, nodes=labels))
        return list(check_cv(cv).split(X, y, labels))

    def _warn_if_short(self, short: int, n_fits: int) -> None:
        if short:
            warnings.warn(
                f"{short} of the {n_fits} fits of the search stopped after max_iter rounds, before "
                f"their duality gap met tol. {what_helps(self.solver, min(self.lambda2s))}",
                ConvergenceWarning,
                stacklevel=5,
            )

    def add_nodes(self, X: Any, y: Any, *, nodes: Any = None, sample_weight: Any = None) -> Any:
        """Add nodes to the best estimator.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of the new nodes.
        y : array-like of shape (n_samples,)
            Their targets.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row; or the column `node_column`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows within their node.

        Returns
        -------
        self : object
            As `FMTLRegressor.add_nodes`.
        """
        self._best().add_nodes(X, y, nodes=nodes, sample_weight=sample_weight)
        self._show_best()
        return self

    def remove_nodes(
        self, labels: Any, X: Any, y: Any, *, nodes: Any = None, sample_weight: Any = None
    ) -> Any:
        """Fit the best estimator anew without some nodes, with the penalties that were found.

        Parameters
        ----------
        labels : array-like of shape (n_removed,)
            Nodes that are to go.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows of the fit.
        y : array-like of shape (n_samples,)
            Their targets.
        nodes : array-like of shape (n_samples,), default=None
            The node of each row; or the column `node_column`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows within their node.

        Returns
        -------
        changes : DataFrame
            As of `FMTLRegressor.remove_nodes`.
        """
        changes = self._best().remove_nodes(labels, X, y, nodes=nodes, sample_weight=sample_weight)
        for name in ("added_nodes_", "added_dual_gap_"):
            if hasattr(self, name):
                delattr(self, name)
        self._show_best()
        return changes

    def _best(self) -> Any:
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_

    @property
    def feature_importances_(self) -> Array:
        """Those of the best estimator."""
        importances: Array = self._best().feature_importances_
        return importances


def _score_path(
    path: list[dict[str, Any]], rows: Any, scoring: Any, model: Any, fold: Any
) -> tuple[list[float], int]:
    """The score of every point on the rows to test, and how many fits stopped short."""
    X, y, labels, weight, is_routed = rows
    train, test = fold
    nodes = labels if is_routed else None
    own, held_out = (
        (take(X, part), y[part], _part(nodes, part), _part(weight, part)) for part in (train, test)
    )
    scores, short = [], 0
    # one thread: sums are taken in the same order however many processes share the cores
    with threadpool_limits(1):
        fits = model._fit_path(path, own[0], own[1], nodes=own[2], sample_weight=own[3])
        for solutions in fits:
            short += model.tol > 0 and not all(one.converged for one in solutions)
            scores.append(_score(model, *held_out, scoring))
    return scores, short


def _part(values: Any, rows: NDArray[np.intp]) -> Any:
    return None if values is None else values[rows]


def _score(model: Any, X: Any, y: Any, nodes: Any, weight: Any, scoring: Any) -> float:
    if scoring is None:
        return float(model.score(X, y, nodes=nodes, sample_weight=weight))
    scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
    if nodes is None:
        return float(scorer(model, X, y))
    asked = {"nodes": nodes} if _asks_for_nodes(scorer) else {}
    return float(scorer(_AtNodes(model, nodes), X, y, **asked))


def _asks_for_nodes(scorer: Any) -> bool:
    """Whether a scorer wants them beside the model, where metadata is routed."""
    if not hasattr(scorer, "get_metadata_routing"):
        return False
    return bool(scorer.get_metadata_routing().consumes("score", {"nodes"}))


def _key(point: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(point[name] for name in ("lambda0", "lambda1", "lambda2"))


def _results(points: list[dict[str, Any]], scores: dict[Any, Array]) -> dict[str, Any]:
    """As those of scikit-learn's searches."""
    table = np.array([scores[_key(point)] for point in points])
    results: dict[str, Any] = {
        f"param_{name}": np.ma.array([point[name] for point in points], dtype=object)
        for name in points[0]
    }
    results["params"] = points
    for number, column in enumerate(table.T):
        results[f"split{number}_test_score"] = column.copy()
    mean = table.mean(axis=1)
    results["mean_test_score"], results["std_test_score"] = mean, table.std(axis=1)
    known = np.where(np.isnan(mean), -np.inf, mean)
    results["rank_test_score"] = rankdata(-known, method="min").astype(np.int32)
    return results
