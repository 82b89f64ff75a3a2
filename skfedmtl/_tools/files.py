"""Files that are there as a whole or not at all, and .npz files that nobody vouches for."""

import io
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy

from skfedmtl._tools.parts import part_of, sweep

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def write_whole(contents: Mapping[Path, Callable[[BinaryIO], object]]) -> None:
    """Write files beside their places, then move them there, all written before the first moves.

    What killed runs left of theirs in the same folders is removed.

    Parameters
    ----------
    contents : dict of Path to callable
        What writes each file; their folders are there.
    """
    places = {part_of(path): path for path in contents}
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
    for folder in {path.parent for path in contents}:
        sweep(folder)


def write_npz(file: BinaryIO, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays, whatever their names, as `read_npz` reads them; not packed."""
    with ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                npy.write_array(entry, array, allow_pickle=False)


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
            return dict(_arrays(file, limit))
        # damaged bytes make zipfile, tokenize, ast and numpy raise whatever they can
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise ValueError(f"no readable .npz file: {reason}") from error


def _arrays(file: BinaryIO, limit: float) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """The arrays of an archive and their names, each once."""
    if file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
        raise ValueError("it holds a single array")
    seen = set()
    with ZipFile(file) as archive:
        size = sum(info.file_size for info in archive.infolist())
        if size > limit:
            raise ValueError(f"unpacked it has {size} bytes; at most {limit} are expected")
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name in seen:
                raise ValueError(f"it holds {name!r} twice")
            seen.add(name)
            # all of it, whatever its header says: the checksum is looked at only at the end
            yield name, _array(name, archive.read(info))


def _array(name: str, content: bytes) -> np.ndarray[Any, Any]:
    """The array of an .npy file, whose header must account for every byte."""
    if not content.startswith(npy.MAGIC_PREFIX):
        raise ValueError(f"it holds {name!r}, which is no array")
    stream = io.BytesIO(content)
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"{name!r} is of version {version} of the format")
    try:
        shape, by_column, dtype = _HEADERS[version](stream)
    except Exception as error:
        raise ValueError(f"the header of {name!r} is damaged: {error}") from error
    if dtype.hasobject:
        raise ValueError(f"{name!r} holds Python objects, which are not read (allow_pickle=False)")
    start = stream.tell()
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes != len(content) - start:
        raise ValueError(
            f"{name!r} has {len(content) - start} bytes, but {n_bytes} by its header: {dtype} of "
            f"shape {shape}"
        )
    array: np.ndarray[Any, Any] = np.ndarray(
        shape, dtype, content, start, order="F" if by_column else "C"
    )
    return array.astype(dtype.newbyteorder("="))
