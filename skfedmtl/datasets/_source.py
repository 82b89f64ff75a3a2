"""What a downloaded data set is made of, and how its files are told from any others.

The publishers state no sha256 of their archives, so archives are not checked: what is read out of
them is. Every file that is used has a known size and sha256, and so have the arrays made of them.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from skfedmtl._tools.layout import Layout

_MARGIN = 4 * 2**20  # what archives hold besides the members


@dataclass(frozen=True)
class Member:
    """One of the publishers' files; `name` is its path, its parts separated by slashes."""

    name: str
    size: int
    sha256: str

    def check(self, content: bytes) -> bytes:
        """Return the content, or raise OSError if it is not this file's."""
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise OSError(
                f"{self.name} is damaged or not the expected file: its sha256 should be "
                f"{self.sha256}, found {found} ({len(content)} bytes)"
            )
        return content


@dataclass(frozen=True)
class Source:
    """A data set: where its files are, what they must be, and the arrays made of them.

    Parameters
    ----------
    name : str
        The arrays are kept in the data home as ``<name>.npz``.
    sha256 : str
        What `digest` must give for the arrays.
    layout : dict of str to Field
        What the arrays are.
    members : tuple of Member
        The publishers' files.
    mirrors : tuple of str
        Addresses: of a zip archive with the members or, with a slash at its end, of a folder.
    archives : tuple of str
        Names of zip archives that are read if they lie in the data home.
    parse : callable
        Makes the arrays by name out of the members' contents by name.
    folder : str, default=""
        The folder in which the members lie when the archive has been unpacked.
    """

    name: str
    sha256: str
    layout: Layout
    members: tuple[Member, ...]
    mirrors: tuple[str, ...]
    archives: tuple[str, ...]
    parse: Callable[[Mapping[str, bytes]], dict[str, np.ndarray]]
    folder: str = ""

    @property
    def file_name(self) -> str:
        """Name of the file in which the arrays are kept."""
        return f"{self.name}.npz"

    @property
    def limit(self) -> int:
        """Bytes that no archive of this data set exceeds, packed or unpacked."""
        return sum(member.size for member in self.members) + _MARGIN

    @property
    def by_hand(self) -> str:
        """What users may put into the data home, and where it comes from."""
        unpacked = " + ".join(member.name for member in self.members)
        if self.folder:
            unpacked = f"the folder {self.folder!r}"
        return f"{', '.join(self.archives)} (from {self.mirrors[0]}) or, unpacked, {unpacked}"
