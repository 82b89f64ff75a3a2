"""Victims behind imputers and transformers of columns: rows are crafted in the table's columns."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OrdinalEncoder, RobustScaler, StandardScaler

from estimators import ESTIMATORS, any_range
from pipelines import frame, model, poisoner, uneven
from skfedmtl import FMTLRegressor, LabelFlipPoisoner, PoisoningAttacker, RandomPoisoner
from skfedmtl.attack import DamageBound
from skfedmtl.attack._setting.victim import Victim

pytestmark = any_range
every_poisoner = pytest.mark.parametrize(
    "make", (PoisoningAttacker, RandomPoisoner, LabelFlipPoisoner)
)
every_victim = pytest.mark.parametrize("estimator", ESTIMATORS)

#: Steps that pass on columns of x0 to x3 in another order, or not at all.
STEPS = {
    "named": ColumnTransformer(
        [("b", make_pipeline(SimpleImputer(), RobustScaler()), ["x3", "x1"])],
        remainder=StandardScaler(),
    ),
    "selected": ColumnTransformer(
        [
            ("none", StandardScaler(), []),
            ("some", "passthrough", make_column_selector("x[12]")),
            ("left", "drop", ["x0"]),
        ],
        remainder=MinMaxScaler(),
    ),
    "masked": ColumnTransformer([("a", StandardScaler(), [False, True, True, False])]),
    "sliced": ColumnTransformer(
        [("a", make_pipeline("passthrough"), slice(2, 4))], remainder="drop"
    ),
    "nested": ColumnTransformer(
        [
            (
                "two",
                make_pipeline(
                    StandardScaler(),
                    ColumnTransformer([("r", RobustScaler(), [2])], remainder="passthrough"),
                ),
                [3, 0, 1],
            )
        ]
    ),
    "pipeline": make_pipeline(SimpleImputer(strategy="median"), MinMaxScaler((-1, 3))),
    "constant": SimpleImputer(strategy="constant", fill_value=2.0),
}
every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())


def behind(*steps, estimator=FMTLRegressor, **params):
    named = [(f"step{i}", clone(step, safe=False)) for i, step in enumerate(steps)]
    return Pipeline([*named, ("model", model(estimator, **params))])


def with_gaps(X, share=0.1):
    gaps = np.random.default_rng(5).random(X.shape) < share
    return np.where(gaps, np.nan, X)


@every_step
def test_the_map_is_that_of_the_steps(step):
    X, y, nodes = uneven()
    victim = Victim(behind(step, RobustScaler())).fit(frame(X), y, nodes)
    rng = np.random.default_rng(0)
    rows = 3.0 * rng.normal(size=X.shape)
    expected = np.asarray(victim.estimator[:-1].transform(frame(rows)))
    assert_allclose(victim.forward(rows), expected, rtol=1e-9, atol=1e-9)
    seen = victim.affine(4)
    found = (rows[:, seen.columns] - seen.shift) * seen.scale
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    slope = rng.normal(size=expected.shape)
    moved = victim.forward(rows) - victim.forward(np.zeros_like(rows))
    assert_allclose(np.sum(slope * moved), np.sum(victim.pull_back(slope) * rows))


@every_step
def test_gaps_are_filled_by_what_the_model_sees_in_them(step):
    X, y, nodes = uneven()
    holey = frame(with_gaps(X))
    chain = [SimpleImputer().set_output(transform="pandas"), step]
    for steps in (chain, [StandardScaler().set_output(transform="pandas"), *chain]):
        victim = Victim(behind(*steps)).fit(holey, y, nodes)
        rows = victim.complete(holey, holey.to_numpy())
        known = ~np.isnan(holey.to_numpy())
        assert_array_equal(rows[known], holey.to_numpy()[known])
        expected = victim.transform(holey)
        assert_allclose(victim.forward(rows), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_a_column_without_a_value_is_left_out_as_the_imputer_does():
    X, y, nodes = uneven()
    X[:, 1] = np.nan
    for keep, n_seen in ((False, 3), (True, 4)):
        victim = Victim(behind(SimpleImputer(keep_empty_features=keep))).fit(X, y, nodes)
        rows = victim.complete(X, X)
        assert_array_equal(rows[:, 1], 0.0)
        assert victim.forward(rows).shape[1] == n_seen
        assert_array_equal(victim.forward(rows), victim.transform(X))


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.filterwarnings("ignore:Currently, when `keep_empty_feature:FutureWarning")
def test_a_constant_is_put_into_an_empty_column_or_that_is_left_out():
    """As the version of scikit-learn does."""
    X, y, nodes = uneven()
    X[:, 1] = np.nan
    for keep in (False, True):
        imputer = SimpleImputer(strategy="constant", fill_value=2.0, keep_empty_features=keep)
        victim = Victim(behind(imputer)).fit(X, y, nodes)
        rows = victim.complete(X, X)
        assert_array_equal(victim.forward(rows), victim.transform(X))


# -- the same attack as on a prepared table -----------------------------------------------


@pytest.mark.parametrize("attack", ["direct", "hybrid"])
@every_poisoner
@every_victim
def test_parts_with_a_scaler_each_are_one_scaler(make, estimator, attack):
    """Same columns, same scales: the attack through parts is that through a single scaler."""
    X, y, nodes = uneven(estimator)
    parts = ColumnTransformer(
        [("a", make_pipeline(SimpleImputer(), StandardScaler()), ["x0", "x1"])],
        remainder=StandardScaler(),
    )
    found = poisoner(make, behind(parts, estimator=estimator), attack=attack)
    plain = poisoner(make, behind(StandardScaler(), estimator=estimator), attack=attack)
    data = found.poison(frame(X), y, nodes=nodes)
    expected = plain.poison(frame(X), y, nodes=nodes)
    assert_frame_equal(data.X, expected.X, rtol=1e-9)
    assert_array_equal(data.y, expected.y)
    assert_allclose(found.objective_, plain.objective_, rtol=1e-9)
    assert_allclose(found.score(frame(X), y, nodes=nodes), plain.score(frame(X), y, nodes=nodes))


@every_poisoner
@every_victim
def test_an_imputer_is_the_filled_table(make, estimator):
    X, y, nodes = uneven(estimator)
    holey = frame(with_gaps(X))
    filled = frame(SimpleImputer().fit_transform(holey))
    params = {"attack": "hybrid", "feature_range": "clean"}
    found = poisoner(make, behind(SimpleImputer(), estimator=estimator))
    plain = poisoner(make, behind("passthrough", estimator=estimator))
    if make is not LabelFlipPoisoner:
        found.set_params(**params)
        plain.set_params(**params)
    data = found.poison(holey, y, nodes=nodes)
    expected = plain.poison(filled, y, nodes=nodes)
    assert_frame_equal(data.X[: len(X)], holey)
    if make is not LabelFlipPoisoner:  # which copies rows, gaps and all
        assert_frame_equal(data.X[len(X) :], expected.X[len(X) :], rtol=1e-9)
    assert_array_equal(data.y, expected.y)
    assert_allclose(found.objective_, plain.objective_, rtol=1e-7)
    assert_allclose(
        found.predict(holey, nodes=nodes), plain.predict(filled, nodes=nodes), rtol=1e-6
    )


def test_the_attack_knows_no_order_of_the_model_s_columns():
    """Features of one size, so that only their order differs; the victim knows none."""
    X, y, nodes = uneven()
    X = X[:, :3] / X[:, :3].std(axis=0)
    turned = ColumnTransformer([("a", "passthrough", ["x2", "x0"])], remainder="passthrough")
    attacks = [
        poisoner(PoisoningAttacker, behind(step, tol=1e-10), victim_tol=1e-10, step="plain")
        for step in ("passthrough", turned)
    ]
    one, other = (attack.fit(frame(X), y, nodes=nodes) for attack in attacks)
    assert_allclose(other.poison_X_, one.poison_X_, rtol=1e-4, atol=1e-5)
    assert_allclose(other.objective_, one.objective_, rtol=1e-5)


def test_a_search_among_weights_leaves_what_the_model_does_not_see_alone():
    X, y, nodes = uneven()
    drop = ColumnTransformer([("a", StandardScaler(), ["x2", "x1"])])
    attack = PoisoningAttacker(behind(drop), target_nodes=[0], max_iter=5, random_state=0)
    attack.set_params(frozen_features=["x0"], budget=0.4).fit(frame(X), y, nodes=nodes)
    clean = poisoner(RandomPoisoner, behind(drop), target_nodes=[0]).fit(frame(X), y, nodes=nodes)
    assert attack.objective_ > clean.objective_
    norms = np.linalg.norm(attack.poison_X_.to_numpy(), axis=1)
    assert (norms <= np.linalg.norm(X[nodes == 0], axis=1).max() * (1 + 1e-9)).all()


@every_step
def test_the_gradient_is_that_of_the_refitted_victim(step):
    X, y, nodes = uneven()
    victim = behind(step, lambda1=0.02, lambda2=0.02)
    attack = PoisoningAttacker(victim, target_nodes=[0], random_state=0)
    found = attack.check_gradient(frame(X), y, nodes=nodes, n_points=2)
    assert found.relative_error < 1e-4
    assert np.abs(found.gradient).max() > 0.0


def test_a_bound_is_that_of_the_columns_that_are_seen():
    X, y, nodes = uneven()
    parts = ColumnTransformer([("a", StandardScaler(), ["x2", "x1"])])
    bound = DamageBound(behind(parts), target_nodes=[0], budget=0.1, random_state=0)
    bound.fit(frame(X), y, nodes=nodes)
    assert bound.reference_coef_.shape == (3, 2)
    attack = PoisoningAttacker(behind(parts), target_nodes=[0], budget=0.1, random_state=0)
    attack.set_params(criterion="loss", max_iter=10).fit(frame(X), y, nodes=nodes)
    assert attack.objective_ <= bound.upper_bound_


# -- containers, copies, weights ----------------------------------------------------------


@every_poisoner
def test_a_node_column_gaps_and_copies(make):
    X, y, nodes = uneven(strings=True)
    table = frame(with_gaps(X))
    table.insert(2, "node", nodes)
    parts = ColumnTransformer(
        [("a", make_pipeline(SimpleImputer(), StandardScaler()), ["x3", "x0"])],
        remainder=SimpleImputer(),
    )
    victim = behind(parts)
    attack = poisoner(make, victim, node_column="node")
    rows, target = attack.fit_resample(table, pd.Series(y))
    assert_frame_equal(rows[: len(y)], table)
    assert list(rows.columns) == list(table.columns)
    assert len(rows) == len(target) > len(y)
    assert not hasattr(victim[0], "transformers_")
    again = pickle.loads(pickle.dumps(attack))
    assert_array_equal(again.predict(table), attack.predict(table))
    assert_frame_equal(clone(attack).fit(table, y).poison_X_, attack.poison_X_)
    assert attack.score(table, y) > 0.0


def test_judged_rows_may_have_gaps():
    X, y, nodes = uneven()
    holey = with_gaps(X)
    attack = poisoner(PoisoningAttacker, behind(SimpleImputer()), target_nodes=[0])
    given = {"y_target": y, "nodes_target": nodes}
    attack.fit(holey, y, nodes=nodes, X_target=holey, **given)
    filled = SimpleImputer().fit_transform(holey)
    plain = clone(attack).fit(filled, y, nodes=nodes, X_target=filled, **given)
    assert_allclose(attack.objective_, plain.objective_, rtol=1e-9)
    bare = poisoner(PoisoningAttacker, behind(StandardScaler()), target_nodes=[0])
    with pytest.raises(ValueError, match=r"X_target.*NaN"):
        bare.fit(X, y, nodes=nodes, X_target=holey, **given)
    with pytest.raises(ValueError, match="X contains NaN"):
        bare.fit(holey, y, nodes=nodes)


def test_steps_that_work_in_place_leave_the_rows_alone():
    X, y, nodes = uneven()
    holey = with_gaps(X)
    before = holey.copy()
    inner = make_pipeline(SimpleImputer(copy=False), StandardScaler(copy=False))
    parts = ColumnTransformer([("a", inner, slice(0, 4))])
    for step in (inner, parts):
        poisoner(PoisoningAttacker, behind(step)).fit(holey, y, nodes=nodes)
        assert_array_equal(holey, before)


# -- refusals -----------------------------------------------------------------------------


def parts_with(step, **params):
    return ColumnTransformer([("odd", step, [0])], **params)


@pytest.mark.parametrize(
    "words, step",
    [
        ("'step0__odd'.*PCA.*StandardScaler", parts_with(PCA())),
        ("'step0__remainder'.*KNN", parts_with("drop", remainder=KNNImputer())),
        ("'step0__odd'.*OrdinalEncoder.*encode categories before", parts_with(OrdinalEncoder())),
        ("'step0__odd__pca'.*PCA", parts_with(make_pipeline(PCA()))),
        ("'step0__odd'.*clip=True", parts_with(MinMaxScaler(clip=True))),
        ("transformer_weights", parts_with(StandardScaler(), transformer_weights={"odd": 2.0})),
        ("add_indicator", SimpleImputer(add_indicator=True)),
        ("missing_values=-1", SimpleImputer(missing_values=-1)),
        (
            "'step0'.*several of its parts: 1;",
            ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", RobustScaler(), [1])]),
        ),
    ],
)
@every_poisoner
def test_what_cannot_be_followed_is_refused_by_name(make, words, step):
    X, y, nodes = uneven()
    attack = poisoner(make, behind(step))
    with pytest.raises((ValueError, TypeError), match=f"`estimator`.*{words}"):
        attack.fit(X, y, nodes=nodes)
    assert not hasattr(attack, "clean_estimator_")


def test_a_column_that_the_model_does_not_see_holds_no_infinity():
    """A ball as large as such a row would be none."""
    X, y, nodes = uneven()
    X[0, 3] = np.inf
    unseen = ColumnTransformer([("a", StandardScaler(), [0, 1, 2])])
    with pytest.raises(ValueError, match="X contains infinity"):
        PoisoningAttacker(behind(unseen), random_state=0).fit(X, y, nodes=nodes)
