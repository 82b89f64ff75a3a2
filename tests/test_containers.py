"""What one entry point accepts all accept, to the same answer; what one refuses all refuse."""

import functools

import matplotlib
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot
from numpy.testing import assert_allclose

from containers import (
    ATTACK_ENTRIES,
    BAD_CLASSES,
    BAD_NODES,
    BAD_ROWS,
    BAD_TARGETS,
    BLIND,
    CLASSES,
    COSTLY,
    ENTRIES,
    ESTIMATOR_ENTRIES,
    NODES,
    NUMBERS,
    ROWS,
    SPARSE_ROWS,
    Data,
    plain_values,
    series_of,
)
from estimators import any_range
from profiles import IS_LONG
from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl.metrics import node_errors

matplotlib.use("Agg")

pytestmark = any_range


@functools.cache
def expected(name, victim, values_of_rows, values_of_targets, folder):
    """The answer of an entry point to arrays of float64, and what the spellings are made of."""
    X, _, codes = plain_values(values_of_rows, victim)
    _, y, _ = plain_values(values_of_targets, victim)
    plain = X, y, codes
    answer = ENTRIES[name](Data(*plain, plain, victim, folder))
    pyplot.close("all")
    return answer, plain


def agree(found, answer, *, coarse, n_clean):
    """Whether an answer is the one; of rows crafted in a coarse dtype, only the clean part."""
    assert len(found) == len(answer)
    for ours, theirs in zip(found, answer, strict=True):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert ours.shape == theirs.shape
        assert np.isfinite(ours).all()
        if coarse and ours.ndim and len(ours) > n_clean:
            ours, theirs = ours[:n_clean], theirs[:n_clean]
        elif coarse:
            assert_allclose(ours, theirs, rtol=0.2, atol=0.1)
            continue
        assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def check(name, victim, folder, *, rows=None, targets=None, nodes=None):
    """Compare the answer to spelled data with that to plain ones."""
    kinds = [one.values if one is not None else "eighths" for one in (rows, targets)]
    answer, plain = expected(name, victim, *kinds, folder)
    X, y, codes = plain
    data = Data(
        X if rows is None else rows.make(X),
        y if targets is None else targets.make(y),
        codes if nodes is None else nodes(codes),
        plain,
        victim,
        folder,
    )
    crafted = name in ATTACK_ENTRIES or name == "displays"
    coarse = rows is not None and rows.coarse and crafted
    agree(ENTRIES[name](data), answer, coarse=coarse, n_clean=len(y))
    pyplot.close("all")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


def cells(table, names=tuple(ENTRIES), every=12):
    """All pairs of an entry point and a spelling; of the costly ones one in `every`."""
    return pytest.mark.parametrize(
        ("name", "spelling"),
        [
            (name, spelling)
            for i, name in enumerate(names)
            for j, spelling in enumerate(table)
            if IS_LONG or name not in COSTLY or (i + j) % every == 0
        ],
    )


@cells(ROWS)
def test_rows(name, spelling, folder):
    check(name, FMTLRegressor, folder, rows=ROWS[spelling])


@cells(NUMBERS)
def test_numbers(name, spelling, folder):
    check(name, FMTLRegressor, folder, targets=NUMBERS[spelling])


@cells(CLASSES)
def test_classes(name, spelling, folder):
    check(name, FMTLClassifier, folder, targets=CLASSES[spelling])


@cells(NODES)
def test_nodes(name, spelling, folder):
    check(name, FMTLRegressor, folder, nodes=NODES[spelling])


@cells(SPARSE_ROWS, ESTIMATOR_ENTRIES)
def test_sparse_rows_of_estimators(name, spelling, folder):
    check(name, FMTLRegressor, folder, rows=SPARSE_ROWS[spelling])


# -- what is refused --------------------------------------------------------------------------


def refused(name, folder, words, *, rows=None, targets=None, nodes=None, victim=FMTLRegressor):
    """Every entry point names the argument before any work."""
    X, y, codes = plain = plain_values("whole", victim)
    data = Data(
        X if rows is None else rows(X),
        y if targets is None else targets(y),
        codes if nodes is None else nodes(codes),
        plain,
        victim,
        folder,
    )
    with pytest.raises((ValueError, TypeError), match=words):
        ENTRIES[name](data)
    pyplot.close("all")


LOOKING = [name for name in ENTRIES if name not in BLIND]


@cells(BAD_ROWS, LOOKING)
def test_rows_that_no_one_accepts(name, spelling, folder):
    make, words = BAD_ROWS[spelling]
    refused(name, folder, words, rows=make)


@cells(SPARSE_ROWS, ATTACK_ENTRIES)
def test_sparse_rows_of_attackers(name, spelling, folder):
    refused(name, folder, "`X.*` is sparse", rows=SPARSE_ROWS[spelling].make)


@cells(BAD_TARGETS, [name for name in ENTRIES if name not in ("split", "folds", "from_nodes")])
def test_targets_that_no_one_accepts(name, spelling, folder):
    make, words = BAD_TARGETS[spelling]
    refused(name, folder, words, targets=make)


@cells(BAD_CLASSES, [name for name in ENTRIES if name not in ("from_nodes",)])
def test_classes_that_no_one_accepts(name, spelling, folder):
    make, words = BAD_CLASSES[spelling]
    refused(name, folder, words, targets=make, victim=FMTLClassifier)


@cells(BAD_NODES, [name for name in ENTRIES if "resample" not in name and name != "from_nodes"])
def test_nodes_that_no_one_accepts(name, spelling, folder):
    make, words = BAD_NODES[spelling]
    refused(name, folder, words, nodes=make)


