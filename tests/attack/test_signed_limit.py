"""How far forecasts can go one way: a limit that no direct attack passes, and nearly reached.

In the optimum of a target, with a free intercept, residuals of all rows add up to zero, and so do
those times ``g = w . (x - mean of the clean x)``, but for a term of the regulariser that is not
negative: a spectral norm does not grow as a node's weights shrink. With n clean rows, ``r n``
injected ones, u the residuals ``y - f`` of these and b the bias of the clean rows::

    sum of u = n b,      -sum of u g <= n s^2 / 4

where s^2 is the variance that the best linear forecast explains: ``mean of g^2 - g y`` is least at
half of its slopes. As ``-g = u - (y - mean f)``, ``r mean of u^2 - u (y - mean f) <= s^2 / 4``,
which a convex hull over both ends of y turns into a limit of b.
"""

import ast
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq, linprog
from sklearn.linear_model import LinearRegression

from skfedmtl import FMTLRegressor, PoisoningAttacker
from skfedmtl.datasets import load_flights

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "plot_6_goal.py"
TARGETS = ["AA", "DL", "UA", "US"]


def limit_of_the_example():
    """The function of the gallery, which shows it whole; it is not written down a second time."""
    tree = ast.parse(EXAMPLE.read_text(encoding="utf-8"))
    (function,) = (one for one in tree.body if getattr(one, "name", None) == "limit")
    names = {"np": np, "brentq": brentq}
    exec(compile(ast.Module([function], []), EXAMPLE, "exec"), names)
    return names["limit"]


limit = limit_of_the_example()


def least_by_programme(y, share, bias, residuals):
    """Of mean ``u^2 - u (y - bias)``, over all rows with these residuals and ends of y."""
    u, ends = (part.ravel() for part in np.meshgrid(residuals, [y.min(), y.max()]))
    sums = np.array([np.ones_like(u), u])
    found = linprog(u**2 - u * (ends - bias), A_eq=sums, b_eq=[1.0, bias / share])
    assert found.success
    return found.fun


@pytest.mark.parametrize("share", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("seed", range(3))
def test_the_limit_is_where_a_linear_programme_meets_what_forecasts_explain(seed, way, share):
    """The programme knows rows of a grid only, whose mean squares are off by h^2 / 4 at most."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3)) + 0.5
    y = X @ rng.normal(size=3) + rng.normal(size=40) ** 2
    most = limit(X, y, share, way)
    told = way * (y - y.mean())
    explained = LinearRegression().fit(X, told).score(X, told) * np.var(told)
    residuals, h = np.linspace(-4 * np.ptp(y), most / share + 4 * np.ptp(y), 4001, retstep=True)
    excess = least_by_programme(told, share, most, residuals) - explained / (4 * share)
    assert -1e-8 <= excess <= h**2 / 4 + 1e-8


def biases(attacker, X, y, nodes):
    """Of each target."""
    own = [nodes == target for target in attacker.target_nodes_]
    return np.array([np.mean(attacker.predict(X[one], nodes=nodes[one]) - y[one]) for one in own])


def limits(attacker, X, y, nodes, way):
    """The same, at most."""
    own = [nodes == target for target in attacker.target_nodes_]
    shares = [
        np.mean(attacker.poison_nodes_ == target) * len(attacker.poison_y_) / one.sum()
        for target, one in zip(attacker.target_nodes_, own, strict=True)
    ]
    return np.array([limit(X[one], y[one], r, way) for one, r in zip(own, shares, strict=True)])


@pytest.mark.parametrize(("goal", "way"), [("raise", 1.0), ("lower", -1.0)])
def test_flights_are_forecast_as_late_or_early_as_can_be(goal, way):
    X, y, nodes = load_flights(return_X_y_nodes=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    victim = FMTLRegressor(lambda1=0.01, lambda2=0.001)
    params = {"target_nodes": TARGETS, "random_state": 0}
    attacker = PoisoningAttacker(victim, goal=goal, **params).fit(X, y, nodes=nodes)
    most, found = limits(attacker, X, y, nodes, way), way * biases(attacker, X, y, nodes)
    assert (found <= most).all()
    assert found.sum() >= 0.97 * most.sum()


def test_errors_of_flights_are_half_as_biased_as_can_be():
    """So no goal doubles that bias."""
    X, y, nodes = load_flights(return_X_y_nodes=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    victim = FMTLRegressor(lambda1=0.01, lambda2=0.001)
    attacker = PoisoningAttacker(victim, target_nodes=TARGETS, random_state=0)
    attacker.fit(X, y, nodes=nodes)
    most = limits(attacker, X, y, nodes, 1.0)
    assert 2.0 * biases(attacker, X, y, nodes).sum() > most.sum()


@pytest.mark.parametrize(("goal", "way"), [("raise", 1.0), ("lower", -1.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_limit_holds_where_much_or_little_is_shared(seed, goal, way):
    """Of rows that are sought, and of what chance makes of them."""
    rng = np.random.default_rng(seed)
    nodes, X = np.repeat([0, 1, 2], 20), rng.normal(size=(60, 3)) + 0.5
    y = X @ rng.normal(size=3) + rng.normal(size=60) ** 2
    lambda1, lambda2 = [(0.1, 1e-4), (1e-3, 1e-2)][seed]
    victim = FMTLRegressor(lambda1=lambda1, lambda2=lambda2, tol=1e-7)
    params = {"target_nodes": [0, 1], "goal": goal, "budget": 0.3, "max_iter": 5}
    attacker = PoisoningAttacker(victim, random_state=seed, **params).fit(X, y, nodes=nodes)
    most, found = limits(attacker, X, y, nodes, way), way * biases(attacker, X, y, nodes)
    assert (found <= most + 1e-4).all()
    assert found.sum() > 0.6 * most.sum()
