"""What is lost, doubled, wrong or silent: no bit changes, or a node is left out and named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from federations import PARAMS, make_nodes
from skfedmtl import FMTLClassifier
from skfedmtl._model import LOSSES
from skfedmtl._protocol import MEMORY, Greeting, Order, Price, Share, StepOrder, Weights
from skfedmtl.federation import FederatedNode, FederatedServer, FederationError, LocalTransport
from skfedmtl.federation._codec import Frame, WireError, decode, encode
from skfedmtl.federation._messages import Code, Hello, Refusal


class Lossy(LocalTransport):
    """Loses what `loses` says of a label and the number of an exchange; the node has worked."""

    def __init__(self, nodes, loses):
        super().__init__(nodes)
        self._loses, self._count = loses, 0

    def exchange(self, messages, deadline):
        self._count += 1
        answers = super().exchange(messages, deadline)
        return {
            label: answer
            for label, answer in answers.items()
            if not self._loses(label, self._count)
        }


class Changed:
    """A node whose answers are changed on their way."""

    def __init__(self, node, change):
        self._node, self._change = node, change

    def handle(self, message):
        return self._change(self._node.handle(message))


def fitted(transport, **params):
    given = {"loss": "hinge", "random_state": 0, **PARAMS, **params}
    return FederatedServer(**given).fit(transport)


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
def test_a_lost_answer_leaves_both_sides_with_the_same_state(solver):
    """The bound of the last round is what the nodes then tell, to rounding."""
    *_, parties = make_nodes("hinge")
    params = {"solver": solver, "local_epochs": 2.0, "tol": 1e-3, "max_iter": 400}
    label = min(parties)
    lossy = fitted(Lossy(parties, lambda one, count: one == label and count % 5 < 2), **params)
    assert lossy.dual_gap_ <= 1e-3 * lossy.objective_
    assert not lossy.absent_ and not lossy.refused_
    exact = fitted(LocalTransport(make_nodes("hinge")[-1]), **{**params, "tol": 1e-5})
    assert exact.dual_objective_ <= lossy.objective_ * (1 + 1e-12)
    assert lossy.dual_objective_ <= exact.objective_ * (1 + 1e-12)
    assert np.all(np.diff(lossy.history_["dual_objective"]) >= 0)


class Recorded(Lossy):
    """Keeps whom every exchange asks, and how long it may wait."""

    def __init__(self, nodes, loses):
        super().__init__(nodes, loses)
        self.asked = []

    def exchange(self, messages, deadline):
        self.asked.append((set(messages), deadline))
        return super().exchange(messages, deadline)


@pytest.mark.parametrize("patience", [1, 3])
def test_a_first_meeting_waits_for_a_deadline_as_often_as_patience_says(patience):
    """Of all at first, then of who has not come; and never again of who is left out."""
    *_, parties = make_nodes("hinge")
    late = max(parties)
    transport = Recorded(parties, lambda one, count: one == late)
    server = fitted(transport, patience=patience, deadline=7.0, tol=1e-3, max_iter=400)
    assert server.absent_ == [late]
    everybody = set(parties)
    assert transport.asked[:patience] == [(everybody, 7.0)] + [({late}, 7.0)] * (patience - 1)
    assert all(one == everybody - {late} for one, _ in transport.asked[patience:])
    with pytest.raises(FederationError, match="no node is left"):
        fitted(Recorded(parties, lambda one, count: True), patience=patience)


@pytest.mark.parametrize("when", [1, 9])
@pytest.mark.parametrize("solver", ["splitting", "mocha"])
def test_a_silent_node_is_left_out_and_the_others_are_certified(solver, when):
    X, y, nodes, parties = make_nodes("hinge")
    silent = max(parties)
    params = {"solver": solver, "local_epochs": 5.0, "tol": 1e-3, "max_iter": 400}
    server = fitted(Lossy(parties, lambda one, count: one == silent and count >= when), **params)
    assert server.absent_ == [silent]
    assert_array_equal(server.nodes_, sorted(set(parties) - {silent}))
    rest = nodes != silent
    model = FMTLClassifier(**{**PARAMS, "tol": 1e-9, "max_iter": 1000}, random_state=0)
    model.fit(X[rest], y[rest], nodes=nodes[rest])
    assert server.dual_objective_ <= model.objective_ <= server.objective_ * (1 + 1e-9)
    assert server.dual_gap_ <= 1e-3 * server.objective_


WRONG = {
    "noise": lambda answer: b"noise",
    "cut": lambda answer: answer[:-1],
    "NaN": lambda answer: answer[:-8] + np.array([np.nan]).tobytes(),
    "stale": lambda answer: encode(decode(answer)._replace(exchange=0)),
    "other": lambda answer: encode(decode(answer)._replace(messages=(Share(0.5),))),
}


WHY = dict.fromkeys(WRONG, "unreadable") | {"stale": "exchange", "other": "kind"}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_refused_and_named(name):
    *_, parties = make_nodes("hinge")
    wrong = min(parties)
    parties[wrong] = Changed(parties[wrong], WRONG[name])
    params = {"local_epochs": 20.0, "tol": 1e-2}
    server = fitted(LocalTransport(parties), **params)
    assert server.refused_ == {wrong: WHY[name]}
    assert wrong not in server.nodes_
    with pytest.raises(FederationError, match=wrong):
        fitted(LocalTransport(parties), on_refused="error", **params)


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
def test_who_is_seldom_asked_hears_of_all_that_was_settled(solver):
    """What waits for a node grows with the rounds that it takes no part in."""
    *_, parties = make_nodes("hinge")
    params = {"solver": solver, "participation": 0.25, "local_epochs": 1.0}
    seldom = fitted(LocalTransport(parties), **params, tol=1e-3, max_iter=2000)
    assert seldom.dual_gap_ <= 1e-3 * seldom.objective_


def test_many_messages_travel_in_one_frame():
    frame = Frame(1, 0, (Share(0.5),) * 300)
    assert decode(encode(frame)) == frame


def test_orders_that_no_node_allows_end_the_fit_by_saying_so():
    *_, parties = make_nodes("hinge")
    with pytest.raises(FederationError, match=r"no node is left: .*epochs \(local_epochs below"):
        fitted(LocalTransport(parties), local_epochs=0.5)
    with pytest.raises(FederationError, match="node 'n0' fits another loss"):
        fitted(LocalTransport(parties), loss="logistic", on_refused="error")
    with pytest.raises(ValueError, match="'loss' parameter"):
        fitted(LocalTransport(parties), loss="huber")


def test_a_moment_too_long_for_the_declared_rows_is_refused():
    *_, parties = make_nodes("hinge")
    for limit, refused in ((1e3, {}), (1e-3, sorted(parties))):
        params = {"local_epochs": 20.0, "tol": 1e-2, "max_row_norm": limit}
        if refused:
            with pytest.raises(FederationError, match="no node is left"):
                fitted(LocalTransport(parties), **params)
        else:
            assert fitted(LocalTransport(parties), **params).refused_ == refused


def test_a_node_that_has_lost_its_state_is_welcomed_again():
    *_, parties = make_nodes("hinge")
    label = min(parties)

    class Restarting(LocalTransport):
        count = 0

        def exchange(self, messages, deadline):
            self.count += 1
            if self.count == 9:
                self._nodes_by_label[label] = make_nodes("hinge")[-1][label]
            return super().exchange(messages, deadline)

    server = fitted(Restarting(parties), local_epochs=10.0, tol=1e-3, max_iter=200)
    assert not server.absent_ and not server.refused_
    assert server.dual_gap_ <= 1e-3 * server.objective_


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
def test_a_state_on_disk_goes_on_with_the_same_bits(solver, tmp_path):
    """Its process may end after every exchange."""

    class Ending(LocalTransport):
        def exchange(self, messages, deadline):
            self._nodes_by_label = make_nodes("hinge", folder=tmp_path)[-1]
            return super().exchange(messages, deadline)

    params = {"solver": solver, "local_epochs": 2.0, "tol": 0, "participation": 0.5}
    ending = fitted(Ending(make_nodes("hinge")[-1]), **params)
    expected = fitted(LocalTransport(make_nodes("hinge")[-1]), **params)
    assert_array_equal(ending.coef_, expected.coef_)
    assert ending.dual_objective_ == expected.dual_objective_
    # of other rows it is not
    X = np.random.default_rng(0).normal(size=(25, 2))
    other = FederatedNode(X, np.sign(X[:, 0]), loss="hinge", state_dir=tmp_path / "n0")
    assert ask(other, Weights(ZEROS), exchange=99, known=98) == Refusal(Code.FORGOTTEN)


# -- what a node refuses ----------------------------------------------------------------------


def ask(node, *messages, exchange, known=1):
    return decode(node.handle(encode(Frame(exchange, known, messages)))).messages[0]


@pytest.fixture
def node():
    X = np.random.default_rng(0).normal(size=(25, 2))
    node = FederatedNode(X, np.sign(X[:, 0]), loss="hinge", random_state=0)
    assert (
        ask(
            node, Hello(float(list(LOSSES).index("hinge")), False), exchange=1, known=0
        ).n_coordinates
        == 3
    )
    return node


ZEROS = np.zeros(3)
REFUSED = [
    ((StepOrder(ZEROS, np.zeros(0), 1.0, 1e-9),), Code.FEW_EPOCHS),
    ((Order(ZEROS, 1.0, 0.5),), Code.FEW_EPOCHS),
    ((Order(np.zeros(4), 1.0, 2.0),), Code.OTHER_LENGTH),
    ((StepOrder(ZEROS, np.zeros(2), 1.0, 2.0),), Code.OTHER_LENGTH),
    ((Order(ZEROS, 0.0, 2.0),), Code.OUT_OF_RANGE),
    ((Share(1.5), Weights(ZEROS)), Code.OUT_OF_RANGE),
    ((Share(0.5),), Code.MALFORMED),
    ((Price(0.5),), Code.MALFORMED),
]


@pytest.mark.parametrize(("messages", "code"), REFUSED)
def test_a_node_refuses_by_a_code(node, messages, code):
    assert ask(node, *messages, exchange=2) == Refusal(code)
    assert isinstance(ask(node, Weights(ZEROS), exchange=3), Price)


def test_a_doubled_message_has_the_same_answer_and_an_old_one_none(node):
    ask(node, Greeting(ZEROS), exchange=2)
    order = encode(Frame(3, 2, (Order(ZEROS, 1.0, 2.0),)))
    first = node.handle(order)
    assert node.handle(order) == first
    assert len(decode(first).messages[0].products) == MEMORY
    assert ask(node, Weights(ZEROS), exchange=4, known=3) == Price(1.0)
    assert ask(node, Weights(ZEROS), exchange=3) == Refusal(Code.STALE)
    assert ask(node, Weights(ZEROS), exchange=9, known=7) == Refusal(Code.FORGOTTEN)


def test_a_changed_row_does_not_start_the_count_anew(tmp_path):
    X = np.random.default_rng(0).normal(size=(25, 2))
    hello = Hello(float(list(LOSSES).index("hinge")), False)
    answers = []
    for exchange in range(1, 5):
        X[0] += 1.0
        y = np.sign(X[:, 1])
        node = FederatedNode(X, y, loss="hinge", max_exchanges=3, state_dir=tmp_path)
        answers.append(ask(node, hello, exchange=exchange))
    assert not any(isinstance(answer, Refusal) for answer in answers[:3])
    assert answers[3] == Refusal(Code.MANY_EXCHANGES)


def test_a_node_answers_so_many_times_in_all(tmp_path):
    """Over fits, and over processes where the state is kept; the last answer may be lost."""
    X = np.random.default_rng(0).normal(size=(25, 2))

    def begin():
        return FederatedNode(
            X, np.sign(X[:, 0]), loss="hinge", max_exchanges=4, state_dir=tmp_path, random_state=0
        )

    hello = Hello(float(list(LOSSES).index("hinge")), False)
    for exchange in (1, 2):
        assert not isinstance(ask(begin(), hello, exchange=exchange), Refusal)
    node = begin()
    greeting = encode(Frame(3, 2, (Greeting(ZEROS),)))
    assert node.handle(greeting) == node.handle(greeting)
    assert ask(node, Weights(ZEROS), exchange=4, known=3) == Price(1.0)
    for refusing in (node, begin()):
        assert ask(refusing, Weights(ZEROS), exchange=4, known=3) == Price(1.0)
        assert ask(refusing, Weights(ZEROS), exchange=5, known=4) == Refusal(Code.MANY_EXCHANGES)
        assert ask(refusing, hello, exchange=6) == Refusal(Code.MANY_EXCHANGES)


def test_a_fit_that_asks_too_often_ends_by_saying_so():
    *_, parties = make_nodes("hinge", max_exchanges=12)
    with pytest.raises(FederationError, match=r"has answered as often .*\(max_exchanges\)"):
        fitted(LocalTransport(parties), tol=1e-9, max_iter=100)


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
def test_a_fit_of_as_many_rounds_as_the_default_is_within_the_limit(solver):
    *_, parties = make_nodes("hinge")
    server = fitted(LocalTransport(parties), solver=solver, tol=0, max_iter=100)
    assert server.n_iter_ == 100
    assert not server.refused_


def test_few_rows_and_long_ones_are_refused_at_home():
    X = np.ones((19, 2))
    with pytest.raises(ValueError, match="min_rows=20"):
        FederatedNode(X, X[:, 0], loss="hinge")
    with pytest.raises(ValueError, match="max_row_norm=1"):
        FederatedNode(np.ones((20, 2)), np.ones(20), loss="hinge", max_row_norm=1.0)
    with pytest.raises(ValueError, match=r"-1 and \+1"):
        FederatedNode(np.ones((20, 2)), np.arange(20), loss="hinge")
    with pytest.raises(ValueError, match="loss must be one of"):
        FederatedNode(np.ones((20, 2)), np.ones(20), loss="huber")


def test_what_an_exception_says_stays_at_home(node, caplog):
    order = Order(ZEROS, 1.0, 1e300)  # more passes than numbers can count
    assert ask(node, order, exchange=2) == Refusal(Code.FAILED)
    assert "Traceback" in caplog.text


# -- bytes ------------------------------------------------------------------------------------

numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(
    w=st.lists(numbers, max_size=5), curvature=numbers, epochs=numbers, exchange=st.integers(0, 9)
)
def test_bytes_carry_every_number(w, curvature, epochs, exchange):
    frame = Frame(exchange, 3, (Share(curvature), Order(np.array(w), curvature, epochs)))
    arrived = decode(encode(frame))
    assert arrived[:2] == frame[:2]
    assert arrived.messages[0] == frame.messages[0]
    assert_array_equal(arrived.messages[1].w, w)
    assert arrived.messages[1][1:] == (curvature, epochs)


@given(data=st.data())
def test_changed_bytes_are_read_or_refused_by_the_one_error(data):
    good = encode(Frame(1, 0, (Share(0.5), Order(np.ones(3), 1.0, 2.0))))
    place = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    for bad in (bytes(changed), good[:cut], good + good[:cut]):
        try:
            frame = decode(bad)
        except WireError:
            continue
        for message in frame.messages:
            assert all(np.isfinite(field).all() for field in message)


def test_the_certificate_of_the_lossy_fit_is_that_of_the_rows():
    """Weights priced at home cost what the server says."""
    X, y, nodes, parties = make_nodes("hinge")
    y = np.where(y == y.max(), 1.0, -1.0)
    lossy = Lossy(parties, lambda label, count: count % 3 == 0)
    server = fitted(lossy, local_epochs=5.0, tol=1e-3, max_iter=300)
    decision = server.model_.decision_function(X, nodes=nodes)
    losses = np.maximum(0.0, 1.0 - y * decision)
    loss = sum(losses[nodes == label].mean() for label in server.nodes_)
    W = np.column_stack([server.coef_, server.intercept_])
    tie = np.linalg.svd(W, compute_uv=False).sum() ** 2
    penalty = PARAMS["lambda1"] * tie + PARAMS["lambda2"] * np.square(W).sum()
    assert_allclose(server.objective_, loss + penalty, rtol=1e-10)


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk"])
def test_a_state_that_cannot_be_read_is_named(content, tmp_path):
    (tmp_path / "state.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"state_dir holds a file .*state\.npz"):
        FederatedNode(np.eye(20), np.ones(20), loss="hinge", state_dir=tmp_path)
