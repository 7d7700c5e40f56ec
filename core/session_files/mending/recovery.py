"""Letting SQLite put one session right, under its own locks, and verifying the result before letting go.

Nothing here waits (timeout 0): a lock means that somebody uses the file, and then it is left alone. The order and its
evidence are research: session_files §6, steps 6 to 8 (0 damaged of 12,710 crash states, no sidecar left).
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from core.errors import SessionFileBusy, SessionFileDamaged, SessionFileError
from core.session_files.database.contents import judge_tables
from core.session_files.database.file_format import JOURNAL_HEADER, classify_journal, names_super_journal
from core.session_files.looking.page_source import PROCESS_SECRET
from core.session_files.model import Contents, ContentsKind, JournalHeat, SidecarKind
from utils.leases import open_without_access_time
from utils.sqlite_uri import sqlite_uri

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LONGEST = 30.0
"""Seconds that recovery and verification of a small session may take …"""
_SLOWEST = 1_000_000
"""… and bytes a second beyond that; a noisy disk and a cold cache give ten times as much."""
_STEPS = 200_000
"""Steps of SQLite's virtual machine between two looks at the clock: some milliseconds."""
_HINTS = {
    sqlite3.SQLITE_INTERRUPT: "verification took too long: salvage or restore it, and look at its schema",
    sqlite3.SQLITE_FULL: "free some space, then run again; the journal or WAL was left in place",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only for this user: run as the owner of the sessions",
    sqlite3.SQLITE_CANTOPEN: "no journal can be made: is the disk full, or the folder another user's?",
    sqlite3.SQLITE_IOERR: "the disk reported an error: look at the kernel log before anything else",
}


def recover(path: str, before: Contents | None) -> Contents:
    """Roll back, checkpoint, switch to DELETE mode, remove what is cold, and return what the file holds then.

    `before` is what was read from the bytes, a waiting recovery included; the login must be the same afterwards.
    Raises SessionFileBusy (somebody came first; SQLite's locks kept the file whole), SessionFileDamaged (integrity
    or login not as they must be; sidecars not yet touched by name), SessionFileError (disk full, read-only …).
    """
    with connect_alone(path) as database:
        database.execute("SELECT 1 FROM sqlite_schema").fetchone()  # a hot journal is rolled back here
        _leave_wal(database, path)
        database.execute("BEGIN EXCLUSIVE")
        try:
            after = verify(database, path)
            _refuse_other_login(before, after, path)
            _remove_cold_sidecars(path)
        finally:
            database.execute("ROLLBACK")
    return after


@contextmanager
def connect_alone(path: str) -> Iterator[sqlite3.Connection]:
    """SQLite on a session that nobody should have open: it waits for nobody, and a lock means hands off.

    Raises what `errors_named` does, and SessionFileError for a journal that names another file.
    """
    _refuse_super_journal(path)
    with (
        errors_named(path),
        closing(sqlite3.connect(sqlite_uri(path, mode="rw"), uri=True, timeout=0.0, isolation_level=None)) as database,
    ):
        _limit_time(database, path)
        yield database


def _limit_time(database: sqlite3.Connection, path: str) -> None:
    """End a verification that goes on for ever: a crafted schema makes integrity_check run any expression."""
    database.execute("PRAGMA trusted_schema=OFF")  # nor any function that could do harm
    give_up = time.monotonic() + _LONGEST + os.stat(path).st_size / _SLOWEST
    database.set_progress_handler(lambda: time.monotonic() > give_up, _STEPS)


def _refuse_super_journal(path: str) -> None:
    """Refuse right before SQLite opens the file: it would delete whatever file the journal names."""
    tail = _ends(path + SidecarKind.JOURNAL.value)[1]
    if names_super_journal(tail):
        raise SessionFileError("its journal names another file, which SQLite would delete", path=path)


def _ends(path: str) -> tuple[bytes, bytes]:
    """The first bytes of a regular file and its last eight; empty when there is none."""
    try:
        descriptor = open_without_access_time(path)
    except OSError:
        return b"", b""
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return b"", b""
        head = os.pread(descriptor, JOURNAL_HEADER.size, 0)
        return head, os.pread(descriptor, 8, found.st_size - 8) if found.st_size > JOURNAL_HEADER.size else b""
    finally:
        os.close(descriptor)


def _leave_wal(database: sqlite3.Connection, path: str) -> None:
    (mode,) = database.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        return
    busy, _log, _checkpointed = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise SessionFileBusy("somebody reads or writes it", path=path)
    (mode,) = database.execute("PRAGMA journal_mode=DELETE").fetchone()
    if mode != "delete":
        raise SessionFileBusy("it could not leave WAL mode: somebody has it open", path=path)


@contextmanager
def exclusive_transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, with nobody else reading or writing meanwhile."""
    database.execute("BEGIN EXCLUSIVE")
    try:
        yield
    except BaseException:
        if database.in_transaction:  # a full disk has ended it already
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def verify(database: sqlite3.Connection, path: str) -> Contents:
    """What the open database holds; raises SessionFileDamaged when SQLite finds it not whole."""
    (report,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if report != "ok":
        found = report.splitlines()[-1]  # the first line names the database
        raise SessionFileDamaged(f"recovery does not help, SQLite still finds: {found}", path=path)
    tables = dict(database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall())

    def rows(table: str) -> list[tuple[int, tuple[int | float | str | bytes | None, ...]]]:
        found = database.execute(f'SELECT rowid, * FROM "{table}"').fetchall()
        return [(row[0], row[1:]) for row in found]

    return judge_tables(tables, rows, secret=PROCESS_SECRET)


def _refuse_other_login(before: Contents | None, after: Contents, path: str) -> None:
    known = before is not None and before.kind not in (ContentsKind.DAMAGED, ContentsKind.UNREAD)
    if known and before is not None and before.login_mark != after.login_mark:
        raise SessionFileDamaged("its login is not the one that was read from its bytes before", path=path)


def _remove_cold_sidecars(path: str) -> None:
    """Remove a journal with nothing to play back, an empty -wal and a lone -shm, while SQLite's exclusive lock is held.

    The lock is what makes it right: no writer can be between creating a journal and using it, and in DELETE mode
    nobody uses a -wal or -shm. SQLite itself takes a file of 0 bytes for none (os_unix.c, unixAccess) and leaves it.
    """
    journal = path + SidecarKind.JOURNAL.value
    if os.path.lexists(journal) and classify_journal(_ends(journal)[0]) is JournalHeat.COLD:
        os.unlink(journal)
    wal = path + SidecarKind.WAL.value
    if os.path.lexists(wal) and os.lstat(wal).st_size == 0:
        os.unlink(wal)
    if not os.path.lexists(wal) and os.path.lexists(path + SidecarKind.SHM.value):
        os.unlink(path + SidecarKind.SHM.value)


@contextmanager
def errors_named(path: str) -> Iterator[None]:
    """SQLite's errors as ours: SessionFileBusy, SessionFileDamaged, else SessionFileError with a hint."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
        if code in _BUSY:
            raise SessionFileBusy("somebody came first and has it locked", path=path) from error
        if code in _DAMAGED:
            raise SessionFileDamaged(f"SQLite cannot read it: {error}", path=path) from error
        raise SessionFileError(str(error), path=path, hint=_HINTS.get(code)) from error
    except OSError as error:
        raise SessionFileError(f"{error.strerror}", path=path) from error
