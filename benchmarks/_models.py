"""Models that are compared without an attack, what they are measured by, and their penalties.

Methods: ``fmtl``, `FMTLClassifier` (hinge) or `FMTLRegressor`; ``common``, the same with a common
part, or without; ``local``, one `LinearSVC` (hinge) or `Ridge` a node, one lambda for all,
C = 1/(2 lambda n_l), alpha = lambda n_l; ``global``, one of these on the rows of all nodes;
``constant``, each node's larger class, or mean.
"""

import warnings
from itertools import product
from typing import NamedTuple

import numpy as np
from _common import is_regression, make_scaler
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.svm import LinearSVC
from sklearn.utils.class_weight import compute_sample_weight

from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl.model_selection import NodeKFold

__all__ = ["METHODS", "Rows", "Setting", "fold_losses", "measure", "node_means", "predict"]

METHODS = ("local", "fmtl", "common", "global", "constant")
LAMBDA0 = (None, 1e-2, 1e-1, 1.0)  #: of a common part

#: Decision values closer than this many decimals are ties. Where a class is rare, the best
#: hinge weights of a node can be exactly zero: what a solver then leaves in w, below its
#: tolerance, would otherwise make up an AUC of its own.
DECIMALS = 3


class Setting(NamedTuple):
    """A data set, what is searched by, the grids, and how rough the fits of the search may be."""

    data: str
    measure: str
    lambda1: tuple[float, ...]
    lambda2: tuple[float, ...]
    lambda_: tuple[float, ...]
    balanced: bool = False
    search_tol: float = 1e-2

    def candidates(self, method):
        """The grid of a method: a list of dicts."""
        ties = [
            {"lambda1": one, "lambda2": two} for one, two in product(self.lambda1, self.lambda2)
        ]
        if method == "fmtl":
            return ties
        if method == "common":
            return [{"lambda0": zero, **tie} for zero in LAMBDA0 for tie in ties]
        return [{}] if method == "constant" else [{"lambda": value} for value in self.lambda_]

    def loss(self, measures):
        """What the search minimises."""
        value = measures[self.measure]
        return 1.0 - value if self.measure == "AUC" else value


class Rows(NamedTuple):
    """Rows with targets, weights and nodes."""

    X: np.ndarray
    y: np.ndarray
    nodes: np.ndarray

    def take(self, index):
        return Rows(self.X[index], self.y[index], self.nodes[index])


MAX_ROUNDS = 100  #: of a fit of the search


def fold_losses(setting, method, train, seed, fold, n_folds):
    """Loss of every candidate on one fold of the training rows, shuffled by the seed."""
    folds = NodeKFold(n_folds, shuffle=True, random_state=seed)
    inner, outer = list(folds.split(train.X, train.y, nodes=train.nodes))[fold]
    train, held_out = train.take(inner), train.take(outer)
    options = {"tol": setting.search_tol, "max_iter": MAX_ROUNDS}
    candidates = setting.candidates(method)
    found = [measure(setting, method, one, train, held_out, options) for one in candidates]
    return [setting.loss(measures) for measures in found]


def measure(setting, method, choice, train, test, options):
    """Scale, fit on `train`, predict `test`, measure; `options` are those of an fmtl fit."""
    scaler = make_scaler()
    X_train, X_test = scaler.fit_transform(train.X), scaler.transform(test.X)
    weight = np.ones(len(X_train))
    if setting.balanced:
        weight = compute_sample_weight("balanced", train.y)
    regression = is_regression(setting.data)
    train, test = train._replace(X=X_train), test._replace(X=X_test)
    values, extra = predict(method, choice, train, test, regression, weight, options)
    return {**node_means(values, test, regression), **extra}


# -- methods: numbers, or decision values: whose positive sign means class 1, or one a class


def predict(method, choice, train, test, regression, weight=None, options=(), fit_intercept=True):
    """Values for the rows of `test`, and what else is known of the fit."""
    weight = np.ones(len(train.y)) if weight is None else weight
    with warnings.catch_warnings():
        # of rough fits in the search and of liblinear; the table shows the final gap
        warnings.simplefilter("ignore", ConvergenceWarning)
        if method in ("fmtl", "common"):
            options = {**choice, **dict(options), "fit_intercept": fit_intercept}
            return _fmtl(train, test, weight, regression, options)
        common = regression, fit_intercept, *choice.values()
        if method == "global":
            return _linear(train, test, weight, *common), {}
        model = _constant if method == "constant" else _linear
        return _by_node(model, train, test, weight, *common), {}


def _fmtl(train, test, weight, regression, options):
    estimator = FMTLRegressor if regression else FMTLClassifier
    model = estimator(**options, random_state=0)
    model.fit(train.X, train.y, nodes=train.nodes, sample_weight=weight)
    call = model.predict if regression else model.decision_function
    return call(test.X, nodes=test.nodes), {"gap": model.dual_gap_ / model.objective_}


def _linear(train, test, weight, regression, fit_intercept, strength):
    common = {"fit_intercept": fit_intercept}
    if regression:
        model = Ridge(alpha=strength * weight.sum(), **common)
        return model.fit(train.X, train.y, sample_weight=weight).predict(test.X)
    C = 1.0 / (2.0 * strength * weight.sum())
    model = LinearSVC(loss="hinge", C=C, tol=1e-4, max_iter=5000, random_state=0, **common)
    return model.fit(train.X, train.y, sample_weight=weight).decision_function(test.X)


def _constant(train, test, weight, regression, fit_intercept):
    if not regression and train.y.max() > 1:
        return np.tile(np.bincount(train.y, weights=weight), (len(test.X), 1))
    mean = np.average(train.y, weights=weight)
    return np.full(len(test.X), mean if regression else mean - 0.5)


def _by_node(model, train, test, weight, *common):
    values = None
    for label in np.unique(test.nodes):
        here, there = train.nodes == label, test.nodes == label
        own = model(train.take(here), test.take(there), weight[here], *common)
        if values is None:
            values = np.empty((len(test.X), *own.shape[1:]))
        values[there] = own
    return values


# -- measures -----------------------------------------------------------------------------


def node_means(values, test, regression):
    """Means over the nodes; AUC and balanced error of two classes, over nodes with both."""
    measures = []
    for label in np.unique(test.nodes):
        own = test.nodes == label
        if regression:
            measures.append({"RMSE": np.sqrt(np.mean((values[own] - test.y[own]) ** 2))})
        else:
            measures.append(_class_measures(test.y[own], values[own]))
    return {key: float(np.nanmean([one[key] for one in measures])) for key in measures[0]}


def _class_measures(y, decision):
    if decision.ndim == 2:
        return {"error %": 100.0 * np.mean(decision.argmax(axis=1) != y)}
    predicted = (decision > 0).astype(int)
    both = len(np.unique(y)) == 2
    return {
        "error %": 100.0 * np.mean(predicted != y),
        "balanced %": 100.0 * (1.0 - balanced_accuracy_score(y, predicted)) if both else np.nan,
        "AUC": roc_auc_score(y, decision.round(DECIMALS)) if both else np.nan,
    }
