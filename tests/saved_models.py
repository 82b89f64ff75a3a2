"""Models that a release has saved, for later ones to read: tests/saved, a folder a version.

``python tests/saved_models.py`` writes those of the installed version, once, at its release. Run it
with the oldest dependencies allowed: newer ones read what older ones wrote, and not always the
other way round.
"""

import pickle
from pathlib import Path

import numpy as np
import skops.io

import skfedmtl
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl.datasets import make_federated_classification, make_federated_regression

SAVED = Path(__file__).with_name("saved")

SHAPE = {"n_nodes": 3, "sizes": (8, 8), "n_features": 2, "random_state": 0}

#: Name -> rows, targets and nodes, and a model of them.
CASES = {
    "regressor": (make_federated_regression, FMTLRegressor(lambda0=0.1, random_state=0)),
    "classifier": (
        make_federated_classification,
        FMTLClassifier(loss="logistic", handle_unknown="mean", random_state=0),
    ),
}


def labelled(make):
    """Rows, targets, and nodes with words for labels."""
    X, y, nodes = make(return_X_y_nodes=True, **SHAPE)
    return X, y, np.array(["east", "north", "west"])[nodes]


def answers(name, model, X, nodes):
    """What a model says of rows."""
    said = {"predict": model.predict(X, nodes=nodes)}
    if name == "classifier":
        said["predict_proba"] = model.predict_proba(X, nodes=nodes)
    return said


def write(folder):
    """Fit the models, and write them with what they say."""
    folder.mkdir(parents=True)
    for name, (make, estimator) in CASES.items():
        X, y, nodes = labelled(make)
        model = estimator.fit(X, y, nodes=nodes)
        skops.io.dump(model, folder / f"{name}.skops")
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(model))
        np.savez(folder / f"{name}.npz", X=X, nodes=nodes, **answers(name, model, X, nodes))


if __name__ == "__main__":
    write(SAVED / skfedmtl.__version__)
