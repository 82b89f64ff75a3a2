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

import numpy as np
import pytest
from scipy.optimize import brentq

from skfedmtl import FMTLRegressor, PoisoningAttacker
from skfedmtl.datasets import load_flights

TARGETS = ["AA", "DL", "UA", "US"]


def limit(X, y, share, way):
    """The largest bias in that direction of a node's forecasts, for so many injected rows a row."""
    told, x = way * (y - y.mean()), X - X.mean(axis=0)
    explained = np.mean(np.square(x @ np.linalg.lstsq(x, told, rcond=None)[0]))
    low, high = told.min(), told.max()
    mixed = (high - low) / 4.0  # residuals at which rows of both ends are as good

    def lowest(u, b):
        """Of mean u^2 - u (y - b), at a mean residual of u."""
        if u >= mixed:
            return u * u - u * (high - b)
        up, down = mixed**2 - mixed * (high - b), mixed**2 + mixed * (low - b)
        return down + (u + mixed) / (2.0 * mixed) * (up - down)

    return brentq(lambda b: share * lowest(b / share, b) - explained / 4.0, 0.0, 5.0 * high)


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
