"""The two ways in which the paper's attacks are run: as the paper does, and as one would measure.

==============  =====================================  =====================================
..              paper                                  honest
==============  =====================================  =====================================
features        min-max, to [0, 1], over all rows      z-scores of the training rows
intercept       none                                   yes
radius          largest norm of all rows               largest norm of the source's rows
lambda1, 2      1e-3 each                              by `NodeKFold` on the training rows
==============  =====================================  =====================================

A seed draws the split of every node's rows (75 % to fit, 25 % to test), the targets (half of the
nodes, rounded down), the sources, the rows that attacks start from and the order in which a solver
visits rows. The rows of ``endad_like`` are made, always the same, by
`skfedmtl.datasets.make_endad_like`: they have the shape of EndAD, which is private, and say nothing
about it.
"""

import hashlib
from functools import lru_cache

import numpy as np
from _common import LAMBDA1, LAMBDA2, is_regression, load_rows, make_scaler
from _models import Rows, Setting
from sklearn.preprocessing import minmax_scale

import skfedmtl
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.datasets import make_endad_like
from skfedmtl.model_selection import train_test_split_nodes

__all__ = [
    "ATTACKS",
    "DATA",
    "LAMBDAS",
    "NAMES",
    "PROTOCOLS",
    "PUBLIC",
    "SETTINGS",
    "STAMP",
    "STEPS",
    "load",
    "make_attack",
    "min_max",
    "split",
    "steps_for",
]

PUBLIC = ("human_activity", "landmine", "parkinsons_total", "parkinsons_motor")
DATA = ("endad_like", *PUBLIC)
ATTACKS = ("direct", "indirect", "hybrid")
PROTOCOLS = ("paper", "honest")
NAMES = {
    "endad_like": "made rows, shaped as EndAD",
    "human_activity": "human activity",
    "landmine": "landmine",
    "parkinsons_total": "Parkinson's, total",
    "parkinsons_motor": "Parkinson's, motor",
}
#: where rows start, random ones too: classes, and numbers (Parkinson's)
START = {"classes": {"init": "clean"}, "numbers": {"init": "ball"}}
#: of optimised attacks, beside their steps and the package's defaults
ASCENT = {
    "classes": {"line_search": False, "upper_loss": "ramp"},
    "numbers": {
        "line_search": False,
        "optimize_labels": True,
        "eta": 1000.0,
    },
}
STEPS = {"classes": 30, "numbers": 100}  #: of every optimised attack
TOL = 1e-3  #: relative duality gap of every victim that is judged
LAMBDAS = {"fmtl": {"lambda1": LAMBDA1, "lambda2": LAMBDA2}}
LAMBDAS |= {method: {"lambda": LAMBDA2} for method in ("local", "global")} | {"constant": {}}
#: of every row that is kept; those with another one are computed anew
STAMP = {
    "version": skfedmtl.__version__,
    "settings": hashlib.sha256(repr((START, ASCENT, TOL)).encode()).hexdigest()[:8],
}

#: grids of the honest protocol; test rows have no part in the choice
_SMALL, _LARGE = (1e-4, 1e-3, 1e-2), (1e-3, 1e-2, 1e-1)
SETTINGS = {
    "endad_like": Setting("endad_like", "error %", (1e-4, 1e-3), (1e-4, 1e-3), _SMALL),
    "human_activity": Setting("human_activity", "error %", (3e-3, 1e-2), (1e-3, 1e-2), _SMALL),
    "landmine": Setting("landmine", "error %", _SMALL, _SMALL, _LARGE),
    "parkinsons_total": Setting("parkinsons_total", "RMSE", _SMALL, _LARGE, _LARGE),
    "parkinsons_motor": Setting("parkinsons_motor", "RMSE", _SMALL, _LARGE, _LARGE),
}


def task_of(data):
    """What the targets of a data set are."""
    return "numbers" if is_regression(data) else "classes"


def steps_for(data, asked=None):
    """Steps of an optimised attack on a data set: as asked, if so, else `STEPS`."""
    return STEPS[task_of(data)] if asked is None else asked


@lru_cache(maxsize=2)
def load(data, data_home):
    """All rows, in the units of the source."""
    if data == "endad_like":
        return Rows(*make_endad_like(random_state=0, return_X_y_nodes=True))
    return Rows(*load_rows(data, data_home))


def min_max(rows):
    """The rows with every feature between 0 and 1, and the largest norm of a row."""
    X = minmax_scale(rows.X)
    return rows._replace(X=X), float(np.linalg.norm(X, axis=1).max())


def split(protocol, data, seed, data_home):
    """Training rows, test rows and the radius of the ball that injected rows stay in."""
    rows, radius = load(data, data_home), "max"
    if protocol == "paper":
        rows, radius = min_max(rows)
    parts = train_test_split_nodes(*rows, test_size=0.25, random_state=seed)
    train, test = Rows(*parts[::2]), Rows(*parts[1::2])
    if protocol == "honest":
        scaler = make_scaler().fit(train.X)
        train = train._replace(X=scaler.transform(train.X))
        test = test._replace(X=scaler.transform(test.X))
    return train, test, radius


def make_attack(protocol, data, attack, kind, seed, *, radius, lambdas, steps, **more):
    """A poisoner, not fitted; `kind` is ``"none"``, ``"random"`` or ``"optimised"``.

    Random rows of classes are clean rows of the source, drawn with replacement and set apart by a
    millionth of a standard deviation, with the other class; those of numbers are uniform in the
    ball, with the farther end of their node's range from the target of a clean row as target.
    Optimised rows start from them. ``"none"`` injects nothing.
    """
    task = task_of(data)
    estimator = FMTLRegressor if is_regression(data) else FMTLClassifier
    victim = estimator(**lambdas, tol=TOL, fit_intercept=protocol == "honest", random_state=seed)
    common = {"radius": radius, "victim_tol": TOL, "random_state": seed, **START[task], **more}
    if kind == "none":
        return RandomPoisoner(victim, budget=0, **common)
    if kind == "random":
        return RandomPoisoner(victim, attack=attack, **common)
    ascent = {**ASCENT[task], "max_iter": steps}
    return PoisoningAttacker(victim, attack=attack, **{**ascent, **common})
