"""Victims behind encoders: rows are crafted beside codes, which stay those of clean rows."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from estimators import ESTIMATORS, any_range, make_rows
from pipelines import model, poisoner
from skfedmtl import (
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.attack import DamageBound
from skfedmtl.attack._setting.victim import Victim

pytestmark = any_range
every_poisoner = pytest.mark.parametrize(
    "make", (PoisoningAttacker, RandomPoisoner, LabelFlipPoisoner)
)
every_victim = pytest.mark.parametrize("estimator", ESTIMATORS)

WARDS = (2.0, 5.0, 7.0)
NUMBERS = ["x0", "x1"]


def parts(encoder, columns=("ward",), **params):
    steps = [("numbers", StandardScaler(), NUMBERS), ("codes", encoder, list(columns))]
    return ColumnTransformer(steps, **params)


#: Steps that encode columns of `table`, in all the ways that are followed.
STEPS = {
    "plain": parts(OneHotEncoder()),
    "dense": parts(OneHotEncoder(sparse_output=False, dtype=np.float32), ["ward", "sex"]),
    "always sparse": parts(OneHotEncoder(), ["ward", "sex"], sparse_threshold=1.0),
    "one less": parts(OneHotEncoder(drop="first"), ["sex", "ward"], remainder="passthrough"),
    "one less of two": parts(OneHotEncoder(drop="if_binary"), ["sex", "ward"]),
    "a named one less": parts(OneHotEncoder(drop=[5, 0]), ["ward", "sex"]),
    "unknown ignored": parts(OneHotEncoder(handle_unknown="ignore", drop="first")),
    "no infrequent ones": parts(OneHotEncoder(handle_unknown="infrequent_if_exist")),
    "given": parts(OneHotEncoder(categories=[[2, 5, 7, 9, np.nan]])),
    "scaled after": make_pipeline(
        parts(OneHotEncoder(sparse_output=False), sparse_threshold=0.0, remainder=MinMaxScaler()),
        StandardScaler(),
    ),
    "filled before": parts(
        make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(drop="first")),
        remainder=SimpleImputer(),
    ),
    "some of them": make_pipeline(
        parts(OneHotEncoder(sparse_output=False)), ColumnTransformer([("a", "passthrough", [3, 0])])
    ),
    "all": OneHotEncoder(drop="first"),
}
every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())


def table(estimator=FMTLRegressor, **params):
    """Numbers x0 and x1, codes of two columns, and a column of no use; y knows the wards."""
    X, y, nodes = make_rows(estimator, **params)
    rng = np.random.default_rng(1)
    ward = rng.choice(WARDS, len(y))
    y = y + 0.5 * (ward == 5) if estimator is FMTLRegressor else y
    columns = {
        "x0": 20.0 * X[:, 0] + 5.0,
        "x1": 0.1 * X[:, 1],
        "ward": ward,
        "sex": rng.integers(0, 2, len(y)),
        "unused": X[:, 2],
    }
    return pd.DataFrame(columns), y, nodes


def behind(*steps, estimator=FMTLRegressor, **params):
    named = [(f"step{i}", clone(step, safe=False)) for i, step in enumerate(steps)]
    return Pipeline([*named, ("model", model(estimator, **params))])


def dense(X):
    return X.toarray() if hasattr(X, "toarray") else np.asarray(X)


def few_numbers():
    """For the encoder that reads every column."""
    X, y, nodes = table()
    return X[["ward", "sex"]], y, nodes


def rows_of(step):
    return few_numbers() if isinstance(step, OneHotEncoder) else table()


# -- what the model sees ------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Found unknown categories")
@every_step
def test_the_map_is_that_of_the_steps(step):
    X, y, nodes = rows_of(step)
    victim = Victim(behind(step)).fit(X, y, nodes)
    rng = np.random.default_rng(0)
    rows = X.copy()
    for name in X.columns.difference(["ward", "sex"]):
        rows[name] = 3.0 * rng.normal(size=len(X))
    expected = dense(victim.estimator[:-1].transform(rows))
    found = victim.forward(rows.to_numpy(float))
    assert_allclose(found, expected, rtol=1e-7, atol=1e-9)  # float32 in one of them
    assert_array_equal(victim.transform(rows), expected)
    seen = victim.affine(X.shape[1])
    assert seen.encoded[X.columns.get_loc("ward")]
    move, slope = rng.normal(size=X.shape), rng.normal(size=expected.shape)
    pulled = victim.pull_back(slope)
    assert_array_equal(pulled[:, seen.encoded], 0.0)
    move[:, seen.encoded] = 0.0
    moved = victim.forward(rows.to_numpy(float) + move) - found
    assert_allclose(np.sum(slope * moved), np.sum(pulled * move), atol=1e-12)


def test_an_unknown_category_is_none():
    X, y, nodes = table()
    victim = Victim(behind(STEPS["unknown ignored"])).fit(X, y, nodes)
    X.loc[3, "ward"] = 4
    with pytest.warns(UserWarning, match="Found unknown"):
        expected = victim.transform(X)
    assert_allclose(victim.forward(X.to_numpy(float)), expected, rtol=1e-9, atol=1e-12)


def test_gaps_are_filled_by_what_the_model_sees_in_them():
    X, y, nodes = table()
    holey = X.astype(float)
    rng = np.random.default_rng(2)
    for name in ("ward", "unused"):
        holey.loc[rng.choice(len(X), 6, replace=False), name] = np.nan
    victim = Victim(behind(STEPS["filled before"])).fit(holey, y, nodes)
    rows = victim.complete(holey, holey.to_numpy())
    known = ~np.isnan(holey.to_numpy())
    assert_array_equal(rows[known], holey.to_numpy()[known])
    assert_array_equal(rows[~known[:, 2], 2], holey["ward"].mode()[0])
    assert_allclose(victim.forward(rows), victim.transform(holey), rtol=1e-9, atol=1e-9)


# -- the same attack as on columns of zeros and ones --------------------------------------


def prepared(X):
    """The numbers and a column a ward, as many columns as the table has."""
    return np.column_stack([X[NUMBERS], *(X["ward"] == ward for ward in WARDS)])


@pytest.mark.parametrize("init", ["clean", "auto"])
@pytest.mark.parametrize("attack", ["direct", "hybrid"])
@every_poisoner
@every_victim
def test_the_attack_is_that_on_frozen_columns_of_zeros_and_ones(make, estimator, attack, init):
    """Both tables have five columns, of which the first two move: the same draws."""
    X, y, nodes = table(estimator)
    scale = ColumnTransformer([("numbers", StandardScaler(), [0, 1])], remainder="passthrough")
    params = {
        "attack": attack,
        "target_nodes": [0],
        "source_nodes": [0] if attack == "direct" else [0, 1],
    }
    if make is PoisoningAttacker:
        params |= {"init": init, "max_iter": 4}
    found = poisoner(make, behind(parts(OneHotEncoder()), estimator=estimator), **params)
    plain = poisoner(make, behind(scale, estimator=estimator), **params)
    if make is not LabelFlipPoisoner:
        low = np.append(X[NUMBERS].min(axis=0), [-np.inf] * 3)
        high = np.append(X[NUMBERS].max(axis=0), [np.inf] * 3)
        limits = {"radius": 1e6, "feature_range": (low, high)}
        found.set_params(**limits, frozen_features=["sex", "unused"])
        plain.set_params(**limits, frozen_features=[2, 3, 4])
    data = found.poison(X, y, nodes=nodes)
    expected = plain.poison(prepared(X), y, nodes=nodes)
    assert_allclose(prepared(data.X), expected.X, rtol=1e-9)
    assert_array_equal(data.y, expected.y)
    assert_array_equal(data.nodes, expected.nodes)
    assert_allclose(found.objective_, plain.objective_, rtol=1e-9)
    if make is PoisoningAttacker:
        assert found.n_iter_ == plain.n_iter_
        assert not np.array_equal(data.X["x0"][data.is_poison], X["x0"][: data.is_poison.sum()])
    score = plain.score(prepared(X), y, nodes=nodes)
    assert_allclose(found.score(X, y, nodes=nodes), score, rtol=1e-9)


@every_step
def test_the_gradient_is_that_of_the_refitted_victim(step):
    X, y, nodes = rows_of(step)
    victim = behind(step, lambda1=0.02, lambda2=0.02)
    attack = PoisoningAttacker(victim, target_nodes=[0], random_state=0)
    found = attack.check_gradient(X, y, nodes=nodes, n_points=2)
    assert found.relative_error < 1e-4
    assert np.any(found.gradient != 0.0) == (not isinstance(step, OneHotEncoder))


# -- what is injected ---------------------------------------------------------------------


@pytest.mark.parametrize("init", ["clean", "ball", "auto"])
@every_victim
def test_injected_rows_hold_known_categories(estimator, init):
    X, y, nodes = table(estimator, strings=True)
    before = X.copy()
    X.insert(1, "node", nodes)
    victim = behind(parts(OneHotEncoder(), ["ward", "sex"]), estimator=estimator)
    attack = PoisoningAttacker(victim, node_column="node", init=init, max_iter=1, random_state=0)
    data = attack.set_params(budget=0.5, target_nodes=0.7).poison(X, y)
    assert_frame_equal(data.X[: len(X)], X)
    assert list(data.X.dtypes) == list(X.dtypes)  # codes stay whole numbers
    known = set(map(tuple, X[["ward", "sex", "node"]].to_numpy().tolist()))
    crafted = data.X[data.is_poison]
    assert set(map(tuple, crafted[["ward", "sex", "node"]].to_numpy().tolist())) <= known
    assert crafted["ward"].nunique() > 1
    seen = attack.clean_estimator_[:-1].transform(data.X.drop(columns="node"))
    assert_array_equal(dense(seen)[:, 2:].sum(axis=1), 2.0)
    again = pickle.loads(pickle.dumps(attack))
    assert_array_equal(again.predict(X), attack.predict(X))
    assert_frame_equal(clone(attack).fit(X, y).poison_X_, attack.poison_X_)
    assert_frame_equal(X.drop(columns="node"), before)
    for row, name in zip(
        attack.poison_X_.drop(columns="node").to_numpy(float), attack.poison_nodes_, strict=True
    ):
        own = before[nodes == name].to_numpy(float)
        assert np.linalg.norm(row) <= np.linalg.norm(own, axis=1).max() * (1 + 1e-9)


def test_limits_of_users_hold_beside_codes():
    X, y, nodes = table()
    attack = poisoner(PoisoningAttacker, behind(parts(OneHotEncoder())), target_nodes=[0])
    attack.set_params(frozen_features=["unused"], feature_range="clean", radius=1e6)
    rows = attack.fit(X, y, nodes=nodes).poison_X_
    own = X[nodes == 0]
    assert set(rows["unused"]) <= set(own["unused"])
    assert set(rows["ward"]) <= set(own["ward"])
    assert ((rows >= own.min()) & (rows <= own.max())).all(axis=None)


def test_rows_to_be_judged_are_encoded_too():
    X, y, nodes = table()
    attack = poisoner(PoisoningAttacker, behind(parts(OneHotEncoder())), target_nodes=[0])
    given = {"y_target": y[::2], "nodes_target": nodes[::2]}
    attack.fit(X, y, nodes=nodes, X_target=X[::2], **given)
    start = clone(attack).set_params(max_iter=0)
    assert attack.objective_ > start.fit(X, y, nodes=nodes, X_target=X[::2], **given).objective_
    with pytest.raises(ValueError, match=r"X_target.*unknown categories"):
        attack.fit(X, y, nodes=nodes, X_target=X[::2].assign(ward=3), **given)


@every_victim
def test_a_bound_holds_of_rows_beside_codes(estimator):
    X, y, nodes = table(estimator)
    victim = behind(parts(OneHotEncoder(), ["ward", "sex"]), estimator=estimator)
    given = {"target_nodes": [0], "budget": 0.1, "random_state": 0}
    bound = DamageBound(victim, max_iter=50, **given).fit(X, y, nodes=nodes)
    assert bound.reference_coef_.shape == (3, 7)
    attack = PoisoningAttacker(victim, criterion="loss", max_iter=10, **given)
    assert attack.fit(X, y, nodes=nodes).objective_ <= bound.upper_bound_


def test_the_ball_of_a_bound_holds_what_an_encoder_tells():
    X, y, nodes = table()
    step = ColumnTransformer(
        [("numbers", "passthrough", NUMBERS), ("codes", OneHotEncoder(), ["sex", "ward"])]
    )
    attack = PoisoningAttacker(behind(step), target_nodes=[0], radius=30.0, random_state=0)
    scenario = attack._read(X, y, nodes, None).with_fitted_victim()
    rng = np.random.default_rng(0)
    rows = np.zeros((200, 5))
    rows[:, 2] = rng.choice(WARDS, 200)
    rows[:, 3] = rng.integers(0, 2, 200)
    angle = rng.uniform(0.0, 2.0 * np.pi, 200)
    left = np.sqrt(900.0 - np.square(rows).sum(axis=1))
    rows[:, 0] = left * np.cos(angle)
    rows[:, 1] = left * np.sin(angle)
    (radius,) = scenario.radii_behind(np.zeros(1, dtype=int))
    lengths = np.linalg.norm(scenario.victim.forward(rows), axis=1)
    assert_allclose(radius, np.sqrt(900.0 + 2.0))
    assert (lengths <= radius).all()
    assert lengths.max() > np.sqrt(900.0 - WARDS[0] ** 2 + 2.0) - 1e-9


# -- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, step",
    [
        (
            "'step0__codes'.*OneHotEncoder with min_frequency=2",
            parts(OneHotEncoder(min_frequency=2)),
        ),
        ("'step0__codes'.*max_categories=3", parts(OneHotEncoder(max_categories=3))),
        (
            "'step0__codes__onehotencoder'.*a step before it has scaled or encoded",
            parts(make_pipeline(MinMaxScaler(), OneHotEncoder())),
        ),
        (
            "'step0__onehotencoder-2'.*a step before it has scaled or encoded",
            make_pipeline(OneHotEncoder(sparse_output=False), OneHotEncoder()),
        ),
        (
            "'step0'.*several of its parts: 'ward'",
            parts(OneHotEncoder(), ["ward"], remainder="drop").set_params(
                transformers=[("a", OneHotEncoder(), ["ward"]), ("b", StandardScaler(), ["ward"])]
            ),
        ),
    ],
)
@every_poisoner
def test_what_cannot_be_followed_is_refused_by_name(make, words, step):
    X, y, nodes = table()
    attack = poisoner(make, behind(step))
    with pytest.raises(ValueError, match=f"`estimator`.*{words}"):
        attack.fit(X, y, nodes=nodes)
    assert not hasattr(attack, "clean_estimator_")


@pytest.mark.parametrize("kind", ["frame", "categories", "array"])
@every_poisoner
def test_words_are_refused_by_column(make, kind):
    X, y, nodes = table(strings=True)
    X["ward"] = X["ward"].map({2: "north", 5: "south", 7: "west"})
    X["sex"] = X["sex"].map({0: "f", 1: "m"})
    victim = behind(parts(OneHotEncoder(), ["ward", "sex"]))
    where, rows = "'ward', 'sex'", X
    if kind == "categories":
        rows = X.astype({"ward": "category", "sex": "category"})
    if kind == "array":
        where, rows = "2, 3", X.to_numpy(dtype=object)
    with pytest.raises(ValueError, match=f"words in column {where};.*OrdinalEncoder.*cat.codes"):
        poisoner(make, victim).fit(rows, y, nodes=nodes)
    if kind != "array":
        rows.insert(0, "node", nodes)
        with pytest.raises(ValueError, match=f"words in column {where};"):
            poisoner(make, victim, node_column="node").fit(rows, y)
