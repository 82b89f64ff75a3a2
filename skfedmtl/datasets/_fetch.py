"""Data sets outside the package: found in the data home or downloaded, checked, kept there."""

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from skfedmtl._tools.files import read_npz, write_whole
from skfedmtl._tools.layout import check_fields, digest
from skfedmtl.datasets._archives import unpack
from skfedmtl.datasets._base import DATA_HOME_VARIABLE, get_data_home
from skfedmtl.datasets._download import download
from skfedmtl.datasets._source import Member, Source


def fetch_arrays(
    source: Source,
    data_home: str | os.PathLike[str] | None,
    download_if_missing: bool,
    n_retries: int,
    delay: float,
) -> dict[str, np.ndarray]:
    """Return a data set's arrays: kept ones, else made of files in the data home, or downloaded.

    Parameters
    ----------
    source : Source
        The data set.
    data_home : str, path-like or None
        As in :func:`get_data_home`.
    download_if_missing : bool
        Whether to download what is not there.
    n_retries : int
        As in `download`.
    delay : float
        As in `download`.

    Returns
    -------
    arrays : dict of str to ndarray
        The arrays by name.

    Raises
    ------
    OSError
        If the data are not there and cannot be had, or are not the expected ones.

    Warns
    -----
    RuntimeWarning
        If they were downloaded and cannot be kept: a full disk, a folder for reading only.
    """
    folder = Path(get_data_home(data_home)).absolute()
    path = folder / source.file_name
    if path.is_file():
        return _read_kept(path, source)
    contents = _find(folder, source)
    if contents is not None:
        arrays = _make(contents, source)
        # the folder may be for reading only; the data are there all the same
        with contextlib.suppress(OSError):
            _keep(path, arrays)
        return arrays
    where = (
        f"Put by hand into the folder {str(folder)!r}: {source.by_hand}. Or say where the data "
        f"are: pass data_home=... or set the environment variable {DATA_HOME_VARIABLE}."
    )
    if not download_if_missing:
        raise FileNotFoundError(
            f"{source.file_name} is not in the folder {str(folder)!r}, and "
            f"download_if_missing=False. {where}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        contents = download(source, n_retries, delay)
    except OSError as error:
        raise OSError(
            f"{source.file_name} is not in the folder {str(folder)!r}, and {error}\n{where}"
        ) from error
    arrays = _make(contents, source)
    try:
        _keep(path, arrays)
    except OSError as error:
        warnings.warn(
            f"{source.file_name} was downloaded, but cannot be kept in the folder {str(folder)!r}, "
            f"and so will be downloaded again next time: {error}",
            RuntimeWarning,
            stacklevel=3,
        )
    return arrays


def _read_kept(path: Path, source: Source) -> dict[str, np.ndarray]:
    arrays = {}
    try:
        arrays = read_npz(path, source.limit)
        check_fields(arrays, source.layout)
        found = digest(arrays)
    except ValueError as error:
        found = str(error)
    if found != source.sha256:
        raise OSError(
            f"{str(path)!r} is damaged or not the expected file: the sha256 of its arrays should "
            f"be {source.sha256}, found {found}. Remove it to have the data read or downloaded anew"
        )
    return arrays


def _find(folder: Path, source: Source) -> dict[str, bytes] | None:
    """The publishers' files in the data home: in an archive, or unpacked; None if not there."""
    for place in (folder, folder / "raw" / source.name):
        for name in source.archives:
            if (place / name).is_file():
                with open(place / name, "rb") as file:
                    try:
                        return unpack(file, source.members, source.limit)
                    except OSError as error:
                        raise OSError(f"{str(place / name)!r}: {error}") from error
        for base in dict.fromkeys((place, place / source.folder)):
            paths = {member: base / member.name for member in source.members}
            if all(path.is_file() for path in paths.values()):
                return {member.name: _read_file(path, member) for member, path in paths.items()}
    return None


def _read_file(path: Path, member: Member) -> bytes:
    try:
        with open(path, "rb") as file:
            return member.check(file.read(member.size + 1))
    except OSError as error:
        raise OSError(f"{str(path)!r}: {error}") from error


def _make(contents: dict[str, bytes], source: Source) -> dict[str, np.ndarray]:
    arrays = source.parse(contents)
    if digest(arrays) != source.sha256:
        raise RuntimeError(
            f"{source.name}: the files are the expected ones, the arrays made of them are not"
        )
    return arrays


def _keep(path: Path, arrays: dict[str, Any]) -> None:
    write_whole({path: lambda file: np.savez_compressed(file, **arrays)})
