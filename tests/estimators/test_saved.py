"""Models saved by a release are read by those after it, as docs/stability.rst says."""

import pickle
from importlib.metadata import version

import numpy as np
import pytest
import skops.io

from saved_models import CASES, SAVED, answers, labelled

THIS = version("skfedmtl")
VERSIONS = sorted(path.name for path in SAVED.iterdir())
FORMER = [(folder, name) for folder in VERSIONS for name in CASES]


def expected(path):
    """The rows of a saved model, and what it said of them."""
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
        said = dict(file)
    return said.pop("X"), said.pop("nodes"), said


def check(model, name, path):
    """It says what it said, knows how good it is, and can be fitted again."""
    X, nodes, said = expected(path)
    found = answers(name, model, X, nodes)
    assert found.keys() == said.keys()
    for key, values in said.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(found[key], values, rtol=1e-12, atol=1e-12)
        else:
            np.testing.assert_array_equal(found[key], values)
    assert 0.0 <= model.dual_gap_ <= model.tol * model.objective_
    X, y, nodes = labelled(CASES[name][0])
    assert model.fit(X, y, nodes=nodes).dual_gap_ <= model.tol * model.objective_


@pytest.mark.parametrize(("folder", "name"), FORMER)
def test_a_saved_model_is_read_by_skops(folder, name):
    """By the place of its class, too, which the file holds: a class that moves is read no more."""
    path = SAVED / folder / f"{name}.skops"
    unknown = skops.io.get_untrusted_types(file=path)
    room = "skfedmtl._estimators"
    assert unknown == [f"{room}.{name}.FMTL{name.capitalize()}"]
    check(skops.io.load(path, trusted=unknown), name, path)


@pytest.mark.skipif("dev" in THIS, reason="a release that is not yet made")
@pytest.mark.parametrize("name", CASES)
def test_a_pickled_model_is_read_by_its_own_version(name):
    path = SAVED / THIS / f"{name}.pickle"
    check(pickle.loads(path.read_bytes()), name, path)


@pytest.mark.skipif("dev" in THIS, reason="a release that is not yet made")
def test_this_release_has_saved_models():
    assert THIS in VERSIONS, "python tests/saved_models.py, see RELEASE.md"


@pytest.mark.parametrize("folder", VERSIONS)
def test_a_release_has_all_of_them(folder):
    names = {f"{name}.{end}" for name in CASES for end in ("skops", "pickle", "npz")}
    assert {path.name for path in (SAVED / folder).iterdir()} == names
