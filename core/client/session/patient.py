"""Telethon's SQLite session, made patient: somebody else's lock costs a bot 50 ms and never an answer.

What Telethon stores meanwhile waits in memory and is written by `save()`, each minute and at the end, in one short
transaction; so the file is free, and nothing lies beside it, nearly all the time. Only a changed login is worth an
error, and Telethon saves one before its first request (research: telethon §3.1).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from telethon.sessions import MemorySession, SQLiteSession

from core.client.model import SessionStats
from core.client.session.file import connect, is_busy
from core.client.session.rows import SessionRows
from core.client.session.unsaved import Batch
from core.errors import SessionFileError
from core.session_files.mending.recovery import errors_named
from utils.clock import utc_now
from utils.redact import printable

logger = logging.getLogger("gavatcore.session")
_MOVED = "the file was moved, replaced or deleted"


class Login(NamedTuple):
    """The row by which Telegram knows the bot; never shown."""

    dc_id: int = 0
    address: str | None = None
    port: int | None = None
    key: bytes = b""
    takeout_id: int | None = None

    def __repr__(self) -> str:
        return f"<login at data centre {self.dc_id}>"


class SessionClosed(SessionFileError):
    """The session was closed: it is opened again by starting the client, which takes the lease first."""


class PatientSession(SessionRows):
    """A `telethon.sessions.SQLiteSession` over the same file and schema; one event loop uses it.

    The file must exist (`create_private` makes one for a first login). Opening raises SessionFileBusy (somebody has it
    locked), SessionFileDamaged and, for a missing file or a full disk, SessionFileError; then nothing stays open.
    After `close()` late calls of Telethon's are ignored and counted, and only `reopen()` opens the file again.
    """

    def __init__(self, session_id: str | None = None, store_tmp_auth_key_on_disk: bool = False) -> None:
        self._stats = SessionStats()
        self._stored = Login()
        self._is_latched = False
        self._conn: sqlite3.Connection | None = None
        self._file: os.stat_result | None = None
        try:
            with errors_named(str(session_id)):
                super().__init__(session_id, store_tmp_auth_key_on_disk)
        except SessionFileError:
            self._let_go()
            raise
        self._stored = self._login()

    @property
    def stats(self) -> SessionStats:
        """Counters and what waits, as of now."""
        return replace(self._stats, rows_kept=len(self._unsaved), rows_dropped=self._unsaved.dropped)

    def clone(self, to_instance: Any = None) -> Any:
        """A session in memory: a CDN's data centre gets its own address and must not touch the file."""
        return to_instance or MemorySession()

    # Opening and closing

    def _cursor(self) -> sqlite3.Cursor:
        return self._connection().cursor()

    def _connection(self) -> sqlite3.Connection:
        if self._conn is None:
            if self._is_latched:
                raise SessionClosed("the session was closed", path=self.filename, hint="start the client again")
            in_memory = self.filename == ":memory:"
            self._conn = sqlite3.connect(":memory:", isolation_level=None) if in_memory else self._connect()
        return self._conn

    def _connect(self) -> sqlite3.Connection:
        """Open the file, and no other that bears its name by now: what waits here belongs to this login alone."""
        connection = connect(self.filename)
        found = os.stat(self.filename)
        self._file = self._file or found
        if not os.path.samestat(found, self._file):
            connection.close()
            raise sqlite3.OperationalError(_MOVED)
        return connection

    def close(self) -> None:
        """Save what can be saved, close the file and stay closed. Raises nothing; what was lost is counted."""
        if self._conn is not None:
            try:
                self.save()
            except SessionFileError as error:
                logger.error("%s: its login could not be saved: %s", printable(self.filename), error)
            self._let_go()
        if len(self._unsaved):
            logger.warning("%s: closed with %d unsaved rows", printable(self.filename), len(self._unsaved))
        self._is_latched = True

    def _let_go(self) -> None:
        if self._conn is not None:
            with suppress(sqlite3.Error):
                self._conn.close()
            self._conn = None

    def reopen(self) -> None:
        """Let the next call open the file again; for who holds the session's lease."""
        self._is_latched = False

    def delete(self) -> bool:
        """Leave the file where it is: Telethon calls this after a log-out, and no session file is ever deleted."""
        logger.warning(
            "%s: logged out; the file stays, `files backup-purge` removes its copies", printable(self.filename)
        )
        return False

    # The login

    def set_dc(self, dc_id: int, server_address: str, port: int) -> None:
        """Set the data centre; written by the next save, with the key that is set by then."""
        MemorySession.set_dc(self, dc_id, server_address, port)

    def _update_session_table(self) -> None:
        """Nothing yet: `save()` sees a changed login by comparing, and leaves an unchanged one unwritten."""

    def _login(self) -> Login:
        key = self._auth_key.key if self._auth_key else b""
        return Login(self._dc_id, self._server_address, self._port, key or b"", self._takeout_id)

    def _changed_login(self) -> Login | None:
        login, stored = self._login(), self._stored
        if login == stored:
            return None
        if stored.key and not login.key and login.dc_id == stored.dc_id:
            return None  # it went missing in memory (Telethon#1457): only another data centre wants a new key
        return login

    # Saving

    def save(self) -> None:
        """Write all that is new in one transaction; what somebody's lock or a full disk prevents waits for the next.

        Raises SessionFileError (SessionFileBusy) only when a changed key or data centre could not be written.
        """
        login, batch = self._changed_login(), self._unsaved.batch()
        creating = self._conn is not None and self._conn.in_transaction
        if login is None and not any(batch) and not creating:
            return
        if self._is_latched:
            self._stats = replace(self._stats, late=self._stats.late + 1)
            return
        began = time.perf_counter()
        try:
            self._write(login, batch)
        except sqlite3.Error as error:
            self._note_failure(error)
            if login is not None and login[:4] != self._stored[:4]:
                with errors_named(self.filename):
                    raise
            return
        self._unsaved.written(batch)
        if login is not None:
            self._stored = login
        self._note_commit(timedelta(seconds=time.perf_counter() - began))

    def _write(self, login: Login | None, batch: Batch) -> None:
        connection = self._connection()
        with _durable(connection, for_login=login is not None), _transaction(connection):
            if login is not None:
                connection.execute("DELETE FROM sessions")
                connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, x'')", login)
            connection.executemany("INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?, ?)", batch.entities)
            connection.executemany("INSERT OR REPLACE INTO update_state VALUES (?, ?, ?, ?, ?)", batch.states)
            connection.executemany("INSERT OR REPLACE INTO sent_files VALUES (?, ?, ?, ?, ?)", batch.files)

    def _note_commit(self, took: timedelta) -> None:
        if self._stats.failing_since is not None:
            logger.info("%s: saving works again", printable(self.filename))
        self._stats = replace(
            self._stats,
            commits=self._stats.commits + 1,
            last_commit=took,
            longest_commit=max(took, self._stats.longest_commit),
            failing_since=None,
        )

    def _note_failure(self, error: sqlite3.Error) -> None:
        self._unsaved.shrink()
        busy = is_busy(error)
        moved = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_DBMOVED
        told = "somebody holds the file" if busy else _MOVED if moved else str(error)
        if self._stats.failing_since is None:
            logger.warning("%s: not saved for now: %s; it is kept in memory", printable(self.filename), told)
        self._stats = replace(
            self._stats,
            busy=self._stats.busy + busy,
            failed=self._stats.failed + (not busy),
            failing_since=self._stats.failing_since or utc_now(),
            last_error=told,
        )

    def _is_late(self) -> bool:
        if self._is_latched:
            self._stats = replace(self._stats, late=self._stats.late + 1)
        return self._is_latched

    def _relieve(self) -> None:
        """Write at once what has become too much to keep."""
        if self._unsaved.entities.is_full or self._unsaved.files.is_full:
            with suppress(SessionFileError):  # a changed login waits for the save that Telethon asks for
                self.save()
            self._unsaved.shrink()

    def _note_missed_read(self) -> None:
        self._stats = replace(self._stats, reads_missed=self._stats.reads_missed + 1)

    # Creating and upgrading the tables, all or nothing

    @staticmethod
    def _create_table(cursor: sqlite3.Cursor, *definitions: str) -> None:
        _begin(cursor.connection)
        SQLiteSession._create_table(cursor, *definitions)

    def _upgrade_database(self, old: int) -> None:
        _begin(self._connection())
        super()._upgrade_database(old)


def _begin(connection: sqlite3.Connection) -> None:
    """Begin with all locks at once, so that one wait is all there is, and COMMIT needs none."""
    if not connection.in_transaction:
        connection.execute("BEGIN EXCLUSIVE")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    _begin(connection)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have ended it already
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _durable(connection: sqlite3.Connection, *, for_login: bool) -> Iterator[None]:
    """For a login, sync the folder too: after a power cut FULL can bring a rolled-back journal back to life.

    sqlite.org/pragma.html#pragma_synchronous (EXTRA). The setting cannot change inside a transaction.
    """
    if not for_login or connection.in_transaction:
        yield
        return
    connection.execute("PRAGMA synchronous=EXTRA")
    try:
        yield
    finally:
        connection.execute("PRAGMA synchronous=FULL")
