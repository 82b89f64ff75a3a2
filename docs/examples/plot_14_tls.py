"""
A federation over TLS
=====================

Four airlines in processes of their own, a server, and connections that show certificates. What
travels, beside the rows that stay?
"""

# %%
# Certificates
# ------------
# A folder for each party. Between machines every party gets its own and nobody else's.

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone

from skfedmtl.datasets import load_flights
from skfedmtl.federation import FederatedNode, FederatedServer, LocalTransport, TLSTransport

home = TemporaryDirectory()
folder = Path(home.name) / "federation"
labels = ["AA", "DL", "UA", "US"]
make = ["skfedmtl", "certificates", folder, "--nodes", ",".join(labels)]
made = subprocess.run(make, check=True, capture_output=True)

# %%
# The fit
# -------
# A node reads its rows, connects to the server and answers until the fit is over.

X, y, nodes = load_flights("late", return_X_y_nodes=True)
X, y = (X - X.mean(axis=0)) / X.std(axis=0), np.where(y == 1, 1.0, -1.0)
rows = {label: {"X": X[nodes == label], "y": y[nodes == label]} for label in labels}
server = FederatedServer(loss="logistic", tol=1e-5, local_epochs=5.0, random_state=0)
alike = clone(server)
with TLSTransport("127.0.0.1:0", folder / "skfedmtl-server") as transport:
    node = ["skfedmtl", "node", "--server", "{}:{}".format(*transport.address), "--wait", "60"]
    processes = []
    for seed, label in enumerate(labels):
        data = folder / f"{label}.npz"
        np.savez(data, **rows[label])
        own = ["--data", data, "--certificates", folder / label, "--seed", str(seed)]
        processes.append(subprocess.Popen([*node, "--loss", "logistic", *own]))
    server.fit(transport)
print("the nodes' processes end with", [process.wait() for process in processes])
home.cleanup()

# %%
# The same messages without a wire, and the same seeds: a fit in one process.

parties = {
    label: FederatedNode(**rows[label], loss="logistic", random_state=seed)
    for seed, label in enumerate(labels)
}
alike.fit(LocalTransport(parties))
print("the same bits:", np.array_equal(server.coef_, alike.coef_))

# %%
# What travels
# ------------
# An exchange is a message to every node, and its answer.

history = server.history_
gap = 1.0 - history["dual_objective"] / history["objective"]
weight = sum(own["X"].nbytes + own["y"].nbytes for own in rows.values())
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
ax.plot(history["bytes_communicated"] / 1e3, gap, "o-", color="#0072b2", label="the fit, by rounds")
ax.axvline(weight / 1e3, color="k", ls=":", label="all rows, which stay where they are")
ax.set_yscale("log")
ax.set_xlabel("communicated [kB]")
ax.set_ylabel("duality gap / objective")
ax.legend()
plt.show()
