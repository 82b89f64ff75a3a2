"""Is a built wheel whole? A fit, an attack, and the command's first report; ends in silence.

``python -P tests/wheel.py`` in an environment with the wheel and its extra ``report``.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import skfedmtl
from skfedmtl import FMTLClassifier, FMTLRegressor, PoisoningAttacker
from skfedmtl._console import main
from skfedmtl.datasets import load_flights, make_federated_classification

CLONE = Path(__file__).resolve().parents[1]


def check():
    """Raise an AssertionError where something is missing."""
    assert CLONE not in Path(skfedmtl.__file__).parents, "this is the clone, not the wheel"
    X, y, nodes = make_federated_classification(random_state=0, return_X_y_nodes=True)
    model = FMTLClassifier().fit(X, y, nodes=nodes)
    assert 0.0 <= model.dual_gap_ <= model.tol * model.objective_
    X, y, nodes = load_flights(return_X_y_nodes=True)
    attacker = PoisoningAttacker(FMTLRegressor(), target_nodes=["AA"], random_state=0)
    attacker.fit((X - X.mean(axis=0)) / X.std(axis=0), y, nodes=nodes)
    assert attacker.objective_ > attacker.objective_history_[0]
    with TemporaryDirectory() as folder:
        code = main(["report", "--repeats", "1", "--no-remedies", "--output", folder])
        assert code == 0
        assert {"report.csv", "report.png", "report.html"} <= {
            path.name for path in Path(folder).iterdir()
        }


if __name__ == "__main__":
    sys.exit(check())
