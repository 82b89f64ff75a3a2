"""Words that an encoder of the victim reads: the attack is that on the words' codes."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from encoded import NUMBERS, behind, parts, table
from estimators import ESTIMATORS, any_range
from pipelines import poisoner
from skfedmtl import FMTLRegressor, LabelFlipPoisoner, PoisoningAttacker, RandomPoisoner
from skfedmtl.attack import BasePoisoner, DamageBound, infer_constraints
from skfedmtl.inspection import PoisonedRowsDisplay
from skfedmtl.metrics import compare
from skfedmtl.model_selection import security_curve

pytestmark = [any_range, pytest.mark.filterwarnings("ignore:Injected rows leave the range")]
every_poisoner = pytest.mark.parametrize(
    "make", (PoisoningAttacker, RandomPoisoner, LabelFlipPoisoner)
)
every_victim = pytest.mark.parametrize("estimator", ESTIMATORS)

#: in the order of an encoder, which is not that of the numbers in `table`
WORDS = {"ward": ["north", "south", "west"], "sex": ["f", "m"]}
SPOKEN = {"ward": {2: "south", 5: "west", 7: "north"}, "sex": {0: "m", 1: "f"}}


def in_words(estimator=FMTLRegressor, **params):
    """The table of encoded columns in words."""
    X, y, nodes = table(estimator, **params)
    for name, spoken in SPOKEN.items():
        X[name] = X[name].map(spoken)
    return X, y, nodes


def in_codes(X):
    """Words as their positions, gaps as NaN."""
    codes = X.copy()
    for name, words in WORDS.items():
        places = {word: place for place, word in enumerate(words)}
        codes[name] = [places.get(word, np.nan) for word in X[name]]
    return codes


def as_polars(X, **kinds):
    polars = pytest.importorskip("polars")
    columns = {name: [None if word != word else word for word in X[name]] for name in X}
    return polars.DataFrame(columns).cast({n: getattr(polars, k) for n, k in kinds.items()})


def as_enum(X):
    polars = pytest.importorskip("polars")
    return as_polars(X).cast({name: polars.Enum(words) for name, words in WORDS.items()})


#: A table of words in all that may hold one.
HOLDERS = {
    "text": lambda X: X,
    "objects": lambda X: X.astype(dict.fromkeys(WORDS, object)),
    "nullable text": lambda X: X.astype(dict.fromkeys(WORDS, "string")),
    "categories": lambda X: X.astype(dict.fromkeys(WORDS, "category")),
    "array": lambda X: X.to_numpy(dtype=object),
    "polars": as_polars,
    "polars, categories": lambda X: as_polars(X, ward="Categorical"),
    "polars, enum": as_enum,
}
every_holder = pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())


def by_position(encoder=None, **params):
    """Steps that take columns by position, from frames and arrays."""
    encoder = OneHotEncoder(handle_unknown="ignore") if encoder is None else encoder
    steps = [("numbers", StandardScaler(), [0, 1]), ("words", encoder, [2, 3])]
    return ColumnTransformer(steps, **params)


def as_pandas(X, names):
    if hasattr(X, "iloc"):
        return X
    return X.to_pandas() if hasattr(X, "to_pandas") else pd.DataFrame(X, columns=names)


def dtypes_of(X):
    if hasattr(X, "schema"):
        return list(X.schema.items())
    return list(X.dtypes) if hasattr(X, "dtypes") else X.dtype


def with_gaps(X):
    holey = X.copy()
    for name, first in (("ward", 3), ("sex", 8)):
        holey[name] = [np.nan if first <= i < first + 6 else w for i, w in enumerate(X[name])]
    return holey


def assert_same_rows(found, expected, clean):
    """Numbers to the last bit, of words those that the codes stand for."""
    found = as_pandas(found, clean.columns)
    others = [name for name in clean if name not in WORDS]
    assert_array_equal(found[others].to_numpy(float), expected[others].to_numpy(float))
    told = in_codes(found)[list(WORDS)].to_numpy(float)
    assert_array_equal(told, expected[list(WORDS)].to_numpy(float))


# -- the same attack as on codes ----------------------------------------------------------


@every_holder
@every_poisoner
@every_victim
@pytest.mark.parametrize("init", ["ball", "auto"])
def test_the_attack_is_that_on_codes(make, estimator, holder, init):
    X, y, nodes = in_words(estimator, strings=True)
    rows, codes = holder(X), in_codes(X)
    params = {"target_nodes": 0.7, "budget": 0.6}
    if make is RandomPoisoner:
        params["init"] = "clean" if init == "auto" else init
    if make is PoisoningAttacker:
        params["init"] = init
    attack = poisoner(make, behind(by_position(), estimator=estimator), **params)
    if make is not LabelFlipPoisoner:
        attack.set_params(feature_range="clean-all", frozen_features=[1])
    coded = clone(attack)
    data, expected = (a.poison(R, y, nodes=nodes) for a, R in ((attack, rows), (coded, codes)))
    assert type(data.X) is type(rows)
    assert dtypes_of(data.X) == dtypes_of(rows)
    assert_same_rows(data.X, expected.X, X)
    assert_array_equal(data.y, expected.y)
    assert_array_equal(data.nodes, expected.nodes)
    assert_array_equal(attack.poison_origin_, coded.poison_origin_)
    assert attack.objective_ == coded.objective_
    assert attack.score(rows, y, nodes=nodes) == coded.score(codes, y, nodes=nodes)
    again = pickle.loads(pickle.dumps(attack))
    assert_array_equal(again.predict(rows, nodes=nodes), coded.predict(codes, nodes=nodes))


@every_poisoner
@every_victim
def test_the_attack_is_that_on_columns_of_zeros_and_ones(make, estimator):
    X, y, nodes = in_words(estimator)
    X = X[[*NUMBERS, "ward"]]

    def prepared(table):
        return np.column_stack([table[NUMBERS], *(table["ward"] == w for w in WORDS["ward"])])

    scale = ColumnTransformer([("numbers", StandardScaler(), [0, 1])], remainder="passthrough")
    found = poisoner(make, behind(parts(OneHotEncoder()), estimator=estimator), target_nodes=[0])
    plain = poisoner(make, behind(scale, estimator=estimator), target_nodes=[0])
    if make is not LabelFlipPoisoner:
        found.set_params(feature_range="clean")
        plain.set_params(feature_range="clean", one_hot_groups=[[2, 3, 4]])
    data = found.poison(X, y, nodes=nodes)
    expected = plain.poison(prepared(X), y, nodes=nodes)
    assert_allclose(prepared(data.X), expected.X, rtol=1e-9)
    assert_array_equal(data.y, expected.y)
    assert_allclose(found.objective_, plain.objective_, rtol=1e-9)


#: What is done about words that are missing, and the word that stands for them in the end.
FILLED = {
    "most frequent": SimpleImputer(strategy="most_frequent"),
    "constant": SimpleImputer(strategy="constant", fill_value="north"),
    "twice": make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        SimpleImputer(strategy="constant", fill_value="f"),
    ),
}


@every_holder
@pytest.mark.parametrize("imputer", FILLED.values(), ids=FILLED.keys())
def test_missing_words_are_filled_by_the_steps(holder, imputer):
    X, y, nodes = in_words()
    X = with_gaps(X)
    step = by_position(make_pipeline(imputer, OneHotEncoder(drop="first")))
    rows, whole = holder(X), X.copy()
    attack = poisoner(RandomPoisoner, behind(step), init="ball", feature_range=(-99, 99))
    data = attack.poison(rows, y, nodes=nodes)
    fills = attack.clean_estimator_[0].named_transformers_["words"][0]
    fills = fills[0] if hasattr(fills, "steps") else fills
    for name, word in zip(WORDS, fills.statistics_, strict=True):
        whole[name] = X[name].fillna(word)
    assert dtypes_of(data.X) == dtypes_of(rows)
    expected = clone(attack).poison(whole, y, nodes=nodes)
    injected = as_pandas(attack.poison_X_, X.columns)
    for name, words in WORDS.items():
        assert set(injected[name].dropna()) <= {*words, *fills.statistics_}
    assert_array_equal(injected[NUMBERS].to_numpy(float), expected.X[NUMBERS][len(X) :])
    assert_allclose(
        attack.clean_objective_, clone(attack).fit(whole, y, nodes=nodes).clean_objective_
    )


def test_a_word_that_fills_gaps_and_is_no_category_is_a_gap():
    X, y, nodes = in_words()
    X = with_gaps(X).astype(dict.fromkeys(WORDS, "category"))
    fill = SimpleImputer(strategy="constant", fill_value="none")
    attack = poisoner(RandomPoisoner, behind(by_position(make_pipeline(fill, OneHotEncoder()))))
    attack.set_params(init="ball", budget=3.0)
    data = attack.poison(X, y, nodes=nodes)
    assert list(data.X.dtypes) == list(X.dtypes)
    assert attack.poison_X_["ward"].isna().any()
    seen = attack.estimator_[0].transform(attack.poison_X_)
    assert_array_equal(seen[:, 2:].sum(axis=1), 2.0)


@every_holder
def test_what_is_missing_may_be_a_category(holder):
    X, y, nodes = in_words()
    X = with_gaps(X)
    rows = holder(X)
    attack = poisoner(RandomPoisoner, behind(by_position(OneHotEncoder())), init="ball", budget=3.0)
    data = attack.poison(rows, y, nodes=nodes)
    assert dtypes_of(data.X) == dtypes_of(rows)
    codes = in_codes(X).fillna({"ward": 3, "sex": 2})
    expected = clone(attack).fit(codes, y, nodes=nodes)
    assert attack.objective_ == expected.objective_
    injected = as_pandas(attack.poison_X_, X.columns)
    assert injected["ward"].isna().any()
    assert_array_equal(injected["ward"].isna(), expected.poison_X_["ward"] == 3)


@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_words_that_the_encoder_does_not_know_come_back():
    X, y, nodes = in_words()
    encoder = OneHotEncoder(categories=[["west", "north"], ["f", "m"]], handle_unknown="ignore")
    attack = poisoner(RandomPoisoner, behind(by_position(encoder)), init="ball", budget=3.0)
    attack.fit(X, y, nodes=nodes)
    assert set(attack.poison_X_["ward"]) == {"north", "south", "west"}
    unknown = attack.poison_X_["ward"] == "south"
    seen = attack.estimator_[0].transform(attack.poison_X_)
    assert_array_equal(seen[:, 2:4].sum(axis=1), ~unknown)


def test_categories_of_numbers_keep_their_dtype():
    X, y, nodes = table()
    rows = X.astype({"ward": "category", "sex": "category"})
    attack = poisoner(PoisoningAttacker, behind(by_position()), init="ball")
    data = attack.poison(rows, y, nodes=nodes)
    assert list(data.X.dtypes) == list(rows.dtypes)
    expected = clone(attack).poison(X, y, nodes=nodes).X
    assert_array_equal(data.X.to_numpy(float), expected.to_numpy(float))


# -- beside other things that attacks are asked -------------------------------------------


def test_ranges_of_numbers_say_nothing_of_words():
    X, y, nodes = in_words()
    attack = poisoner(RandomPoisoner, behind(by_position()), feature_range=(5.0, 9.0))
    rows = attack.set_params(init="ball", budget=3.0, radius=1e3).fit(X, y, nodes=nodes).poison_X_
    assert set(rows["ward"]) == set(WORDS["ward"])
    assert rows[NUMBERS].to_numpy().min() >= 5.0
    attack.set_params(frozen_features=["ward"], init="clean").fit(X, y, nodes=nodes)
    origin = X["ward"].iloc[attack.poison_origin_]
    assert_array_equal(attack.poison_X_["ward"], origin)


def test_a_node_column_stays_in_its_place():
    X, y, nodes = in_words(strings=True)
    X.insert(1, "node", nodes)
    before = X.copy()
    victim = behind(parts(OneHotEncoder(), list(WORDS)))
    attack = poisoner(PoisoningAttacker, victim, node_column="node")
    data = attack.poison(X, y)
    assert_frame_equal(X, before)
    assert_frame_equal(data.X[: len(X)], X)
    apart = clone(attack).set_params(node_column=None)
    expected = apart.poison(X.drop(columns="node"), y, nodes=nodes)
    assert_frame_equal(data.X.drop(columns="node"), expected.X)
    assert_array_equal(data.X["node"], expected.nodes)
    assert_array_equal(attack.predict(X), apart.predict(X.drop(columns="node"), nodes=nodes))
    array = attack.set_params(node_column=1, estimator=behind(by_position()))
    found = array.poison(X.to_numpy(dtype=object), y).X
    assert_array_equal(found[:, 1], data.X["node"].astype(object))
    assert_array_equal(found[:, 3], data.X["ward"].astype(object))


@every_holder
def test_rows_to_be_judged_hold_words_too(holder):
    X, y, nodes = in_words()
    rows, codes = holder(X[::2].reset_index(drop=True)), in_codes(X)
    judged = {"y_target": y[::2], "nodes_target": nodes[::2]}
    attack = poisoner(PoisoningAttacker, behind(by_position()), target_nodes=[0])
    attack.fit(holder(X), y, nodes=nodes, X_target=rows, **judged)
    expected = clone(attack).fit(codes, y, nodes=nodes, X_target=codes[::2], **judged)
    assert attack.objective_ == expected.objective_
    attack.set_params(estimator=behind(by_position(OneHotEncoder())))
    other = X[::2].assign(ward="east")
    with pytest.raises(ValueError, match=r"X_target.*unknown categories \['east'\]"):
        attack.fit(X, y, nodes=nodes, X_target=other, **judged)


def test_a_poisoner_of_ones_own_crafts_in_codes():
    X, y, nodes = in_words()

    class Named(BasePoisoner):
        def craft(self, setting):
            assert_array_equal(setting.X, in_codes(X).to_numpy(float))
            rows = np.array(setting.X_start)
            rows[:, 2], rows[:, 3] = 1.2, 0.0
            return rows, setting.y_start

    rows = Named(behind(by_position()), random_state=0).fit(X, y, nodes=nodes).poison_X_
    assert set(rows["ward"]) == {"south"} and set(rows["sex"]) == {"f"}


def test_bounds_and_gradients_are_those_of_codes():
    X, y, nodes = in_words(ESTIMATORS[0])
    victim = behind(by_position(), estimator=ESTIMATORS[0])
    bound = DamageBound(victim, max_iter=5, target_nodes=[0], budget=0.1, random_state=0)
    coded, codes = clone(bound), in_codes(X)
    bound.fit(X, y, nodes=nodes)
    coded.fit(codes, y, nodes=nodes)
    assert bound.upper_bound_ == coded.upper_bound_
    if bound.weight_centre_ is not None:
        found = bound.certify_rows(X, nodes=nodes)
        assert_array_equal(found, coded.certify_rows(codes, nodes=nodes))
    attack = poisoner(PoisoningAttacker, victim, target_nodes=[0])
    checks = [attack.check_gradient(R, y, nodes=nodes, n_points=1) for R in (X, codes)]
    assert_array_equal(checks[0].gradient, checks[1].gradient)


def test_constraints_are_found_beside_words():
    X, _, nodes = in_words(strings=True)
    X["site"] = nodes
    X["whole"] = np.arange(len(X))
    X["dummy"], X["other"] = X["sex"] == "f", X["sex"] == "m"
    limits = infer_constraints(X, nodes)
    assert limits == infer_constraints(X.astype({"ward": "category"}), nodes)
    assert limits == infer_constraints(as_polars(X), nodes)
    assert limits["frozen_features"] == ["site"]
    assert limits["integer_features"] == ["whole"]
    assert limits["one_hot_groups"] == [["dummy", "other"]]
    places = infer_constraints(X.to_numpy(dtype=object), nodes)
    assert places["frozen_features"] == [X.columns.get_loc("site")]


@pytest.mark.parametrize("place", [None, 0, 3])
def test_a_figure_of_rows_leaves_words_out(place):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    X, y, nodes = in_words(strings=True)
    data = {"y": y, "nodes": nodes}
    attack = poisoner(RandomPoisoner, behind(by_position()))
    if place is not None:
        X.insert(place, "node", nodes)
        data["nodes"] = None
        attack.set_params(node_column="node")
    draw = PoisonedRowsDisplay.from_attacker
    attack.fit(X, y, nodes=data["nodes"])
    display = draw(attack, X, **data, features=["x1", "unused"])
    assert_array_equal(display.injected, attack.poison_X_[["x1", "unused"]])
    drawn = draw(attack, X, **data)
    attack.poison_X_ = attack.poison_X_.assign(ward="south")
    assert_array_equal(draw(attack, X, **data).injected, drawn.injected)
    with pytest.raises(ValueError, match=r"two columns of numbers, got .*'ward'.* holds words"):
        draw(attack, X, **data, features=["x1", "ward"])


@pytest.mark.parametrize("holder", [HOLDERS["text"], HOLDERS["polars"]])
def test_comparisons_and_curves_take_words(holder):
    X, y, nodes = in_words(strings=True)
    attack = poisoner(RandomPoisoner, behind(by_position()), target_nodes=[nodes[0]])
    found, expected = (compare(attack, R, y, nodes=nodes) for R in (holder(X), in_codes(X)))
    assert_frame_equal(found, expected)
    curve = {"param_name": "budget", "param_range": [0.2, 0.5], "nodes": nodes}
    scores = [security_curve(attack, R, y, **curve).scores for R in (holder(X), in_codes(X))]
    assert_array_equal(*scores)


# -- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "categories", "array", "polars"])
@pytest.mark.parametrize(
    "encoder, remainder, message",
    [
        ([2], "drop", "words in column {3}, which no OneHotEncoder of the victim reads"),
        ([2], "passthrough", "words in column {3}, which no OneHotEncoder of the victim reads"),
        ([2], SimpleImputer(strategy="most_frequent"), "words in column {3}, which no OneHot"),
        ([2], StandardScaler(), "could not convert.*words in column {2}, {3}[.] Allowed are"),
        ([2], SimpleImputer(), "(?s)with non-numeric.*words in column {2}, {3}[.] Allowed are"),
    ],
)
@every_poisoner
def test_words_that_no_encoder_reads_are_refused_by_column(make, encoder, remainder, message, kind):
    X, y, nodes = in_words()
    named = {number: repr(name) for number, name in enumerate(X.columns)}
    if kind == "array":
        named = dict.fromkeys(range(4), "") | {2: "2", 3: "3"}
    for number, name in named.items():
        message = message.replace(f"{{{number}}}", name)
    steps = [("numbers", StandardScaler(), [0, 1]), ("words", OneHotEncoder(), encoder)]
    attack = poisoner(make, behind(ColumnTransformer(steps, remainder=remainder)))
    with pytest.raises(ValueError, match=message):
        attack.fit(HOLDERS[kind](X), y, nodes=nodes)
    assert not hasattr(attack, "clean_estimator_")


def test_words_beside_numbers_in_a_column_are_refused_by_column():
    X, y, nodes = in_words()
    X["ward"] = X["ward"].astype(object)
    X.loc[2, "ward"] = 3
    with pytest.raises(TypeError, match=r"uniformly strings or numbers.*words in column 'ward', "):
        poisoner(RandomPoisoner, behind(by_position())).fit(X, y, nodes=nodes)


def test_missing_words_that_nothing_fills_are_refused_by_column():
    X, y, nodes = in_words()
    X = with_gaps(X)
    known = OneHotEncoder(categories=list(WORDS.values()), handle_unknown="ignore")
    attack = poisoner(RandomPoisoner, behind(by_position(known)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Found unknown categories")
        with pytest.raises(ValueError, match="lacks words in column 'ward', 'sex', and no step"):
            attack.fit(X, y, nodes=nodes)


def test_words_need_an_encoder():
    X, y, nodes = in_words()
    attack = poisoner(RandomPoisoner, behind(parts("drop", ["ward"])))
    with pytest.raises(ValueError, match="`X`, column 'ward', holds"):
        attack.fit(X, y, nodes=nodes)
