"""Weights first: what rows can exert, rows that keep a promise, and the search for it."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from estimators import ESTIMATOR_OF, INTERCEPT_OF, OMEGA, make_rows, with_common
from estimators import KINDS as TIED_KINDS
from estimators import LOSSES as ALL_LOSSES
from oracles.losses import RECORD_OF
from skfedmtl import _model
from skfedmtl.attack._sought import CleanRows, Model, Sources, Space, Wanted, seek
from skfedmtl.attack._sought.budget import Budget, read_budget
from skfedmtl.attack._sought.damage import Damage
from skfedmtl.attack._sought.demand import Demand
from skfedmtl.attack._sought.law import law_of
from skfedmtl.attack._sought.penalty import SmoothedPenalty
from skfedmtl.attack._sought.price import Price
from skfedmtl.attack._sought.rows import Kind, kinds_of_row, place, realise
from skfedmtl.attack._sought.search import STAGES, Search

INTERCEPTS = [True, False]
SEEDS = st.integers(0, 2**32 - 1)
LAMBDA0 = 0.05  #: of victims with a common part
BESIDE = " + common"
KINDS = (*TIED_KINDS, *(kind + BESIDE for kind in TIED_KINDS))
FAR = 1e6  #: a radius that limits nothing

LOSSES = [name for name in ALL_LOSSES if RECORD_OF[name].is_scale_free]
loss_names = st.sampled_from(sorted(LOSSES))


def loss_of(name):
    return _model.LOSSES[name]()


def as_seen(d):
    """The space of rows that nothing scales."""
    return Space(np.zeros(d), np.ones(d))


def wanted_of(rows, targets, loss):
    """The clean rows of targets, every target's alike."""
    share = np.where(np.isin(rows.codes, targets), rows.weight, 0.0)
    total = np.bincount(rows.codes, weights=share)[rows.codes]
    share = np.divide(share, total, out=share, where=total > 0.0)
    return Wanted(rows.X, rows.y, rows.codes, share, loss, True)


def loss_wanted(model):
    return "victim" if model.loss.is_regression else "ramp"


def one_budget(n_rows, *, radius=FAR, middle=0.0, half=1.0, clean=20.0):
    """Of a single source."""
    columns = (np.array([value], dtype=float) for value in (n_rows, radius, 1.0, clean))
    middles = (np.array([middle]), np.array([half]))
    return Budget(np.array([0]), *columns, *middles, np.array([1]))


# -- what rows can exert --------------------------------------------------------------------------


@given(loss_names, SEEDS)
def test_rows_exert_no_more_than_the_price_allows(name, seed):
    """Whatever rows there are, with whatever targets of the range."""
    rng = np.random.default_rng(seed)
    loss, n_rows, d = loss_of(name), int(rng.integers(1, 6)), 3
    middle, half = (rng.normal(), rng.uniform(0.5, 3.0)) if loss.is_regression else (0.0, 1.0)
    theta = rng.normal(size=d + 1) * 10.0 ** rng.uniform(-1.0, 1.0)
    X = rng.normal(size=(n_rows, d))
    y = rng.choice([-1.0, 1.0], n_rows)
    if loss.is_regression:
        y = middle + half * rng.uniform(-1.0, 1.0, n_rows)
    a = -loss.derivative(y, X @ theta[:-1] + theta[-1])
    q = np.append(X.T @ a, a.sum())
    # what is left for rows longer than the mean is left out
    radius = np.linalg.norm(X, axis=1).max() / 0.95
    budget = one_budget(n_rows, middle=middle, half=half, radius=radius)
    price = Price(law_of(loss), budget, as_seen(d), balanced=True)
    balance, product, length = price.excess(q[None], theta[None], 1.0)[0]
    assert product <= 1e-9
    if np.isfinite(loss.bounds[1]) and not loss.is_regression:
        assert max(balance, length) <= 1e-12


