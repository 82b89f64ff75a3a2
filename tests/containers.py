"""What X, y and nodes may be held in, by name, and every entry point that takes them.

A spelling is a function of plain values: it makes the container under test. The values are such
that every dtype holds them exactly, so that a spelling gives what float64 arrays give.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, mean_squared_error

from estimators import quick_attacker
from skfedmtl import (
    FMTLClassifier,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
    from_nodes,
)
from skfedmtl.attack import DamageBound
from skfedmtl.inspection import (
    ConvergenceDisplay,
    RelationshipDisplay,
    SecurityCurveDisplay,
)
from skfedmtl.metrics import (
    certified_scorer,
    make_node_scorer,
    node_errors,
    robustness_scorer,
)
from skfedmtl.model_selection import NodeKFold, security_curve, train_test_split_nodes

NAMES = ["a", "b", "c"]
POISONERS = (RandomPoisoner, LabelFlipPoisoner, PoisoningAttacker)
#: the smallest security curve
CURVE = {"param_name": "budget", "param_range": [0.5], "n_repeats": 1}


def read_only(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


def pandas_of(kind):
    return lambda values: pd.DataFrame(values, columns=NAMES).astype(kind)


def polars_of(kind):
    return lambda values: pl.DataFrame(values, schema=NAMES).cast(kind)


def mixed_pandas(values):
    table = pd.DataFrame(values, columns=NAMES)
    return table.astype({"a": "Int64", "b": "float32", "c": object})


def mixed_polars(values):
    table = pl.DataFrame(values, schema=NAMES)
    return table.with_columns(pl.col("a").cast(pl.Int16), pl.col("b").cast(pl.Float32))


class Spelling(NamedTuple):
    """How values are held, which values that can hold, and what crafted rows become in it."""

    make: object
    values: str = "eighths"  #: "eighths", "whole" or "flags"
    coarse: bool = False  #: crafted rows are rounded to fewer digits than those of float64


#: Rows that estimators and attackers accept.
ROWS = {
    "lists": Spelling(lambda values: values.tolist()),
    "tuples": Spelling(lambda values: tuple(map(tuple, values.tolist()))),
    "bool": Spelling(lambda values: values.astype(bool), "flags"),
    "int8": Spelling(lambda values: values.astype(np.int8), "whole"),
    "uint16": Spelling(lambda values: np.abs(values).astype(np.uint16), "flags"),
    "int64": Spelling(lambda values: values.astype(np.int64), "whole"),
    "float16": Spelling(lambda values: values.astype(np.float16), coarse=True),
    "float32": Spelling(lambda values: values.astype(np.float32), coarse=True),
    "big endian": Spelling(lambda values: values.astype(">f8")),
    "objects": Spelling(lambda values: values.astype(object)),
    "objects of whole numbers": Spelling(lambda v: v.astype(int).astype(object), "whole"),
    "objects of flags": Spelling(lambda values: values.astype(bool).astype(object), "flags"),
    "Fortran order": Spelling(np.asfortranarray),
    "read-only": Spelling(read_only),
    "every second row": Spelling(lambda values: np.repeat(values, 2, axis=0)[::2]),
    "pandas": Spelling(pandas_of("float64")),
    "pandas float32": Spelling(pandas_of("float32"), coarse=True),
    "pandas int32": Spelling(pandas_of("int32"), "whole"),
    "pandas bool": Spelling(pandas_of("bool"), "flags"),
    "pandas object": Spelling(pandas_of(object)),
    "pandas Int64": Spelling(pandas_of("Int64"), "whole"),
    "pandas UInt8": Spelling(pandas_of("UInt8"), "flags"),
    "pandas Float64": Spelling(pandas_of("Float64")),
    "pandas Float32": Spelling(pandas_of("Float32"), coarse=True),
    "pandas boolean": Spelling(pandas_of("boolean"), "flags"),
    "pandas, mixed": Spelling(mixed_pandas, "whole", coarse=True),
    "polars": Spelling(polars_of(pl.Float64)),
    "polars Float32": Spelling(polars_of(pl.Float32), coarse=True),
    "polars Int16": Spelling(polars_of(pl.Int16), "whole"),
    "polars UInt64": Spelling(polars_of(pl.UInt64), "flags"),
    "polars Boolean": Spelling(polars_of(pl.Boolean), "flags"),
    "polars Decimal": Spelling(polars_of(pl.Decimal(12, 3))),
    "polars, mixed": Spelling(mixed_polars, "whole", coarse=True),
}


def sparse_columns(values):
    return pd.DataFrame(values, columns=NAMES).astype(pd.SparseDtype(float, 0.0))


#: Rows that estimators accept and attackers refuse.
SPARSE_ROWS = {
    **{
        f"{form} {kind}": Spelling(getattr(sparse, f"{form}_{kind}"))
        for form in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
        for kind in ("array", "matrix")
    },
    "csr of float32": Spelling(lambda values: sparse.csr_array(values.astype(np.float32))),
    "csr of whole numbers": Spelling(lambda v: sparse.csr_array(v.astype(np.int32)), "whole"),
    "csr of flags": Spelling(lambda v: sparse.csr_array(v.astype(bool)), "flags"),
    "sparse columns": Spelling(sparse_columns),
    "sparse columns of NaN": Spelling(pandas_of(pd.SparseDtype(float))),
    "sparse columns of whole numbers": Spelling(pandas_of(pd.SparseDtype(int, 0)), "whole"),
    "a sparse column": Spelling(
        lambda v: pd.DataFrame(v, columns=NAMES).astype({"b": pd.SparseDtype(float, 0.0)})
    ),
}


def with_column(column):
    """A frame whose middle column is another one."""
    return lambda values: pd.DataFrame(values, columns=NAMES).assign(b=column(values[:, 1]))


def with_polars(kind):
    return lambda values: pl.DataFrame(values, schema=NAMES).with_columns(
        pl.col("b").cast(pl.Int64).cast(pl.String).cast(kind)
    )


def with_entry(entry):
    def make(values):
        table = values.astype(object)
        table[1, 1] = entry
        return table

    return make


#: Rows that all entry points refuse: what makes them, what the message holds.
BAD_ROWS = {
    "strings": (lambda values: values.astype(str), r"`X.*` holds entries of dtype <U"),
    "lists with a string": (lambda v: with_entry("red")(v).tolist(), r"X.* holds .*red|dtype"),
    "objects with a string": (with_entry("1.0"), r"`X.*` holds a str, '1.0'"),
    "objects with a date": (with_entry(np.datetime64("2020-01-01")), r"`X.*` holds a datetime64"),
    "objects with complex numbers": (with_entry(1j), r"`X.*` holds a complex"),
    "objects with None": (with_entry(None), "X.* contains NaN"),
    "objects with NA": (with_entry(pd.NA), "X.* contains NaN"),
    "dates": (lambda values: values.astype("datetime64[s]"), r"`X.*` holds entries of dtype date"),
    "a column of strings": (with_column(lambda v: v.astype(str)), r"`X.*`, column 'b', holds"),
    "a column of pandas strings": (
        with_column(lambda v: pd.array(v.astype(str), dtype="string")),
        r"`X.*`, column 'b', holds",
    ),
    "a column of categories": (
        with_column(lambda v: pd.Categorical(v.astype(str))),
        r"`X.*`, column 'b', holds entries of dtype category",
    ),
    "a column of categories that are numbers": (
        with_column(pd.Categorical),
        r"`X.*`, column 'b', holds entries of dtype category",
    ),
    "a column of dates": (
        with_column(lambda v: pd.to_datetime(v.astype(int))),
        r"`X.*`, column 'b', holds entries of dtype datetime",
    ),
    "a column of NA": (
        with_column(lambda v: pd.array([pd.NA] * len(v), dtype="Int64")),
        "X.* contains NaN",
    ),
    "polars String": (with_polars(pl.String), r"`X.*`, column 'b', holds"),
    "polars Categorical": (with_polars(pl.Categorical), r"`X.*`, column 'b', holds"),
    "polars null": (
        lambda v: pl.DataFrame(v, schema=NAMES).with_columns(b=pl.lit(None, pl.Int64)),
        "X.* contains NaN",
    ),
}


def series_of(kind):
    return lambda y: pd.Series(y, name="y").astype(kind)


def polars_series_of(kind):
    return lambda y: pl.Series("y", np.asarray(y)).cast(kind)


def framed(make):
    """One column."""
    return lambda y: make(y).to_frame()


#: Targets of a regression.
NUMBERS = {
    "list": Spelling(lambda y: y.tolist()),
    "tuple": Spelling(lambda y: tuple(y.tolist())),
    "list of bools": Spelling(lambda y: y.astype(bool).tolist(), "flags"),
    "bool": Spelling(lambda y: y.astype(bool), "flags"),
    "int8": Spelling(lambda y: y.astype(np.int8), "whole"),
    "uint8": Spelling(lambda y: y.astype(np.uint8), "flags"),
    "int64": Spelling(lambda y: y.astype(np.int64), "whole"),
    "float16": Spelling(lambda y: y.astype(np.float16)),
    "float32": Spelling(lambda y: y.astype(np.float32)),
    "objects": Spelling(lambda y: y.astype(object)),
    "objects of whole numbers": Spelling(lambda y: y.astype(int).astype(object), "whole"),
    "read-only": Spelling(read_only),
    "every second": Spelling(lambda y: np.repeat(y, 2)[::2]),
    "Series": Spelling(series_of("float64")),
    "Series of float32": Spelling(series_of("float32")),
    "Series of bool": Spelling(series_of("bool"), "flags"),
    "Series of objects": Spelling(series_of(object)),
    "Int64": Spelling(series_of("Int64"), "whole"),
    "Float64": Spelling(series_of("Float64")),
    "Float32": Spelling(series_of("Float32")),
    "boolean": Spelling(series_of("boolean"), "flags"),
    "sparse Series": Spelling(series_of(pd.SparseDtype(float, 0.0))),
    "DataFrame": Spelling(framed(series_of("float64"))),
    "DataFrame of Int64": Spelling(framed(series_of("Int64")), "whole"),
    "DataFrame of bool": Spelling(framed(series_of("bool")), "flags"),
    "polars": Spelling(polars_series_of(pl.Float64)),
    "polars Float32": Spelling(polars_series_of(pl.Float32)),
    "polars Int8": Spelling(polars_series_of(pl.Int8), "whole"),
    "polars Boolean": Spelling(polars_series_of(pl.Boolean), "flags"),
    "polars DataFrame": Spelling(framed(polars_series_of(pl.Float64))),
    "polars DataFrame of Boolean": Spelling(framed(polars_series_of(pl.Boolean)), "flags"),
}


def words(y):
    return np.where(np.asarray(y) > 0, "yes", "no")


def polars_words(kind):
    return lambda y: pl.Series("y", words(y).tolist(), dtype=kind)


#: Classes, in an order that is that of 0 and 1.
CLASSES = {
    **{name: one for name, one in NUMBERS.items() if one.values != "eighths"},
    "float16": NUMBERS["float16"],
    "float64": NUMBERS["read-only"],
    "objects": NUMBERS["objects"],
    "Float64": NUMBERS["Float64"],
    "list of strings": Spelling(lambda y: words(y).tolist()),
    "strings": Spelling(words),
    "objects of strings": Spelling(lambda y: words(y).astype(object)),
    "Series of strings": Spelling(lambda y: pd.Series(words(y))),
    "pandas string": Spelling(lambda y: pd.Series(words(y), dtype="string")),
    "category": Spelling(lambda y: pd.Series(words(y), dtype="category")),
    "category of numbers": Spelling(lambda y: pd.Series(y.astype(int), dtype="category")),
    "DataFrame of strings": Spelling(lambda y: pd.DataFrame({"y": words(y)})),
    "DataFrame of category": Spelling(lambda y: pd.DataFrame({"y": words(y)}, dtype="category")),
    "polars String": Spelling(polars_words(pl.String)),
    "polars Categorical": Spelling(polars_words(pl.Categorical)),
    "polars Enum": Spelling(polars_words(pl.Enum(["no", "yes"]))),
    "polars DataFrame of strings": Spelling(framed(polars_words(pl.String))),
}


def places(codes):
    return np.where(codes > 0, "south", "north")


#: Nodes, in an order that is that of 0 and 1.
NODES = {
    "list": lambda codes: codes.tolist(),
    "tuple": lambda codes: tuple(codes.tolist()),
    "int8": lambda codes: codes.astype(np.int8),
    "uint32": lambda codes: codes.astype(np.uint32),
    "bool": lambda codes: codes.astype(bool),
    "list of bools": lambda codes: codes.astype(bool).tolist(),
    "whole floats": lambda codes: codes.astype(float),
    "float16": lambda codes: codes.astype(np.float16),
    "strings": places,
    "list of strings": lambda codes: places(codes).tolist(),
    "objects": lambda codes: places(codes).astype(object),
    "objects of whole numbers": lambda codes: codes.astype(object),
    "read-only": read_only,
    "Series": pd.Series,
    "Series of strings": lambda codes: pd.Series(places(codes)),
    "Int64": lambda codes: pd.Series(codes, dtype="Int64"),
    "boolean": lambda codes: pd.Series(codes.astype(bool), dtype="boolean"),
    "category": lambda codes: pd.Series(places(codes), dtype="category"),
    "category of numbers": lambda codes: pd.Series(codes, dtype="category"),
    "pandas string": lambda codes: pd.Series(places(codes), dtype="string"),
    "Index": lambda codes: pd.Index(places(codes)),
    "polars": lambda codes: pl.Series("n", codes),
    "polars Boolean": lambda codes: pl.Series("n", codes.astype(bool)),
    "polars String": lambda codes: pl.Series("n", places(codes).tolist()),
    "polars Categorical": lambda codes: pl.Series("n", places(codes).tolist(), pl.Categorical),
}


#: Targets of a regression that all entry points refuse.
BAD_TARGETS = {
    "words": (words, "y.* must hold real numbers"),
    "category of words": (CLASSES["category"].make, "y.* must hold real numbers"),
    "dates": (lambda y: y.astype("datetime64[s]"), "y.* holds dates or times"),
    "list with None": (lambda y: [None, *y[1:]], "y.* contains NaN"),
    "Int64 with NA": (lambda y: pd.Series([pd.NA, *y[1:]], dtype="Int64"), "y.* contains NaN"),
    "polars with null": (lambda y: pl.Series("y", [None, *y[1:]]), "y.* contains NaN"),
}


def with_first(first):
    return lambda y: [first, *words(y)[1:].tolist()]


#: Classes that all entry points refuse.
BAD_CLASSES = {
    "a NUL at the end": (with_first("no\0"), r"`y.*` holds 'no\\x00'"),
    "a NUL at the end of an object": (
        lambda y: np.array(with_first("no\0")(y), dtype=object),
        r"`y.*` holds 'no\\x00'",
    ),
    "a NUL at the end in pandas": (
        lambda y: pd.Series(with_first("no\0")(y), dtype="string"),
        r"`y.*` holds 'no\\x00'",
    ),
    "a NUL at the end in polars": (
        lambda y: pl.Series("y", with_first("no\0")(y)),
        r"`y.*` holds 'no\\x00'",
    ),
    "a number among strings": (with_first(1), "y.* holds objects of several types, int, str"),
    "a flag among numbers": (
        lambda y: np.array([True, *y[1:].tolist()], dtype=object),
        "y.* holds objects of several types",
    ),
    "None": (with_first(None), "y.* contains NaN"),
}


def with_place(first):
    return lambda codes: [first, *places(codes)[1:].tolist()]


#: Nodes that all entry points refuse.
BAD_NODES = {
    "a NUL at the end": (with_place("north\0"), r"`nodes.*` holds 'north\\x00'"),
    "a NUL at the end in pandas": (
        lambda codes: pd.Series(with_place("north\0")(codes)),
        r"`nodes.*` holds 'north\\x00'",
    ),
    "a NUL at the end in polars": (
        lambda codes: pl.Series("n", with_place("north\0")(codes)),
        r"`nodes.*` holds 'north\\x00'",
    ),
    "a number among strings": (with_place(1), "`nodes.*` must hold"),
    "fractions": (lambda codes: codes + 0.5, "`nodes.*` must hold"),
    "NA": (lambda codes: pd.array([pd.NA, *codes[1:]], dtype="Int64"), "`nodes.*` must hold"),
    "a frame": (lambda codes: pd.DataFrame({"n": codes}), "`nodes.*` must hold"),
    "sparse": (lambda codes: sparse.csr_array(codes[:, None]), "`nodes.*` must hold"),
}


# -- the entry points -------------------------------------------------------------------------


class Data(NamedTuple):
    """Rows, targets and nodes; `plain` are the same as arrays of float64, and codes."""

    X: object
    y: object
    nodes: object
    plain: tuple
    victim: type
    folder: object = None  #: for files

    @property
    def classify(self):
        return is_classifier(self.victim())

    def estimator(self):
        return self.victim(lambda1=0.1, lambda2=0.5, tol=1e-3, random_state=0)

    def poisoner(self, make, **params):
        if make is PoisoningAttacker:
            make = partial(quick_attacker, max_iter=1)
        params = {"target_nodes": 1.0, "budget": 0.3, "victim_tol": 1e-3, **params}
        return make(self.estimator(), random_state=0, **params)

    def fitted(self):
        return self.estimator().fit(self.X, self.y, nodes=self.nodes)


def codes_of(labels):
    """Labels by their rank: what they are called is no part of an answer."""
    return np.unique(np.asarray(labels), return_inverse=True)[1].ravel()


def _targets(data, y):
    y = np.asarray(y).ravel()
    return codes_of(y) if data.classify else y.astype(float)


def _three(data, X, y, nodes):
    """Clean and injected rows as plain arrays."""
    return [_floats(X), _targets(data, y), codes_of(nodes)]


def _floats(X):
    return np.asarray(X, dtype=float)


def fit(data):
    model = data.fitted()
    method = model.decision_function if data.classify else model.predict
    return [
        model.coef_,
        model.intercept_,
        _targets(data, model.predict(data.X, nodes=data.nodes)),
        method(data.X, nodes=data.nodes),
        model.score(data.X, data.y, nodes=data.nodes),
    ]


def poison(make):
    def entry(data):
        poisoner = data.poisoner(make)
        found = poisoner.poison(data.X, data.y, nodes=data.nodes)
        return _three(data, found.X, found.y, found.nodes)

    return entry


def poisoner_score(make):
    def entry(data):
        poisoner = data.poisoner(make).fit(data.X, data.y, nodes=data.nodes)
        predicted = poisoner.predict(data.X, nodes=data.nodes)
        assert len(predicted) == len(data.plain[1])
        if data.classify:
            poisoner.decision_function(data.X, nodes=data.nodes)
        return [
            poisoner.objective_,
            poisoner.score(data.X, data.y, nodes=data.nodes),
            -robustness_scorer(poisoner, data.X, data.y, nodes=data.nodes),
        ]

    return entry


def resample(make):
    """All rows are of one node: imbalanced-learn knows of no other."""

    def entry(data):
        X, y = data.poisoner(make).fit_resample(data.X, data.y)
        return [_floats(X), _targets(data, y)]

    return entry


def gradient(data):
    found = data.poisoner(PoisoningAttacker).check_gradient(
        data.X, data.y, nodes=data.nodes, n_points=1
    )
    return [found.gradient]


def evaluation(data):
    attacker = data.poisoner(PoisoningAttacker)
    target = {"X_target": data.X, "y_target": data.y, "nodes_target": data.nodes}
    attacker.fit(data.X, data.y, nodes=data.nodes, **target)
    return [attacker.objective_]


def checkpoint(data):
    attacker = data.poisoner(PoisoningAttacker, checkpoint=data.folder)
    first = attacker.fit(data.X, data.y, nodes=data.nodes).objective_
    again = attacker.fit(data.X, data.y, nodes=data.nodes).objective_
    assert first == again
    return [first]


def scorer(data):
    metric = accuracy_score if data.classify else mean_squared_error
    return [make_node_scorer(metric)(data.fitted(), data.X, data.y, nodes=data.nodes)]


def errors(data):
    predicted = data.fitted().predict(data.X, nodes=data.nodes)
    metric = "error" if data.classify else "rmse"
    return [list(node_errors(data.y, predicted, data.nodes, metric=metric).values())]


def folds(data):
    split = NodeKFold(2).split(data.X, data.y, nodes=data.nodes)
    return [rows for pair in split for rows in pair]


def split(data):
    parts = train_test_split_nodes(data.X, data.y, data.nodes, random_state=0)
    X, y, nodes = ([np.asarray(part) for part in parts[i : i + 2]] for i in (0, 2, 4))
    return [
        *map(_floats, X),
        _targets(data, np.concatenate([part.ravel() for part in y])),
        *map(codes_of, nodes),
    ]


def curve(data):
    poisoner = data.poisoner(RandomPoisoner)
    found = security_curve(poisoner, data.X, data.y, nodes=data.nodes, **CURVE)
    return [found.scores, found.clean_scores]


def displays(data):
    model = data.fitted()
    ConvergenceDisplay.from_estimator(model)
    shown = RelationshipDisplay.from_estimator(model)
    attacked = SecurityCurveDisplay.from_estimator(
        data.poisoner(RandomPoisoner), data.X, data.y, nodes=data.nodes, **CURVE
    )
    assert len(shown.ax_.get_xticks())
    return [attacked.scores]


def certified(data):
    bound = DamageBound(data.estimator(), target_nodes=1.0, budget=0.3, max_iter=2, random_state=0)
    bound.fit(data.X, data.y, nodes=data.nodes)
    score = certified_scorer(bound, data.X, data.y, nodes=data.nodes)
    return [bound.clean_objective_, -score]


def stacked(data):
    """One node after the other, by `from_nodes`."""
    X, y, nodes = from_nodes({"n": (data.X, data.y)})
    assert set(nodes) == {"n"}
    return [_floats(X), _targets(data, y)]


ESTIMATOR_ENTRIES = {
    "fit": fit,
    "scorer": scorer,
    "node_errors": errors,
    "folds": folds,
}
ATTACK_ENTRIES = {
    **{
        f"{make.__name__}.{name}": entry(make)
        for make in POISONERS
        for name, entry in (
            ("poison", poison),
            ("score", poisoner_score),
            ("fit_resample", resample),
        )
    },
    "check_gradient": gradient,
    "X_target": evaluation,
    "security_curve": curve,
    "checkpoint": checkpoint,
    "DamageBound": certified,
}
OTHER_ENTRIES = {"split": split, "displays": displays, "from_nodes": stacked}
#: those that take long; the quick ones read by the same functions
COSTLY = (
    *(f"{make.__name__}.score" for make in POISONERS),
    *(f"{make.__name__}.fit_resample" for make in POISONERS),
    "LabelFlipPoisoner.poison",
    "PoisoningAttacker.poison",
    "check_gradient",
    "X_target",
    "security_curve",
    "checkpoint",
    "DamageBound",
    "displays",
)
#: those that never look into the rows
BLIND = ("folds", "split", "from_nodes")
ENTRIES = {**ESTIMATOR_ENTRIES, **ATTACK_ENTRIES, **OTHER_ENTRIES}


def plain_values(values, victim, sizes=(7, 6), seed=0):
    """X, y, codes of values that a spelling holds exactly; y are 0 and 1 for classes."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    draw = {
        "eighths": lambda size: rng.integers(-16, 17, size=size) / 8.0,
        "whole": lambda size: rng.integers(-3, 4, size=size).astype(float),
        "flags": lambda size: rng.integers(0, 2, size=size).astype(float),
    }[values]
    X = draw((len(codes), len(NAMES)))
    if victim is FMTLClassifier:
        y = np.arange(len(codes)) % 2.0
        rng.shuffle(y)
        return X, y, codes
    return X, draw(len(codes)), codes
