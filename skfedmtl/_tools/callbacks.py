"""Progress of a fit, told to the callbacks of scikit-learn 1.9 and newer; before, to nobody.

A fit is a task, its rounds or steps are subtasks, and after one of these a callback may want no
more. What stands here is all that knows of `sklearn.callback`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skfedmtl._tools.task import NO_TASK, Task

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: this scikit-learn has no callbacks."""


__all__ = ["NO_TASK", "CallbackSupportMixin", "Task", "begin_fit"]


class _WatchedTask(Task):
    def __init__(self, context: Any, estimator: Any, data: dict[str, Any]) -> None:
        self._context, self._estimator, self._data = context, estimator, data
        context.call_on_fit_task_begin(estimator=estimator, **data)

    def subtask(self, name: str, n_subtasks: int = 0) -> Task:
        context = self._context.subcontext(task_name=name, max_subtasks=n_subtasks)
        return _WatchedTask(context, self._estimator, self._data)

    def end(
        self,
        attributes: Callable[[], dict[str, Any]] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> bool:
        data = self._data if metadata is None else {**self._data, "metadata": metadata}
        stop: bool = self._context.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=attributes, **data
        )
        return stop


def begin_fit(estimator: Any, n_subtasks: int, X: Any, y: Any, **metadata: Any) -> Task:
    """The task of a whole fit to these data, as the caller gave them."""
    if not hasattr(estimator, "_skl_callbacks"):
        return NO_TASK
    context = estimator._init_callback_context(max_subtasks=n_subtasks)
    given = {name: value for name, value in metadata.items() if value is not None}
    return _WatchedTask(context, estimator, {"X": X, "y": y, "metadata": given})