@given(SEEDS)
def test_the_limit_of_the_hinge_is_the_best_of_a_cone_program(seed):
    """Rows summed by label, with pulls of at most one in the ball: T of at most n_p."""
    rng = np.random.default_rng(seed)
    n_rows, w, b = int(rng.integers(1, 6)), rng.normal(size=2), rng.normal()
    asked = rng.uniform(-1.0, 1.0) * n_rows
    sums, pulls = [cp.Variable(2), cp.Variable(2)], cp.Variable(2, nonneg=True)
    exerted = [w @ total + b * pull for total, pull in zip(sums, pulls, strict=True)]
    limits = [exerted[0] <= pulls[0], exerted[1] >= -pulls[1], cp.sum(pulls) <= n_rows]
    limits += [pulls[0] - pulls[1] == asked]
    limits += [cp.norm(total) <= 1e3 * pull for total, pull in zip(sums, pulls, strict=True)]
    best = cp.Problem(cp.Maximize(exerted[0] - exerted[1]), limits).solve(solver="CLARABEL")
    hull, _ = law_of(loss_of("hinge")).hull(np.array([abs(asked) / n_rows]))
    assert_allclose(best, n_rows * hull[0], rtol=1e-6)


@pytest.mark.parametrize("plus", [2, 3, 4])
@pytest.mark.parametrize("pull", [0.5, 1.0, 1.6])
def test_the_limit_of_the_squared_error_is_the_best_over_all_labels(plus, pull):
    """Decision values free, labels at the ends of the range, where rounding has nothing to say."""
    n_rows, half = 4, 1.5
    asked = max(pull, 1.0) * half * (2 * plus - n_rows)
    best = -np.inf
    for count in range(n_rows + 1):
        y = half * np.repeat([1.0, -1.0], [count, n_rows - count])
        a = cp.Variable(n_rows)
        exerted = y @ a - 0.5 * cp.sum_squares(a)  # a f, where a = 2 (y - f)
        program = cp.Problem(cp.Maximize(exerted), [cp.sum(a) == asked])
        best = max(best, program.solve(solver="CLARABEL"))
    hull, _ = law_of(loss_of("squared_error")).hull(np.array([abs(asked) / (half * n_rows)]))
    assert best <= n_rows * half**2 * hull[0] + 1e-6
    if plus != 3 or pull <= 1.0:
        assert_allclose(best, n_rows * half**2 * hull[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "peak", "top"),
    [
        ("hinge", 1.0, 1.0),
        ("squared_error", 1.0, 0.5),
        ("squared_hinge", 1.0, 0.5),
        ("logistic", 0.21781170571980, 0.27846454276107),
    ],
)
def test_peaks(name, peak, top):
    law = law_of(loss_of(name))
    assert_allclose([law.peak, law.top], [peak, top], rtol=1e-7)
    pulls = np.linspace(0.0, 1.2 * law.reach, 60)
    hull, slope = law.hull(pulls)
    assert (np.diff(hull) <= 1e-12).all()
    assert (np.diff(slope) <= 1e-9).all()  # concave
    if name == "logistic":
        inside = (pulls > peak) & (pulls < 0.99)
        b = pulls[inside]
        assert_allclose(hull[inside], b * np.log(1.0 / b - 1.0), atol=1e-11)


# -- rows that supply a demand --------------------------------------------------------------------


@given(loss_names, SEEDS)
def test_rows_supply_what_the_price_allows(name, seed):
    """Of sums as asked, and each with the pull that its place and label give it."""
    rng = np.random.default_rng(seed)
    loss, n_rows = loss_of(name), int(rng.integers(2, 9))
    law, half = law_of(loss), rng.uniform(0.5, 3.0) if loss.is_regression else 1.0
    balance = rng.uniform(-0.6, 0.6) * n_rows * law.peak
    # what whole numbers of rows can exert at least
    most = (n_rows - 1.0) if loss.linear else n_rows * law.top * 0.5
    product = most - rng.uniform(0.0, 1.5) * n_rows * law.top
    theta, across = rng.normal(size=4), rng.normal(size=3)
    across -= (across @ theta[:-1]) / (theta[:-1] @ theta[:-1]) * theta[:-1]
    kinds = kinds_of_row(law, balance, product, n_rows)
    assert sum(kind.n_rows for kind in kinds) <= n_rows
    q_w = across + (half**2 * product - theta[-1] * half * balance) * theta[:-1] / (
        theta[:-1] @ theta[:-1]
    )
    rows = place(kinds, q_w, theta, half, FAR)
    total = np.zeros(4)
    for kind, row in zip(kinds, rows, strict=True):
        f, y = row @ theta[:-1] + theta[-1], np.array([half * kind.sign])
        assert_allclose(f, half * kind.sign * kind.margin, atol=1e-8)
        if loss.linear and kind.pull < 1.0:
            assert_allclose(kind.margin, 1.0)
            assert kind.pull >= 0.0
        elif loss.linear:
            assert kind.margin <= 1.0
        else:
            assert_allclose(-loss.derivative(y, np.array([f])), half * kind.sign * kind.pull)
        total += kind.sign * kind.n_rows * half * kind.pull * np.append(row, 1.0)
    assert_allclose(total, np.append(q_w, half * balance), atol=1e-6)


