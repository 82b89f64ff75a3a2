"""Certified damage as an estimator: no attack exceeds it, and it keeps to scikit-learn's ways."""

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted

from estimators import ESTIMATOR_OF, ESTIMATORS, OMEGA, make_rows
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.attack import DamageBound
from skfedmtl.datasets import load_flights
from skfedmtl.metrics import certified_scorer
from skfedmtl.model_selection import NodeKFold

SIZES = (14, 9, 11)
every_victim = pytest.mark.parametrize("estimator", ESTIMATORS)


def bound(victim, **params):
    """A quick one."""
    return DamageBound(victim, **{"random_state": 0, "max_iter": 8, **params})


def attackers(victim, *, inits=("ball", "clean"), **threat):
    """Rows at the edge of the ball or near clean ones, drawn, and as an ascent moves them."""
    threat = {"random_state": 0, **threat}
    flips = {name: value for name, value in threat.items() if name != "radius"}
    yield LabelFlipPoisoner(victim, **flips)
    yield RandomPoisoner(victim, init="ball", **threat)
    for init in inits:
        yield PoisoningAttacker(victim, init=init, smoothing=0.0, max_iter=4, **threat)


# -- no attack exceeds it -------------------------------------------------------------------------

#: Loss, relationship, intercept, attack, scalers, weights.
CASES = [
    ("squared_error", "learned", True, "direct", StandardScaler(), False),
    ("squared_error", "learned", False, "hybrid", None, True),
    ("squared_error", "learned", True, "indirect", None, True),
    ("squared_error", "none", True, "direct", MinMaxScaler(), True),
    ("squared_error", OMEGA, True, "hybrid", StandardScaler(), True),
    ("squared_error", OMEGA, False, "indirect", None, False),
    ("huber", "learned", True, "direct", StandardScaler(), True),
    ("huber", "none", False, "hybrid", None, False),
    ("huber", OMEGA, True, "indirect", None, True),
    ("hinge", "learned", True, "indirect", StandardScaler(), False),
    ("hinge", "learned", False, "direct", None, True),
    ("hinge", OMEGA, True, "hybrid", None, False),
    ("squared_hinge", "learned", True, "hybrid", None, True),
    ("squared_hinge", "none", False, "direct", StandardScaler(), False),
    ("logistic", "learned", True, "direct", MinMaxScaler(), True),
    ("logistic", OMEGA, False, "indirect", None, True),
]


@pytest.mark.parametrize(("loss", "relationship", "intercept", "attack", "scaler", "weighs"), CASES)
def test_no_attack_exceeds_it(loss, relationship, intercept, attack, scaler, weighs):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], SIZES)
    X = X * [1.0, 3.0, 0.5] + 0.4
    victim = ESTIMATOR_OF[loss](
        loss=loss, relationship=relationship, fit_intercept=intercept, lambda1=0.1, lambda2=0.02
    )
    if scaler is not None:
        victim = make_pipeline(scaler, victim)
    weight = np.random.default_rng(1).uniform(0.0, 2.0, len(y)) if weighs else None
    threat = {"attack": attack, "target_nodes": 0.4, "budget": 0.3}
    certified = bound(victim, **threat).fit(X, y, nodes=nodes, sample_weight=weight)
    assert certified.clean_objective_ < certified.upper_bound_
    inits = ("auto",) if weighs else ("ball", "clean")
    for attacker in attackers(victim, inits=inits, **threat):
        attacker.fit(X, y, nodes=nodes, sample_weight=weight)
        assert attacker.objective_ <= certified.upper_bound_
        assert attacker.objective_ <= certified.cap_ or np.isnan(certified.cap_)
        assert_array_equal(attacker.target_nodes_, certified.target_nodes_)
        assert_array_equal(attacker.source_nodes_, certified.source_nodes_)


def test_classes_add_up():
    X, y, nodes = make_rows(FMTLClassifier, SIZES)
    y = np.where(X[:, 0] > 0.8, "c", np.where(y == 1, "b", "a"))
    victim = FMTLClassifier(loss="logistic", lambda1=0.1, lambda2=0.05)
    threat = {"target_nodes": [0, 2], "max_iter": 6}
    certified = bound(victim, **threat).fit(X, y, nodes=nodes)
    for attacker in attackers(victim, target_nodes=[0, 2]):
        assert attacker.fit(X, y, nodes=nodes).objective_ <= certified.upper_bound_
    signs = [np.where(y == name, 1, 0) for name in "abc"]
    parts = [bound(victim, **threat).fit(X, sign, nodes=nodes) for sign in signs]
    whole = sum(part.upper_bound_ for part in parts)
    assert_allclose(certified.upper_bound_, whole, rtol=1e-3)
    assert_allclose(
        certified.clean_objective_, sum(part.clean_objective_ for part in parts), rtol=1e-4
    )
    assert certified.reference_coef_.shape == (3, 3, 3)
    assert certified.theorem_ == [part.theorem_ for part in parts]


