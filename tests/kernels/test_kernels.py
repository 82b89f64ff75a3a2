"""The compiled epoch against the plain one, and what it must leave alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from estimators import LOSSES as TESTED
from oracles import kernels
from oracles.losses import RECORD_OF
from oracles.objective import row_weights
from oracles.strategies import problems
from skfedmtl._kernels import _sdca
from skfedmtl._model.losses import LOSSES
from skfedmtl._protocol.messages import MEMORY, Greeting, Mixture, Order, Question
from skfedmtl._protocol.node import Node

losses = pytest.mark.parametrize("loss", TESTED)
curvatures = st.sampled_from([1e-3, 0.05, 1.0, 300.0])


def make_visit(problem, seed):
    """The rows of one node, dual variables in the domain, and weights to start from."""
    mine = problem.codes == problem.codes[0]
    rng = np.random.default_rng(seed)
    X, y = np.ascontiguousarray(problem.X[mine]), problem.y[mine]
    share = row_weights(problem.codes, problem.weight, problem.m)[mine]
    alpha = RECORD_OF[problem.loss].draw_dual(rng, y)
    return X, y, share, alpha, rng.normal(size=X.shape[1]), rng


def visit(loss, X, y, share, order, curvature, n_passes, alpha, w):
    """Call the kernel on copies of what it changes; (alpha, w)."""
    alpha, w = alpha.copy(), w.copy()
    squares = np.einsum("ij,ij->i", X, X)
    rows = np.array(order, dtype=np.intp)
    kernel = LOSSES[loss]().kernel
    _sdca.visit(kernel, X, y, share, squares, rows, curvature, n_passes, alpha, w)
    return alpha, w


def plain_visit(loss, X, y, share, order, curvature, n_passes, alpha, w):
    """Passes of the oracle's epoch; a row that did not move is left out of the next pass."""
    order = list(order)
    for _ in range(n_passes):
        moved = []
        for place, row in enumerate(order):
            old = alpha[row]
            alpha, w, _ = kernels.epoch(X, y, share, alpha, w, curvature, [row], loss)
            if alpha[row] != old:
                order[place], order[len(moved)] = order[len(moved)], row
                moved.append(row)
        order = moved
    return alpha, w


@losses
@given(data=st.data(), curvature=curvatures, seed=st.integers(0, 2**32 - 1))
def test_one_pass_is_the_plain_epoch(loss, data, curvature, seed):
    problem = data.draw(problems(losses=(loss,)))
    X, y, share, alpha, w, rng = make_visit(problem, seed)
    order = rng.permutation(np.flatnonzero(share > 0))
    found, view = visit(loss, X, y, share, order, curvature, 1, alpha, w)
    expected, w_local, _ = kernels.epoch(X, y, share, alpha, w, curvature, order, loss)
    scale = 1 + np.abs(expected).max() + np.abs(w_local).max()
    assert_allclose(found, expected, rtol=1e-11, atol=1e-12 * scale)
    assert_allclose(view, w_local, rtol=1e-10, atol=1e-10 * scale)


@losses
@given(data=st.data(), n_passes=st.integers(2, 6), seed=st.integers(0, 2**32 - 1))
def test_later_passes_visit_the_rows_that_moved(loss, data, n_passes, seed):
    problem = data.draw(problems(losses=(loss,), max_nodes=2))
    X, y, share, alpha, w, rng = make_visit(problem, seed)
    order = rng.permutation(np.flatnonzero(share > 0))
    found, view = visit(loss, X, y, share, order, 0.5, n_passes, alpha, w)
    expected, w_local = plain_visit(loss, X, y, share, order, 0.5, n_passes, alpha, w)
    scale = 1 + np.abs(expected).max() + np.abs(w_local).max()
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * scale)
    assert_allclose(view, w_local, rtol=1e-9, atol=1e-9 * scale)


@losses
@given(data=st.data(), curvature=curvatures, seed=st.integers(0, 2**32 - 1))
def test_a_visit_climbs_the_local_problem(loss, data, curvature, seed):
    problem = data.draw(problems(losses=(loss,)))
    X, y, share, alpha, w, rng = make_visit(problem, seed)
    order = rng.permutation(np.flatnonzero(share > 0))
    found, _ = visit(loss, X, y, share, order, curvature, 3, alpha, w)
    rest = (w, curvature, loss)
    before = kernels.local_objective(X, y, share, alpha, alpha, *rest)
    after = kernels.local_objective(X, y, share, alpha, found, *rest)
    assert after >= before - 1e-12 * (1 + abs(before))
    low, high = RECORD_OF[loss].bounds
    inside = RECORD_OF[loss].sign(y) * found
    assert np.all((low <= inside) & (inside <= high))


