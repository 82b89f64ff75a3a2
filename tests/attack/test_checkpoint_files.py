"""Checkpoints that are not as an attack wrote them, and what killed runs leave beside them."""

import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from estimators import climber
from profiles import examples
from skfedmtl import FMTLClassifier, FMTLRegressor
from skfedmtl._tools.files import read_npz, write_npz
from skfedmtl.attack._bilevel.checkpoint import Checkpoint
from skfedmtl.attack._bilevel.generator import as_text, is_state, set_state

N_FLIPS = examples(4)
rng = np.random.default_rng(0)
X, NODES = rng.normal(size=(30, 2)), np.repeat([0, 1, 2], 10)
# what is stored differs: smoothed, as it is, with moving targets, one game a class, a common part,
# one loop
ATTACKS = {
    "smoothed": (FMTLClassifier, X[:, 0] > 0, {}),
    "hard": (FMTLClassifier, X[:, 0] > 0, {"smoothing": 0.0}),
    "targets": (FMTLRegressor, X[:, 0], {"smoothing": 0.0, "optimize_labels": True}),
    "classes": (FMTLClassifier, np.digitize(X[:, 0], [-0.5, 0.5]), {"smoothing": 0.0}),
    "common": (partial(FMTLRegressor, lambda0=0.1), X[:, 0], {"smoothing": 0.0}),
    "plain": (FMTLRegressor, X[:, 0], {"step": "plain", "eta": 1.0, "inner_iter": 1}),
}
every_attack = pytest.mark.parametrize("kind", ATTACKS)


def run(kind, folder, **more):
    estimator, y, params = ATTACKS[kind]
    victim = estimator(random_state=0, max_iter=100)
    given = {"max_iter": 2, "tol": 0, "random_state": 0, **params, **more}
    return climber(victim, checkpoint=folder, **given).fit(X, y, nodes=NODES)


def written(kind, folder, monkeypatch, **more):
    """The file of an attack, the layout it is read by, and its arrays."""
    layouts = []
    load = Checkpoint.load

    def noting(self, layout):
        layouts.append((self, layout))
        return load(self, layout)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "load", noting)
        run(kind, folder, **more)
    ((checkpoint, layout),) = layouts
    return checkpoint, layout, read_npz(checkpoint.path)


def replace(path, arrays):
    with open(path, "wb") as file:
        write_npz(file, arrays)


def refused(checkpoint, layout, *words):
    with pytest.raises(ValueError, match=r"^checkpoint: .*remove it to begin anew") as error:
        checkpoint.load(layout)
    for word in (str(checkpoint.path), *words):
        assert word in str(error.value)


def broken(array):
    """What may stand wrongly in the place of an array."""
    yield np.full(array.shape, "a")
    yield np.empty(0)
    yield np.stack([array, array])
    yield array[..., None]
    for dtype in (np.float32, np.complex128, np.int8, "M8[s]", "S3", "f8,f8"):
        if array.dtype.kind != "U":
            yield np.zeros(array.shape, dtype)
    if array.dtype.kind == "f" and array.size:
        for value in (np.nan, np.inf, -np.inf):
            one = array.copy()
            one.flat[-1] = value
            yield one
            yield np.full_like(array, value)


@every_attack
def test_every_array_is_asked_for_by_name(kind, tmp_path, monkeypatch):
    checkpoint, layout, whole = written(kind, tmp_path, monkeypatch)
    assert whole.keys() == {*layout, "digest"}
    for name, array in whole.items():
        others = {key: value for key, value in whole.items() if key != name}
        replace(checkpoint.path, others)
        refused(checkpoint, layout, repr(name))
        # the games of further classes hold the same arrays as the first
        for instead in () if name.startswith(("1/", "2/")) else broken(array):
            replace(checkpoint.path, {**others, name: instead})
            refused(checkpoint, layout, repr(name))
    replace(checkpoint.path, {**whole, "more": np.zeros(3)})
    refused(checkpoint, layout, "'more'")
    replace(checkpoint.path, {**whole, "W2": np.array("a")})
    refused(checkpoint, layout, "'W2'")


