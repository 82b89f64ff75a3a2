"""Targets whose dtype may lack what an attack draws: categories, text and decimals."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skfedmtl import (
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)

RNG = np.random.default_rng(0)
N = 32
NODES = np.repeat(["a", "b"], N // 2)
X = RNG.normal(size=(N, 2))
#: whole numbers with gaps
Y = np.r_[0, 2, 5, RNG.choice([0, 2, 5], N - 3)]

ODD = {
    "category": lambda y: pd.Series(y, dtype="category"),
    "DataFrame of category": lambda y: pd.Series(y, name="y", dtype="category").to_frame(),
    "ordered category": lambda y: pd.Series(pd.Categorical(y, [5, 0, 2], ordered=True)),
    "category of fractions": lambda y: pd.Series(y / 2, dtype="category"),
    "category of text": lambda y: pd.Series(y.astype(str), dtype="category"),
    "objects of text": lambda y: y.astype(str).astype(object),
    "Series of objects of text": lambda y: pd.Series(y.astype(str), dtype=object),
    "pandas string": lambda y: pd.Series(y.astype(str), dtype="string"),
    "Decimals": lambda y: np.array([Decimal(int(one)) for one in y], dtype=object),
    "polars String": lambda y: pl.Series("y", y.astype(str).tolist()),
    "polars Categorical": lambda y: pl.Series("y", y.astype(str).tolist(), pl.Categorical),
    "polars Enum": lambda y: pl.Series("y", y.astype(str).tolist(), pl.Enum(["0", "2", "5"])),
    "polars Decimal": lambda y: pl.Series("y", y).cast(pl.Decimal(12, 3)),
    "polars DataFrame of Decimal": lambda y: pl.DataFrame({"y": y}).cast(pl.Decimal(12, 3)),
    "polars DataFrame of Enum": lambda y: pl.DataFrame(
        {"y": y.astype(str).tolist()}, schema={"y": pl.Enum(["0", "2", "5"])}
    ),
}
ATTACKS = {
    "random": lambda: RandomPoisoner(FMTLRegressor(), labels="random", random_state=0),
    "extreme": lambda: RandomPoisoner(FMTLRegressor(), random_state=0),
    "flip": lambda: LabelFlipPoisoner(FMTLRegressor(), random_state=0),
    "optimised": lambda: PoisoningAttacker(
        FMTLRegressor(), labels="random", optimize_labels=True, max_iter=2, random_state=0
    ),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("attack", ["random", "flip", "optimised"])
def test_every_target_survives_in_the_poisoned_data(name, attack):
    """None is lost as no category, none is written in a type that its column cannot hold."""
    y = ODD[name](Y)
    poisoner = ATTACKS[attack]()
    data = poisoner.poison(X, y, nodes=NODES)
    assert type(data.y) is type(y)
    column = np.ravel(np.asarray(data.y)).astype(float)
    clean = Y / 2 if name == "category of fractions" else Y
    assert column[:N].tolist() == clean.tolist()
    assert column[N:].tolist() == np.asarray(poisoner.poison_y_, dtype=float).tolist()
    again = FMTLRegressor(tol=1e-8).fit(data.X, data.y, nodes=data.nodes)
    np.testing.assert_allclose(again.coef_, poisoner.estimator_.coef_, rtol=1e-3, atol=1e-3)


def test_categories_stay_where_they_hold_what_is_drawn():
    y = ODD["category"](Y)
    assert ATTACKS["extreme"]().poison(X, y, nodes=NODES).y.dtype == y.dtype
    drawn = ATTACKS["random"]().poison(X, y, nodes=NODES).y
    assert drawn.dtype == np.int64
    assert not set(drawn) <= {0, 2, 5}


def test_text_stays_text():
    y = ODD["objects of text"](Y)
    data = ATTACKS["random"]().poison(X, y, nodes=NODES)
    assert {type(one) for one in data.y} == {str}
