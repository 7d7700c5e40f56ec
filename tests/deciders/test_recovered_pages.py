"""Journals and logs of writers stopped in the middle: laid over the file, they give what SQLite's recovery gives."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from core.session_files.database.contents import judge_pages
from core.session_files.database.file_format import (
    WalPages,
    classify_journal,
    journal_original_pages,
    journal_pages,
    pending_frames,
    verified_wal_pages,
    wal_page_size,
    wal_pages,
)
from core.session_files.model import ContentsKind, JournalHeat
from tests.deciders.databases import (
    KEY,
    TABLES_8,
    Row,
    copy_family,
    open_pages,
    open_writer,
    read_by_sqlite,
    read_by_us,
    transaction,
    write_people,
)

Write = Callable[[sqlite3.Connection], None]
PAGE_SIZES = pytest.mark.parametrize("page_size", [512, 4096, 65536])


def width(database: sqlite3.Connection) -> int:
    """Characters of a name by which 300 rows fill more pages than the cache holds."""
    (page_size,) = database.execute("PRAGMA page_size").fetchone()
    return max(60, int(page_size) // 60)


def fill(database: sqlite3.Connection) -> None:
    """A logged-in session with 300 entities, committed."""
    with transaction(database):
        for statement in TABLES_8:
            database.execute(statement)
        database.execute("INSERT INTO version VALUES (8)")
        database.execute("INSERT INTO sessions (dc_id, auth_key) VALUES (2, ?)", (KEY,))
        write_people(database, range(1, 301), "1" * width(database))


def overwrite(database: sqlite3.Connection) -> None:
    write_people(database, range(1, 301), "2" * width(database))


def grow(database: sqlite3.Connection) -> None:
    write_people(database, range(301, 1500), "3" * width(database))


def shrink(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM entities")
    database.execute("UPDATE sessions SET auth_key = ?", (KEY[::-1],))
    write_people(database, range(1, 200), "4" * width(database))


def log_out(database: sqlite3.Connection) -> None:
    database.execute("UPDATE sessions SET auth_key = x''")
    grow(database)


ReadLog = Callable[[bytes], WalPages | None]
READERS = pytest.mark.parametrize("read", [wal_pages, verified_wal_pages])
WRITES = pytest.mark.parametrize("write", [overwrite, grow, shrink, log_out])


@WRITES
@PAGE_SIZES
def test_a_hot_journal_gives_back_the_rows_of_before(write: Write, page_size: int, tmp_path: Path) -> None:
    """A writer with a small cache has spilled half its transaction into the file when it stops."""
    with closing(open_writer(tmp_path / "a.session", page_size=page_size)) as database:
        fill(database)
        crashed = stop_inside(write, database, tmp_path)
    journal = beside(crashed, "-journal")
    overlay = journal_pages(journal)

    ours = read_by_us(open_pages(crashed.read_bytes(), overlay))

    assert classify_journal(journal) is JournalHeat.HOT
    assert overlay is not None
    assert overlay[0] == journal_original_pages(journal)
    assert ours == rows_after_recovery(crashed, count=300)


def test_a_journal_written_without_syncs_is_played_back(tmp_path: Path) -> None:
    """With synchronous=OFF its header does not count the records."""
    with closing(open_writer(tmp_path / "a.session")) as database:
        fill(database)
        database.execute("PRAGMA synchronous = OFF")
        crashed = stop_inside(overwrite, database, tmp_path)
    journal = beside(crashed, "-journal")

    ours = read_by_us(open_pages(crashed.read_bytes(), journal_pages(journal)))

    assert journal[8:12] == b"\xff\xff\xff\xff"
    assert ours == rows_after_recovery(crashed, count=300)


def test_a_shrunk_file_has_its_old_size_back(tmp_path: Path) -> None:
    """VACUUM stopped in the middle: pages beyond today's end come from the journal."""
    with closing(open_writer(tmp_path / "a.session")) as database:
        fill(database)
        write_people(database, range(301, 2000), "x" * 60)
        database.execute("DELETE FROM entities WHERE id > 300")
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("VACUUM")
        write_people(database, range(301, 2000), "x" * 60)
        database.execute("DELETE FROM entities WHERE id > 250")
        crashed = stop_inside(vacuum_and_write, database, tmp_path)
    overlay = journal_pages(beside(crashed, "-journal"))

    ours = read_by_us(open_pages(crashed.read_bytes(), overlay))

    assert ours == rows_after_recovery(crashed, count=250)


