"""The conditional inequality beside a common part: fits from below, slopes, and what it bounds."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from bounds import BESIDE, EDGE, Case, make_case, solved, worst_found
from skfedmtl import FMTLRegressor
from skfedmtl._model import CommonLearned, Learned, SquaredError
from skfedmtl.attack._bound import Injection, Setting, damage_bound
from skfedmtl.attack._bound.conditional import Conditional
from skfedmtl.attack._bound.conditional import Pair as PairAlone
from skfedmtl.attack._bound.conditional_common import ConditionalCommon, Pair
from skfedmtl.attack._bound.joint import Joint
from skfedmtl.attack._bound.parts import Apart, Parts, fit_parts
from skfedmtl.attack._sought import CleanRows, Model

ATTACKS = ["indirect", "hybrid"]
SEEDS = st.integers(0, 2**32 - 1)
few = settings(max_examples=12)
cases = st.builds(
    make_case,
    st.just("squared_error"),
    st.just("learned" + BESIDE),
    st.booleans(),
    st.sampled_from(ATTACKS),
    SEEDS,
)


def conditional_of(setting):
    return ConditionalCommon(Joint(setting), setting.model.relationship)


def with_lambdas(case, lambda0, lambda1, lambda2):
    """The same rows, of another victim."""
    m = case.setting.model.relationship.n_nodes
    relationship = CommonLearned(Learned(m, lambda1, lambda2), lambda0)
    model = case.setting.model._replace(relationship=relationship)
    case.estimator.set_params(lambda0=lambda0, lambda1=lambda1, lambda2=lambda2)
    return case._replace(setting=case.setting._replace(model=model))


def drawn_pair(conditional, rng, spread=1.0):
    """Numbers and references, residuals only where sources have free intercepts."""
    m, d = conditional.moments.e.shape
    n = len(conditional.others)
    start = (
        0.2 + rng.random(),
        10.0 ** rng.uniform(-2.0, 0.0),
        rng.uniform(0.2, 0.95),
        10.0 ** rng.uniform(-1.0, 2.0),
        *rng.uniform(0.05, 0.95, size=3),
    )
    residual = spread * rng.normal(size=m) * conditional.moments.is_free
    residual[conditional.others] = 0.0
    v, p = spread * rng.normal(size=(2, d))
    U = p + spread * rng.choice([0.0, 0.1, 1.0]) * rng.normal(size=(n, d))
    Y = 0.5 * spread * rng.normal(size=(m, d))
    return Pair(conditional.x_of(start), v, Y, residual, U, p)


# -- fits that are known from below ---------------------------------------------------------------


@few
@given(SEEDS)
def test_quadratics_in_both_parts_from_below(seed):
    """At the optimum to the last digits, and never above it, however early a fit stops."""
    rng, m, d = np.random.default_rng(seed), 4, 2
    basis = np.linalg.qr(rng.normal(size=(m, d, d)))[0]
    bend = rng.uniform(0.0, 1.0, size=(m, d))
    tilt, lean = rng.normal(size=(2, m, d))
    ridge, pull = rng.uniform(0.2, 1.0, size=m), rng.uniform(-0.2, 0.2, size=m)
    parts = Parts(basis, bend, tilt, ridge, pull, lean, 0.1, rng.normal(size=d), 3.0)
    parts = parts._replace(bend_u=1e-2 - float(np.linalg.eigvalsh(parts.held(0.0)[2])[0]) + 0.1)
    assert parts.is_convex
    assert not parts._replace(bend_u=parts.bend_u - 0.02).is_convex
    groups = [(np.arange(2), Learned(2, 0.3, 0.05)), (np.arange(2, 4), Learned(2, 0.1, 0.05))]
    best = _least(parts, groups)
    fits = [fit_parts(parts, Apart(groups), tol) for tol in (1e-10, 1e-3, 1e-1)]
    assert_allclose([fits[0].bound, fits[0].value], best, rtol=1e-6, atol=1e-6)
    for fit in fits:
        assert fit.bound <= best + 1e-6 * (1.0 + abs(best))
        assert fit.value >= best - 1e-6 * (1.0 + abs(best))
        priced = sum(tied.penalty(fit.Z[nodes]) for nodes, tied in groups)
        assert_allclose(fit.value, parts.value(fit.u, fit.Z) + priced, rtol=1e-9)


def _least(parts, groups):
    """cvxpy's, of the matrix of the quadratic as a whole."""
    m, d = parts.bend.shape
    size = (m + 1) * d
    matrix, first = np.zeros((size, size)), np.zeros(size)
    matrix[:d, :d] += parts.bend_u * np.eye(d)
    first[:d] += parts.lean_u
    for l in range(m):
        own = np.zeros((d, size))
        own[:, d * (l + 1) : d * (l + 2)] = np.eye(d)
        both = own.copy()
        both[:, :d] += np.eye(d)
        E = (parts.basis[l] * parts.bend[l]) @ parts.basis[l].T
        matrix += both.T @ E @ both + parts.ridge[l] * own.T @ own
        cross = parts.pull[l] * own[:, d:].T @ np.eye(d)
        matrix[d:, :d] += cross
        matrix[:d, d:] += cross.T
        first += both.T @ parts.basis[l] @ parts.tilt[l] + own.T @ parts.lean[l]
    u, Z = cp.Variable(d), cp.Variable((m, d))
    flat = cp.hstack([u, *(Z[l] for l in range(m))])
    root = np.linalg.cholesky(matrix).T
    total = cp.sum_squares(root @ flat) - 2.0 * first @ flat + parts.const
    for nodes, tied in groups:
        total += tied.lambda1 * cp.square(cp.normNuc(Z[nodes]))
        total += tied.lambda2 * cp.sum_squares(Z[nodes])
    return solved(total)


