"""Attackers that take part: an attack of one process over a wire, and losses steeper than rows'."""

import numpy as np
import pytest

from estimators import ESTIMATOR_OF
from federations import make_nodes
from skfedmtl import FMTLClassifier
from skfedmtl._model import LOSSES
from skfedmtl.attack import PoisoningAttacker
from skfedmtl.federation import (
    FederatedServer,
    LocalTransport,
    ModelPoisoningNode,
    PoisonedNode,
)

LAMBDAS = {"lambda1": 1e-2, "lambda2": 1e-2}
SOURCE = "n1"


@pytest.mark.parametrize("loss", ["hinge", "logistic", "squared_error"])
def test_an_attack_over_the_wire_is_that_of_one_process(loss):
    """The coefficients of all nodes agree as far as both certificates say."""
    X, y, nodes, parties = make_nodes(loss)
    victim = ESTIMATOR_OF[loss](loss=loss, **LAMBDAS, tol=1e-8, intercept_scaling=1.0)
    attacker = PoisoningAttacker(
        victim,
        attack="indirect",
        source_nodes=[SOURCE],
        target_nodes=["n0", "n2"],
        max_iter=5,
        random_state=0,
    )
    poisoned = attacker.poison(X, y, nodes=nodes)
    own = nodes == SOURCE
    parties[SOURCE] = PoisonedNode(X[own], y[own], attacker=attacker, label=SOURCE, loss=loss)
    server = FederatedServer(loss=loss, **LAMBDAS, tol=1e-8, max_iter=250, random_state=0)
    server.fit(LocalTransport(parties))
    model = victim.fit(poisoned.X, poisoned.y, nodes=poisoned.nodes)
    assert not server.refused_
    # the objective is strongly convex: lambda2 ||W - W*||^2 is at most a gap
    gaps = np.maximum([server.dual_gap_, model.dual_gap_], 1e-14)
    allowed = np.sqrt(gaps / LAMBDAS["lambda2"]).sum()
    others = server.nodes_ != SOURCE
    assert np.linalg.norm(server.coef_[others] - model.coef_[others]) <= allowed
    clean = attacker.clean_estimator_.coef_[others]
    assert np.linalg.norm(model.coef_[others] - clean) > 10 * allowed


def penalty(W):
    """Of weights with a learned relationship."""
    tie = np.linalg.svd(W, compute_uv=False).sum()
    return LAMBDAS["lambda1"] * tie**2 + LAMBDAS["lambda2"] * np.square(W).sum()


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
@pytest.mark.parametrize("loss", ["hinge", "logistic"])
def test_the_steepest_loss_passes_and_the_cap_holds(loss, solver):
    """Losses and penalty of the others are below the losses of weights of zero."""
    X, y, nodes, parties = make_nodes(loss)
    length = float(np.sqrt(np.square(X).sum(axis=1) + 1.0).max())
    params = {"loss": loss, **LAMBDAS, "tol": 1e-6, "max_iter": 250, "random_state": 0}
    clean = FederatedServer(**params).fit(LocalTransport(parties))
    along = -np.append(clean.coef_.sum(axis=0), clean.intercept_.sum())
    *_, parties = make_nodes(loss)
    parties[SOURCE] = ModelPoisoningNode(along, loss=loss, row_norm=length)
    server = FederatedServer(**params, solver=solver, max_row_norm=length)
    server.fit(LocalTransport(parties))
    assert not server.refused_
    W = np.column_stack([server.coef_, server.intercept_])
    others = server.nodes_ != SOURCE
    value = LOSSES[loss]().value
    losses = value(y, server.model_.decision_function(X, nodes=nodes))
    means = [losses[nodes == label].mean() for label in server.nodes_[others]]
    cap = others.sum() * float(value(np.ones(1), np.zeros(1))[0])
    assert sum(means) + penalty(W[others]) <= cap + server.dual_gap_
    # the model of the liar goes its own way, and takes the others' with it
    assert W[~others][0] @ along > 0.0
    moved = np.linalg.norm(server.coef_[others] - clean.coef_[others])
    assert moved > 0.03 * np.linalg.norm(clean.coef_[others])


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "squared_error"},
        {"loss": "squared_hinge"},
        {"loss": "none"},
        {"direction": [0.0, 0.0]},
        {"direction": [[1.0]]},
        {"row_norm": 0.0},
    ],
)
def test_what_has_no_steepest_loss_is_refused(params):
    given = {"direction": [1.0, 0.0], "loss": "hinge", "row_norm": 1.0, **params}
    with pytest.raises(ValueError, match="must be"):
        ModelPoisoningNode(**given)


def test_rows_of_another_node_or_table_are_refused():
    rng = np.random.default_rng(0)
    X, nodes = rng.normal(size=(60, 2)), np.repeat(["n0", "n1"], 30)
    signs = np.sign(X[:, 0])
    attacker = PoisoningAttacker(FMTLClassifier(), target_nodes=["n0"], max_iter=0, random_state=0)
    own = X[:30], signs[:30]
    with pytest.raises(ValueError, match="attacker must be fitted"):
        PoisonedNode(*own, attacker=attacker, label="n0", loss="hinge")
    attacker.fit(X, signs, nodes=nodes)
    with pytest.raises(ValueError, match="label must be a node of the attacker"):
        PoisonedNode(*own, attacker=attacker, label="n9", loss="hinge")
    with pytest.raises(ValueError, match="X has 1 features, but rows of the attacker have 2"):
        PoisonedNode(X[:30, :1], signs[:30], attacker=attacker, label="n0", loss="hinge")
    PoisonedNode(*own, attacker=attacker, label="n1", loss="hinge")  # without injected rows
    attacker.fit(X, np.digitize(X[:, 0], [-0.5, 0.5]), nodes=nodes)
    with pytest.raises(ValueError, match="two classes"):
        PoisonedNode(*own, attacker=attacker, label="n0", loss="hinge")
