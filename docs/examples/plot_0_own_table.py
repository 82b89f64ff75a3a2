"""
From a table of your own to a report
====================================

A table with a row a sample, a column that says where the row comes from and a column to be
predicted. What do attacks on a model of it do, and what can none of them exceed?
"""

# %%
# A table
# -------
# Patients of six hospitals and the days that they stay.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skfedmtl.report import attack_report

rng = np.random.default_rng(0)
n = 360
hospital = np.repeat(["north", "south", "east", "west", "lake", "hill"], n // 6)
table = pd.DataFrame(
    {
        "age": rng.integers(20, 90, n),
        "bmi": rng.normal(27.0, 4.0, n).round(1),
        "ward": rng.choice(["surgery", "medicine", "children"], n),
    }
)
own = dict(zip(np.unique(hospital), rng.normal(scale=0.02, size=6), strict=True))
days = (0.08 + pd.Series(hospital).map(own)) * table["age"] + 2.0 * (table["ward"] == "surgery")
days = (days + rng.normal(size=n)).rename("days")
print(table.assign(hospital=hospital, days=days.round(1)).head())

# %%
# To a report
# -----------
# Words become columns of zeros and ones, penalties are chosen by cross-validation. Injected rows
# keep the range that each column has in its hospital.

report = attack_report(
    table, days, hospital, attack=["direct", "indirect"], repeats=2, bound_iter=60, max_iter=8
)
print(report)

# %%
# Who gains by learning together?
# -------------------------------
# Without an attack: a mean a hospital, a model a hospital, one model of all, and the federated one.

clean = report.clean[report.clean["nodes"] == "all"].set_index("model")
print(clean[["metric", "mean", "se"]].round(2))

# %%
# What attacks do
# ---------------
# Errors on rows that nobody was trained on are what was found; the loss of the training rows has a
# limit too, which no attack of this budget exceeds.

means = report.attacks.set_index(["attack", "kind"])
found = means[means["metric"] == "rmse"]["mean"].unstack()[["random", "optimised"]]
limits = means[means["metric"] == "root_loss"]["mean"].unstack()[["found", "certified"]]
print(pd.concat({"test rows": found, "training rows": limits}, axis=1).round(2))

# %%
# Who pays
# --------
# A hospital that is attacked itself, and one that only learns together with such hospitals.
# Intervals are those of the test rows; a hospital that was never drawn as a target has no attack.

nodes = report.nodes[report.nodes["metric"] == "rmse"].set_index("node")
models = {
    "no attack": (nodes["kind"] == "clean", "#1c1c1c"),
    "through other hospitals": (nodes["attack"] == "indirect", "#0072b2"),
    "direct": (nodes["attack"] == "direct", "#d55e00"),
}
labels = sorted(set(nodes.index))
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
for shift, (name, (own, colour)) in zip((0.2, 0.0, -0.2), models.items(), strict=True):
    some = nodes[own & (nodes["kind"] != "random")].reindex(labels)
    reach = some["mean"] - some["low"], some["high"] - some["mean"]
    places = np.arange(len(labels)) + shift
    ax.errorbar(some["mean"], places, xerr=reach, fmt="o", color=colour, label=name)
ax.set_yticks(range(len(labels)), labels)
ax.set_xlim(left=0.0)
ax.set_xlabel("test RMSE [days]")
ax.set_ylabel("hospital")
fig.legend(loc="outside upper center", ncols=3, frameon=False)
plt.show()

# %%
# ``report.plot()`` draws the means, ``report.to_html("report.html")`` writes all of it as one page,
# and so does the command ``skfedmtl report``: :doc:`/guide/own_data`.
