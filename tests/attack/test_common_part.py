"""Attacks on victims with a common part: exact gradients, every poisoner, and what ties nodes."""

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal

from estimators import ESTIMATOR_OF, ESTIMATORS, KINDS, LOSSES, OMEGA, Watched, climber, make_rows
from profiles import covering
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.attack import DamageBound
from skfedmtl.attack._bilevel.checkpoint import Checkpoint
from skfedmtl.attack._bilevel.gradient_check import ExactBilevel

SIZES = (14, 12, 13)
THREAT = {"attack": "hybrid", "target_nodes": [0, 1], "budget": 0.3, "random_state": 0}


def checked(victim, n_points=2, **threat):
    X, y, nodes = make_rows(victim, SIZES, n_features=4)
    attacker = climber(victim, **{**THREAT, **threat})
    return attacker.check_gradient(X, y, nodes=nodes, n_points=n_points)


@pytest.mark.parametrize(
    ("loss", "kind", "intercept", "lambda0"),
    covering(3, LOSSES, KINDS, (True, False), (1e-3, 0.1)),
)
def test_the_gradient_is_that_of_refitted_victims(loss, kind, intercept, lambda0):
    victim = ESTIMATOR_OF[loss](
        loss=loss,
        lambda0=lambda0,
        lambda1=0.05,
        lambda2=0.02,
        relationship=OMEGA if kind == "omega" else kind,
        fit_intercept=intercept,
        random_state=0,
    )
    found = checked(victim)
    assert not found.kink.all()
    if found.gradient.any():  # rows of a hinge may pin the targets down
        assert found.relative_error <= 1e-5
        assert_allclose(found.cosine, 1.0, atol=1e-9)
    else:
        assert loss == "hinge"
        assert np.abs(found.finite_differences).max() < 1e-7


@pytest.mark.parametrize("gradient", ["implicit", "dual"])
@pytest.mark.parametrize("loss", ["squared_error", "logistic"])
def test_a_relationship_that_is_held_is_a_given_one(loss, gradient):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], SIZES, n_features=4)
    lambdas = {"lambda0": 0.05, "lambda1": 0.003, "lambda2": 0.02, "random_state": 0}

    def played(relationship):
        victim = ESTIMATOR_OF[loss](loss=loss, relationship=relationship, **lambdas)
        poisoner = Watched(victim, **THREAT).fit(X, y, nodes=nodes)
        game = poisoner.game(ExactBilevel)
        return game, game.value(poisoner.start_.X)

    learned, H = played("learned")
    W = learned._solved.W
    F = learned._problem.server.relationship.covariance_factor(W)
    assert F.shape == (3, 3)
    given, same = played(np.linalg.inv(F @ F.T))
    assert_allclose(H, same, rtol=1e-8)
    expected = given.gradient("total" if gradient == "implicit" else "dual")
    size = np.abs(expected).max()
    assert_allclose(learned.gradient(gradient), expected, atol=1e-6 * size)
    assert np.abs(learned.gradient("total") - expected).max() > 1e-3 * size


