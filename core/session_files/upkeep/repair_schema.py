"""Mending tables that Telethon was stopped in the middle of making or upgrading.

Nothing is taken away: missing tables and columns are added, and the version row is set to what the columns are of.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import NamedTuple

from core.errors import SessionFileDamaged, SessionFileError
from core.session_files.database.schema import TABLES, Columns, NotTelethons, downgrades, schema_repairs
from core.session_files.mending.recovery import connect_alone, errors_named, exclusive_transaction, verify
from core.session_files.model import Contents, ContentsKind
from utils.sqlite_uri import sqlite_uri


class SchemaRepair(NamedTuple):
    """What was done."""

    statements: tuple[str, ...]
    after: Contents


def statements_for(path: str) -> tuple[str, ...]:
    """What a repair would execute; raises SessionFileError. Changes nothing."""
    with errors_named(path), closing(sqlite3.connect(sqlite_uri(path, mode="ro"), uri=True, timeout=0.0)) as database:
        return _statements(database, path)


def repair_schema(path: str) -> SchemaRepair:
    """Make it a session that Telethon opens, in one transaction; raises SessionFileError."""
    with connect_alone(path) as database, exclusive_transaction(database):
        statements = _statements(database, path)
        for statement in statements:
            database.execute(statement)
        after = verify(database, path)
        if after.kind is not ContentsKind.TELETHON:
            raise SessionFileDamaged(f"its tables cannot be repaired: {after.reason}", path=path)
    return SchemaRepair(statements, after)


def downgrade(path: str, version: int) -> Contents:
    """Make the session at `path`, a copy, one for an older Telethon; raises SessionFileError."""
    with connect_alone(path) as database, exclusive_transaction(database):
        try:
            statements = downgrades(_columns(database), version)
        except ValueError as error:
            raise SessionFileError(str(error), path=path) from None
        for statement in statements:
            database.execute(statement)
        return verify(database, path)


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
