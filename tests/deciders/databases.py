"""Real databases, made and judged by SQLite itself, and the same bytes opened with our own reader."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from core.session_files.database.file_format import read_header
from core.session_files.database.pages import DatabasePages, Value

Row = tuple[int, tuple[Value, ...]]

VERSION = "CREATE TABLE version (version integer primary key)"
SESSIONS_7 = """CREATE TABLE sessions (dc_id integer primary key, server_address text, port integer,
    auth_key blob, takeout_id integer)"""
SESSIONS_8 = SESSIONS_7.replace("takeout_id integer", "takeout_id integer, tmp_auth_key blob")
SESSIONS_9 = SESSIONS_7.replace("takeout_id integer", "takeout_id integer, tmp_auth_key blob, extra integer")
ENTITIES = """CREATE TABLE entities (id integer primary key, hash integer not null, username text,
    phone integer, name text, date integer)"""
SENT_FILES = """CREATE TABLE sent_files (md5_digest blob, file_size integer, type integer, id integer,
    hash integer, primary key(md5_digest, file_size, type))"""
UPDATE_STATE = """CREATE TABLE update_state (id integer primary key, pts integer, qts integer,
    date integer, seq integer)"""
TABLES_8 = (VERSION, SESSIONS_8, ENTITIES, SENT_FILES, UPDATE_STATE)
KEY = bytes(range(256))


def open_writer(path: Path, *, page_size: int = 4096, mode: str = "delete") -> sqlite3.Connection:
    """A connection that says itself when transactions begin and end."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"PRAGMA page_size = {page_size}")
    database.execute(f"PRAGMA journal_mode = {mode}")
    return database


def database_of(*statements: str, key: bytes | None = None) -> bytes:
    """The bytes of a database made by these statements; `key` is stored as the login of data centre 2."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.session")
        with closing(open_writer(path)) as database:
            database.execute("PRAGMA synchronous = OFF")
            for statement in statements:
                database.execute(statement)
            if key is not None:
                login = (
                    "INSERT INTO sessions (dc_id, server_address, port, auth_key) VALUES (2, '149.154.167.51', 443, ?)"
                )
                database.execute(login, (key,))
        return path.read_bytes()


def open_pages(main: bytes, overlay: tuple[int, Mapping[int, bytes]] | None = None) -> DatabasePages:
    """Our reader over these bytes, with what a recovery brings laid over them."""
    page_count, pages = overlay if overlay is not None else (0, {})
    header = read_header(pages.get(1, main)[:100])

    def read(offset: int, size: int) -> bytes:
        return main[offset : offset + size]

    return DatabasePages(
        main[: header.page_size],
        read,
        page_size=header.page_size,
        page_count=page_count or header.page_count or len(main) // header.page_size,
        overlay=pages,
    )


def read_by_us(pages: DatabasePages) -> dict[str, list[Row]]:
    """Every row of every table, each tree checked."""
    schema = pages.schema()
    for item in schema:
        if item.root:
            pages.check_trees([item.root])
    return {item.name: list(pages.rows(item.root)) for item in schema if item.kind == "table"}


def read_by_sqlite(path: Path) -> dict[str, list[Row]]:
    """The same from SQLite; opening recovers, so give it a copy."""
    with closing(sqlite3.connect(path)) as database:
        return dict(_tables(database))


def _tables(database: sqlite3.Connection) -> Iterator[tuple[str, list[Row]]]:
    for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        # An alias of the row id is stored as NULL (fileformat2 §2.3).
        columns = database.execute(f'PRAGMA table_info("{name}")').fetchall()
        keys = [one for one in columns if one[5]]
        alias = {one[0] for one in keys if len(keys) == 1 and one[2].lower() == "integer"}
        found = database.execute(f'SELECT rowid, * FROM "{name}" ORDER BY rowid').fetchall()
        yield name, [(row[0], tuple(None if at in alias else v for at, v in enumerate(row[1:]))) for row in found]


def copy_family(path: Path, folder: Path, *sidecars: str) -> Path:
    """A byte copy of a database and of those sidecars, as a crash at this moment would leave them."""
    folder.mkdir()
    for suffix in ("", *sidecars):
        (folder / (path.name + suffix)).write_bytes(path.with_name(path.name + suffix).read_bytes())
    return folder / path.name


@cache
def telethon_session(people: int = 0) -> bytes:
    """A logged-in session of Telethon 1.45 with that many entities."""
    rows = ",".join(f"({n}, {7 * n}, 'user{n}', NULL, 'Customer {n}{40 * 'x'}', {n})" for n in range(1, people + 1))
    filled = (f"INSERT INTO entities VALUES {rows}",) if people else ()
    return database_of(*TABLES_8, "INSERT INTO version VALUES (8)", *filled, key=KEY)


def write_people(database: sqlite3.Connection, ids: Iterable[int], name: str) -> None:
    """Entities of those ids, each replacing what was there; one transaction, unless one is open."""
    rows = [(one, 7 * one, f"user{one}", None, name, one) for one in ids]
    with nullcontext() if database.in_transaction else transaction(database):
        database.executemany("INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?, ?)", rows)


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All in one commit; a test that fails inside leaves no matter what."""
    database.execute("BEGIN")
    yield
    database.execute("COMMIT")
