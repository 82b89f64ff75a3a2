"""Settings, methods and measures of ``clean_error.py``, in a module that workers can import."""

import time
import warnings
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
from _common import is_regression, load_rows, make_scaler
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.svm import LinearSVC
from sklearn.utils.class_weight import compute_sample_weight

from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl.model_selection import NodeKFold, train_test_split_nodes

__all__ = ["METHODS", "SETTINGS", "fit_final", "fit_fold", "numbered"]

METHODS = ("local", "fmtl", "global", "constant")

FINAL_TOL = 1e-5
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
        if method == "fmtl":
            grid = product(self.lambda1, self.lambda2)
            return [{"lambda1": one, "lambda2": two} for one, two in grid]
        return [{}] if method == "constant" else [{"lambda": value} for value in self.lambda_]

    def loss(self, measures):
        """What the search minimises."""
        value = measures[self.measure]
        return 1.0 - value if self.measure == "AUC" else value


DECADES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
HALF_DECADES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
PARKINSONS = (1e-4, 1e-3, 1e-2), (1e-2, 3e-2, 1e-1), HALF_DECADES
SETTINGS = {
    # smaller lambdas cost minutes a fit and gain nothing
    "human_activity": Setting(
        "human_activity", "error %", (1e-3, 3e-3, 1e-2, 3e-2), (1e-3, 1e-2), DECADES
    ),
    "landmine": Setting("landmine", "error %", DECADES[:3], DECADES[:3], DECADES),
    "landmine balanced": Setting(
        "landmine", "AUC", DECADES[1:], DECADES[1:4], DECADES, balanced=True
    ),
    "parkinsons_total": Setting("parkinsons_total", "RMSE", *PARKINSONS, search_tol=1e-3),
    "parkinsons_motor": Setting("parkinsons_motor", "RMSE", *PARKINSONS, search_tol=1e-3),
    "heart_disease": Setting("heart_disease", "error %", DECADES[:4], DECADES[1:4], DECADES),
}
MAX_ROUNDS = 100  #: of a fit of the search


class Rows(NamedTuple):
    """Rows with targets, weights and nodes."""

    X: np.ndarray
    y: np.ndarray
    nodes: np.ndarray

    def take(self, index):
        return Rows(self.X[index], self.y[index], self.nodes[index])


@lru_cache(maxsize=2)
def _split(data, seed, data_home):
    """Training and test rows, in the units of the source."""
    parts = train_test_split_nodes(*load_rows(data, data_home), test_size=0.25, random_state=seed)
    return Rows(*parts[::2]), Rows(*parts[1::2])


def numbered(number, call):
    """The number and the result of a call; jobs come back in any order."""
    function, arguments = call
    return number, function(*arguments)


def fit_fold(name, method, seed, fold, n_folds, data_home):
    """Loss of every candidate on one fold of the training rows, and its processor time."""
    setting = SETTINGS[name]
    train, _ = _split(setting.data, seed, data_home)
    folds = NodeKFold(n_folds, shuffle=True, random_state=seed)
    inner, outer = list(folds.split(train.X, train.y, nodes=train.nodes))[fold]
    train, held_out = train.take(inner), train.take(outer)
    options = {"tol": setting.search_tol, "max_iter": MAX_ROUNDS}
    start = time.process_time()
    losses = []
    for choice in setting.candidates(method):
        measures = _measure(setting, method, choice, train, held_out, options)
        losses.append(setting.loss(measures))
    return losses, time.process_time() - start


def fit_final(name, method, seed, choice, data_home):
    """Measures of a choice on the test rows, and its processor time."""
    setting = SETTINGS[name]
    train, test = _split(setting.data, seed, data_home)
    start = time.process_time()
    measures = _measure(setting, method, choice, train, test, {"tol": FINAL_TOL})
    return measures, time.process_time() - start


def _measure(setting, method, choice, train, test, options):
    """Fit on `train`, predict `test`, measure."""
    scaler = make_scaler()
    X_train, X_test = scaler.fit_transform(train.X), scaler.transform(test.X)
    weight = np.ones(len(X_train))
    if setting.balanced:
        weight = compute_sample_weight("balanced", train.y)
    regression = is_regression(setting.data)
    train, test = train._replace(X=X_train), test._replace(X=X_test)
    with warnings.catch_warnings():
        # of rough fits in the search and of liblinear; the table shows the final gap
        warnings.simplefilter("ignore", ConvergenceWarning)
        if method == "fmtl":
            values, extra = _fmtl(train, test, weight, regression, choice, options)
        elif method == "global":
            values, extra = _linear(train, test, weight, regression, choice["lambda"]), {}
        else:
            model = _constant if method == "constant" else _linear
            values, extra = _by_node(model, train, test, weight, regression, *choice.values()), {}
    return {**_node_means(values, test, regression), **extra}


# -- methods: numbers, or decision values whose positive sign means class 1 ---------------


def _fmtl(train, test, weight, regression, choice, options):
    estimator = FMTLRegressor if regression else FMTLClassifier
    model = estimator(**choice, **options, random_state=0)
    model.fit(train.X, train.y, nodes=train.nodes, sample_weight=weight)
    call = model.predict if regression else model.decision_function
    return call(test.X, nodes=test.nodes), {"gap": model.dual_gap_ / model.objective_}


def _linear(train, test, weight, regression, strength):
    if regression:
        model = Ridge(alpha=strength * weight.sum())
        return model.fit(train.X, train.y, sample_weight=weight).predict(test.X)
    C = 1.0 / (2.0 * strength * weight.sum())
    model = LinearSVC(loss="hinge", C=C, tol=1e-4, max_iter=5000, random_state=0)
    return model.fit(train.X, train.y, sample_weight=weight).decision_function(test.X)


def _constant(train, test, weight, regression):
    mean = np.average(train.y, weights=weight)
    return np.full(len(test.X), mean if regression else mean - 0.5)


def _by_node(model, train, test, weight, regression, *strength):
    values = np.empty(len(test.X))
    for label in np.unique(test.nodes):
        here, there = train.nodes == label, test.nodes == label
        part = model(train.take(here), test.take(there), weight[here], regression, *strength)
        values[there] = part
    return values


# -- measures -----------------------------------------------------------------------------


def _node_means(values, test, regression):
    """Means over the nodes; AUC and balanced error over those with both classes."""
    measures = []
    for label in np.unique(test.nodes):
        own = test.nodes == label
        if regression:
            measures.append({"RMSE": np.sqrt(np.mean((values[own] - test.y[own]) ** 2))})
        else:
            measures.append(_class_measures(test.y[own], values[own]))
    return {key: float(np.nanmean([one[key] for one in measures])) for key in measures[0]}


def _class_measures(y, decision):
    predicted = (decision > 0).astype(int)
    both = len(np.unique(y)) == 2
    return {
        "error %": 100.0 * np.mean(predicted != y),
        "balanced %": 100.0 * (1.0 - balanced_accuracy_score(y, predicted)) if both else np.nan,
        "AUC": roc_auc_score(y, decision.round(DECIMALS)) if both else np.nan,
    }
