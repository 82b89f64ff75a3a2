"""Archives that nobody vouches for.

Their members are read into memory, never written to disk under the names that an archive gives
them. Of a member neither more is inflated than its known size, nor is anything returned that has
another sha256.
"""

import io
import stat
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from skfedmtl.datasets._source import Member


def unpack(
    file: BinaryIO, members: Sequence[Member], limit: int, *, nested: bool = True
) -> dict[str, bytes]:
    """Read the members out of a zip archive.

    Parameters
    ----------
    file : binary file
        The archive.
    members : sequence of Member
        What to read; the folder in which they lie does not matter.
    limit : int
        Bytes of an archive within the archive at most.
    nested : bool, default=True
        Whether to look in the one archive within the archive, if a member is not found.

    Returns
    -------
    contents : dict of str to bytes
        The members' contents by name.

    Raises
    ------
    OSError
        If this is no readable archive, or not one of these members.
    """
    try:
        with ZipFile(file) as archive:
            inner = [info for info in archive.infolist() if info.filename.endswith(".zip")]
            found = [_find(archive, member) for member in members]
            if nested and None in found and len(inner) == 1:
                content = io.BytesIO(_read(archive, inner[0], limit))
                return unpack(content, members, limit, nested=False)
            return {
                member.name: _read_member(archive, info, member)
                for member, info in zip(members, found, strict=True)
            }
    except OSError:
        raise
    # damaged bytes make zipfile raise whatever they can
    except Exception as error:
        raise OSError(f"not a readable zip archive: {error}") from error


def _find(archive: ZipFile, member: Member) -> ZipInfo | None:
    """The entry whose path ends in the member's name, if there is one."""
    parts = PurePosixPath(member.name).parts
    found = []
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        if path.parts[-len(parts) :] == parts:
            if path.is_absolute() or ".." in path.parts or "\\" in info.filename:
                raise OSError(f"the archive's {info.filename!r} lies outside of its folder")
            found.append(info)
    if len(found) > 1:
        raise OSError(f"the archive holds {member.name} {len(found)} times")
    return found[0] if found else None


def _read_member(archive: ZipFile, info: ZipInfo | None, member: Member) -> bytes:
    if info is None:
        raise OSError(f"the archive does not hold {member.name}")
    if info.file_size != member.size:
        raise OSError(
            f"the archive's {member.name} should have {member.size} bytes, has {info.file_size}"
        )
    return member.check(_read(archive, info, member.size))


def _read(archive: ZipFile, info: ZipInfo, limit: int) -> bytes:
    """Inflate an entry that is a plain file of at most `limit` bytes."""
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise OSError(f"the archive's {info.filename!r} is a link or no plain file")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise OSError(f"the archive's {info.filename!r} is packed by an unusual method")
    if info.file_size > limit:
        raise OSError(
            f"the archive's {info.filename!r} has {info.file_size} bytes; "
            f"at most {limit} are expected"
        )
    # an entry that lies about its size is cut there, and then fails its checksum
    with archive.open(info) as stream:
        return stream.read(limit)
