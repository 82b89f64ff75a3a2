"""Messages as bytes: a header, then numbers and vectors of float64. Nothing is unpickled.

A frame is what travels at once: messages that need no answer, and one that does::

    magic (4)  version (1)  messages (4)  exchange (8)  known (8)
    of every message: kind (1), and of every field: its length (4; of a number -1), its float64

All little-endian. Who receives a frame knows the fields of every kind: another number of fields,
another shape, a number that is not finite, or bytes left over refuse the whole frame.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple, get_type_hints

import numpy as np

from skfedmtl._protocol import messages
from skfedmtl._typing import Array
from skfedmtl.federation import _messages

VERSION = 1
_MAGIC = b"FMTL"
_HEADER = struct.Struct("<4sBIQQ")
_LENGTH = struct.Struct("<i")
_NUMBER = -1  #: in the place of a length

#: What travels; the place in this table is the kind, so that new ones go to its end.
KINDS: tuple[Any, ...] = (
    _messages.Hello,
    _messages.Hosted,
    _messages.Refusal,
    _messages.Conclusion,
    _messages.Concluded,
    messages.Greeting,
    messages.Greeted,
    messages.Question,
    messages.Told,
    messages.Weights,
    messages.Price,
    messages.Order,
    messages.Answer,
    messages.Mixture,
    messages.StepOrder,
    messages.StepAnswer,
    messages.Share,
)
_HINTS = [get_type_hints(kind) for kind in KINDS]


class WireError(ValueError):
    """Bytes that are no frame of this protocol."""


class Frame(NamedTuple):
    """What travels at once."""

    exchange: int  #: its number
    known: int  #: the last one whose answer has arrived; in answers 0
    messages: tuple[Any, ...]


def encode(frame: Frame) -> bytes:
    """The bytes of a frame."""
    parts = [_HEADER.pack(_MAGIC, VERSION, len(frame.messages), frame.exchange, frame.known)]
    for message in frame.messages:
        parts.append(bytes([KINDS.index(type(message))]))
        for field in message:
            values = np.asarray(field, dtype="<f8")
            parts.append(_LENGTH.pack(len(values) if values.ndim else _NUMBER))
            parts.append(values.tobytes())
    return b"".join(parts)


def decode(data: bytes) -> Frame:
    """The frame of these bytes.

    Raises
    ------
    WireError
        If they are none.
    """
    try:
        magic, version, count, exchange, known = _HEADER.unpack_from(data)
    except struct.error:
        raise WireError("a frame is shorter than its header") from None
    if magic != _MAGIC or version != VERSION:
        raise WireError(f"a frame is not of version {VERSION} of the protocol")
    place, found = _HEADER.size, []
    for _ in range(count):
        message, place = _message(data, place)
        found.append(message)
    if place != len(data) or not found:
        raise WireError("a frame does not end where its messages do")
    return Frame(exchange, known, tuple(found))


def _message(data: bytes, place: int) -> tuple[Any, int]:
    """The message that begins at this place, and where the next one begins."""
    if place >= len(data) or data[place] >= len(KINDS):
        raise WireError("a message is of no known kind")
    number = data[place]
    place, fields = place + 1, []
    for hint in _HINTS[number].values():
        values, place = _field(data, place, is_vector=hint == Array)
        fields.append(bool(values) if hint is bool else values)
    return KINDS[number](*fields), place


def _field(data: bytes, place: int, *, is_vector: bool) -> tuple[Any, int]:
    """A number or a vector, and where the next one begins."""
    try:
        (length,) = _LENGTH.unpack_from(data, place)
    except struct.error:
        raise WireError("a message ends before its fields do") from None
    place += _LENGTH.size
    if (length >= 0) != is_vector or length < _NUMBER:
        raise WireError("a field is of another shape than its kind says")
    size = 8 * (length if is_vector else 1)
    if place + size > len(data):
        raise WireError("a field is shorter than it says")
    values = np.frombuffer(data, "<f8", size // 8, place).astype(np.float64)
    if not np.isfinite(values).all():
        raise WireError("a field holds NaN or infinity")
    return (values if is_vector else float(values[0])), place + size
