"""Files from which a killed attack goes on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from skfedmtl._losses import Array


def fingerprint(parts: Iterable[Any]) -> str:
    """One name for arrays and things with a telling ``repr``; other parts, another name."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, tuple) and len(part) == 2 and hasattr(part[1], "get_params"):
            part = part[0], type(part[1]).__qualname__
        elif isinstance(part, tuple) and len(part) == 2 and hasattr(part[1], "__array__"):
            digest.update(part[0].encode())
            part = np.asarray(part[1])
        if isinstance(part, np.ndarray) and part.dtype != object:
            digest.update(f"{part.dtype} {part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:40]


class Checkpoint:
    """One file of named arrays, replaced as a whole or not at all.

    Parameters
    ----------
    folder : path-like
        Made if need be.
    name : str
        Of the file, without its suffix.
    """

    def __init__(self, folder: str | os.PathLike[str], name: str) -> None:
        self.path = Path(folder) / f"{name}.npz"

    def load(self) -> dict[str, Array] | None:
        """What was saved last; None if nothing was."""
        if not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(
                f"checkpoint: {self.path} is not a file that an attack wrote ({error}); remove it "
                "to begin anew."
            ) from error

    def save(self, state: dict[str, Array]) -> None:
        """Write beside the file, then move it there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".part-", suffix=".npz")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, allow_pickle=False, **state)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
