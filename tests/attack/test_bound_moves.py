"""How far injected rows move the weights of nodes that a quadratic ties: as numpy alone says it."""

import warnings

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from bounds import Case
from estimators import ESTIMATOR_OF
from oracles.losses import RECORD_OF
from oracles.objective import row_weights
from profiles import examples
from skfedmtl._model import LOSSES as MODEL_LOSSES
from skfedmtl._model import Fixed, Independent, Learned, MeanTied
from skfedmtl._model.common import CommonQuadratic
from skfedmtl.attack._bound import Injection, Setting, moved, with_gap
from skfedmtl.attack._bound.gap import ceiling
from skfedmtl.attack._bound.margins import JointMargins
from skfedmtl.attack._sought import CleanRows, Model

SEEDS = st.integers(0, 2**32 - 1)
#: The steepest slope of a loss; squares have a bound of their own.
STEEPEST = {
    name: np.abs(record.bounds).max() for name, record in RECORD_OF.items() if not record.is_square
}
LIMITED = sorted(name for name, slope in STEEPEST.items() if np.isfinite(slope))
ATTACKS = {"direct": [0, 1], "indirect": [2, 3], "hybrid": [1, 2]}
#: What ties the nodes: their precision between nodes, drawn, and whether they only pull together.
TIES = {"graph": True, "mean": True, "none": True, "repelling": False, "common": True}


def draw_tie(kind, rng, m):
    """The relationship, how an estimator is asked for it, and A of ``R = tr W' A W``."""
    lambda1, lambda2 = 10.0 ** rng.uniform(-2.0, 0.0, size=2)
    asked = {"lambda1": lambda1, "lambda2": lambda2}
    edges = np.triu(rng.uniform(0.0, 1.0, size=(m, m)) * (rng.random((m, m)) < 0.7), 1)
    edges += edges.T
    Omega = np.diag(edges.sum(axis=1)) - edges
    if kind == "mean":
        Omega = np.eye(m) - 1.0 / m
    elif kind == "none":
        Omega = np.zeros((m, m))
    elif kind == "repelling":
        signs = np.sign(rng.normal(size=m))
        Omega = signs[:, None] * Omega * signs
    A = lambda1 * Omega + lambda2 * np.eye(m)
    tied = Fixed(Omega, lambda1, lambda2)
    if kind in ("mean", "none"):
        tied = MeanTied(m, lambda1, lambda2) if kind == "mean" else Independent(m, lambda2)
        return tied, {"relationship": kind, **asked}, A
    if kind == "common":
        lambda0 = 10.0 ** rng.uniform(-2.0, 0.0)
        tied, asked["lambda0"] = CommonQuadratic(tied, lambda0), lambda0
        pull = A.sum(axis=1)
        A = A - np.outer(pull, pull) / (lambda0 + pull.sum())
    return tied, {"relationship": Omega, **asked}, A