@every_victim
def test_victims_that_are_not_solved_to_the_end(estimator):
    """What a gap adds to H is a part of the bound; a smaller one adds less."""
    X, y, nodes = make_rows(estimator, SIZES)
    rough = estimator(lambda1=0.1, lambda2=0.02, tol=0.05)
    threat = {"target_nodes": 0.4}
    bounds = {}
    for tol in (0.05, 1e-4, 1e-7):
        bounds[tol] = bound(rough, tol=tol, **threat).fit(X, y, nodes=nodes).upper_bound_
    assert bounds[0.05] > bounds[1e-4] > bounds[1e-7]
    assert_allclose(bounds[1e-4], bounds[1e-7], rtol=0.2)
    for attacker in attackers(rough, victim_tol=0.05, **threat):
        assert attacker.fit(X, y, nodes=nodes).objective_ <= bounds[0.05]


@every_victim
def test_more_rows_are_never_certified_to_do_less(estimator):
    X, y, nodes = make_rows(estimator, (10, 10, 10))
    victim = estimator(lambda1=0.1, lambda2=0.02)
    found = [
        bound(victim, budget=budget, target_nodes=0.4).fit(X, y, nodes=nodes)
        for budget in (0.0, 0.1, 0.2, 0.4)
    ]
    bounds = [one.upper_bound_ for one in found]
    assert np.all(np.diff(bounds) > 0.0)


@pytest.mark.parametrize("loss", ["squared_error", "logistic"])
def test_where_nothing_is_injected_it_is_the_clean_loss(loss):
    """And what the victim's gap may add, which is the less the smaller the gap."""
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], SIZES)
    victim = ESTIMATOR_OF[loss](loss=loss, lambda1=0.1, lambda2=0.02)
    off = []
    for tol in (1e-5, 1e-9):
        certified = bound(victim, budget=0.0, target_nodes=0.4, tol=tol)
        certified.fit(X, y, nodes=nodes)
        off.append(certified.upper_bound_ / certified.clean_objective_ - 1.0)
    assert 0.0 <= off[1] < 1e-3
    assert off[1] < off[0] < 0.1


def test_sources_of_the_most_influence_are_those_of_attackers():
    X, y, nodes = make_rows(FMTLRegressor, (10, 10, 10, 10, 10, 10))
    victim = FMTLRegressor(lambda1=0.1, lambda2=0.02)
    chosen = []
    for seed in range(3):
        threat = {"attack": "indirect", "target_nodes": [0, 1], "choose_sources": "influence"}
        certified = bound(victim, max_iter=1, **{**threat, "random_state": seed})
        attacker = RandomPoisoner(victim, **threat, random_state=seed).fit(X, y, nodes=nodes)
        certified.fit(X, y, nodes=nodes)
        assert_array_equal(certified.source_nodes_, attacker.source_nodes_)
        chosen.append(certified.source_nodes_)
        assert attacker.objective_ <= certified.upper_bound_
    assert_array_equal(chosen, chosen[:1] * 3)


@every_victim
def test_a_small_ball_does_not_hold_what_more_rows_would_repeat(estimator):
    """More rows hold for fewer only if clean rows may be among them."""
    X, y, nodes = make_rows(estimator, SIZES)
    victim = estimator(lambda1=0.3, lambda2=0.02, fit_intercept=False)
    threat = {"attack": "indirect", "target_nodes": [0], "radius": 1e-3, "budget": 0.1}
    certified = bound(victim, **threat).fit(X, y, nodes=nodes)
    for attacker in attackers(victim, **threat):
        assert attacker.fit(X, y, nodes=nodes).objective_ <= certified.upper_bound_


@every_victim
def test_a_smaller_ball_and_more_steps_lower_it(estimator):
    X, y, nodes = make_rows(estimator, SIZES)
    victim = estimator(lambda1=0.1, lambda2=0.02)
    largest = max(np.linalg.norm(X, axis=1))
    whole, small, *longer = (
        bound(victim, **params).fit(X, y, nodes=nodes).upper_bound_
        for params in (
            {"radius": largest},
            {"radius": 0.3 * largest},
            *({"max_iter": steps} for steps in (20, 30)),
        )
    )
    assert small < whole
    # places that are met by the way are known to a part in a million
    assert np.all(np.diff([whole, *longer]) <= 1e-6 * whole)


