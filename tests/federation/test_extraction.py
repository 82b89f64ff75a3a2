"""A server that is out for rows: orders of next to no work show one row each, and are refused."""

import numpy as np
import pytest

from oracles.losses import RECORD_OF
from skfedmtl._model import LOSSES
from skfedmtl._protocol import Answer, Greeting, Order, StepAnswer, StepOrder
from skfedmtl.federation import FederatedNode
from skfedmtl.federation._codec import Frame, decode, encode
from skfedmtl.federation._messages import Code, Hello, Refusal

N_ROWS, N_FEATURES, N_EXCHANGES = 40, 4, 900
TINY = 1e-9  #: passes over the rows: a single one is visited


def make_rows(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_FEATURES))
    y = X[:, 0] + rng.normal(size=N_ROWS)
    return X, y if RECORD_OF[loss].is_regression else np.sign(y)


class Thief:
    """Asks a node as a server does, and reads rows from what has changed between its answers."""

    def __init__(self, node, loss):
        self._node, self._exchange, self._known = node, 0, 0
        self._v = np.zeros(N_FEATURES + 1)
        self.refused, self.moved = [], []
        self.ask(Hello(float(list(LOSSES).index(loss)), False))
        self._v = self.ask(Greeting(np.zeros(N_FEATURES + 1))).v

    def ask(self, message):
        """The answer to a message; None if it is refused."""
        self._exchange += 1
        reply = self._node.handle(encode(Frame(self._exchange, self._known, (message,))))
        (answer,) = decode(reply).messages
        if isinstance(answer, Refusal):
            self.refused.append(answer.code)
            return None
        self._known = self._exchange
        return answer

    def order(self, kind, epochs):
        """Ask for so much work from weights that hardly any row is content with."""
        w = np.full(N_FEATURES + 1, 0.2 if len(self.moved) % 2 else -0.2)
        if kind is Order:
            answer = self.ask(Order(w, 1.0, epochs))
        else:
            answer = self.ask(StepOrder(w - self._v, np.zeros(0), 1.0, epochs))
        if isinstance(answer, Answer):
            self.moved.append(answer.dv)
        if isinstance(answer, StepAnswer):
            self.moved.append(answer.v - self._v)
            self._v = answer.v

    def recovered(self, X):
        """How many of the rows lie along what has moved; the constant feature tells the scale."""
        moved = np.array([dv for dv in self.moved if dv[-1]])
        if not len(moved):
            return 0
        guesses = moved[:, :-1] / moved[:, -1:]
        off = np.abs(guesses[:, None] - X).max(axis=2)
        return int(np.count_nonzero(off.min(axis=0) < 1e-6))


def steal(kind, loss, epochs, **limits):
    """What a thief has after so many exchanges in all; rows recovered."""
    X, y = make_rows(loss)
    node = FederatedNode(X, y, loss=loss, random_state=0, max_exchanges=None, **limits)
    thief = Thief(node, loss)
    for _ in range(N_EXCHANGES - 2):
        thief.order(kind, epochs)
    return thief, thief.recovered(X)


@pytest.mark.parametrize("kind", [Order, StepOrder])
@pytest.mark.parametrize("loss", ["hinge", "logistic", "squared_error"])
def test_orders_of_next_to_no_work_recover_no_row(loss, kind):
    """They would nearly all of a node that allows them."""
    _, recovered = steal(kind, loss, TINY, min_epochs=TINY)
    assert recovered >= N_ROWS - 2
    thief, recovered = steal(kind, loss, TINY)
    assert recovered == 0 and not thief.moved
    assert set(thief.refused) == {Code.FEW_EPOCHS} and len(thief.refused) == N_EXCHANGES - 2


@pytest.mark.parametrize("loss", ["hinge", "logistic", "squared_error"])
def test_whole_passes_from_the_same_weights_recover_no_row(loss):
    """From weights that are chosen for it they do, at a price that `max_exchanges` sets."""
    thief, recovered = steal(Order, loss, 1.0)
    assert recovered == 0
    assert len(thief.moved) == N_EXCHANGES - 2


@pytest.mark.parametrize("kind", [Order, StepOrder])
def test_refused_orders_move_nothing_between_those_that_are_answered(kind):
    """What is answered has the bits of a node that has refused nothing."""
    X, y = make_rows("hinge")
    thieves = [
        Thief(FederatedNode(X, y, loss="hinge", random_state=0, max_exchanges=None), "hinge")
        for _ in range(2)
    ]
    for turn in range(N_EXCHANGES // 3):
        thieves[0].order(kind, TINY if turn % 3 else np.nextafter(1.0, 0.0))
        for thief in thieves:
            thief.order(kind, 1.0)
    assert len(thieves[0].refused) == N_EXCHANGES // 3 and not thieves[1].refused
    np.testing.assert_array_equal(thieves[0].moved, thieves[1].moved)


def test_few_rows_of_some_weight_are_refused():
    X, y = make_rows("hinge")
    for weight, limit in ((np.arange(N_ROWS) < 19, 20), (np.ones(N_ROWS), N_ROWS + 1)):
        with pytest.raises(ValueError, match=f"fewer than min_rows={limit}: .* give them away"):
            FederatedNode(X, y, loss="hinge", sample_weight=weight, min_rows=limit)
