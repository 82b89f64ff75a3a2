"""Threads that share the nodes of a fit.

joblib looks for results every hundredth of a second, which is as long as a whole iteration takes;
who waits here is woken. How many there are is joblib's to say, as anywhere else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from joblib import cpu_count, effective_n_jobs


class Workers:
    """The caller's thread, and others that are started when they are first needed.

    Parameters
    ----------
    n_jobs : int or None
        As joblib understands it; no more than this machine has cores, as a cluster may.
    """

    def __init__(self, n_jobs: int | None) -> None:
        self.count = max(1, min(effective_n_jobs(n_jobs), cpu_count()))
        self._pool = ThreadPoolExecutor(self.count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def run(self, work: Callable[..., Any], parts: Iterable[tuple[Any, ...]]) -> None:
        """``work(*part)`` of every part, which is done by whoever is free first."""
        todo = deque(parts)

        def work_on() -> None:
            while True:
                try:
                    part = todo.popleft()
                except IndexError:
                    return
                work(*part)

        others = [self._pool.submit(work_on) for _ in range(min(self.count, len(todo)) - 1)]
        try:
            work_on()
        finally:
            todo.clear()  # after an error nothing new is begun
            for other in others:
                other.result()

    def map(self, work: Callable[..., Any], parts: list[tuple[Any, ...]]) -> list[Any]:
        """What ``work(*part)`` returns for every part, in their order."""
        results: list[Any] = [None] * len(parts)

        def put(place: int, part: tuple[Any, ...]) -> None:
            results[place] = work(*part)

        self.run(put, enumerate(parts))
        return results
