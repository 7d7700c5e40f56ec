"""Knowing a session again: is it the very file that a run left, with nothing written to it since?"""

from __future__ import annotations

import os


def identity_of(path: str) -> str | None:
    """Device, inode, size and time of writing as one text; None where there is no such file.

    SQLite writes in place, so the inode tells a replaced file and the time one that was written to.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
