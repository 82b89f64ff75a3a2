"""load_endad: both formats, and what it says of files that have neither."""

import io
import re
from pathlib import Path
from zipfile import ZIP_LZMA, ZipFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from skfedmtl.datasets import load_endad, make_endad_like

ROWS = {
    "X": np.array([[0.5, -1.0], [1e-3, 2.0], [3.0, 0.1]]),
    "y": np.array([1, 0, 1]),
    "nodes": np.array(["a", "b", "a"]),
}
CSV = "first,node,lesion,second\n0.5,a,1,-1\n1e-3,b,0,2.0\n3,a,1,0.1\n"


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(content, suffix=None):
        if isinstance(content, dict):
            path = tmp_path / f"endad{suffix or '.npz'}"
            with open(path, "wb") as file:
                np.savez(file, **content)
        else:
            path = tmp_path / f"endad{suffix or '.csv'}"
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refuse(path, reason=""):
    with pytest.raises(ValueError, match=r"^path: ") as error:
        load_endad(path)
    assert str(path) in str(error.value)
    assert re.search(reason, str(error.value).replace(str(path), ""))


# -- files that are as they should be -----------------------------------------------------


@pytest.mark.parametrize("content", [ROWS, CSV], ids=["npz", "csv"])
def test_both_formats(content, write):
    bunch = load_endad(write(content))
    assert_array_equal(bunch.data, ROWS["X"])
    assert_array_equal(bunch.target, ROWS["y"])
    assert_array_equal(bunch.nodes, ROWS["nodes"])
    assert (bunch.data.dtype, bunch.target.dtype) == (np.float64, np.int64)
    names = ["first", "second"] if content is CSV else ["feature_0", "feature_1"]
    assert bunch.feature_names == names
    assert bunch.target_names[bunch.target].tolist() == ["lesion", "healthy", "lesion"]
    assert bunch.frame is None and "private" in bunch.DESCR


def test_paths_are_strings_or_paths(write):
    path = write(ROWS)
    assert_array_equal(load_endad(str(path)).data, load_endad(Path(path)).data)


def test_names_in_the_file(write):
    bunch = load_endad(write({**ROWS, "feature_names": np.array(["p", "q"]), "more": np.ones(2)}))
    assert bunch.feature_names == ["p", "q"]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint8, bool])
def test_any_numbers_will_do(dtype, write):
    X = np.array([[0, 1], [1, 1], [1, 0]], dtype=dtype)
    bunch = load_endad(write({"X": X, "y": np.array([1.0, 0.0, 1.0]), "nodes": [3, 1, 3]}))
    assert bunch.data.dtype == np.float64 and bunch.target.dtype == bunch.nodes.dtype == np.int64
    assert_array_equal(bunch.data, X)
    assert bunch.nodes.tolist() == [3, 1, 3]


def test_nodes_that_are_whole_numbers_are_read_as_such(write):
    assert load_endad(write(CSV.replace("a", "12").replace("b", "-3"))).nodes.dtype == np.int64
    padded = load_endad(write(CSV.replace(",a,", ",012,").replace(",b,", ",3,")))
    assert padded.nodes.tolist() == ["012", "3", "012"]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + CSV,
        CSV.replace("\n", "\r\n"),
        CSV.rstrip("\n"),
        CSV + "\n\n",
        CSV.replace("first", '"first"').replace(",a,", ',"a",'),
    ],
    ids=["byte order mark", "CRLF", "no end", "empty lines", "quotes"],
)
def test_spellings_of_csv(text, write):
    bunch = load_endad(write(text))
    assert_array_equal(bunch.data, ROWS["X"])
    assert bunch.feature_names == ["first", "second"] and bunch.nodes[0] == "a"


def test_containers(write):
    pd = pytest.importorskip("pandas")
    path = write(CSV)
    frame = load_endad(path, as_frame=True).frame
    assert frame.columns.tolist() == ["first", "second", "node", "lesion"]
    X, y, nodes = load_endad(path, as_frame=True, return_X_y_nodes=True)
    pd.testing.assert_frame_equal(X, frame[["first", "second"]])
    assert (y.name, nodes.name) == ("lesion", "node")


