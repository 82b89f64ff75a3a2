"""
Three gradients, one of them right
==================================

Which derivative of the attacker's objective agrees with finite differences of refitted victims?
"""

# %%
# Three are compared: the paper's (``"dual"``, with its print corrected), one that holds the
# relationship still (``"implicit"``) and the exact one (``"total"``).
#
# ``check_gradient`` moves all injected rows at once, a little both ways along a random direction,
# refits the victim and compares.

import matplotlib.pyplot as plt
import numpy as np

from skfedmtl import FMTLRegressor, PoisoningAttacker
from skfedmtl.datasets import make_federated_regression

X, y, nodes = make_federated_regression(random_state=0, return_X_y_nodes=True)
victim = FMTLRegressor(lambda1=0.1, lambda2=0.1)
found = {}
for gradient in ("dual", "implicit", "total"):
    for attack in ("direct", "indirect", "hybrid"):
        attacker = PoisoningAttacker(victim, attack=attack, gradient=gradient, random_state=0)
        found[gradient, attack] = attacker.check_gradient(X, y, nodes=nodes).cosine

# %%
# A cosine of 1 is the right direction. At 0 a step is as good as a random one; below, the ascent
# goes down.

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
styles = {"direct": ("o", "#0072b2"), "indirect": ("s", "#d55e00"), "hybrid": ("^", "#009e73")}
for attack, (marker, color) in styles.items():
    cosines = [found[gradient, attack] for gradient in ("dual", "implicit", "total")]
    ax.plot(np.arange(3), cosines, marker, color=color, ms=9, label=attack)
ax.axhline(1.0, color="#767676", lw=0.8)
ax.axhline(0.0, color="#767676", lw=0.8, ls=":")
ax.set_xticks(np.arange(3), ["dual", "implicit", "total"])
ax.set_xlim(-0.5, 2.5)
ax.set_xlabel("gradient")
ax.set_ylabel("cosine with finite differences")
ax.legend(title="attack", loc="lower right")
plt.show()