@losses
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_a_row_without_weight_never_moves(loss, data, seed):
    problem = data.draw(problems(losses=(loss,), weights=("zeros",)))
    X, y, share, _, w, _ = make_visit(problem, seed)
    node = Node(X, y, share, LOSSES[loss](), centred=False)
    before = node.greet(Greeting(w)).v
    found = node.attempt(Order(w, 0.1, 5.0))
    assert_array_equal(node.tell(Question(tighten=False)).v, before)  # not yet adopted
    assert np.all(found.alpha[share == 0] == 0)
    assert_allclose(found.answer.dv, X.T @ (share * found.alpha) - before, atol=1e-12)
    node.remember(found)
    node.settle(Mixture(np.eye(MEMORY)[-1]))
    assert_allclose(node.tell(Question(tighten=False)).v, X.T @ (share * found.alpha), atol=1e-12)


def visited(loss, wide, X, y, order, curvature, n_passes, alpha, w):
    """What the kernels leave behind, by the 256-bit code or by the other."""
    _sdca.use_wide(wide)
    try:
        found = visit(loss, X, y, np.full(len(y), 0.1), order, curvature, n_passes, alpha, w)
        margins, moment = np.empty(len(y)), w.copy()
        _sdca.margins(X, w, margins)
        _sdca.accumulate(X, alpha, moment)
    finally:
        _sdca.use_wide(True)
    return np.concatenate([*found, margins, moment])


@losses
@given(
    n=st.integers(1, 40),
    d=st.integers(1, 70) | st.integers(1, 3000),
    curvature=curvatures,
    n_passes=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_width_of_the_registers_does_not_show(loss, n, d, curvature, n_passes, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, d)), np.sign(rng.normal(size=n))
    rest = rng.permutation(n), curvature / d, n_passes, y * rng.random(n), rng.normal(size=d)
    found, expected = (visited(loss, wide, X, y, *rest) for wide in (True, False))
    assert found.tobytes() == expected.tobytes()


@losses
def test_rows_outside_the_order_stay(loss):
    rng = np.random.default_rng(0)
    X, y, share = rng.normal(size=(6, 2)), np.sign(rng.normal(size=6)), np.full(6, 1 / 6)
    alpha, _ = visit(loss, X, y, share, [1, 4], 0.5, 3, np.zeros(6), np.zeros(2))
    assert_array_equal(np.flatnonzero(alpha), [1, 4])


@losses
def test_read_only_inputs_are_accepted_and_left_alone(loss):
    rng = np.random.default_rng(1)
    X, y, share = rng.normal(size=(6, 2)), np.sign(rng.normal(size=6)), np.full(6, 1 / 6)
    kept = X.copy(), y.copy(), share.copy()
    for array in (X, y, share):
        array.flags.writeable = False
    visit(loss, X, y, share, np.arange(6), 0.5, 3, np.zeros(6), np.zeros(2))
    for array, before in zip((X, y, share), kept, strict=True):
        assert_array_equal(array, before)


def test_a_hinge_row_of_zeros_rests_at_its_upper_bound():
    X, y, share = np.zeros((2, 3)), np.array([1.0, -1.0]), np.full(2, 0.5)
    alpha, w = visit("hinge", X, y, share, [0, 1], 1.0, 4, np.zeros(2), np.ones(3))
    assert_array_equal(alpha, y)
    assert_array_equal(w, np.ones(3))


def test_a_logistic_step_ends_where_rounding_does():
    """From afar, from near, and from the root itself, and whichever side it is on."""
    rng = np.random.default_rng(0)
    one = np.ones((1, 1))
    for _ in range(2000):
        q, y, z = 10.0 ** rng.uniform(-3, 3), rng.choice([-1.0, 1.0]), rng.uniform(-6, 6)
        near = z + rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(-14, 1.5)
        b, start = expit(z), expit(near)
        f = y * (q * (start - b) - z)  # z is the logit of the root
        begin = np.array([y * start]), np.array([f])
        alpha, _ = visit("logistic", one, np.array([y]), one[0], [0], q, 1, *begin)
        assert_allclose(y * alpha[0], b, rtol=1e-14 * (10.0 + q))


def test_a_logistic_step_finds_its_root_at_every_curvature():
    """One row of norm one: q and f run over decades, the start comes close to either bound."""
    rng = np.random.default_rng(0)
    one, found, expected = np.ones((1, 1)), [], []
    for _ in range(2000):
        q, y = 10.0 ** rng.uniform(-3, 6), rng.choice([-1.0, 1.0])
        a, f = y * expit(rng.uniform(-40, 36)), q * rng.normal() * 10.0 ** rng.uniform(-4, 0)
        start = np.array([a]), np.array([f])
        alpha, _ = visit("logistic", one, np.array([y]), one[0], [0], q, 1, *start)
        found.append(alpha[0])
        expected.append(kernels.coordinate_step("logistic", y, f, a, q))
    assert_allclose(found, expected, rtol=1e-8)
