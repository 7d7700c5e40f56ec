"""Telethon's tables by schema version: which version a database is by its columns, and what a half one lacks (pure).

Telethon runs each CREATE and ALTER in a transaction of its own and writes the version last, so a kill in between leaves
tables that it can never open again (research: telethon §3.4). The columns tell how far it came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

NEWEST_SCHEMA = 8
"""`telethon.sessions.sqlite.CURRENT_VERSION` of Telethon 1.45."""

_OLDEST = 4
"""The schema that brought the last of today's tables; an older one is taken for this one with a table missing."""
_COLUMNS = {
    "version": ("version integer primary key",),
    "sessions": (
        "dc_id integer primary key",
        "server_address text",
        "port integer",
        "auth_key blob",
        "takeout_id integer",
        "tmp_auth_key blob",
    ),
    "entities": (
        "id integer primary key",
        "hash integer not null",
        "username text",
        "phone integer",
        "name text",
        "date integer",
    ),
    "sent_files": (
        "md5_digest blob",
        "file_size integer",
        "type integer",
        "id integer",
        "hash integer",
        "primary key (md5_digest, file_size, type)",
    ),
    "update_state": (
        "id integer primary key",
        "pts integer",
        "qts integer",
        "date integer",
        "seq integer",
    ),
}
TABLES = tuple(_COLUMNS)
_SINCE = {("sessions", "tmp_auth_key"): 8, ("entities", "date"): 7, ("sessions", "takeout_id"): 5}
"""The version that brought a column (Telethon, `_upgrade_database`); 6 is 5 with the entities dropped."""

Columns = Mapping[str, Sequence[str]]
"""Column names of each table, in order."""


class NotTelethons(Exception):
    """A table bears the name of one of Telethon's and has other columns."""


def definition(table: str, version: int = NEWEST_SCHEMA) -> str:
    """The CREATE statement of a table as that schema version has it."""
    return f"CREATE TABLE {table} ({', '.join(_definitions(table, version))})"


def column_names(table: str, version: int = NEWEST_SCHEMA) -> tuple[str, ...]:
    """Its columns in order; Telethon inserts by position."""
    return tuple(one.split()[0] for one in _definitions(table, version) if not one.startswith("primary key"))


def schema_of(columns: Columns) -> int:
    """The version that tables with these columns are of; the newest where none speaks against it."""
    sessions, entities = columns.get("sessions"), columns.get("entities")
    if sessions is None or "tmp_auth_key" in sessions:
        return 8
    if "takeout_id" in sessions:
        return 7 if entities is None or "date" in entities else 6
    return _OLDEST


def schema_repairs(columns: Columns, versions: Sequence[int]) -> tuple[str, ...]:
    """The statements that make a half-created or half-migrated database one that Telethon opens; none when it is whole.

    Only adds what is missing: tables, columns, the version row. Raises NotTelethons where a table is of another kind.
    """
    target = schema_of(columns)
    statements = []
    for table in TABLES:
        wanted = column_names(table, target)
        found = tuple(columns.get(table, ()))
        if not found:
            statements.append(definition(table, target))
        elif wanted[: len(found)] != found:
            raise NotTelethons(f"the table {table} has columns that are not Telethon's")
        else:
            added = [one for one in _definitions(table, target) if one.split()[0] in wanted[len(found) :]]
            statements += [f"ALTER TABLE {table} ADD COLUMN {one}" for one in added]
    if list(versions) != [target]:
        statements += ["DELETE FROM version", f"INSERT INTO version VALUES ({target})"]
    return tuple(statements)


def downgrades(columns: Columns, version: int) -> tuple[str, ...]:
    """The statements that make a whole database one for an older Telethon, whose schema is `version`.

    Raises ValueError when it is of that version or older already.
    """
    if not _OLDEST <= version < schema_of(columns):
        raise ValueError(
            f"it is of schema {schema_of(columns)}; a downgrade goes to one from {_OLDEST} to {schema_of(columns) - 1}"
        )
    newer = [where for where, since in _SINCE.items() if since > version and where[1] in columns[where[0]]]
    dropped = [f"ALTER TABLE {table} DROP COLUMN {column}" for table, column in newer]
    return (*dropped, "DELETE FROM version", f"INSERT INTO version VALUES ({version})")


def _definitions(table: str, version: int) -> list[str]:
    return [one for one in _COLUMNS[table] if _SINCE.get((table, one.split()[0]), 0) <= version]