def vacuum_and_write(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA incremental_vacuum").fetchall()
    overwrite(database)


@WRITES
@PAGE_SIZES
@READERS
def test_a_log_gives_the_rows_of_its_last_commit(read: ReadLog, write: Write, page_size: int, tmp_path: Path) -> None:
    """Committed frames count, those of the transaction at work do not."""
    with closing(open_writer(tmp_path / "a.session", page_size=page_size, mode="wal")) as database:
        fill(database)
        with transaction(database):
            write(database)
        (committed,) = database.execute("SELECT count(*) FROM entities").fetchone()
        crashed = stop_inside(grow, database, tmp_path, sidecar="-wal")
    wal = beside(crashed, "-wal")

    ours = read_by_us(open_pages(crashed.read_bytes(), read(wal)))

    assert 0 < frames_waiting(wal) < (len(wal) - 32) // (24 + page_size)
    assert ours == rows_after_recovery(crashed, count=committed)


@READERS
def test_frames_of_the_log_before_do_not_count(read: ReadLog, tmp_path: Path) -> None:
    """After a checkpoint the log begins again over its old frames, whose salts are others."""
    crashed = begun_again(tmp_path)
    wal = beside(crashed, "-wal")
    overlay = read(wal)

    ours = read_by_us(open_pages(crashed.read_bytes(), overlay))

    assert overlay is not None
    assert len(overlay[1]) <= frames_waiting(wal) < 10 < len(wal) // 4096
    assert ours == rows_after_recovery(crashed, count=1499)


@READERS
@pytest.mark.parametrize("lost", [1, 100, 4096, 4120, 3 * 4120, 20_000])
def test_a_log_cut_short_gives_what_sqlite_finds_in_it(read: ReadLog, lost: int, tmp_path: Path) -> None:
    """Its last transactions are gone, whole ones before stay."""
    crashed = with_four_commits(tmp_path)
    wal = beside(crashed, "-wal")[:-lost]
    crashed.with_name("a.session-wal").write_bytes(wal)

    ours = read_by_us(open_pages(crashed.read_bytes(), read(wal)))

    assert ours == read_by_sqlite(crashed)


@pytest.mark.parametrize("share", [0.1, 0.35, 0.6, 0.9])
def test_a_verified_log_with_a_changed_byte_ends_where_sqlite_ends_it(share: float, tmp_path: Path) -> None:
    """The checksum of its frame is wrong, for both readers."""
    crashed = with_four_commits(tmp_path)
    wal = bytearray(beside(crashed, "-wal"))
    wal[int(share * len(wal))] ^= 0x10
    crashed.with_name("a.session-wal").write_bytes(wal)
    overlay = verified_wal_pages(bytes(wal))

    ours = read_by_us(open_pages(crashed.read_bytes(), overlay)) if overlay else {}

    assert ours == read_by_sqlite(crashed)


def test_a_verified_log_leaves_out_a_frame_that_got_only_its_header(tmp_path: Path) -> None:
    """SQLite writes header and page in two calls; killed between them, the page is still that of the log before."""
    crashed = begun_again(tmp_path)
    wal = bytearray(beside(crashed, "-wal"))
    last = 32 + (frames_waiting(bytes(wal)) - 1) * 4120
    wal[last + 24 : last + 4120] = wal[-4096:]
    crashed.with_name("a.session-wal").write_bytes(wal)

    ours = read_by_us(open_pages(crashed.read_bytes(), verified_wal_pages(bytes(wal))))

    assert ours == read_by_sqlite(crashed)


def begun_again(folder: Path) -> Path:
    """A family whose log was checkpointed and then took a few more frames."""
    with closing(open_writer(folder / "a.session", mode="wal")) as database:
        fill(database)
        grow(database)
        database.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        write_people(database, range(1, 3), "last")
        return copy_family(folder / "a.session", folder / "crashed", "-wal")


def with_four_commits(folder: Path) -> Path:
    """A family whose log holds four transactions after the first."""
    with closing(open_writer(folder / "a.session", mode="wal")) as database:
        fill(database)
        for batch in range(4):
            write_people(database, range(1000 * batch, 1000 * batch + 60), "x" * 60)
        return copy_family(folder / "a.session", folder / "crashed", "-wal")


def test_a_first_login_that_is_only_in_the_log_is_seen(tmp_path: Path) -> None:
    """The main file holds no byte of it; who deletes the -wal deletes the login."""
    with closing(open_writer(tmp_path / "a.session", mode="wal")) as database:
        fill(database)
        crashed = copy_family(tmp_path / "a.session", tmp_path / "crashed", "-wal")
    main = crashed.read_bytes()

    alone = judge_pages(open_pages(main), secret=b"s")
    with_log = judge_pages(open_pages(main, wal_pages(beside(crashed, "-wal"))), secret=b"s")

    assert KEY not in main
    assert (alone.kind, alone.logged_in) == (ContentsKind.HALF_CREATED, None)
    assert (with_log.kind, with_log.logged_in) == (ContentsKind.TELETHON, True)


def stop_inside(write: Write, database: sqlite3.Connection, folder: Path, *, sidecar: str = "-journal") -> Path:
    """A copy of the family as it is in the middle of a transaction, pages of it already in the file."""
    database.execute("PRAGMA cache_size = 2")
    database.execute("BEGIN IMMEDIATE")
    write(database)
    crashed = copy_family(folder / "a.session", folder / "crashed", sidecar)
    database.execute("ROLLBACK")
    return crashed


def beside(path: Path, suffix: str) -> bytes:
    return path.with_name(path.name + suffix).read_bytes()


def frames_waiting(wal: bytes) -> int:
    page_size = wal_page_size(wal)
    assert page_size is not None
    return pending_frames(wal, (wal[at : at + 24] for at in range(32, len(wal), 24 + page_size)))


def rows_after_recovery(crashed: Path, *, count: int) -> dict[str, list[Row]]:
    """SQLite's own recovery; `count` entities must have come through it."""
    rows = read_by_sqlite(crashed)
    assert len(rows["entities"]) == count
    return rows
