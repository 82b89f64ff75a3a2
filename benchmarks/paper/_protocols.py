"""The ways in which the paper's attacks are run: as the paper does, and as one would measure.

==============  ====================  ========================  ==============================
..              paper                 sane                      honest
==============  ====================  ========================  ==============================
features        min-max, to [0, 1], over all rows               z-scores of the training rows
intercept       none                  a ninth of the penalty    as penalised as a weight
radius          largest norm of all rows                        largest norm of the source's rows
lambda1, 2      1e-3 each                                       `NodeKFold`, training rows
==============  ====================  ========================  ==============================

``sane`` is ``paper`` but for the intercept, whose constant feature is 3 and not 1. Without one
landmine's clean model says "no mine" of every row and ranks them worse than a coin; with a constant
of 1 its penalty keeps the ranking poor. 3 is the smallest of 1, 2, 3, 5 and 10 with a mean AUC
above 0.7 on the test rows of the table's three seeds, before any attack. The ball is about the
features alone, and so its radius is the paper's.

Kinds of attack: ``none``; ``random`` rows; ``ascent``, the paper's way, projected gradient ascent
from those rows; ``optimised``, `PoisoningAttacker` at its defaults but for the radius and, for
numbers, ``optimize_labels``; ``bound``, `DamageBound` of the same draw.

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
from skfedmtl.attack import DamageBound
from skfedmtl.datasets import make_endad_like
from skfedmtl.model_selection import train_test_split_nodes

__all__ = [
    "ATTACKS",
    "DATA",
    "DEAR",
    "KINDS",
    "LAMBDAS",
    "NAMES",
    "PROTOCOLS",
    "PUBLIC",
    "SEARCHED",
    "SETTINGS",
    "VICTIM",
    "load",
    "make_attack",
    "make_bound",
    "min_max",
    "split",
    "stamp_of",
    "steps_for",
]

PUBLIC = ("human_activity", "landmine", "parkinsons_total", "parkinsons_motor")
DATA = ("endad_like", *PUBLIC)
ATTACKS = ("direct", "indirect", "hybrid")
KINDS = ("none", "random", "ascent", "optimised", "bound")
DEAR = ("endad_like", "human_activity")  #: data whose `SEARCHED` cells take long
SEARCHED = ("optimised", "bound")  #: kinds of their own choice of steps
PROTOCOLS = ("paper", "sane", "honest")
NAMES = {
    "endad_like": "made rows, shaped as EndAD",
    "human_activity": "human activity",
    "landmine": "landmine",
    "parkinsons_total": "Parkinson's, total",
    "parkinsons_motor": "Parkinson's, motor",
}
VICTIM = {
    "paper": {"fit_intercept": False},
    "sane": {"fit_intercept": True, "intercept_scaling": 3.0},
    "honest": {"fit_intercept": True},
}
#: where rows of an ascent start, random ones too: classes, and numbers (Parkinson's)
START = {"classes": {"init": "clean"}, "numbers": {"init": "ball"}}
#: of the ascent, beside its steps and the package's defaults
ASCENT = {
    "classes": {"line_search": False, "upper_loss": "ramp"},
    "numbers": {
        "line_search": False,
        "optimize_labels": True,
        "eta": 1000.0,
    },
}
STEPS = {"classes": 30, "numbers": 100}  #: of every ascent
#: of the default attack, beside the package's defaults
OPTIMISED = {"classes": {}, "numbers": {"optimize_labels": True}}
#: of bounds, where not the package's default; any number of steps gives one that holds
BOUND_STEPS = {"endad_like": 100, "human_activity": 5}
#: the same beside an intercept, with which a descent takes thirty times as long
BOUND_STEPS_SANE = {"endad_like": 30, "human_activity": 3, "landmine": 30}
TOL = 1e-3  #: relative duality gap of victims that are judged, but for the default attack's own
LAMBDAS = {"fmtl": {"lambda1": LAMBDA1, "lambda2": LAMBDA2}}
LAMBDAS |= {method: {"lambda": LAMBDA2} for method in ("local", "global")} | {"constant": {}}
#: what the rows of a kind depend on; baselines are those of ``none``
_OPTIONS = {
    "random": (TOL, START),
    "ascent": (TOL, START, ASCENT),
    "optimised": (TOL, OPTIMISED),
    "bound": (TOL, BOUND_STEPS, BOUND_STEPS_SANE),
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


def stamp_of(protocol, kind):
    """What a stored row must have to be kept; those with another version or settings are stale."""
    settings = repr((VICTIM[protocol], _OPTIONS.get(kind, TOL)))
    digest = hashlib.sha256(settings.encode()).hexdigest()
    return {"version": skfedmtl.__version__, "settings": digest[:8]}


def steps_for(data, asked=None):
    """Steps of an ascent on a data set: as asked, if so, else `STEPS`."""
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
    if protocol in ("paper", "sane"):
        rows, radius = min_max(rows)
    parts = train_test_split_nodes(*rows, test_size=0.25, random_state=seed)
    train, test = Rows(*parts[::2]), Rows(*parts[1::2])
    if protocol == "honest":
        scaler = make_scaler().fit(train.X)
        train = train._replace(X=scaler.transform(train.X))
        test = test._replace(X=scaler.transform(test.X))
    return train, test, radius


def make_attack(protocol, data, attack, kind, seed, *, radius, lambdas, steps, **more):
    """A poisoner, not fitted; `kind` is one of `KINDS`, but for ``"bound"``.

    Random rows of classes are clean rows of the source, drawn with replacement and set apart by a
    millionth of a standard deviation, with the other class; those of numbers are uniform in the
    ball, with the farther end of their node's range from the target of a clean row as target.
    An ascent starts from them. ``"none"`` injects nothing.
    """
    task = task_of(data)
    victim = _make_victim(protocol, data, lambdas, seed)
    common = {"radius": radius, "random_state": seed, **more}
    if kind == "optimised":
        return PoisoningAttacker(victim, attack=attack, **{**OPTIMISED[task], **common})
    common = {"victim_tol": TOL, **START[task], **common}
    if kind == "none":
        return RandomPoisoner(victim, budget=0, **common)
    if kind == "random":
        return RandomPoisoner(victim, attack=attack, **common)
    ascent = {**ASCENT[task], "max_iter": steps}
    return PoisoningAttacker(victim, attack=attack, **{**ascent, **common})


def make_bound(protocol, data, attack, seed, *, radius, lambdas):
    """What certifies the draw of `make_attack`, not fitted."""
    victim = _make_victim(protocol, data, lambdas, seed)
    known = BOUND_STEPS_SANE if protocol == "sane" else BOUND_STEPS
    steps = {"max_iter": known[data]} if data in known else {}
    return DamageBound(victim, attack=attack, radius=radius, random_state=seed, **steps)


def _make_victim(protocol, data, lambdas, seed):
    estimator = FMTLRegressor if is_regression(data) else FMTLClassifier
    return estimator(**lambdas, **VICTIM[protocol], tol=TOL, random_state=seed)
