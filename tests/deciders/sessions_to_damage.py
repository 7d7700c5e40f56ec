"""Real sessions of Telethon, and for each of their rows the pages that it stands on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

from telethon.crypto import AuthKey
from telethon.sessions import SQLiteSession

from core.session_files.database.file_format import read_header
from core.session_files.database.pages import DatabasePages, cell_offsets
from core.session_files.database.salvage import Rescued
from core.session_files.database.telethon_rows import Entity, Login, Row, SentFile, UpdateState, Version

PAGE_SIZES = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]
SEVERAL_PAGE_SIZES = [512, 1024, 4096, 65536]
ROWS = {
    "version": Version,
    "sessions": Login,
    "entities": Entity,
    "sent_files": SentFile,
    "update_state": UpdateState,
}


class PlacedRow(NamedTuple):
    """A row and the numbers of the pages that hold it: its leaf, and where it continues."""

    row: Row
    pages: frozenset[int]


class _NotingPages(DatabasePages):
    """A reader that notes which pages it was asked for."""

    def __init__(self, main: bytes) -> None:
        self.asked: set[int] = set()
        size = read_header(main[:100]).page_size
        super().__init__(main, lambda _at, _size: b"", page_size=size, page_count=len(main) // size)

    def page(self, number: int) -> bytes:
        self.asked.add(number)
        return super().page(number)

    def placed(self, root: int, make: type[Row]) -> Iterator[PlacedRow]:
        for number, page, start in self._leaves(root):
            for cell in cell_offsets(number, page, start, self._usable):
                self.asked = {number}
                rowid, values = self._table_row(number, page, cell)
                columns = values if make is SentFile else (rowid, *values[1:])
                yield PlacedRow(make(*columns), frozenset(self.asked))  # type: ignore[arg-type]


def placed_rows(main: bytes) -> list[PlacedRow]:
    """Every row of a sound session, read by the reader that its own tests hold against SQLite."""
    pages = _NotingPages(main)
    return [
        placed for item in pages.schema() if item.kind == "table" for placed in pages.placed(item.root, ROWS[item.name])
    ]


def all_rows(rescued: Rescued) -> set[Row]:
    """What was rescued, as one set."""
    version = () if rescued.version is None else (Version(rescued.version),)
    return {*version, *rescued.logins, *rescued.entities, *rescued.sent_files, *rescued.update_state}


def key_of_session(seed: int = 1) -> bytes:
    """256 bytes as a real key has them."""
    return Random(f"key {seed}").randbytes(256)


@cache
def telethon_file(people: int = 300, *, page_size: int = 4096, seed: int = 1, tmp_key: bool = False) -> bytes:
    """The bytes of a logged-in session that Telethon's own class wrote."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.session")
        write_session(path, people, seed=seed, tmp_key=tmp_key)
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute(f"PRAGMA page_size = {page_size}")
            database.execute("VACUUM")
        return path.read_bytes()


def write_session(path: Path, people: int, *, seed: int = 1, tmp_key: bool = False) -> None:
    """A session with a login, that many entities, and a tenth as many sent files and states of channels."""
    session = SQLiteSession(str(path), store_tmp_auth_key_on_disk=tmp_key)
    session.set_dc(4, "149.154.167.91", 443)
    session.auth_key = AuthKey(key_of_session(seed))
    if tmp_key:
        session.tmp_auth_key = AuthKey(key_of_session(seed + 1000))
        # Telethon's setter names the wrong attribute, so the row is written by hand (research: telethon §3.4)
        session._execute("UPDATE sessions SET tmp_auth_key = ?", key_of_session(seed + 1000))
    connection = session._conn
    connection.executemany("INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?, ?)", entities(people, seed))
    files = [(Random(n).randbytes(16), 1000 * n, n % 2, 7 * n, -(n**7)) for n in range(people // 10)]
    connection.executemany("INSERT INTO sent_files VALUES (?, ?, ?, ?, ?)", files)
    states = [(n and -1000000000000 - n, 3 * n, 0, 1_760_000_000 + n / 7, 0) for n in range(people // 10)]
    connection.executemany("INSERT INTO update_state VALUES (?, ?, ?, ?, ?)", states)
    session.close()


def entities(count: int, seed: int = 1, *, date: int = 1_760_000_000) -> list[Entity]:
    """People, groups and channels as Telegram gives them: ids of every length, names of every script."""
    random = Random(seed)
    names = ["Ana", "Bülent Çağlar", "Дмитрий", "王小明", "🙂", "x" * 64, "y" * 130, "Ö" * 128]
    found = {}
    for _ in range(count):
        user, old, channel = random.randrange(1 << 28, 1 << 33), random.randrange(1, 1 << 28), random.randrange(1 << 32)
        kind = random.choice([user, old, -old, -1_000_000_000_000 - channel])
        found[kind] = Entity(
            kind,
            random.choice([0, random.randrange(-(1 << 63), 1 << 63), random.randrange(-(1 << 63), 1 << 63)]),
            random.choice([None, f"user{random.randrange(1 << 30)}"]),
            random.choice([None, None, None, random.randrange(10**10, 10**13)]),
            random.choice([None, f"{random.choice(names)} {random.randrange(1000)}"]),
            date + random.randrange(10**6),
        )
    return list(found.values())


def login_cell(main: bytes) -> bytes:
    """The cell of the login, to the end of its key: size, row id, column types, address and port take 27 bytes."""
    key_at = main.index(key_of_session())
    return main[key_at - 27 : key_at + 256]


def overwritten(main: bytes, page: int, page_size: int, seed: int) -> bytes:
    """The same with random bytes for one page."""
    start = (page - 1) * page_size
    return main[:start] + Random(seed).randbytes(page_size) + main[start + page_size :]
