"""The file of the book: made, opened and known again; a file that is not ours is left as it is."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from gpt.budget.model import Amount
from gpt.errors import BudgetExceeded, GptError, GptSettingsError
from utils.redact import printable
from utils.sqlite_uri import sqlite_uri

if TYPE_CHECKING:
    import sqlite3

FILE_NAME = "budget.sqlite3"
_APPLICATION = 0x67774277
"""Marks a database as a book (sqlite.org/pragma.html#pragma_application_id)."""
_SCHEMA_VERSION = 1
_PATIENCE = 2.0
"""Seconds to wait for another process that writes; each writes for less than a millisecond."""
_SCHEMA = f"""
CREATE TABLE book (name TEXT NOT NULL) STRICT;
INSERT INTO book VALUES (lower(hex(randomblob(8))));
CREATE TABLE spent (
    wallet TEXT NOT NULL,
    day TEXT NOT NULL,
    scope TEXT NOT NULL,
    tokens INTEGER NOT NULL DEFAULT 0,
    money INTEGER NOT NULL DEFAULT 0,
    others_tokens INTEGER NOT NULL DEFAULT 0,
    others_money INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (wallet, day, scope)
) STRICT;
CREATE TABLE reserved (
    id TEXT PRIMARY KEY,
    wallet TEXT NOT NULL,
    day TEXT NOT NULL,
    bot TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    money INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    ticks INTEGER NOT NULL,
    boot TEXT NOT NULL,
    pid_namespace TEXT NOT NULL,
    expires_at REAL NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX reserved_by_day ON reserved (wallet, day, closed);
CREATE TABLE told (
    wallet TEXT NOT NULL,
    day TEXT NOT NULL,
    scope TEXT NOT NULL,
    what TEXT NOT NULL,
    level REAL NOT NULL,
    PRIMARY KEY (wallet, day, scope, what, level)
) STRICT;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_SCHEMA_VERSION};
"""

_SPENT = """
SELECT scope, tokens + others_tokens, money + others_money FROM spent WHERE wallet = ? AND day = ?
"""


def connect(folder: str | None) -> sqlite3.Connection:
    """The book of a folder, made where it is missing; None: one in memory, gone with the process.

    WAL with synchronous=NORMAL: a killed process loses nothing; when the power goes, what was written since the last
    checkpoint may be lost (some hundred replies), and nothing else. Raises sqlite3.Error, OSError, GptSettingsError.
    """
    import sqlite3

    if folder is None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    else:
        path = os.path.join(folder, FILE_NAME)
        _make(folder, path)
        uri = sqlite_uri(path, mode="rw")
        connection = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, folder or "")
    except BaseException:
        connection.close()
        raise
    return connection


def is_there(folder: str | None) -> bool:
    """Whether a book lies in that folder."""
    return folder is not None and os.path.exists(os.path.join(folder, FILE_NAME))


def read_spent(folder: str, wallet: str, day: str) -> dict[str, Amount]:
    """What each scope has spent on a day, by the book that lies there; makes no file, and changes nothing in it.

    Raises sqlite3.Error, GptSettingsError.
    """
    import sqlite3

    connection = sqlite3.connect(
        sqlite_uri(os.path.join(folder, FILE_NAME), mode="rw"), uri=True, timeout=_PATIENCE, isolation_level=None
    )
    try:
        _refuse_foreign(connection, folder)
        rows = connection.execute(_SPENT, (wallet, day)) if not _is_empty(connection) else ()
        return {scope: Amount(tokens, money) for scope, tokens, money in rows}
    finally:
        connection.close()


def _make(folder: str, path: str) -> None:
    """SQLite gives its `-wal` and `-shm` the mode of the database."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _prepare(connection: sqlite3.Connection, folder: str) -> None:
    _refuse_foreign(connection, folder)
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_empty(connection):
            for statement in _SCHEMA.strip().split(";\n"):
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    import sqlite3

    until = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            # Several processes that make it at once: this pragma does not wait for a lock
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _refuse_foreign(connection: sqlite3.Connection, folder: str) -> None:
    """Raise GptSettingsError for a database of somebody else's, or of a later program."""
    if _is_empty(connection):  # before its marks are read: another process may make it meanwhile, marks and all
        return
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if (application, version) == (_APPLICATION, _SCHEMA_VERSION):
        return
    what = (
        f"has schema {version}, this program knows {_SCHEMA_VERSION}" if application == _APPLICATION else "is not ours"
    )
    raise GptSettingsError(
        f"the record of the budget {_shown(folder)} {what}",
        hint="upgrade this program, or move that file away; it is left as it is",
    )


def _is_empty(connection: sqlite3.Connection) -> bool:
    tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return tables == 0


def unusable(folder: str | None, error: Exception) -> GptError:
    """What SQLite or the disk said of the book, as what it means: unknown is not free, so nothing is sent.

    GptSettingsError where a person is needed, BudgetExceeded for what passes by itself or with free space.
    """
    import sqlite3

    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    needs_a_person = (
        *(sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_ERROR),
    )
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    message = f"the record of the budget {_shown(folder or '')} cannot be used ({printable(said)})"
    if isinstance(error, OSError) or primary in needs_a_person:
        return GptSettingsError(
            message, hint="may this user write there? Only a damaged one may be moved away: the day then begins at 0"
        )
    return BudgetExceeded(message, hint="is the disk full, or the file held by another program?")


def _shown(folder: str) -> str:
    return printable(os.path.join(folder, FILE_NAME)) if folder else "in memory"
