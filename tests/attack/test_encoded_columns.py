"""Victims behind encoders: rows are crafted where a category is a column of zeros and ones."""

import pickle
import warnings
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from encoded import NUMBERS, WARDS, behind, dense, parts, table
from estimators import ESTIMATORS, any_range
from pipelines import poisoner
from profiles import examples
from skfedmtl import (
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.attack import BasePoisoner, DamageBound
from skfedmtl.attack._setting.opened import Opened
from skfedmtl.attack._setting.victim import Victim

pytestmark = any_range
every_poisoner = pytest.mark.parametrize(
    "make", (PoisoningAttacker, RandomPoisoner, LabelFlipPoisoner)
)
every_victim = pytest.mark.parametrize("estimator", ESTIMATORS)

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


def few_numbers():
    """For the encoder that reads every column."""
    X, y, nodes = table()
    return X[["ward", "sex"]], y, nodes


def rows_of(step):
    return few_numbers() if isinstance(step, OneHotEncoder) else table()


def opened_by(victim, X):
    """What stands in place of the columns of clean rows, and the victim of that."""
    seen, rows = victim.affine(X.shape[1]), np.asarray(X, dtype=float)
    opened = Opened.of(seen, rows)
    return opened, Victim(opened.behind(seen, victim.model))


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
    opened, through = opened_by(victim, X)
    wide = opened.open(rows.to_numpy(float))
    assert_array_equal(opened.close(wide), rows)
    found = through.forward(wide)
    assert_allclose(found, expected, rtol=1e-7, atol=1e-9)  # float32 in one of them
    assert_array_equal(victim.transform(rows), expected)
    assert victim.affine(X.shape[1]).encoded[X.columns.get_loc("ward")]
    move, slope = rng.normal(size=wide.shape), rng.normal(size=expected.shape)
    moved = through.forward(wide + move) - found
    assert_allclose(np.sum(slope * moved), np.sum(through.pull_back(slope) * move), atol=1e-12)


def test_an_unknown_category_is_none():
    X, y, nodes = table()
    victim = Victim(behind(STEPS["unknown ignored"])).fit(X, y, nodes)
    X.loc[3, "ward"] = 4
    with pytest.warns(UserWarning, match="Found unknown"):
        expected = victim.transform(X)
    opened, through = opened_by(victim, table()[0])
    rows = through.forward(opened.open(X.to_numpy(float)))
    assert_allclose(rows, expected, rtol=1e-9, atol=1e-12)


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
    opened, through = opened_by(victim, rows)
    seen = through.forward(opened.open(rows))
    assert_allclose(seen, victim.transform(holey), rtol=1e-9, atol=1e-9)


# -- the same attack as on columns of zeros and ones --------------------------------------


def prepared(X):
    """The numbers and a column a ward."""
    return np.column_stack([X[NUMBERS], *(X["ward"] == ward for ward in WARDS)])


@pytest.mark.parametrize("init", ["clean", "auto", "ball", "weights"])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("attack", ["direct", "hybrid"])
@every_poisoner
@every_victim
def test_the_attack_is_that_on_columns_of_zeros_and_ones(make, estimator, attack, frozen, init):
    X, y, nodes = table(estimator)
    X = X[[*NUMBERS, "ward"]]
    scale = ColumnTransformer([("numbers", StandardScaler(), [0, 1])], remainder="passthrough")
    params = {
        "attack": attack,
        "target_nodes": [0],
        "source_nodes": [0] if attack == "direct" else [0, 1],
    }
    if make is PoisoningAttacker:
        params |= {"init": init, "max_iter": 4}
    if make is RandomPoisoner:
        params |= {"init": "ball" if init == "ball" else "clean"}
    found = poisoner(make, behind(parts(OneHotEncoder()), estimator=estimator), **params)
    plain = poisoner(make, behind(scale, estimator=estimator), **params)
    if make is not LabelFlipPoisoner:
        found.set_params(feature_range="clean", frozen_features=["ward"] if frozen else None)
        plain.set_params(feature_range="clean", frozen_features=[2, 3, 4] if frozen else None)
        plain.set_params(one_hot_groups=[[2, 3, 4]])
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
    assert np.any(found.gradient != 0.0)


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
    crafted = data.X[data.is_poison]
    for name in ("ward", "sex"):
        assert set(crafted[name]) <= set(X[name])
    assert crafted["ward"].nunique() > 1
    seen = attack.clean_estimator_[:-1].transform(data.X.drop(columns="node"))
    assert_array_equal(dense(seen)[:, 2:].sum(axis=1), 2.0)
    again = pickle.loads(pickle.dumps(attack))
    assert_array_equal(again.predict(X), attack.predict(X))
    assert_frame_equal(clone(attack).fit(X, y).poison_X_, attack.poison_X_)
    assert_frame_equal(X.drop(columns="node"), before)
    crafted = squares(attack.poison_X_)
    for name in np.unique(nodes):
        largest = squares(before[nodes == name]).max()
        assert (crafted[attack.poison_nodes_ == name] <= largest * (1 + 1e-9)).all()


def squares(rows):
    """Of the norms: a category counts as the 1 of its column."""
    return np.square(rows[[*NUMBERS, "unused"]]).sum(axis=1).to_numpy() + 2.0


def two_wards(**params):
    """A table of which node 0 has not seen ward 7, and an attack on it."""
    X, y, nodes = table()
    X.loc[nodes == 0, "ward"] = np.where(np.arange((nodes == 0).sum()) % 2, 2.0, 5.0)
    step = parts(OneHotEncoder(), ["ward", "sex"], remainder="passthrough")
    params = {"target_nodes": [0], "budget": 0.5, "radius": 1e3, **params}
    return (X, y, nodes), poisoner(PoisoningAttacker, behind(step), **params)


def test_an_attack_moves_categories_and_gains_by_it():
    X, y, nodes = table()
    step = parts(OneHotEncoder(), ["ward", "sex"], remainder="passthrough")
    attack = poisoner(PoisoningAttacker, behind(step), target_nodes=[0], budget=0.5)
    attack.set_params(max_iter=20, feature_range="clean-all", victim_tol=1e-8)
    frozen = clone(attack).set_params(frozen_features=["ward", "sex"]).fit(X, y, nodes=nodes)
    start = X.loc[frozen.poison_origin_, ["ward", "sex"]].to_numpy()
    assert_array_equal(frozen.poison_X_[["ward", "sex"]], start)
    attack.fit(X, y, nodes=nodes)
    assert (attack.poison_X_[["ward", "sex"]].to_numpy() != start).any()
    assert attack.objective_ > 1.01 * frozen.objective_
    # the shares of an ascent are rounded, which costs; what it then gains by the numbers is kept
    kept = {one["origin"]: one["objective"] for one in attack.attempts_}
    assert kept["polished"] > 1.01 * kept["ascent"]
    poisoned = attack.poison(X, y, nodes=nodes)
    again = clone(attack.estimator_[-1]).set_params(tol=1e-8)
    seen = attack.estimator_[:-1].transform(poisoned.X)
    again.fit(dense(seen), poisoned.y, nodes=poisoned.nodes)
    assert_allclose(again.coef_, attack.estimator_[-1].coef_, rtol=1e-3, atol=1e-5)


def test_a_search_finds_rows_with_the_drawn_categories_too():
    (X, y, nodes), attack = two_wards(init="weights", max_iter=0)
    found = {}
    for frozen in (["ward", "sex"], None):
        attack.set_params(frozen_features=frozen).fit(X, y, nodes=nodes)
        found[bool(frozen)] = [
            one["objective"] for one in attack.attempts_ if one["origin"] == "weights"
        ]
    assert len(found[False]) == 2 * len(found[True])
    assert set(np.round(found[True], 6)) <= set(np.round(found[False], 6))


@pytest.mark.parametrize(
    "asked, allowed",
    [
        ("clean", {2, 5}),
        ("clean-all", {2, 5, 7}),
        (None, {2, 5, 7}),
        (([-99.0] * 2 + [4.0] + [-99.0] * 2, 99.0), {5, 7}),
    ],
)
def test_categories_are_those_of_the_range(asked, allowed):
    data, attack = two_wards(feature_range=asked, init="ball", max_iter=1, budget=3.0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Injected rows leave the range")
        rows = attack.fit(*data[:2], nodes=data[2]).poison_X_
    assert set(rows["ward"]) == allowed


def test_a_poisoner_of_ones_own_crafts_in_codes():
    (X, y, nodes), attack = two_wards()
    seen = {}

    class Far(BasePoisoner):
        def craft(self, setting):
            seen["X"], seen["start"] = setting.X, setting.X_start
            rows = np.array(setting.X_start)
            rows[:, 2], rows[:, 3] = 6.4, -3.0
            seen["near"] = setting.project(rows)
            seen["damage"] = setting.damage(rows, setting.y_start)
            return rows, setting.y_start

    far = Far(attack.estimator, target_nodes=[0], feature_range="clean", random_state=0)
    far.fit(X, y, nodes=nodes)
    assert_array_equal(seen["X"], X)
    assert set(seen["start"][:, 2]) <= {2, 5}
    # ward 7 is the nearest, but none of the node's; all shares of the others are equal then
    assert set(seen["near"][:, 2]) <= {2, 5}
    assert_array_equal(seen["near"][:, 3], 0.0)
    assert_array_equal(far.poison_X_[["ward", "sex"]], seen["near"][:, 2:4])
    assert_allclose(seen["damage"], far.objective_, rtol=1e-4)


def test_arrays_of_single_precision_keep_it():
    (X, y, nodes), attack = two_wards()
    step = ColumnTransformer([("codes", OneHotEncoder(), [2, 3])], remainder="passthrough")
    rows = X.to_numpy(np.float32)
    data = attack.set_params(estimator=behind(step)).poison(rows, y, nodes=nodes)
    assert data.X.dtype == np.float32
    assert set(data.X[:, 2]) <= set(WARDS)


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
    judged = {"y_target": y[::2], "nodes_target": nodes[::2]}
    attack.fit(X, y, nodes=nodes, X_target=X[::2], **judged)
    start = clone(attack).set_params(max_iter=0)
    assert attack.objective_ > start.fit(X, y, nodes=nodes, X_target=X[::2], **judged).objective_
    with pytest.raises(ValueError, match=r"X_target.*unknown categories"):
        attack.fit(X, y, nodes=nodes, X_target=X[::2].assign(ward=3), **judged)


@every_victim
def test_a_bound_holds_of_attacks_that_move_categories(estimator):
    X, y, nodes = table(estimator)
    victim = behind(parts(OneHotEncoder(), ["ward", "sex"]), estimator=estimator)
    threat = {"target_nodes": [0], "budget": 0.1, "random_state": 0}
    bound = DamageBound(victim, max_iter=50, **threat).fit(X, y, nodes=nodes)
    assert bound.reference_coef_.shape == (3, 7)
    attack = PoisoningAttacker(victim, criterion="loss", max_iter=10, **threat)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Injected rows leave the range")
        assert attack.fit(X, y, nodes=nodes).objective_ <= bound.upper_bound_


class Anything(BasePoisoner):
    """Rows by chance, of any category, as long as the ball allows."""

    def craft(self, setting):
        rng, rows = setting.rng, np.array(setting.X_start)
        rows[:, 2], rows[:, 3] = rng.choice(WARDS, len(rows)), rng.integers(0, 2, len(rows))
        rows[:, :2] = 1e3 * rng.normal(size=(len(rows), 2))
        return rows, rng.permutation(setting.y)[: len(rows)]


@cache
def certified(estimator):
    """A table without a column of no use, a threat, and its bound."""
    X, y, nodes = table(estimator)
    X = X.drop(columns="unused") / [20.0, 0.1, 1, 1]
    threat = {"target_nodes": [0], "budget": 0.3, "radius": 3.0}
    victim = behind(parts(OneHotEncoder(), ["ward", "sex"]), estimator=estimator)
    return (X, y), nodes, threat, DamageBound(victim, max_iter=50, **threat).fit(X, y, nodes=nodes)


@pytest.mark.filterwarnings("ignore:Injected rows leave the range")
@every_victim
@given(seed=st.integers(0, 10**6))
@settings(max_examples=examples(0.2))
def test_no_rows_by_chance_exceed_a_bound(estimator, seed):
    data, nodes, threat, bound = certified(estimator)
    chance = Anything(bound.estimator, random_state=seed, **threat).fit(*data, nodes=nodes)
    assert_allclose(np.square(chance.poison_X_[NUMBERS]).sum(axis=1), 9.0 - 2.0)
    assert set(chance.poison_X_["ward"]) <= set(WARDS)
    assert chance.objective_ <= bound.upper_bound_


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


def test_a_group_of_columns_that_an_encoder_reads_is_refused():
    (X, y, nodes), attack = two_wards(one_hot_groups=[["unused", "ward"]])
    with pytest.raises(ValueError, match="`one_hot_groups`: feature 'ward' is read by an encoder"):
        attack.fit(X, y, nodes=nodes)
