"""Estimators are fitted as a whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def whole_or_not_at_all(model: Any) -> Iterator[None]:
    """Give a model that is fitted in vain its former fit back."""
    before = {name: value for name, value in vars(model).items() if _is_fitted_name(name)}
    try:
        yield
    except BaseException:
        for name in [name for name in vars(model) if _is_fitted_name(name)]:
            delattr(model, name)
        vars(model).update(before)
        raise


def take_fit(model: Any, other: Any) -> None:
    """Replace a model's fit by that of another one."""
    for name in [name for name in vars(model) if _is_fitted_name(name)]:
        delattr(model, name)
    vars(model).update(
        {name: value for name, value in vars(other).items() if _is_fitted_name(name)}
    )


def _is_fitted_name(name: str) -> bool:
    return name == "_iterate" or (name.endswith("_") and not name.startswith("_"))
