"""The file of the history: its schema, and reading one that is older or half written without writing to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from core.errors import StateError
from utils.sqlite_uri import sqlite_uri

_MIGRATIONS = (
    """
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    command TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    outcome TEXT
) STRICT;
CREATE TABLE changes (
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    number INTEGER NOT NULL,
    path ANY NOT NULL,
    codes TEXT NOT NULL,
    actions TEXT NOT NULL,
    copy ANY,
    mode_before INTEGER,
    set_aside ANY,
    status TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run_id, number)
) STRICT;
CREATE INDEX changes_by_path ON changes (path, run_id);
""",
    "ALTER TABLE runs ADD COLUMN folders TEXT NOT NULL DEFAULT ''; ALTER TABLE changes ADD COLUMN after TEXT;",
)
"""Each brings a history to the next schema version (`PRAGMA user_version`)."""


def connect_read_only(path: str) -> sqlite3.Connection:
    """A connection to the history, or to a copy in memory where reading the file would write to it.

    Raises StateError where it is of a later schema, sqlite3.Error, OSError.
    """
    connection = sqlite3.connect(sqlite_uri(path, mode="ro"), uri=True, timeout=2.0)
    if _is_half_written(connection):
        connection = _recovered_copy(path)
    if _schema_version(connection, path) < len(_MIGRATIONS):
        connection = _in_memory(connection, path)
    return connection


def _schema_version(connection: sqlite3.Connection, path: str) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_MIGRATIONS):
        raise StateError(
            f"the history has schema {version}, this program knows {len(_MIGRATIONS)}",
            path=path,
            hint="upgrade this program, or set GAVAT_STATE to another folder",
        )
    return version


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a history to today's schema; raises StateError where it is of a later one."""
    for version in range(_schema_version(connection, path), len(_MIGRATIONS)):
        connection.executescript(f"BEGIN IMMEDIATE;{_MIGRATIONS[version]}PRAGMA user_version = {version + 1};COMMIT;")


def _is_half_written(connection: sqlite3.Connection) -> bool:
    """Whether a run was killed while it wrote the history: reading it would mean to roll back, which is to write."""
    try:
        connection.execute("PRAGMA user_version")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        connection.close()
        return True
    return False


def _recovered_copy(path: str) -> sqlite3.Connection:
    """The history as its recovery will give it, without touching it: recovered on a copy, kept in memory."""
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="gavat-history-") as folder:
        for suffix in ("", "-journal"):
            shutil.copyfile(path + suffix, f"{folder}/runs{suffix}")
        memory = sqlite3.connect(":memory:", isolation_level=None)
        with closing(sqlite3.connect(f"{folder}/runs")) as copy:
            copy.backup(memory)
    return memory


def _in_memory(connection: sqlite3.Connection, path: str) -> sqlite3.Connection:
    """An older history in today's schema, without writing to it: looking changes nothing."""
    memory = sqlite3.connect(":memory:", isolation_level=None)
    with closing(connection):
        connection.backup(memory)
    migrate(memory, path)
    return memory


def unusable(path: str, error: Exception) -> StateError:
    """What SQLite or the disk said of the history, with what to do about it."""
    return StateError(
        f"the history of runs cannot be used ({error})",
        path=path,
        hint="is the disk full, or the folder another user's? Only a damaged one may be moved away; copies stay",
    )