@given(
    X=arrays(np.float64, (4, 3), elements=st.floats(allow_nan=False, allow_infinity=False)),
    nodes=st.lists(st.integers(-5, 5), min_size=4, max_size=4),
)
def test_what_a_frame_writes_is_read_back(X, nodes, tmp_path_factory):
    pd = pytest.importorskip("pandas")
    path = tmp_path_factory.mktemp("csv") / "endad.csv"
    frame = pd.DataFrame(X, columns=["a", "b", "c,d"]).assign(node=nodes, lesion=[0, 1, 1, 0])
    frame.to_csv(path, index=False)
    bunch = load_endad(path, as_frame=True)
    pd.testing.assert_frame_equal(bunch.frame, frame, check_exact=True)


def test_a_file_of_full_size(write):
    made = make_endad_like(random_state=0)
    bunch = load_endad(write({"X": made.data, "y": made.target, "nodes": made.nodes}))
    assert_array_equal(bunch.data, made.data)
    assert bunch.feature_names == made.feature_names


# -- files that are not -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"X": None}, r"lacks the array 'X'; it holds \['nodes', 'y'\]"),
        ({"y": None}, "lacks the array 'y'"),
        ({"nodes": None}, "lacks the array 'nodes'"),
        ({"X": np.ones(3)}, r"'X' must have 2 axes, its shape is \(3,\)"),
        ({"X": np.ones((3, 2, 1))}, "'X' must have 2 axes"),
        ({"X": np.array([["1", "2"]] * 3)}, "'X' must hold numbers, it holds <U1"),
        ({"X": np.ones((3, 2), dtype=complex)}, "'X' must hold numbers, it holds complex128"),
        ({"X": np.array([[print, 1]] * 3)}, "allow_pickle"),
        ({"X": np.ones((2, 2))}, "'X' has 2 rows, 'y' has 3 entries"),
        ({"X": np.ones((3, 0))}, "has 3 rows and 0 features"),
        ({"X": np.ones((0, 2)), "y": np.ones(0), "nodes": np.ones(0)}, "has 0 rows"),
        ({"X": np.array([[1, 2], [3, np.nan], [5, 6]])}, "row 1, 'feature_1', is nan"),
        ({"X": np.array([[1, 2], [3, 4], [-np.inf, 6]])}, "row 2, 'feature_0', is -inf"),
        ({"y": np.ones((3, 1))}, "'y' must have 1 axes"),
        ({"y": np.array(["0", "1", "0"])}, "'y' must hold numbers"),
        ({"y": np.array([0, 1, 2])}, r"targets must be 1 \(lesion\) and 0, both; it has \[0, 1, 2"),
        ({"y": np.array([-1, 1, 1])}, r"it has \[-1, 1\]"),
        ({"y": np.array([0, 0.5, 1])}, r"it has \[0.0, 0.5, 1.0\]"),
        ({"y": np.array([0, np.nan, 1])}, r"it has \[0.0, 1.0, nan\]"),
        ({"y": np.array([1, 1, 1])}, r"both; it has \[1\]"),
        ({"nodes": np.array(["a", "b"])}, "'X' has 3 rows, 'nodes' has 2 entries"),
        ({"nodes": np.array([0.5, 1, 2])}, "`nodes` must hold integers, strings or booleans"),
        ({"nodes": np.array([np.nan, 1, 2])}, "missing"),
        ({"nodes": np.ones((3, 1))}, "1-d"),
        ({"feature_names": np.array(["p"])}, "'feature_names' must hold 2 strings"),
        ({"feature_names": np.array([1, 2])}, "'feature_names' must hold 2 strings"),
        ({"feature_names": np.array(["p", "p"])}, "features need names of their own"),
        ({"feature_names": np.array(["p", "lesion"])}, "features need names of their own"),
    ],
)
def test_malformed_npz(change, reason, write):
    refuse(write({k: v for k, v in {**ROWS, **change}.items() if v is not None}), reason)


