"""Nodes have walls: servers speak with them by messages alone, which bytes can carry."""

import ast
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import skfedmtl
from estimators import ESTIMATOR_OF, KINDS, LOSSES, make_rows
from oracles.losses import RECORD_OF
from skfedmtl._protocol import messages
from skfedmtl._protocol.node import Node
from skfedmtl._protocol.node_table import NodeGroup
from skfedmtl._solvers.mocha import MochaSolver
from skfedmtl._solvers.schedule import make_schedule
from skfedmtl._solvers.splitting import SplittingSolver

PACKAGE = Path(skfedmtl.__file__).parent

#: What a node answers to, and how the message is called.
MESSAGES = {
    "greet": messages.Greeting,
    "tell": messages.Question,
    "price": messages.Weights,
    "answer": messages.Order,
    "settle": messages.Mixture,
    "step": messages.StepOrder,
    "keep": messages.Share,
}
ANSWERS = {
    "greet": messages.Greeted,
    "tell": messages.Told,
    "price": messages.Price,
    "answer": messages.Answer,
    "step": messages.StepAnswer,
}


def carried(message, kind):
    """What arrives: every field by its name, as numpy's files have it."""
    assert type(message) is kind
    file = io.BytesIO()
    np.savez(file, **message._asdict())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrived:
        fields = {name: arrived[name] for name in kind._fields}
    return kind(**{name: one if one.ndim else one.item() for name, one in fields.items()})


class FarNode:
    """Nothing but messages reaches the node behind it."""

    def __init__(self, node):
        self.reseed = node.reseed
        for name in MESSAGES:
            setattr(self, name, self._make(node, name))

    @staticmethod
    def _make(node, name):
        def speak(message):
            answer = getattr(node, name)(carried(message, MESSAGES[name]))
            return None if answer is None else carried(answer, ANSWERS[name])

        return speak


SOLVERS = {
    "mocha": lambda schedule: MochaSolver(tol=1e-6, max_iter=12, schedule=schedule, n_jobs=None),
    "splitting": lambda schedule: SplittingSolver(tol=1e-6, max_iter=12, schedule=schedule),
}


@pytest.mark.parametrize("participation", [1.0, 0.4])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", LOSSES)
def test_bytes_between_nodes_and_server_change_no_bit(loss, kind, solver, participation):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], (9, 12, 5, 7), n_features=4)
    omega = np.eye(4) - 0.2
    estimator = ESTIMATOR_OF[loss](
        relationship=omega if kind == "omega" else kind,
        lambda1=1e-2,
        lambda2=1e-2,
        loss=loss,
    )
    labels, codes = np.unique(nodes, return_inverse=True)
    targets = y if RECORD_OF[loss].is_regression else np.where(y == y.max(), 1.0, -1.0)
    found = []
    for wrap in (None, FarNode):
        problem = estimator._problem(X, targets, codes, labels, np.ones(len(y)))
        table = problem.nodes
        speakers = [node if wrap is None else wrap(node) for node in table._nodes]
        asked = table if wrap is None else NodeGroup(speakers, table.loss)
        schedule = make_schedule((0.5, 3.0), participation, labels)
        solution = SOLVERS[solver](schedule).solve(problem.server, asked, np.random.default_rng(7))
        found.append((solution, table.alpha))
    (one, alpha), (other, far_alpha) = found
    assert_array_equal(one.W, other.W)
    assert_array_equal(alpha, far_alpha)
    for name in ("objective", "dual_objective", "bytes_communicated"):
        assert_array_equal(one.history[name], other.history[name])
    assert one.certificate == other.certificate


def test_no_other_room_reaches_into_a_node():
    """Its fields are private, and so is the list of nodes of a table."""
    for file in PACKAGE.rglob("*.py"):
        if file.parent.name == "_protocol":
            continue
        for part in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(part, ast.Attribute) and part.attr in {*Node.__slots__, "_nodes"}:
                own = isinstance(part.value, ast.Name) and part.value.id in ("self", "cls")
                assert own, f"{file.name}:{part.lineno} reaches for {part.attr}"
