"""The last experiment of `systems.py`: a node that never answers."""

import numpy as np
from _common import is_regression
from _protocol_peers import LAMBDA1, LAMBDA2, least_objective, make_problem, plain_round
from sklearn.metrics import roc_auc_score

from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl._protocol.messages import Weights

__all__ = ["absent"]

LEFT_OUT = 5  #: nodes, one at a time
ROUNDS, EPOCHS = 100, 10.0


def absent(name, X, y, nodes):
    """Rows of the table of absent nodes: means over the nodes that were left out."""
    rng, found = np.random.default_rng(0), {"skfedmtl": [], "MOCHA": []}
    labels = np.unique(nodes)
    for label in labels[:: len(labels) // LEFT_OUT][:LEFT_OUT]:
        rows = np.flatnonzero(nodes == label)
        kept = np.ones(len(y), dtype=bool)
        kept[rng.permutation(rows)[: len(rows) // 4]] = False
        train, test = (X[kept], y[kept], nodes[kept]), (X[~kept], y[~kept])
        full = make_problem(name, *train)
        least, at = least_objective(full), int(np.searchsorted(labels, label))
        others = train[2] != label
        rest = least_objective(make_problem(name, *(part[others] for part in train)))
        errors = {
            "full fit": error(name, full, full.solution.W, at, *test),
            "constant": error(name, full, np.zeros_like(full.solution.W), at, *test),
        }
        for method, fit in (("skfedmtl", ours_without), ("MOCHA", mocha_without)):
            objective, W = fit(name, train, label, at)
            own = full.nodes.price(Weights(W)).loss[at]
            line = {"end": objective / least - 1.0, "others": (objective - own) / rest - 1.0}
            found[method].append(line | {"error": error(name, full, W, at, *test)} | errors)
    for method, lines in found.items():
        means = {key: float(np.mean([line[key] for line in lines])) for key in lines[0]}
        yield {"data": name, "method": method, **means}


def ours_without(name, train, label, at):
    """Objective and weights of the estimator when a node makes no epochs."""
    labels = np.unique(train[2]).tolist()
    estimator = FMTLRegressor if is_regression(name) else FMTLClassifier
    model = estimator(
        solver="mocha",
        lambda1=LAMBDA1,
        lambda2=LAMBDA2,
        local_epochs={node: 0.0 if node == label else EPOCHS for node in labels},
        max_iter=ROUNDS,
        random_state=0,
    ).fit(*train[:2], nodes=train[2])
    intercept = [] if is_regression(name) else [model.intercept_[:, None]]
    return model.objective_, np.hstack([model.coef_, *intercept])


def mocha_without(name, train, label, at):
    """Objective and weights of plain MOCHA, the best of its rounds."""
    problem, rng = make_problem(name, *train), np.random.default_rng(0)
    which = np.delete(np.arange(len(problem.nodes)), at)
    best = np.inf, None
    for _ in range(ROUNDS):
        epochs = [EPOCHS] * len(which)
        plain_round(problem.server, problem.nodes, which, epochs, rng)
        objective = problem.server.certify(problem.nodes).objective
        if objective < best[0]:
            best = objective, problem.server.response.W
    return best


def error(name, problem, W, at, X, y):
    """Of node `at` with weights `W` in the solver's coordinates, on rows that no fit saw."""
    coef, intercept = problem.coefficients(W)
    f = np.round(X @ coef[at] + intercept[at], 9)  # rounding is not to rank the rows
    return np.sqrt(np.mean((f - y) ** 2)) if is_regression(name) else 1.0 - roc_auc_score(y, f)
