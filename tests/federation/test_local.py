"""Halves that speak by bytes: the bits of the estimators, and nodes with limits of their own."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from estimators import ESTIMATOR_OF
from federations import PARAMS, make_nodes
from oracles.losses import RECORD_OF
from skfedmtl.federation import FederatedServer, LocalTransport

LOSSES = ("hinge", "squared_hinge", "logistic", "squared_error")


def laboratory_seed(random_state):
    """What a fit of the laboratory draws for its nodes."""
    drawn = np.random.RandomState(random_state).randint(np.iinfo(np.int32).max)
    return int(np.random.default_rng(drawn).integers(2**63))


@pytest.mark.parametrize("free", [True, False, None])
@pytest.mark.parametrize("relationship", ["learned", "omega"])
@pytest.mark.parametrize(
    ("solver", "participation"), [("splitting", 1.0), ("mocha", 1.0), ("mocha", 0.5)]
)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
def test_halves_have_the_bits_of_the_laboratory(loss, solver, participation, relationship, free):
    """Without an intercept, with a penalised one, and with a free one where there is one."""
    intercept = {"fit_intercept": free is not None}
    intercept["intercept_scaling"] = 2.0
    if free and RECORD_OF[loss].has_free_intercept:
        intercept["intercept_scaling"] = None
    given = np.eye(4) - 0.2 if relationship == "omega" else relationship
    params = {**PARAMS, "solver": solver, "participation": participation, "local_epochs": 3.0}
    X, y, nodes, parties = make_nodes(loss, laboratory_seed(0), **intercept)
    server = FederatedServer(given, loss=loss, random_state=0, **params)
    server.fit(LocalTransport(parties))
    model = ESTIMATOR_OF[loss](
        loss=loss, relationship=given, random_state=0, **params, **intercept
    ).fit(X, y, nodes=nodes)
    for name in ("nodes_", "coef_", "intercept_", "node_covariance_factor_"):
        assert_array_equal(getattr(server, name), getattr(model, name))
    for name in ("objective_", "dual_objective_", "dual_gap_", "n_iter_"):
        assert getattr(server, name) == getattr(model, name)
    for name in ("objective", "dual_objective", "bytes_communicated"):
        assert_array_equal(server.history_[name], model.history_[name])
    assert_array_equal(server.predict(X, nodes=nodes), model.predict(X, nodes=nodes))
    assert not hasattr(server, "dual_coef_")
