"""Nodes in blocks: the optimum of the estimators, whatever the blocks, and blocks that are lost."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from estimators import ESTIMATOR_OF, make_rows
from federations import LOSSES
from oracles.losses import RECORD_OF
from skfedmtl.federation import FederatedServer
from skfedmtl.federation._blocks import BlockHost, BlocksLost, Intercepts, LocalBlocks, Rows

SIZES = (22, 1, 31, 24, 3, 27)
PARAMS = {"lambda1": 1e-2, "lambda2": 1e-2, "tol": 1e-8, "max_iter": 2000}


def make_table(loss):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], SIZES, n_features=4, strings=True)
    if not RECORD_OF[loss].is_regression:
        y = np.where(y == y.max(), 1.0, -1.0)
    return X, y, nodes


def hosts(table, blocks, intercepts=None):
    """Where these blocks of labels live."""
    X, y, nodes = table

    def host(labels):
        own = np.isin(nodes, labels)
        return BlockHost(lambda: Rows(X[own], y[own], nodes[own]), intercepts or Intercepts())

    return [host(labels) for labels in blocks]


def halves(nodes):
    """Labels by turns, so that a block's are not neighbours."""
    labels = np.unique(nodes)
    return [labels[1::2], labels[::2]]


@pytest.mark.parametrize("lambda0", [None, 0.05])
@pytest.mark.parametrize("relationship", ["learned", "omega", "none", "mean"])
@pytest.mark.parametrize("loss", LOSSES)
def test_blocks_have_the_optimum_of_the_estimator(loss, relationship, lambda0):
    table = make_table(loss)
    given = 1.2 * np.eye(6) - 0.2 if relationship == "omega" else relationship
    intercepts = Intercepts(intercept_scaling=None if loss == "squared_error" else 2.0)
    server = FederatedServer(given, loss=loss, lambda0=lambda0, random_state=0, **PARAMS)
    server.fit(LocalBlocks(hosts(table, halves(table[2]), intercepts)))
    model = ESTIMATOR_OF[loss](
        loss=loss,
        relationship=given,
        lambda0=lambda0,
        intercept_scaling=intercepts.intercept_scaling,
        **PARAMS,
    ).fit(*table[:2], nodes=table[2])
    assert_array_equal(server.nodes_, model.nodes_)
    assert server.dual_objective_ <= model.objective_ * (1 + 1e-12)
    assert model.dual_objective_ <= server.objective_ * (1 + 1e-12)
    assert server.dual_gap_ <= 1e-8 * server.objective_
    # both are that near to the only optimum
    near = sum(np.sqrt(2.0 * fit.dual_gap_ / PARAMS["lambda2"]) for fit in (server, model))
    assert np.linalg.norm(server.coef_ - model.coef_) <= near * (1.0 if lambda0 is None else 10.0)


def test_bits_depend_on_the_blocks_alone():
    table = make_table("hinge")
    blocks = halves(table[2])
    fits = [
        FederatedServer(loss="hinge", random_state=0).fit(LocalBlocks(hosts(table, blocks)))
        for _ in range(2)
    ]
    assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert_array_equal(fits[0].history_["objective"], fits[1].history_["objective"])


class Losing(LocalBlocks):
    """Loses a block at one of its messages."""

    def __init__(self, hosts, lost, renewed):
        super().__init__(hosts)
        self._lost, self._renewed, self._count = lost, renewed, 0

    def ask(self, method, arguments):
        self._count += 1
        if self._count == self._lost:
            self._hosts[0] = self._renewed
            raise BlocksLost
        return super().ask(method, arguments)


@pytest.mark.parametrize("lost", [1, 2, 4, 9])
def test_a_block_that_is_lost_is_read_again(lost):
    table = make_table("hinge")
    blocks = halves(table[2])
    (renewed, _) = hosts(table, blocks)
    server = FederatedServer(loss="hinge", tol=1e-6, random_state=0)
    server.fit(Losing(hosts(table, blocks), lost, renewed))
    whole = FederatedServer(loss="hinge", tol=1e-6).fit(LocalBlocks(hosts(table, blocks)))
    assert server.dual_gap_ <= 1e-6 * server.objective_
    assert whole.dual_objective_ <= server.objective_ * (1 + 1e-12)
    assert server.dual_objective_ <= whole.objective_ * (1 + 1e-12)


def test_a_second_fit_begins_anew():
    table = make_table("logistic")
    transport = LocalBlocks(hosts(table, halves(table[2])))
    server = FederatedServer(loss="logistic", random_state=0)
    first = server.fit(transport).coef_
    assert_array_equal(server.fit(transport).coef_, first)


@pytest.mark.parametrize(
    ("name", "value"), [("solver", "mocha"), ("local_epochs", 3.0), ("participation", 0.5)]
)
def test_what_blocks_do_not_know_is_refused(name, value):
    table = make_table("hinge")
    server = FederatedServer(loss="hinge", **{name: value})
    with pytest.raises(ValueError, match=f"^{name} must be"):
        server.fit(LocalBlocks(hosts(table, halves(table[2]))))


def test_blocks_of_unlike_features_are_refused():
    table = make_table("hinge")
    own, other = hosts(table, halves(table[2]))
    read = other._read
    other._read = lambda: read()._replace(X=read().X[:, :2])
    with pytest.raises(ValueError, match="blocks must have the same features"):
        FederatedServer(loss="hinge").fit(LocalBlocks([own, other]))
