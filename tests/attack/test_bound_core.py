"""Certified damage: duals from below, pulls, and bounds that no poisoned victim exceeds."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from bounds import BESIDE, EDGE, make_case, solved, worst_found
from estimators import KINDS, LOSSES
from oracles.losses import RECORD_OF
from oracles.objective import row_weights
from profiles import IS_LONG
from skfedmtl._model import LOSSES as MODEL_LOSSES
from skfedmtl._model import Independent, Learned
from skfedmtl.attack._bound import Injection, Setting, damage_bound
from skfedmtl.attack._bound.bound import of_fewer_rows
from skfedmtl.attack._bound.conditional import Conditional, Pair
from skfedmtl.attack._bound.conditional_margins import ConditionalMargins
from skfedmtl.attack._bound.fits import fit_losses, fit_quadratic
from skfedmtl.attack._bound.given import Given
from skfedmtl.attack._bound.injection import Pull
from skfedmtl.attack._bound.joint import Joint, Point
from skfedmtl.attack._bound.margins import JointMargins
from skfedmtl.attack._bound.moments import Moments, Reference
from skfedmtl.attack._bound.rows import Costs
from skfedmtl.attack._sought import CleanRows, Model

SEEDS = st.integers(0, 2**32 - 1)
MARGINS = sorted(name for name, record in RECORD_OF.items() if not record.is_regression)
ALL_KINDS = (*KINDS, *(kind + BESIDE for kind in KINDS))
ATTACKS = ["direct", "indirect", "hybrid"]
few = settings(max_examples=12)


cases = st.builds(
    make_case,
    st.sampled_from(sorted(LOSSES)),
    st.sampled_from(ALL_KINDS),
    st.booleans(),
    st.sampled_from(ATTACKS),
    SEEDS,
)


# -- fits that are known from below ---------------------------------------------------------------


def penalty_of(W, relationship, kind):
    """cvxpy's R(W)."""
    if kind == "learned":
        tied = cp.square(cp.normNuc(W))
        return relationship.lambda1 * tied + relationship.lambda2 * cp.sum_squares(W)
    bend = 0.5 * relationship.bend()
    root = np.linalg.cholesky(bend).T
    return cp.sum_squares(root @ W)


@few
@given(st.sampled_from(MARGINS), st.sampled_from(KINDS), st.booleans(), SEEDS)
def test_weighted_losses_from_below(name, kind, intercept, seed):
    """At the optimum to the last digits, and never above it, however early a fit stops."""
    case = make_case(name, kind, intercept, "direct", seed)
    rows, model = case.setting.rows, case.setting.model
    rng = np.random.default_rng(seed)
    node_weight = rng.uniform(0.0, 2.0, size=4) * (rng.random(4) > 0.2)
    X = np.column_stack([rows.X, np.full(len(rows.X), model.intercept_scaling)])
    X = X if intercept else rows.X
    W = cp.Variable((4, X.shape[1]))
    share = row_weights(rows.codes, rows.weight, 4) * node_weight[rows.codes]
    f = cp.sum(cp.multiply(X, W[rows.codes]), axis=1)
    risk, constraints = RECORD_OF[name].risk(rows.y, f, share)
    best = solved(risk + penalty_of(W, model.relationship, kind), constraints)
    whole = fit_losses(rows, model, node_weight, 1e-9)
    assert_allclose([whole.bound, whole.value], best, rtol=1e-6, atol=1e-7)
    for max_iter in (1, 3):
        part = fit_losses(rows, model, node_weight, 1e-9, max_iter)
        assert part.bound <= best * (1.0 + 1e-7) + 1e-8
        assert part.value >= best * (1.0 - 1e-7) - 1e-8


