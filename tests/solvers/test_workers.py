"""Threads that share the nodes: who works, and what becomes of errors."""

import threading
import time

import joblib
import pytest

from skfedmtl._solvers import workers
from skfedmtl._solvers.workers import Workers


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(workers, "cpu_count", lambda: 4)


def names_of(workers, count):
    """The threads that meet when `count` of them have to."""
    barrier, names = threading.Barrier(count, timeout=60), set()

    def work(part):
        barrier.wait()
        names.add(threading.current_thread().name)

    workers.run(work, [(part,) for part in range(count)])
    return names


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_so_many_work_at_once_and_the_caller_is_one(n_jobs):
    """The same threads again and again; none is started for the caller alone."""
    before = threading.active_count()
    with Workers(n_jobs) as workers:
        names = names_of(workers, n_jobs)
        assert threading.current_thread().name in names and len(names) == n_jobs
        assert names_of(workers, n_jobs) == names
        assert threading.active_count() == before + n_jobs - 1
    assert threading.active_count() == before


def test_each_part_is_done_once():
    done = []
    with Workers(3) as workers:
        workers.run(lambda *part: done.append(part), [(k, -k) for k in range(100)])
        workers.run(done.append, [])
    assert sorted(done) == [(k, -k) for k in range(100)]


def test_joblib_says_how_many():
    with joblib.parallel_config(n_jobs=3), Workers(None) as workers:
        assert len(names_of(workers, 3)) == 3
    with Workers(None) as workers:
        assert len(names_of(workers, 1)) == 1
    with Workers(-1) as workers:
        assert workers.count == min(joblib.cpu_count(), 4)
    with Workers(100) as workers:  # no more than there are cores
        assert workers.count == 4


@pytest.mark.parametrize("by_caller", [False, True])
def test_an_error_of_any_thread_is_the_callers(by_caller):
    caller, barrier = threading.current_thread(), threading.Barrier(2, timeout=60)

    def work(part):
        barrier.wait()
        if (threading.current_thread() is caller) is by_caller:
            raise ZeroDivisionError

    with Workers(2) as workers, pytest.raises(ZeroDivisionError):
        workers.run(work, [(0,), (1,)])


def test_after_an_error_of_the_caller_all_come_to_rest():
    """What is not begun by then is left undone."""
    caller, barrier = threading.current_thread(), threading.Barrier(2, timeout=60)
    done = []

    def work(part):
        barrier.wait()
        if threading.current_thread() is caller:
            raise ZeroDivisionError
        time.sleep(0.2)
        done.append(part)

    with Workers(2) as workers:
        with pytest.raises(ZeroDivisionError):
            workers.run(work, [(part,) for part in range(10)])
        assert len(done) == 1
