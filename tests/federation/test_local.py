"""Halves that speak by bytes: the bits of the estimators, and nodes with limits of their own."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from estimators import ESTIMATOR_OF
from federations import LOSSES, PARAMS, make_nodes
from oracles.losses import RECORD_OF
from skfedmtl.federation import FederatedNode, FederatedServer, LocalTransport


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


@pytest.mark.parametrize(
    ("params", "told"),
    [
        (
            {"solver": "mocha", "lambda2": 1e-4},
            r"Raise lambda2=0\.0001, .* use solver='splitting'.*\. "
            "Or raise max_iter, local_epochs, tol or lambda1, or let nodes scale their features",
        ),
        ({"solver": "mocha"}, "Raise max_iter, local_epochs, tol or the lambdas, or let nodes sc"),
        ({"lambda2": 1e-4}, "Raise max_iter, local_epochs, tol or the lambdas, or let nodes sc"),
    ],
)
def test_a_fit_that_ends_early_is_told_what_helps(params, told):
    parties = make_nodes("hinge", 0)[-1]
    server = FederatedServer(loss="hinge", max_iter=1, tol=1e-9, **params)
    with pytest.warns(ConvergenceWarning, match=rf"asks for \S+\. {told}"):
        server.fit(LocalTransport(parties))


ROWS = np.random.default_rng(0).normal(size=(30, 2))
SIGNS = np.sign(ROWS[:, 0])


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda node: pickle.loads(pickle.dumps(node))])
def test_a_copy_of_a_node_answers_for_itself(twin):
    """Two copies of one node are a federation of two nodes that are alike."""
    node = FederatedNode(ROWS, SIGNS, loss="hinge", random_state=0)
    twins = {label: twin(node) for label in "ab"}
    alike = {label: FederatedNode(ROWS, SIGNS, loss="hinge", random_state=0) for label in "ab"}
    fits = [
        FederatedServer(loss="hinge", random_state=0).fit(LocalTransport(n)) for n in (twins, alike)
    ]
    assert_array_equal(fits[0].coef_, fits[1].coef_)


@pytest.mark.parametrize(
    "params",
    [
        {"min_rows": -1},
        {"min_rows": np.nan},
        {"min_epochs": np.nan},
        {"min_epochs": "1"},
        {"max_exchanges": 0},
        {"max_row_norm": np.nan},
        {"intercept_scaling": 0.0},
        {"random_state": -1},
        {"random_state": np.random.RandomState(0)},
    ],
    ids=lambda params: next(iter(params)),
)
def test_what_would_be_no_limit_is_refused(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        FederatedNode(ROWS, SIGNS, loss="hinge", **params)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (sparse.csr_matrix(ROWS), r"^X is sparse; .* pass X\.toarray\(\)"),
        (sparse.csr_array(ROWS), r"^X is sparse; .* pass X\.toarray\(\)"),
        (np.full((30, 2), "a"), "^X must hold real numbers in a dense array"),
        (1j * ROWS, "^X must hold real numbers in a dense array"),
        (np.ma.masked_less(ROWS, 0.0), "^X has masked entries"),
        (ROWS[:, :0], "^X has no feature"),
    ],
)
def test_rows_that_are_no_numbers_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        FederatedNode(X, SIGNS, loss="hinge")


def test_rows_of_a_frame_are_rows():
    nodes = [
        FederatedNode(X, SIGNS, loss="hinge", random_state=0) for X in (ROWS, pd.DataFrame(ROWS))
    ]
    fits = [FederatedServer(loss="hinge").fit(LocalTransport({1: node})) for node in nodes]
    assert_array_equal(fits[0].coef_, fits[1].coef_)


def test_labels_of_nodes_are_of_one_type():
    node = FederatedNode(ROWS, SIGNS, loss="hinge")
    for labels in ((1, "a"), ((1, 2), (3, 4)), ("a", None)):
        transport = LocalTransport({label: copy.copy(node) for label in labels})
        with pytest.raises(ValueError, match=r"`transport\.labels` must hold"):
            FederatedServer(loss="hinge").fit(transport)


def test_what_is_no_transport_is_refused():
    with pytest.raises(TypeError, match="nodes must be a dict"):
        LocalTransport({"a": None})
    with pytest.raises(TypeError, match="transport must have labels and exchange"):
        FederatedServer(loss="hinge").fit({})


@pytest.mark.parametrize("loss", ["hinge", "squared_error"])
def test_nodes_come_to_and_leave_a_servers_model(loss):
    X, y, nodes, parties = make_nodes(loss)
    late = nodes == "n3"
    del parties["n3"]
    params = {**PARAMS, "tol": 1e-2, "max_iter": 200}
    server = FederatedServer(loss=loss, random_state=0, **params).fit(LocalTransport(parties))
    model = server.model_.add_nodes(X[late], y[late], nodes=nodes[late])
    assert model.nodes_.tolist() == ["n0", "n1", "n2", "n3"]
    assert_array_equal(model.coef_[:3], server.coef_[:3])
    with pytest.warns(UserWarning, match="were added"):
        changes = model.remove_nodes(["n1"], X, y, nodes=nodes)
    assert changes.index.tolist() == ["n0", "n2", "n3"]
