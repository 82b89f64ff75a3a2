"""Fits that leave rows out: what they keep, and what attacks on them are judged by."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

from estimators import RELATIONSHIPS, climber, make_rows
from interruptions import fit_in_pieces
from profiles import IS_LONG, examples
from skfedmtl import FMTLClassifier, FMTLRegressor, LabelFlipPoisoner, PoisoningAttacker
from skfedmtl.attack import DamageBound, _attacker
from skfedmtl.attack._contest import restart
from skfedmtl.defense import PoisonDetector, TrimmedFMTLClassifier, TrimmedFMTLRegressor
from skfedmtl.defense._trimming import kept_shares

PLAIN_OF = {TrimmedFMTLRegressor: FMTLRegressor, TrimmedFMTLClassifier: FMTLClassifier}
FITTED = ("coef_", "intercept_", "dual_coef_", "objective_", "node_covariance_factor_")
trimmed = pytest.mark.parametrize("estimator", PLAIN_OF)


def checks():
    """Those of scikit-learn; of fits to weighted and to repeated rows, which agree to the gap."""
    for kind in PLAIN_OF:
        # many rounds for the last digits of a hinge teach most checks nothing
        for model, check in estimator_checks_generator(kind(tol=1e-4 if IS_LONG else 1e-2)):
            if "weight_equivalence" in check.func.__name__:
                model.set_params(tol=1e-10, max_iter=100_000)
            yield pytest.param(model, check, id=f"{kind.__name__}-{check.func.__name__}")


@pytest.mark.parametrize(("model", "check"), list(checks()))
def test_scikit_learn_checks(model, check):
    check(model)


@trimmed
@pytest.mark.parametrize("relationship", RELATIONSHIPS)
def test_nothing_trimmed_is_the_plain_estimator(estimator, relationship):
    X, y, nodes = make_rows(PLAIN_OF[estimator], strings=True)
    params = {"relationship": RELATIONSHIPS[relationship](3), "random_state": 0}
    plain = PLAIN_OF[estimator](**params).fit(X, y, nodes=nodes)
    model = estimator(trim=0, **params).fit(X, y, nodes=nodes)
    for name in FITTED:
        assert_array_equal(getattr(model, name), getattr(plain, name))
    assert model.inlier_.all() and model.n_iter_ == plain.n_iter_


@trimmed
def test_the_plain_estimator_s_parameters_and_two_more(estimator):
    plain, own = (kind().get_params() for kind in (PLAIN_OF[estimator], estimator))
    assert own == {**plain, "trim": 0.2, "max_trim": 10}


@trimmed
def test_a_common_part(estimator):
    X, y, nodes = make_rows(PLAIN_OF[estimator], strings=True)
    model = estimator(lambda0=0.1, handle_unknown="common").fit(X, y, nodes=nodes)
    kept = model.inlier_
    assert 0 < kept.sum() < len(y)
    assert model.common_coef_.shape == (X.shape[1],)
    assert len(model.predict(X, nodes=["unseen"] * len(y))) == len(y)


def test_the_huber_loss_trims_by_its_own_losses():
    X, y, nodes = make_rows(FMTLRegressor, strings=True)
    model = TrimmedFMTLRegressor(loss="huber", huber_delta=0.1).fit(X, y, nodes=nodes)
    left = np.abs(y - model.predict(X, nodes=nodes))
    for node in np.unique(nodes):
        own = nodes == node
        assert left[own & ~model.inlier_].min() >= left[own & model.inlier_].max() - 1e-6


@given(st.data())
@settings(max_examples=examples(2))
def test_shares(data):
    """Every stratum keeps its weight, rows of less loss first; copies are weights."""
    n = data.draw(st.integers(1, 12))
    lists = {"min_size": n, "max_size": n}
    losses = np.array(data.draw(st.lists(st.integers(0, 9), **lists))) / 7.0
    strata = np.array(data.draw(st.lists(st.integers(0, 2), **lists)))
    times = np.array(data.draw(st.lists(st.integers(0, 3), **lists)))
    trim = data.draw(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.95]))
    kept = kept_shares(losses, strata, times.astype(float), trim)
    for stratum in np.unique(strata):
        own = (strata == stratum) & (times > 0)
        assert_allclose(times[own] @ kept[own], (1 - trim) * times[own].sum(), atol=1e-7)
        ordered = kept[own][np.argsort(losses[own])]
        assert (np.diff(ordered) <= 0).all()
        assert len(np.unique(losses[own][(kept[own] > 0) & (kept[own] < 1)])) <= 1
        for loss in np.unique(losses[own]):
            assert np.ptp(kept[own][losses[own] == loss]) == 0
    index = np.repeat(np.arange(n), times)
    copies = kept_shares(losses[index], strata[index], np.ones(len(index)), trim)
    assert_allclose(copies, kept[index], atol=1e-7)


@trimmed
def test_the_rows_of_least_loss_are_fitted_to(estimator):
    """At the end the plain fit to the kept rows, whose losses are the least of their strata."""
    X, y, nodes = make_rows(PLAIN_OF[estimator], sizes=(20, 15, 1), strings=True)
    params = {"tol": 1e-10, "lambda2": 0.1}
    if estimator is TrimmedFMTLClassifier:
        params["loss"] = "logistic"
    spoilt = np.random.default_rng(0).permutation(len(y))[:4]
    y[spoilt] = 1 - y[spoilt] if "loss" in params else y[spoilt] + 20.0
    model = estimator(trim=0.2, max_trim=50, **params).fit(X, y, nodes=nodes)
    assert not model.inlier_[spoilt[nodes[spoilt] != "n2"]].any()
    if "loss" in params:
        losses = np.logaddexp(
            0.0, -np.where(y == 1, 1.0, -1.0) * model.decision_function(X, nodes=nodes)
        )
        strata = np.unique(np.column_stack([nodes, y]), axis=0, return_inverse=True)[1].ravel()
    else:
        losses = np.square(model.predict(X, nodes=nodes) - y)
        strata = np.unique(nodes, return_inverse=True)[1]
    kept = kept_shares(losses, strata, np.ones(len(y)), 0.2)
    assert_array_equal(model.inlier_, kept > 0)
    plain = PLAIN_OF[estimator](**params).fit(X, y, nodes=nodes, sample_weight=kept)
    assert_allclose(plain.objective_, model.objective_, rtol=1e-8)
    assert_allclose(plain.coef_, model.coef_, atol=1e-4)
    everything = PLAIN_OF[estimator](**params).fit(X, y, nodes=nodes)
    assert model.objective_ < 0.9 * everything.objective_


def test_spellings():
    X, y, nodes = make_rows(FMTLClassifier, sizes=(20, 20, 12))
    names = np.array(["a", "b", "c"])[np.digitize(X[:, 0], [-0.3, 0.6])]
    for classes in (y, names):
        model = TrimmedFMTLClassifier(random_state=0).fit(X, classes, nodes=nodes)
        assert model.inlier_.shape == model.dual_coef_.shape
        table = np.column_stack([X, nodes])
        column = clone(model).set_params(node_column=-1, n_jobs=1).fit(table, classes)
        for name in (*FITTED, "inlier_"):
            assert_array_equal(getattr(column, name), getattr(model, name))
        loaded = pickle.loads(pickle.dumps(model))
        assert_array_equal(loaded.predict(X, nodes=nodes), model.predict(X, nodes=nodes))
        warm = clone(model).set_params(warm_start=True, tol=1e-9, lambda2=0.1)
        first = warm.fit(X, classes, nodes=nodes).objective_
        assert np.any(warm._iterate) and not np.any(model._iterate)
        assert_allclose(warm.fit(X, classes, nodes=nodes).objective_, first, rtol=1e-6)


@trimmed
@pytest.mark.parametrize(
    ("name", "value"),
    [("trim", -0.1), ("trim", 1.0), ("trim", None), ("max_trim", 0), ("max_trim", 1.5)],
)
def test_parameters(estimator, name, value):
    X, y, nodes = make_rows(PLAIN_OF[estimator])
    model = estimator(**{name: value})
    with pytest.raises(ValueError, match=name):
        model.fit(X, y, nodes=nodes)
    assert not [key for key in vars(model) if key.endswith("_")]


@trimmed
def test_attempts_of_an_attack_are_judged_by_trimmed_victims(estimator):
    """What an attempt was said to do is what the refitted victim then shows."""
    X, y, nodes = make_rows(PLAIN_OF[estimator], sizes=(30, 24, 27), strings=True)
    threat = {"target_nodes": ["n1"], "random_state": 0, "victim_tol": 1e-8}
    attacker = PoisoningAttacker(estimator(lambda2=0.1), max_iter=10, **threat)
    attacker.fit(X, y, nodes=nodes)
    kept = next(one for one in attacker.attempts_ if one["kept"])
    assert_allclose(kept["objective"], attacker.objective_, rtol=1e-3)
    assert [one["origin"] for one in attacker.attempts_].count("selection") == 3
    assert attacker.estimator_.inlier_.sum() < len(y) + len(attacker.poison_y_)
    assert attacker.objective_ >= attacker.attempts_[-1]["objective"] - 1e-6
    detector = PoisonDetector(estimator(lambda2=0.1)).fit(X, y, nodes=nodes)
    assert np.isfinite(detector.scores_).all()


def test_a_held_selection_is_a_fit_to_those_rows(monkeypatch):
    """The victim of the first step through the selection, and H there, are the judge's own."""
    X, y, nodes = make_rows(FMTLRegressor, sizes=(30, 24, 27), strings=True)
    begins = []

    def noting(case, judge, settings, seed, task, origin, start, *others):
        if origin == "selection":
            begins.append(judge.attempt("start", start, []).verdict.objective)
        return ascend(case, judge, settings, seed, task, origin, start, *others)

    ascend = restart._ascend
    monkeypatch.setattr(restart, "_ascend", noting)
    victim = TrimmedFMTLRegressor(lambda2=0.1, max_trim=50)
    attacker = climber(victim, max_iter=10, random_state=0, victim_tol=1e-8)
    crafted = []
    monkeypatch.setattr(
        _attacker, "craft", lambda *a: crafted.append(restart.craft(*a)) or crafted[0]
    )
    attacker.fit(X, y, nodes=nodes)
    through = [one for one in crafted[0].attempts if one.origin == "selection"]
    assert len(begins) == 3
    assert_allclose(sorted(one.history[0] for one in through), sorted(begins), rtol=1e-3)