# -- slopes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("attack", ATTACKS)
def test_slopes_of_both_inequalities(intercept, attack):
    case = make_case("squared_error", "learned" + BESIDE, intercept, attack, 5)
    conditional = conditional_of(with_lambdas(case, 3.0, 0.1, 0.05).setting)
    rng = np.random.default_rng(1)
    pair, way = drawn_pair(conditional, rng), drawn_pair(conditional, rng)
    way = way._replace(x=0.3 * rng.normal(size=7))

    def at(step):
        moved = Pair(*(one + step * up for one, up in zip(pair, way, strict=True)))
        return conditional.judge(moved, 1e-13)

    for name in Pair._fields:
        alone = Pair(*(up * (one == name) for one, up in zip(Pair._fields, way, strict=True)))
        along = np.vdot(getattr(at(0.0).slope, name), getattr(alone, name))
        ends = [
            conditional.judge(
                Pair(*(one + step * up for one, up in zip(pair, alone, strict=True))), 1e-13
            ).value
            for step in (1e-5, -1e-5)
        ]
        assert_allclose((ends[0] - ends[1]) / 2e-5, along, rtol=1e-3, atol=1e-6)


def test_slopes_of_the_edge():
    case = make_case("squared_error", "learned" + BESIDE, True, "indirect", 5)
    conditional = conditional_of(with_lambdas(case, 3.0, 0.1, 0.05).setting)
    rng = np.random.default_rng(1)
    pair, way = drawn_pair(conditional, rng), rng.normal(size=7)
    ends = [conditional.edge(pair._replace(x=pair.x + step * way))[0] for step in (1e-4, -1e-4)]
    assert_allclose((ends[0] - ends[1]) / 2e-4, conditional.edge(pair)[1] @ way, rtol=1e-4)


# -- what it bounds -------------------------------------------------------------------------------


@few
@given(cases, SEEDS)
def test_any_references_and_numbers_give_a_bound(case, seed):
    """Where there is a minimum."""
    rng = np.random.default_rng(seed)
    case = with_lambdas(case, *10.0 ** rng.uniform([-1.0, -3.0, -3.0], [1.0, 0.0, -1.0]))
    conditional = conditional_of(case.setting)
    worst = worst_found(case, seed, EDGE)
    near = Pair(
        np.zeros(7),
        case.estimator.common_coef_,
        case.estimator.coef_ - case.estimator.common_coef_,
        np.zeros(4),
        case.estimator.coef_[conditional.others],
        case.estimator.common_coef_,
    )
    for spread in (0.0, 0.1, 1.0):
        drawn = drawn_pair(conditional, rng, spread)
        conditional._start = None
        judged = conditional.judge(Pair(*(a + b for a, b in zip(drawn, near, strict=True))))
        assert judged is None or worst <= judged.value * (1.0 + 1e-6)