def test_a_row_that_does_not_pull_goes_nowhere_else():
    w = np.array([0.6, -0.8])
    rows = place([Kind(-1, 1, 0.0, 1.0)], np.array([9.0, 2.0]), np.array([*w, 0.5]), 2.0, FAR)
    assert_allclose(rows, [-2.5 * w])


def relationship_of(kind, m):
    """What the estimator is asked for, and the solver's; beside a common part, if asked."""
    if kind.endswith(BESIDE):
        asked, tied = relationship_of(kind.removesuffix(BESIDE), m)
        return asked, with_common(tied, LAMBDA0)
    if kind == "none":
        return "none", _model.Independent(m, 0.1)
    if kind == "learned":
        return "learned", _model.Learned(m, 0.02, 0.1)
    return OMEGA[:m, :m], _model.Fixed(OMEGA[:m, :m], 0.02, 0.1)


def made_problem(name, kind, intercept, seed=0, scaling=1.0):
    """Rows of three nodes, the model, and an unfitted estimator of it."""
    estimator = ESTIMATOR_OF[name]
    X, y, nodes = make_rows(estimator, (9, 7, 8), n_features=3, seed=seed)
    loss = loss_of(name)
    codes = np.unique(nodes, return_inverse=True)[1]
    numbers = y if loss.is_regression else np.where(y == np.unique(y)[1], 1.0, -1.0)
    asked, relationship = relationship_of(kind, 3)
    place = INTERCEPT_OF[name] if intercept else "none"
    own = {} if loss.is_regression else {"intercept_scaling": scaling}
    victim = estimator(
        loss=name,
        lambda1=0.02,
        lambda2=0.1,
        relationship=asked,
        lambda0=LAMBDA0 if kind.endswith(BESIDE) else None,
        fit_intercept=intercept,
        tol=1e-9,
        random_state=0,
        **own,
    )
    rows = CleanRows(X, numbers, codes, np.ones(len(y)))
    return rows, Model(loss, relationship, place, scaling), victim


def refitted(victim, rows, X, y, codes, row_weight=None):
    """The weights [w, b] of a victim of clean and injected rows."""
    y = np.concatenate([rows.y, y])
    weight = None
    if row_weight is not None:
        weight = np.concatenate([rows.weight, row_weight[codes]])
    victim.fit(
        np.vstack([rows.X, X]), y, nodes=np.concatenate([rows.codes, codes]), sample_weight=weight
    )
    return np.column_stack([victim.coef_, np.broadcast_to(victim.intercept_, len(victim.coef_))])