@every_victim
@pytest.mark.parametrize("attack", ["direct", "indirect"])
def test_a_bound_that_ran_out_of_time_holds_too(estimator, attack):
    X, y, nodes = make_rows(estimator, SIZES)
    estimator = estimator()
    threat = {"attack": attack, "target_nodes": [0], "budget": 0.3}
    in_time = bound(estimator, max_seconds=1e6, **threat).fit(X, y, nodes=nodes)
    late = bound(estimator, max_seconds=1e-9, **threat).fit(X, y, nodes=nodes)
    assert late.stopped_early_ and not in_time.stopped_early_
    assert late.upper_bound_ >= in_time.upper_bound_ * (1.0 - 1e-9)
    assert np.isfinite(late.upper_bound_)
    attacker = PoisoningAttacker(estimator, max_iter=4, random_state=0, **threat)
    assert attacker.fit(X, y, nodes=nodes).objective_ <= late.upper_bound_
    endless = bound(estimator, **threat).fit(X, y, nodes=nodes)
    assert endless.upper_bound_ == in_time.upper_bound_ and not endless.stopped_early_


def test_seconds_that_end_descents_elsewhere_are_told():
    X, y, nodes = make_rows(FMTLRegressor(), SIZES)
    late = bound(FMTLRegressor(), max_seconds=1e-9, n_jobs=2).fit(X, y, nodes=nodes)
    assert late.stopped_early_


def test_what_nothing_exceeds_whatever_is_injected():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    threat = {"attack": "indirect", "target_nodes": [0], "source_nodes": [1, 2]}
    for budget in (0.2, 20.0):
        certified = bound(FMTLRegressor(lambda1=0.1), budget=budget, **threat)
        certified.fit(X, y, nodes=nodes)
        assert certified.upper_bound_ <= certified.cap_
        assert_allclose(certified.cap_, np.var(y[nodes == 0]), rtol=0.1)
    others = bound(FMTLRegressor(relationship="none"), **threat).fit(X, y, nodes=nodes)
    assert np.isnan(others.cap_)


# -- rows that no attack turns --------------------------------------------------------------------


#: Nodes that pull together; of `OMEGA` two repel each other.
CHAIN = np.array([[1.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 1.0]])


@pytest.mark.parametrize(
    ("loss", "relationship", "attack", "intercept", "scaler"),
    [
        ("logistic", "learned", "hybrid", True, None),
        ("hinge", "learned", "direct", True, StandardScaler()),
        ("squared_hinge", "learned", "indirect", False, None),
        ("hinge", CHAIN, "indirect", True, StandardScaler()),
        ("logistic", "mean", "direct", False, None),
        ("hinge", OMEGA, "hybrid", True, None),
        ("squared_hinge", CHAIN, "indirect", False, MinMaxScaler()),
        ("logistic", "none", "hybrid", True, StandardScaler()),
    ],
)
def test_no_attack_turns_a_certified_row(loss, relationship, attack, intercept, scaler):
    X, y, nodes = make_rows(FMTLClassifier, (24, 19, 21))
    victim = FMTLClassifier(
        loss=loss,
        relationship=relationship,
        fit_intercept=intercept,
        lambda1=0.03 if attack != "hybrid" else 0.0,
        lambda2=1.0,
    )
    check_certified_rows(victim, scaler, attack, X, y, nodes)


@pytest.mark.parametrize("relationship", ["none", "mean", CHAIN])
def test_no_attack_turns_a_certified_row_beside_a_common_part(relationship):
    X, y, nodes = make_rows(FMTLClassifier, (24, 19, 21))
    victim = FMTLClassifier(lambda0=2.0, lambda1=0.2, lambda2=1.0, relationship=relationship)
    check_certified_rows(victim, None, "indirect", X, y, nodes)


