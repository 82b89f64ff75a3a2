"""The attack's gradient against refitted victims, however weak the ridge; what an attack fits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from estimators import ESTIMATOR_OF, KINDS, LOSSES, OMEGA, Watched, climber, make_rows
from oracles.losses import RECORD_OF
from profiles import covering
from skfedmtl import FMTLClassifier
from skfedmtl._model import row_algebra
from skfedmtl._solvers.kernel_steps import KernelPasses
from skfedmtl.attack._bilevel.gradient_check import ExactBilevel
from skfedmtl.attack._bilevel.lower_level import Bilevel
from skfedmtl.attack._bilevel.objective import UpperObjective

THREATS = {
    "direct": {"attack": "direct", "source_nodes": None},
    "indirect": {"attack": "indirect", "source_nodes": [1, 2]},
    "hybrid": {"attack": "hybrid", "source_nodes": [0, 1]},
}


@pytest.mark.parametrize(
    ("loss", "kind", "threat", "intercept", "lambda2"),
    covering(3, LOSSES, KINDS, list(THREATS), (True, False), (1e-3, 1e-6)),
)
def test_the_gradient_is_that_of_refitted_victims(loss, kind, threat, intercept, lambda2):
    """To 1e-5 of the differences; where these are nothing, it is nothing."""
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], (14, 12, 13), n_features=4)
    victim = ESTIMATOR_OF[loss](
        loss=loss,
        lambda1=1e-2,
        lambda2=lambda2,
        relationship=OMEGA if kind == "omega" else kind,
        fit_intercept=intercept,
        random_state=0,
    )
    attacker = climber(victim, target_nodes=[0], random_state=0, **THREATS[threat])
    found = attacker.check_gradient(X, y, nodes=nodes, n_points=2)
    assert not found.kink.all()
    size = np.linalg.norm(found.finite_differences[~found.kink])
    # untied nodes, and targets that rows on the margin hold where they are
    untied = kind == "none" and threat == "indirect"
    if (untied or (not RECORD_OF[loss].is_smooth and threat != "direct")) and size < 1e-7:
        assert np.abs(found.gradient[~found.kink]).max() < 1e-7
        return
    assert size > 1e-5
    assert found.relative_error <= 1e-5
    assert_allclose(found.cosine, 1.0, atol=1e-9)


# -- where the rank of W changes --------------------------------------------------------------


def one_sided(game, rows, direction, step):
    """The slope towards `direction` by differences of the third order."""
    values = [game.value(rows + place * step * direction) for place in range(4)]
    return float(np.dot([-11.0, 18.0, -9.0, 2.0], values)) / (6.0 * step)


@pytest.mark.parametrize("lambda2", [1e-3, 1e-6])
@pytest.mark.parametrize(
    ("loss", "seed", "lambda1"),
    [("squared_error", 1, 0.03), ("squared_error", 0, 0.3), ("logistic", 0, 0.1)],
)
def test_the_slope_jumps_with_the_rank_and_is_right_on_both_sides(loss, seed, lambda1, lambda2):
    """As near to the jump as 1e-5 of the line along which it is met."""
    estimator = ESTIMATOR_OF[loss]
    X, y, nodes = make_rows(estimator, (14, 12, 13, 15), n_features=4, seed=seed)
    victim = estimator(loss=loss, lambda1=lambda1, lambda2=lambda2, random_state=0)
    poisoner = Watched(victim, target_nodes=[0, 1], random_state=0).fit(X, y, nodes=nodes)
    game, start = poisoner.game(ExactBilevel), poisoner.start_.X
    line = np.random.default_rng(1).normal(size=start.shape)

    def rank(place):
        game.value(start + place * line)
        return game.signature()[0]

    places = np.linspace(0.0, 2.0, 11)
    ranks = [rank(place) for place in places]
    jump = int(np.flatnonzero(np.diff(ranks))[0])
    low, high = places[jump : jump + 2]
    while high - low > 1e-7:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if rank(middle) == ranks[jump] else (low, middle)
    for distance in (1e-2, 1e-5):
        slopes = []
        for place, sign in ((low - distance, -1.0), (high + distance, 1.0)):
            rows = start + place * line
            game.value(rows)
            slopes.append(float(np.vdot(game.gradient("total"), line)))
            difference = sign * one_sided(game, rows, sign * line, 1e-3)
            assert_allclose(slopes[-1], difference, rtol=1e-4)
    assert abs(slopes[1] - slopes[0]) > 1e-3 * abs(slopes[0])
    assert rank(low - 1e-5) != rank(high + 1e-5)


# -- what is computed how often ---------------------------------------------------------------


@pytest.fixture
def fitted(monkeypatch):
    """The numbers of rows that classifiers have been fitted to."""
    counts, plain = [], FMTLClassifier.fit

    def counting(self, X, y, **params):
        counts.append(len(X))
        return plain(self, X, y, **params)

    monkeypatch.setattr(FMTLClassifier, "fit", counting)
    return counts


def attack_on_wide_rows(**params):
    """Fewer rows in every node than features."""
    X, y, nodes = make_rows(FMTLClassifier, (9, 7, 8), n_features=14)
    victim = FMTLClassifier(lambda1=0.01, lambda2=0.01, random_state=0)
    return climber(victim, max_iter=4, random_state=0, **params), (X, y), nodes


@pytest.mark.parametrize("n_restarts", [1, 3])
def test_victims_are_fitted_once_and_kernels_made_once_a_restart(n_restarts, fitted, monkeypatch):
    attacker, data, nodes = attack_on_wide_rows(n_restarts=n_restarts)
    made, moved, gram, refresh = [], [], row_algebra.gram, KernelPasses.refresh

    def watched(self, rows):
        moved.append({node: len(places) for node, places in rows.items()})
        refresh(self, rows)

    monkeypatch.setattr(row_algebra, "gram", lambda X: made.append(len(X)) or gram(X))
    monkeypatch.setattr(KernelPasses, "refresh", watched)
    attacker.fit(*data, nodes=nodes)
    n_injected = len(attacker.poison_X_)
    assert fitted == [len(nodes), len(nodes) + n_injected]
    # the judge's look at the start and the end may be two more
    assert n_restarts * 5 <= len(moved) <= n_restarts * 7
    sizes = np.bincount(nodes) + np.bincount(attacker.poison_nodes_, minlength=3)
    assert made == n_restarts * sizes.tolist()
    injected = dict(zip(*np.unique(attacker.poison_nodes_, return_counts=True), strict=True))
    assert all(rows == injected for rows in moved)


def test_a_check_fits_the_clean_victim_once(fitted):
    attacker, data, nodes = attack_on_wide_rows()
    attacker.check_gradient(*data, nodes=nodes, n_points=2)
    assert fitted.count(len(nodes)) == 1
    assert len(fitted) <= 2
    assert_array_equal(fitted, sorted(fitted))


@pytest.mark.parametrize("smoothing", [0.0, 4.0])
@pytest.mark.parametrize("loss", ["hinge", "logistic"])
def test_losses_of_the_targets_are_found_once_a_victim(loss, smoothing, monkeypatch):
    """Values and slopes in one go, whether or not a gradient asks for them again."""
    found, valued = [], []
    slope, value = UpperObjective._slope, Bilevel.value

    def slopes(self, y, f, l, where):
        found.append(l)
        return slope(self, y, f, l, where)

    def values(self, rows, y=None):
        valued.append(rows)
        return value(self, rows, y)

    monkeypatch.setattr(UpperObjective, "_slope", slopes)
    monkeypatch.setattr(Bilevel, "value", values)
    X, y, nodes = make_rows(FMTLClassifier, (9, 7, 8), n_features=4)
    victim = FMTLClassifier(loss=loss, random_state=0)
    threat = {"target_nodes": [0, 2], "random_state": 0, "max_iter": 4}
    climber(victim, smoothing=smoothing, **threat).fit(X, y, nodes=nodes)
    assert len(valued) >= 5
    assert found == len(valued) * [0, 2]