@few
@given(st.sampled_from(KINDS), st.booleans(), SEEDS)
def test_quadratics_from_below(kind, intercept, seed):
    case = make_case("squared_error", kind, intercept, "direct", seed)
    rows, model = case.setting.rows, case.setting.model
    rng, m = np.random.default_rng(seed), 4
    moments = Moments(rows, model)
    a, near, ridge = rng.uniform(-0.2, 1.0, m), rng.uniform(0.3, 1.0, m), rng.uniform(0.0, 2.0, m)
    V, intercepts = rng.normal(size=(m, 2)), rng.normal(size=m) * intercept
    residual = np.zeros(m)
    if intercept:
        residual = intercepts - moments.intercepts(V, residual)
    turned = np.einsum("lji,lj->li", moments.basis, V)
    reference = Reference(turned, residual, near, ridge)
    quadratic = moments.combine(np.arange(m), a, 0.7, [reference])
    W, b = cp.Variable((m, 2)), cp.Variable(m)
    f = cp.sum(cp.multiply(rows.X, W[rows.codes]), axis=1) + b[rows.codes]
    of_v = np.sum(rows.X * V[rows.codes], axis=1) + intercepts[rows.codes]
    share = row_weights(rows.codes, rows.weight, m)
    # a (f - y)^2 + near (f - f_v)^2 as one square and a constant
    total = (a + near)[rows.codes]
    middle = (a[rows.codes] * rows.y + near[rows.codes] * of_v) / total
    rest = share @ (a[rows.codes] * near[rows.codes] / total * np.square(rows.y - of_v))
    own = cp.sum(cp.multiply(share * total, cp.square(f - middle))) + rest
    ridges = 0.7 * cp.sum(cp.multiply(ridge[:, None], cp.square(W - V)))
    constraints = [] if intercept else [b == 0]
    best = solved(own + ridges + penalty_of(W, model.relationship, kind), constraints)
    fits = [fit_quadratic(quadratic, model.relationship, tol) for tol in (1e-10, 1e-3, 1e-1)]
    assert_allclose([fits[0].bound, fits[0].value], best, rtol=1e-6, atol=1e-7)
    for fit in fits:
        assert fit.bound <= best + 1e-7 * (1.0 + abs(best))
        assert fit.value >= best - 1e-7 * (1.0 + abs(best))


# -- pulls ----------------------------------------------------------------------------------------


@few
@given(st.sampled_from(sorted(LOSSES)), SEEDS)
def test_no_row_of_the_mapped_ball_pulls_harder(name, seed):
    case = make_case(name, "learned", True, "hybrid", seed)
    loss, injection = case.setting.model.loss, case.setting.injection
    rng = np.random.default_rng(seed)
    v, b = rng.normal(size=(2, 2)), rng.normal(size=2)
    pulls = Pull(loss, injection).at(v, b)
    angle = np.linspace(0.0, 2.0 * np.pi, 400)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    t = np.concatenate([np.linspace(-60.0, 60.0, 6001), [1e-9 - 1.0, 1.0 - 1e-9]])
    for s in range(2):
        x = (injection.radii[s] * circle - injection.shift) * injection.scale
        u = x @ v[s] + b[s]
        ends = [injection.low[s], injection.high[s]] if loss.is_regression else [-1.0, 1.0]
        most = max(
            np.max(-loss.derivative(np.full_like(t, y), t) * (t - extreme))
            for y in ends
            for extreme in (u.min(), u.max())
        )
        assert most <= pulls.value[s] * (1.0 + 1e-9)
        assert most >= pulls.value[s] * (1.0 - 2e-3) - 1e-3


# -- the joint inequality -------------------------------------------------------------------------


@settings(max_examples=2000 if IS_LONG else 36)
@given(cases)
def test_no_attack_exceeds_the_bound(case):
    """Which a few steps find too; on request they are as many as it takes to be near it."""
    bound = damage_bound(case.setting, 60 if IS_LONG else 4)
    hows = ("random", *EDGE, *EDGE) if IS_LONG else EDGE
    assert worst_found(case, 0, hows) <= bound.value * (1.0 + 1e-6)
    assert bound.lost <= 1e-4 * bound.value


@few
@given(cases, SEEDS)
def test_any_reference_gives_a_bound(case, seed):
    """And any multiplier above its limit."""
    rng = np.random.default_rng(seed)
    log_tau = rng.uniform(0.01, 2.0)
    if case.setting.model.loss.constant_curvature:
        joint = Joint(case.setting)
        first = joint.first()
        V = first.V + 0.3 * rng.normal(size=first.V.shape)
        residual = joint.moments.is_free * rng.normal(size=len(V))
        bound = joint.bound(Point(log_tau, V, residual))
    else:
        joint = JointMargins(case.setting)
        bound = joint.bound(rng.normal(size=joint.shape), log_tau)
    assert worst_found(case, seed, EDGE) <= bound.value


@few
@given(cases, st.floats(1.01, 10.0), SEEDS)
def test_at_one_place_more_rows_never_bring_less(case, times, seed):
    """Why a bound of more rows holds for fewer; the balls hold the clean rows."""
    few_rows, rng = case.setting, np.random.default_rng(seed)
    share = few_rows.injection.share
    share = times * share / (1.0 - share + times * share)
    more_rows = few_rows._replace(injection=few_rows.injection._replace(share=share))
    is_square = few_rows.model.loss.constant_curvature > 0.0
    both = [Joint(one) if is_square else JointMargins(one) for one in (few_rows, more_rows)]
    tau = both[1].limit * np.exp(rng.uniform(0.05, 2.0))
    V = rng.normal(size=both[0].moments.e.shape if is_square else both[0].shape)
    if is_square:
        residual = both[0].moments.is_free * rng.normal(size=len(V))
        fewer, more = (
            joint.bound(Point(float(np.log(tau / joint.limit)), V, residual)).value
            for joint in both
        )
    else:
        fewer, more = (joint.bound(V, float(np.log(tau / joint.limit))).value for joint in both)
    assert fewer <= more + 1e-6 * abs(more)