def check_certified_rows(victim, scaler, attack, X, y, nodes):
    """Some are, some are not, and attacks turn none of them nor leave the balls."""
    intercept = victim.fit_intercept
    if scaler is not None:
        victim = make_pipeline(scaler, victim)
    threat = {"attack": attack, "target_nodes": 0.4, "budget": 0.05}
    certified = bound(victim, max_iter=30, **threat).fit(X, y, nodes=nodes)
    held_out = np.vstack([X, 4.0 * X])
    where = np.concatenate([nodes, nodes])
    safe = certified.certify_rows(held_out, nodes=where)
    assert 0 < safe.sum() < len(safe)
    clean = certified.clean_estimator_[-1] if scaler is not None else certified.clean_estimator_
    assert not certified.certify_rows(0.0 * X[:3], nodes=nodes[:3]).all()
    seen = scaler.fit(X).transform(held_out) if scaler is not None else held_out
    expected = clean.predict(seen, nodes=where)
    for attacker in attackers(victim, **threat):
        attacker.fit(X, y, nodes=nodes)
        poisoned = attacker.predict(held_out, nodes=where)
        assert_array_equal(poisoned[safe], expected[safe])
        model = attacker.estimator_[-1] if scaler is not None else attacker.estimator_
        weights = model.coef_
        if intercept:
            weights = np.column_stack([weights, model.intercept_])
        moved = np.linalg.norm(weights - certified.weight_centre_, axis=1)
        assert np.all(moved <= certified.weight_radius_)


def test_nodes_that_nothing_ties_to_sources_keep_all_their_rows():
    """Two pairs: whatever is injected in one, the other is the clean one's to its gap."""
    X, y, nodes = make_rows(FMTLClassifier, (24, 19, 21, 20))
    pairs = np.kron(np.eye(2), [[1.0, -1.0], [-1.0, 1.0]])
    victim = FMTLClassifier(lambda1=0.1, lambda2=0.1, relationship=pairs, tol=1e-9)
    threat = {"attack": "indirect", "target_nodes": [0, 2], "source_nodes": [1], "budget": 0.1}
    certified = bound(victim, tol=1e-9, **threat).fit(X, y, nodes=nodes)
    apart = nodes >= 2
    safe = certified.certify_rows(X, nodes=nodes)
    assert safe[apart].all() and not safe[~apart].all()
    assert np.all(certified.weight_radius_[2:] < 1e-2 * certified.weight_radius_[:2])


def test_what_injected_rows_move_is_the_least_bound_where_little_is_injected():
    X, y, nodes = make_rows(FMTLClassifier, (24, 19, 21))
    for loss in ("hinge", "logistic"):
        victim = FMTLClassifier(loss=loss, lambda1=0.1, lambda2=0.5, relationship="mean")
        threat = {"attack": "indirect", "target_nodes": [0], "budget": 0.1}
        certified = bound(victim, max_iter=100, **threat).fit(X, y, nodes=nodes)
        assert certified.theorem_ == "T4"
        for attacker in attackers(victim, **threat):
            assert attacker.fit(X, y, nodes=nodes).objective_ <= certified.upper_bound_


def test_victims_that_are_not_solved_to_the_end_move_farther():
    X, y, nodes = make_rows(FMTLClassifier, (24, 19, 21))
    rough = FMTLClassifier(lambda1=0.1, lambda2=0.5, relationship="mean", tol=0.05)
    threat = {"attack": "indirect", "target_nodes": [0], "budget": 0.1}
    loose, near = (bound(rough, tol=tol, **threat).fit(X, y, nodes=nodes) for tol in (0.05, 1e-7))
    assert near.theorem_ == "T4"
    assert loose.upper_bound_ > near.upper_bound_
    assert np.all(loose.weight_radius_ > near.weight_radius_)
    for attacker in attackers(rough, victim_tol=0.05, **threat):
        assert attacker.fit(X, y, nodes=nodes).objective_ <= loose.upper_bound_


@pytest.mark.parametrize("victim", [FMTLRegressor(), FMTLClassifier(lambda0=0.1)])
def test_rows_of_other_victims_are_not_certified(victim):
    X, y, nodes = make_rows(victim, SIZES)
    certified = bound(victim).fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="certify_rows needs a classifier of two classes"):
        certified.certify_rows(X, nodes=nodes)


def test_rows_of_unknown_nodes_are_not_certified():
    X, y, nodes = make_rows(FMTLClassifier, (24, 19, 21))
    victim = FMTLClassifier(lambda1=0.03, lambda2=1.0, handle_unknown="mean")
    table = np.insert(X, 1, nodes, axis=1)
    certified = bound(victim, node_column=1, budget=0.0).fit(table, y)
    assert certified.certify_rows(table).any()
    table[:, 1] = 7
    assert not certified.certify_rows(table).any()


# -- an estimator like others ---------------------------------------------------------------------