@given(
    loss_names,
    st.sampled_from(KINDS),
    st.booleans(),
    st.sampled_from([1.0, 3.0]),
    st.booleans(),
    st.booleans(),
    SEEDS,
)
def test_a_victim_has_the_weights_that_were_promised(
    name, kind, intercept, scaling, is_weighted, is_scaled, seed
):
    """Any weights that the ridge allows, if there are rows enough; behind scalers, too."""
    rng = np.random.default_rng(seed)
    rows, model, victim = made_problem(name, kind, intercept, seed % 100, scaling)
    row_weight = np.ones(3)
    if is_weighted:
        rows = rows._replace(weight=rng.uniform(0.5, 2.0, len(rows.y)))
        row_weight = rng.uniform(0.5, 2.0, 3)
    W = rng.uniform(0.1, 0.5) * rng.normal(size=(3, 4))
    W[:, -1] *= intercept
    space = as_seen(3)
    if is_scaled:
        space = Space(rng.normal(size=3), rng.uniform(0.5, 2.0, 3))
    everyone = np.arange(3)
    root = 1e-7 if kind == "learned + common" else 0.0
    for n_rows in (2, 4, 8, 16, 32, 64):
        sources = Sources(everyone, np.full(3, n_rows), np.full(3, FAR), row_weight)
        budget = read_budget(rows, model, everyone, sources)
        point = Demand(rows, model, budget).at(W, model.loss, root)
        price = Price(law_of(model.loss), budget, space, balanced=model.balanced)
        # whole rows cannot always do what shares of a row can
        slack = min(0.9, 1.0 - 1.5 / n_rows)
        if price.excess(point.q, W, slack).max() <= 0.0:
            break
    else:
        assume(False)
    X, *made = realise(law_of(model.loss), budget, space, point.q, W, balanced=model.balanced)
    found = refitted(victim, rows, (X - space.shift) * space.scale, *made, row_weight)
    assert np.abs(found - W).max() <= 1e-3 * np.abs(W).max()


# -- the slopes of the search ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (1, 3), (4, 1)])
@pytest.mark.parametrize("rank", [1, 3])
def test_the_smoothed_penalty(shape, rank):
    """Is the model's own where all singular values are of W; products by differences."""
    rng = np.random.default_rng(0)
    m, d = shape
    W = rng.normal(size=(m, rank)) @ rng.normal(size=(rank, d))
    dW = rng.normal(size=shape)
    relationship = _model.Learned(m, 0.3, 0.2)
    smoothed = SmoothedPenalty(relationship)
    penalty = smoothed.at(W, 0.1)
    step = 1e-5
    before, after = (smoothed.at(W + way * step * dW, 0.1) for way in (-1.0, 1.0))
    assert_allclose(
        np.vdot(penalty.slope, dW), (after.value - before.value) / (2 * step), rtol=1e-7
    )
    product = penalty.product(dW)
    assert_allclose(product, (after.slope - before.slope) / (2 * step), atol=1e-6)
    if 1 < m <= d:
        curved = relationship.curved(W, 0.1)
        assert_allclose(penalty.value, curved.value, rtol=1e-12)
        assert_allclose(penalty.slope, curved.slope, atol=1e-12)
        assert_allclose(product.ravel(), curved.hessian() @ dW.ravel(), atol=1e-10)


@pytest.mark.parametrize("root", [0.3, 0.01])
@pytest.mark.parametrize("lambda0", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (1, 3), (4, 1)])
def test_the_smoothed_penalty_beside_a_common_part(shape, lambda0, root):
    """The least over u of the parts', and its slopes and products by differences."""
    rng = np.random.default_rng(0)
    W, dW = rng.normal(size=(2, *shape))
    tied = _model.Learned(shape[0], 0.3, 0.2)
    smoothed = SmoothedPenalty(_model.CommonLearned(tied, lambda0))

    def value(u):
        return lambda0 * u @ u + SmoothedPenalty(tied).at(W - u, root).value

    penalty, step = smoothed.at(W, root), 1e-3 * root
    found = minimize(value, W.mean(axis=0), method="BFGS", options={"gtol": 1e-9})
    assert_allclose(penalty.value, found.fun, rtol=1e-9)
    assert penalty.value <= found.fun * (1.0 + 1e-12)
    before, after = (smoothed.at(W + way * step * dW, root) for way in (-1.0, 1.0))
    slope = (after.value - before.value) / (2 * step)
    assert_allclose(np.vdot(penalty.slope, dW), slope, rtol=1e-5)
    product = (after.slope - before.slope) / (2 * step)
    assert_allclose(penalty.product(dW), product, rtol=1e-5, atol=1e-5 * np.abs(product).max())


