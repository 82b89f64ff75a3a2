"""Every bit of fits and attacks, told in digests: what a change that moves code may not change.

Fits of all losses, relationships, intercepts and solvers, on dense and sparse rows, with weights,
with three classes, in two jobs and from a former fit; attacks and baselines of every kind, with
restarts, in pipelines, over one feature's limits and on three classes. Of a fit ``coef_``,
``intercept_``, ``dual_coef_`` and ``history_`` but for its seconds, of an attack the poisoned rows
and ``objective_history_`` are hashed. All data are made. Bits are those of one machine and its
numpy: record and compare there.

    python benchmarks/bits/bits.py --output FILE       record
    python benchmarks/bits/bits.py --compare FILE      compare; exit status 1 if one differs
        [--only TEXT]                                  cases whose name has this
"""

import argparse
import hashlib
import itertools
import json
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.datasets import make_federated_classification, make_federated_regression
from skfedmtl.relationships import mean_regularized

OF_CLASSES = ("hinge", "squared_hinge", "logistic")
LOSSES = ("squared_error", "huber", *OF_CLASSES)
M = 6
RELATIONSHIPS = {"learned": "learned", "none": "none", "given": mean_regularized(M)}
SOLVERS = {
    "splitting": {},
    "mocha": {"solver": "mocha"},
    "rounds": {"local_epochs": 2.0, "participation": 0.5},
}

OPTIONS = {
    "ball": {"init": "ball", "n_restarts": 3},
    "two jobs": {"init": "ball", "n_restarts": 3, "n_jobs": 2},
    "implicit": {"gradient": "implicit"},
    "dual": {"gradient": "dual"},
    "fixed step": {"step": "plain", "line_search": False, "inner_iter": 3, "smoothing": 0.0},
    "limits": {"feature_range": (-4.0, 4.0), "frozen_features": [1]},
}


def rows_of(loss, *, wide=False, n_classes=2):
    """Made rows of six nodes, and weights."""
    shape = {"sizes": (8, 14), "n_features": 30} if wide else {"sizes": (15, 30), "n_features": 5}
    options = {"n_nodes": M, **shape, "return_X_y_nodes": True, "random_state": 3}
    if loss not in OF_CLASSES:
        X, y, nodes = make_federated_regression(**options)
    else:
        X, y, nodes = make_federated_classification(**options)
        if n_classes == 3:
            y = y + (X[:, 0] > 0.5)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, size=len(y))
    return X, y, nodes, weight


def estimator_of(loss, **params):
    """The estimator of a loss."""
    params = {"lambda1": 1e-2, "lambda2": 1e-3, "random_state": 0, "max_iter": 60, **params}
    if loss not in OF_CLASSES:
        return FMTLRegressor(loss=loss, **params)
    return FMTLClassifier(loss=loss, **params)


def bits_of_fit(model):
    """A digest of what has been fitted."""
    parts = [model.coef_, model.intercept_, model.dual_coef_]
    history = model.history_
    parts += [history[name] for name in sorted(history) if name != "time"]
    return digest(parts)


def bits_of_attack(attacker, X, y, nodes, **options):
    """A digest of what an attack has made."""
    attacker.fit(X, y, nodes=nodes, **options)
    parts = [np.asarray(attacker.poison_X_), np.asarray(attacker.poison_y_, dtype=float)]
    if hasattr(attacker, "objective_history_"):
        parts.append(attacker.objective_history_)
    return digest(parts)


def digest(parts):
    """A digest of arrays."""
    found = hashlib.sha256()
    for part in parts:
        part = np.ascontiguousarray(part)
        found.update(f"{part.dtype}{part.shape}".encode())
        found.update(part.tobytes())
    return found.hexdigest()[:16]


