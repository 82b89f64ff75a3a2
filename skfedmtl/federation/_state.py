"""A node's state on its own disk: what it needs to go on after its process has ended."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from skfedmtl._tools.files import write_whole
from skfedmtl._typing import Array

__all__ = ["Kept", "StateFile", "digest"]

_NAME = "state.npz"
_OWN = ("digest", "exchange", "count", "answer")  #: beside the arrays of the node


class Kept(NamedTuple):
    """What a node has kept."""

    exchange: int
    n_answers: int  #: of all exchanges
    answer: bytes
    node: dict[str, Array]


class StateFile:
    """A file that is written whole or not at all.

    Parameters
    ----------
    folder : path
        Made if it is not there, for its owner alone: dual variables lie in it.
    rows : bytes
        The digest of the rows that the state is of.
    """

    def __init__(self, folder: str | os.PathLike[str], rows: bytes) -> None:
        self._path = Path(folder) / _NAME
        self._rows = np.frombuffer(rows, np.uint8)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write(self, kept: Kept) -> None:
        """Keep a state."""
        arrays: dict[str, Any] = {
            **kept.node,
            "digest": self._rows,
            "exchange": np.array(kept.exchange),
            "count": np.array(kept.n_answers),
            "answer": np.frombuffer(kept.answer, np.uint8),
        }
        write_whole({self._path: lambda file: np.savez(file, **arrays)})

    def read(self) -> Kept | None:
        """The state of these rows; None if there is none."""
        if not self._path.exists():
            return None
        arrays = self._arrays()
        if not np.array_equal(arrays["digest"], self._rows):
            return None
        node = {name: value for name, value in arrays.items() if name not in _OWN}
        return Kept(int(arrays["exchange"]), int(arrays["count"]), arrays["answer"].tobytes(), node)

    def n_answers(self) -> int:
        """How many were given from this folder, whatever rows they were of."""
        # else a row that is changed would let a server ask as often again about the others
        return int(self._arrays()["count"]) if self._path.exists() else 0

    def _arrays(self) -> dict[str, Any]:
        """What lies in the file; one that cannot be read is left to its owner."""
        try:
            with self._path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            return {**{name: arrays[name] for name in _OWN}, **arrays}
        except (ValueError, TypeError, EOFError, KeyError, BadZipFile) as error:
            raise ValueError(
                f"state_dir holds a file {self._path} that is no state of a node: {error}."
            ) from error


def digest(*arrays: Any) -> bytes:
    """Of numbers, by which other ones are told."""
    made = hashlib.sha256()
    for array in arrays:
        made.update(repr(array.shape).encode())
        made.update(np.ascontiguousarray(array).tobytes())
    return made.digest()
