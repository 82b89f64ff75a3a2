"""
Forecasts that are too low
==========================

Errors in both directions cancel in a timetable. An airline that is told to expect short delays, day
after day, does not plan for them: what hurts it is bias.
"""

# %%
# Two attackers, one threat model
# -------------------------------
# Both inject a fifth of the rows of four airlines, as long as the longest clean row at most, with
# delays that the airline has seen. The one wants errors, the other forecasts that are too low.

import matplotlib.pyplot as plt
import numpy as np

from skfedmtl import FMTLRegressor, PoisoningAttacker
from skfedmtl.datasets import load_flights
from skfedmtl.model_selection import train_test_split_nodes

X, y, nodes = load_flights(return_X_y_nodes=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
X_train, X_test, y_train, y_test, nodes_train, nodes_test = train_test_split_nodes(
    X, y, nodes, random_state=0
)
victim = FMTLRegressor(lambda1=0.01, lambda2=0.001)
targets = ["AA", "DL", "UA", "US"]
own = np.isin(nodes_test, targets)

excess = {}
for goal in ("error", "lower"):
    attacker = PoisoningAttacker(victim, goal=goal, target_nodes=targets, random_state=0)
    attacker.fit(X_train, y_train, nodes=nodes_train)
    if not excess:
        clean = attacker.clean_estimator_.predict(X_test, nodes=nodes_test)
        excess["no attack"] = (clean - y_test)[own]
    excess[f'goal="{goal}"'] = (attacker.predict(X_test, nodes=nodes_test) - y_test)[own]
for name, minutes in excess.items():
    rmse = np.sqrt(np.mean(np.square(minutes)))
    print(f"{name}: held-out forecasts {minutes.mean():+.1f} minutes off, RMSE {rmse:.1f}")

# %%
# What the airlines would see
# ---------------------------

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
bins = np.linspace(-120, 120, 61)
for name, minutes in excess.items():
    ax.hist(minutes, bins, histtype="step", linewidth=1.5, label=f"{name}: {minutes.mean():+.1f}")
ax.axvline(0.0, color="0.7", linewidth=0.8)
ax.set(xlabel="forecast minus delay, minutes", ylabel="held-out flights of the four airlines")
ax.legend(title="mean, minutes")
plt.show()

# %%
# How far forecasts could go
# --------------------------
# Where the intercept is free, a limit is known of the rows that are fitted to. In the optimum
# residuals of clean and injected rows of an airline add up to zero, and so do those times the
# forecasts, but for the regulariser, which only ever holds forecasts back. With r injected rows a
# clean one, the variance :math:`s^2` that a linear forecast explains of an airline, and residuals u
# of its injected rows, whose delays are y from the mean, the bias b of its clean rows obeys
#
# .. math:: \bar u = b / r, \qquad r\,\overline{u^2 - u (y - b)} \le s^2 / 4.
#
# Both ends of the delays are at hand for y; how long rows are does not matter.

from scipy.optimize import brentq


def limit(X, y, r, way):
    """The largest bias in a direction that r injected rows a clean one can bring about."""
    x, told = X - X.mean(axis=0), way * (y - y.mean())
    explained = np.mean((x @ np.linalg.lstsq(x, told, rcond=None)[0]) ** 2)
    low, high = told.min(), told.max()
    mixed = (high - low) / 4  # the residual below which rows of both ends are the best

    def least(b):
        u = b / r
        if u >= mixed:
            return u**2 - u * (high - b)
        ends = mixed**2 + mixed * (low - b), mixed**2 - mixed * (high - b)
        return np.interp(u, [-mixed, mixed], ends)

    return brentq(lambda b: r * least(b) - explained / 4, 0, 5 * high)


for goal, way in (("error", 1), ("raise", 1), ("lower", -1)):
    attacker = PoisoningAttacker(victim, goal=goal, target_nodes=targets, random_state=0)
    attacker.fit(X_train, y_train, nodes=nodes_train)
    moved, most = [], []
    for airline in targets:
        rows = nodes_train == airline
        told = attacker.predict(X_train[rows], nodes=nodes_train[rows])
        moved.append(way * np.mean(told - y_train[rows]))
        r = np.mean(attacker.poison_nodes_ == airline) * len(attacker.poison_y_) / rows.sum()
        most.append(limit(X_train[rows], y_train[rows], r, way))
    direction = "too high" if way > 0 else "too low"
    print(
        f'goal="{goal}": {np.mean(moved):.1f} minutes {direction} where fitted, of '
        f"{np.mean(most):.1f} that as many rows can do"
    )

# %%
# Both ways the goal is all but reached. The attacker who wants errors is more than half of the way
# to the largest bias already, since squared errors grow with a bias: on the rows that are fitted to
# no direct attack with as many rows doubles what that one does.

# %%
# All have the same right to inject: ``goal`` changes what the rows are for.
