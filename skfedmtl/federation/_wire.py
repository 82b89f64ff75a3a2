"""Frames over a connection: four bytes of length, eight of a number, and a message."""

from __future__ import annotations

import socket
import struct
import time

__all__ = ["MOST_BYTES", "Link", "address_of"]

_HEAD = struct.Struct("<IQ")
_CHUNK = 1 << 16
MOST_BYTES = 1 << 26  #: of a message


def address_of(address: str | tuple[str, int]) -> tuple[str, int]:
    """Host and port of "host:port", or of a pair."""
    if not isinstance(address, str):
        return address
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"an address is HOST:PORT, got {address!r}.")
    return host.strip("[]") or "127.0.0.1", int(port)


class Link:
    """One end of a connection; what has arrived in part is kept until the rest comes."""

    def __init__(self, connection: socket.socket, most_bytes: int = MOST_BYTES) -> None:
        self._connection, self._most = connection, most_bytes
        self._buffer = bytearray()

    def send(self, number: int, message: bytes, until: float) -> None:
        """Send a message by this time of the monotonic clock; an `OSError` ends the link."""
        self._connection.settimeout(_left(until))
        self._connection.sendall(_HEAD.pack(len(message), number) + message)

    def receive(self, until: float) -> tuple[int, bytes]:
        """The next message and its number; `TimeoutError` if it is not there by then."""
        while len(self._buffer) < self._length():
            self._connection.settimeout(_left(until))
            arrived = self._connection.recv(_CHUNK)
            if not arrived:
                raise ConnectionError("the other end has closed the connection")
            self._buffer += arrived
        length = self._length()
        _, number = _HEAD.unpack_from(self._buffer)
        message = bytes(self._buffer[_HEAD.size : length])
        del self._buffer[:length]
        return number, message

    def _length(self) -> int:
        """Of the frame that is arriving, as far as it is known."""
        if len(self._buffer) < _HEAD.size:
            return _HEAD.size
        length, _ = _HEAD.unpack_from(self._buffer)
        if length > self._most:
            raise ConnectionError(f"a message of {length} bytes; at most {self._most} are allowed")
        return _HEAD.size + int(length)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def _left(until: float) -> float:
    """Seconds until then; a moment where there are none, for what has arrived already."""
    return max(until - time.monotonic(), 1e-3)