def make_search(name, kind, intercept, targets, upper=None, own=True):
    rng = np.random.default_rng(1)
    rows, model, victim = made_problem(name, kind, intercept, scaling=2.0)
    rows = rows._replace(weight=rng.uniform(0.5, 2.0, len(rows.y)))
    W = refitted(victim, rows, np.zeros((0, 3)), np.zeros(0), np.zeros(0, dtype=int))
    sources = Sources(
        np.array([0, 2]), np.array([3, 2]), np.array([2.0, 3.0]), np.array([1.2, 0.9])
    )
    wanted = wanted_of(rows, targets, upper or loss_wanted(model))
    if not own:
        wanted = wanted._replace(X=wanted.X + rng.normal(size=wanted.X.shape), own=False)
    budget = read_budget(rows, model, wanted.targets, sources)
    demand = Demand(rows, model, budget)
    damage = Damage(wanted, demand, model.loss, budget.codes, rng)
    space = Space(0.3 * rng.normal(size=3), rng.uniform(0.5, 2.0, 3))
    price = Price(law_of(model.loss), budget, space, balanced=model.balanced)
    search = Search(model, price, budget, demand, damage, W)
    return search, W[budget.codes], rng


@pytest.mark.parametrize("stage", [STAGES[0], STAGES[-1]])
@pytest.mark.parametrize("intercept", INTERCEPTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LOSSES)
def test_slopes_of_the_merit_are_those_of_differences(name, kind, intercept, stage):
    """Where all limits are exceeded and where none is; of sources that are targets or not."""
    for size in (0.3, 3.0):
        search, theta, rng = make_search(name, kind, intercept, np.array([0, 1]))
        theta = theta + size * rng.normal(size=theta.shape)
        direction = rng.normal(size=theta.shape)
        if not intercept:
            theta[:, -1] = direction[:, -1] = 0.0
        _, slope = search.merit(theta, stage, 0.95)
        step = 1e-6
        after, before = (
            search.merit(theta + way * step * direction, stage, 0.95)[0].mean()
            for way in (1.0, -1.0)
        )
        assert_allclose(
            np.vdot(slope, direction), (after - before) / (2.0 * step), rtol=2e-5, atol=1e-7
        )


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("name", "upper"),
    [
        ("hinge", "ramp"),
        ("hinge", "victim"),
        ("squared_error", "victim"),
        ("squared_error", "raise"),
        ("squared_error", "lower"),
    ],
)
def test_slopes_of_every_damage(name, upper, own):
    search, theta, rng = make_search(name, "learned", True, np.array([0, 1]), upper, own)
    theta = theta + rng.normal(size=theta.shape)  # off the margins of a victim
    direction = rng.normal(size=theta.shape)
    _, slope = search.merit(theta, STAGES[1], 1.0)
    ends = [search.merit(theta + way * 1e-6 * direction, STAGES[1], 1.0)[0] for way in (1, -1)]
    difference = (ends[0].mean() - ends[1].mean()) / 2e-6
    assert_allclose(np.vdot(slope, direction), difference, rtol=2e-5)


# -- the whole ------------------------------------------------------------------------------------


def sought(name, kind, intercept, radius=4.0, counts=(4, 3, 4), **options):
    rows, model, victim = made_problem(name, kind, intercept)
    W = refitted(victim, rows, np.zeros((0, 3)), np.zeros(0), np.zeros(0, dtype=int))
    everyone = np.arange(3)
    sources = Sources(everyone, np.array(counts), np.full(3, radius), np.ones(3))
    rng = np.random.default_rng(3)
    wanted = wanted_of(rows, everyone, loss_wanted(model))
    given = as_seen(3), W[:, :-1], W[:, -1], wanted, sources, rng
    found = seek(rows, model, *given, **options)
    return rows, model, victim, W, found


@pytest.mark.parametrize("intercept", INTERCEPTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LOSSES)
def test_candidates_are_within_the_threat_and_do_damage(name, kind, intercept):
    more = {"n_starts": 2, "slacks": (1.0, 0.9)}
    rows, model, victim, W, candidates = sought(name, kind, intercept, **more)
    assert [candidate.slack for candidate in candidates] == [1.0, 0.9]

    def damage(W):
        f = np.einsum("ij,ij->i", rows.X, W[rows.codes, :-1]) + W[rows.codes, -1]
        return model.loss.value(rows.y, f).mean()

    harms = []
    for candidate in candidates:
        assert (np.linalg.norm(candidate.X, axis=1) <= 4.0).all()
        assert_array_equal(np.bincount(candidate.codes, minlength=3), [4, 3, 4])
        for code in range(3):
            own = rows.y[rows.codes == code]
            y = candidate.y[candidate.codes == code]
            assert (y >= own.min() - 1e-12).all() or not model.loss.is_regression
            assert (y <= own.max() + 1e-12).all() or not model.loss.is_regression
        if not model.loss.is_regression:
            assert np.isin(candidate.y, [-1.0, 1.0]).all()
        found = refitted(victim, rows, candidate.X, candidate.y, candidate.codes)
        harms.append(damage(found))
    assert max(harms) > 1.1 * damage(W)


