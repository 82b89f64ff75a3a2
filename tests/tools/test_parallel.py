"""What calls have in common: packed once, with large arrays beside it, and as it was behind it."""

import os
import pickle
import sys

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skfedmtl._tools.parallel import Shared, _WithShared, call_each

LARGE = np.arange(2**18, dtype=float)  #: two megabytes
SMALL = np.arange(10.0)


def common():
    return {"rows": LARGE, "again": (LARGE, SMALL), "names": np.array(["a", None], dtype=object)}


def through_bytes(shared):
    return pickle.loads(pickle.dumps(shared, protocol=5))


def test_what_comes_out_is_what_went_in():
    value = through_bytes(through_bytes(Shared(common()))).value
    assert_array_equal(value["rows"], LARGE)
    assert value["again"][0] is value["rows"]
    assert_array_equal(value["again"][1], SMALL)
    assert value["names"].tolist() == ["a", None]


def test_every_call_gets_the_same_arrays():
    """By which joblib knows that it has mapped them."""
    shared = Shared(common())
    (_, (packed, large)), (_, (packed_again, large_again)) = (shared.__reduce__() for _ in "ab")
    assert packed is packed_again
    assert len(large) == 1
    assert large[0] is LARGE is large_again[0]
    assert packed.nbytes < 2000


def test_the_size_is_that_of_all_that_is_sent():
    shared = Shared(common())
    assert LARGE.nbytes < sys.getsizeof(shared) < LARGE.nbytes + 2000
    assert sys.getsizeof(through_bytes(shared)) == sys.getsizeof(shared)


def test_what_goes_on_is_what_came():
    """Whatever calls of the worker in between have done to it."""
    shared = through_bytes(Shared([1, 2]))
    shared.value.append(3)
    assert through_bytes(shared).value == [1, 2]


def test_rows_in_a_file_stay_there(tmp_path):
    path = tmp_path / "rows"
    LARGE.tofile(path)
    rows = np.memmap(path, dtype=float, mode="r")
    found = call_each(getattr, (rows,), [("filename",)] * 2, n_jobs=2)
    assert [str(one) for one in found] == [str(path)] * 2


@pytest.mark.parametrize("backend", ["loky", "threading", "sequential"])
def test_arguments_come_in_order(backend):
    with joblib.parallel_config(backend):
        found = call_each(pow, (2, 5), ((7,), (9,)), n_jobs=2)
    assert found == [4, 5]


@pytest.mark.parametrize(("n_calls", "is_here"), [(1, True), (2, False)])
def test_a_single_call_starts_no_process(n_calls, is_here):
    pids = call_each(os.getpid, (), [()] * n_calls, n_jobs=2)
    assert [pid == os.getpid() for pid in pids] == [is_here] * n_calls


def test_results_come_as_they_are_asked_for_where_the_backend_can():
    one_by_one = call_each(pow, (2, 5), [(7,)], n_jobs=1, return_as="generator")
    assert next(one_by_one) == 4
    with joblib.parallel_config("multiprocessing"):
        found = call_each(pow, (2, 5), [(7,)], n_jobs=2, return_as="generator")
    assert list(found) == [4]


def test_functions_keep_their_names():
    """Which dask's pages show."""
    assert _WithShared(np.outer).__name__ == "outer"
