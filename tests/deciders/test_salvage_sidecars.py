"""Rows that only the log or the journal still holds, and rows that a recovery takes back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.session_files.database.finds import Source
from core.session_files.database.salvage import Rescued, salvage
from core.session_files.database.telethon_rows import Entity, Row, Table
from tests.deciders.databases import TABLES_8, open_pages, open_writer, read_by_sqlite, transaction
from tests.deciders.sessions_to_damage import (
    ROWS,
    all_rows,
    entities,
    key_of_session,
    overwritten,
    telethon_file,
)

KEY = key_of_session()
NEW_KEY = key_of_session(2)
SIZES = pytest.mark.parametrize("page_size", [512, 4096, 65536])


class Family:
    """A session written by SQLite, and its files at one moment."""

    def __init__(self, folder: Path, *, mode: str, page_size: int = 4096, people: int = 300) -> None:
        self.path = folder / "a.session"
        if people:
            self.path.write_bytes(telethon_file(people, page_size=page_size))
        self.database = open_writer(self.path, page_size=page_size, mode=mode)
        self.database.execute("PRAGMA cache_size = 2")
        self.page_size = page_size

    def rows(self) -> set[Row]:
        """All rows as the writer sees them."""
        found: set[Row] = set()
        for name, make in ROWS.items():
            found |= {make(*row) for row in self.database.execute(f"SELECT * FROM {name}")}
        return found

    def files(self) -> tuple[bytes, bytes | None, bytes | None]:
        """Main file, journal and log as they are now."""
        beside = [self.path.with_name(self.path.name + suffix) for suffix in ("-journal", "-wal")]
        journal, wal = (one.read_bytes() if one.exists() else None for one in beside)
        return self.path.read_bytes(), journal, wal

    def write_people(self, seed: int) -> None:
        """Three hundred more entities in the transaction that is open."""
        rows = entities(300, seed, date=1_770_000_000)
        self.database.executemany("INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?, ?)", rows)

    def change_key(self) -> None:
        """As Telethon does: the row is deleted and written anew."""
        self.database.execute("DELETE FROM sessions")
        login = "INSERT INTO sessions VALUES (4, '149.154.167.91', 443, ?, NULL, x'')"
        self.database.execute(login, (NEW_KEY,))


def count(rescued: Rescued, table: Table, source: Source) -> int:
    return rescued.account[table].rows[source]


@SIZES
def test_what_is_only_in_the_log_counts(page_size: int, tmp_path: Path) -> None:
    """Committed frames are the database, those of an unfinished transaction are not."""
    family = Family(tmp_path, mode="wal", page_size=page_size)
    with closing(family.database):
        with transaction(family.database):
            family.write_people(2)
            family.change_key()
        committed = family.rows()
        family.database.execute("BEGIN")
        family.write_people(3)
        files = family.files()

    rescued = salvage(*files)

    assert all_rows(rescued) == committed
    assert all(account.whole for account in rescued.account.values())


@SIZES
def test_a_first_login_that_is_only_in_a_broken_log_is_found(page_size: int, tmp_path: Path) -> None:
    """The main file holds no table yet, and the first frame of the log is torn, so that SQLite would take nothing."""
    family = Family(tmp_path, mode="wal", page_size=page_size, people=0)
    with closing(family.database):
        for statement in TABLES_8:
            family.database.execute(statement)
        family.change_key()
        main, _journal, wal = family.files()
    assert wal is not None
    torn = wal[:40] + b"\xff" + wal[41:]

    rescued = salvage(main, None, torn)

    assert [login.auth_key for login in rescued.logins] == [NEW_KEY]
    assert count(rescued, Table.SESSIONS, Source.SIDECAR) == 1
    assert salvage(b"", None, torn).logins == rescued.logins
    assert salvage(b"", None, b"\0" * 32 + wal[32:]).logins == (rescued.logins if page_size == 4096 else ())


@SIZES
def test_an_unfinished_transaction_helps_where_the_main_file_is_damaged(page_size: int, tmp_path: Path) -> None:
    """Its rows were written, if never committed; older frames serve where newer ones do not have the row."""
    family = Family(tmp_path, mode="wal", page_size=page_size)
    with closing(family.database):
        committed = family.rows()
        family.database.execute("BEGIN")
        family.write_people(2)
        ever = committed | family.rows()
        main, _journal, wal = family.files()

    rescued = salvage(overwritten(main, 1, page_size, seed=1), None, wal)

    assert committed - {row for row in committed if isinstance(row, Entity)} <= all_rows(rescued) <= ever
    assert count(rescued, Table.ENTITIES, Source.SIDECAR) > 0


@SIZES
def test_a_hot_journal_is_played_back(page_size: int, tmp_path: Path) -> None:
    """The writer spilled half its transaction into the file and died."""
    family = Family(tmp_path, mode="delete", page_size=page_size, people=900)
    with closing(family.database):
        committed = family.rows()
        family.database.execute("BEGIN")
        family.write_people(2)
        family.database.execute("UPDATE entities SET name = 'spilled' || id")
        family.change_key()
        family.database.execute("UPDATE entities SET name = 'again' || id")
        files = family.files()
    assert files[1]

    rescued = salvage(*files)

    assert all_rows(rescued) == committed
    assert [login.auth_key for login in rescued.logins] == [KEY]


@pytest.mark.parametrize("named", [False, True], ids=["hot", "of a super-journal"])
def test_a_page_lost_in_the_file_is_taken_from_the_journal(named: bool, tmp_path: Path) -> None:
    """Also from one that is not to be played back, as it may belong to other databases too."""
    family = Family(tmp_path, mode="delete", people=900)
    with closing(family.database):
        family.database.execute("BEGIN")
        family.database.execute("UPDATE entities SET name = 'spilled' || id")
        family.change_key()
        family.database.execute("UPDATE entities SET name = 'again' || id")
        main, journal, _wal = family.files()
    assert journal is not None
    tail = bytes.fromhex("d9d505f920a163d7") if named else b""

    rescued = salvage(bytes(len(main)), journal + tail)

    assert [login.auth_key for login in rescued.logins] == [KEY]


@SIZES
def test_a_persistent_journal_still_holds_the_pages_of_before(page_size: int, tmp_path: Path) -> None:
    """Its header is zeroed at the commit, the images behind it stay until they are written over."""
    family = Family(tmp_path, mode="persist", page_size=page_size)
    with closing(family.database):
        with transaction(family.database):
            family.change_key()
            family.write_people(2)
        committed = family.rows()
        main, journal, _wal = family.files()
    assert journal is not None
    assert not any(journal[:28])

    whole, lost = salvage(main, journal), salvage(b"", journal)

    assert all_rows(whole) == committed
    assert page_size != 4096 or [login.auth_key for login in lost.logins] == [KEY]


def test_newer_images_win_over_older_ones(tmp_path: Path) -> None:
    """Of two states in the log that recovery does not take, the last."""
    family = Family(tmp_path, mode="wal")
    with closing(family.database):
        for key in (b"\1" * 256, b"\2" * 256, NEW_KEY):
            family.database.execute("UPDATE sessions SET auth_key = ?", (key,))
        main, _journal, wal = family.files()
    assert wal is not None
    torn = wal[:24] + bytes(8) + wal[32:]

    rescued = salvage(bytes(len(main)), None, torn)

    assert [login.auth_key for login in rescued.logins] == [NEW_KEY]


def test_a_log_of_another_database_is_left_out(tmp_path: Path) -> None:
    """Its pages are of another size."""
    (tmp_path / "other").mkdir()
    other = Family(tmp_path / "other", mode="wal", page_size=1024)
    with closing(other.database):
        other.database.execute("UPDATE sessions SET auth_key = ?", (NEW_KEY,))
        _main, _journal, wal = other.files()

    whole, damaged = salvage(telethon_file(60), None, wal), salvage(with_lost_login(telethon_file(60)), None, wal)

    assert all_rows(whole) == all_rows(salvage(telethon_file(60)))
    assert damaged.logins == ()


def with_lost_login(main: bytes) -> bytes:
    """The session with noise for the page of its login."""
    (root,) = (item.root for item in open_pages(main).schema() if item.name == "sessions")
    return overwritten(main, root, 4096, seed=1)


def test_a_temporary_key_that_continues_in_the_log_is_followed_there(tmp_path: Path) -> None:
    """Pages of 512 bytes are too small for such a login; its two parts must be of one transaction."""
    family = Family(tmp_path, mode="wal", page_size=512)
    with closing(family.database):
        family.database.execute("UPDATE sessions SET auth_key = ?, tmp_auth_key = ?", (NEW_KEY, KEY))
        main, _journal, wal = family.files()
    assert wal is not None
    frames = [wal[at : at + 536] for at in range(32, len(wal), 536)]
    salted = [frame[:8] + bytes([number]) * 8 + frame[16:] for number, frame in enumerate(frames)]
    apart = wal[:24] + bytes(8) + b"".join(salted)

    together = salvage(bytes(len(main)), None, wal[:24] + bytes(8) + wal[32:])

    assert [login.tmp_auth_key for login in together.logins] == [KEY]
    assert salvage(bytes(len(main)), None, apart).logins == ()


def test_the_journal_and_the_log_of_one_file_are_both_used(tmp_path: Path) -> None:
    """SQLite rolls back before it reads the log."""
    family = Family(tmp_path, mode="delete", people=900)
    with closing(family.database):
        family.database.execute("BEGIN")
        family.database.execute("UPDATE entities SET name = 'spilled' || id")
        family.database.execute("UPDATE entities SET name = 'again' || id")
        main, journal, _wal = family.files()
    (tmp_path / "log").mkdir()
    logged = Family(tmp_path / "log", mode="wal", people=900)
    with closing(logged.database):
        logged.database.execute("UPDATE sessions SET port = 80")
        _main, _journal, wal = logged.files()

    rescued = salvage(main, journal, wal)

    assert (rescued.logins[0].port, rescued.account[Table.ENTITIES].whole) == (80, True)


def test_recovered_rows_are_those_of_sqlite(tmp_path: Path) -> None:
    """Its own recovery of the same three files."""
    family = Family(tmp_path, mode="wal")
    with closing(family.database):
        family.write_people(2)
        files = family.files()
    (tmp_path / "copy").mkdir()
    for suffix, part in zip(("", "-journal", "-wal"), files, strict=True):
        if part is not None:
            (tmp_path / "copy" / f"a.session{suffix}").write_bytes(part)

    rescued = salvage(*files)

    with closing(sqlite3.connect(tmp_path / "copy" / "a.session")) as database:
        assert sorted(rescued.entities) == sorted(database.execute("SELECT * FROM entities"))
    assert set(read_by_sqlite(tmp_path / "copy" / "a.session")) == set(ROWS)
