"""Files that are there as a whole or not at all, and .npz files that nobody vouches for."""

import lzma
import os
import secrets
import tempfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np

# what damaged archives make zipfile and numpy raise
UNREADABLE = (
    BadZipFile,
    EOFError,
    lzma.LZMAError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    zlib.error,
)


def write_whole(contents: Mapping[Path, Callable[[BinaryIO], object]]) -> None:
    """Write files beside their places, then move them there, all written before the first moves.

    Parameters
    ----------
    contents : dict of Path to callable
        What writes each file; their folders are there.
    """
    mark = f"{os.getpid()}-{secrets.token_hex(4)}"
    places = {path.with_name(f".{path.name}.{mark}.part"): path for path in contents}
    try:
        for temporary, path in places.items():
            with open(temporary, "xb") as file:
                contents[path](file)
                file.flush()
                os.fsync(file.fileno())
        for temporary, path in places.items():
            os.replace(temporary, path)
    finally:
        for temporary in places:
            temporary.unlink(missing_ok=True)


def why_unwritable(folder: str | os.PathLike[str]) -> str | None:
    """What keeps files from being written to a folder, which is made if need be; None: nothing.

    Nothing is left behind: a folder that is not there is not made, only tried in the next above
    that is.
    """
    if not os.fspath(folder):
        return "its name is empty"
    path = there = Path(folder).absolute()
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(path)  # a name may be too long
        there = next(one for one in (path, *path.parents) if one.exists())
        if not there.is_dir():
            return f"{there} is a file"
    except (OSError, ValueError) as error:
        return f"{error}"
    try:
        with tempfile.TemporaryDirectory(dir=there):
            return None
    except OSError as error:
        return f"nothing can be written to {there} ({error.strerror})"


def read_npz(
    path: str | os.PathLike[str], limit: float = np.inf
) -> dict[str, np.ndarray[Any, Any]]:
    """Read the arrays of an .npz file, without pickle.

    Parameters
    ----------
    path : str or path-like
        The file.
    limit : float, default=inf
        Bytes that the arrays may have together, unpacked.

    Returns
    -------
    arrays : dict of str to ndarray
        The arrays by name.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is no readable .npz file, or too large.
    """
    with open(path, "rb") as file:
        try:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile) or archive.zip is None:
                raise ValueError("it holds a single array")
            size = sum(info.file_size for info in archive.zip.infolist())
            if size > limit:
                raise ValueError(f"unpacked it has {size} bytes; at most {limit} are expected")
            arrays = dict(archive)
            for name, array in arrays.items():
                if not isinstance(array, np.ndarray):
                    raise ValueError(f"it holds {name!r}, which is no array")
            return arrays
        except (*UNREADABLE, OSError) as error:
            raise ValueError(f"no readable .npz file: {error}") from error
