"""Nodes that lie: left out and named, or the certificate is that of the loss they have told of."""

from functools import cache

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from estimators import ESTIMATOR_OF
from federations import SIZES, make_nodes
from oracles.losses import RECORD_OF
from skfedmtl._model import LOSSES
from skfedmtl._protocol import Answer, Greeted, Price, StepAnswer, Told, Weights
from skfedmtl.federation import FederatedNode, FederatedServer, FederationError, LocalTransport
from skfedmtl.federation._codec import Frame, decode, encode
from skfedmtl.federation._messages import Concluded, Hosted
from skfedmtl.federation._trust import Witness

FEDERATED = ("hinge", "squared_error", "logistic", "squared_hinge")
LIAR = "n1"
LAMBDAS = {"lambda1": 1e-2, "lambda2": 1e-2}
PARAMS = {**LAMBDAS, "local_epochs": 20.0, "tol": 1e-3, "max_iter": 25, "random_state": 0}


class Liar:
    """A node whose answers are changed; notes the planes below its loss that the server takes."""

    def __init__(self, node, change):
        self._node, self._change = node, change
        self._offered = 0, None
        self.planes = []

    def handle(self, message):
        if decode(message).known == self._offered[0] and self._offered[1] is not None:
            self.planes.append(self._offered[1])
        answer = self._change(message, self._node.handle(message))
        self._offered = decode(message).exchange, plane(answer)
        return answer


def plane(answer):
    """The moment and the conjugate of an answer that has them."""
    try:
        (said,) = decode(answer).messages
    except ValueError:
        return None
    return (said.v, said.conjugate) if isinstance(said, (Told, Greeted, StepAnswer)) else None


# -- inconsistent lies ------------------------------------------------------------------------


def in_field(kind, name, place, lie):
    """Changes one number of every message of a kind."""

    def change(message, answer):
        frame = decode(answer)
        if not isinstance(frame.messages[0], kind):
            return answer
        value = np.array(getattr(frame.messages[0], name), dtype=float)
        value[place] = lie(value[place])
        value = value if value.ndim else float(value)
        return encode(frame._replace(messages=(frame.messages[0]._replace(**{name: value}),)))

    return change


NUMBERS = [
    *((Hosted, name, ()) for name in Hosted._fields),
    *((Greeted, name, ()) for name in ("v", "conjugate", "linear", "loss", "squared_norm")),
    *((Told, name, ()) for name in Told._fields),
    (Price, "loss", ()),
    *((StepAnswer, name, ()) for name in StepAnswer._fields),
    (Answer, "dv", ()),
    *((Answer, "conjugates", place) for place in range(2)),
    *((Answer, "losses", place) for place in range(3)),
    (Answer, "products", -1),
    (Answer, "products", slice(0, -1)),
    (Concluded, "intercept", ()),
]
LIE_OF = {
    "high": lambda value: 1.5 * value + 0.3,
    "low": lambda value: 0.5 * value - 0.3,
    "little": lambda value: 0.99 * value - 1e-3,
    "huge": lambda value: 1e300,
    "NaN": lambda value: np.nan,
    "infinite": lambda value: np.inf,
    "zero": lambda value: 0.0 * value,
}


def replayed(step):
    """The answer before the last one, under the number of the present exchange or its own."""
    former = []

    def change(message, answer):
        former.append(decode(answer))
        if len(former) < 8 or len(former) % step:
            return answer
        old = former[-3]
        return encode(old if step == 2 else old._replace(exchange=former[-1].exchange))

    return change


def twins(loss):
    """Every third answer is another node's."""
    other = make_nodes(loss)[-1]["n2"]
    count = []

    def change(message, answer):
        count.append(other.handle(message))
        return count[-1] if len(count) % 3 == 0 and len(count) > 5 else answer

    return change


def longer(message, answer):
    """Every vector has one number more."""
    frame = decode(answer)
    fields = {
        name: np.append(value, 0.0)
        for name, value in frame.messages[0]._asdict().items()
        if np.ndim(value)
    }
    return encode(frame._replace(messages=(frame.messages[0]._replace(**fields),)))