@every_attack
def test_other_numbers_of_the_same_kind_are_seen(kind, tmp_path, monkeypatch):
    checkpoint, layout, whole = written(kind, tmp_path, monkeypatch)
    for name, array in whole.items():
        if array.dtype.kind in "bif" and array.size:
            other = array.copy()
            other.flat[0] = not other.flat[0] if array.dtype.kind == "b" else other.flat[0] / 2
            if array.tobytes() != other.tobytes():
                replace(checkpoint.path, {**whole, name: other})
                refused(checkpoint, layout, "'digest'")
    replace(checkpoint.path, whole)
    assert checkpoint.load(layout).keys() == layout.keys()


@pytest.mark.parametrize("name", ["rows", "rng", "values", "digest"])
def test_an_attack_refuses_before_any_step(name, tmp_path, monkeypatch):
    checkpoint, _, whole = written("hard", tmp_path, monkeypatch)
    replace(checkpoint.path, {key: value for key, value in whole.items() if key != name})
    content = checkpoint.path.read_bytes()
    with pytest.raises(ValueError, match=f"checkpoint: .*lacks the array '{name}'"):
        run("hard", tmp_path)
    assert checkpoint.path.read_bytes() == content


def test_the_file_of_another_attack_is_none_of_this_one(tmp_path, monkeypatch):
    """Even where all its arrays would fit."""
    checkpoint, layout, _ = written("hard", tmp_path / "one", monkeypatch)
    other, _, _ = written("hard", tmp_path / "two", monkeypatch, eta=50.0)
    assert checkpoint.path.name != other.path.name
    os.replace(other.path, checkpoint.path)
    refused(checkpoint, layout, "'digest' is not that of the other arrays and the file's name")


def test_what_is_no_plain_file(tmp_path, monkeypatch):
    checkpoint, layout, _ = written("hard", tmp_path, monkeypatch)
    checkpoint.path.unlink()
    checkpoint.path.mkdir()
    refused(checkpoint, layout, "no plain file")
    if hasattr(os, "mkfifo"):  # which nobody writes to
        checkpoint.path.rmdir()
        os.mkfifo(checkpoint.path)
        refused(checkpoint, layout, "no plain file")


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    checkpoint, layout, whole = written("hard", tmp_path, monkeypatch)
    np.savez_compressed(checkpoint.path, **{**whole, "rows": np.zeros((10**6, 2))})
    refused(checkpoint, layout, "unpacked it has 16")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "[]",
        "3",
        "null",
        "{}",
        '{"bit_generator": "MT19937"}',
        '{"bit_generator": "PCG64"}',
        '{"bit_generator": "PCG64", "has_uint32": 0, "state": 1, "uinteger": 0}',
        '{"bit_generator": "PCG64", "has_uint32": 0, "state": {"inc": 1}, "uinteger": 0}',
        '{"bit_generator": "PCG64", "has_uint32": 0, "state": {"inc": "a", "state": 1}}',
        "[" * 10**5,
        "9" * 10**4,
    ],
)
def test_texts_that_are_no_state_of_a_generator(text):
    assert not is_state(text, np.random.default_rng(0))


@pytest.mark.parametrize("value", [-1, 2**200, 1.5, "1", None])
@pytest.mark.parametrize("entry", ["inc", "state"])
def test_numbers_that_are_no_state_of_a_generator(entry, value):
    one, two = np.random.default_rng(0), np.random.default_rng(1)
    one.random(3, dtype=np.float32)
    text, state = as_text(one), one.bit_generator.state["state"]
    assert is_state(text, two)
    shown = {None: "null"}.get(value, f'"{value}"' if isinstance(value, str) else f"{value}")
    assert not is_state(text.replace(str(state[entry]), shown), two)
    set_state(two, text)
    assert_array_equal(
        one.integers(99, size=9, dtype=np.int32), two.integers(99, size=9, dtype=np.int32)
    )


# -- damage ---------------------------------------------------------------------------------

