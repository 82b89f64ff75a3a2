"""Distrust refuses no node that answers for its rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from estimators import LOSSES
from oracles.losses import RECORD_OF
from skfedmtl.federation import FederatedNode, FederatedServer, LocalTransport

FEDERATED = [loss for loss in LOSSES if loss != "huber"]


@st.composite
def parties(draw, loss):
    """Nodes of made rows: some far from zero, some of columns in very different units."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d = draw(st.integers(1, 4))
    units = 10.0 ** rng.uniform(-1.0, 1.0, d) ** draw(st.sampled_from([1, 3, 7]))
    centre = draw(st.sampled_from([0.0, 1.0, 1e4])) * units
    size = draw(st.sampled_from([1.0, 1e-5, 1e5]))
    free = {"intercept_scaling": None} if RECORD_OF[loss].has_free_intercept else {}
    intercept = draw(st.sampled_from([{"fit_intercept": False}, {"intercept_scaling": 10.0}, free]))
    nodes = {}
    for l in range(draw(st.integers(1, 3))):
        n = int(rng.integers(2, 30))
        X = size * (centre + units * rng.normal(size=(n, d)))
        y = rng.normal(size=n) + X @ rng.normal(size=d) / (size * units.max())
        if RECORD_OF[loss].is_regression:
            y *= 10.0 ** rng.integers(-4, 5)
        else:
            y = np.where(y > np.median(y), 1.0, -1.0)
        weight = rng.integers(0, 3, n) + (np.arange(n) == 0)
        nodes[l] = FederatedNode(
            X, y, loss=loss, sample_weight=weight, min_rows=1, random_state=l, **intercept
        )
    return nodes


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
@pytest.mark.parametrize("loss", FEDERATED)
@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
@given(data=st.data())
def test_no_honest_node_is_refused(loss, solver, data):
    nodes = data.draw(parties(loss))
    server = FederatedServer(
        loss=loss,
        solver=solver,
        lambda0=data.draw(st.sampled_from([None, 0.1])),
        lambda1=data.draw(st.sampled_from([0.1, 1e-5, 10.0])),
        lambda2=data.draw(st.sampled_from([0.1, 1e-6, 1.0])),
        local_epochs=data.draw(st.sampled_from([1.0, 5.0, (1.0, 20.0)])),
        participation=data.draw(st.sampled_from([1.0, 0.5])),
        tol=data.draw(st.sampled_from([1e-8, 1e-2])),
        max_iter=data.draw(st.integers(1, 12)),
        on_refused="error",
        random_state=0,
    ).fit(LocalTransport(nodes))
    assert not server.refused_
    assert server.dual_objective_ <= server.objective_
