"""Small cases timed for every commit: fits, searches, predictions, steps of attacks, start-up."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from skfedmtl import (
    FMTLClassifier,
    FMTLClassifierCV,
    FMTLRegressor,
    FMTLRegressorCV,
    PoisoningAttacker,
)

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


class Search:
    """Four lambda1 and six lambda2 in three folds: 72 fits along warm paths, and a last one."""

    params = ("numbers", "classes")

    def setup(self, kind):
        regression = kind == "numbers"
        self.rows = related_rows(**SHAPE, regression=regression)
        grid = {"lambda1s": np.logspace(-4, -1, 4), "lambda2s": np.logspace(-4, 1, 6), "cv": 3}
        self.search = (FMTLRegressorCV if regression else FMTLClassifierCV)(**grid, random_state=0)

    def time_search(self, kind):
        X, y, nodes = self.rows
        self.search.fit(X, y, nodes=nodes)


class ManyNodes:
    """One step of an indirect attack at 1,000 nodes of few rows, and mocha's fit of a tenth."""

    def setup(self):
        self.X, self.y, self.nodes = related_rows(1000, 20, 50, regression=False)
        self.attacker = PoisoningAttacker(
            FMTLClassifier(tol=0.1, **OPTIONS),
            attack="indirect",
            init="clean",
            target_nodes=np.arange(10),
            source_nodes=np.arange(10, 110),
            max_iter=1,
            victim_tol=0.1,
            random_state=0,
        )

    def time_attack_step(self):
        self.attacker.fit(self.X, self.y, nodes=self.nodes)

    def peakmem_attack_step(self):
        self.attacker.fit(self.X, self.y, nodes=self.nodes)

    def time_mocha(self):
        model, few = FMTLClassifier(solver="mocha", tol=0.1, **OPTIONS), self.nodes < 100
        model.fit(self.X[few], self.y[few], nodes=self.nodes[few])


def time_help():
    """A process that shows the command's help."""
    code = "from skfedmtl._console import main; main(['--help'])"
    subprocess.run([sys.executable, "-P", "-c", code], check=True, stdout=subprocess.DEVNULL)


def time_import():
    """A process that imports the package, with scikit-learn's share."""
    subprocess.run([sys.executable, "-P", "-c", "import skfedmtl"], check=True)