MANNERS = {
    "replayed": lambda loss: replayed(2),
    "replayed under another number": lambda loss: replayed(3),
    "swapped": twins,
    "longer": lambda loss: longer,
    "unknown kind": lambda loss: lambda message, answer: answer[:25] + b"\xff" + answer[26:],
    "two messages": lambda loss: (
        lambda message, answer: encode(
            decode(answer)._replace(messages=(*decode(answer).messages, Price(1.0)))
        )
    ),
    "next exchange": lambda loss: (
        lambda message, answer: encode(
            decode(answer)._replace(exchange=decode(answer).exchange + 1)
        )
    ),
    "nothing": lambda loss: lambda message, answer: b"",
    "echo": lambda loss: lambda message, answer: message,
    "old": lambda loss: lambda message, answer: encode(Frame(0, 0, (Price(0.0),))),
}

SOLVER_OF = {StepAnswer: "splitting", Answer: "mocha"}
CASES = [
    pytest.param(
        # the others are greeted unasked: they begin with dual variables of zero
        "logistic" if kind is Greeted else FEDERATED[(i + j) % 4],
        SOLVER_OF.get(kind, ("splitting", "mocha")[(i + j // 4) % 2]),
        lambda loss, parts=(kind, name, place, lie): in_field(*parts),
        id=f"{kind.__name__}.{name}{place if place != () else ''} {which}",
    )
    for i, (kind, name, place) in enumerate(NUMBERS)
    for j, (which, lie) in enumerate(LIE_OF.items())
]
CASES += [
    pytest.param(FEDERATED[i % 4], ("splitting", "mocha")[i % 2], manner, id=name)
    for i, (name, manner) in enumerate(MANNERS.items())
]


def risk(loss, X, y, w):
    """Mean loss of rows, and what it needs."""
    rows = np.column_stack([X, np.ones(len(X))])
    return RECORD_OF[loss].risk(y, rows @ w, np.full(len(y), 1.0 / len(y)))


def optimum(risks, W, constraints):
    """The least objective of these losses, W's rows being theirs."""
    tie = cp.Variable()
    penalty = LAMBDAS["lambda1"] * cp.square(tie) + LAMBDAS["lambda2"] * cp.sum_squares(W)
    program = cp.Problem(
        cp.Minimize(sum(risks) + penalty), [*constraints, cp.normNuc(W) <= tie, tie >= 0]
    )
    program.solve(solver="CLARABEL")
    return program.value


@cache
def least_of_others(loss):
    """The least objective without the liar."""
    return least(loss, [])


def least(loss, planes):
    """The least objective where the liar's loss, if it takes part, is that of these planes."""
    X, y, nodes, parties = make_nodes(loss)
    labels = [label for label in parties if planes or label != LIAR]
    W = cp.Variable((len(labels), X.shape[1] + 1))
    risks, constraints = [], []
    for l, label in enumerate(labels):
        if label == LIAR:
            continue
        own, needs = risk(loss, X[nodes == label], y[nodes == label], W[l])
        risks.append(own)
        constraints += needs
    if planes:
        risks.append(told_loss(planes, W[labels.index(LIAR)], y, loss))
    return optimum(risks, W, constraints)


def told_loss(planes, w, y, loss):
    """The largest of 0 and the planes; those that are below 0 wherever w may lie are left out."""
    V, c = (np.array(part) for part in zip(*planes, strict=True))
    nothing = len(SIZES) * RECORD_OF[loss].value(y, np.zeros(len(y))).max() - min(c.min(), 0.0)
    reach = np.sqrt(nothing / LAMBDAS["lambda2"])  # the objective of W = 0 allows no more
    rises = np.linalg.norm(V, axis=1) * reach > c
    return cp.pos(cp.max(-V[rises] @ w - c[rises])) if rises.any() else cp.Constant(0.0)


def check(loss, solver, change, **params):
    """Fit with a liar; who takes part is certified."""
    *_, parties = make_nodes(loss)
    liar = Liar(parties[LIAR], change)
    parties[LIAR] = liar
    try:
        server = FederatedServer(loss=loss, solver=solver, **PARAMS, **params)
        server.fit(LocalTransport(parties))
    except FederationError as error:
        assert LIAR in str(error)
        return None
    assert set(server.refused_) <= {LIAR}
    assert len(server.nodes_) == len(SIZES) - len(server.refused_)
    value = least_of_others(loss) if server.refused_ else least(loss, liar.planes)
    assert server.dual_objective_ <= value * (1 + 1e-6)
    assert server.objective_ >= value * (1 - 1e-6)
    return server


@pytest.mark.parametrize(("loss", "solver", "make"), CASES)
@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
def test_no_lie_is_certified(loss, solver, make):
    check(loss, solver, make(loss))


# -- consistent lies --------------------------------------------------------------------------


@pytest.mark.parametrize("loss", FEDERATED)
def test_rows_that_are_made_up_are_rows(loss):
    """Redrawn targets pass, and are what the certificate is of."""
    X, y, nodes, parties = make_nodes(loss)
    own = nodes == LIAR
    y[own] = np.random.default_rng(1).permutation(y[own])
    parties[LIAR] = FederatedNode(X[own], y[own], loss=loss, random_state=0)
    server = FederatedServer(loss=loss, **PARAMS).fit(LocalTransport(parties))
    model = ESTIMATOR_OF[loss](loss=loss, **LAMBDAS, tol=1e-8, intercept_scaling=1.0)
    model.fit(X, y, nodes=nodes)
    assert not server.refused_
    assert server.dual_objective_ <= model.objective_ <= server.objective_ * (1 + 1e-8)


def with_constant(constant):
    """Adds a constant to every loss, and takes it from the conjugates."""

    def change(message, answer):
        frame = decode(answer)
        said = frame.messages[0]._asdict()
        for name in ("loss", "losses", "linear"):
            if name in said:
                said[name] = said[name] + constant
        for name in ("conjugate", "conjugates"):
            if name in said:
                said[name] = said[name] - constant
        return encode(frame._replace(messages=(type(frame.messages[0])(**said),)))

    return change


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
@pytest.mark.parametrize("loss", FEDERATED)
@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
def test_a_constant_passes_where_the_loss_of_nothing_is_not_known(loss, solver):
    server = check(loss, solver, with_constant(0.1))
    if not RECORD_OF[loss].is_regression or solver == "splitting":
        # a share above 1 of the dual variables is dearer than a constant allows
        expected = "contradiction" if RECORD_OF[loss].is_regression else "range"
        assert server.refused_ == {LIAR: expected}
        return
    honest = FederatedServer(loss=loss, solver=solver, **PARAMS)
    honest.fit(LocalTransport(make_nodes(loss)[-1]))
    assert not server.refused_
    assert server.dual_objective_ <= honest.objective_ + 0.1
    assert honest.dual_objective_ + 0.1 <= server.objective_


@pytest.mark.parametrize(
    ("name", "factor"),
    [("hinge", 1.0), ("logistic", 2.489), ("squared_hinge", 2.0), ("squared_error", 2.0)],
)
def test_how_much_harder_than_rows_a_made_up_loss_may_pull(name, factor):
    """A pull is -f'(w) w: of a row at most kappa, of a convex loss f(0), which a plane attains."""
    loss = LOSSES[name]()
    one = np.ones(1)
    t = np.linspace(0.0, 3.0, 301)
    row = np.max(-loss.derivative(np.ones_like(t), t) * t)
    kappa = float(loss.kappa(0.0 * one, one, one)[0])
    assert 0.98 * kappa <= row <= kappa * (1 + 1e-12)
    nothing = float(loss.value(one, 0.0 * one)[0])
    assert_allclose(nothing / kappa, factor, rtol=1e-3)
    witness = Witness(loss, Hosted(1.0, 1.0, 1.0, nothing), 1.0)
    assert witness.hear(None, Told(one, -nothing)) is None  # the plane f(0) - w
    for w in t:
        price = Price(max(0.0, nothing - w))
        assert witness.hear(Weights(w * one), price) is None
        assert witness.hear(Weights(w * one), Price(price.loss * 0.9)) is not None or not price.loss