def test_the_selection_is_gone_through_where_that_pays():
    """No attempt of other kinds does as much; victims that go by all rows are spared that."""
    X, y, nodes = make_rows(FMTLClassifier, sizes=(30, 24, 27), strings=True)
    victim = TrimmedFMTLClassifier()
    attacker = climber(victim, max_iter=12, budget=0.3, random_state=0).fit(X, y, nodes=nodes)
    best = {}
    for one in attacker.attempts_:
        best[one["origin"]] = max(one["objective"], best.get(one["origin"], 0.0))
    assert best["selection"] > 1.02 * max(best["start"], best["ascent"])
    assert attacker.attempts_[0]["origin"] == "selection"
    plain = climber(FMTLClassifier(), max_iter=2, random_state=0).fit(X, y, nodes=nodes)
    assert "selection" not in [one["origin"] for one in plain.attempts_]


def test_a_stopped_attack_goes_on(tmp_path, monkeypatch):
    X, y, nodes = make_rows(FMTLClassifier, sizes=(30, 24, 27), strings=True)
    given = {"max_iter": 4, "tol": 0, "random_state": 0}
    whole = climber(TrimmedFMTLClassifier(), **given).fit(X, y, nodes=nodes)
    stopped = climber(TrimmedFMTLClassifier(), checkpoint=tmp_path, **given)
    assert fit_in_pieces(stopped, X, y, nodes, monkeypatch, n_stops=11) >= 16
    assert_array_equal(stopped.poison_X_, whole.poison_X_)


