"""A common part beside every regulariser: sums of conjugates, and the best parts of weights."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from estimators import MODEL_KINDS, make_relationship, with_common
from oracles import regularisers
from oracles.objective import regulariser
from profiles import examples
from skfedmtl._model import CommonLearned, Learned, shrinkage

STEP = 1e-5

everything = [
    pytest.mark.parametrize("kind", MODEL_KINDS),
    settings(max_examples=examples(1 / 2)),
    given(
        shape=st.tuples(st.integers(1, 5), st.integers(1, 6)),
        lambdas=st.sampled_from([(0.1, 0.1), (1.0, 0.05), (1e-3, 1.0), (0.3, 1e-2)]),
        lambda0=st.sampled_from([1e-3, 0.1, 1.0, 50.0]),
        seed=st.integers(0, 2**32 - 1),
    ),
]


def of_all(test):
    for mark in reversed(everything):
        test = mark(test)
    return test


class Case:
    """A relationship with a common part, what it is made of, and places in its space."""

    def __init__(self, kind, shape, lambdas, lambda0, seed):
        self.rng = np.random.default_rng(seed)
        tied, self.name = make_relationship(kind, self.rng, shape[0], *lambdas, ridge=0.01)
        self.lambdas, self.lambda0 = lambdas, lambda0
        self.relationship = with_common(tied, lambda0)
        self.tied = regularisers.conjugate_of(self.name, *lambdas, shape[0])
        self.V, self.D = self.rng.normal(size=shape), self.rng.normal(size=shape)
        self.V += self.rng.normal(size=shape[1])

    def priced(self, u, W):
        return self.lambda0 * u @ u + regulariser(W - u, *self.lambdas, self.name)

    def slope(self, function, at, size=STEP):
        step = size * np.linalg.norm(at) / np.linalg.norm(self.D)
        return (function(at + step * self.D) - function(at - step * self.D)) / (2.0 * step)


@of_all
def test_the_conjugate_is_a_sum(kind, shape, lambdas, lambda0, seed):
    case = Case(kind, shape, lambdas, lambda0, seed)
    total = case.V.sum(axis=0)
    response = case.relationship.respond(case.V)
    value = case.tied.value(case.V) + total @ total / (4.0 * lambda0)
    assert_allclose(case.relationship.conjugate(case.V), value, rtol=1e-8)
    assert_allclose(response.value, value, rtol=1e-8)
    size = np.abs(response.W).max()
    assert_allclose(response.W, case.tied.grad(case.V) + total / (2.0 * lambda0), atol=1e-8 * size)
    # Fenchel's equality, of the best parts
    assert_allclose(np.vdot(case.V, response.W) - response.penalty, value, rtol=1e-8)
    assert_allclose(case.relationship.penalty(response.W), response.penalty, rtol=1e-9)
    assert_allclose(response.curvature(), response.frozen_product(np.eye(shape[0])).diagonal())
    if case.tied.kink(case.V) > 1e-2:
        bent = case.tied.derivative(case.V) @ case.D.ravel()
        expected = bent.reshape(shape) + case.D.sum(axis=0) / (2.0 * lambda0)
        assert_allclose(response.product(case.D), expected, atol=1e-7 * np.abs(expected).max())


@of_all
def test_no_other_parts_are_better(kind, shape, lambdas, lambda0, seed):
    case = Case(kind, shape, lambdas, lambda0, seed)
    u = case.relationship.common_part(case.V)
    value = case.relationship.penalty(case.V)
    assert_allclose(value, case.priced(u, case.V), rtol=1e-9)
    for other in (0.0 * u, case.V.mean(axis=0), *(u + 0.1 * case.rng.normal(size=(4, len(u))))):
        assert value <= case.priced(other, case.V) * (1.0 + 1e-10)
    assert np.all(case.relationship.common_part(np.zeros(shape)) == 0.0)


@of_all
def test_the_proximal_step(kind, shape, lambdas, lambda0, seed):
    """``W = grad R0*(rho (T - W))``, R0 at W, and the derivative."""
    case = Case(kind, shape, lambdas, lambda0, seed)
    rho = 10.0 ** case.rng.uniform(-2, 2)
    W, penalty = case.relationship.proximal(case.V, rho)
    size = np.abs(case.V).max()
    assert_allclose(case.relationship.respond(rho * (case.V - W)).W, W, atol=1e-6 * size)
    assert_allclose(penalty, case.relationship.penalty(W), rtol=1e-8, atol=1e-14)
    response = case.relationship.proximal_response(case.V, rho)
    assert_allclose(response.W, W, atol=1e-9 * size)
    assert_allclose(response.frozen_product(rho * case.V), W, atol=1e-7 * size)
    slopes = [
        case.slope(lambda T: case.relationship.proximal(T, rho).W, case.V, size)
        for size in (STEP, 2.0 * STEP)
    ]
    assume(np.allclose(*slopes, atol=1e-6 * np.abs(slopes[0]).max()))  # no kink between
    assert_allclose(rho * response.product(case.D), slopes[0], atol=1e-4 * np.abs(case.D).max())


@of_all
def test_a_proximal_step_need_not_be_exact(kind, shape, lambdas, lambda0, seed):
    """Its penalty is that of some parts, and its weights are about as close as asked for."""
    case = Case(kind, shape, lambdas, lambda0, seed)
    exact = case.relationship.proximal(case.V, 1.0).W
    for close in (1e-1, 1e-3, 1e-6):
        other = Case(kind, shape, lambdas, lambda0, seed).relationship
        W, penalty = other.proximal(case.V, 1.0, close)
        assert np.linalg.norm(W - exact, axis=1).max() <= 10.0 * close
        assert penalty >= case.relationship.penalty(W) * (1.0 - 1e-9)


@of_all
def test_the_smoothed_sum(kind, shape, lambdas, lambda0, seed):
    case = Case(kind, shape, lambdas, lambda0, seed)
    root = 0.1 * np.linalg.norm(case.V)

    def at(W):
        return case.relationship.curved(W, root)

    here = at(case.V)
    assert here.value >= case.relationship.penalty(case.V) * (1.0 - 1e-9)
    slope = case.slope(lambda W: at(W).value, case.V)
    size = np.linalg.norm(here.slope) * np.linalg.norm(case.D)
    assert_allclose(np.vdot(here.slope, case.D), slope, atol=1e-5 * size)
    H = here.hessian()
    bend = case.slope(lambda W: at(W).slope, case.V)
    found = (H @ case.D.ravel()).reshape(shape)
    assert_allclose(found, bend, atol=1e-4 * np.linalg.norm(H) * np.linalg.norm(case.D))


@pytest.mark.parametrize("seed", [0, 4, 6])
def test_best_parts_of_tables_too_large_for_exact_singular_values(monkeypatch, seed):
    rng = np.random.default_rng(seed)
    W = 0.01 * rng.normal(size=(30, 3)) @ rng.normal(size=(3, 562)) + 0.05 * rng.normal(size=562)
    tied, lambda0 = Learned(30, 0.03, 0.01), 0.01
    found = CommonLearned(tied, lambda0).common_part(W)
    monkeypatch.setattr(shrinkage, "_DIRECT", np.inf)
    exact = CommonLearned(tied, lambda0).common_part(W)
    prices = [lambda0 * float(u @ u) + tied.penalty(W - u) for u in (found, exact)]
    assert_allclose(prices[0], prices[1], rtol=1e-9)