@pytest.mark.parametrize("kind", ["none", "omega", "none + common", "omega + common"])
@pytest.mark.parametrize("name", [name for name in LOSSES if name != "hinge"])
def test_candidates_keep_their_promise(name, kind):
    """Where nothing was smoothed, every node is a source, and the ball is large."""
    more = {"counts": (10, 11, 12), "slacks": (1.0, 0.9)}
    rows, _, victim, _, (_, *candidates) = sought(name, kind, True, radius=50.0, **more)
    for candidate in candidates:
        assert candidate.excess.max() <= 0.0
        found = refitted(victim, rows, candidate.X, candidate.y, candidate.codes)
        promised = np.column_stack([candidate.coef, candidate.intercept])
        assert np.abs(found - promised).max() <= 1e-3 * np.abs(promised).max()


@pytest.mark.parametrize("name", LOSSES)
def test_the_same_seed_gives_the_same_bits(name):
    more = {"n_starts": 2, "slacks": (1.0,)}
    first, second = (sought(name, "learned", True, **more)[-1] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        for mine, yours in zip(one, other, strict=True):
            assert_array_equal(mine, yours)


@pytest.mark.parametrize("reason", ["no target", "no rows", "no weight", "no range", "no ball"])
def test_sources_that_cannot_be_sought_get_no_rows(reason):
    rows, model, _ = made_problem("squared_error", "learned", True)
    own, y, weight = rows.codes == 1, rows.y.copy(), rows.weight.copy()
    count, radius, targets = 2, 1.0, np.array([0, 1])
    if reason == "no target":
        targets = np.array([0])
    elif reason == "no rows":
        count = 0
    elif reason == "no weight":
        weight[own] = 0.0
    elif reason == "no range":
        y[own] = 3.0
    else:
        radius = 0.0
    rows = rows._replace(y=y, weight=weight)
    W, rng = np.zeros((3, 3)), np.random.default_rng(0)
    codes, counts, radii = np.array([0, 1]), np.array([2, count]), np.array([1.0, radius])
    sources = Sources(codes, counts, radii, np.ones(2))
    few = {"n_starts": 1, "slacks": (1.0,)}
    wanted = wanted_of(rows, targets, "victim")
    (found,) = seek(rows, model, as_seen(3), W, W[:, 0], wanted, sources, rng, **few)
    assert_array_equal(found.sought, [0])
    assert (found.codes == 0).all()
    alone = Sources(*(part[1:] for part in sources))
    assert seek(rows, model, as_seen(3), W, W[:, 0], wanted, alone, rng, **few) == []


@pytest.mark.parametrize("name", LOSSES)
def test_nodes_of_a_single_row(name):
    """They have no spread to draw directions from, nor numbers a range."""
    rng = np.random.default_rng(0)
    loss = loss_of(name)
    y = np.array([1.0, -1.0, 1.0])
    rows = CleanRows(rng.normal(size=(3, 2)), y, np.arange(3), np.ones(3))
    place = "centred" if loss.is_regression else "feature"
    model = Model(loss, _model.Learned(3, 0.1, 0.1), place)
    ones = np.ones(3)
    sources = Sources(np.arange(3), np.ones(3, dtype=int), 2.0 * ones, ones)
    wanted = wanted_of(rows, np.arange(3), loss_wanted(model))
    given = as_seen(2), rng.normal(size=(3, 2)), ones, wanted, sources, rng
    found = seek(rows, model, *given, n_starts=2)
    assert (found == []) == loss.is_regression
    for candidate in found:
        assert np.isfinite(candidate.X).all()
        assert (np.linalg.norm(candidate.X, axis=1) <= 2.0).all()
