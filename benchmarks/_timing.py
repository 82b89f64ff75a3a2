"""Seconds and memory: medians after a warm-up, the parts of a call, processes of their own."""

import contextlib
import math
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from unittest import mock

__all__ = [
    "Part",
    "in_fresh_process",
    "median_seconds",
    "peak_bytes",
    "process_peak_bytes",
    "watched",
]


def median_seconds(call, repeats, *, at_least=0.0):
    """Median wall-clock seconds of one call over `repeats` measurements, after a warm-up.

    A measurement makes as many calls as take `at_least` seconds: what is too short for the
    clock is called often.

    Returns
    -------
    seconds : float
    result : object
        That of the last call.
    """
    _batch(call, 1)
    number = math.ceil(at_least / _batch(call, 1)[0]) if at_least > 0.0 else 1
    measured = [_batch(call, number) for _ in range(repeats)]
    return statistics.median(seconds for seconds, _ in measured) / number, measured[-1][1]


def _batch(call, number):
    start = time.perf_counter()
    for _ in range(number):
        result = call()
    return time.perf_counter() - start, result


class Part:
    """Calls of a method, and seconds in them but not in other watched methods they call."""

    def __init__(self):
        self.calls, self.seconds = 0, 0.0


@contextlib.contextmanager
def watched(methods):
    """Count and time the calls of methods.

    Parameters
    ----------
    methods : dict of str to pair
        Name -> an owner, class or module, and the name of its attribute.

    Yields
    ------
    parts : dict of str to Part
    """
    parts = {name: Part() for name in methods}
    inner = [0.0]  # seconds of watched calls, one entry a call that is not over

    def watch(function, part):
        def call(*args, **kwargs):
            start = time.perf_counter()
            inner.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                seconds = time.perf_counter() - start
                part.calls += 1
                part.seconds += seconds - inner.pop()
                inner[-1] += seconds

        return call

    with contextlib.ExitStack() as stack:
        for name, (owner, attribute) in methods.items():
            replacement = watch(getattr(owner, attribute), parts[name])
            stack.enter_context(mock.patch.object(owner, attribute, replacement))
        yield parts


def in_fresh_process(function, *args):
    """``function(*args)`` in a new process, which ends with it."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as executor:
        return executor.submit(function, *args).result()


def peak_bytes(call):
    """The result of `call`, and by how much resident memory rose at most while it ran.

    From Linux's record of the process, whose high-water mark starts anew with the call.
    ``ru_maxrss`` would not do: a process inherits that of the one that started it.
    """
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_bytes("VmRSS")
    result = call()
    return result, _status_bytes("VmHWM") - before


def process_peak_bytes():
    """The most resident memory that this process has had, whatever that of its parent is."""
    return _status_bytes("VmHWM")


def _status_bytes(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
