"""When descents end early: no step of one begins once its time is over."""

from __future__ import annotations

import time

import numpy as np


class Clock:
    """Of a fit; bounds of descents that it ends hold as well.

    Parameters
    ----------
    ends : float
        What `time.monotonic`, which all processes of a machine share, says in the end.
    """

    def __init__(self, ends: float = np.inf) -> None:
        self.ends = ends
        self.stopped = False  #: whether a step was asked for too late

    @classmethod
    def one_each(cls, count: int, seconds: float | None) -> list[Clock]:
        """For fits one behind the other, which share the seconds from now on; None: for ever."""
        if seconds is None:
            return [cls() for _ in range(count)]
        now = time.monotonic()
        return [cls(now + share * seconds) for share in np.arange(1, count + 1) / count]

    def is_over(self) -> bool:
        """Whether the next step is to be left out."""
        if time.monotonic() < self.ends:
            return False
        self.stopped = True
        return True