def test_npz_that_are_none(write, tmp_path):
    whole = write(ROWS).read_bytes()
    for content in (b"", b"text", CSV.encode(), whole[:100], whole[:-30]):
        refuse(write(content, ".npz"), "no readable .npz file")
    np.save(tmp_path / "endad.npy", ROWS["X"])
    single = (tmp_path / "endad.npy").read_bytes()
    refuse(write(single, ".npz"), "it holds a single array")


def test_entries_of_an_npz_that_are_no_arrays(write):
    path = write(ROWS)
    with ZipFile(path, "a") as archive:
        archive.writestr("README", "text")
    refuse(path, "it holds 'README', which is no array")
    content = io.BytesIO()
    with ZipFile(content, "w", ZIP_LZMA) as archive:
        archive.writestr("X.npy", bytes(100))
    damaged = bytearray(content.getvalue())
    damaged[44:60] = b"\xff" * 16
    refuse(write(bytes(damaged), ".npz"), "no readable .npz file")


def test_damaged_npz(write):
    content = write(ROWS).read_bytes()
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        try:
            load_endad(write(bytes(damaged), ".npz"))
        except ValueError as error:
            assert str(error).startswith("path: ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1: the header must have one column 'node'"),
        ("first,lesion\n1,0\n", "the header must have one column 'node'"),
        ("first,node\n1,0\n", "the header must have one column 'lesion'"),
        (CSV.replace("second", "node"), "the header must have one column 'node'"),
        (CSV.replace("second", "lesion"), "the header must have one column 'lesion'"),
        (CSV.replace("second", "first"), "features need names of their own"),
        (CSV.replace(",", ";"), "the header must have one column 'node'"),
        ("node,lesion\na,1\nb,0\n", "has 2 rows and 0 features"),
        ("first,node,lesion,second\n", "has 0 rows and 2 features"),
        (CSV.replace("2.0", "two"), "line 3: column 'second' must hold numbers, got 'two'"),
        ("first,node,lesion\n1,a,1\n2,,0\n", "line 3: column 'node' is empty"),
        (CSV.replace("2.0", ""), "line 3: column 'second' must hold numbers, got ''"),
        (CSV.replace("2.0", "nan"), "row 1, 'second', is nan"),
        (CSV.replace("2.0", "1e999"), "row 1, 'second', is inf"),
        (CSV.replace(",0,", ",no,"), "line 3: column 'lesion' must hold numbers, got 'no'"),
        (CSV.replace(",0,", ",2,"), r"targets must be 1 \(lesion\) and 0, both; it has \[1.0, 2.0"),
        (CSV.replace(",0,", ",1,"), r"both; it has \[1.0\]"),
        (CSV.replace(",2.0", ",2.0,7"), "line 3: 5 columns; the header has 4"),
        (CSV.replace(",2.0", ""), "line 3: 3 columns; the header has 4"),
        (CSV.replace("2.0", '"2.0'), "line .: "),
        (b"\xff\xfe" + CSV.encode("utf-16-le"), "utf-8"),
        (b"PK\x03\x04" + bytes(range(256)), ""),
        (CSV.replace("0.1", "0.1\x00"), "line 4: "),
    ],
)
def test_malformed_csv(text, reason, write):
    refuse(write(text, ".csv"), reason)


@pytest.mark.parametrize("name", ["endad", "endad.txt", "endad.npy", "endad.csv.gz", ""])
def test_other_suffixes(name):
    with pytest.raises(ValueError, match=r"path must end in \.npz or \.csv; got ") as error:
        load_endad(name)
    assert repr(name) in str(error.value)


@pytest.mark.parametrize("path", [None, 3, b"endad.npz", ["endad.npz"]])
def test_paths_of_another_type(path):
    with pytest.raises(TypeError, match="path must be a str or a path-like; got "):
        load_endad(path)


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_files_that_cannot_be_opened(suffix, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"none{suffix}"):
        load_endad(tmp_path / f"none{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(OSError, match=f"folder{suffix}"):
        load_endad(tmp_path / f"folder{suffix}")


@pytest.mark.parametrize("flag", ["as_frame", "return_X_y_nodes"])
def test_bad_flags(flag, write):
    with pytest.raises(TypeError, match=f"{flag} must be True or False; got 'yes'"):
        load_endad(write(ROWS), **{flag: "yes"})
