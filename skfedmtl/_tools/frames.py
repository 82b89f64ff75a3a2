"""Frames of pandas, which is imported only where one is asked for."""

from __future__ import annotations

from types import ModuleType


def import_pandas(owner: str) -> ModuleType:
    """Import pandas, or say what needs it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f"{owner} needs pandas, which could not be imported: pip install pandas."
        ) from error
    return pandas