@few
@given(
    st.sampled_from(["squared_error", "hinge"]),
    st.sampled_from(ALL_KINDS),
    st.booleans(),
    st.sampled_from(ATTACKS),
    SEEDS,
)
def test_where_more_rows_are_bounded_fewer_are_bounded_lower(name, kind, intercept, attack, seed):
    """Both hold; kappa of these losses is never too small where the balls hold the clean rows."""
    case = make_case(name, kind, intercept, attack, seed)
    norms = case.setting.injection.radii
    bounds = [damage_bound(case.setting.with_times(4.0, norms), 4)]
    assume(bounds[0].theorem == "T1")
    for times in (3.0, 1.5, 1.0):
        setting = case.setting.with_times(times, norms)
        bounds.append(of_fewer_rows(bounds[0], setting))
    values = [bound.value for bound in bounds]
    assert worst_found(case, seed, EDGE) <= values[-1] * (1.0 + 1e-6)
    assert np.all(np.diff(values) <= 1e-6 * values[0])
    assert values[-1] < values[0]


def test_only_one_inequality_is_taken_to_fewer_rows():
    setting = make_case("hinge", "learned", True, "indirect", 0).setting
    for theorem in ("T2", "cap"):
        bound = damage_bound(setting, 2)._replace(theorem=theorem)
        assert of_fewer_rows(bound, setting) is None


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("intercept", [True, False])
def test_slopes_are_those_of_the_bound(kind, intercept):
    joint = Joint(make_case("squared_error", kind, intercept, "hybrid", 3).setting)
    rng = np.random.default_rng(0)
    shape = joint.first().V.shape
    V, dV = rng.normal(size=(2, *shape))
    r, dr = rng.normal(size=(2, shape[0])) * intercept

    def at(step):
        return joint.judge(Point(0.5 + 0.3 * step, V + step * dV, r + step * dr), 1e-13)

    slope = at(0.0).slope
    along = 0.3 * slope.log_tau + np.vdot(slope.V, dV) + slope.residual @ dr
    assert_allclose(
        (at(1e-5).value - at(-1e-5).value) / 2e-5, along, rtol=3e-4
    )  # kinks of R are rounded off


# -- the conditional inequality, and the exact response -------------------------------------------


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("attack", ["indirect", "hybrid"])
def test_slopes_of_both_inequalities(intercept, attack):
    joint = Joint(make_case("squared_error", "learned", intercept, attack, 5).setting)
    conditional = Conditional(joint, joint.relationship)
    rng = np.random.default_rng(1)
    first = conditional.first()
    draw = [0.3 * rng.normal(size=part.shape) for part in first]
    way = [rng.normal(size=part.shape) for part in first]
    if not intercept:
        draw[2][:] = way[2][:] = 0.0

    def at(step):
        parts = zip(first, draw, way, strict=True)
        return conditional.judge(Pair(*(one + two + step * up for one, two, up in parts)), 1e-13)

    along = sum(np.vdot(slope, up) for slope, up in zip(at(0.0).slope, way, strict=True))
    assert_allclose((at(1e-5).value - at(-1e-5).value) / 2e-5, along, rtol=1e-3)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", [one for one in LOSSES if not RECORD_OF[one].is_square])
def test_slopes_of_what_victims_expect_of_the_worst_rows(name, intercept):
    joint = JointMargins(make_case(name, "learned", intercept, "hybrid", 5).setting)
    rng = np.random.default_rng(2)
    V, way = rng.normal(size=(2, *joint.shape))

    def at(step):
        place = V + step * way
        return joint.rounded(place, joint.decide(place), 0.3)

    differences = (at(1e-5)[0] - at(-1e-5)[0]) / 2e-5
    assert_allclose(differences, np.vdot(at(0.0)[1], way), rtol=1e-3)
    assert joint.known(V, joint.decide(V)) == joint.known(V) <= at(0.0)[0] + 0.3


@pytest.mark.parametrize(
    ("attack", "group"), [("indirect", None), ("hybrid", None), ("hybrid", [0, 1])]
)
def test_slopes_of_multipliers_for_classes(attack, group):
    joint = JointMargins(make_case("logistic", "learned", True, attack, 5).setting)
    group = group and np.array(group)
    conditional = ConditionalMargins(joint, joint.relationship, group)
    K, _ = joint.reference(20)
    x, way = np.array([-1.0, -0.5, 0.7]), np.array([0.4, -0.8, 0.5])

    def at(step):
        return conditional.judge(x + step * way, K, 1e-11, 400)

    differences = (at(1e-3).value - at(-1e-3).value) / 2e-3
    assert_allclose(differences, at(0.0).slope @ way, rtol=1e-4 if group is None else 1e-2)


