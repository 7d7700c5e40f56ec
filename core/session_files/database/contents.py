"""What a database is, judged from its tables: a Telethon session, whole or half, or something else (pure).

The states and Telethon's own reaction to each are measured in research: telethon §3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from core.session_files.database.pages import DatabasePages, PageUnreadable, SchemaTable, Value
from core.session_files.database.schema import NEWEST_SCHEMA
from core.session_files.model import Contents, ContentsKind

KEY_SIZE = 256
"""Bytes of an authorisation key (core.telegram.org/mtproto/auth_key)."""
_TMP_KEY_COLUMN, _TMP_KEY_SINCE = "tmp_auth_key", 8
_KEY_COLUMN = 3
_PYROGRAM_TABLES = {"peers", "sessions", "version"}

_FOREIGN = "a database, but not of Telethon"

Rows = Callable[[str], list[tuple[int, tuple[Value, ...]]]]
"""Row id and values of every row of the table of that name."""


def judge_pages(pages: DatabasePages, *, secret: bytes) -> Contents:
    """Say what the database holds; a page that cannot be read makes it DAMAGED, with the page named."""
    try:
        schema = pages.schema()
        tables, roots = _tables_and_roots(schema)
        if schema and not tables:
            return Contents(ContentsKind.FOREIGN, reason=_FOREIGN)
        contents = judge_tables(tables, lambda name: list(pages.rows(roots[name])), secret=secret)
        pages.check_trees(roots.values())
    except PageUnreadable as unreadable:
        return Contents(ContentsKind.DAMAGED, reason=str(unreadable))
    return contents


def login_is_overlaid(pages: DatabasePages) -> bool:
    """Whether a journal or WAL holds a page of the table of logins; raises PageUnreadable."""
    return pages.has_overlay and any(
        pages.is_overlaid(item.root) for item in pages.schema() if item.name == "sessions" and _has_rows(item)
    )


def judge_tables(tables: Mapping[str, str], rows: Rows, *, secret: bytes) -> Contents:
    """Say what a database with these tables (name to SQL) and rows is.

    `secret` keys the one-way mark by which a login is recognised again before and after mending; it never leaves the
    process, and neither does the mark.
    """
    if not tables:
        return Contents(ContentsKind.HALF_CREATED, reason="a database without tables")
    if tables.keys() >= _PYROGRAM_TABLES:
        return Contents(ContentsKind.PYROGRAM, reason="a session of Pyrogram or one of its forks")
    if not tables.keys() & {"sessions", "version", "entities"}:
        return Contents(ContentsKind.FOREIGN, reason=_FOREIGN)
    keys = [_key_of(values) for _rowid, values in rows("sessions")] if "sessions" in tables else []
    # `version integer primary key` is the row id itself (fileformat2 §2.3)
    versions = [rowid for rowid, _values in rows("version")] if "version" in tables else []
    kind, reason = _judge_schema(tables, versions)
    return Contents(
        kind,
        versions[0] if versions else None,
        any(len(key) == KEY_SIZE for key in keys),
        len(keys),
        reason,
        _mark(keys, secret),
    )


def _judge_schema(tables: Mapping[str, str], versions: list[int]) -> tuple[ContentsKind, str]:
    if "version" not in tables:
        reason = "the version table is missing; Telethon fails with «table sessions already exists»"
        return ContentsKind.HALF_CREATED, reason
    if not versions:
        return ContentsKind.HALF_CREATED, "the version row is missing; Telethon fails with a TypeError for ever"
    if versions[0] > NEWEST_SCHEMA:
        reason = f"schema {versions[0]}, written by a newer Telethon than 1.45 (schema {NEWEST_SCHEMA})"
        return ContentsKind.NEWER, reason
    if "sessions" not in tables:
        return ContentsKind.HALF_CREATED, "the table of logins is missing"
    if (_TMP_KEY_COLUMN in tables["sessions"]) != (versions[0] >= _TMP_KEY_SINCE):
        return ContentsKind.HALF_MIGRATED, f"schema {versions[0]}, but its columns are of another version"
    return ContentsKind.TELETHON, ""


@lru_cache(maxsize=64)
def _tables_and_roots(schema: tuple[SchemaTable, ...]) -> tuple[dict[str, str], dict[str, int]]:
    """SQL of each table with rows, and the root of every tree, by name; the same for a whole fleet.

    A virtual table has no root, and one WITHOUT ROWID is an index: neither is Telethon's.
    """
    tables = {item.name: item.sql for item in schema if item.kind == "table" and _has_rows(item)}
    return tables, {item.name: item.root for item in schema if item.root}


def _has_rows(item: SchemaTable) -> bool:
    return bool(item.root) and "WITHOUT ROWID" not in item.sql.upper()


def _mark(keys: list[bytes], secret: bytes) -> bytes | None:
    from hashlib import blake2b  # loads OpenSSL: only where something is looked into

    return blake2b(b"".join(keys), key=secret).digest() if keys else None


def _key_of(values: tuple[Value, ...]) -> bytes:
    key = values[_KEY_COLUMN] if len(values) > _KEY_COLUMN else None
    return key if isinstance(key, bytes) else b""
