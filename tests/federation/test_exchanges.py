"""What must be answered is not asked, and what need not be answered travels with what must."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from estimators import ESTIMATOR_OF
from federations import LOSSES, PARAMS, make_nodes
from oracles.losses import RECORD_OF
from skfedmtl._protocol import Greeting, Price, Question, StepOrder, Weights
from skfedmtl.federation import FederatedServer, LocalTransport
from skfedmtl.federation._codec import Frame, decode, encode
from skfedmtl.federation._messages import Conclusion, Hello, place_of

ROUNDS = 3


class Recording(LocalTransport):
    """Keeps the kinds of messages that travel together to the first node."""

    def __init__(self, nodes):
        super().__init__(nodes)
        self.kinds = []

    def exchange(self, messages, deadline):
        frame = decode(messages[min(self.labels)])
        self.kinds.append([type(message) for message in frame.messages])
        return super().exchange(messages, deadline)


def fitted(transport, loss, **params):
    given = {**PARAMS, "tol": 0, "max_iter": ROUNDS, "local_epochs": 2.0, "random_state": 0}
    return FederatedServer(loss=loss, **{**given, **params}).fit(transport)


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_is_asked_that_a_node_has_said_when_it_was_met(loss):
    """Dual variables of zero are known, and what weights of zero cost."""
    transport = Recording(make_nodes(loss)[-1])
    fitted(transport, loss)
    *before, last = [kinds[-1] for kinds in transport.kinds]
    unknown = [] if loss != "logistic" else [Question, Weights, Greeting]
    rounds = [StepOrder] * ROUNDS
    assert [*before, last] == [Hello, *unknown, *rounds, Question, Weights, Conclusion]
    first = next(kinds for kinds in transport.kinds if StepOrder in kinds)
    assert first == ([StepOrder] if loss == "logistic" else [Greeting, StepOrder])


def ask(node, exchange, message):
    return decode(node.handle(encode(Frame(exchange, exchange - 1, (message,))))).messages[0]


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_not_asked_would_have_been_answered_so(loss):
    """A node that is met answers what the server takes for known, to the bit."""
    free = {"intercept_scaling": None} if RECORD_OF[loss].has_free_intercept else {}
    for node in make_nodes(loss, **free)[-1].values():
        hosted = ask(node, 1, Hello(place_of(loss), False))
        zeros = np.zeros(int(hosted.n_coordinates))
        assert ask(node, 2, Weights(zeros)) == Price(hosted.loss)
        told = ask(node, 3, Question(tighten=True))
        greeted = ask(node, 4, Greeting(zeros))
        assert (greeted.loss, greeted.squared_norm) == (hosted.loss, hosted.squared_norm)
        assert greeted.is_cold
        if loss != "logistic":
            assert_array_equal(told.v, zeros)
            assert told.conjugate == greeted.conjugate == greeted.linear == 0.0


class Unwilling:
    """A node that keeps its dual variables when it is told to begin anew."""

    def __init__(self, node):
        self._node = node

    def handle(self, message):
        frame = decode(message)
        if isinstance(frame.messages[0], Hello):
            message = encode(frame._replace(messages=(frame.messages[0]._replace(resume=True),)))
        return self._node.handle(message)


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "squared_error"])
def test_a_node_that_begins_elsewhere_wins_no_false_certificate(loss, solver):
    """The server takes its dual variables for zero; of its rows they are true all the same."""
    X, y, nodes, parties = make_nodes(loss)
    params = {"solver": solver, "local_epochs": 20.0, "tol": 1e-2, "max_iter": 100}
    fitted(LocalTransport(parties), loss, **params)
    label = min(parties)
    others = make_nodes(loss)[-1]
    server = fitted(LocalTransport(others | {label: Unwilling(parties[label])}), loss, **params)
    model = ESTIMATOR_OF[loss](
        loss=loss,
        lambda1=PARAMS["lambda1"],
        lambda2=PARAMS["lambda2"],
        tol=1e-8,
        max_iter=1000,
        intercept_scaling=1.0,
    ).fit(X, y, nodes=nodes)
    if label not in server.refused_:
        assert server.dual_objective_ <= model.objective_ * (1 + 1e-9)
        assert model.dual_objective_ <= server.objective_ * (1 + 1e-9)
