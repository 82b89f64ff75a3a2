"""Files that are there as a whole or not at all, and what is left of those that are not."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from skfedmtl._tools import parts as part_files
from skfedmtl._tools.files import read_npz, write_npz, write_whole
from skfedmtl._tools.layout import Field, check_fields

WRITER = """
import os, signal, sys
from pathlib import Path
from skfedmtl._tools.files import write_whole

def write(file):
    file.write(b"half")
    file.flush()
    if sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    print("ready", flush=True)
    sys.stdin.readline()
    file.write(b" and half")

write_whole({Path(sys.argv[1]): write})
"""


def put(path, content=b"whole"):
    write_whole({path: lambda file: file.write(content)})


def parts(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".part"))


def name_of(pid, home, name="file"):
    return f".{name}.{pid}-{home}{'0' * 8}.part"


@pytest.fixture(scope="module")
def dead_pid():
    """That of a process which has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.skipif(os.name == "nt", reason="nobody is killed like that there")
def test_parts_of_the_killed_go_and_those_of_the_living_stay(tmp_path):
    command = [sys.executable, "-c", WRITER]
    living = subprocess.Popen(
        [*command, str(tmp_path / "slow"), "wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with living:
        assert living.stdout.readline() == "ready\n"
        (own,) = parts(tmp_path)
        done = subprocess.run([*command, str(tmp_path / "other"), "die"], check=False)
        assert done.returncode == -signal.SIGKILL
        assert len(parts(tmp_path)) == 2
        put(tmp_path / "file")
        assert parts(tmp_path) == [own]
        living.communicate("go on\n")
    assert living.returncode == 0
    assert (tmp_path / "slow").read_bytes() == b"half and half"
    assert sorted(os.listdir(tmp_path)) == ["file", "slow"]


@pytest.mark.skipif(os.name == "nt", reason="pids cannot be asked about there")
@pytest.mark.parametrize(
    ("owner", "hours", "goes"),
    [
        ("dead", 0, True),
        ("living", 1, False),
        ("living", 25, True),  # its pid has gone to another process
        ("elsewhere", 1, False),
        ("elsewhere", 25, True),
        ("not ours", 1, False),
        ("none that can be", 0, True),
    ],
)
def test_whose_parts_are_left(owner, hours, goes, dead_pid, tmp_path, monkeypatch):
    here, there = part_files._home(), "0" * 8
    kill = os.kill

    def kill_as_somebody_else(pid, number):
        if pid == 77:
            raise PermissionError("not yours")
        kill(pid, number)

    monkeypatch.setattr(os, "kill", kill_as_somebody_else)
    pid, home = {
        "dead": (dead_pid, here),
        "living": (os.getpid(), here),
        "elsewhere": (dead_pid, there),
        "not ours": (77, here),
        "none that can be": (9999999999, here),
    }[owner]
    part = tmp_path / name_of(pid, home)
    part.write_bytes(b"half")
    then = time.time() - 3600 * hours
    os.utime(part, (then, then))
    put(tmp_path / "file")
    assert part.exists() != goes


def test_nothing_else_is_swept(dead_pid, tmp_path):
    home = part_files._home()
    names = [
        f"file.{dead_pid}-{home}00000000.part",
        f".file.{dead_pid}-{home}00000000.part.gz",
        f".file.{dead_pid}-{home}.part",
        ".file.part",
        ".file.x-0000000000000000.part",
    ]
    for name in names:
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / name_of(dead_pid, home, "folder")).mkdir()
    put(tmp_path / "file")
    assert sorted(os.listdir(tmp_path)) == sorted(
        [*names, "file", name_of(dead_pid, home, "folder")]
    )


def test_what_cannot_be_removed_stays(dead_pid, tmp_path, monkeypatch):
    part = tmp_path / name_of(dead_pid, part_files._home())
    part.write_bytes(b"half")

    def refuse(path):
        raise PermissionError(path)

    monkeypatch.setattr(os, "unlink", refuse)
    monkeypatch.setattr(part_files, "_may_live", lambda pid: False)
    part_files.sweep(tmp_path)
    assert part.exists()
    part_files.sweep(tmp_path / "nowhere")


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    put(tmp_path / "file")

    def fail(file):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole({tmp_path / "new": lambda file: file.write(b"new"), tmp_path / "file": fail})
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"whole"


# -- arrays ---------------------------------------------------------------------------------

ARRAYS = {
    "file": np.arange(6.0).reshape(2, 3),
    "allow_pickle": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "0/name": np.array("text"),
    "none": np.empty((0, 3)),
    "scalar": np.array(True),
    "big": np.arange(3, dtype=">f8"),
}


def test_arrays_come_back(tmp_path):
    with open(tmp_path / "own.npz", "wb") as file:
        write_npz(file, ARRAYS)
    named = {name: array for name, array in ARRAYS.items() if "/" in name or name == "big"}
    np.savez_compressed(tmp_path / "numpy.npz", **named)
    for path, arrays in ((tmp_path / "own.npz", ARRAYS), (tmp_path / "numpy.npz", named)):
        found = read_npz(path)
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            expected = array.astype(array.dtype.newbyteorder("="))
            np.testing.assert_array_equal(found[name], expected, strict=True)
            assert found[name].flags.writeable
            assert found[name].flags.c_contiguous == array.flags.c_contiguous
        with np.load(path) as loaded:
            assert set(loaded.files) == set(arrays)


LAYOUT = {
    "X": Field(("rows", 2), "float64"),
    "y": Field(("rows",), "numbers", 0, 1),
    "n": Field((range(1, 4),), "int64"),
    "names": Field((2,), "strings", optional=True),
    "text": Field((), "strings", is_valid=lambda text: str(text) == "a"),
}
GOOD = {"X": np.zeros((3, 2)), "y": np.ones(3, bool), "n": np.arange(2), "text": np.array("a")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": None}, r"lacks the array 'X'; it holds \['n', 'text', 'y'\]"),
        ({"more": np.ones(3)}, "it holds 'more', which is not one of"),
        ({"X": np.zeros((3, 2), np.float32)}, "'X' must hold float64, it holds float32"),
        ({"X": np.zeros((3, 3))}, r"'X' must have the shape \(rows, 2\), its shape is \(3, 3\)"),
        ({"X": np.zeros(3)}, r"'X' must have 2 axes, its shape is \(3,\)"),
        ({"X": np.full((3, 2), np.nan)}, r"'X' must be finite, its entry \(0, 0\) is nan"),
        ({"y": np.ones(4)}, "'X' has 3 rows, 'y' has 4 entries"),
        ({"y": np.array([0.0, 1.0, 2.0])}, r"'y' must lie between 0 and 1, its entry \(2,\) is 2"),
        ({"n": np.arange(0)}, r"'n' must have the shape \(1 to 3\), its shape is \(0,\)"),
        ({"n": np.arange(4)}, r"'n' must have the shape \(1 to 3\)"),
        ({"names": np.array(["a"])}, r"'names' must hold 2 strings; it holds <U1 of shape \(1,\)"),
        ({"names": np.arange(2)}, "'names' must hold 2 strings; it holds int64"),
        ({"text": np.array(1)}, "'text' must hold strings, it holds int64"),
        ({"text": np.array("b")}, "'text' holds what nobody would have written"),
    ],
)
def test_layouts(change, message):
    check_fields(GOOD, LAYOUT)
    check_fields({**GOOD, "names": np.array(["a", "bc"])}, LAYOUT)
    check_fields({**GOOD, "more": np.ones(3)}, LAYOUT, more_allowed=True)
    arrays = {k: v for k, v in {**GOOD, **change}.items() if v is not None}
    with pytest.raises(ValueError, match=message):
        check_fields(arrays, LAYOUT)