@pytest.mark.parametrize("kind", ["learned", "none"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_common_part_at_any_price_is_none(estimator, kind):
    lambdas = {"lambda1": 0.05, "lambda2": 0.02, "relationship": kind}
    with_one = checked(estimator(lambda0=1e9, **lambdas), n_points=1)
    without = checked(estimator(**lambdas), n_points=1)
    assert_allclose(with_one.gradient, without.gradient, atol=1e-6 * np.abs(without.gradient).max())


def test_what_is_common_hands_on_harm():
    """Nodes that nothing else ties are out of reach without it."""
    indirect = {"attack": "indirect", "target_nodes": [0], "source_nodes": [1, 2]}
    lambdas = {"relationship": "none", "lambda2": 0.5}
    reached = checked(FMTLRegressor(lambda0=0.05, **lambdas), **indirect)
    assert np.abs(reached.gradient).min() > 1e-4
    assert not checked(FMTLRegressor(**lambdas), **indirect).gradient.any()


@pytest.mark.parametrize("init", ["clean", "ball", "weights"])
@pytest.mark.parametrize("kind", ["learned", "omega"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_attacks_do_more_harm_than_what_they_begin_with(estimator, kind, init):
    X, y, nodes = make_rows(estimator, SIZES, n_features=4)
    relationship = OMEGA if kind == "omega" else kind
    victim = estimator(lambda0=0.05, lambda1=0.05, relationship=relationship, random_state=0)
    attacker = PoisoningAttacker(victim, init=init, max_iter=8, criterion="loss", **THREAT)
    attacker.fit(X, y, nodes=nodes)
    first = next(one for one in attacker.attempts_ if one["origin"] == "start")
    assert attacker.criterion_ > 1.02 * first["criterion"]
    origins = {one["origin"] for one in attacker.attempts_}
    assert ("weights" in origins) is (init == "weights")
    assert attacker.estimator_.lambda0 == 0.05
    assert attacker.estimator_.common_coef_.shape == (4,)


@pytest.mark.parametrize("Baseline", [RandomPoisoner, LabelFlipPoisoner])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_baselines(estimator, Baseline):
    X, y, nodes = make_rows(estimator, SIZES, n_features=4)
    victim = estimator(lambda0=0.05, lambda1=0.05, random_state=0)
    poisoner = Baseline(victim, **THREAT).fit(X, y, nodes=nodes)
    assert poisoner.objective_ > 0.0
    assert poisoner.score(X, y, nodes=nodes) >= 0.0


def test_classes_restarts_and_jobs():
    """The same bits for any number of jobs; of each class a common part of its own."""
    X, y, nodes = make_rows(FMTLClassifier, SIZES, n_features=4)
    y = y + (X[:, 1] > 0.7)
    victim = FMTLClassifier(lambda0=0.05, lambda1=0.05, random_state=0)
    with parallel_config("threading"):
        one, two = (
            climber(victim, n_restarts=2, n_jobs=n_jobs, max_iter=3, **THREAT).fit(
                X, y, nodes=nodes
            )
            for n_jobs in (1, 2)
        )
    assert_array_equal(one.poison_X_, two.poison_X_)
    assert_array_equal(one.objective_history_, two.objective_history_)
    assert one.estimator_.common_coef_.shape == (3, 4)


class StoppedError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("smoothing", [0.0, 4.0])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_killed_attack_goes_on_to_the_same_bits(estimator, smoothing, tmp_path, monkeypatch):
    X, y, nodes = make_rows(estimator, SIZES, n_features=4)
    victim = estimator(lambda0=0.05, lambda1=0.05, random_state=0)
    given = {"max_iter": 6, "tol": 0, "smoothing": smoothing, **THREAT}
    whole = climber(victim, **given).fit(X, y, nodes=nodes)
    save, saved = Checkpoint.save, []

    def kill(self, state):
        save(self, state)
        saved.append(state)
        if len(saved) == 3:
            raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", kill)
        with pytest.raises(StoppedError):
            climber(victim, checkpoint=tmp_path, **given).fit(X, y, nodes=nodes)
    resumed = climber(victim, checkpoint=tmp_path, **given).fit(X, y, nodes=nodes)
    assert_array_equal(resumed.poison_X_, whole.poison_X_)
    assert_array_equal(resumed.objective_history_, whole.objective_history_)


# -- certified damage -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "kind", "attack", "lambda0"),
    covering(2, LOSSES, KINDS, ("direct", "hybrid", "indirect"), (1e-3, 0.1)),
)
def test_no_attack_exceeds_the_bound(loss, kind, attack, lambda0):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], SIZES)
    victim = ESTIMATOR_OF[loss](
        loss=loss,
        lambda0=lambda0,
        lambda1=0.1,
        lambda2=0.02,
        relationship=OMEGA if kind == "omega" else kind,
    )
    threat = {"attack": attack, "target_nodes": 0.4, "budget": 0.3, "random_state": 0}
    bound = DamageBound(victim, max_iter=6, **threat).fit(X, y, nodes=nodes)
    if loss == "squared_error" and kind != "learned":
        assert bound.theorem_ == "T3"
    else:
        moves = loss != "squared_hinge" and kind != "learned"
        moved = loss == "squared_error" and attack != "direct"
        assert bound.theorem_ in ("T1", *(["T4"] if moves else []), *(["T2"] if moved else []))
    assert np.isnan(bound.cap_)
    has_balls = isinstance(victim, FMTLClassifier) and kind != "learned"
    assert (bound.weight_centre_ is not None) == has_balls
    assert bound.clean_objective_ < bound.upper_bound_
    attackers = (
        RandomPoisoner(victim, init="ball", **threat),
        climber(victim, init="ball", smoothing=0.0, max_iter=5, **threat),
        climber(victim, smoothing=0.0, max_iter=5, **threat),
    )
    for attacker in attackers:
        assert attacker.fit(X, y, nodes=nodes).objective_ <= bound.upper_bound_


def test_of_a_common_part_beside_learned_ties_no_row_is_certified():
    X, y, nodes = make_rows(FMTLClassifier, SIZES)
    victim = FMTLClassifier(lambda0=0.1)
    bound = DamageBound(victim, max_iter=2, random_state=0).fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match="lambda0=None"):
        bound.certify_rows(X, nodes=nodes)


@pytest.mark.parametrize("loss", ["squared_error", "hinge"])
def test_the_bound_of_a_common_part_at_any_price_is_that_without_one(loss):
    """Of targets that are sources, so that the other inequality, of the others, has no say."""
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], SIZES)
    given = {"loss": loss, "lambda1": 0.1, "lambda2": 0.02}
    threat = {"target_nodes": [0], "budget": 0.3, "random_state": 0, "max_iter": 8}
    bounds = [
        DamageBound(ESTIMATOR_OF[loss](lambda0=lambda0, **given), **threat).fit(X, y, nodes=nodes)
        for lambda0 in (None, 1e7)
    ]
    assert [one.theorem_ for one in bounds] == ["T1", "T1"]
    assert_allclose(bounds[1].upper_bound_, bounds[0].upper_bound_, rtol=1e-3)


def test_the_same_bound_for_any_number_of_jobs():
    X, y, nodes = make_rows(FMTLRegressor, SIZES)
    with parallel_config("threading"):
        one, two = (
            DamageBound(FMTLRegressor(lambda0=0.1), max_iter=4, n_jobs=n_jobs, random_state=0).fit(
                X, y, nodes=nodes
            )
            for n_jobs in (1, 2)
        )
    assert one.upper_bound_ == two.upper_bound_
    assert_array_equal(one.reference_coef_, two.reference_coef_)
