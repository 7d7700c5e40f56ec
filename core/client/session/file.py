"""Opening a session's database for a bot, and creating one that never was readable for others."""

from __future__ import annotations

import os
import sqlite3

from utils.sqlite_uri import sqlite_uri

LOCK_WAIT_MS = 50
"""Longest wait for somebody else's lock in one call: Telethon calls the session on the event loop."""
_PRAGMAS = (
    "PRAGMA trusted_schema=OFF",
    "PRAGMA synchronous=FULL",
    "PRAGMA journal_mode=DELETE",  # as preparation left it; no other mode is ever wanted (research: telethon §3.3)
)


def connect(path: str) -> sqlite3.Connection:
    """SQLite on an existing session, in DELETE mode, every transaction explicit; raises sqlite3.Error.

    It never creates a file. The journal mode of a file that somebody else holds this instant stays as it is.
    """
    connection = sqlite3.connect(
        sqlite_uri(path, mode="rw"),
        uri=True,
        timeout=LOCK_WAIT_MS / 1000,
        isolation_level=None,
        check_same_thread=False,  # opened in a worker thread, used on the loop's; never in two at once
    )
    for pragma in _PRAGMAS:
        try:
            connection.execute(pragma)
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                connection.close()
                raise
    return connection


def is_busy(error: sqlite3.Error) -> bool:
    """Whether the error only says that somebody else holds a lock now."""
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def create_private(path: str) -> None:
    """Make an empty session file of mode 0600 before SQLite opens it: Telethon's own is born 0644 under umask 022.

    Raises FileExistsError, OSError.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
