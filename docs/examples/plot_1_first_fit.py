"""
A first fit
===========

Sixteen airlines learn together to predict arrival delays, without sharing their flights. Who gains
by it?
"""

# %%
# Data
# ----
# Rows are flights, nodes are airlines; some have few flights.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeCV

from skfedmtl import FMTLRegressor
from skfedmtl.datasets import load_flights
from skfedmtl.metrics import node_errors
from skfedmtl.model_selection import train_test_split_nodes

X, y, nodes = load_flights(return_X_y_nodes=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
X_train, X_test, y_train, y_test, nodes_train, nodes_test = train_test_split_nodes(
    X, y, nodes, random_state=0
)

# %%
# Fit
# ---
# The duality gap certifies the fit: its objective is at most this far from the optimum.

model = FMTLRegressor(lambda1=0.1, lambda2=0.1, tol=1e-6)
model.fit(X_train, y_train, nodes=nodes_train)
print(f"relative gap {model.dual_gap_ / model.objective_:.1e} after {model.n_iter_} rounds")

# %%
# Beside one model for every airline
# ----------------------------------

joint = node_errors(y_test, model.predict(X_test, nodes=nodes_test), nodes_test)
alone = {}
for label in model.nodes_:
    own, there = nodes_train == label, nodes_test == label
    ridge = RidgeCV(np.logspace(-2, 4, 13)).fit(X_train[own], y_train[own])
    alone |= node_errors(y_test[there], ridge.predict(X_test[there]), nodes_test[there])

flights = {label: np.sum(nodes_train == label) for label in model.nodes_}
labels = sorted(model.nodes_, key=flights.get)
places = np.arange(len(labels))
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
ax.plot([alone[label] for label in labels], places, "s", color="#767676", label="each alone")
ax.plot([joint[label] for label in labels], places, "o", color="#0072b2", label="together")
ax.set_yticks(places, [f"{label} ({flights[label]})" for label in labels])
ax.set_xlabel("test RMSE [minutes]")
ax.set_ylabel("airline (flights to learn from)")
ax.legend()
plt.show()

# %%
# SkyWest (OO) has 20 flights to learn from and gains most: it borrows from the others. Airlines
# with hundreds of flights pay a little at these penalties; :doc:`/guide/search` chooses them.
