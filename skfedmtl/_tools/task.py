"""Work that may be watched: what a fit tells of its progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Task:
    """Work that nobody watches: the base of what callbacks are told."""

    def subtask(self, name: str, n_subtasks: int = 0) -> Task:
        """Begin a part of this task, of at most so many parts of its own."""
        return self

    def end(
        self,
        attributes: Callable[[], dict[str, Any]] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> bool:
        """End the task; whether a callback wants no more like it.

        `attributes` gives what makes a fitted estimator of a copy, as if `fit` ended here.
        """
        return False


NO_TASK = Task()
