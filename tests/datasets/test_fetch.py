"""The fetchers that read a file from the data home: contents, checks and messages."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from skfedmtl.datasets import (
    fetch_heart_disease,
    fetch_human_activity,
    fetch_landmine,
    fetch_parkinsons,
    get_data_home,
)
from skfedmtl.datasets._fetch import SOURCES

FETCHERS = {
    "landmine": fetch_landmine,
    "human_activity": fetch_human_activity,
    "parkinsons": fetch_parkinsons,
    "heart_disease": fetch_heart_disease,
}
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
    assert bunch.target.dtype == (np.float64 if name == "parkinsons" else np.int64)
    found, counts = np.unique(bunch.nodes, return_counts=True)
    assert found.tolist() == list(labels)
    assert found.dtype == np.int64 or name == "heart_disease"
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


@every_fetcher
def test_missing_file_says_what_where_and_how(name, tmp_path):
    with pytest.raises(OSError) as error:
        FETCHERS[name](data_home=tmp_path)
    message = str(error.value)
    for part in (f"{name}.npz", str(tmp_path), "data_home=", "SKFEDMTL_DATA", "http"):
        assert part in message


def test_missing_folder_is_a_missing_file(tmp_path):
    with pytest.raises(OSError, match=r"landmine\.npz is not in the folder"):
        fetch_landmine(data_home=tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@every_fetcher
def test_another_file_is_refused(name, tmp_path):
    (tmp_path / f"{name}.npz").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with pytest.raises(OSError) as error:
        FETCHERS[name](data_home=tmp_path)
    for part in (SOURCES[name].sha256, empty, "(0 bytes)", str(tmp_path)):
        assert part in str(error.value)


@pytest.mark.parametrize("damage", ["truncated", "one bit"])
def test_damaged_copy_is_refused(damage, tmp_path):
    content = bytearray(need("heart_disease").read_bytes())
    if damage == "truncated":
        del content[-1]
    else:
        content[len(content) // 2] ^= 1
    (tmp_path / "heart_disease.npz").write_bytes(content)
    with pytest.raises(OSError, match=r"sha256 should be 1c154ad2f1712d0e.*, found "):
        fetch_heart_disease(data_home=tmp_path)


def test_data_home_from_the_environment_and_the_argument_beats_it(monkeypatch, tmp_path):
    path = need("heart_disease")
    good, empty = tmp_path / "good", tmp_path / "empty"
    good.mkdir()
    empty.mkdir()
    shutil.copyfile(path, good / path.name)

    monkeypatch.setenv("SKFEDMTL_DATA", str(good))
    assert fetch_heart_disease().data.shape == (920, 13)
    with pytest.raises(OSError, match="empty"):
        fetch_heart_disease(data_home=empty)

    monkeypatch.setenv("SKFEDMTL_DATA", str(empty))
    with pytest.raises(OSError, match="empty"):
        fetch_heart_disease()
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
@pytest.mark.parametrize("flag", ["as_frame", "return_X_y_nodes"])
def test_bad_flag_is_seen_before_the_file(name, flag, tmp_path):
    with pytest.raises(TypeError, match=f"{flag} must be True or False; got 1"):
        FETCHERS[name](data_home=tmp_path, **{flag: 1})


@every_fetcher
def test_options_are_keywords(name, tmp_path):
    with pytest.raises(TypeError, match="positional argument"):
        FETCHERS[name]("total", str(tmp_path))