def make_case(name, kind, intercept, attack, seed, m=4, d=2):
    """Four nodes with weights of rows; the balls are seen through a drawn scaler."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(4, 10, size=m)
    codes = np.repeat(np.arange(m), sizes)
    X = rng.normal(size=(len(codes), d)) + 0.3
    y = X @ rng.normal(size=d) + 0.3 * rng.normal(size=len(codes))
    if not RECORD_OF[name].is_regression:
        y = np.where(y > np.median(y), 1.0, -1.0)
    tied, asked, A = draw_tie(kind, rng, m)
    sources = np.array(ATTACKS[attack])
    counts = rng.integers(1, 6, size=len(sources))
    shift, scale = rng.normal(size=d), rng.uniform(0.5, 1.5, size=d)
    radii = rng.uniform(0.5, 4.0, size=len(sources))
    ends = np.full(len(sources), y.min()), np.full(len(sources), y.max())
    share = counts / (sizes[sources] + counts)
    injection = Injection(sources, share, radii, *ends, shift, scale)
    scaling = rng.uniform(0.5, 2.0)
    model = Model(MODEL_LOSSES[name](), tied, "feature" if intercept else "none", scaling)
    estimator = ESTIMATOR_OF[name](
        loss=name,
        fit_intercept=intercept,
        intercept_scaling=scaling,
        tol=1e-9,
        max_iter=3000,
        **asked,
    )
    rows = CleanRows(X, y, codes, np.ones(len(y)))
    return Case(Setting(rows, model, np.array([0, 1]), injection), counts, estimator), A


def seen_rows(case):
    """With the feature whose weight is the intercept."""
    rows, model = case.setting.rows, case.setting.model
    if model.intercept == "none":
        return rows.X
    return np.column_stack([rows.X, np.full(len(rows.y), model.intercept_scaling)])


def clean_shares(case, A):
    """The weights that no injected row pulls at, where clean rows have their shares."""
    rows, name = case.setting.rows, case.setting.model.loss.name
    X, share = seen_rows(case), row_weights(rows.codes, rows.weight, len(A))
    W = cp.Variable((len(A), X.shape[1]))
    f = cp.sum(cp.multiply(X, W[rows.codes]), axis=1)
    risk, constraints = RECORD_OF[name].risk(rows.y, f, share * case.setting.left[rows.codes])
    root = np.linalg.cholesky(A).T
    program = cp.Problem(cp.Minimize(risk + cp.sum_squares(root @ W)), constraints)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the status says so too
        program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-10)
    assume(program.status == cp.OPTIMAL)
    return W.value


def longest(case, s, n=721):
    """Of the mapped ball's edge, two-dimensional, that of so many rows that is longest."""
    injection, model = case.setting.injection, case.setting.model
    angle = np.linspace(0.0, 2.0 * np.pi, n)
    circle = injection.radii[s] * np.column_stack([np.cos(angle), np.sin(angle)])
    norms = np.linalg.norm((circle - injection.shift) * injection.scale, axis=1)
    constant = model.intercept_scaling if model.intercept == "feature" else 0.0
    return float(np.hypot(norms.max(), constant))


def limits(case, A, W0):
    """Of lengths: by slopes ``B p``, and by pulls ``sqrt(k B_tS B_SS^-1 B_St)``.

    B is half the inverse of A or of what A is compared with.
    """
    B = 0.5 * np.linalg.inv(2.0 * np.diag(np.diag(A)) - np.abs(A))
    injection, on = case.setting.injection, case.setting.injection.codes
    steepest = STEEPEST[case.setting.model.loss.name]
    norms = np.array([longest(case, s, 20001) for s in range(len(on))])
    by_slopes = np.full(len(A), np.inf)
    if np.isfinite(steepest):
        by_slopes = B[:, on] @ (injection.share * steepest * norms)
    k = JointMargins(case.setting).pulled(W0).sum()
    explained = np.diag(B[:, on] @ np.linalg.inv(B[np.ix_(on, on)]) @ B[on])
    return by_slopes, np.sqrt(k * explained)


def worst_rows(case, rng, W):
    """Rows at the edge of the balls, at one place or at several, most of labels that pull."""
    injection, d = case.setting.injection, case.setting.rows.X.shape[1]
    parts = []
    for s, (code, count) in enumerate(zip(injection.codes, case.counts, strict=True)):
        z = rng.normal(size=(1 if rng.random() < 0.7 else count, d))
        if rng.random() < 0.3:
            z = rng.choice([-1.0, 1.0]) * W[code][None, :d] + 1e-9
        z = np.broadcast_to(z / np.linalg.norm(z, axis=1)[:, None], (count, d))
        x = (injection.radii[s] * z - injection.shift) * injection.scale
        y = np.full(count, rng.choice([injection.low[s], injection.high[s]]))
        if not case.setting.model.loss.is_regression:
            y = np.where(x @ W[code, :d] > 0.0, -1.0, 1.0) * rng.choice([1.0, 1.0, -1.0])
        parts.append((x, y, np.full(count, code)))
    X, y, codes = zip(*parts, strict=True)
    return np.vstack(X), np.concatenate(y), np.concatenate(codes)


