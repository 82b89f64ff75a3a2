"""Rows that a fit has made of what it was given, and lets go of as soon as it can."""

from __future__ import annotations

from typing import Any


class Handed:
    """Rows for whoever needs them once.

    A fit hands them down from frame to frame, of which each would keep them until it returns; the
    solver has a table of its own by then.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d)
    """

    def __init__(self, X: Any) -> None:
        self._rows = [X]

    def take(self) -> Any:
        """The rows, which nobody else gets."""
        return self._rows.pop()


def taken(X: Any) -> Any:
    """Rows, whether they were handed or are the caller's."""
    return X.take() if isinstance(X, Handed) else X
