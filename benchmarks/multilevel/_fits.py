"""The models of the benchmark: penalties by `NodeKFold` over training rows, predictions of others.

Every function takes training rows, targets and nodes, and rows and nodes to predict; features are
z-scores of training rows, and so are targets that are numbers.
"""

import warnings

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV

from skfedmtl import FMTLClassifierCV, FMTLRegressorCV
from skfedmtl.model_selection import NodeKFold

__all__ = ["GRIDS", "METHODS", "fit_all"]

METHODS = ("own", "pooled", "one-hot", "mixed", "FMTL", "FMTL with a common part")
FOLDS = 3
RIDGES = np.logspace(-2, 4, 7)  #: of pooled rows
LAMBDA0S = (None, 1e-2)
#: lambda1s and lambda2s, in steps of thirty, or of ten and less
GRIDS = {
    "coarse": ((1e-3, 3e-2, 1.0), (1e-3, 3e-2, 1.0)),
    "fine": ((1e-4, 1e-3, 1e-2, 0.1, 1.0), (1e-3, 1e-2, 0.1, 0.3, 1.0)),
}
OWN_LAMBDA2S = (1e-3, 1e-2, 0.1, 1.0)
#: sizes of the constant feature, of numbers and of classes; None: a free intercept
INTERCEPTS = {False: (None, 1.0, 5.0), True: (1.0, 5.0)}


def pooled(train, test, classify):
    """One model for all rows: predictions by name."""
    return _one_model(train[0], train, test[0], classify)


def one_hot(train, test, classify):
    """The same, with an indicator of every node among its features."""
    labels = np.unique(train[2])

    def rows(X, nodes):
        return np.column_stack([X, nodes[:, None] == labels])

    return _one_model(rows(train[0], train[2]), train, rows(*test), classify)


def _one_model(X, train, X_test, classify):
    _, y, nodes = train
    folds = list(NodeKFold(FOLDS).split(X, y, nodes=nodes))
    if classify:
        model = LogisticRegression(max_iter=1000)
        grid, scoring = {"C": 1.0 / RIDGES}, "neg_log_loss"
    else:
        model, grid, scoring = Ridge(), {"alpha": RIDGES}, None
    search = GridSearchCV(model, grid, cv=folds, scoring=scoring).fit(X, y)
    return search.predict(X_test)


def own(train, test, classify):
    """A ridge or logistic model a node."""
    grid = {"lambda1s": (0.0,), "lambda2s": OWN_LAMBDA2S, "relationship": "none"}
    return _best(_searches(train, classify, grid), test)


def federated(train, test, classify, grid):
    """Predictions without a common part and with one, if that is better; one search serves both."""
    lambda1s, lambda2s = GRIDS[grid]
    penalties = {"lambda0s": LAMBDA0S, "lambda1s": lambda1s, "lambda2s": lambda2s}
    searches = _searches(train, classify, penalties)
    return [_best(searches, test, train, plain=plain) for plain in (True, False)]


def _searches(train, classify, grid):
    """One for each size of the constant feature."""
    X, y, nodes = train
    given = {"cv": FOLDS, "random_state": 0, "tol": 1e-3, **grid}
    kind = FMTLClassifierCV if classify else FMTLRegressorCV
    if classify:
        given |= {"loss": "logistic", "scoring": "neg_log_loss"}
    return [
        kind(intercept_scaling=size, **given).fit(X, y, nodes=nodes)
        for size in INTERCEPTS[classify]
    ]


def _best(searches, test, train=None, *, plain=False):
    """Predictions by the best of all; if `plain`, of those without a common part."""
    best = max(searches, key=lambda search: _scores(search, plain).max())
    model = best.best_estimator_
    if plain:
        penalties = best.cv_results_["params"][int(_scores(best, plain).argmax())]
        model = clone(model).set_params(**penalties)
        model.fit(train[0], train[1], nodes=train[2])
    return model.predict(test[0], nodes=test[1])


def _scores(search, plain):
    results = search.cv_results_
    has_common = [point["lambda0"] is not None for point in results["params"]]
    return np.where(plain & np.array(has_common), -np.inf, results["mean_test_score"])


def mixed(train, test, classify, *, slopes):
    """`MixedLM` by REML: random intercepts, and slopes if the information criterion is for them.

    Classes are numbers 0 and 1 to it.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    X, y, nodes = train
    fixed = np.column_stack([np.ones(len(X)), X])
    choices = [fixed[:, :1]]
    if slopes:
        choices.append(fixed[:, [0, *(1 + at for at in slopes)]])
    found = []
    for random in choices:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                fit = MixedLM(y, fixed, nodes, random).fit(reml=True)
                effects = fit.random_effects
            except (np.linalg.LinAlgError, ValueError):
                continue
        k = random.shape[1]
        criterion = -2.0 * fit.llf + k * (k + 1)
        if np.isfinite(criterion):
            found.append((criterion, len(found), k, fit.fe_params, effects))
    *_, k, beta, effects = min(found, key=lambda one: one[:2])
    rows = np.column_stack([np.ones(len(test[0])), test[0]])
    at = [0] if k == 1 else [0, *(1 + place for place in slopes)]
    table = pd.DataFrame(effects).T.loc[test[1]].to_numpy()
    values = rows @ beta + np.sum(rows[:, at] * table, axis=1)
    return (values > 0.5).astype(int) if classify else values


def fit_all(train, test, classify, slopes, grid):
    """Predictions of the test rows by every method."""
    given = train, test, classify
    plain, common = federated(*given, grid)
    values = own(*given), pooled(*given), one_hot(*given), mixed(*given, slopes=slopes)
    return dict(zip(METHODS, (*values, plain, common), strict=True))