def poisoned_weights(case):
    """Of the victim that was fitted last, as the solver sees them."""
    victim, model = case.estimator, case.setting.model
    if model.intercept == "none":
        return victim.coef_
    return np.column_stack([victim.coef_, victim.intercept_ / model.intercept_scaling])


drawn = st.builds(
    make_case,
    st.sampled_from(sorted(STEEPEST)),
    st.sampled_from(sorted(TIES)),
    st.booleans(),
    st.sampled_from(sorted(ATTACKS)),
    SEEDS,
)


# -- what the theorem says, and that this is what is computed --------------------------------------


@settings(max_examples=examples(0.4))
@given(drawn, SEEDS)
def test_no_attack_moves_weights_farther(problem, seed):
    """Nor raises the losses of the targets above what weights within their balls can have."""
    case, A = problem
    rng = np.random.default_rng(seed)
    W0, joint = clean_shares(case, A), JointMargins(case.setting)
    bound, most = moved.bound_of_moves(joint), limits(case, A, W0)
    for _ in range(4):
        damage = case.damage(*worst_rows(case, rng, W0))
        off = np.linalg.norm(poisoned_weights(case) - W0, axis=1)
        for limit in most:
            assert np.all(off <= limit * (1.0 + 1e-6) + 1e-4)
        assert bound is None or damage <= bound.value * (1.0 + 1e-6) + 1e-6


@settings(max_examples=examples(0.4))
@given(drawn)
def test_balls_are_those_of_the_formula(problem):
    case, A = problem
    W0, joint = clean_shares(case, A), JointMargins(case.setting)
    fit = moved.clean_shares(joint)
    balls = moved.moved(joint, fit)
    assert_allclose(fit.W, W0, atol=1e-3)
    expected = np.minimum(*limits(case, A, W0))
    assert np.all(balls.radius >= expected * (1.0 - 1e-6))
    lacks = moved.near(joint.relationship, fit.value - fit.bound)
    assert_allclose(balls.radius - lacks, expected, rtol=2e-2, atol=1e-9)


@settings(max_examples=examples(0.4))
@given(
    drawn.filter(lambda problem: problem[0].setting.model.loss.name in LIMITED),
    st.floats(1e-6, 0.3),
    SEEDS,
)
def test_what_a_gap_of_victims_adds(problem, tol, seed):
    """Weights whose objective is so much higher, in any direction, from any optimum."""
    case, A = problem
    rng = np.random.default_rng(seed)
    joint, setting = JointMargins(case.setting), case.setting
    bound = moved.bound_of_moves(joint)
    eps = tol / (1.0 - tol) * ceiling(setting)
    W = rng.normal(size=bound.V.shape)
    D = rng.normal(size=W.shape) * rng.choice([1.0, 100.0], size=(4, 1))
    if rng.random() < 0.5:  # what moves a target the farthest
        D = np.outer(np.linalg.inv(A)[0], rng.normal(size=W.shape[1]))
    D *= np.sqrt(eps / np.vdot(D, A @ D))
    assert np.all(np.linalg.norm(D, axis=1) <= moved.near(joint.relationship, eps) * (1.0 + 1e-9))
    rise = (joint.losses(W + D) - joint.losses(W))[setting.targets].sum()
    assert rise <= (with_gap(bound, setting, tol).value - bound.value) * (1.0 + 1e-9)