HEADERS = {
    "TokenError": b"{'descr': '<f8', 'fortran_order': False, 'shape': (4, 2), ",
    "SyntaxError": b"{'descr': '<f8', 'fortran_order': False, 'shape': (4, 2) 3}",
    "KeyError": b"{'fortran_order': False, 'shape': (4, 2)}",
    "negative": b"{'descr': '<f8', 'fortran_order': False, 'shape': (-4, -2)}",
    "overflow": b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
    "memory": b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,)}",
    "fewer": b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2)}",
    "narrower": b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2)}",
    "dtype": b"{'descr': '<zz', 'fortran_order': False, 'shape': (4, 2)}",
    "objects": b"{'descr': '|O', 'fortran_order': False, 'shape': (4, 2)}",
    "list": b"['descr', 'fortran_order', 'shape']",
    "nested": b"(" * 500,
    "bytes": b"{'descr': '<f8\xff\x00'}",
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_that_are_sealed_but_damaged(kind, tmp_path, monkeypatch):
    """The checksum of the archive says nothing against them."""
    checkpoint, layout, whole = written("hard", tmp_path, monkeypatch)
    with zipfile.ZipFile(checkpoint.path, "w") as archive:
        for name, array in whole.items():
            with archive.open(f"{name}.npy", "w") as entry:
                if name != "rows":
                    np.lib.format.write_array(entry, array)
                    continue
                header = HEADERS[kind] + b" " * 60 + b"\n"
                entry.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
                entry.write(array.tobytes())
    refused(checkpoint, layout, "'rows'")


@every_attack
def test_a_flipped_bit_is_seen_or_has_no_effect(kind, tmp_path, monkeypatch):
    checkpoint, layout, whole = written(kind, tmp_path, monkeypatch)
    content = checkpoint.path.read_bytes()
    draw = np.random.default_rng(0)
    n_refused = 0
    for _ in range(N_FLIPS):
        damaged = bytearray(content)
        damaged[draw.integers(len(content))] ^= draw.integers(1, 256)
        checkpoint.path.write_bytes(damaged)
        try:
            state = checkpoint.load(layout)
        except ValueError as error:
            assert str(error).startswith(f"checkpoint: {checkpoint.path} ")
            n_refused += 1
        else:
            assert {**state, "digest": whole["digest"]}.keys() == whole.keys()
            for name, array in state.items():
                assert (array.dtype, array.shape) == (whole[name].dtype, whole[name].shape)
                assert array.tobytes() == whole[name].tobytes()
                assert array.flags.writeable and array.flags.c_contiguous
    assert n_refused > N_FLIPS / 2
    checkpoint.path.write_bytes(content)
    assert_array_equal(run(kind, tmp_path).poison_X_, run(kind, tmp_path / "anew").poison_X_)


# -- what killed runs leave -----------------------------------------------------------------

KILLED = """
import os, signal, sys
import numpy as np
from skfedmtl import FMTLRegressor, PoisoningAttacker
from skfedmtl.attack._bilevel import checkpoint

def die(file, arrays):
    file.write(b"half of it")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

checkpoint.write_npz = die
rng = np.random.default_rng(0)
X, nodes = rng.normal(size=(30, 2)), np.repeat([0, 1, 2], 10)
attack = PoisoningAttacker(FMTLRegressor(), checkpoint=sys.argv[1], random_state=0)
attack.fit(X, X[:, 0], nodes=nodes)
"""


@pytest.mark.skipif(os.name == "nt", reason="nobody is killed like that there")
def test_parts_of_killed_attacks_are_swept_by_the_next(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (name,) = os.listdir(tmp_path)
    assert name.endswith(".part")
    run("hard", tmp_path)
    (name,) = os.listdir(tmp_path)
    assert name.endswith(".npz")


def test_a_folder_is_tried_without_a_trace(tmp_path, monkeypatch):
    """Nothing that a kill could leave has a name."""
    seen = []

    def look(**kwargs):
        file = temporary(**kwargs)
        seen.append(os.listdir(tmp_path))
        return file

    temporary = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", look)
    run("hard", tmp_path / "folder", max_iter=0)
    assert seen == [[]] or os.name == "nt"
