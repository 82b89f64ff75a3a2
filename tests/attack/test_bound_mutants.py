"""Certified damage where attacks attain it: whatever lacks a part of the proof is no bound."""

import numpy as np
import pytest

from bounds import Case
from estimators import ESTIMATOR_OF, LOSSES
from oracles.losses import RECORD_OF
from skfedmtl._model import LOSSES as MODEL_LOSSES
from skfedmtl._model import Independent, Learned
from skfedmtl.attack._bound import Injection, Setting, damage_bound
from skfedmtl.attack._bound.conditional import Conditional, Pair
from skfedmtl.attack._bound.conditional_margins import ConditionalMargins
from skfedmtl.attack._bound.injection import Pull, Pulls
from skfedmtl.attack._bound.joint import Joint, Point
from skfedmtl.attack._bound.margins import JointMargins
from skfedmtl.attack._bound.moments import turn
from skfedmtl.attack._sought import CleanRows, Model

# -- where the bound is attained ------------------------------------------------------------------

#: Injected rows, beside 60, and the radius of their ball.
TIGHT = {"squared_error": (10, 5.0), "huber": (4, 16.0), "hinge": (10, 5.0)}


def tight_case(name):
    """One node, one feature and no intercept: all rows injected at one place are the worst."""
    rng = np.random.default_rng(0)
    count, radius = TIGHT.get(name, (10, 20.0))
    X = rng.normal(size=(60, 1))
    y = 1.2 * X[:, 0] + 0.6 * rng.normal(size=60)
    loss = MODEL_LOSSES[name]()
    if not loss.is_regression:
        y = np.where(y > 0.0, 1.0, -1.0)
    one, node = np.ones(1), np.zeros(1, dtype=np.int64)
    ends = [y.min() * one, y.max() * one]
    share = count / (60 + count) * one
    injection = Injection(node, share, radius * one, *ends, 0.0 * one, one)
    rows = CleanRows(X, y, np.zeros(60, dtype=np.int64), np.ones(60))
    model = Model(loss, Independent(1, 0.01), "none")
    estimator = ESTIMATOR_OF[name](
        loss=name, lambda2=0.01, relationship="none", fit_intercept=False, tol=1e-9, max_iter=3000
    )
    return Case(Setting(rows, model, node, injection), np.array([count]), estimator)


def worst_in_the_interval(case):
    """Of all places and both ends of the targets."""
    injection, count = case.setting.injection, int(case.counts[0])
    ends = (-1.0, 1.0)
    if case.setting.model.loss.is_regression:
        ends = (injection.low[0], injection.high[0])
    codes = np.zeros(count, dtype=np.int64)
    places = injection.radii[0] * np.linspace(0.02, 1.0, 15)
    return max(
        case.damage(np.full((count, 1), x), np.full(count, y), codes) for x in places for y in ends
    )


