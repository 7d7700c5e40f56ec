"""Reading small files that hold a secret."""

from __future__ import annotations

import os
import stat

LONGEST = 4096
"""Bytes that are read of one; a key is shorter."""


class NotPrivate(Exception):
    """Others than its owner may read the file, or its owner is neither this user nor root."""


def read_private(path: str) -> bytes:
    """The first 4096 bytes of a file that only this user (or root) can read; nothing of what is no regular file.

    It never waits, whatever lies there. Raises OSError, and NotPrivate.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        data = os.read(descriptor, LONGEST) if stat.S_ISREG(found.st_mode) else b""
    finally:
        os.close(descriptor)
    if found.st_mode & 0o077 or found.st_uid not in (os.geteuid(), 0):
        raise NotPrivate
    return data
