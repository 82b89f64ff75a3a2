"""Reports on models with a loss of one's own: fitted, attacked and certified by it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skfedmtl.report import attack_report


class Square:
    """Twice that of the package, brought from outside."""

    is_regression = True
    bounds = -np.inf, np.inf
    steepness = 4.0

    def value(self, y, f):
        return 2.0 * (f - y) ** 2

    def derivative(self, y, f):
        return 4.0 * (f - y)

    def curvature(self, y, f):
        return np.full_like(f, 4.0)

    def conjugate(self, y, a):
        return a * (0.125 * a - y)


class PricedSquare(Square):
    def kappa(self, reach, low, high):
        return (reach + np.maximum(np.abs(low), np.abs(high))) ** 2


GIVEN = {"attack": "direct", "repeats": 1, "remedies": False, "max_iter": 1, "bound_iter": 2}
PENALTIES = {"lambda1": 0.1, "lambda2": 0.01}


def rows():
    rng = np.random.default_rng(0)
    X, nodes = rng.normal(size=(30, 2)), np.repeat(["a", "b"], 15)
    return X, X[:, 0] + 0.1 * rng.normal(size=30), nodes


def test_twice_the_squares_and_twice_the_penalties_are_all_but_the_same_model(tmp_path):
    """The intercept alone, which the package's squares have free, is another."""
    doubled = {name: 2.0 * value for name, value in PENALTIES.items()}
    own = attack_report(*rows(), loss=Square(), bound=False, **GIVEN, **doubled)
    peer = attack_report(*rows(), bound=False, **GIVEN, **PENALTIES)
    assert_allclose(own.clean["mean"], peer.clean["mean"], rtol=0.1)
    own.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Square, lambda1 = 0.2" in page


def test_it_is_certified():
    report = attack_report(*rows(), loss=PricedSquare(), **GIVEN, **PENALTIES)
    frame = report.attacks[report.attacks["metric"] == "loss"].set_index("kind")["mean"]
    assert frame["optimised"] <= frame["certified"]
    assert "root_loss" not in set(report.attacks["metric"])


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        ("hinge", ValueError, "The 'loss' parameter of attack_report must be"),
        (PricedSquare, TypeError, "`loss` must be an instance, got the class PricedSquare"),
        (Square(), ValueError, "bound=True needs `kappa` of `loss`, which Square lacks"),
    ],
)
def test_bad_losses(loss, error, message):
    with pytest.raises(error, match=message):
        attack_report(*rows(), loss=loss, **GIVEN)


def test_a_loss_of_the_other_kind():
    X, y, nodes = rows()
    with pytest.raises(ValueError, match="loss: PricedSquare is of numbers, the target of classes"):
        attack_report(X, y > 0.0, nodes, loss=PricedSquare(), **GIVEN)
