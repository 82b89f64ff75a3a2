"""Kept data sets and files of users whose arrays or bytes are not what they should be."""

import io
import os
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from profiles import examples
from skfedmtl._tools.files import write_npz
from skfedmtl.datasets import load_endad
from skfedmtl.datasets._archives import unpack
from skfedmtl.datasets._fetch import fetch_arrays
from web import CONTENTS, SMALL, parse, zipped

N_FLIPS = examples(4)
ROWS = {
    "X": np.arange(12.0).reshape(4, 3),
    "y": np.array([1, 0, 1, 0]),
    "nodes": np.array(["a", "b", "a", "b"]),
    "feature_names": np.array(["p", "q", "r"]),
}


def stored(arrays):
    file = io.BytesIO()
    write_npz(file, arrays)
    return file.getvalue()


def flipped(content):
    """The content with one byte changed, again and again."""
    draw = np.random.default_rng(0)
    for _ in range(N_FLIPS):
        damaged = bytearray(content)
        damaged[draw.integers(len(content))] ^= draw.integers(1, 256)
        yield bytes(damaged)


def broken(array):
    yield None
    yield np.full(array.shape, "a") if array.dtype.kind != "U" else np.zeros(array.shape)
    yield np.empty(0)
    yield np.stack([array, array])
    if array.dtype.kind == "f":
        yield np.full_like(array, np.nan)
        yield array.astype(np.float32)
    if array.dtype.kind == "i":
        yield array + 2


def keep(folder, content):
    (folder / SMALL.file_name).write_bytes(content)
    return fetch_arrays(SMALL, folder, False, 0, 0.0)


@pytest.mark.parametrize("name", sorted(parse(CONTENTS)))
def test_a_kept_data_set_says_which_array_is_wrong(name, tmp_path):
    whole = parse(CONTENTS)
    for instead in broken(whole[name]):
        arrays = {**whole, name: instead}
        arrays = {key: array for key, array in arrays.items() if array is not None}
        with pytest.raises(OSError, match=r"small\.npz.*Remove it") as error:
            keep(tmp_path, stored(arrays))
        assert repr(name) in str(error.value) and SMALL.sha256 in str(error.value)


def test_a_flip_in_a_kept_data_set_is_seen_or_has_no_effect(tmp_path):
    whole = parse(CONTENTS)
    file = io.BytesIO()
    np.savez_compressed(file, **whole)
    n_refused = 0
    for content in flipped(file.getvalue()):
        try:
            found = keep(tmp_path, content)
        except OSError as error:
            assert str(tmp_path / SMALL.file_name) in str(error)
            n_refused += 1
        else:
            for name, array in whole.items():
                assert_array_equal(found[name], array, strict=True)
    assert n_refused > N_FLIPS / 3


def test_a_flip_in_a_publishers_archive_is_seen_or_has_no_effect():
    n_refused = 0
    for content in flipped(zipped()):
        try:
            found = unpack(io.BytesIO(content), SMALL.members, SMALL.limit)
        except OSError:
            n_refused += 1
        else:
            assert found == CONTENTS
    assert n_refused > N_FLIPS / 3


def test_a_flip_in_a_file_of_users_is_seen_or_has_no_effect(tmp_path):
    path = tmp_path / "endad.npz"
    n_refused = 0
    for content in flipped(stored(ROWS)):
        path.write_bytes(content)
        try:
            bunch = load_endad(path)
        except ValueError as error:
            assert str(error).startswith(f"path: {str(path)!r}")
            n_refused += 1
        else:
            assert_array_equal(bunch.data, ROWS["X"])
            assert_array_equal(bunch.target, ROWS["y"])
            assert_array_equal(bunch.nodes, ROWS["nodes"])
    assert n_refused > N_FLIPS / 3


@pytest.mark.parametrize(
    ("told", "instead"),
    [
        (b"(4, 3)", b"(4, 1)"),  # which numpy would read, and stop in the middle
        (b"(4, 3)", b"(1, 3)"),
        (b"'<f8'", b"'<f4'"),
        (b"(4, 3)", b"(4, 3 "),
        (b"(4, 3)", b"(4L 3)"),
        (b"'descr'", b"'desc\xff'"),
        (b"'descr'", b"'descx'"),
        (b"False", b"Falsa"),
        (b"False", b"None "),
    ],
)
def test_headers_that_tell_of_another_array(told, instead, tmp_path):
    path, content = tmp_path / "endad.npz", io.BytesIO()
    np.lib.format.write_array(content, ROWS["X"])
    array = content.getvalue()
    assert array.count(told) == 1
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", array.replace(told, instead))
        for name in ROWS.keys() - {"X"}:
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, ROWS[name])
    with pytest.raises(ValueError, match=r"^path: .*'X'"):
        load_endad(path)


def test_a_large_array_is_not_cut_by_one_byte_of_its_header(tmp_path):
    """The checksum of what is cut off would never be looked at."""
    path = tmp_path / "endad.npz"
    n = 1000
    arrays = {"X": np.arange(3.0 * n).reshape(n, 3), "y": np.arange(n) % 2, "nodes": np.arange(n)}
    content = stored(arrays)
    assert content.count(b"(1000, 3)") == 1
    path.write_bytes(content.replace(b"(1000, 3)", b"(1000, 1)"))
    with pytest.raises(ValueError, match=r"^path: .*X\.npy"):
        load_endad(path)


def test_an_array_given_twice_is_refused(tmp_path):
    path = tmp_path / "endad.npz"
    path.write_bytes(stored(ROWS))
    content = io.BytesIO()
    np.lib.format.write_array(content, ROWS["X"] + 1.0)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("X", content.getvalue())
    with pytest.raises(ValueError, match=r"path: .*holds 'X' twice"):
        load_endad(path)


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from skfedmtl.datasets import _fetch

def die(file, **arrays):
    file.write(b"half of it")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

np.savez_compressed = die
_fetch._keep(Path(sys.argv[1]), {})
"""


@pytest.mark.skipif(os.name == "nt", reason="nobody is killed like that there")
def test_what_a_killed_download_leaves_is_swept_by_the_next(tmp_path):
    path = tmp_path / SMALL.file_name
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (name,) = os.listdir(tmp_path)
    assert name.endswith(".part")
    (tmp_path / "small.zip").write_bytes(zipped())
    fetch_arrays(SMALL, tmp_path, False, 0, 0.0)
    assert sorted(os.listdir(tmp_path)) == ["small.npz", "small.zip"]
