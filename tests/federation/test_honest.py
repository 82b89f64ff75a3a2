"""Distrust refuses no node that answers for its rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from federations import LOSSES, make_nodes
from oracles.losses import RECORD_OF
from skfedmtl._protocol import Told
from skfedmtl.federation import (
    FederatedNode,
    FederatedServer,
    FederationError,
    LocalTransport,
)
from skfedmtl.federation._codec import Frame, decode, encode


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
@pytest.mark.parametrize("loss", LOSSES)
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


@pytest.mark.parametrize("loss", LOSSES)
def test_no_honest_node_is_refused_when_a_report_does_not_end_the_fit(loss):
    """The server greets anew after every report, and goes on writing into its weights."""
    *_, parties = make_nodes(loss)
    label = min(parties)

    class Doubtful(LocalTransport):
        """Lets a node tell once of dual variables of zero, so that the gap opens again."""

        is_over = False

        def exchange(self, messages, deadline):
            answers = super().exchange(messages, deadline)
            frame = decode(answers.get(label, encode(Frame(0, 0, (Told(np.zeros(5), 0.0),)))))
            told = frame.messages[0]
            if isinstance(told, Told) and np.any(told.v) and not self.is_over:
                self.is_over = True
                nothing = Told(np.zeros_like(told.v), 0.0)
                answers[label] = encode(frame._replace(messages=(nothing,)))
            return answers

    transport = Doubtful(parties)
    params = {"local_epochs": 5.0, "tol": 1e-2, "max_iter": 100, "on_refused": "error"}
    server = FederatedServer(loss=loss, solver="mocha", random_state=0, **params).fit(transport)
    assert transport.is_over
    assert server.dual_gap_ <= 1e-2 * server.objective_


def meet(*frames, **params):
    """A server meets nodes of these rows."""
    nodes = {
        f"n{l}": FederatedNode(X, np.ones(len(X)), loss="hinge", random_state=l, **params)
        for l, X in enumerate(frames)
    }
    return FederatedServer(loss="hinge", max_iter=1, tol=0.0).fit(LocalTransport(nodes))


def test_columns_of_other_names_or_order_are_found_out():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(25, 3)), columns=["a", "b", "c"])
    for other in (table[["b", "a", "c"]], table.set_axis(["a", "b", "d"], axis=1)):
        with pytest.raises(FederationError, match=r"in the same order; .* 'n0', 'n2'"):
            meet(table, table, other)
    expected = meet(table, table).coef_
    # who has no names is believed
    assert_array_equal(meet(table, table.to_numpy()).coef_, expected)
    assert_array_equal(meet(table, table.set_axis([0, 1, 2], axis=1)).coef_, expected)


@pytest.mark.parametrize("names", ["abc", ["a", "b"], ["a", "b", 3]])
def test_names_are_strings_one_a_feature(names):
    with pytest.raises(ValueError, match="feature_names must be None or 3 strings"):
        meet(np.eye(25, 3), feature_names=names)
