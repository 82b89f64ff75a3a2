"""Files outside the package: found in the data home, checked, read without pickle."""

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skfedmtl.datasets._base import DATA_HOME_VARIABLE, get_data_home


@dataclass(frozen=True)
class Source:
    """A data set's file: the sha256 it must have, and where its data come from."""

    file_name: str
    sha256: str
    origin: str


SOURCES = {
    "landmine": Source(
        "landmine.npz",
        "f652cf374601ad9ded7de5f169a5813f5ad99abc377e71e9fd4143ebef5e2698",
        "Y. Xue, X. Liao, L. Carin, B. Krishnapuram, JMLR 8 (2007) 35-63, as LandmineData.mat in "
        "http://www.ee.duke.edu/~lcarin/LandmineData.zip",
    ),
    "human_activity": Source(
        "human_activity.npz",
        "2e22a77587101b700d9fb0f6a293207d973d0611aabf61a617debbff06111e42",
        "UCI data set 240, https://doi.org/10.24432/C54S4K",
    ),
    "parkinsons": Source(
        "parkinsons.npz",
        "3b57a87cc63050db71e28f1a6c4e1dae85cf2bef45172c72327a760958867210",
        "UCI data set 189, https://doi.org/10.24432/C5ZS3N",
    ),
    "heart_disease": Source(
        "heart_disease.npz",
        "1c154ad2f1712d0ef187be248c614df01b6f5d9bdcb8e1573d6b8015cf9afc88",
        "UCI data set 45, https://doi.org/10.24432/C52P4X",
    ),
}


def read_source(name: str, data_home: str | os.PathLike[str] | None) -> dict[str, np.ndarray]:
    """Return the arrays of a data set's file, if it is the one expected.

    Parameters
    ----------
    name : str
        The data set: a key of `SOURCES`.
    data_home : str, path-like or None
        As in :func:`get_data_home`.

    Returns
    -------
    arrays : dict of str to ndarray
        The arrays by name.

    Raises
    ------
    OSError
        If the file is missing, cannot be read, or has another sha256.
    """
    source = SOURCES[name]
    folder = Path(get_data_home(data_home)).absolute()
    path = folder / source.file_name
    if not path.is_file():
        raise FileNotFoundError(
            f"{source.file_name} is not in the folder {str(folder)!r}. Put it there, or say where "
            f"it is: pass data_home=... or set the environment variable {DATA_HOME_VARIABLE}. "
            f"The data come from {source.origin}"
        )
    # The bytes that were checked are the bytes that are parsed: the file is read once.
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise OSError(
            f"{str(path)!r} is damaged or not the expected file: its sha256 should be "
            f"{source.sha256}, found {found} ({len(content)} bytes)"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
