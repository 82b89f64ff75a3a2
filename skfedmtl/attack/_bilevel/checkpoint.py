"""Files from which a killed attack goes on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from skfedmtl._tools.files import read_npz, write_npz, write_whole
from skfedmtl._tools.folders import why_unwritable
from skfedmtl._tools.layout import Field, Layout, check_fields, digest, size_limit
from skfedmtl._typing import Array

_DIGEST = "digest"
_WITHOUT_EFFECT = ("checkpoint", "memory", "n_jobs", "verbose")


def fingerprint(*parts: Any) -> str:
    """One name for what was told; anything else, another name."""
    digest = hashlib.sha256()
    for part in parts:
        _tell(digest.update, part)
    return digest.hexdigest()[:40]


def _tell(update: Callable[[bytes], None], thing: Any) -> None:
    """Tell arrays by their bytes, containers by their entries, all else by its `repr`."""
    if hasattr(thing, "get_params") and not isinstance(thing, type):
        thing = type(thing).__qualname__, _parameters(thing)
    elif _is_told_by_address(thing):
        thing = type(thing).__qualname__, getattr(thing, "__dict__", {})
    if isinstance(thing, dict):
        thing = sorted(thing.items(), key=repr)
    if isinstance(thing, (list, tuple)):
        update(f"{len(thing)} of them".encode())
        for entry in thing:
            _tell(update, entry)
        return
    if hasattr(thing, "__array__"):
        array = np.asarray(thing)
        _tell(update, [list(getattr(thing, axis, ())) for axis in ("index", "columns")])
        update(f"{array.dtype} {array.shape}".encode())
        if array.dtype == object:
            _tell(update, array.ravel().tolist())
        else:
            update(np.ascontiguousarray(array).tobytes())
    else:
        update(repr(thing).encode())
    update(b"\0")


def _is_told_by_address(thing: Any) -> bool:
    """Whether its `repr` says where it is, and nothing else."""
    own: Any = type(thing).__repr__
    return own is object.__repr__ and not hasattr(thing, "__array__")


def _parameters(estimator: Any) -> dict[str, Any]:
    """Those that the result depends on."""
    given = estimator.get_params(deep=False)
    return {name: value for name, value in given.items() if name not in _WITHOUT_EFFECT}


def check_checkpoint(folder: str | os.PathLike[str] | None, random_state: Any) -> None:
    """Refuse files that nothing could go on from, or that cannot be written."""
    if folder is None:
        return
    if not isinstance(random_state, Integral):
        raise ValueError(
            "`checkpoint` needs a whole number as `random_state`, so that a resumed run draws "
            f"what the first one drew; got {random_state!r}."
        )
    reason = why_unwritable(folder)
    if reason is not None:
        raise ValueError(
            f"`checkpoint` must be a folder to which files can be written, got {folder!r}: "
            f"{reason}."
        )


class Checkpoint:
    """One file of named arrays, replaced as a whole or not at all.

    Beside the arrays it holds their digest, together with the file's own name: what was changed by
    whatever hand, or belongs to another attack, is told from what was saved here.

    Parameters
    ----------
    folder : path-like
        Made if need be.
    name : str
        Of the file, without its suffix.
    """

    def __init__(self, folder: str | os.PathLike[str], name: str) -> None:
        self.path = Path(folder) / f"{name}.npz"

    def beside(self, name: str) -> Checkpoint:
        """Another file of the same attack."""
        return Checkpoint(self.path.parent, fingerprint(self.path.stem, name))

    def load(self, layout: Layout) -> dict[str, Array] | None:
        """What was saved last; None if nothing was.

        Raises
        ------
        ValueError
            If the file is not one that was saved here, or its arrays are not as the layout says.
        """
        if not self.path.exists():
            return None
        try:
            return self._read({**layout, _DIGEST: Field((), "strings")})
        except (OSError, ValueError) as error:
            raise ValueError(
                f"checkpoint: {self.path} is not a file that an attack wrote ({error}); remove it "
                "to begin anew."
            ) from error

    def _read(self, layout: Layout) -> dict[str, Array]:
        if not self.path.is_file():
            raise ValueError("it is no plain file")
        state = read_npz(self.path, size_limit(layout))
        check_fields(state, layout)
        stated = str(state.pop(_DIGEST))
        if stated != self._digest(state):
            raise ValueError(f"{_DIGEST!r} is not that of the other arrays and the file's name")
        return state

    def save(self, state: dict[str, Array]) -> None:
        """Write beside the file, then move it there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = {**state, _DIGEST: np.array(self._digest(state))}
        write_whole({self.path: lambda file: write_npz(file, whole)})

    def _digest(self, state: dict[str, Array]) -> str:
        return digest({**state, _DIGEST: np.array(self.path.stem)})


def checkpoint_of(folder: str | os.PathLike[str] | None, *told: Any) -> Checkpoint | None:
    """The file of the attack that is `told`; None without a folder."""
    return None if folder is None else Checkpoint(folder, fingerprint(*told))
