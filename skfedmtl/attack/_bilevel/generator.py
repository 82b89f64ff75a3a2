"""The state of a random generator as text, and whether a text is one."""

from __future__ import annotations

import copy
import json
import warnings

import numpy as np
from numpy.typing import NDArray

from skfedmtl._tools.layout import Field


def as_text(rng: np.random.Generator) -> str:
    """All that the next draws depend on."""
    return json.dumps(rng.bit_generator.state, sort_keys=True)


def set_state(rng: np.random.Generator, text: str) -> None:
    """Draw on from where the generator was that gave the text."""
    rng.bit_generator.state = json.loads(text)


def is_state(text: str, rng: np.random.Generator) -> bool:
    """Whether a generator of the kind of `rng` could have given the text, letter for letter."""
    probe = copy.deepcopy(rng)
    try:
        with warnings.catch_warnings():
            # before numpy 2, numbers beyond the range of a field only warn, and are cut off
            warnings.simplefilter("ignore", DeprecationWarning)
            set_state(probe, text)
    except (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError):
        return False
    return as_text(probe) == text


def state_field(rng: np.random.Generator) -> Field:
    """What the state of a generator of that kind is in a file."""

    def is_own(text: NDArray[np.str_]) -> bool:
        return is_state(str(text), rng)

    return Field((), "strings", is_valid=is_own)
