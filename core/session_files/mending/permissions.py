"""Taking other users' access away, without opening the file."""

from __future__ import annotations

import os
import stat

from core.errors import PlanOutdated, SessionFileError
from core.session_files.model import FileStat

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


def set_mode(path: str, seen: FileStat | None, mode: int) -> int:
    """Set the mode of the very file that was looked at and return the mode it had.

    The file is held by an O_PATH descriptor, which follows no link and drops no lock, so the name cannot be swapped
    for another file in between. Raises PlanOutdated when it is another file now, SessionFileError.
    """
    try:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if seen is not None and (found.st_dev, found.st_ino) != (seen.device, seen.inode):
                raise PlanOutdated("another file bears its name now", path=path)
            os.chmod(f"/proc/self/fd/{descriptor}", mode)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SessionFileError(f"its mode cannot be set ({error.strerror})", path=path) from error
    return stat.S_IMODE(found.st_mode)
