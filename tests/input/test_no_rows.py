"""Tables that hold no rows, or none yet, and targets that are no numbers: refused by all alike."""

import numpy as np
import polars as pl
import pytest

from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.metrics import node_errors
from skfedmtl.model_selection import NodeKFold, security_curve, train_test_split_nodes

RNG = np.random.default_rng(0)
NODES = np.repeat(["a", "b"], 10)
X = RNG.normal(size=(20, 2))
Y = np.tile([0, 1], 10)


def curve(X, y, nodes, model):
    attacker = RandomPoisoner(model, random_state=0)
    options = {"param_name": "budget", "param_range": [0.2], "n_repeats": 1}
    return security_curve(attacker, X, y, nodes=nodes, **options)


ENTRIES = {
    "fit": lambda X, y, nodes, model: model.fit(X, y, nodes=nodes),
    "attack": lambda X, y, nodes, model: PoisoningAttacker(model).fit(X, y, nodes=nodes),
    "random": lambda X, y, nodes, model: RandomPoisoner(model).fit(X, y, nodes=nodes),
    "flip": lambda X, y, nodes, model: LabelFlipPoisoner(model).poison(X, y, nodes=nodes),
    "split": lambda X, y, nodes, model: train_test_split_nodes(X, y, nodes),
    "folds": lambda X, y, nodes, model: list(NodeKFold(2).split(X, y, nodes=nodes)),
    "curve": curve,
}
MODELS = [FMTLRegressor(), FMTLClassifier()]


@pytest.mark.parametrize("model", MODELS, ids=["regressor", "classifier"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_tables_without_rows_are_refused(entry, model):
    # scikit-learn's own message of a fit says "0 sample(s)"
    with pytest.raises(ValueError, match=r"`X` has no rows|0 sample\(s\)|the 0 rows of `X`"):
        ENTRIES[entry](X[:0], Y[:0], NODES[:0], model)


@pytest.mark.filterwarnings("ignore::polars.exceptions.PerformanceWarning")
@pytest.mark.parametrize("name", ["X", "y", "nodes"])
@pytest.mark.parametrize("entry", ["fit", "attack", "random", "flip"])
def test_frames_that_are_not_computed_are_refused_by_name(entry, name):
    data = {"X": X, "y": Y, "nodes": NODES}
    data[name] = pl.DataFrame({"a": data[name][:, 0] if name == "X" else data[name]}).lazy()
    with pytest.raises(TypeError, match=f"`{name}` is a LazyFrame of polars"):
        ENTRIES[entry](**data, model=FMTLRegressor())


@pytest.mark.parametrize("model", MODELS, ids=["regressor", "classifier"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_targets_of_records_are_refused(entry, model):
    records = np.array([(one,) for one in Y], dtype=[("y", float)])
    with pytest.raises(TypeError, match=r"y has numpy's dtype \[\('y'"):
        ENTRIES[entry](X, records, NODES, model)


def test_errors_of_records_are_refused():
    with pytest.raises(TypeError, match="y_true has numpy's dtype"):
        node_errors(np.zeros(20, dtype=[("y", float)]), Y, NODES)


def test_numbers_beyond_all_integers_are_split():
    """They are legal targets of a regression, and no classes."""
    y = np.linspace(1.0, 2.0, 20) * 1e30
    train = train_test_split_nodes(X, y, NODES, random_state=0)[2]
    assert len(train) == 14
    assert [len(test) for _, test in NodeKFold(2).split(X, y, nodes=NODES)] == [10, 10]
    assert np.isfinite(curve(X, y, NODES, FMTLRegressor()).scores).all()