@settings(max_examples=examples(0.4))
@given(SEEDS, st.integers(1, 4), st.booleans())
def test_the_longest_row_of_a_mapped_ball(seed, d, centred):
    """Above rows at its edge, and close to the longest that an ascent finds."""
    rng = np.random.default_rng(seed)
    scale, radius = rng.uniform(0.0, 2.0, size=d) * (rng.random(d) > 0.2), rng.uniform(0.0, 3.0)
    shift = np.zeros(d) if centred else rng.normal(size=d)
    one = np.zeros(1)
    found = Injection(one, one, radius + one, one, one, shift, scale).longest()[0]
    z = rng.normal(size=(200, d))
    for _ in range(300):  # of a convex function: every step goes to the edge
        z = z / np.linalg.norm(z, axis=1)[:, None] * radius
        z = np.square(scale) * (z - shift) + 1e-12 * rng.normal(size=z.shape)
    z = z / np.linalg.norm(z, axis=1)[:, None] * radius
    norms = np.linalg.norm((z - shift) * scale, axis=1)
    assert norms.max() <= found * (1.0 + 1e-9) + 1e-9
    assert found <= norms.max() * 1.02 + 1e-6


# -- where it is attained: whatever lacks a part of it is exceeded ---------------------------------


def attained(name, *, repelling=False, radius=None):
    """Three nodes in a chain, of one feature, in a region where no loss has a kink.

    All rows ask for smaller weights than they can have. The injected ones, at the other end of the
    chain from the target, make those of the source larger until they get their way, or just not
    yet: all slopes are as steep as can be, and no row could pull harder. Of a smaller radius slopes
    alone are.
    """
    m, sign = 3, -1.0 if repelling else 1.0
    edge = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, sign], [0.0, sign, 0.0]])
    Omega = np.diag(np.abs(edge).sum(axis=1)) - edge
    codes = np.repeat(np.arange(m), 8)
    y = np.tile([1.0, -1.0], 12)
    X = -0.5 * y[:, None] * np.array([1.0, 1.0, sign])[codes][:, None]
    y *= 1.0 if name == "hinge" else 5.0
    share, B = 0.2, np.linalg.inv(2.0 * (2.0 * Omega + np.eye(m)))
    steep, end = STEEPEST[name], 1.0 if name == "hinge" else 5.0
    g = steep * 0.5 * np.array([-1.0, -1.0, -0.8 * sign])
    w, enough = abs((B @ g)[2]), 1.0 if name == "hinge" else end - 1.0
    radius = radius or 0.999 * np.roots([share * steep * B[2, 2], -w, -enough]).max()
    one = np.ones(1)
    injection = Injection(
        np.array([2]), share * one, radius * one, -end * one, end * one, 0 * one, one
    )
    model = Model(MODEL_LOSSES[name](), Fixed(Omega, 2.0, 1.0), "none")
    estimator = ESTIMATOR_OF[name](
        loss=name, relationship=Omega, fit_intercept=False, lambda1=2.0, lambda2=1.0
    ).set_params(tol=1e-10, max_iter=3000)
    rows = CleanRows(X, y, codes, np.ones(24))
    case = Case(Setting(rows, model, np.array([0]), injection), np.array([2]), estimator)
    damage = case.damage(np.full((2, 1), radius), np.full(2, sign * end), np.full(2, 2))
    return case, damage


def rise(joint):
    """What the bound adds to the losses of the fit in the middle."""
    bound = moved.bound_of_moves(joint)
    return bound.value - joint.losses(bound.V)[joint.setting.targets].sum()


@pytest.mark.parametrize("repelling", [False, True])
@pytest.mark.parametrize("name", ["hinge", "huber"])
def test_it_is_attained(name, repelling):
    case, damage = attained(name, repelling=repelling)
    joint = JointMargins(case.setting)
    balls = moved.moved(joint, moved.clean_shares(joint))
    off = np.abs(case.estimator.coef_ - balls.fit.W)[:, 0]
    assert_allclose(off, balls.radius, rtol=3e-3)
    assert_allclose(rise(joint), damage - joint.losses(balls.fit.W)[0], rtol=2e-3)


MUTANTS = {
    "half a pull": ("_by_pulls", lambda whole: lambda *args: 0.5 * whole(*args)),
    "half the answers": ("_answers", lambda whole: lambda *args: 0.5 * whole(*args)),
    "half a slope": ("_steepest", lambda whole: lambda *args: 0.5 * whole(*args)),
    "the relationship itself": (
        "_answers",
        lambda whole: lambda tied, codes: tied.respond(np.eye(tied.n_nodes)[:, codes]).W,
    ),
}


