"""The fetchers: what they return, what they find in the data home, checks and messages."""

import inspect
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skfedmtl._tools.layout import digest
from skfedmtl.datasets import (
    fetch_heart_disease,
    fetch_human_activity,
    fetch_landmine,
    fetch_parkinsons,
    get_data_home,
)
from skfedmtl.datasets._fetch import fetch_arrays
from web import send, serve

FETCHERS = {
    "landmine": fetch_landmine,
    "human_activity": fetch_human_activity,
    "parkinsons": fetch_parkinsons,
    "heart_disease": fetch_heart_disease,
}
MODULES = {name: inspect.getmodule(fetcher) for name, fetcher in FETCHERS.items()}
SOURCES = {name: module.SOURCE for name, module in MODULES.items()}
# name: rows, features, dtype, nodes, smallest node, largest node, column of the target
EXPECTED = {
    "landmine": (14820, 9, np.float64, range(29), 445, 690, "mine"),
    "human_activity": (10299, 561, np.float32, range(1, 31), 281, 409, "activity"),
    "parkinsons": (5875, 16, np.float64, range(1, 43), 101, 168, "total_UPDRS"),
    "heart_disease": (
        920,
        13,
        np.float64,
        ("cleveland", "hungarian", "switzerland", "va"),
        123,
        303,
        "disease",
    ),
}
DATA = Path(
    os.environ.get("SKFEDMTL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data"
)
every_fetcher = pytest.mark.parametrize("name", FETCHERS)


def need(name):
    """Skip unless the data set's file is there; return its path."""
    path = DATA / SOURCES[name].file_name
    if not path.is_file():
        pytest.skip(f"{path} is not there (SKFEDMTL_DATA says where to look)")
    return path


@pytest.fixture(autouse=True)
def no_other_data_home(monkeypatch, tmp_path_factory):
    """Keep the machine's own settings and home folder out of the tests."""
    home = str(tmp_path_factory.mktemp("home"))
    monkeypatch.delenv("SKFEDMTL_DATA", raising=False)
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("USERPROFILE", home)


@every_fetcher
def test_shapes_dtypes_and_nodes(name):
    need(name)
    bunch = FETCHERS[name](data_home=DATA)
    n_rows, n_features, dtype, labels, smallest, largest, _ = EXPECTED[name]
    assert bunch.data.shape == (n_rows, n_features)
    assert bunch.data.dtype == dtype
    assert bunch.target.shape == bunch.nodes.shape == (n_rows,)
    assert bunch.target.dtype == (np.int64 if "target_names" in bunch else np.float64)
    found, counts = np.unique(bunch.nodes, return_counts=True)
    assert found.tolist() == list(labels)
    assert found.dtype.kind == "U" or found.dtype == np.int64
    assert (counts.min(), counts.max()) == (smallest, largest)
    assert len(bunch.feature_names) == len(set(bunch.feature_names)) == n_features
    assert all(type(feature) is str for feature in bunch.feature_names)
    assert np.isfinite(bunch.data).all() == (name != "heart_disease")
    assert bunch.frame is None
    assert "**Source.**" in bunch.DESCR and "**Licence.**" in bunch.DESCR


def test_landmine_classes():
    need("landmine")
    bunch = fetch_landmine(data_home=DATA)
    assert np.bincount(bunch.target).tolist() == [13916, 904]
    assert bunch.target_names[1] == "mine"
    assert (bunch.feature_names[0], bunch.feature_names[8]) == ("feature_0", "feature_8")


def test_human_activity_classes_and_names():
    path = need("human_activity")
    bunch = fetch_human_activity(data_home=DATA)
    rows = dict(
        zip(*np.unique(bunch.target_names[bunch.target - 1], return_counts=True), strict=True)
    )
    assert rows == {
        "WALKING": 1722,
        "WALKING_UPSTAIRS": 1544,
        "WALKING_DOWNSTAIRS": 1406,
        "SITTING": 1777,
        "STANDING": 1906,
        "LAYING": 1944,
    }
    with np.load(path, allow_pickle=False) as arrays:
        published = arrays["feature_names"].tolist()
    changed = [(a, b) for a, b in zip(published, bunch.feature_names, strict=True) if a != b]
    assert len(changed) == 84
    assert sum(b == f"{a}_2" for a, b in changed) == sum(b == f"{a}_3" for a, b in changed) == 42


def test_parkinsons_targets():
    need("parkinsons")
    total, motor = (fetch_parkinsons(t, data_home=DATA) for t in ("total", "motor"))
    np.testing.assert_array_equal(
        fetch_parkinsons(data_home=DATA, return_X_y_nodes=True)[1], total.target
    )
    np.testing.assert_array_equal(total.data, motor.data)
    assert "target_names" not in total
    ends = [(b.target.min(), b.target.max(), b.target.mean()) for b in (total, motor)]
    expected = [(7, 54.992, 29.019), (5.0377, 39.511, 21.296)]
    np.testing.assert_allclose(ends, expected, atol=5e-4)


def test_heart_disease_missing_values_and_hospitals():
    need("heart_disease")
    bunch = fetch_heart_disease(data_home=DATA)
    column = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    missing = {k: int(np.isnan(v).sum()) for k, v in column.items() if np.isnan(v).any()}
    assert missing == {
        "trestbps": 59,
        "chol": 30,
        "fbs": 90,
        "restecg": 2,
        "thalach": 55,
        "exang": 55,
        "oldpeak": 62,
        "slope": 309,
        "ca": 611,
        "thal": 486,
    }
    assert ((column["chol"] == 0).sum(), (column["trestbps"] == 0).sum()) == (172, 1)
    assert "``chol`` of 0" in bunch.DESCR and "``trestbps`` of 0" in bunch.DESCR
    shares = [bunch.target[bunch.nodes == k].mean() for k in EXPECTED["heart_disease"][3]]
    np.testing.assert_allclose(shares, [0.459, 0.361, 0.935, 0.745], atol=5e-4)
    assert bunch.target_names[1] == "disease"


@every_fetcher
def test_as_frame(name):
    pd = pytest.importorskip("pandas")
    need(name)
    arrays = FETCHERS[name](data_home=DATA)
    frames = FETCHERS[name](data_home=DATA, as_frame=True)
    column = EXPECTED[name][-1]
    assert frames.frame.columns.tolist() == [*arrays.feature_names, "node", column]
    assert isinstance(frames.data, pd.DataFrame)
    assert (frames.data.dtypes == arrays.data.dtype).all()
    np.testing.assert_array_equal(frames.data, arrays.data)
    pd.testing.assert_frame_equal(frames.frame[arrays.feature_names], frames.data)
    for key, series in [("target", column), ("nodes", "node")]:
        np.testing.assert_array_equal(frames[key], arrays[key])
        pd.testing.assert_series_equal(frames.frame[series], frames[key])


@every_fetcher
def test_return_X_y_nodes(name):
    need(name)
    bunch = FETCHERS[name](data_home=DATA)
    X, y, nodes = FETCHERS[name](data_home=DATA, return_X_y_nodes=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)
    np.testing.assert_array_equal(nodes, bunch.nodes)


def test_return_X_y_nodes_as_frame():
    pd = pytest.importorskip("pandas")
    need("parkinsons")
    X, y, nodes = fetch_parkinsons("motor", data_home=DATA, as_frame=True, return_X_y_nodes=True)
    assert isinstance(X, pd.DataFrame)
    assert (y.name, nodes.name) == ("motor_UPDRS", "node")


# -- files in the data home ---------------------------------------------------------------


def raw(name):
    """Return the folder of the publishers' files, or skip."""
    need(name)
    folder = DATA / "raw" / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


def read_members(name):
    """Return the contents of the publishers' files, from wherever they lie."""
    folder, source = raw(name), SOURCES[name]
    if name == "human_activity":
        with zipfile.ZipFile(folder / "UCI HAR Dataset.zip") as archive:
            return {m.name: archive.read(f"UCI HAR Dataset/{m.name}") for m in source.members}
    return {m.name: (folder / m.name).read_bytes() for m in source.members}


def write_archive(path, name, prefix=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for member, content in read_members(name).items():
            archive.writestr(prefix + member, content)


def check(name, folder):
    """Check that the data in a folder are the expected ones, and return the names in it."""
    bunch = FETCHERS[name](data_home=folder, download_if_missing=False)
    expected = FETCHERS[name](data_home=DATA)
    np.testing.assert_array_equal(bunch.data, expected.data)
    np.testing.assert_array_equal(bunch.target, expected.target)
    np.testing.assert_array_equal(bunch.nodes, expected.nodes)
    assert bunch.feature_names == expected.feature_names
    return {path.name for path in folder.iterdir()}


@every_fetcher
def test_the_publishers_files_give_the_arrays_of_the_kept_file(name):
    path = need(name)
    arrays = SOURCES[name].parse(read_members(name))
    with np.load(path, allow_pickle=False) as kept:
        assert arrays.keys() == set(kept.files)
        for key in kept.files:
            assert arrays[key].dtype == kept[key].dtype, key
            assert arrays[key].shape == kept[key].shape, key
            assert arrays[key].tobytes() == kept[key].tobytes(), key
    assert digest(arrays) == SOURCES[name].sha256


@every_fetcher
def test_the_layout_of_raw_folders(name, tmp_path):
    shutil.copytree(raw(name), tmp_path / "raw" / name)
    assert check(name, tmp_path) == {"raw", f"{name}.npz"}
    shutil.rmtree(tmp_path / "raw")
    assert check(name, tmp_path) == {f"{name}.npz"}


@every_fetcher
def test_archives_put_there_by_hand(name, tmp_path):
    for archive in SOURCES[name].archives:
        write_archive(tmp_path / archive, name, "any folder/")
        assert check(name, tmp_path) == {archive, f"{name}.npz"}
        (tmp_path / archive).unlink()
        (tmp_path / f"{name}.npz").unlink()


@every_fetcher
def test_unpacked_files_put_there_by_hand(name, tmp_path):
    folder = tmp_path / SOURCES[name].folder
    for member, content in read_members(name).items():
        (folder / member).parent.mkdir(parents=True, exist_ok=True)
        (folder / member).write_bytes(content)
    assert f"{name}.npz" in check(name, tmp_path)


def test_a_folder_for_reading_only_is_enough(tmp_path, monkeypatch):
    shutil.copytree(raw("heart_disease"), tmp_path / "raw" / "heart_disease")

    def fail(*args):
        raise PermissionError("read-only")

    monkeypatch.setattr("skfedmtl.datasets._fetch._keep", fail)
    assert check("heart_disease", tmp_path) == {"raw"}


def test_some_of_the_files_are_not_the_data_set(tmp_path):
    shutil.copy(raw("heart_disease") / "processed.va.data", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"processed\.cleveland\.data"):
        fetch_heart_disease(data_home=tmp_path, download_if_missing=False)


@pytest.mark.parametrize("name", [name for name in FETCHERS if not SOURCES[name].folder])
@pytest.mark.parametrize("damage", ["truncated", "longer", "one bit"])
def test_damaged_files_are_refused(name, damage, tmp_path):
    for member, content in read_members(name).items():
        damaged = bytearray(content)
        if damage == "truncated":
            del damaged[-1]
        elif damage == "longer":
            damaged += b"\n"
        else:
            damaged[len(damaged) // 2] ^= 1
        (tmp_path / member).write_bytes(damaged)
    first = SOURCES[name].members[0]
    with pytest.raises(OSError, match=f"{first.name} is damaged .* should be {first.sha256}"):
        FETCHERS[name](data_home=tmp_path)


@every_fetcher
def test_other_archives_are_refused(name, tmp_path):
    path = tmp_path / SOURCES[name].archives[0]
    path.write_bytes(b"not an archive")
    with pytest.raises(OSError, match="not a readable zip archive") as error:
        FETCHERS[name](data_home=tmp_path)
    assert str(path) in str(error.value)


@every_fetcher
def test_missing_data_say_what_where_and_how(name, tmp_path):
    source = SOURCES[name]
    with pytest.raises(FileNotFoundError) as error:
        FETCHERS[name](data_home=tmp_path, download_if_missing=False)
    message = str(error.value)
    parts = [f"{name}.npz", str(tmp_path), *source.archives, source.mirrors[0]]
    for part in (*parts, "data_home=", "SKFEDMTL_DATA", "download_if_missing=False"):
        assert part in message


@every_fetcher
def test_offline_says_what_was_tried(name, tmp_path):
    with pytest.raises(OSError) as error:
        FETCHERS[name](data_home=tmp_path, n_retries=0)
    message = str(error.value)
    for part in (f"{name}.npz", str(tmp_path), "Put by hand", *SOURCES[name].mirrors):
        assert part in message
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_a_missing_file(tmp_path):
    with pytest.raises(OSError, match=r"landmine\.npz is not in the folder"):
        fetch_landmine(data_home=tmp_path / "nowhere", download_if_missing=False)
    assert not (tmp_path / "nowhere").exists()


# -- the kept file ------------------------------------------------------------------------


@every_fetcher
@pytest.mark.parametrize("content", [b"", b"text", b"PK\x05\x06" + bytes(18)])
def test_another_file_is_refused(name, content, tmp_path):
    path = tmp_path / f"{name}.npz"
    path.write_bytes(content)
    with pytest.raises(OSError, match="is damaged or not the expected file") as error:
        FETCHERS[name](data_home=tmp_path)
    for part in (SOURCES[name].sha256, str(path), "Remove it"):
        assert part in str(error.value)
    assert path.read_bytes() == content


def test_other_arrays_are_refused(tmp_path):
    path = tmp_path / "heart_disease.npz"
    with np.load(need("heart_disease"), allow_pickle=False) as file:
        arrays = dict(file)
    np.savez(path, **arrays)
    assert fetch_heart_disease(data_home=tmp_path).data.shape == (920, 13)
    changed = arrays["X"].copy()
    changed[0, 0] += 1.0
    for wrong in (
        {**arrays, "X": changed},
        {**arrays, "X": arrays["X"].astype(np.float32)},
        {**arrays, "X": arrays["X"].T},
        {**arrays, "more": arrays["y"]},
        {key: value for key, value in arrays.items() if key != "num"},
        {**arrays, "node_names": arrays["node_names"][::-1]},
    ):
        np.savez(path, **wrong)
        with pytest.raises(OSError, match=f"should be {SOURCES['heart_disease'].sha256}, found "):
            fetch_heart_disease(data_home=tmp_path)


def test_bombs_pickles_and_single_arrays_are_refused(tmp_path):
    path = tmp_path / "heart_disease.npz"

    def refuse(reason):
        with pytest.raises(OSError, match=reason):
            fetch_heart_disease(data_home=tmp_path)

    np.savez_compressed(path, X=np.zeros(10**7))
    refuse("unpacked it has .* bytes; at most")
    np.savez(path, X=np.array([print], dtype=object))
    refuse("allow_pickle")
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    refuse("it holds a single array")


@pytest.mark.parametrize("damage", ["truncated", "one bit"])
def test_damaged_copy_is_refused(damage, tmp_path):
    content = bytearray(need("heart_disease").read_bytes())
    if damage == "truncated":
        del content[-1]
    else:
        content[len(content) // 2] ^= 1
    (tmp_path / "heart_disease.npz").write_bytes(content)
    with pytest.raises(OSError, match=f"should be {SOURCES['heart_disease'].sha256}, found "):
        fetch_heart_disease(data_home=tmp_path)


# -- the publishers' addresses, on this machine -------------------------------------------


@every_fetcher
def test_the_real_data_over_the_network(name, tmp_path, monkeypatch):
    members = read_members(name)
    write_archive(tmp_path / "upstream.zip", name, "some folder/")
    archive = (tmp_path / "upstream.zip").read_bytes()
    with serve() as server:
        mirrors = (server.url("/upstream.zip", send(archive)), server.files("/folder/", members))
        for number, mirror in enumerate(mirrors):
            folder = tmp_path / f"home {number}"
            source = replace(SOURCES[name], mirrors=(server.url("/gone.zip"), mirror))
            monkeypatch.setattr(MODULES[name], "SOURCE", source)
            bunch = FETCHERS[name](data_home=folder, n_retries=0)
            assert bunch.data.shape == EXPECTED[name][:2]
            assert check(name, folder) == {f"{name}.npz"}


def test_addresses_are_of_files_that_can_be_told():
    for source in SOURCES.values():
        assert len(source.mirrors) >= 2
        for mirror in source.mirrors:
            assert mirror.startswith(("http://", "https://"))
            assert mirror.endswith(("/", ".zip"))
        for member in source.members:
            assert len(member.sha256) == 64 and member.size > 0


def test_a_parser_that_changes_its_mind_is_noticed(tmp_path):
    source = replace(SOURCES["heart_disease"], sha256="0" * 64)
    shutil.copytree(raw("heart_disease"), tmp_path / "raw" / "heart_disease")
    with pytest.raises(RuntimeError, match="the arrays made of them are not"):
        fetch_arrays(source, tmp_path, False, 0, 0.0)


# -- arguments ----------------------------------------------------------------------------


def test_data_home_from_the_environment_and_the_argument_beats_it(monkeypatch, tmp_path):
    path = need("heart_disease")
    good, empty = tmp_path / "good", tmp_path / "empty"
    good.mkdir()
    empty.mkdir()
    shutil.copyfile(path, good / path.name)

    monkeypatch.setenv("SKFEDMTL_DATA", str(good))
    assert fetch_heart_disease().data.shape == (920, 13)
    with pytest.raises(OSError, match="empty"):
        fetch_heart_disease(data_home=empty, download_if_missing=False)

    monkeypatch.setenv("SKFEDMTL_DATA", str(empty))
    with pytest.raises(OSError, match="empty"):
        fetch_heart_disease(download_if_missing=False)
    assert fetch_heart_disease(data_home=str(good)).data.shape == (920, 13)


def test_get_data_home(monkeypatch):
    home = os.path.expanduser("~")
    assert get_data_home() == f"{home}/skfedmtl_data"
    monkeypatch.setenv("SKFEDMTL_DATA", "")
    assert get_data_home() == f"{home}/skfedmtl_data"
    monkeypatch.setenv("SKFEDMTL_DATA", "~/elsewhere")
    assert get_data_home() == f"{home}/elsewhere"
    assert get_data_home(Path("here")) == "here"
    assert get_data_home("~/there") == f"{home}/there"
    assert not os.listdir(home)


@pytest.mark.parametrize("data_home", [3, b"folder", ["folder"]])
def test_data_home_of_another_type(data_home):
    with pytest.raises(TypeError, match="data_home must be None, a str or a path-like; got "):
        fetch_landmine(data_home=data_home)


def test_empty_data_home():
    with pytest.raises(ValueError, match="data_home must be None or the path of a folder"):
        fetch_landmine(data_home="")


@pytest.mark.parametrize("target", ["both", None, 0, ["total"]])
def test_bad_target(target, tmp_path):
    with pytest.raises(ValueError, match="target must be one of 'total', 'motor'; got ") as error:
        fetch_parkinsons(target, data_home=tmp_path)
    assert repr(target) in str(error.value)


@every_fetcher
@pytest.mark.parametrize("flag", ["as_frame", "return_X_y_nodes", "download_if_missing"])
def test_bad_flag_is_seen_before_the_file(name, flag, tmp_path):
    with pytest.raises(TypeError, match=f"{flag} must be True or False; got 1"):
        FETCHERS[name](data_home=tmp_path, **{flag: 1})


@every_fetcher
def test_options_are_keywords(name, tmp_path):
    with pytest.raises(TypeError, match="positional argument"):
        FETCHERS[name]("total", str(tmp_path))


@every_fetcher
@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("n_retries", -1, ValueError),
        ("n_retries", 1.5, TypeError),
        ("n_retries", True, TypeError),
        ("n_retries", None, TypeError),
        ("delay", -0.1, ValueError),
        ("delay", float("nan"), ValueError),
        ("delay", float("inf"), ValueError),
        ("delay", "1", TypeError),
        ("delay", False, TypeError),
    ],
)
def test_bad_retries_and_delays(name, option, value, error, tmp_path):
    with pytest.raises(error, match=f"{option} must be a .* at least 0; got ") as caught:
        FETCHERS[name](data_home=tmp_path, **{option: value})
    assert repr(value) in str(caught.value)


@every_fetcher
def test_the_signature_is_that_of_scikit_learn(name):
    parameters = inspect.signature(FETCHERS[name]).parameters
    defaults = {
        "data_home": None,
        "download_if_missing": True,
        "n_retries": 3,
        "delay": 1.0,
        "as_frame": False,
    }
    for option, default in defaults.items():
        assert parameters[option].default == default
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
