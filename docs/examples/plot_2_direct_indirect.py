"""
Direct against indirect
=======================

An attacker inside a node can ruin that node's model. What can one do to a node from outside,
through the shared relationship alone?
"""

# %%
# Both attacks have the same targets and four sources. The penalties are those of a federation that
# shares a lot.

import matplotlib.pyplot as plt

from skfedmtl import FMTLRegressor, PoisoningAttacker, RandomPoisoner
from skfedmtl.datasets import load_flights
from skfedmtl.inspection import ConvergenceDisplay
from skfedmtl.model_selection import train_test_split_nodes

X, y, nodes = load_flights(return_X_y_nodes=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
X_train, X_test, y_train, y_test, nodes_train, nodes_test = train_test_split_nodes(
    X, y, nodes, random_state=0
)
test = {"nodes": nodes_test}
victim = FMTLRegressor(lambda1=0.1, lambda2=0.1)
targets = ["AA", "DL", "UA", "US"]

# %%
# The steps of both attacks
# -------------------------
# The curve is H, the targets' mean loss on their clean rows, summed.

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for attack in ("direct", "indirect"):
    options = {"attack": attack, "target_nodes": targets, "random_state": 0}
    random = RandomPoisoner(victim, **options).fit(X_train, y_train, nodes=nodes_train)
    attacker = PoisoningAttacker(victim, init="clean", max_iter=30, **options)
    attacker.fit(X_train, y_train, nodes=nodes_train)
    print(
        f"{attacker.attack}: test RMSE {random.score(X_test, y_test, **test):.1f} minutes with "
        f"random rows, {attacker.score(X_test, y_test, **test):.1f} with optimised ones"
    )
    ConvergenceDisplay.from_estimator(attacker, ax=ax, name=attack)
plt.show()

# %%
# Nobody touched the targets' rows in the indirect attack.