@pytest.mark.parametrize("name", ["hinge", "huber"])
@pytest.mark.parametrize("mutant", MUTANTS)
def test_less_is_exceeded(name, mutant, monkeypatch):
    case, damage = attained(name, repelling=mutant == "the relationship itself")
    joint = JointMargins(case.setting)
    part, change = MUTANTS[mutant]
    monkeypatch.setattr(moved, part, change(getattr(moved, part)))
    balls = moved.moved(joint, moved.clean_shares(joint))
    off = np.abs(case.estimator.coef_ - balls.fit.W)[:, 0]
    assert off[0] > 1.01 * balls.radius[0]
    assert damage - joint.losses(balls.fit.W)[0] > 1.01 * rise(joint)


@pytest.mark.parametrize("part", ["share", "radii"])
@pytest.mark.parametrize("name", ["hinge", "huber"])
def test_all_that_is_injected_counts(name, part):
    """Nor is half a share, or half a radius, enough."""
    case, _ = attained(name)
    setting = case.setting
    less = setting.injection._replace(**{part: 0.5 * getattr(setting.injection, part)})
    joint = JointMargins(setting._replace(injection=less))
    balls = moved.moved(joint, moved.clean_shares(JointMargins(setting)))
    off = np.abs(case.estimator.coef_ - balls.fit.W)[:, 0]
    assert np.all(off > 1.01 * balls.radius)


@pytest.mark.parametrize("name", ["hinge", "huber"])
def test_the_clean_fit_is_not_in_the_middle(name):
    case, _ = attained(name)
    joint = JointMargins(case.setting)
    none = case.setting.injection._replace(share=np.zeros(1))
    clean = moved.clean_shares(JointMargins(case.setting._replace(injection=none)))
    off = np.abs(case.estimator.coef_ - clean.W)[:, 0]
    assert np.all(off > 1.01 * moved.moved(joint, moved.clean_shares(joint)).radius)


@pytest.mark.parametrize("name", ["hinge", "huber"])
def test_what_a_walk_to_poisoned_weights_costs(name, monkeypatch):
    """Attained by few rows at the source and elsewhere; what lacks a part is exceeded."""
    case, _ = attained(name, radius=0.3)
    joint = JointMargins(case.setting)
    found = moved.moved(joint, moved.clean_shares(joint))
    before = joint.losses(found.fit.W)
    rise = joint.losses(case.estimator.coef_) - before
    assert_allclose(moved._walked(joint, found) - before, rise, rtol=1e-2)
    less = found._replace(slopes=0.5 * found.slopes)
    assert moved._walked(joint, less)[2] - before[2] < 0.98 * rise[2]
    compared = moved._compared
    monkeypatch.setattr(moved, "_compared", lambda tied: np.diag(np.diag(compared(tied))))
    assert np.all(moved._walked(joint, found) - before < 0.98 * rise)


def test_where_there_are_no_balls():
    """Relationships that are learned, and nodes that repel each other too much."""
    case, _ = make_case("hinge", "graph", True, "direct", 0)
    setting = case.setting
    for relationship in (Learned(4, 0.1, 0.1), Fixed(np.ones((4, 4)), 1.0, 0.1)):
        model = setting.model._replace(relationship=relationship)
        joint = JointMargins(setting._replace(model=model))
        assert moved.bound_of_moves(joint) is None
        assert moved.moved(joint, moved.clean_shares(joint)) is None


@pytest.mark.parametrize("kind", ["graph", "none"])
def test_slopes_without_a_limit_have_balls_and_no_bound(kind):
    case, _ = make_case("squared_hinge", kind, True, "direct", 0)
    joint = JointMargins(case.setting)
    assert moved.bound_of_moves(joint) is None
    assert np.isfinite(moved.moved(joint, moved.clean_shares(joint)).radius).all()
