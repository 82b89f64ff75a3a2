"""Numbers too large to be fitted to."""

from __future__ import annotations

from skfedmtl._protocol import LARGEST
from skfedmtl._typing import Array


def refuse_huge(name: str, values: Array) -> None:
    """Refuse numbers whose squares would overflow."""
    largest = max(values.max(initial=0.0), -values.min(initial=0.0))
    if largest > LARGEST:
        raise ValueError(
            f"{name} holds numbers of up to {largest:.3g} in size; at most {LARGEST:g} are allowed."
        )
