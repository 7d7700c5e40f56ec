"""History of runs: `runs.sqlite3`, one row a run and one row a change, written before and after each change.

The row written before says where the byte copy lies, so `undo` finds it even when the run was killed in between.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, Self

from core.state.folder import StateFolder
from core.state.runs_file import connect_read_only, migrate, unusable
from utils.clock import utc_text

DAILY_BACKUP = "daily backup"
"""The command of a running bot's own backups."""
DONE = "done"
_RUNS = """
SELECT run_id, command, pid, started_at, ended_at, outcome, folders,
    (SELECT count(*) FROM changes WHERE changes.run_id = runs.run_id AND status IN ('started', 'done')) FROM runs
"""


class ChangeStatus(Enum):
    """How far a change got."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"


class Change(NamedTuple):
    """One family, or one folder, that a run changed."""

    run_id: str
    number: int
    path: str
    codes: str
    actions: str
    copy: str | None
    """Folder of the byte copy; None where only a mode was changed."""
    mode_before: int | None
    set_aside: str | None
    """Folder that the sidecars, or the whole family, moved to."""
    status: ChangeStatus
    detail: str
    after: str | None = None
    """By which the session is known again that nobody wrote to since (`Identity`)."""


class RunRecord(NamedTuple):
    """One run of a changing command."""

    run_id: str
    command: str
    pid: int
    started_at: str
    ended_at: str | None
    """None while it is at work, and for ever when it was killed."""
    outcome: str | None
    folders: str
    """What it was asked to work on, as it is shown to people."""
    changes: int
    """Changes begun and not known to have failed or been taken back."""


def new_run_id(now: datetime) -> str:
    """A name for a run that begins now: sorts by time (`20261121-084126-3f2a`; the end is the fraction of the second).

    One state folder has one run at a time, so the moment is enough to tell runs apart.
    """
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond * 0x10000 // 1_000_000:04x}"


class RunHistory:
    """The open history; a context manager."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    def open(cls, state: StateFolder) -> Self:
        """Open for writing, made (0600) where missing; raises StateError when it cannot be used."""
        try:
            os.close(os.open(state.runs, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(state.runs, isolation_level=None, timeout=10.0)
        except (OSError, sqlite3.Error) as error:
            raise unusable(state.runs, error) from error
        history = cls(connection, state.runs)
        with history._errors_named():
            # FULL would not sync the removal of the journal, and a change could be on disk before its note.
            connection.execute("PRAGMA synchronous = EXTRA")
            migrate(connection, state.runs)
        return history

    @classmethod
    def read(cls, state: StateFolder) -> Self | None:
        """Open for reading only; None when there is no history yet. Leaves no file behind."""
        try:
            os.stat(state.runs)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise unusable(state.runs, error) from error
        try:
            connection = connect_read_only(state.runs)
        except (OSError, sqlite3.Error) as error:
            raise unusable(state.runs, error) from error
        return cls(connection, state.runs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._connection.close()

    def begin(self, run_id: str, command: str, now: datetime, *, folders: str) -> None:
        """Note that a run has begun; `folders`: what it works on, as it is shown to people."""
        with self._errors_named():
            self._connection.execute(
                "INSERT INTO runs (run_id, command, pid, started_at, folders) VALUES (?, ?, ?, ?, ?)",
                (run_id, command, os.getpid(), utc_text(now), folders),
            )

    def resume(self, run_id: str) -> None:
        """Note that this process goes on with a run that did not end."""
        with self._errors_named():
            self._connection.execute("UPDATE runs SET pid = ? WHERE run_id = ?", (os.getpid(), run_id))

    def end(self, run_id: str, outcome: str, now: datetime) -> None:
        """Note how a run ended."""
        with self._errors_named():
            self._connection.execute(
                "UPDATE runs SET ended_at = ?, outcome = ? WHERE run_id = ?", (utc_text(now), outcome, run_id)
            )

    def record(self, changes: Iterable[Change]) -> None:
        """Write changes, each replacing an earlier row of the same number; one transaction, on disk at return."""
        rows = [_to_row(change) for change in changes]
        marks = ", ".join("?" * len(Change._fields))
        with self._errors_named(), self._transaction():
            self._connection.executemany(
                f"INSERT OR REPLACE INTO changes ({', '.join(Change._fields)}) VALUES ({marks})", rows
            )

    def run(self, run_id: str) -> RunRecord | None:
        """The run of that id, or None."""
        found = self._select(f"{_RUNS} WHERE run_id = ?", (run_id,))
        return RunRecord(*found[0]) if found else None

    def last_runs(self, count: int) -> list[RunRecord]:
        """The newest runs, newest first; without daily backups that went well: a fleet has one of each bot a day."""
        asked_for = "WHERE command <> ? OR outcome IS NOT ?"
        rows = self._select(f"{_RUNS} {asked_for} ORDER BY run_id DESC LIMIT ?", (DAILY_BACKUP, DONE, count))
        return [RunRecord(*row) for row in rows]

    def unended(self, command: str) -> list[RunRecord]:
        """Runs of that command that did not come to their end, newest first; the one at work is among them."""
        return [
            RunRecord(*row)
            for row in self._select(f"{_RUNS} WHERE command = ? AND ended_at IS NULL ORDER BY run_id DESC", (command,))
        ]

    def changes_of(self, run_id: str) -> list[Change]:
        """What a run changed, in order."""
        return self._changes("SELECT * FROM changes WHERE run_id = ? ORDER BY number", (run_id,))

    def begun(self) -> list[Change]:
        """Changes of which nobody knows how they ended: their runs were killed."""
        return self._changes("SELECT * FROM changes WHERE status = ?", ("started",))

    def changes_to(self, path: str, count: int = 20) -> list[Change]:
        """The newest changes to one path, newest first."""
        return self._changes(
            "SELECT * FROM changes WHERE path = ? ORDER BY run_id DESC LIMIT ?", (_path_value(path), count)
        )

    def _changes(self, query: str, parameters: Sequence[object]) -> list[Change]:
        return [_from_row(row) for row in self._select(query, parameters)]

    def _select(self, query: str, parameters: Sequence[object]) -> list[Any]:
        with self._errors_named(), closing(self._connection.execute(query, parameters)) as rows:
            return rows.fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # a full disk has ended it already
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise unusable(self._path, error) from error


def _to_row(change: Change) -> tuple[object, ...]:
    stored = change._replace(
        path=_path_value(change.path), copy=_path_value(change.copy), set_aside=_path_value(change.set_aside)
    )
    return (*stored[:-3], change.status.value, change.detail, change.after)


def _from_row(row: tuple[Any, ...]) -> Change:
    change = Change(*row)
    return change._replace(
        path=os.fsdecode(change.path),
        copy=os.fsdecode(change.copy) if change.copy else None,
        set_aside=os.fsdecode(change.set_aside) if change.set_aside else None,
        status=ChangeStatus(change.status),
    )


def _path_value(path: str | None) -> Any:
    """Text where the path is UTF-8, else its bytes: SQLite's text holds nothing else."""
    if path is None or path.isprintable():
        return path
    return os.fsencode(path)
