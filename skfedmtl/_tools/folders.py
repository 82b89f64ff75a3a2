"""Folders that files are to be written to."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


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
        # a file that has no name, or loses it when the process ends, however that may be
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return f"nothing can be written to {there} ({error.strerror})"
