"""Small cases that are timed for every commit: fits, a prediction, a step of an attack, imports."""

import subprocess
import sys
from pathlib import Path

from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import LAMBDA1, LAMBDA2, related_rows

SHAPE = {"n_nodes": 20, "n_rows": 50, "n_features": 20}
OPTIONS = {"lambda1": LAMBDA1, "lambda2": LAMBDA2, "random_state": 0}


class Classifier:
    """Hinge: a fit to a relative gap of 1e-3, a prediction, and one step of an attack."""

    def setup(self):
        self.X, self.y, self.nodes = related_rows(**SHAPE, regression=False)
        self.model = FMTLClassifier(tol=1e-3, **OPTIONS).fit(self.X, self.y, nodes=self.nodes)
        self.attacker = PoisoningAttacker(
            self.model,
            init="clean",
            target_nodes=[0, 1],
            max_iter=1,
            victim_tol=1e-3,
            random_state=0,
        )

    def time_fit(self):
        self.model.fit(self.X, self.y, nodes=self.nodes)

    def time_predict(self):
        self.model.predict(self.X, nodes=self.nodes)

    def time_attack_step(self):
        self.attacker.fit(self.X, self.y, nodes=self.nodes)


class Regressor:
    """Squared error: a fit to a relative gap of 1e-3."""

    def setup(self):
        self.X, self.y, self.nodes = related_rows(**SHAPE, regression=True)
        self.model = FMTLRegressor(tol=1e-3, **OPTIONS)

    def time_fit(self):
        self.model.fit(self.X, self.y, nodes=self.nodes)


def time_import():
    """A process that imports the package, with scikit-learn's share."""
    subprocess.run([sys.executable, "-P", "-c", "import skfedmtl"], check=True)
