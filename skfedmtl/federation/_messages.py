"""What is said before and after a fit, and why a node refuses: codes, never words of its own."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from skfedmtl._model import LOSSES, Huber
from skfedmtl._typing import Array

Number = Any  #: a float
LOSS_NAMES = [name for name in LOSSES if name != Huber.name]  #: that both sides know how to say


def place_of(loss: str) -> int:
    """That of a loss in the table of all, by which it is named in a message."""
    return list(LOSSES).index(loss)


class Hello(NamedTuple):
    """The first message to a node."""

    loss: float  #: its place in the table of losses
    resume: bool  #: whether dual variables of a fit before are to be kept


class Hosted(NamedTuple):
    """What a server must know of a node."""

    n_features: Number
    n_coordinates: Number  #: of its weights: features, and a constant if there is one
    squared_norm: Number  #: mean of its rows' squared lengths, weighted
    loss: Number  #: of weights of zero
    columns: Number = 0.0  #: a hash of the features' names in their order; 0: they have none


class Conclusion(NamedTuple):
    """The end of a fit."""

    w: Array  #: (n_coordinates,) the node's weights
    common: Array  #: the common part, or (0,)


class Concluded(NamedTuple):
    """What these weights are on rows as they were before the node centred them."""

    intercept: Number
    common_intercept: Number


class Refusal(NamedTuple):
    """In the place of an answer."""

    code: Number


class Code(IntEnum):
    """Why a node does not answer."""

    MALFORMED = 1
    STALE = 2
    FORGOTTEN = 3
    OTHER_LOSS = 4
    OTHER_LENGTH = 5
    FEW_EPOCHS = 6
    OUT_OF_RANGE = 7
    FAILED = 8
    MANY_EXCHANGES = 9


#: What a server says of a code.
REASONS = {
    Code.MALFORMED: "could not read the message",
    Code.STALE: "was asked out of turn",
    Code.FORGOTTEN: "has lost its state",
    Code.OTHER_LOSS: "fits another loss",
    Code.OTHER_LENGTH: "has another number of features",
    Code.FEW_EPOCHS: "allows no order of so few epochs (local_epochs below its min_epochs)",
    Code.OUT_OF_RANGE: "was sent a number that is not allowed",
    Code.MANY_EXCHANGES: "has answered as often as it allows (max_exchanges)",
    Code.FAILED: "failed; its own log says how",
}

#: Those that asking again does not change.
FINAL = {Code.OTHER_LOSS, Code.OTHER_LENGTH, Code.FEW_EPOCHS, Code.MANY_EXCHANGES}