def test_more_than_two_classes_are_judged_so_too():
    X, _, nodes = make_rows(FMTLClassifier, sizes=(30, 24, 27), strings=True)
    y = np.digitize(X[:, 0], [-0.3, 0.6])
    victim = TrimmedFMTLClassifier(lambda2=0.1)
    attacker = PoisoningAttacker(victim, init="clean", max_iter=3, random_state=0, victim_tol=1e-8)
    attacker.fit(X, y, nodes=nodes)
    kept = next(one for one in attacker.attempts_ if one["kept"])
    assert_allclose(kept["objective"], attacker.objective_, rtol=1e-3)


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_flipped_labels_are_left_out(seed):
    """All of them; who leaves clean rows out as well may err in one of 60 more."""
    X, y, nodes = make_rows(FMTLClassifier, sizes=(60, 60), seed=seed)
    flips = LabelFlipPoisoner(TrimmedFMTLClassifier(trim=0.3), budget=0.1, random_state=0)
    flips.fit(X, y, nodes=nodes)
    plain = LabelFlipPoisoner(FMTLClassifier(), budget=0.1, random_state=0).fit(X, y, nodes=nodes)
    assert flips.score(X, y, nodes=nodes) <= plain.score(X, y, nodes=nodes) + 1 / 60 + 1e-12
    assert not flips.estimator_.inlier_[len(y) :].any()


def test_no_bound_is_known():
    X, y, nodes = make_rows(FMTLRegressor)
    with pytest.raises(ValueError, match="`estimator` is a TrimmedFMTLRegressor, which leaves"):
        DamageBound(TrimmedFMTLRegressor()).fit(X, y, nodes=nodes)
