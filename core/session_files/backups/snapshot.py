"""One committed state of a session, copied out through SQLite while bots go on reading and writing it.

The source is only ever opened by SQLite, read-only and without waiting: closing a descriptor of our own would drop the
locks of a bot in this process (DESIGN.md, never 2). Its lock is held for one step at a time, so a bot that commits
waits for a step of half a megabyte and no longer; a commit in between makes SQLite begin anew (sqlite.org/backup.html).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from core.errors import CopyFailed, SessionFileBusy, SessionFileDamaged
from core.session_files.backups.errors import COMPLETE_FIRST, MEND_FIRST, RESCUE_FIRST, BackupRefused
from core.session_files.mending.recovery import errors_named, verify
from core.session_files.model import Contents, ContentsKind, JournalMode
from utils.sqlite_uri import sqlite_uri

_STEP_PAGES = 128
"""Pages copied under one lock: half a megabyte, about a millisecond."""
_RETRY_SECONDS = 0.005
_VM_STEPS = 200_000
"""Steps of SQLite's virtual machine between two looks at the clock: some milliseconds."""
_WHOLE = (ContentsKind.TELETHON, ContentsKind.NEWER)
_ADVICE = {
    ContentsKind.PYROGRAM: None,
    ContentsKind.FOREIGN: None,
    ContentsKind.HALF_CREATED: COMPLETE_FIRST,
    ContentsKind.HALF_MIGRATED: COMPLETE_FIRST,
}
"""What to do about a session that is no whole one; nothing about those of others."""
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNRECOVERED = (sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY, sqlite3.SQLITE_CANTOPEN_DIRTYWAL)
_NO_ROOM = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE)
_WAL_VERSIONS = slice(18, 20)
_ROLLBACK_VERSIONS = b"\x01\x01"


class Patience(NamedTuple):
    """How long one session may take."""

    locked_seconds: float = 5.0
    """Without a step, while somebody holds the file for writing; Telethon itself waits that long for a lock."""
    seconds: float = 30.0
    """For a small session …"""
    bytes_per_second: int = 1_000_000
    """… and this much more by size; a noisy disk and a cold cache give ten times as much."""

    def for_size(self, size: int) -> float:
        """Seconds that a file of so many bytes may take."""
        return self.seconds + size / self.bytes_per_second


def copy_committed(
    session: str, size: int, target: sqlite3.Connection, *, mode: JournalMode, patience: Patience
) -> None:
    """Copy the last committed state of `session` into the empty database `target`.

    Raises SessionFileBusy when a writer keeps the file locked, or changes it faster than it can be copied;
    BackupRefused when it is to be mended first; CopyFailed when the target takes no more; SessionFileError.
    """
    uri = sqlite_uri(session, mode="ro")
    waiting = patience.locked_seconds
    with (
        errors_named(session),
        _errors_sorted(session),
        closing(sqlite3.connect(uri, uri=True, timeout=waiting, isolation_level=None)) as source,
    ):
        if mode is JournalMode.WAL:
            # A reader of a WAL stops no writer, so one view of it can be kept, and commits do not begin the copy anew.
            source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_schema").fetchone()
        (page_size,) = source.execute("PRAGMA page_size").fetchone()
        target.execute(f"PRAGMA page_size={page_size}")  # a database in memory does not take it over
        source.execute("PRAGMA busy_timeout=0")
        # CPython goes on for ever while the source is locked; only its callback can end that.
        watch = _Watch(session, size, patience)
        source.backup(target, pages=_STEP_PAGES, progress=watch, sleep=_RETRY_SECONDS)


def verify_copy(copy: sqlite3.Connection, session: str, *, seconds: float) -> Contents:
    """What the copy holds, after SQLite has found it whole.

    Raises BackupRefused when that is damaged, half-made, or no Telethon session.
    """
    copy.execute("PRAGMA trusted_schema=OFF")  # a crafted schema makes integrity_check run any expression …
    give_up = time.monotonic() + seconds  # … for ever
    copy.set_progress_handler(lambda: time.monotonic() > give_up, _VM_STEPS)
    try:
        with errors_named(session):
            contents = verify(copy, session)
    except SessionFileDamaged as error:
        raise BackupRefused("it is damaged", path=session, hint=RESCUE_FIRST) from error
    finally:
        copy.set_progress_handler(None, 0)
    if contents.kind not in _WHOLE:
        hint = _ADVICE.get(contents.kind, MEND_FIRST)
        raise BackupRefused(f"it is {contents.kind.value}: {contents.reason}", path=session, hint=hint)
    return contents


def image_of(copy: sqlite3.Connection) -> bytes:
    """The bytes of a database in memory as a file in rollback mode."""
    image = bytearray(copy.serialize())
    # What sqlite.org/c3ref/deserialize.html names for taking an image out of WAL mode: no WAL belongs to this one.
    image[_WAL_VERSIONS] = _ROLLBACK_VERSIONS
    return bytes(image)


class _Watch:
    """Ends a copy that gets nowhere; SQLite's backup calls it after every step."""

    def __init__(self, session: str, size: int, patience: Patience) -> None:
        self._session = session
        self._locked_seconds = patience.locked_seconds
        self._last_step = time.monotonic()
        self._give_up = self._last_step + patience.for_size(size)

    def __call__(self, status: int, _remaining: int, _total: int) -> None:
        now = time.monotonic()
        if status & 0xFF not in _BUSY:  # the primary code of an extended one
            self._last_step = now
        elif now - self._last_step > self._locked_seconds:
            raise SessionFileBusy("somebody keeps it locked: a transaction is being written", path=self._session)
        if now > self._give_up:
            raise SessionFileBusy("it is written faster than it can be copied", path=self._session)


@contextmanager
def _errors_sorted(session: str) -> Iterator[None]:
    """SQLite's errors that mean something of their own to a backup; the others pass."""
    try:
        yield
    except MemoryError as error:
        raise CopyFailed("no backup could be made: it does not fit into memory", path=session) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code in _UNRECOVERED:
            raise BackupRefused("a killed writer left it half written", path=session, hint=MEND_FIRST) from error
        if code & 0xFF in _DAMAGED:
            raise BackupRefused(f"it is damaged: {error}", path=session, hint=RESCUE_FIRST) from error
        if code in _NO_ROOM or code & 0xFF == sqlite3.SQLITE_FULL:
            raise CopyFailed(f"no backup could be made: {error}", path=session, hint="free some space") from error
        raise
