"""Files under way: the names they have while they are written, and what killed runs left of them.

A part is called ``.NAME.PID-HOMERANDOM.part``. A pid says nothing elsewhere, so HOME tells the
machine, its boot and its namespace of processes. Where the pid can be asked about and nobody has
it, the run was killed. Elsewhere, and where somebody else may have got the pid since, only its age
tells that a part has been left: writing takes seconds.
"""

import os
import platform
import re
import secrets
import time
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

_NAME = re.compile(r"\..+\.(?P<pid>[0-9]{1,10})-(?P<home>[0-9a-f]{8})[0-9a-f]{8}\.part")
_OLD = 86400.0  #: seconds without a change after which nobody writes a part any more


def part_of(path: Path) -> Path:
    """A new name beside a file, under which this process may write it."""
    return path.with_name(f".{path.name}.{os.getpid()}-{_home()}{secrets.token_hex(4)}.part")


def sweep(folder: Path) -> None:
    """Remove the parts that killed runs left in a folder; what cannot be removed stays."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = _NAME.fullmatch(entry.name)
            if name is None:
                continue
            with suppress(OSError):
                if _is_left(int(name["pid"]), name["home"], entry):
                    os.unlink(entry.path)


def _is_left(pid: int, home: str, entry: os.DirEntry[str]) -> bool:
    if home == _home() and not _may_live(pid):
        return True
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD


def _may_live(pid: int) -> bool:
    if os.name == "nt":  # where signal 0 is one that is delivered
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it lives, and is somebody else's
        pass
    return True


@cache
def _home() -> str:
    """What this process shares with those that it can ask about by their pid."""
    known = [platform.node()]
    with suppress(OSError):
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    with suppress(OSError):
        known.append(os.readlink("/proc/self/ns/pid"))
    return f"{zlib.crc32(' '.join(known).encode()):08x}"
