"""Mending tables that Telethon was stopped in the middle of making or upgrading.

Nothing is taken away: missing tables and columns are added, and the version row is set to what the columns are of.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from core.errors import SessionFileDamaged, SessionFileError
from core.session_files.database.schema import TABLES, Columns, NotTelethons, downgrades, schema_repairs
from core.session_files.mending.act import Acted
from core.session_files.mending.copies import is_taken, sync_file
from core.session_files.mending.identity import identity_of
from core.session_files.mending.recovery import connect_alone, errors_named, exclusive_transaction, verify
from core.session_files.model import Contents, ContentsKind, PlanEntry
from utils.sqlite_uri import sqlite_uri


def statements_for(path: str) -> tuple[str, ...]:
    """What a repair would execute; raises SessionFileError. Changes nothing."""
    with errors_named(path), closing(sqlite3.connect(sqlite_uri(path, mode="ro"), uri=True, timeout=0.0)) as database:
        return _statements(database, path)


def repair_family(entry: PlanEntry) -> Acted:
    """Repair the session of a plan's entry."""
    path = entry.seen.family.target
    contents = repair(path)
    with errors_named(path):
        sync_file(path)  # undo knows it again by the time of its last write, which SQLite does not sync
    return Acted(contents, left=identity_of(path))


def repair(path: str) -> Contents:
    """Make it a session that Telethon opens, in one transaction, and say what it holds; raises SessionFileError."""
    with connect_alone(path) as database:
        database.execute("PRAGMA synchronous = EXTRA")  # FULL could lose this commit after it was noted as done
        with exclusive_transaction(database):
            for statement in _statements(database, path):
                database.execute(statement)
            after = verify(database, path)
            if after.kind is not ContentsKind.TELETHON:
                raise SessionFileDamaged(f"its tables cannot be repaired: {after.reason}", path=path)
    return after


def write_downgraded(path: str, new: str, version: int) -> Contents:
    """Write a copy of the session at `path` for an older Telethon to the new file `new` (0600); `path` is only read.

    Raises SessionFileBusy, SessionFileError; then `new` does not exist.
    """
    if is_taken(new):
        raise SessionFileError("a session, or a sidecar of one, is there already", path=new, hint="name a new file")
    try:
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise SessionFileError(f"cannot be made ({error.strerror})", path=new) from error
    try:
        source_uri = sqlite_uri(path, mode="ro")
        with (
            errors_named(path),
            closing(sqlite3.connect(source_uri, uri=True, timeout=0.0)) as source,
            connect_alone(new) as copy,
        ):
            source.backup(copy)
            with exclusive_transaction(copy):
                for statement in downgrades(_columns(copy), version):
                    copy.execute(statement)
                return verify(copy, new)
    except ValueError as error:
        os.unlink(new)
        raise SessionFileError(str(error), path=path) from None
    except BaseException:
        os.unlink(new)
        raise


def _statements(database: sqlite3.Connection, path: str) -> tuple[str, ...]:
    columns = _columns(database)
    versions = []
    if "version" in columns:
        versions = [row[0] for row in database.execute("SELECT version FROM version")]
    try:
        return schema_repairs(columns, versions)
    except NotTelethons as error:
        raise SessionFileError(f"{error}", path=path, hint="monitor_system.py why names what it is") from None


def _columns(database: sqlite3.Connection) -> Columns:
    found = {}
    for table in TABLES:
        names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        if names:
            found[table] = names
    return found