@settings(max_examples=8)
@given(cases)
def test_a_descent_leads_to_no_less_than_attacks_do(case):
    joint = Joint(case.setting)
    conditional = ConditionalCommon(joint, joint.relationship)
    bound = conditional.descend(8, joint.descend(4))
    if bound is not None:
        assert bound.theorem == "T2"
        assert bound.lost <= 1e-4 * bound.value
        assert worst_found(case, 0, EDGE) <= bound.value * (1.0 + 1e-6)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_common_part_at_any_price_leaves_the_other_conditional_inequality(attack):
    """At the same numbers and references, without a common part in them."""
    case = make_case("squared_error", "learned" + BESIDE, True, attack, 3)
    setting = with_lambdas(case, 1e8, 0.1, 0.05).setting
    conditional = conditional_of(setting)
    alone = setting._replace(model=setting.model._replace(relationship=Learned(4, 0.1, 0.05)))
    joint = Joint(alone)
    rng = np.random.default_rng(0)
    pair = drawn_pair(conditional, rng)
    zero = np.zeros_like(pair.p)
    pair = pair._replace(v=zero, p=zero, U=rng.normal(size=pair.U.shape))
    pair.x[3:] = -9.0, 0.0, -12.0, -12.0
    expected = Conditional(joint, joint.relationship).judge(
        PairAlone(pair.x[:3], pair.Y, pair.residual, pair.U)
    )
    found = conditional.judge(pair).value
    assert expected.value <= found <= expected.value * (1.0 + 1e-3)


def dragged_case():
    """A target and a source that opposes it, whose many rows drag the common part along."""
    x = np.linspace(-1.0, 1.0, 30)[:, None]
    one = np.ones(1)
    share = 60 / 90 * one
    injection = Injection(np.array([1]), share, one, -one, one, np.zeros(1), one)
    lambdas = 5.0, 0.4, 2e-4
    model = Model(SquaredError(), CommonLearned(Learned(2, *lambdas[1:]), lambdas[0]), "none")
    rows = CleanRows(
        np.vstack([x, x]), np.concatenate([x, -x])[:, 0], np.repeat([0, 1], 30), np.ones(60)
    )
    estimator = FMTLRegressor(
        lambda0=lambdas[0],
        lambda1=lambdas[1],
        lambda2=lambdas[2],
        fit_intercept=False,
        tol=1e-10,
        max_iter=3000,
    )
    return Case(Setting(rows, model, np.array([0]), injection), np.array([60]), estimator)


def test_a_common_part_that_costs_nothing_to_move_is_no_bound(monkeypatch):
    """Where nodes would take a better common part, but others would pay for it."""
    case = dragged_case()
    worst = case.damage(np.ones((60, 1)), -np.ones(60), np.ones(60, dtype=np.int64))
    u = case.estimator.common_coef_
    conditional = conditional_of(case.setting)
    x = conditional.x_of((0.2, 11.0, 0.9, 0.56, 0.01, 0.01, 0.99))
    Z, one = case.estimator.coef_ - u, np.ones(1)
    pair = Pair(x, u, Z, np.zeros(2), one[None], one)
    whole = conditional.judge(pair)
    assert whole is None or whole.value >= worst
    monkeypatch.setattr(conditional, "spread", lambda at: 0.0)
    assert conditional.judge(pair).value < 0.9 * worst


def test_it_certifies_less_than_the_joint_inequality_alone():
    case = make_case("squared_error", "learned" + BESIDE, True, "indirect", 1)
    setting = with_lambdas(case, 1.0, 0.05, 0.01).setting
    bound = damage_bound(setting, 60)
    assert bound.theorem == "T2"
    assert bound.value < 0.9 * Joint(setting).descend(60).value


def test_where_no_start_has_a_minimum_the_joint_inequality_is_left():
    case = make_case("squared_error", "learned" + BESIDE, True, "indirect", 1)
    setting = with_lambdas(case, 1e-7, 10.0, 1e-4).setting
    flat = setting.rows._replace(X=1e-3 * setting.rows.X)
    setting = setting._replace(rows=flat)
    joint = Joint(setting)
    assert conditional_of(setting).descend(5, joint.descend(5)) is None
    assert damage_bound(setting, 5).theorem == "T1"