# -- any of them together ---------------------------------------------------------------------


@st.composite
def spelled(draw):
    """Plain data of some nodes, one of a single row perhaps, and the same in drawn containers."""
    victim = draw(st.sampled_from([FMTLRegressor, FMTLClassifier]))
    rows = ROWS[draw(st.sampled_from(list(ROWS)))]
    targets = NUMBERS if victim is FMTLRegressor else CLASSES
    target = targets[draw(st.sampled_from(list(targets)))]
    nodes = NODES[draw(st.sampled_from(list(NODES)))]
    sizes = draw(st.sampled_from([(5, 4), (6, 1), (1, 3), (2, 2), (1, 1), (8, 7)]))
    seed = draw(st.integers(0, 99))
    X, _, codes = plain_values(rows.values, victim, sizes, seed)
    _, y, _ = plain_values(target.values, victim, sizes, seed)
    return rows.coarse, Data(rows.make(X), target.make(y), nodes(codes), (X, y, codes), victim)


def outcome(name, data):
    """An answer, or what kind of error or warning there is instead."""
    try:
        return ENTRIES[name](data)
    except (ValueError, TypeError, Warning) as error:
        return type(error)
    finally:
        pyplot.close("all")


@given(spelled(), st.lists(st.sampled_from(list(ENTRIES)), min_size=3, max_size=4, unique=True))
def test_drawn_containers_are_treated_as_plain_arrays(tmp_path_factory, drawn, names):
    coarse, data = drawn
    data = data._replace(folder=tmp_path_factory.getbasetemp() / "drawn")
    plain = data._replace(X=data.plain[0], y=data.plain[1], nodes=data.plain[2])
    for name in names:
        found, answer = outcome(name, data), outcome(name, plain)
        if isinstance(answer, type) or isinstance(found, type):
            assert found == answer
            continue
        loose = coarse and (name in ATTACK_ENTRIES or name == "displays")
        for ours, theirs in zip(found, answer, strict=True):
            assert np.shape(ours) == np.shape(theirs)
            assert np.isfinite(ours).all()
            if not loose:
                assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)


@given(st.lists(st.text("aA \0\t\u00e9e\u0301", max_size=3), min_size=2, max_size=4, unique=True))
def test_labels_stay_apart_or_are_refused(labels):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(3 * len(labels), 2)), rng.normal(size=3 * len(labels))
    names = [label for label in labels for _ in range(3)]
    shortened = any(label.endswith("\0") for label in labels)
    for given_as in (list, series_of(object), lambda v: np.array(v, dtype=object), pl.Series):
        held = given_as(names)
        classes = FMTLClassifier(tol=1e-2)
        if shortened:
            with pytest.raises(ValueError, match=r"`nodes` holds .*NUL"):
                FMTLRegressor().fit(X, y, nodes=held)
            with pytest.raises(ValueError, match=r"`node_labels` holds .*NUL"):
                FMTLRegressor(node_labels=held[::3]).fit(X, y, nodes=np.zeros(len(y)))
            with pytest.raises(ValueError, match=r"`y` holds .*NUL"):
                classes.fit(X, held)
            continue
        model = FMTLRegressor(tol=1e-2).fit(X, y, nodes=held)
        assert model.nodes_.tolist() == sorted(labels)
        assert classes.fit(X, held).classes_.tolist() == sorted(labels)
        assert list(node_errors(y, y, held)) == sorted(labels)


@pytest.mark.parametrize("make", [RandomPoisoner, PoisoningAttacker])
@pytest.mark.parametrize("scale", [300.0, 30000.0])
def test_norms_of_half_precision(make, scale):
    """Squares of such numbers are beyond half precision, and so are rows of the longest norm."""
    rng = np.random.default_rng(0)
    X = (2.0 * scale * rng.random((40, 2))).astype(np.float16)
    y, nodes = X.astype(float) @ [1.0, -1.0] / scale, np.repeat([0, 1], 20)
    options = {"max_iter": 2} if make is PoisoningAttacker else {}
    poisoner = make(FMTLRegressor(), init="ball", target_nodes=1.0, random_state=0, **options)
    with np.errstate(all="raise", under="ignore"):
        rows = poisoner.fit(X, y, nodes=nodes).poison_X_
    assert rows.dtype == np.float16
    for node in (0, 1):
        longest = np.linalg.norm(X[nodes == node].astype(float), axis=1).max()
        injected = rows[poisoner.poison_nodes_ == node].astype(float)
        assert np.linalg.norm(injected, axis=1).max() <= longest


@pytest.mark.parametrize("dtype", [np.float16, np.float32, bool, np.int8])
def test_no_dtype_of_targets_warns_under_a_strict_state(dtype):
    X, y, nodes = plain_values("flags", FMTLRegressor)
    with np.errstate(all="raise", under="ignore"):
        FMTLRegressor().fit(X, y.astype(dtype), nodes=nodes)


@pytest.mark.parametrize("make", [RandomPoisoner, LabelFlipPoisoner])
@pytest.mark.parametrize("spelling", NUMBERS)
def test_poisoned_targets_keep_their_container(make, spelling):
    target = NUMBERS[spelling]
    X, y, nodes = plain_values(target.values, FMTLRegressor)
    held = target.make(y)
    found = make(FMTLRegressor(), random_state=0).poison(X, held, nodes=nodes).y
    if isinstance(held, list | tuple):
        held = np.asarray(held)
    assert type(found) is type(held)
    if hasattr(held, "columns"):
        assert list(found.columns) == list(held.columns)
        assert list(found.dtypes) == list(held.dtypes)
    else:
        assert found.dtype == held.dtype
