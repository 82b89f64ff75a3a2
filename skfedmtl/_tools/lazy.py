"""Names that a package loads when they are first asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def finder(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package; `homes` tells the module of it that each name is in.

    No name may be that of one of its modules, which would hide it once that is loaded.
    """

    def find(name: str) -> Any:
        if name in homes:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