@pytest.mark.parametrize("kind", ["none", "omega"])
@pytest.mark.parametrize("intercept", [True, False])
def test_slopes_of_the_exact_response(kind, intercept):
    given = Given(make_case("squared_error", kind, intercept, "hybrid", 5).setting)
    log_tau, V = given.first()
    rng = np.random.default_rng(1)
    up, way = rng.normal(size=log_tau.shape), rng.normal(size=V.shape)
    up, way = 0.1 * up, 0.1 * way

    def at(step):
        return given.judge(log_tau + step * up, V + step * way)

    _, by_tau, by_V = at(0.0)
    differences = (at(1e-5)[0] - at(-1e-5)[0]) / 2e-5
    assert_allclose(differences, by_tau @ up + np.vdot(by_V, way), rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_lifts_the_others_above_zero_weights(name):
    """Whatever is injected: the cap, which a search among both inequalities only lowers."""
    setting = make_case(name, "learned", True, "indirect", 2).setting
    relationship = setting.model.relationship
    if RECORD_OF[name].is_square:
        cap = Conditional(Joint(setting), relationship).cap()
    else:
        cap = ConditionalMargins(JointMargins(setting), relationship).cap()
    rows, loss = setting.rows, setting.model.loss
    f = np.zeros(len(rows.y))
    for l in range(4):
        own = rows.codes == l
        f[own] = rows.y[own].mean() if RECORD_OF[name].has_free_intercept else 0.0
    share = row_weights(rows.codes, rows.weight, 4)
    zero_weights = share[rows.codes < 2] @ loss.value(rows.y, f)[rows.codes < 2]
    assert_allclose(cap.value, zero_weights, rtol=1e-3)
    assert cap.theorem == "cap"
    assert damage_bound(setting, 30).value <= cap.value


@pytest.mark.parametrize("name", MARGINS)
def test_sources_that_are_no_targets_count_by_their_norm_alone(name):
    """Where nodes are hardly tied, a hybrid attack is a direct one through the targets."""
    setting = make_case(name, "learned", True, "hybrid", 3).setting
    loose = Learned(4, 1e-6, 0.1)
    setting = setting._replace(model=setting.model._replace(relationship=loose))
    codes, *parts, shift, scale = setting.injection
    own = np.isin(codes, setting.targets)
    direct = Injection(codes[own], *(part[own] for part in parts), shift, scale)
    alone = Independent(4, 0.1)
    expected = Setting(
        setting.rows, setting.model._replace(relationship=alone), setting.targets, direct
    ).among(setting.targets, Independent(2, 0.1))
    bound = damage_bound(setting, 100)
    assert bound.theorem == "T2"
    assert_allclose(bound.value, damage_bound(expected, 100).value, rtol=0.02)
    assert (
        bound.value
        < 0.95 * JointMargins(setting).descend(*JointMargins(setting).reference(100)).value
    )


# -- rows that no attack turns -------------------------------------------------------------------


@settings(max_examples=6)
@given(st.sampled_from(MARGINS), SEEDS)
def test_rows_stand_where_weights_that_turn_them_cost_too_much(name, seed):
    """As independent programs say it; C is set between what two rows cost."""
    rng = np.random.default_rng(seed)
    X, x = rng.normal(size=(12, 3)), rng.normal(size=(5, 3))
    y = np.where(X @ [1.0, -1.0, 0.5] + 0.5 * rng.normal(size=12) > 0.0, 1.0, -1.0)
    weight, theta, ridge = rng.uniform(0.5, 2.0, 12), 0.8, 0.05
    share = theta * weight / weight.sum()
    W = cp.Variable(3)
    risk, constraints = RECORD_OF[name].risk(y, X @ W, share)
    total = risk + ridge * cp.sum_squares(W)
    solved(total, constraints)
    sign = np.where(x @ W.value > 0.0, 1.0, -1.0)
    turned = (s * row @ W <= 0.0 for s, row in zip(sign, x, strict=True))
    cost = np.array([solved(total, [*constraints, one]) for one in turned])
    model = Model(MODEL_LOSSES[name](), Independent(1, 1.0), "none")
    rows = CleanRows(X, y, np.zeros(12, dtype=np.int64), weight)
    ordered = np.sort(cost)
    where = np.zeros(5, dtype=np.int64)
    for most in 0.5 * (ordered[1:] + ordered[:-1]):
        costs = Costs(rows, model, np.array([theta]), ridge, np.array([most]))
        found = costs.stands(x, where, sign)
        assert not found[cost <= most * (1.0 - 1e-6)].any()
        assert found[cost > most * 1.001].all()
