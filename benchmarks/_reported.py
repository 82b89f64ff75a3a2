"""Data sets of `skfedmtl report` with its losses and penalties, as several benchmarks take them."""

import numpy as np
from _common import make_scaler

from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl._report.data import DATASETS, is_classification
from skfedmtl.model_selection import train_test_split_nodes

__all__ = ["reported_rows", "reported_victim", "row_losses"]


def reported_rows(name, draw, data_home):
    """Rows, targets and nodes to fit to, and those held out, a quarter of every node.

    Rows are z-scores of the former ones.
    """
    split = train_test_split_nodes(*DATASETS[name].load(data_home), random_state=draw)
    scaler = make_scaler().fit(split[0])
    train, test = split[::2], split[1::2]
    return (scaler.transform(train[0]), *train[1:]), (scaler.transform(test[0]), *test[1:])


def reported_victim(name, y, **params):
    """The victim of the report, with parameters of one's own."""
    known = DATASETS[name]
    params = {"lambda1": known.lambda1, "lambda2": known.lambda2, **params}
    if is_classification(y):
        return FMTLClassifier(loss=known.loss, **params)
    return FMTLRegressor(**params)


def row_losses(model, X, y, nodes):
    """Of every row, in the unit that is certified."""
    if not is_classification(y):
        return np.square(model.predict(X, nodes=nodes) - y)
    signs = np.where(y == model.classes_[1], 1.0, -1.0)
    hinge = np.maximum(0.0, 1.0 - signs * model.decision_function(X, nodes=nodes))
    return np.square(hinge) if model.loss == "squared_hinge" else hinge