@every_victim
def test_clone_parameters_and_pickling(estimator):
    X, y, nodes = make_rows(estimator, SIZES, strings=True)
    model = bound(estimator(), budget=0.4)
    copied = clone(model.fit(X, y, nodes=nodes))
    with pytest.raises(NotFittedError):
        check_is_fitted(copied)
    assert copied.get_params()["budget"] == 0.4
    assert not hasattr(model.estimator, "coef_")
    again = pickle.loads(pickle.dumps(model))
    assert again.upper_bound_ == copied.fit(X, y, nodes=nodes).upper_bound_
    assert_array_equal(again.reference_coef_, model.reference_coef_)
    assert repr(again) == repr(model)
    assert model.per_target_ == model.upper_bound_ / len(model.target_nodes_)
    assert 0.0 <= model.dual_gap_ <= 1e-3 * model.upper_bound_
    assert model.n_features_in_ == 3


@every_victim
def test_spellings_of_nodes_and_units_of_weights(estimator):
    X, y, nodes = make_rows(estimator, SIZES)
    table, weight = np.insert(X, 1, nodes, axis=1), np.linspace(0.5, 2.0, len(y))
    victim = estimator(lambda1=0.1, lambda2=0.1)
    plain = bound(victim, max_iter=5).fit(X, y, nodes=nodes, sample_weight=weight)
    for model in (
        bound(victim, node_column=1, max_iter=5),
        bound(estimator(lambda1=0.1, lambda2=0.1, node_column=1), max_iter=5),
        bound(make_pipeline("passthrough", victim), node_column=1, max_iter=5),
    ):
        model.fit(table, y, sample_weight=8.0 * weight)
        assert model.upper_bound_ == plain.upper_bound_
        assert model.clean_objective_ == pytest.approx(plain.clean_objective_, rel=1e-12)
        assert model.n_features_in_ == 4


def test_descents_at_a_time():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    alone, together = (bound(FMTLRegressor(), max_iter=5, n_jobs=n_jobs) for n_jobs in (1, 2))
    with parallel_config("threading"):
        together.fit(X, y, nodes=nodes)
    assert together.upper_bound_ == alone.fit(X, y, nodes=nodes).upper_bound_


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"labels": "keep"}, "'labels' parameter"),
        ({"labels": "flip"}, "'labels' parameter"),
        ({"tol": 1.0}, "'tol' parameter"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"budget": -0.1}, "'budget' parameter"),
        ({"attack": "both"}, "'attack' parameter"),
        ({"estimator": 3}, "'estimator' parameter"),
        ({"target_nodes": ["z"]}, "`target_nodes`"),
        ({"estimator": FMTLClassifier(class_weight="balanced")}, "`estimator` has class_weight"),
        ({"estimator": FMTLClassifier(class_weight={0: 2.0})}, "`estimator` has class_weight"),
    ],
)
def test_refusals(params, message):
    X, y, nodes = make_rows(FMTLClassifier, SIZES)
    model = bound(FMTLClassifier()).fit(X, y, nodes=nodes)
    before = model.upper_bound_
    with pytest.raises(ValueError, match=message):
        model.set_params(**params).fit(X, y, nodes=nodes)
    assert model.upper_bound_ == before


@every_victim
def test_rows_that_are_refused(estimator):
    X, y, nodes = make_rows(estimator, SIZES)
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        bound(estimator()).fit(sparse.csr_matrix(X), y, nodes=nodes)
    with pytest.raises(ValueError, match="holds zeros only for the target node"):
        bound(estimator(), target_nodes=[0]).fit(X, y, nodes=nodes, sample_weight=nodes > 0)


# -- a search by what is certified ----------------------------------------------------------------


def test_a_search_over_flights():
    X, y, nodes = load_flights(return_X_y_nodes=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    X, y, nodes = X[::10], y[::10], nodes[::10]
    model = DamageBound(
        FMTLRegressor(lambda2=0.1),
        attack="indirect",
        target_nodes=0.25,
        max_iter=20,
        random_state=0,
    )
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            model,
            {"estimator__lambda1": [1.0, 1e-3]},
            scoring=certified_scorer,
            cv=NodeKFold(2),
            error_score="raise",
        ).fit(X, y, nodes=nodes)
        assert search.score(X, y, nodes=nodes) == -search.best_estimator_.per_target_
    assert search.best_params_ == {"estimator__lambda1": 1e-3}
    tied, loose = np.sqrt(-search.cv_results_["mean_test_score"])
    assert loose < 0.9 * tied


def test_the_scorer_wants_a_bound():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    model = FMTLRegressor().fit(X, y, nodes=nodes)
    with pytest.raises(TypeError, match="certified_scorer scores fitted DamageBounds"):
        certified_scorer(model, X, y)
    assert repr(certified_scorer) == "certified_scorer"