@pytest.mark.parametrize("name", LOSSES)
def test_an_attack_attains_the_bound(name):
    case = tight_case(name)
    bound, worst = damage_bound(case.setting, 200), worst_in_the_interval(case)
    assert 0.99 * bound.value <= worst <= bound.value * (1.0 + 1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("mutant", ["half a pull", "no dilution"])
def test_less_is_no_bound(name, mutant, monkeypatch):
    """Half of kappa, or clean rows that injected ones do not dilute."""
    case = tight_case(name)
    worst = worst_in_the_interval(case)
    loss = type(case.setting.model.loss)
    if mutant == "half a pull":
        kappa = loss.kappa
        monkeypatch.setattr(loss, "kappa", lambda *args: 0.5 * kappa(*args))
    else:
        monkeypatch.setattr(Setting, "left", property(lambda setting: np.ones(1)))
    assert damage_bound(case.setting, 200).value < 0.999 * worst


@pytest.mark.parametrize("name", LOSSES)
def test_less_than_the_limit_of_tau_is_no_bound(name):
    case = tight_case(name)
    V, worst = damage_bound(case.setting, 200).V, worst_in_the_interval(case)
    is_square = RECORD_OF[name].is_square
    joint = Joint(case.setting) if is_square else JointMargins(case.setting)

    def value(share):
        log_tau = float(np.log(share))
        at = (Point(log_tau, V, np.zeros(1)),) if is_square else (V, log_tau)
        return joint.bound(*at).value

    assert value(0.9) < worst <= value(1.0)


def lacking(joint, monkeypatch, term):
    """A mutant's K: without a term."""
    known = joint.known

    def less(V, *rest):
        found = known(V, *rest)
        if isinstance(found, float):
            return found - term(V)
        value, *slopes = found
        return value - term(V), *slopes

    monkeypatch.setattr(joint, "known", less)


@pytest.mark.parametrize("name", LOSSES)
def test_a_known_side_without_clean_losses_is_no_bound(name, monkeypatch):
    case = tight_case(name)
    bound, worst = damage_bound(case.setting, 200), worst_in_the_interval(case)
    if RECORD_OF[name].is_square:
        joint = Joint(case.setting)
        moments = joint.moments
        lacking(joint, monkeypatch, lambda V: joint.left @ moments.loss(turn(moments.basis, V)))
        at = (Point(float(np.log(bound.tau[0] / joint.limit)), bound.V, np.zeros(1)),)
    else:
        joint = JointMargins(case.setting)
        lacking(joint, monkeypatch, lambda V: joint.left @ joint.losses(V))
        at = bound.V, float(np.log(bound.tau[0] / joint.limit))
    assert joint.bound(*at).value < worst


@pytest.mark.parametrize("name", LOSSES)
def test_a_known_side_without_regulariser_is_no_bound(name, monkeypatch):
    """Where it is strong, and hardly anything is injected."""
    case = tight_case(name)
    setting, rows = case.setting, case.setting.rows
    case.estimator.set_params(lambda2=2.0)
    clean = case.damage(rows.X[:0], rows.y[:0], rows.codes[:0])
    model = setting.model._replace(relationship=Independent(1, 2.0))
    injection = setting.injection._replace(share=np.array([1e-6]))
    setting = setting._replace(model=model, injection=injection)
    V = np.array([[1.0]])
    if model.loss.constant_curvature:
        joint, at = Joint(setting), (Point(1.0, V, np.zeros(1)),)
    else:
        joint, at = JointMargins(setting), (V, 1.0)
    assert joint.bound(*at).value >= clean
    lacking(joint, monkeypatch, joint.relationship.penalty)
    assert joint.bound(*at).value < clean


# -- where the conditional inequality needs all it has ---------------------------------------------

#: Terms of its known side, the x of multipliers at which they count, and how much is injected.
TERMS = {
    "tie": ([-9.0, 3.0, 0.0], 60),
    "penalty": ([3.0, -2.0, 3.0], 0),
    "loss": ([3.0, -2.0, 3.0], 0),
}


def crossed_case(name):
    """A target that one feature serves, and a source that only injected rows give weights.

    They lie along the other feature, so that what the target learns becomes dear.
    """
    rng = np.random.default_rng(0)
    X = np.tile(rng.normal(size=(30, 2)), (4, 1))
    X[:60, 1] = 0.0
    loss = MODEL_LOSSES[name]()
    y = np.concatenate([X[:60, 0] + 0.3 * rng.normal(size=60), np.zeros(60)])
    if not loss.is_regression:
        y = np.concatenate([np.where(y[:60] > 0.0, 1.0, -1.0), np.repeat([-1.0, 1.0], 30)])
    one = np.ones(1)
    share, radius = 0.5 * one, 3.0 * one
    injection = Injection(
        np.array([1]), share, radius, -3.0 * one, 3.0 * one, np.zeros(2), np.ones(2)
    )
    model = Model(loss, Learned(2, 0.1, 0.01), "none")
    estimator = ESTIMATOR_OF[name](
        loss=name, lambda1=0.1, lambda2=0.01, fit_intercept=False, tol=1e-9, max_iter=3000
    )
    rows = CleanRows(X, y, np.repeat([0, 1], 60), np.ones(120))
    return Case(Setting(rows, model, np.array([0]), injection), np.array([60]), estimator)


def across(case, count):
    """The damage of so many rows along the other feature."""
    end = 3.0 if case.setting.model.loss.is_regression else 1.0
    X = np.repeat([[0.0, 3.0]], count, axis=0)
    return case.damage(X, np.full(count, end), np.full(count, 1))


def without(conditional, term, monkeypatch):
    """A mutant that lacks a term."""
    if isinstance(conditional, Conditional):
        loss, tied, N = conditional.moments.loss, conditional.tied, conditional.others

        def rest_of_losses(V, which=slice(None)):
            return 0.0 * loss(V, which) if which is N else loss(V, which)

        def rest_of_ties(n, factor=1.0):
            if term == "penalty" and factor > 1.0:
                return Learned(n, (factor - 1.0) * conditional.lambda1, 0.0)
            return tied(n, min(factor, 1.0))

        if term == "loss":
            monkeypatch.setattr(conditional.moments, "loss", rest_of_losses)
        else:
            monkeypatch.setattr(conditional, "tied", rest_of_ties)
        return
    fit_of = conditional._fit

    def rest(nodes, node_weight, factor, tol):
        least = min(factor, 1.0) if term == "tie" else factor
        fit, size, losses = fit_of(nodes, node_weight, least, tol)
        if factor > 1.0 and term == "penalty":
            own = Learned(len(nodes), conditional.lambda1, conditional.lambda2)
            fit = fit._replace(value=fit.value - own.penalty(fit.W))
        elif factor > 1.0 and term == "loss":
            fit = fit._replace(value=fit.value - losses.sum())
        return fit, size, losses

    monkeypatch.setattr(conditional, "_fit", rest)


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("name", LOSSES)
def test_a_conditional_inequality_that_lacks_a_term_is_none(name, term, monkeypatch):
    x, count = TERMS[term]
    case = crossed_case(name)
    across(case, 0)
    V = case.estimator.coef_
    worst = across(case, count)
    setting = case.setting
    if count == 0:
        few = setting.injection._replace(share=np.array([1e-6]))
        setting = setting._replace(injection=few)
    relationship = setting.model.relationship
    if setting.model.loss.constant_curvature:
        conditional = Conditional(Joint(setting), relationship)
        at = (Pair(np.array(x), V, np.zeros(2), V[:1]),)
    else:
        joint = JointMargins(setting)
        conditional = ConditionalMargins(joint, relationship)
        at = np.array(x), joint.known(V), 1e-9
    assert conditional.judge(*at).value >= worst * (1.0 - 1e-6)
    without(conditional, term, monkeypatch)
    assert conditional.judge(*at).value < 0.999 * worst


@pytest.mark.parametrize("name", [one for one in LOSSES if not RECORD_OF[one].is_square])
def test_injected_rows_of_the_group_pull_at_its_reference(name, monkeypatch):
    """At a target beside another node, to which it is hardly tied."""
    case = tight_case(name)
    rows, model = case.setting.rows, case.setting.model
    beside = CleanRows(
        np.tile(rows.X, (2, 1)), np.tile(rows.y, 2), np.repeat([0, 1], 60), np.ones(120)
    )
    relationship = Learned(2, 1e-7, 0.01)
    tied = model._replace(relationship=relationship)
    joint = JointMargins(case.setting._replace(rows=beside, model=tied))
    conditional = ConditionalMargins(joint, relationship, np.array([0]))
    worst = worst_in_the_interval(case)
    at = np.array([-9.0, -3.0, 0.0]), joint.reference(200)[0], 1e-9, 200
    assert worst <= conditional.judge(*at).value <= 1.05 * worst
    monkeypatch.setattr(Pull, "at", _no_pull(Pull.at))
    assert conditional.judge(*at).value < 0.999 * worst


def _no_pull(at):
    """A pull that is none."""

    def none(pull, *args):
        value, by_v, by_b = at(pull, *args)
        return Pulls(0.0 * value, 0.0 * by_v, 0.0 * by_b)

    return none
