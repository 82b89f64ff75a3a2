"""
More than two classes
=====================

Three diagnoses, and an attacker who wants one of them to be taken for another. What happens to the
third?
"""

# %%
# Patients of eight hospitals, whose measurements are shifted a little from house to house.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from skfedmtl import FMTLClassifier, PoisoningAttacker
from skfedmtl.model_selection import train_test_split_nodes

rng = np.random.default_rng(0)
diagnoses = np.array(["asthma", "bronchitis", "cold"])
hospital, diagnosis = np.repeat(np.arange(8), 120), rng.integers(3, size=960)
typical = 1.5 * np.eye(3, 6) + 0.4 * rng.normal(size=(8, 3, 6))
X = typical[hospital, diagnosis] + rng.normal(size=(960, 6))
X_train, X_test, y_train, y_test, nodes_train, nodes_test = train_test_split_nodes(
    X, diagnoses[diagnosis], hospital, random_state=0
)

# %%
# ``goal`` names the class that shall be taken for another, and that other. Classes are told apart
# one against the rest; an attack is on all of these models at once.

attacker = PoisoningAttacker(
    FMTLClassifier(lambda1=0.01, lambda2=0.01, random_state=0),
    goal=("asthma", "cold"),
    target_nodes=[0, 1, 2, 3],
    budget=0.1,
    random_state=0,
)
attacker.fit(X_train, y_train, nodes=nodes_train)

# %%
# Held-out patients of the hospitals that are attacked, as shares of those who have a diagnosis.

own = np.isin(nodes_test, attacker.target_nodes_)
fig, axes = plt.subplots(1, 2, figsize=(8.5, 4), layout="constrained", sharey=True)
models = {"no attack": attacker.clean_estimator_, "attacked": attacker}
for ax, (name, model) in zip(axes, models.items(), strict=True):
    forecast = model.predict(X_test[own], nodes=nodes_test[own])
    print(f"{name}: {np.mean(forecast != y_test[own]):.0%} of the forecasts are wrong")
    ConfusionMatrixDisplay.from_predictions(
        y_test[own],
        forecast,
        normalize="true",
        values_format=".0%",
        cmap="cividis",
        colorbar=False,
        im_kw={"vmin": 0.0, "vmax": 1.0},
        ax=ax,
    )
    ax.set(title=name, xlabel="forecast", ylabel="diagnosis" if ax is axes[0] else "")
plt.show()