def fits():
    """Names of fits, and what makes their digests."""
    table = itertools.product(LOSSES, RELATIONSHIPS, (True, False), SOLVERS)
    for loss, relationship, intercept, solver in table:
        params = {"relationship": RELATIONSHIPS[relationship], "fit_intercept": intercept}
        name = f"fit {loss} {relationship} {'intercept' if intercept else 'none'} {solver}"
        yield name, partial(fit, loss, params | SOLVERS[solver])
    for loss in LOSSES:
        for tol in (1e-2, 1e-11):
            yield f"fit {loss} tol={tol}", partial(fit, loss, {"tol": tol})
        for solver, params in SOLVERS.items():
            yield f"fit {loss} sparse {solver}", partial(fit, loss, params, sparse=True)
        yield f"fit {loss} weights", partial(fit, loss, {}, weights=True)
        yield f"fit {loss} wide", partial(fit, loss, {}, wide=True)
        yield f"fit {loss} two jobs", partial(fit, loss, {"n_jobs": 2})
        yield f"fit {loss} again", partial(fit, loss, {"warm_start": True}, times=2)
    for loss in OF_CLASSES:
        yield f"fit {loss} three classes", partial(fit, loss, {}, n_classes=3)


def fit(loss, params, *, sparse=False, weights=False, wide=False, times=1, n_classes=2):
    """The digest of a fit."""
    X, y, nodes, weight = rows_of(loss, wide=wide, n_classes=n_classes)
    if sparse:
        X = csr_matrix(np.where(np.abs(X) > 0.5, X, 0.0))
    model = estimator_of(loss, **params)
    for _ in range(times):
        model.fit(X, y, nodes=nodes, sample_weight=weight if weights else None)
    return bits_of_fit(model)


def attacks():
    """Names of attacks, and what makes their digests."""
    table = itertools.product(LOSSES, ("direct", "indirect", "hybrid"), RELATIONSHIPS)
    for loss, kind, relationship in table:
        victim = {"relationship": RELATIONSHIPS[relationship]}
        options = {"attack": kind, "max_iter": 6}
        yield f"attack {loss} {kind} {relationship}", partial(attack, loss, victim, options)
    for (name, options), loss in itertools.product(OPTIONS.items(), LOSSES):
        yield f"attack {loss} {name}", partial(attack, loss, {}, {"max_iter": 4, **options})
    options = {"max_iter": 4, "optimize_labels": True}
    yield "attack squared_error labels", partial(attack, "squared_error", {}, options)
    for loss in LOSSES:
        for name in ("scaled", "wide", "weights"):
            yield (
                f"attack {loss} {name}",
                partial(attack, loss, {}, {"max_iter": 4}, **{name: True}),
            )
        yield f"random {loss}", partial(attack, loss, {}, {}, maker=RandomPoisoner)
    for loss in OF_CLASSES:
        yield (
            f"attack {loss} three classes",
            partial(attack, loss, {}, {"max_iter": 3}, n_classes=3),
        )
        yield f"flips {loss}", partial(attack, loss, {}, {}, maker=LabelFlipPoisoner)


def attack(
    loss, victim, options, *, maker=PoisoningAttacker, scaled=False, wide=False, weights=False,
    n_classes=2,
):  # fmt: skip
    """The digest of an attack."""
    X, y, nodes, weight = rows_of(loss, wide=wide, n_classes=n_classes)
    model = estimator_of(loss, **victim)
    if scaled:
        model = make_pipeline(StandardScaler(), model)
    attacker = maker(model, random_state=0, **options)
    return bits_of_attack(attacker, X, y, nodes, **({"sample_weight": weight} if weights else {}))


def main(argv=None):
    """Record or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--output", type=Path, metavar="FILE")
    way.add_argument("--compare", type=Path, metavar="FILE")
    parser.add_argument("--only", default="", metavar="TEXT")
    arguments = parser.parse_args(argv)
    before = None if arguments.compare is None else json.loads(arguments.compare.read_text())
    found = {}
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, work in itertools.chain(fits(), attacks()):
            if arguments.only in name:
                found[name] = work()
    if before is None:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{len(found)} cases recorded")
        return 0
    others = [name for name, bits in found.items() if before.get(name, bits) != bits]
    missing = [name for name in before if arguments.only in name and name not in found]
    print(f"{len(found)} cases compared, {len(others)} differ, {len(missing)} missing")
    for name in others + missing:
        print(f"  {name}")
    return 1 if others or missing else 0


if __name__ == "__main__":
    sys.exit(main())
